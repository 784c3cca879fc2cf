// What the hub checks of a request before it does anything.
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <spate/http/request.hpp>
#include <spate/registry/emitter_options.hpp>
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
  const auto fail = [&](const char* why) { throw BadRequest(std::string(what) + " " + why); };
  if (id.empty()) fail("is empty");
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

/// The event that a request to send describes: body, `?event=`, `?retry=`.
inline spate::Event event_of(const spate::Request& request) {
  if (!spate::is_valid_utf8(request.body())) throw BadRequest("the body is not valid UTF-8");
  spate::Event event(request.body());

  const std::vector<std::string> names = request.query_all("event");
  if (names.size() > 1) throw BadRequest("event is given twice");
  if (!names.empty()) {
    const std::string& name = names.front();
    if (!spate::is_valid_utf8(name)) throw BadRequest("event is not valid UTF-8");
    if (name.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      throw BadRequest("event has a line end or NUL");
    }
    if (name == "connected" || name == "gap" || name == "closing") throw BadRequest("event " + name + " is reserved");
    event.name(name);
  }

  const std::vector<std::string> retries = request.query_all("retry");
  if (retries.size() > 1) throw BadRequest("retry is given twice");
  if (!retries.empty()) {
    const std::string& text = retries.front();
    std::uint64_t milliseconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), milliseconds);
    const bool digits = !text.empty() && text.size() <= 10 && error == std::errc() && end == text.data() + text.size();
    if (!digits || milliseconds > static_cast<std::uint64_t>(spate::Event::max_retry.count())) {
      throw BadRequest("retry is not 1 to 10 digits of at most 86400000");
    }
    event.retry(std::chrono::milliseconds(milliseconds));
  }
  return event;
}

}  // namespace hub
