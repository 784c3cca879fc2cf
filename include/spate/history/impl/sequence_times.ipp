// The functions of sequence_times.hpp.
#pragma once

#include <algorithm>

#include <spate/config.hpp>
#include <spate/history/detail/sequence_times.hpp>

namespace spate::detail {

SPATE_DECL SequenceTimes::SequenceTimes(const ReplayLimits& limits) noexcept
    : age_(limits.max_age),
      moment_(std::max<std::chrono::milliseconds>(
          std::chrono::milliseconds(1),
          limits.max_age / static_cast<std::int64_t>(std::clamp<std::size_t>(limits.max_bytes / 512, 256, 4096)))) {}

SPATE_DECL void SequenceTimes::note(std::uint64_t sequence, HistoryClock::time_point now) {
  if (marks_.empty() || std::chrono::duration_cast<std::chrono::milliseconds>(now - marks_.back().first) >= moment_) {
    marks_.push([](const Mark&) { return 0; }).first = now;
  }
  marks_.back().last = sequence;
}

SPATE_DECL std::uint64_t SequenceTimes::too_old(HistoryClock::time_point now) noexcept {
  while (!marks_.empty() && std::chrono::duration_cast<std::chrono::milliseconds>(now - marks_.front().first) >= age_) {
    too_old_ = marks_.front().last;
    marks_.pop_front();
  }
  return too_old_;
}

SPATE_DECL void SequenceTimes::clear() noexcept {
  marks_.clear();
  too_old_ = 0;
}

}  // namespace spate::detail
