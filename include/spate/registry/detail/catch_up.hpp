// CatchUp: what a stream draws from the store until it is live.
//
// It becomes live under the lock, in the moment in which the store has nothing more for it: so the change is in order
// with all that is published. One that has left draws up to what was accepted for it, and ends. Guarded by the
// emitter's lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/detail/history.hpp>
#include <spate/history/detail/replay_packer.hpp>
#include <spate/history/replay_store.hpp>
#include <spate/registry/detail/departures.hpp>
#include <spate/registry/detail/gaps.hpp>
#include <spate/registry/detail/log_mirror.hpp>
#include <spate/registry/detail/subscription.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

class CatchUp {
 public:
  struct Drawn {
    EncodedEvent gap;                      // to tell first: the store has meanwhile lost what was next
    ReplayPacker::Piece* piece = nullptr;  // all that was drawn
    std::uint32_t generation = 0;
    std::uint64_t drawn_up_to = 0;  // everything up to there has been drawn
    bool more = false;              // there may be more
    bool departed = false;          // there is not, and nothing will follow
    bool waits = false;             // for the store: `Subscription::store_is_ready` comes when that is
    bool unsettled = false;         // for what the store has not settled: likewise
    bool catches_up = false;        // what topics were sent before it joined them is first
    bool without_ids = false;       // what was drawn is of that kind, and is to move no client's position
  };

  CatchUp(History& history, const LogMirror& mirror, Departures& departures, Gaps& gaps)
      : history_(history), mirror_(mirror), departures_(departures), gaps_(gaps) {}

  /// Draws what `subscription` has to get next, up to the event `up_to`: a piece of `packed`, which may be null, or
  /// else into `batch`. When there is nothing more it becomes live.
  Drawn draw(Subscription& subscription, std::uint64_t up_to, ReplayPacker* packed, std::vector<StoredEvent>& batch);

 private:
  // What one stream holds of its history at a time: enough for few system calls, little enough for many slow clients.
  static constexpr std::size_t max_bytes_per_draw = 32 * 1024;

  // Of one draw.
  struct Bounds {
    std::uint64_t up_to;      // no further
    std::uint64_t discarded;  // up to there something may be missing
    bool all;                 // nothing for it is left below `up_to`
  };

  ReplayPacker::Piece* find_packed(const Subscription& subscription, const Subscriber& subscriber,
                                   ReplayPacker& packed);
  // One step of what `topic` was sent before `subscription` joined it.
  void draw_topic(Subscription& subscription, TopicCatchUp& topic, Drawn& drawn, std::vector<StoredEvent>& batch);
  void find_newest(Subscription& subscription, TopicCatchUp& topic, std::vector<StoredEvent>& batch);
  EncodedEvent begin_topic(Subscription& subscription, TopicCatchUp& topic);
  EncodedEvent follow_restart(Subscription& subscription, Departure* departure);
  EncodedEvent gap_among(Subscription& subscription, const std::vector<StoredEvent>& batch, const Bounds& bounds,
                         std::uint64_t drawn_up_to);

  History& history_;
  const LogMirror& mirror_;
  Departures& departures_;
  Gaps& gaps_;
  std::vector<std::uint64_t> sequences_;  // of one draw; kept for its capacity
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/catch_up.ipp>
#endif
