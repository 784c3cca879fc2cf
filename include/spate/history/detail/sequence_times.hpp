// SequenceTimes: which sequence numbers are older than an age, in memory that does not grow with how many there are.
//
// Those of one moment share a mark, and a moment is a 256th to a 4096th of the age, though no less than a millisecond.
// So a sequence number may become too old by that much too early, never too late.
//
// It has no lock: whoever owns it has one.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include <spate/config.hpp>
#include <spate/history/detail/block_queue.hpp>
#include <spate/history/detail/kept_entry.hpp>
#include <spate/history/replay_limits.hpp>

namespace spate::detail {

class SequenceTimes {
 public:
  /// Of `limits.max_age`. There are no more marks than go with `limits.max_bytes`.
  explicit SequenceTimes(const ReplayLimits& limits) noexcept;

  /// `sequence` is greater than those before, or the same again. Throws for want of memory before it changes anything.
  void note(std::uint64_t sequence, HistoryClock::time_point now);

  /// The greatest that is too old.
  std::uint64_t too_old(HistoryClock::time_point now) noexcept;

  void clear() noexcept;

 private:
  struct Mark {
    HistoryClock::time_point first;  // when its first sequence number was noted
    std::uint64_t last = 0;          // its last
  };

  const std::chrono::milliseconds age_;
  const std::chrono::milliseconds moment_;
  BlockQueue<Mark, 64> marks_;
  std::uint64_t too_old_ = 0;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/impl/sequence_times.ipp>
#endif
