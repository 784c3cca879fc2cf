// StreamFsm: the life of one stream in time. Bytes and moments in, what to do out; no I/O, no clock of its own.
//
//   StreamFsm fsm;
//   fsm.start(t0, limits);                    // waits until t0 + heartbeat
//   fsm.timer_fired(t0 + 15s, limits)         // Due::heartbeat
//
// The limits are shared by all streams of a route and passed in, so that a stream pays for its own moments only.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace spate::detail {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

inline constexpr TimePoint never = TimePoint::max();

struct StreamLimits {
  Clock::duration heartbeat{0};      // zero: off
  Clock::duration write_timeout{0};  // zero: off
};

class StreamFsm {
 public:
  enum class Due : std::uint8_t { nothing, heartbeat, write_timeout, end_of_life };

  /// The head went out. `end_of_life` is the moment at which the stream is over, or `never`.
  void start(TimePoint now) noexcept { last_write_ = now; }

  /// Ends the stream at `moment` unless it ends earlier anyway.
  void live_until(TimePoint moment) noexcept { end_of_life_ = std::min(end_of_life_, moment); }
  TimePoint end_of_life() const noexcept { return end_of_life_; }
  void forget_end_of_life() noexcept { end_of_life_ = never; }

  /// The kernel took bytes; `blocked` when it did not take all of them.
  void wrote(TimePoint now, bool blocked) noexcept {
    last_write_ = now;
    blocked_ = blocked;
  }

  /// The kernel took nothing. The write deadline runs from the last byte it took, or from now when nothing waited
  /// before: time during which there was nothing to write does not count.
  void stalled(TimePoint now) noexcept {
    if (!blocked_) last_write_ = now;
    blocked_ = true;
  }

  bool blocked() const noexcept { return blocked_; }

  /// What is due at `now`. A timer that fires early, because bytes moved since it was set, finds nothing.
  Due timer_fired(TimePoint now, const StreamLimits& limits) const noexcept {
    if (blocked_ && limits.write_timeout.count() > 0 && now >= last_write_ + limits.write_timeout)
      return Due::write_timeout;
    if (now >= end_of_life_) return Due::end_of_life;
    if (!blocked_ && limits.heartbeat.count() > 0 && now >= last_write_ + limits.heartbeat) return Due::heartbeat;
    return Due::nothing;
  }

  /// The moment at which something may be due next, or `never`.
  TimePoint next(const StreamLimits& limits) const noexcept {
    // A blocked stream needs no heartbeat: bytes are waiting already.
    const Clock::duration quiet = blocked_ ? limits.write_timeout : limits.heartbeat;
    if (quiet.count() == 0) return end_of_life_;
    const TimePoint at = last_write_ + quiet;
    return std::min(end_of_life_, blocked_ ? at : together(at, quiet / heartbeat_slots));
  }

  /// Heartbeats that fall into the same slot, of so many in an interval, are due together, at its end: ten thousand
  /// idle streams wake their loop some thirty times in an interval, not ten thousand times.
  static constexpr int heartbeat_slots = 32;

 private:
  static TimePoint together(TimePoint at, Clock::duration slot) noexcept {
    if (slot.count() == 0) return at;
    const Clock::duration into = at.time_since_epoch() % slot;
    return into.count() == 0 ? at : at + (slot - into);
  }

  TimePoint last_write_{};
  TimePoint end_of_life_ = never;
  bool blocked_ = false;
};

}  // namespace spate::detail
