// The functions of cursor.hpp.
#pragma once

#include <charconv>
#include <system_error>

#include <spate/config.hpp>
#include <spate/history/detail/cursor.hpp>
#include <spate/wire/detail/kept_cursor.hpp>

namespace spate::detail {

SPATE_DECL std::string format_event_id(std::string_view epoch, std::uint64_t sequence) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, sequence).ptr;
  std::string id;
  id.reserve(epoch.size() + 21);
  id.append(epoch).append("-").append(digits, end);
  return id;
}

SPATE_DECL Cursor Cursor::parse(std::string_view text) {
  Cursor cursor;
  if (text.empty()) return cursor;
  cursor.text_ = kept_cursor(text);
  cursor.kind_ = Kind::unknown;
  if (text == "earliest") {
    cursor.kind_ = Kind::earliest;
    return cursor;
  }
  // An id has one spelling: after its epoch and the dash stand the digits of a number, without zeros before it.
  const std::string& id = cursor.text_;
  const std::size_t dash = id.rfind('-');
  if (dash == std::string::npos || dash + 1 == id.size()) return cursor;
  const char* const digits = id.data() + dash + 1;
  const char* const last = id.data() + id.size();
  if (*digits == '0' && last - digits > 1) return cursor;
  const auto [end, error] = std::from_chars(digits, last, cursor.sequence_);
  if (error != std::errc() || end != last) return cursor;
  cursor.epoch_size_ = dash;
  cursor.kind_ = Kind::position;
  return cursor;
}

SPATE_DECL std::optional<std::uint64_t> Cursor::sequence_in(std::string_view epoch) const noexcept {
  if (kind_ != Kind::position || std::string_view(text_).substr(0, epoch_size_) != epoch) return std::nullopt;
  return sequence_;
}

}  // namespace spate::detail
