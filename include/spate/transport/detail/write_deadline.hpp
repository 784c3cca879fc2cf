// WriteDeadline: whether a peer takes what it is sent. Bytes and moments in, answers out; no I/O, no clock of its own.
//
// The kernel holds megabytes and asks for more only when a good part of them has gone: whether it takes bytes says
// little about the peer. What counts is what the peer has acknowledged.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <spate/config.hpp>
#include <spate/loop/detail/clock.hpp>

namespace spate::detail {

struct WriteLimits {
  Clock::duration timeout{0};        // zero: off
  std::uint64_t least_progress = 1;  // bytes that a peer has to acknowledge in each timeout
};

class WriteDeadline {
 public:
  /// All that there was has been taken.
  void wrote(TimePoint now) noexcept;

  /// Bytes were refused, after `size` had been taken; of what was taken, the peer has not acknowledged `unacknowledged`
  /// yet, which counts only when nothing was refused before: time with nothing to write is no time of the peer's.
  void stalled(TimePoint now, std::size_t size, std::size_t unacknowledged) noexcept;

  /// Whether a blocked peer has acknowledged enough since the last look; if so, its next deadline begins. Where it
  /// can't be told what is unacknowledged, zero counts what was taken instead.
  bool keeps_up(TimePoint now, std::size_t unacknowledged, const WriteLimits& limits) noexcept;

  bool blocked() const noexcept { return blocked_; }

  /// The last byte that was written, or, while blocked, the last look at what was acknowledged.
  TimePoint since() const noexcept { return since_; }

  /// When to look at what a blocked peer has acknowledged, or `never`.
  TimePoint next(const WriteLimits& limits) const noexcept {
    return blocked_ && limits.timeout.count() > 0 ? since_ + limits.timeout : never;
  }

 private:
  static std::uint32_t clamped(std::uint64_t size) noexcept {
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(size, std::numeric_limits<std::uint32_t>::max()));
  }

  TimePoint since_{};
  std::uint32_t owed_ = 0;  // while blocked: what was unacknowledged then, and what was taken since
  bool blocked_ = false;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/transport/impl/write_deadline.ipp>
#endif
