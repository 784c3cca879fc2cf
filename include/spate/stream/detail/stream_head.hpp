// The head of a stream's response.
#pragma once

#include <string>
#include <string_view>

#include <spate/config.hpp>
#include <spate/http/detail/date.hpp>
#include <spate/http/detail/status.hpp>
#include <spate/http/header_fields.hpp>
#include <spate/http/request.hpp>
#include <spate/stream/detail/stream_parts.hpp>
#include <spate/stream/transport.hpp>

namespace spate::detail {

/// The framing that the client of `request` understands. (RFC 9112 6.3)
inline Framing framing_for(const Request& request) noexcept {
  return request.version_major() == 1 && request.version_minor() == 0 ? Framing::plain : Framing::chunked;
}

/// Throws std::invalid_argument unless a stream's head may have the field.
inline void check_stream_field(std::string_view name, std::string_view value) {
  check_answer_field("spate::EventStream", name, value, {"Content-Type", "Date"});
}

/// What becomes of the connection: nothing else is ever answered on that of a stream (RFC 9112 9.3.2); after HEAD it
/// may go on.
enum class AfterStream { close, close_unsaid, keep };

/// How the connection ends with a stream that answers `request`: it is said, so that nobody sends the next request on a
/// connection that is just being closed (RFC 9112 9.6). Not to Node's fetch, which names itself: where `close` is said
/// it takes a stream that was cut for one that has ended, and its client does not come back (WHATWG 9.2.3). Nobody
/// comes back to the answer to a POST.
SPATE_DECL AfterStream after_stream(const Request& request) noexcept;

/// `fields` are added, CORS for instance; of what is not fixed they replace what stands here. Of a poll this is the
/// head of its answer, without the length that nobody knows yet: for HEAD.
SPATE_DECL std::string stream_head(Framing framing, const HeaderFields& fields, Transport transport, AfterStream after);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/stream_head.ipp>
#endif
