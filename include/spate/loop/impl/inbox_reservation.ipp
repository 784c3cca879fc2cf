// The functions of inbox_reservation.hpp.
#pragma once

#include <utility>

#include <spate/config.hpp>
#include <spate/loop/detail/inbox_reservation.hpp>

namespace spate::detail {

SPATE_DECL bool InboxReservation::post(Message message) noexcept {
  if (unused_ == 0) return false;
  --unused_;
  return loop_.post_reserved(std::move(message));
}

}  // namespace spate::detail
