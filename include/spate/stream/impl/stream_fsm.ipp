// The functions of stream_fsm.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/stream/detail/stream_fsm.hpp>

namespace spate::detail {

SPATE_DECL void StreamFsm::wrote(TimePoint now) noexcept {
  since_ = now;
  blocked_ = false;
}

SPATE_DECL void StreamFsm::stalled(TimePoint now, std::size_t size, std::size_t unacknowledged) noexcept {
  if (blocked_) {
    owed_ = clamped(std::uint64_t{owed_} + size);
    return;
  }
  blocked_ = true;
  since_ = now;
  owed_ = clamped(unacknowledged);
}

SPATE_DECL bool StreamFsm::keeps_up(TimePoint now, std::size_t unacknowledged, const StreamLimits& limits) noexcept {
  if (owed_ < unacknowledged + limits.least_progress) return false;
  since_ = now;
  owed_ = clamped(unacknowledged);
  return true;
}

SPATE_DECL StreamFsm::Due StreamFsm::timer_fired(TimePoint now, const StreamLimits& limits) const noexcept {
  if (blocked_ && limits.write_timeout.count() > 0 && now >= since_ + limits.write_timeout) return Due::progress;
  if (now >= end_of_life_) return Due::end_of_life;
  if (!blocked_ && limits.heartbeat.count() > 0 && now >= since_ + limits.heartbeat) return Due::heartbeat;
  return Due::nothing;
}

SPATE_DECL TimePoint StreamFsm::next(const StreamLimits& limits) const noexcept {
  // A blocked stream needs no heartbeat: bytes are waiting already.
  const Clock::duration quiet = blocked_ ? limits.write_timeout : limits.heartbeat;
  if (quiet.count() == 0) return end_of_life_;
  const TimePoint at = since_ + quiet;
  return std::min(end_of_life_, blocked_ ? at : together(at, quiet / heartbeat_slots));
}

SPATE_DECL TimePoint StreamFsm::look_at_wall(TimePoint now, std::chrono::system_clock::duration left,
                                             const StreamLimits& limits) {
  using Wall = std::chrono::system_clock::duration;
  Wall most = unlooked;
  if (const Clock::duration beat = limits.heartbeat; beat.count() > 0) {
    most = std::min(most, std::chrono::ceil<Wall>(beat + beat / heartbeat_slots));
  }
  return now + std::chrono::ceil<Clock::duration>(std::clamp(left, Wall(0), most));
}

SPATE_DECL TimePoint StreamFsm::together(TimePoint at, Clock::duration slot) noexcept {
  if (slot.count() == 0) return at;
  const Clock::duration into = at.time_since_epoch() % slot;
  return into.count() == 0 ? at : at + (slot - into);
}

}  // namespace spate::detail
