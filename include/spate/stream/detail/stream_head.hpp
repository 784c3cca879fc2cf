// The head of a stream's response.
#pragma once

#include <string>
#include <string_view>

#include <spate/http/detail/date.hpp>
#include <spate/http/detail/status.hpp>
#include <spate/http/header_fields.hpp>
#include <spate/http/request.hpp>
#include <spate/stream/detail/stream_parts.hpp>
#include <spate/stream/transport.hpp>

namespace spate::detail {

/// The framing that the client of `request` understands. (H1)
inline Framing framing_for(const Request& request) noexcept {
  return request.version_major() == 1 && request.version_minor() == 0 ? Framing::plain : Framing::chunked;
}

/// Throws std::invalid_argument unless a stream's head may have the field.
inline void check_stream_field(std::string_view name, std::string_view value) {
  check_answer_field("spate::EventStream", name, value, {"Content-Type", "Date"});
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

/// `fields` are added, CORS for instance; of what is not fixed they replace what stands here. Of a poll this is the
/// head of its answer, without the length that nobody knows yet: for HEAD.
inline std::string stream_head(Framing framing, const HeaderFields& fields, Transport transport, AfterStream after) {
  std::string head = "HTTP/1.1 200 OK\r\n";
  append_field(head, "Date", current_date());
  // No charset for event streams: they are UTF-8 and nothing else. (E1, E2)
  const bool is_poll = transport == Transport::poll;
  append_field(head, "Content-Type",
               is_poll                          ? "application/json"
               : transport == Transport::iframe ? "text/html; charset=utf-8"
                                                : "text/event-stream");
  // no-transform keeps proxies from compressing, the last field keeps nginx from collecting events. (C1, C2)
  const auto append_default = [&](std::string_view name, std::string_view value) {
    if (find_field(fields, name) == nullptr) append_field(head, name, value);
  };
  append_default("Cache-Control", is_poll ? "no-store" : "no-store, no-transform");
  if (!is_poll) append_default("X-Accel-Buffering", "no");
  // Chunks tell a stream that has ended from one that was cut, after which a client comes back. (L4)
  if (framing == Framing::chunked && !is_poll) head += "Transfer-Encoding: chunked\r\n";
  if (after == AfterStream::close) head += "Connection: close\r\n";
  for (const auto& [name, value] : fields) append_field(head, name, value);
  head += "\r\n";
  return head;
}

}  // namespace spate::detail
