// The functions of backlog.hpp.
#pragma once

#include <algorithm>
#include <utility>

#include <spate/config.hpp>
#include <spate/registry/detail/backlog.hpp>

namespace spate::detail {

SPATE_DECL Ref<Feed> Backlog::feed_on(const Shard& shard) const noexcept {
  for (const Ref<Feed>& feed : feeds_) {
    if (&feed->shard() == &shard) return feed;
  }
  return nullptr;
}

SPATE_DECL void Backlog::add(const Ref<Feed>& feed) {
  std::erase_if(feeds_, [](const Ref<Feed>& each) { return each->shard().stopped(); });
  feeds_.push_back(feed);
}

SPATE_DECL bool Backlog::has_room() const noexcept {
  return !store_is_behind_ &&
         std::all_of(feeds_.begin(), feeds_.end(), [&](const Ref<Feed>& feed) { return feed->has_room(max_bytes_); });
}

SPATE_DECL bool Backlog::wait(const Ref<SendWaiter>& waiter) {
  // Announced before the backlogs are looked at, while a feed lowers its backlog before it looks for waiters: so one of
  // the two sees the other. Hence the sequentially consistent order, here and in Feed.
  awaited_.store(true);
  if (!has_room()) {
    waiters_.push_back(waiter);
    return false;
  }
  awaited_.store(!waiters_.empty());
  return true;
}

SPATE_DECL Backlog::Waiters Backlog::take_if_room() noexcept {
  if (!has_room()) return {};
  awaited_.store(false);
  return std::exchange(waiters_, {});
}

SPATE_DECL Backlog::Waiters Backlog::close() noexcept {
  feeds_.clear();
  awaited_.store(false);
  return std::exchange(waiters_, {});
}

}  // namespace spate::detail
