// SendReport: what a send came to.
#pragma once

#include <cstddef>
#include <string>
#include <system_error>

namespace spate {

struct SendReport {
  /// The event's id; empty when it has none, as one without data, or when the log of a bus is yet to give it one:
  /// `async_send` has it.
  std::string id;
  /// Streams of this process that it was queued for, after filters; with the log of a bus, those it will reach.
  std::size_t streams = 0;
  /// Empty when all went well. With a bus that keeps a log, or a store that keeps later: why the event was refused;
  /// nobody gets it. With a bus that relays: why the other processes do not get it; the streams of this one do. What
  /// fails after that, on the bus or in the store, only `async_send` tells.
  std::error_code error;
};

}  // namespace spate
