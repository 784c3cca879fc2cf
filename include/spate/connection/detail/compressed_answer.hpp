// Whether and how an ordinary answer is compressed. (RFC 9110 8.4, 12.5.3, 12.5.5)
#pragma once

#include <cstddef>

#include <spate/config.hpp>
#include <spate/connection/detail/gzip_pieces.hpp>
#include <spate/http/response.hpp>

namespace spate::detail {

/// A shorter body is answered as it is: it fits into one packet either way.
inline constexpr std::size_t least_compressed_body = 1024;
/// A longer one would take the loop's time from everybody on it; unless it is shared, and compressed once.
inline constexpr std::size_t most_compressed_body = 2 * 1024 * 1024;

/// Compresses the body of `response` if it is long enough, of a kind that gets shorter by it, and not coded already.
/// `admitted`: its client asks for it. An answer that depends on that says so, whichever it is.
SPATE_DECL void compress(Response& response, GzipPieces& gzip, bool admitted);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/connection/impl/compressed_answer.ipp>
#endif
