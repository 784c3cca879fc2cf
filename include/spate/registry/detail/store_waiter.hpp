// StoreWaiter: a subscription that waits until the store has what it asked for.
#pragma once

#include <functional>
#include <utility>

#include <spate/history/replay_store.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/registry/detail/subscription.hpp>

namespace spate::detail {

/// Posts a call of `Function` when the store is ready.
template <auto Function>
class StoreWaiter final : public ReplayStore::Waiter {
 public:
  explicit StoreWaiter(Subscription& subscription) noexcept : subscription_(subscription) {}

  std::function<void()> when_ready() const override {
    return [subscription = Ref<Subscription>(&subscription_)] {
      // Nobody would do it later.
      insist([&] { subscription->shard().post(call<Function>(subscription)); });
    };
  }

 private:
  Subscription& subscription_;
};

}  // namespace spate::detail
