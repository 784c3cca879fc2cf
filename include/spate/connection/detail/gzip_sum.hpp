// GzipSum: what the end of a gzip body says of its text, and how such a body begins and ends. No I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <spate/config.hpp>
#include <spate/connection/detail/compression.hpp>

namespace spate::detail {

/// The CRC-32 and the length of a text, both as they stand at the end of a gzip body: modulo 2^32. (RFC 1952 2.3.1)
struct GzipSum {
  std::uint32_t crc = 0;
  std::uint32_t size = 0;

  /// `next` follows.
  void add(const Compression& compression, const GzipSum& next) noexcept {
    if (next.size == 0) return;
    crc = compression.shifted(crc, next.size) ^ next.crc;
    size += next.size;
  }
};

/// What a body begins with: no name, no time, an unknown system. (RFC 1952 2.3)
inline constexpr std::string_view gzip_header{"\x1f\x8b\x08\0\0\0\0\0\0\xff", 10};

/// What ends a body of this text: an empty last block, the sum, the length. (RFC 1951 3.2.3, RFC 1952 2.3)
SPATE_DECL std::string gzip_end(const GzipSum& sum);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/connection/impl/gzip_sum.ipp>
#endif
