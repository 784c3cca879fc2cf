// Departures: subscriptions that have left the registry before they had drawn all that was accepted for them, and what
// is kept of each until it has. Guarded by the emitter's lock.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>

#include <spate/config.hpp>
#include <spate/registry/detail/subscription.hpp>
#include <spate/registry/detail/user.hpp>

namespace spate::detail {

struct Departure {
  std::string user;
  std::uint64_t last;  // what was accepted last: it draws up to there
};

class Departures {
 public:
  /// `subscription`, which is still registered, is about to leave, and is owed what there is up to `last`. Throws
  /// before it changes anything.
  void add(Subscription& subscription, std::uint64_t last) {
    departures_.try_emplace(&subscription, Departure{subscription.user->id, last});
    subscription.departed = true;
  }

  /// It has drawn everything, or will draw no more.
  void remove(Subscription& subscription) {
    if (std::exchange(subscription.departed, false)) departures_.erase(&subscription);
  }

  /// Null when it has not left, or is owed nothing.
  Departure* find(const Subscription& subscription) {
    return subscription.departed ? &departures_.at(&subscription) : nullptr;
  }

  /// What `subscription` is owed events for, or was until it left.
  Subscriber subscriber(const Subscription& subscription) const {
    return Subscriber(owner(subscription), subscription.topics());
  }

  /// Whose `subscription` is, or was until it left.
  const std::string& owner(const Subscription& subscription) const {
    return subscription.user != nullptr ? subscription.user->id : departures_.at(&subscription).user;
  }

 private:
  std::unordered_map<const Subscription*, Departure> departures_;
};

}  // namespace spate::detail
