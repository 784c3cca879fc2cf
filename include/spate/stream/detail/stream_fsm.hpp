// StreamFsm: the whole life of one stream. What happens goes in, what to do comes out; no I/O, no clock of its own.
//
//   StreamFsm fsm;
//   fsm.open(t0);
//   fsm.timer_fired(t0 + 15s, false, limits)   // Action::write_heartbeat()
//   fsm.end(EndReason::completed, false)       // Action::finish()
//   fsm.finished()                             // Action::stop(EndReason::completed)
//
// The phases only ever move forward:
//
//   opening     the head has not gone out
//   live        events go out as they come; heartbeats in between
//   owing       it is to end, after what was accepted for it before and has to be drawn yet
//   finishing   it is to end, after what is queued: the last bytes are among it
//   over        nothing more is written
//   told        and everybody who waited for the end knows
//
// The limits are shared by all streams of a route and passed in, so that a stream pays for its own moments only.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <system_error>

#include <spate/config.hpp>
#include <spate/error.hpp>
#include <spate/loop/detail/clock.hpp>
#include <spate/stream/end_reason.hpp>
#include <spate/transport/detail/write_deadline.hpp>

namespace spate::detail {

struct StreamLimits {
  Clock::duration heartbeat{0};  // zero: off
  WriteLimits write;
};

class StreamFsm {
 public:
  enum class Phase : std::uint8_t { opening, live, owing, finishing, over, told };

  struct Action {
    enum class Kind : std::uint8_t {
      nothing,
      write_heartbeat,
      look_at_progress,  // at what the client has acknowledged: `looked` says what follows
      end,               // as if the program had asked for it, with `error` as the cause
      wait,              // for what is owed; then `nothing_owed`
      finish,            // queue the last bytes; `finished` when all is written
      stop,              // nothing more is written; everybody who waits is told `reason` and `error`
    };

    static Action nothing() noexcept { return {}; }
    static Action write_heartbeat() noexcept { return {Kind::write_heartbeat, {}, {}}; }
    static Action look_at_progress() noexcept { return {Kind::look_at_progress, {}, {}}; }
    static Action end(EndReason reason, std::error_code error = {}) noexcept { return {Kind::end, reason, error}; }
    static Action wait() noexcept { return {Kind::wait, {}, {}}; }
    static Action finish() noexcept { return {Kind::finish, {}, {}}; }
    static Action stop(EndReason reason, std::error_code error = {}) noexcept { return {Kind::stop, reason, error}; }

    friend bool operator==(const Action&, const Action&) = default;

    Kind kind = Kind::nothing;
    EndReason reason = EndReason::client;
    std::error_code error;
  };

  // ---- the life ----

  Phase phase() const noexcept { return phase_; }
  /// Whether it is, or has been, live: one that was rejected, or whose client left before, never was.
  bool was_open() const noexcept { return was_open_; }
  /// Whether events may still be queued for it.
  bool takes_events() const noexcept { return phase_ < Phase::finishing; }
  /// Whether somebody may still ask for its end.
  bool takes_end() const noexcept { return phase_ < Phase::owing; }
  bool is_over() const noexcept { return phase_ >= Phase::over; }
  /// Why it ended, or is to end.
  EndReason reason() const noexcept { return reason_; }

  /// The head goes out.
  void open(TimePoint now) noexcept;

  /// The program, or the server, ends it; `owes` when something that was accepted before has to be drawn yet.
  Action end(EndReason reason, bool owes) noexcept;

  /// There is nothing more to wait for.
  Action nothing_owed() noexcept;

  /// All is written, the last bytes among it.
  Action finished() noexcept;

  /// It is over before its time: its client has left, or its connection broke. One that was being ended has its reason
  /// already.
  Action break_off(EndReason reason, std::error_code error) noexcept;

  /// More waits for the client than may: it is over, and what it has not got is lost, whatever else was to come.
  Action overflowed() noexcept;

  /// Everybody has been told of the end.
  void told() noexcept { phase_ = Phase::told; }

  // ---- in time ----

  /// Ends the stream at `moment` unless it ends earlier anyway.
  void live_until(TimePoint moment) noexcept { end_of_life_ = std::min(end_of_life_, moment); }

  void wrote(TimePoint now) noexcept { deadline_.wrote(now); }
  void stalled(TimePoint now, std::size_t size, std::size_t unacknowledged) noexcept {
    deadline_.stalled(now, size, unacknowledged);
  }
  bool blocked() const noexcept { return deadline_.blocked(); }

  /// One thing that is due at `now`, when `expired` says that the client's credential has run out; to be asked again
  /// until there is nothing. A timer that fires early, because bytes moved since it was set, finds nothing.
  Action timer_fired(TimePoint now, bool expired, const StreamLimits& limits) noexcept;

  /// The client has not acknowledged so many bytes.
  Action looked(TimePoint now, std::size_t unacknowledged, const StreamLimits& limits) noexcept;

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

  Action over(EndReason reason, std::error_code error) noexcept;

  [[no_unique_address]] WriteDeadline deadline_;  // the next three find room behind it
  Phase phase_ = Phase::opening;
  EndReason reason_ = EndReason::client;
  bool was_open_ = false;
  TimePoint end_of_life_ = never;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/stream_fsm.ipp>
#endif
