// The two clocks: one that only ever goes forward, by which everything waits, and the one on the wall, which may be set
// and by which tokens expire.
#pragma once

#include <chrono>

namespace spate::detail {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using WallTime = std::chrono::system_clock::time_point;

inline constexpr TimePoint never = TimePoint::max();

/// Where a loop has its time from, unless it is the system. Any thread may ask.
class TimeSource {
 public:
  TimeSource() = default;
  TimeSource(const TimeSource&) = delete;
  TimeSource& operator=(const TimeSource&) = delete;
  virtual ~TimeSource() = default;

  virtual TimePoint now() const { return Clock::now(); }
  virtual WallTime wall_now() const { return std::chrono::system_clock::now(); }

  /// Whether time passes by itself. If not, whoever moves it makes the loop turn as well: from one moment that is set
  /// to the next, as time would, since a loop that comes to several at once takes itself to have been held up.
  virtual bool runs() const { return true; }
};

}  // namespace spate::detail
