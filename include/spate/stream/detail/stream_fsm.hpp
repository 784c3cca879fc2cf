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
#include <cstddef>
#include <cstdint>
#include <limits>

#include <spate/config.hpp>
#include <spate/loop/detail/clock.hpp>

namespace spate::detail {

struct StreamLimits {
  Clock::duration heartbeat{0};      // zero: off
  Clock::duration write_timeout{0};  // zero: off
  std::uint64_t least_progress = 1;  // bytes that a client has to acknowledge in each write_timeout
};

class StreamFsm {
 public:
  enum class Due : std::uint8_t {
    nothing,
    heartbeat,
    progress,  // what the client has acknowledged is to be looked at: `keeps_up`
    end_of_life,
  };

  /// The head went out. `end_of_life` is the moment at which the stream is over, or `never`.
  void start(TimePoint now) noexcept { since_ = now; }

  /// Ends the stream at `moment` unless it ends earlier anyway.
  void live_until(TimePoint moment) noexcept { end_of_life_ = std::min(end_of_life_, moment); }
  TimePoint end_of_life() const noexcept { return end_of_life_; }
  void forget_end_of_life() noexcept { end_of_life_ = never; }

  /// The kernel took all that there was.
  void wrote(TimePoint now) noexcept;

  /// The kernel refused bytes, after it took `size`; of what it has, the client has not acknowledged `unacknowledged`
  /// yet, which counts only when nothing was refused before: time with nothing to write is no time of the client's.
  void stalled(TimePoint now, std::size_t size, std::size_t unacknowledged) noexcept;

  /// Whether a blocked client has acknowledged enough since the last look; if so, its next write deadline begins. The
  /// kernel holds megabytes and asks for more only when a good part of them has gone: whether it takes bytes says
  /// little about the client. Where it can't tell what is unacknowledged, zero counts what it has taken instead.
  bool keeps_up(TimePoint now, std::size_t unacknowledged, const StreamLimits& limits) noexcept;

  bool blocked() const noexcept { return blocked_; }

  /// What is due at `now`. A timer that fires early, because bytes moved since it was set, finds nothing.
  Due timer_fired(TimePoint now, const StreamLimits& limits) const noexcept;

  /// The moment at which something may be due next, or `never`.
  TimePoint next(const StreamLimits& limits) const noexcept;

  /// When to look at the wall clock, if the stream ends `left` of its time from `now`: by then, unless somebody sets it
  /// or the machine sleeps, and therefore as often as heartbeats come, and soon in any case.
  static TimePoint look_at_wall(TimePoint now, WallTime::duration left, const StreamLimits& limits);
  /// A little more than the usual heartbeat takes, which then is the time to look.
  static constexpr std::chrono::seconds unlooked{16};

  /// Heartbeats that fall into the same slot, of so many in an interval, are due together, at its end: ten thousand
  /// idle streams wake their loop some thirty times in an interval, not ten thousand times.
  static constexpr int heartbeat_slots = 32;

 private:
  static TimePoint together(TimePoint at, Clock::duration slot) noexcept;

  static std::uint32_t clamped(std::uint64_t size) noexcept {
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(size, std::numeric_limits<std::uint32_t>::max()));
  }

  TimePoint since_{};  // the last byte that was written, or, while blocked, the last look at what was acknowledged
  TimePoint end_of_life_ = never;
  std::uint32_t owed_ = 0;  // while blocked: what was unacknowledged then, and what the kernel took since
  bool blocked_ = false;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/stream_fsm.ipp>
#endif
