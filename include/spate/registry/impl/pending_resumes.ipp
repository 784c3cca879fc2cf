// The functions of pending_resumes.hpp.
#pragma once

#include <iterator>
#include <utility>

#include <spate/config.hpp>
#include <spate/registry/detail/pending_resumes.hpp>

namespace spate::detail {

SPATE_DECL void PendingResumes::add(std::uint64_t sequence, PendingResume pending) {
  Subscription& subscription = *pending.subscription;
  const auto place = places_.try_emplace(&subscription).first;
  try {
    place->second = waiting_.emplace(sequence, std::move(pending));
  } catch (...) {
    places_.erase(place);
    throw;
  }
  subscription.pending = true;
}

SPATE_DECL std::vector<PendingResume> PendingResumes::take_up_to(std::uint64_t newest) {
  std::vector<PendingResume> taken;
  const auto end = waiting_.upper_bound(newest);
  taken.reserve(static_cast<std::size_t>(std::distance(waiting_.begin(), end)));
  while (waiting_.begin() != end) taken.push_back(take_out(waiting_.begin()));
  return taken;
}

SPATE_DECL void PendingResumes::wait_for(std::uint64_t sequence) {
  Waiting waiting;
  while (!waiting_.empty()) {
    auto node = waiting_.extract(waiting_.begin());
    node.key() = sequence;
    const Subscription* const subscription = node.mapped().subscription.get();
    places_.find(subscription)->second = waiting.insert(std::move(node));
  }
  waiting_.swap(waiting);
}

SPATE_DECL const PendingResume* PendingResumes::find(const Subscription& subscription) const {
  return subscription.pending ? &places_.find(&subscription)->second->second : nullptr;
}

SPATE_DECL std::optional<PendingResume> PendingResumes::take(Subscription& subscription, std::uint64_t newest) {
  if (!subscription.pending) return std::nullopt;
  const Waiting::iterator at = places_.find(&subscription)->second;
  if (at->first <= newest) return std::nullopt;
  return take_out(at);
}

SPATE_DECL PendingResume PendingResumes::take_out(Waiting::iterator at) {
  PendingResume taken = std::move(at->second);
  places_.erase(taken.subscription.get());
  waiting_.erase(at);
  taken.subscription->pending = false;
  return taken;
}

}  // namespace spate::detail
