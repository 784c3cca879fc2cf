// An Answer is what a server has answered to one request: a value to look at.
//
//   const spate::testing::Answer answer = server.handle(spate::Request("GET", "/healthz"));
//   answer.status;                      // 200
//   answer.header("content-type");      // "text/plain; charset=utf-8", or nothing
//   answer.body;                        // without the chunks it came in
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

#include <spate/config.hpp>
#include <spate/http/header_fields.hpp>

namespace spate::testing {

struct Answer {
  int status = 0;  // zero as long as there is none
  HeaderFields headers;
  std::string body;

  /// The value of the first field `name`, in any case; nothing when there is none.
  std::optional<std::string> header(std::string_view name) const;
};

/// As a message: status, fields, an empty line, body.
SPATE_DECL std::ostream& operator<<(std::ostream& out, const Answer& answer);

}  // namespace spate::testing

#if defined(SPATE_HEADER_ONLY)
#include <spate/testing/impl/answer.ipp>
#endif
