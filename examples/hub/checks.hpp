// What the hub checks of a request before it does anything.
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/http/request.hpp>
#include <spate/registry/emitter_options.hpp>
#include <spate/wire/detail/quote.hpp>
#include <spate/wire/event.hpp>
#include <spate/wire/text.hpp>

namespace hub {

/// A request that cannot be served; `what()` goes to the client with status 400.
struct BadRequest : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws BadRequest unless `id` can be a user's id or a group's prefix.
inline void check_id(std::string_view id, const char* what) {
  constexpr std::size_t most = 256;
  if (id.empty()) throw BadRequest(std::string(what) + " is empty");
  const auto fail = [&](const char* why) { throw BadRequest(what + (" " + spate::quote(id)) + " " + why); };
  if (id.size() > most) fail("is longer than 256 bytes");
  if (!spate::is_valid_utf8(id)) fail("is not valid UTF-8");
  for (std::size_t at = 0; at < id.size(); ++at) {
    const auto byte = static_cast<unsigned char>(id[at]);
    // C0, DEL, and C1, which UTF-8 writes as C2 80 to C2 9F.
    const bool c1 = byte == 0xC2 && static_cast<unsigned char>(id[at + 1]) < 0xA0;
    if (byte < 0x20 || byte == 0x7F || c1) fail("has a control character");
  }
}

/// Throws BadRequest when the `?event=` of a subscription are more than a stream may name.
inline void check_filter(const spate::Request& request) {
  constexpr std::size_t most = spate::SubscribeOptions::max_event_names;
  constexpr std::size_t most_bytes = spate::SubscribeOptions::max_event_name_bytes;
  const std::vector<std::string> names = request.query_all("event");
  if (names.size() > most) throw BadRequest("event is given more than " + std::to_string(most) + " times");
  std::size_t bytes = 0;
  for (const std::string& name : names) bytes += name.size();
  if (bytes > most_bytes)
    throw BadRequest("the events are longer than " + std::to_string(most_bytes) + " bytes in all");
}

/// The only query parameter `name`, if there is one.
inline std::optional<std::string> single(const spate::Request& request, const char* name) {
  std::vector<std::string> values = request.query_all(name);
  if (values.size() > 1) {
    throw BadRequest(std::string(name) + " is given more than once: " + spate::quote(values[0]) + " and " +
                     spate::quote(values[1]));
  }
  if (values.empty()) return std::nullopt;
  return std::move(values.front());
}

/// The name that `?event=` gives what is sent, if there is one.
inline std::optional<std::string> event_name(const spate::Request& request) {
  std::optional<std::string> name = single(request, "event");
  if (!name) return std::nullopt;
  const auto fail = [&](const char* why) { throw BadRequest("event " + spate::quote(*name) + " " + why); };
  if (!spate::is_valid_utf8(*name)) fail("is not valid UTF-8");
  if (name->find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) fail("has a line end or NUL");
  if (*name == "connected" || *name == "gap" || *name == "closing") fail("is reserved");
  return name;
}

/// The reconnection time that `?retry=` tells the receivers, if there is one.
inline std::optional<std::chrono::milliseconds> reconnection_time(const spate::Request& request) {
  const std::optional<std::string> text = single(request, "retry");
  if (!text) return std::nullopt;
  std::uint64_t milliseconds = 0;
  const char* const text_end = text->data() + text->size();
  const auto [end, error] = std::from_chars(text->data(), text_end, milliseconds);
  const bool digits = !text->empty() && text->size() <= 10 && error == std::errc() && end == text_end;
  if (!digits || milliseconds > static_cast<std::uint64_t>(spate::Event::max_retry.count())) {
    throw BadRequest("retry must be 1 to 10 digits and at most 86400000, not " + spate::quote(*text));
  }
  return std::chrono::milliseconds(milliseconds);
}

/// Throws BadRequest when the head of a request to send says what no event can be.
inline void check_event(const spate::Request& request) {
  event_name(request);
  reconnection_time(request);
}

/// The event that a request to send describes: body, `?event=`, `?retry=`.
inline spate::Event event_of(const spate::Request& request) {
  const std::string_view body = request.body();
  if (const std::size_t valid = spate::detail::valid_utf8_prefix(body); valid < body.size()) {
    throw BadRequest("the body is not valid UTF-8 at byte " + std::to_string(valid) + ": " +
                     spate::quote(body.substr(valid)));
  }
  spate::Event event(body);
  if (const auto name = event_name(request)) event.name(*name);
  if (const auto time = reconnection_time(request)) event.retry(*time);
  return event;
}

}  // namespace hub
