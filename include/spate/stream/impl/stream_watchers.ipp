// The functions of stream_watchers.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/stream/detail/stream_watchers.hpp>

namespace spate::detail {

SPATE_DECL void StreamWatchers::add(const Ref<SendWaiter>& waiter) {
  std::erase_if(waiters_, [](const Ref<SendWaiter>& each) { return each->is_done(); });
  waiters_.push_back(waiter);
}

SPATE_DECL void StreamWatchers::call_back(Shard& shard, EndReason reason) {
  auto callbacks = std::exchange(callbacks_, {});
  const auto waiters = std::exchange(waiters_, {});
  const bool timeout = reason == EndReason::write_timeout || reason == EndReason::lifetime;
  for (const Moment moment : {Moment::timeout, Moment::error, Moment::complete}) {
    if (moment == Moment::timeout && !timeout) continue;
    if (moment == Moment::error && (timeout || !error_)) continue;
    insist_for_each(callbacks, [&](const Registered& registered) {
      if (registered.moment != moment) return;
      shard.call_back([callback = registered.callback, error = error_] { (*callback)(error); });
    });
  }
  insist_for_each(waiters, [](const Ref<SendWaiter>& waiter) { waiter->done({}); });
}

}  // namespace spate::detail
