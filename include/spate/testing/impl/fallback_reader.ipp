// The functions of fallback_reader.hpp.
#pragma once

#include <charconv>
#include <chrono>
#include <cstdint>
#include <utility>

#include <spate/config.hpp>
#include <spate/testing/detail/fallback_reader.hpp>

namespace spate::detail {

/// The JSON that the library writes, and no other: no blanks, and no values but texts, natural numbers, and what is
/// made of them.
class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  bool skip(std::string_view expected) {
    if (!text_.starts_with(expected)) return false;
    text_.remove_prefix(expected.size());
    return true;
  }
  bool at_end() const noexcept { return text_.empty(); }

  std::optional<std::string> string() {
    if (!skip("\"")) return std::nullopt;
    std::string value;
    while (!text_.empty() && text_.front() != '"') {
      const char c = text_.front();
      text_.remove_prefix(1);
      if (c != '\\') {
        value += c;
      } else if (!escape(value)) {
        return std::nullopt;
      }
    }
    return skip("\"") ? std::optional(std::move(value)) : std::nullopt;
  }

  std::optional<std::int64_t> number() {
    std::int64_t value = 0;
    const auto [last, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
    if (error != std::errc()) return std::nullopt;
    text_.remove_prefix(static_cast<std::size_t>(last - text_.data()));
    return value;
  }

  /// {"id":"…","event":"…","data":"…","retry":N}
  std::optional<DecodedEvent> event() {
    DecodedEvent event;
    if (!skip("{")) return std::nullopt;
    if (skip("\"id\":")) {
      event.id = string();
      if (!event.id || !skip(",")) return std::nullopt;
    }
    auto name = skip("\"event\":") ? string() : std::nullopt;
    auto data = skip(",\"data\":") ? string() : std::nullopt;
    if (!name || !data) return std::nullopt;
    event.name = std::move(*name);
    event.data = std::move(*data);
    if (skip(",\"retry\":")) {
      const auto retry = number();
      if (!retry) return std::nullopt;
      event.retry = std::chrono::milliseconds(*retry);
    }
    return skip("}") ? std::optional(std::move(event)) : std::nullopt;
  }

 private:
  bool escape(std::string& value) {
    if (text_.empty()) return false;
    const char c = text_.front();
    text_.remove_prefix(1);
    constexpr std::string_view escaped = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
    if (const std::size_t at = escaped.find(c); at != std::string_view::npos) {
      value += meant[at];
      return true;
    }
    return c == 'u' && code_point(value);
  }

  bool code_point(std::string& value) {
    constexpr std::size_t digits = 4;
    std::uint16_t unit = 0;
    const char* const end = text_.data() + std::min(text_.size(), digits);
    const auto [last, error] = std::from_chars(text_.data(), end, unit, 16);
    if (error != std::errc() || last != text_.data() + digits) return false;
    text_.remove_prefix(digits);
    // Controls, what HTML or JavaScript would take for its own: never one half of a pair.
    const auto byte = [&](unsigned bits) { value += static_cast<char>(static_cast<unsigned char>(bits)); };
    if (unit < 0x80U) {
      byte(unit);
    } else if (unit < 0x800U) {
      byte(0xC0U | unsigned{unit} >> 6U);
      byte(0x80U | (unit & 0x3FU));
    } else {
      byte(0xE0U | unsigned{unit} >> 12U);
      byte(0x80U | (unsigned{unit} >> 6U & 0x3FU));
      byte(0x80U | (unit & 0x3FU));
    }
    return true;
  }

  std::string_view text_;
};

/// Gives `event` the id that is in force.
SPATE_DECL void put_id_in_force(DecodedEvent& event, std::string& in_force) {
  if (event.id) in_force = *event.id;
  event.last_event_id = in_force;
}

// {"events":[…],"last_event_id":"…"}
SPATE_DECL std::optional<ReadPoll> read_poll(std::string_view body, std::string last_event_id) {
  JsonReader json(body);
  ReadPoll read;
  if (!json.skip("{\"events\":[")) return std::nullopt;
  while (!json.skip("]")) {
    if (!read.events.empty() && !json.skip(",")) return std::nullopt;
    std::optional<DecodedEvent> event = json.event();
    if (!event) return std::nullopt;
    put_id_in_force(*event, last_event_id);
    read.events.push_back(std::move(*event));
  }
  auto position = json.skip(",\"last_event_id\":") ? json.string() : std::nullopt;
  if (!position || !json.skip("}") || !json.at_end()) return std::nullopt;
  read.last_event_id = std::move(*position);
  return read;
}

// <script>parent.NAME({…})</script> for each event, <!----> for a heartbeat, one a line.
SPATE_DECL FrameReader::Read FrameReader::take(std::string_view piece) {
  unread_.append(piece);
  Read read;
  for (std::size_t end = 0; (end = unread_.find('\n')) != std::string::npos;) {
    const std::string line = unread_.substr(0, end);
    unread_.erase(0, end + 1);
    if (line == "<!---->") ++read.heartbeats;
    if (!line.starts_with("<script>parent.")) continue;
    const std::size_t arguments = line.find('(');
    if (arguments == std::string::npos) continue;
    if (auto event = JsonReader(std::string_view(line).substr(arguments + 1)).event()) {
      put_id_in_force(*event, last_event_id_);
      read.events.push_back(std::move(*event));
    }
  }
  return read;
}

}  // namespace spate::detail
