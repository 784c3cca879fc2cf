// The functions of write_deadline.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/transport/detail/write_deadline.hpp>

namespace spate::detail {

SPATE_DECL void WriteDeadline::wrote(TimePoint now) noexcept {
  since_ = now;
  blocked_ = false;
}

SPATE_DECL void WriteDeadline::stalled(TimePoint now, std::size_t size, std::size_t unacknowledged) noexcept {
  if (blocked_) {
    owed_ = clamped(std::uint64_t{owed_} + size);
    return;
  }
  blocked_ = true;
  since_ = now;
  owed_ = clamped(unacknowledged);
}

SPATE_DECL bool WriteDeadline::keeps_up(TimePoint now, std::size_t unacknowledged, const WriteLimits& limits) noexcept {
  if (owed_ < unacknowledged + limits.least_progress) return false;
  since_ = now;
  owed_ = clamped(unacknowledged);
  return true;
}

}  // namespace spate::detail
