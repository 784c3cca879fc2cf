// The functions of channel.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/connection/detail/channel.hpp>

namespace spate::detail {

SPATE_DECL void AnswerSink::answer_head(const Request& request, const HeaderFields& fields, Framing framing) {
  static_cast<void>(request);
  static_cast<void>(fields);
  static_cast<void>(framing);
}

}  // namespace spate::detail
