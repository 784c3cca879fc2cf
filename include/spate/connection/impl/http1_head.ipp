// The functions of http1_head.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/connection/detail/http1_head.hpp>
#include <spate/http/detail/date.hpp>
#include <spate/http/detail/status.hpp>

namespace spate::detail {

SPATE_DECL AfterStream after_stream(const Request& request) noexcept {
  const auto agent = request.header("user-agent");
  const bool misled = request.method() != "POST" && (agent == "node" || agent == "undici");
  return misled && framing_for(request) == Framing::chunked ? AfterStream::close_unsaid : AfterStream::close;
}

SPATE_DECL std::string http1_head(const HeaderFields& fields, Framing framing, AfterStream after) {
  std::string head = "HTTP/1.1 200 OK\r\n";
  append_field(head, "Date", current_date());
  // Chunks tell a stream that has ended from one that was cut, after which a client comes back. (WHATWG 9.2.3)
  if (framing == Framing::chunked) append_field(head, "Transfer-Encoding", "chunked");
  if (after == AfterStream::close) append_field(head, "Connection", "close");
  for (const auto& [name, value] : fields) append_field(head, name, value);
  head += "\r\n";
  return head;
}

}  // namespace spate::detail
