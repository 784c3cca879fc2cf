// Which transport a request asks for, and with what.
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/http/detail/tokens.hpp>
#include <spate/http/request.hpp>
#include <spate/stream/transport.hpp>

namespace spate::detail {

struct TransportChoice {
  Transport transport = Transport::sse;
  std::chrono::milliseconds timeout = std::chrono::seconds(25);  // poll: how long to wait for the first event
  std::string client;                                            // poll: tells apart the clients of one user
  std::string callback = "spate";                                // iframe: the parent's function
};

/// A dotted JavaScript name: nothing else may stand in the page's scripts unescaped.
inline bool valid_callback(std::string_view name) noexcept {
  constexpr std::size_t most = 64;
  if (name.empty() || name.size() > most || name.front() == '.' || name.back() == '.') return false;
  char before = '.';
  for (const char c : name) {
    const bool digit = c >= '0' && c <= '9';
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
    if (!letter && !(digit && before != '.') && !(c == '.' && before != '.')) return false;
    before = c;
  }
  return true;
}

/// Throws std::invalid_argument, with words for the client, when a parameter of the query is out of place.
inline TransportChoice choose_transport(const Request& request) {
  TransportChoice choice;
  const auto once = [&](std::string_view name) -> std::optional<std::string> {
    std::vector<std::string> values = request.query_all(name);
    if (values.size() > 1) throw std::invalid_argument(std::string(name) + " is given twice");
    return values.empty() ? std::nullopt : std::optional(std::move(values.front()));
  };
  if (const auto name = once("transport")) {
    if (*name == "poll") {
      choice.transport = Transport::poll;
    } else if (*name == "iframe") {
      choice.transport = Transport::iframe;
    } else if (*name != "sse") {
      throw std::invalid_argument("transport must be sse, poll or iframe");
    }
  } else if (const auto accept = request.header_list("accept"); accept && request.method() != "POST") {
    // A program that reads JSON and no event streams: one `*/*`, which accepts both, gets the stream. (L7)
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
        throw std::invalid_argument("timeout must be 0 to 60000 ms");
      }
      choice.timeout = std::chrono::milliseconds(value);
    }
    choice.client = once("client").value_or("");
    if (choice.client.size() > 256) throw std::invalid_argument("client is longer than 256 bytes");
  }
  if (choice.transport == Transport::iframe) {
    if (auto name = once("callback")) choice.callback = std::move(*name);
    if (!valid_callback(choice.callback)) {
      throw std::invalid_argument(
          "callback must be a name of letters, digits, _ and $, with dots between, of at most 64");
    }
  }
  return choice;
}

}  // namespace spate::detail
