// The head of a stream's response.
#pragma once

#include <string>
#include <string_view>

#include <spate/http/detail/date.hpp>
#include <spate/stream/detail/stream_core.hpp>

namespace spate::detail {

/// The framing that the client of `request` understands. (H1)
inline Framing framing_for(const Request& request) noexcept {
  return request.version_major() == 1 && request.version_minor() == 0 ? Framing::plain : Framing::chunked;
}

/// What becomes of the connection: nothing else is ever answered on that of a stream (H9); after HEAD it may go on.
enum class AfterStream { close, close_unsaid, keep };

/// How the connection ends with a stream that answers `request`: it is said, so that nobody sends the next request on a
/// connection that is just being closed (RFC 9112 9.6). Not to Node's fetch, which names itself: where `close` is said
/// it takes a stream that was cut for one that has ended, and its client does not come back (L4). Nobody comes back to
/// the answer to a POST.
inline AfterStream after_stream(const Request& request) noexcept {
  const auto agent = request.header("user-agent");
  const bool misled = request.method() != "POST" && (agent == "node" || agent == "undici");
  return misled && framing_for(request) == Framing::chunked ? AfterStream::close_unsaid : AfterStream::close;
}

/// `fields` are complete lines to add, CORS for instance.
inline std::string stream_head(Framing framing, std::string_view fields, Transport transport, AfterStream after) {
  std::string head = "HTTP/1.1 200 OK\r\nDate: ";
  head += current_date();
  // No charset for event streams: they are UTF-8 and nothing else (E1, E2). no-transform keeps proxies from
  // compressing, the last field keeps nginx from collecting events (C1, C2).
  head += transport == Transport::iframe ? "\r\nContent-Type: text/html; charset=utf-8"
                                         : "\r\nContent-Type: text/event-stream";
  head += "\r\nCache-Control: no-store, no-transform\r\nX-Accel-Buffering: no\r\n";
  // Chunks tell a stream that has ended from one that was cut, after which a client comes back. (L4)
  if (framing == Framing::chunked) head += "Transfer-Encoding: chunked\r\n";
  if (after == AfterStream::close) head += "Connection: close\r\n";
  head += fields;
  head += "\r\n";
  return head;
}

}  // namespace spate::detail
