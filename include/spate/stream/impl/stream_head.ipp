// The functions of stream_head.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/stream/detail/stream_head.hpp>

namespace spate::detail {

SPATE_DECL AfterStream after_stream(const Request& request) noexcept {
  const auto agent = request.header("user-agent");
  const bool misled = request.method() != "POST" && (agent == "node" || agent == "undici");
  return misled && framing_for(request) == Framing::chunked ? AfterStream::close_unsaid : AfterStream::close;
}

SPATE_DECL std::string stream_head(Framing framing, const HeaderFields& fields, Transport transport,
                                   AfterStream after) {
  std::string head = "HTTP/1.1 200 OK\r\n";
  append_field(head, "Date", current_date());
  // No charset for event streams: they are UTF-8 and nothing else. (WHATWG 9.2.5)
  const bool is_poll = transport == Transport::poll;
  append_field(head, "Content-Type",
               is_poll                          ? "application/json"
               : transport == Transport::iframe ? "text/html; charset=utf-8"
                                                : "text/event-stream");
  // no-transform keeps proxies from compressing, the last field keeps nginx from collecting events. (RFC 9111 5.2.2.5)
  const auto append_default = [&](std::string_view name, std::string_view value) {
    if (find_field(fields, name) == nullptr) append_field(head, name, value);
  };
  append_default("Cache-Control", is_poll ? "no-store" : "no-store, no-transform");
  if (!is_poll) append_default("X-Accel-Buffering", "no");
  // Chunks tell a stream that has ended from one that was cut, after which a client comes back. (WHATWG 9.2.3)
  if (framing == Framing::chunked && !is_poll) head += "Transfer-Encoding: chunked\r\n";
  if (after == AfterStream::close) head += "Connection: close\r\n";
  for (const auto& [name, value] : fields) append_field(head, name, value);
  head += "\r\n";
  return head;
}

}  // namespace spate::detail
