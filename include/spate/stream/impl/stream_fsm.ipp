// The functions of stream_fsm.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/stream/detail/stream_fsm.hpp>

namespace spate::detail {

SPATE_DECL void StreamFsm::open(TimePoint now) noexcept {
  phase_ = Phase::live;
  was_open_ = true;
  deadline_.wrote(now);
}

SPATE_DECL StreamFsm::Action StreamFsm::end(EndReason reason, bool owes) noexcept {
  if (!takes_end()) return Action::nothing();
  reason_ = reason;
  phase_ = owes ? Phase::owing : Phase::finishing;
  return owes ? Action::wait() : Action::finish();
}

SPATE_DECL StreamFsm::Action StreamFsm::nothing_owed() noexcept {
  if (phase_ != Phase::owing) return Action::nothing();
  phase_ = Phase::finishing;
  return Action::finish();
}

SPATE_DECL StreamFsm::Action StreamFsm::finished() noexcept {
  return phase_ == Phase::finishing ? over(reason_, {}) : Action::nothing();
}

SPATE_DECL StreamFsm::Action StreamFsm::break_off(EndReason reason, std::error_code error) noexcept {
  if (is_over()) return Action::nothing();
  return takes_end() ? over(reason, error) : over(reason_, {});
}

SPATE_DECL StreamFsm::Action StreamFsm::overflowed() noexcept {
  return is_over() ? Action::nothing() : over(EndReason::overflow, Errc::queue_overflow);
}

SPATE_DECL StreamFsm::Action StreamFsm::timer_fired(TimePoint now, bool expired, const StreamLimits& limits) noexcept {
  if (is_over()) return Action::nothing();
  if (now >= deadline_.next(limits.write)) return Action::look_at_progress();
  if (now >= end_of_life_) {
    end_of_life_ = never;
    if (takes_end()) return Action::end(EndReason::lifetime, Errc::lifetime_reached);
  }
  if (expired && takes_end()) return Action::end(EndReason::expired);
  // Without a credential it waits no longer for what it is owed.
  if (expired && phase_ == Phase::owing) return nothing_owed();
  if (blocked() || limits.heartbeat.count() == 0 || now < deadline_.since() + limits.heartbeat)
    return Action::nothing();
  deadline_.wrote(now);  // as good as written: the next one counts from here
  return takes_events() ? Action::write_heartbeat() : Action::nothing();
}

SPATE_DECL StreamFsm::Action StreamFsm::looked(TimePoint now, std::size_t unacknowledged,
                                               const StreamLimits& limits) noexcept {
  if (deadline_.keeps_up(now, unacknowledged, limits.write)) return Action::nothing();
  return over(EndReason::write_timeout, Errc::write_timeout);
}

SPATE_DECL StreamFsm::Action StreamFsm::over(EndReason reason, std::error_code error) noexcept {
  phase_ = Phase::over;
  reason_ = reason;
  return Action::stop(reason, error);
}

SPATE_DECL TimePoint StreamFsm::next(const StreamLimits& limits) const noexcept {
  // A blocked stream needs no heartbeat: bytes are waiting already.
  if (blocked()) return std::min(end_of_life_, deadline_.next(limits.write));
  if (limits.heartbeat.count() == 0) return end_of_life_;
  return std::min(end_of_life_, together(deadline_.since() + limits.heartbeat, limits.heartbeat / heartbeat_slots));
}

SPATE_DECL TimePoint StreamFsm::look_at_wall(TimePoint now, WallTime::duration left, const StreamLimits& limits) {
  using Wall = WallTime::duration;
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
