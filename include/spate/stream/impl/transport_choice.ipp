// The functions of transport_choice.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/stream/detail/transport_choice.hpp>

namespace spate::detail {

SPATE_DECL bool valid_callback(std::string_view name) noexcept {
  constexpr std::size_t most = 64;
  if (name.empty() || name.size() > most || is_digit(name.front())) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return is_alpha(c) || is_digit(c) || c == '_' || c == '$'; });
}

SPATE_DECL TransportChoice choose_transport(const Request& request) {
  TransportChoice choice;
  const auto once = [&](std::string_view name) -> std::optional<std::string> {
    std::vector<std::string> values = request.query_all(name);
    if (values.size() > 1) throw TransportRefused(std::string(name) + " is given twice");
    return values.empty() ? std::nullopt : std::optional(std::move(values.front()));
  };
  if (const auto name = once("transport")) {
    if (*name == "poll") {
      choice.transport = Transport::poll;
    } else if (*name == "iframe") {
      choice.transport = Transport::iframe;
    } else if (*name != "sse") {
      throw TransportRefused("transport must be sse, poll or iframe, not " + quote(*name));
    }
  } else if (const auto accept = request.header_list("accept"); accept && request.method() != "POST") {
    // A program that reads JSON and no event streams: one `*/*`, which accepts both, gets the stream. (WHATWG 9.2.2)
    // Not after a POST: it cannot be asked again, and clients of language models accept JSON alone whatever they want.
    if (!accepts(*accept, "text/event-stream") && accepts(*accept, "application/json")) {
      choice.transport = Transport::poll;
    }
  }
  if (choice.transport == Transport::poll) {
    if (const auto text = once("timeout")) {
      constexpr int most = 60'000;
      int value = -1;
      const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
      const bool digits = !text->empty() && text->find_first_not_of("0123456789") == std::string::npos;
      if (!digits || error != std::errc() || end != text->data() + text->size() || value > most) {
        throw TransportRefused("timeout must be 0 to 60000 ms, not " + quote(*text));
      }
      choice.timeout = std::chrono::milliseconds(value);
    }
    constexpr std::size_t max_client_bytes = 256;
    choice.client = once("client").value_or("");
    if (choice.client.size() > max_client_bytes) {
      throw TransportRefused("client " + quote(choice.client) + " is longer than 256 bytes");
    }
  }
  if (choice.transport == Transport::iframe) {
    if (auto name = once("callback")) choice.callback = std::move(*name);
    if (!valid_callback(choice.callback)) {
      throw TransportRefused("callback must be one name of 1 to 64 letters, digits, _ and $, not " +
                             quote(choice.callback));
    }
    if (!may_fill_iframe(request)) throw TransportRefused("the page of an iframe may fill nothing else", 403);
  }
  return choice;
}

SPATE_DECL bool admits_gzip(const Request& request) {
  const auto codings = request.header_list("accept-encoding");
  return codings && admits_coding(*codings, "gzip");
}

}  // namespace spate::detail
