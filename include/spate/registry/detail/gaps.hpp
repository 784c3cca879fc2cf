// Gaps: telling that a client will never get some events. The program is told by a hook, the client by an event.
//
// Guarded by the emitter's lock.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <spate/config.hpp>
#include <spate/history/detail/history.hpp>
#include <spate/registry/detail/departures.hpp>
#include <spate/registry/detail/hook_queue.hpp>
#include <spate/registry/detail/subscription.hpp>
#include <spate/registry/emitter_options.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

class Gaps {
 public:
  Gaps(const EmitterOptions& options, HookQueue& hooks, const History& history, const Departures& departures)
      : on_gap_(share(options.on_gap)), hooks_(hooks), history_(history), departures_(departures) {}

  /// Tells the program, and makes the event that tells the client, which is empty if there is to be none: after
  /// `requested`, a cursor that is quoted, something is missing. `next` is the first event that follows, 0 when none
  /// does; `position` is where the client is afterwards.
  EncodedEvent tell(const Subscription& subscription, const std::string& requested, std::uint64_t next,
                    std::uint64_t position, GapReason reason);

  /// Tells one that is live, in the middle of its stream: what follows begins with the next event.
  void tell_live(Subscription& subscription, const std::string& requested, GapReason reason);

  /// The event for a client whose history cannot be asked any more: it keeps the position that it has.
  static EncodedEvent without_position(const Subscription& subscription, GapReason reason);

 private:
  const SharedHook<const Gap&> on_gap_;
  HookQueue& hooks_;
  const History& history_;
  const Departures& departures_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/gaps.ipp>
#endif
