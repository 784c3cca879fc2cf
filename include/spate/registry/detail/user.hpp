// User: one user, and what is registered for them. Guarded by the emitter's lock.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include <spate/registry/detail/polls.hpp>
#include <spate/registry/detail/subscription.hpp>

namespace spate::detail {

struct User {
  explicit User(std::string name) : id(std::move(name)) {}

  /// Polls whose clients have had their answer and are given the time to ask again.
  std::size_t graced() const noexcept { return polls ? polls->graced() : 0; }

  /// Visits the subscriptions, oldest first; `visit` must not take any out.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (Subscription* each = first.get(); each != nullptr; each = each->next.get()) visit(*each);
  }

  const std::string id;
  Ref<Subscription> first;       // of a list, oldest first
  std::size_t streams = 0;       // in the list, and graced polls
  std::unique_ptr<Polls> polls;  // null until somebody polls
};

}  // namespace spate::detail
