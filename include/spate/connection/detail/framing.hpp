// Framing: how the body of an answer lies on its connection. (RFC 9112 6, 7)
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <spate/config.hpp>
#include <spate/http/request.hpp>

namespace spate::detail {

enum class Framing : std::uint8_t {
  chunked,  // HTTP/1.1
  plain,    // HTTP/1.0: the end of the connection is the end of the stream (RFC 9112 6.3); HTTP/2: frames lie below
  none,     // HEAD: nothing follows the head, and nobody listens (RFC 9110 9.3.2)
};

/// The framing that the client of `request` understands. (RFC 9112 6.3)
inline Framing framing_for(const Request& request) noexcept {
  return request.version_major() == 1 && request.version_minor() >= 1 ? Framing::chunked : Framing::plain;
}

/// `bytes` as one HTTP/1.1 chunk. (RFC 9112 7.1)
SPATE_DECL std::string chunk_of(std::string_view bytes);

/// The line before a chunk of `size` bytes, into `out`, which has room for 18; returns how long it is. Two bytes, CR
/// and LF, follow the chunk.
SPATE_DECL std::size_t write_chunk_head(char* out, std::size_t size) noexcept;

/// Appends `bytes` to `out` as they lie in that framing.
SPATE_DECL void append_framed(std::string& out, std::string_view bytes, Framing framing);

inline constexpr std::string_view last_chunk = "0\r\n\r\n";

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/connection/impl/framing.ipp>
#endif
