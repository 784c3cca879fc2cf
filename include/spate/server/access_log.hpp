// An access log in lines of JSON.
//
//   options.access_log = [&log](const spate::AccessRecord& record) {
//     log << spate::to_json_line(record) << '\n';
//   };
//
// Functions without state: any thread may call them.
#pragma once

#include <string>

#include <spate/config.hpp>
#include <spate/stream/access_record.hpp>

namespace spate {

/// What becomes of the query of a target.
enum class LogQuery {
  keep,
  omit,  // from the `?` on: what clients are recognised by may be in it
};

/// `record` as one JSON object, without a line end. Whatever a client has sent, it is one line and valid JSON; what is
/// no UTF-8 in it becomes U+FFFD.
///
///   {"time":"2026-11-28T09:30:00.123Z","remote":"192.0.2.7","port":51000,"protocol":"HTTP/1.1","method":"GET",
///    "target":"/sse/subscribe/ann","route":"/sse/subscribe/{user}","status":200,"bytes":5120,"complete":true,
///    "duration_ms":61204.117,"user_agent":"curl/8.5.0","end":"client","events":17}
///
/// Here it is broken into lines to be read. `end` and `events` are there for streams only, `time` is that of UTC.
SPATE_DECL std::string to_json_line(const AccessRecord& record, LogQuery query = LogQuery::keep);

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/access_log.ipp>
#endif
