// User: one user, and what is registered for them. Guarded by the emitter's lock.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include <spate/registry/detail/polls.hpp>
#include <spate/registry/detail/subscription.hpp>

namespace spate::detail {

/// What there is besides of one who has several streams, or polls: most have one stream, and cost little.
struct MultiStream {
  std::size_t streams = 0;       // in the list, and graced polls
  std::unique_ptr<Polls> polls;  // null until somebody polls
};

struct User {
  explicit User(std::string name) : id(std::move(name)) {}

  /// In the list, and graced polls.
  std::size_t streams() const noexcept { return multi_stream ? multi_stream->streams : first ? 1U : 0U; }

  /// Null until somebody polls.
  Polls* polls() const noexcept { return multi_stream ? multi_stream->polls.get() : nullptr; }

  /// Polls whose clients have had their answer and are given the time to ask again.
  std::size_t graced() const noexcept { return polls() != nullptr ? polls()->graced() : 0; }

  /// Made if there is none.
  MultiStream& obtain_multi_stream() {
    if (!multi_stream) multi_stream = std::make_unique<MultiStream>(MultiStream{streams(), nullptr});
    return *multi_stream;
  }

  /// Visits the subscriptions, oldest first; `visit` must not take any out.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (Subscription* each = first.get(); each != nullptr; each = each->next.get()) visit(*each);
  }

  const std::string id;
  Ref<Subscription> first;                    // of a list, oldest first
  std::unique_ptr<MultiStream> multi_stream;  // null as long as there is one stream at most, and never was a poll
};

}  // namespace spate::detail
