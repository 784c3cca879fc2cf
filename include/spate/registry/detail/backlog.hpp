// Backlog: the feeds of one emitter, one on each loop that has streams of it, and who waits until none of them is
// behind. Guarded by the emitter's lock, unless a member says otherwise.
#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

#include <spate/config.hpp>
#include <spate/registry/detail/feed.hpp>
#include <spate/stream/detail/shard.hpp>
#include <spate/stream/detail/write_queue.hpp>

namespace spate::detail {

class Backlog {
 public:
  using Waiters = std::vector<Ref<SendWaiter>>;

  /// `max_bytes` may wait for a loop that keeps up.
  explicit Backlog(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  const std::vector<Ref<Feed>>& feeds() const noexcept { return feeds_; }

  /// The feed on `shard`; null when there is none.
  Ref<Feed> feed_on(const Shard& shard) const noexcept;
  /// Adds one, and lets go of those whose loops are gone.
  void add(const Ref<Feed>& feed);

  bool has_room() const noexcept;

  /// Whether publishers wait for the store as well.
  void wait_for_store(bool waits) noexcept { store_is_behind_ = waits; }

  /// Returns whether there is room; otherwise `waiter` waits for it.
  bool wait(const Ref<SendWaiter>& waiter);

  /// Any thread. Whether anybody may be waiting.
  bool awaited() const noexcept { return awaited_.load(); }

  /// Those who are to be told that there is room, without the lock.
  Waiters take_if_room() noexcept;

  /// Lets go of the feeds. Returns those who are to be told that it is over, without the lock.
  Waiters close() noexcept;

 private:
  const std::size_t max_bytes_;
  std::vector<Ref<Feed>> feeds_;
  Waiters waiters_;
  bool store_is_behind_ = false;
  std::atomic<bool> awaited_{false};
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/backlog.ipp>
#endif
