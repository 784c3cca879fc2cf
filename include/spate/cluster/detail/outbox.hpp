// Outbox: events on their way to Redis, in order, until Redis has confirmed them. No I/O; guarded by its owner.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include <spate/config.hpp>
#include <spate/registry/bus.hpp>

namespace spate::detail {

class Outbox {
 public:
  struct Item {
    std::uint64_t counter;
    std::string message;
    std::string user;     // the one it is for, if it goes to one user only
    Bus::Published done;  // empty, or already called
  };

  Outbox(std::size_t max_events, std::size_t max_bytes) : max_events_(max_events), max_bytes_(max_bytes) {}

  std::size_t size() const noexcept { return items_.size(); }
  std::size_t bytes() const noexcept { return bytes_; }

  /// Whether `size` more bytes are taken. When nothing waits, any event is.
  bool has_room(std::size_t size) const noexcept {
    return items_.empty() || (items_.size() < max_events_ && bytes_ + size <= max_bytes_);
  }
  /// The number of the event that is pushed next.
  std::uint64_t next_counter() const noexcept { return counter_ + 1; }
  void push(std::string message, std::string user, Bus::Published done);

  /// The next one to send, which counts as sent from now on; null when there is none. It stays where it is until it is
  /// popped.
  Item* next();

  /// None is on its way any more: they are sent again.
  void rewind() noexcept { sent_ = put_back_ = 0; }

  /// The one whose number is `counter`, if it is still here.
  Item* find(std::uint64_t counter);

  /// The oldest; there must be one.
  const Item& front() const noexcept { return items_.front(); }
  /// Takes the oldest.
  Item pop();

  /// The oldest, which was on its way, counts as not sent. It is the next one, but for those that were put back before
  /// it. Its number means nothing any more.
  void put_back();

  /// How many are on their way.
  std::size_t sent() const noexcept { return sent_; }

 private:
  const std::size_t max_events_;
  const std::size_t max_bytes_;
  std::deque<Item> items_;    // numbered without holes, unless one was put back
  std::size_t sent_ = 0;      // so many of them, from the front
  std::size_t put_back_ = 0;  // so many after those
  std::size_t bytes_ = 0;
  std::uint64_t counter_ = 0;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/cluster/impl/outbox.ipp>
#endif
