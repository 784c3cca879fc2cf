// InboxReservation: room in a loop's inbox for messages, reserved before something changes that they are to tell of.
//
//   InboxReservation reservation(loop, 2);    // throws without memory, when nothing has changed yet
//   change();
//   reservation.post(message);                // cannot fail for want of memory
//
// It lives for some instructions, on one thread, which may be any; the loop outlives it. What is not used is given
// back.
#pragma once

#include <cstddef>

#include <spate/config.hpp>
#include <spate/loop/detail/loop.hpp>
#include <spate/loop/detail/message.hpp>

namespace spate::detail {

class InboxReservation {
 public:
  InboxReservation(Loop& loop, std::size_t count) : loop_(loop), unused_(loop.reserve_posts(count) ? count : 0) {}
  InboxReservation(const InboxReservation&) = delete;
  InboxReservation& operator=(const InboxReservation&) = delete;
  ~InboxReservation() {
    if (unused_ > 0) loop_.release_posts(unused_);
  }

  /// Returns false when the loop has stopped.
  bool post(Message message) noexcept;

 private:
  Loop& loop_;
  std::size_t unused_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/loop/impl/inbox_reservation.ipp>
#endif
