// SendResult: what became of an event handed to a stream.
#pragma once

#include <cstdint>

namespace spate {

/// What became of an event handed to a stream.
enum class SendResult : std::uint8_t {
  queued,   // it will be written unless the stream ends first, or a policy that drops has to drop it later
  dropped,  // the overflow policy dropped it; the client is told of the gap
  closed,   // the stream is over, or just ended because its queue was full
};

}  // namespace spate
