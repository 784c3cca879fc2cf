// RequestLimits: how much of a request is read before it is refused. (RFC 9110 15.5)
#pragma once

#include <cstddef>

namespace spate {

struct RequestLimits {
  /// The request target as sent, query included. One byte more is answered with 414.
  std::size_t max_target_bytes = 8 * 1024;
  /// Header fields, from the first byte of the first name to the empty line. One byte more is answered with 431. The
  /// trailers of a chunked body, and its chunk extensions, each have the same room again, though none of them is kept.
  std::size_t max_header_bytes = 16 * 1024;
  /// Header fields in all. One more is answered with 431.
  std::size_t max_header_count = 100;
  /// Decoded body. One byte more is answered with 413; a length announced in the head is refused before it is sent.
  std::size_t max_body_bytes = 1024 * 1024;
};

}  // namespace spate
