// What is kept of the id after which a client wants to resume, for as long as its stream lives.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace spate::detail {

/// An id of an emitter is far shorter. (E18)
inline constexpr std::size_t max_cursor_bytes = 128;

/// `cursor`, or, in place of one that is longer than an id may be, its beginning and its length: no id of any history.
inline std::string kept_cursor(std::string_view cursor) {
  if (cursor.size() <= max_cursor_bytes) return std::string(cursor);
  constexpr std::size_t shown = 32;
  return std::string(cursor.substr(0, shown)).append("... (").append(std::to_string(cursor.size())).append(" bytes)");
}

}  // namespace spate::detail
