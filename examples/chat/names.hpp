// What people and rooms may be called, and what a request must name.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/wire/text.hpp>

namespace chat {

constexpr std::size_t max_name_bytes = 64;
constexpr std::size_t max_rooms = 32;  // of one stream

/// Whether a person or a room may be called `text`: one line that has something on it, and no blanks around it by which
/// two names would differ that look the same.
inline bool is_name(std::string_view text) {
  if (text.empty() || text.size() > max_name_bytes || !spate::is_valid_utf8(text)) return false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    // The control characters: C0, DEL, and C1, which UTF-8 writes as C2 80 to C2 9F.
    const bool c1 = byte == 0xC2 && static_cast<unsigned char>(text[at + 1]) < 0xA0;
    if (byte < 0x20 || byte == 0x7F || c1) return false;
  }
  return text.front() != ' ' && text.back() != ' ';
}

inline std::optional<spate::Response> refuse_unless_name(std::string_view text, std::string_view whose) {
  if (is_name(text)) return std::nullopt;
  return spate::Response::error(400,
                                "the name of a " + std::string(whose) + " is 1 to " + std::to_string(max_name_bytes) +
                                    " bytes of UTF-8 on one line, without blanks around it, not " + spate::quote(text));
}

/// Refuses a request unless it says who asks.
inline std::optional<spate::Response> refuse_without_person(const spate::Request& request) {
  const std::vector<std::string> names = request.query_all("name");
  if (names.size() != 1) return spate::Response::error(400, "who are you? `name` is to be given once");
  return refuse_unless_name(names.front(), "person");
}

/// Refuses a request for a room that cannot be.
inline std::optional<spate::Response> refuse_without_room(const spate::Request& request) {
  return refuse_unless_name(request.param("room"), "room");
}

/// Refuses a stream that is for no room, or for too many.
inline std::optional<spate::Response> refuse_without_rooms(const spate::Request& request) {
  const std::vector<std::string> rooms = request.query_all("room");
  if (rooms.empty() || rooms.size() > max_rooms) {
    return spate::Response::error(
        400, "`room` is to be given 1 to " + std::to_string(max_rooms) + " times, not " + std::to_string(rooms.size()));
  }
  for (const std::string& room : rooms) {
    if (auto refusal = refuse_unless_name(room, "room")) return refusal;
  }
  return std::nullopt;
}

}  // namespace chat
