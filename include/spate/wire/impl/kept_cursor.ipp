// The functions of kept_cursor.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/wire/detail/kept_cursor.hpp>

namespace spate::detail {

SPATE_DECL std::string kept_cursor(std::string_view cursor) {
  if (cursor.size() <= max_cursor_bytes) return std::string(cursor);
  constexpr std::size_t shown = 32;
  return std::string(cursor.substr(0, shown)).append("... (").append(std::to_string(cursor.size())).append(" bytes)");
}

}  // namespace spate::detail
