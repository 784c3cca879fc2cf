// The head of an answer over HTTP/1 whose body has no length.
//
// Functions of their arguments alone, of which they keep nothing: any thread.
#pragma once

#include <string>

#include <spate/config.hpp>
#include <spate/connection/detail/framing.hpp>
#include <spate/http/header_fields.hpp>
#include <spate/http/request.hpp>

namespace spate::detail {

/// What becomes of the connection: nothing else is ever answered on that of a stream (RFC 9112 9.3.2); after HEAD it
/// may go on.
enum class AfterStream { close, close_unsaid, keep };

/// How the connection ends with a stream that answers `request`: it is said, so that nobody sends the next request on a
/// connection that is just being closed (RFC 9112 9.6). Not to Node's fetch, which names itself: where `close` is said
/// it takes a stream that was cut for one that has ended, and its client does not come back (WHATWG 9.2.3). Nobody
/// comes back to the answer to a POST.
SPATE_DECL AfterStream after_stream(const Request& request) noexcept;

/// Status 200, `fields`, and what the connection needs.
SPATE_DECL std::string http1_head(const HeaderFields& fields, Framing framing, AfterStream after);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/connection/impl/http1_head.ipp>
#endif
