// Latecomers: streams that are open and wait until it can be said where they resume, because this node's copy of the
// log does not reach so far yet. Guarded by the emitter's lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/detail/cursor.hpp>
#include <spate/registry/detail/start_search.hpp>
#include <spate/registry/detail/subscription.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

/// What a subscription begins with, once it is known where.
struct Greeting {
  Cursor cursor;  // where its client wants to begin
  EventEncoder fresh;
  std::optional<EventEncoder> resumed;
};

class Latecomers {
 public:
  struct Latecomer {
    Ref<Subscription> subscription;
    Greeting greeting;
    StartSearch search;
  };

  /// Of one that waits until the copy is complete, rather than for an event.
  static constexpr std::uint64_t the_end = std::numeric_limits<std::uint64_t>::max();

  bool empty() const noexcept { return waiting_.empty(); }

  void add(std::uint64_t cursor, Latecomer latecomer);

  /// Takes those who wait for nothing beyond `newest`.
  std::vector<Latecomer> take_up_to(std::uint64_t newest);

  /// All wait until the copy is complete.
  void wait_for_the_end();

  /// Null when it does not wait.
  const Latecomer* find(const Subscription& subscription) const;

  /// Takes `subscription` if it waits, and for something beyond `newest`.
  std::optional<Latecomer> take(Subscription& subscription, std::uint64_t newest = 0);

 private:
  using Waiting = std::multimap<std::uint64_t, Latecomer>;

  Latecomer take_out(Waiting::iterator at);

  Waiting waiting_;                                                    // by cursor
  std::unordered_map<const Subscription*, Waiting::iterator> places_;  // so that who goes is found at once
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/latecomers.ipp>
#endif
