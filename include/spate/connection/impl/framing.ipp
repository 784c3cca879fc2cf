// The functions of framing.hpp.
#pragma once

#include <charconv>

#include <spate/config.hpp>
#include <spate/connection/detail/framing.hpp>

namespace spate::detail {

SPATE_DECL std::string chunk_of(std::string_view bytes) {
  char head[18];
  std::string chunk(head, write_chunk_head(head, bytes.size()));
  return chunk.append(bytes).append("\r\n");
}

SPATE_DECL std::size_t write_chunk_head(char* out, std::size_t size) noexcept {
  char* end = std::to_chars(out, out + 16, size, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return static_cast<std::size_t>(end - out);
}

SPATE_DECL void append_framed(std::string& out, std::string_view bytes, Framing framing) {
  if (framing != Framing::chunked) {
    out += bytes;
    return;
  }
  char head[18];
  out.append(head, write_chunk_head(head, bytes.size())).append(bytes).append("\r\n");
}

}  // namespace spate::detail
