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

/// Sets `event` up as the head of a request to send describes it: `?event=`, `?retry=`.
inline void describe(spate::Event& event, const spate::Request& request) {
  if (const auto name = single(request, "event")) {
    const auto fail = [&](const char* why) { throw BadRequest("event " + spate::quote(*name) + " " + why); };
    if (!spate::is_valid_utf8(*name)) fail("is not valid UTF-8");
    if (name->find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) fail("has a line end or NUL");
    if (*name == "connected" || *name == "gap" || *name == "closing") fail("is reserved");
    event.name(*name);
  }

  if (const auto retry = single(request, "retry")) {
    const std::string& text = *retry;
    std::uint64_t milliseconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), milliseconds);
    const bool digits = !text.empty() && text.size() <= 10 && error == std::errc() && end == text.data() + text.size();
    if (!digits || milliseconds > static_cast<std::uint64_t>(spate::Event::max_retry.count())) {
      throw BadRequest("retry must be 1 to 10 digits and at most 86400000, not " + spate::quote(text));
    }
    event.retry(std::chrono::milliseconds(milliseconds));
  }
}

/// The same for whoever only wants to know whether such an event can be, before the body is there.
inline void check_description(const spate::Request& request) {
  spate::Event event;
  describe(event, request);
}

/// The event that a request to send describes, its body included.
inline spate::Event event_of(const spate::Request& request) {
  const std::string_view body = request.body();
  if (const std::size_t valid = spate::detail::valid_utf8_prefix(body); valid < body.size()) {
    throw BadRequest("the body is not valid UTF-8 at byte " + std::to_string(valid) + ": " +
                     spate::quote(body.substr(valid)));
  }
  spate::Event event(body);
  describe(event, request);
  return event;
}

}  // namespace hub
