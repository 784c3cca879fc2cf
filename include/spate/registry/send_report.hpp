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
  /// With a bus: why it refused the event. Of a log nobody gets it then; else only the streams of this process do. Of a
  /// store that keeps later: why nobody gets it. `async_send` tells as well why it could not be kept, then.
  std::error_code error;
};

}  // namespace spate
