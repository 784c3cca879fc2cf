// StoreWaiter: a subscription that waits until the store has what it asked for.
//
// What it gives the store may be kept there for long, or called when emitter, server and loop are gone. So it owns none
// of them: only a StoreBell, which leads to the subscription as long as there is one, and then to nobody.
#pragma once

#include <functional>
#include <utility>

#include <spate/config.hpp>
#include <spate/detail/lock.hpp>
#include <spate/history/replay_store.hpp>
#include <spate/loop/detail/resident.hpp>
#include <spate/stream/detail/shard.hpp>
#include <spate/wire/detail/ref.hpp>

namespace spate::detail {

class Subscription;

class StoreBell final : public Resident {
 public:
  // Both where Subscription is complete.
  SPATE_DECL explicit StoreBell(Subscription& subscription);
  SPATE_DECL ~StoreBell() override;

  /// Any thread. The store has what was asked for: its subscription hears of it in a turn of its shard.
  void ring();

  /// Any thread. The subscription goes: called by its destructor alone.
  void let_go() noexcept;

 private:
  void rung();
  Ref<Subscription> subscription();

  const Ref<Shard> shard_;
  // While it is held, the subscription's memory is not freed.
  Mutex mutex_;
  Subscription* subscription_ SPATE_GUARDED_BY(mutex_);
};

class StoreWaiter final : public ReplayStore::Waiter {
 public:
  explicit StoreWaiter(Subscription& subscription) noexcept : subscription_(subscription) {}

  SPATE_DECL std::function<void()> when_ready() const override;

 private:
  Subscription& subscription_;
};

}  // namespace spate::detail
