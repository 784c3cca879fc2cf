// The functions of framing.hpp.
#pragma once

#include <charconv>

#include <spate/config.hpp>
#include <spate/connection/detail/framing.hpp>

namespace spate::detail {

SPATE_DECL std::string chunk_of(std::string_view bytes) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, bytes.size(), 16).ptr;
  std::string chunk(digits, end);
  return chunk.append("\r\n").append(bytes).append("\r\n");
}

}  // namespace spate::detail
