// PendingResumes: streams that are open and wait until it can be said where they begin, because this node's copy of the
// log does not reach so far yet, or because it is still being looked for. Guarded by the emitter's lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/detail/cursor.hpp>
#include <spate/registry/detail/start_search.hpp>
#include <spate/registry/detail/subscription.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

/// What a subscription begins with, once it is known where.
struct Greeting {
  EventEncoder fresh;
  std::optional<EventEncoder> resumed;
};

struct PendingResume {
  Ref<Subscription> subscription;
  Cursor cursor;  // after which its client wants to begin
  Greeting greeting;
  StartSearch search;
};

class PendingResumes {
 public:
  bool empty() const noexcept { return waiting_.empty(); }

  /// Adds one that waits for the event `sequence`.
  void add(std::uint64_t sequence, PendingResume pending);

  /// Takes those who wait for nothing beyond `newest`.
  std::vector<PendingResume> take_up_to(std::uint64_t newest);

  /// All wait for the event `sequence`.
  void wait_for(std::uint64_t sequence);

  /// Null when it does not wait.
  const PendingResume* find(const Subscription& subscription) const;

  /// Takes `subscription` if it waits, and for something beyond `newest`.
  std::optional<PendingResume> take(Subscription& subscription, std::uint64_t newest = 0);

 private:
  using Waiting = std::multimap<std::uint64_t, PendingResume>;

  PendingResume take_out(Waiting::iterator at);

  Waiting waiting_;                                                    // by what they wait for
  std::unordered_map<const Subscription*, Waiting::iterator> places_;  // so that who goes is found at once
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/pending_resumes.ipp>
#endif
