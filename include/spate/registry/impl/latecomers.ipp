// The functions of latecomers.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/registry/detail/latecomers.hpp>

namespace spate::detail {

SPATE_DECL void Latecomers::add(std::uint64_t cursor, Latecomer latecomer) {
  Subscription& subscription = *latecomer.subscription;
  const auto place = places_.try_emplace(&subscription).first;
  try {
    place->second = waiting_.emplace(cursor, std::move(latecomer));
  } catch (...) {
    places_.erase(place);
    throw;
  }
  subscription.late = true;
}

SPATE_DECL std::vector<Latecomers::Latecomer> Latecomers::take_up_to(std::uint64_t newest) {
  std::vector<Latecomer> taken;
  const auto end = waiting_.upper_bound(newest);
  taken.reserve(static_cast<std::size_t>(std::distance(waiting_.begin(), end)));
  while (waiting_.begin() != end) taken.push_back(take_out(waiting_.begin()));
  return taken;
}

SPATE_DECL void Latecomers::wait_for_the_end() {
  Waiting waiting;
  while (!waiting_.empty()) {
    auto node = waiting_.extract(waiting_.begin());
    node.key() = the_end;
    const Subscription* const subscription = node.mapped().subscription.get();
    places_.find(subscription)->second = waiting.insert(std::move(node));
  }
  waiting_.swap(waiting);
}

SPATE_DECL const Latecomers::Latecomer* Latecomers::find(const Subscription& subscription) const {
  return subscription.late ? &places_.find(&subscription)->second->second : nullptr;
}

SPATE_DECL std::optional<Latecomers::Latecomer> Latecomers::take(Subscription& subscription, std::uint64_t newest) {
  if (!subscription.late) return std::nullopt;
  const Waiting::iterator at = places_.find(&subscription)->second;
  if (at->first <= newest) return std::nullopt;
  return take_out(at);
}

SPATE_DECL Latecomers::Latecomer Latecomers::take_out(Waiting::iterator at) {
  Latecomer taken = std::move(at->second);
  places_.erase(taken.subscription.get());
  waiting_.erase(at);
  taken.subscription->late = false;
  return taken;
}

}  // namespace spate::detail
