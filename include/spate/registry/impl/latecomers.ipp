// The functions of latecomers.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/registry/detail/latecomers.hpp>

namespace spate::detail {

SPATE_DECL void Latecomers::add(std::uint64_t cursor, Latecomer latecomer) {
  Subscription& subscription = *latecomer.subscription;
  waiting_.emplace(cursor, std::move(latecomer));
  subscription.late = true;
}

SPATE_DECL std::vector<Latecomers::Latecomer> Latecomers::take_up_to(std::uint64_t newest) {
  std::vector<Latecomer> taken;
  while (!waiting_.empty() && waiting_.begin()->first <= newest) {
    taken.push_back(std::move(waiting_.begin()->second));
    taken.back().subscription->late = false;
    waiting_.erase(waiting_.begin());
  }
  return taken;
}

SPATE_DECL void Latecomers::wait_for_the_end() {
  std::multimap<std::uint64_t, Latecomer> waiting;
  for (auto& [cursor, latecomer] : waiting_) waiting.emplace(the_end, std::move(latecomer));
  waiting_.swap(waiting);
}

SPATE_DECL std::optional<Latecomers::Latecomer> Latecomers::take(Subscription& subscription, std::uint64_t newest) {
  if (!subscription.late) return std::nullopt;
  for (auto at = waiting_.upper_bound(newest); at != waiting_.end(); ++at) {
    if (at->second.subscription.get() != &subscription) continue;
    std::optional<Latecomer> taken(std::move(at->second));
    waiting_.erase(at);
    subscription.late = false;
    return taken;
  }
  return std::nullopt;
}

}  // namespace spate::detail
