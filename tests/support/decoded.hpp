// A whole stream decoded at once, in a form that prints itself.
#pragma once

#include <chrono>
#include <concepts>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <spate/wire/decoder.hpp>
#include <spate/wire/detail/quote.hpp>
#include "support/pieces.hpp"

namespace spate {

inline bool operator==(const DecodedEvent& a, const DecodedEvent& b) {
  return a.data == b.data && a.name == b.name && a.last_event_id == b.last_event_id && a.id == b.id &&
         a.retry == b.retry;
}

/// A template, so that it gives way to that of the testing kit where both are there.
template <std::derived_from<std::ostream> Out>
Out& operator<<(Out& out, const DecodedEvent& event) {
  out << event.name << detail::quote(event.data) << "@" << detail::quote(event.last_event_id);
  if (event.id) out << " id=" << detail::quote(*event.id);
  if (event.retry) out << " retry=" << event.retry->count();
  return out;
}

}  // namespace spate

namespace spate::test {

struct Decoded {
  std::vector<DecodedEvent> events;
  std::vector<std::string> comments;
  std::string last_event_id;
  std::optional<std::chrono::milliseconds> reconnection_time;
  std::error_code error;

  std::vector<std::string> data() const {
    std::vector<std::string> all;
    all.reserve(events.size());
    for (const DecodedEvent& event : events) all.push_back(event.data);
    return all;
  }

  friend bool operator==(const Decoded& a, const Decoded& b) {
    return a.events == b.events && a.comments == b.comments && a.last_event_id == b.last_event_id &&
           a.reconnection_time == b.reconnection_time && a.error == b.error;
  }

  friend std::ostream& operator<<(std::ostream& out, const Decoded& decoded) {
    for (const DecodedEvent& event : decoded.events) out << event << ", ";
    for (const std::string& comment : decoded.comments) out << ":" << detail::quote(comment) << ", ";
    out << "last id " << detail::quote(decoded.last_event_id);
    if (decoded.reconnection_time) out << ", reconnect after " << decoded.reconnection_time->count();
    if (decoded.error) out << ", " << decoded.error.message();
    return out;
  }
};

inline Decoded decode(const Pieces& pieces, DecoderOptions options = {}) {
  Decoded decoded;
  EventDecoder decoder(options);
  for (const Piece& piece : pieces) {
    decoded.error = decoder.feed(
        piece.view(), [&](const DecodedEvent& event) { decoded.events.push_back(event); },
        [&](std::string_view comment) { decoded.comments.emplace_back(comment); });
  }
  decoded.last_event_id = decoder.last_event_id();
  decoded.reconnection_time = decoder.reconnection_time();
  return decoded;
}

inline Decoded decode(std::string_view bytes, DecoderOptions options = {}) {
  return decode(cut(bytes, {}), options);
}

}  // namespace spate::test
