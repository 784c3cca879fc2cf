// The functions of stream_fields.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/stream/detail/stream_fields.hpp>

namespace spate::detail {

SPATE_DECL HeaderFields stream_fields(const HeaderFields& own, Transport transport) {
  const bool is_poll = transport == Transport::poll;
  // No charset for event streams: they are UTF-8 and nothing else. (WHATWG 9.2.5)
  const char* const type = is_poll                          ? "application/json"
                           : transport == Transport::iframe ? "text/html; charset=utf-8"
                                                            : "text/event-stream";
  HeaderFields fields{{"Content-Type", type}};
  fields.reserve(3 + own.size());
  // no-transform keeps proxies from compressing, the last field keeps nginx from collecting events. (RFC 9111 5.2.2.5)
  const auto add_unless_set = [&](const char* name, const char* value) {
    if (find_field(own, name) == nullptr) fields.emplace_back(name, value);
  };
  add_unless_set("Cache-Control", is_poll ? "no-store" : "no-store, no-transform");
  if (!is_poll) add_unless_set("X-Accel-Buffering", "no");
  fields.insert(fields.end(), own.begin(), own.end());
  return fields;
}

}  // namespace spate::detail
