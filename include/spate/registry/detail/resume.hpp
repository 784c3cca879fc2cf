// Resume: where a stream begins in its user's history, and who waits until that can be said.
//
// One whose cursor is ahead of this node's copy of a log, or comes before the copy is complete, waits in its open
// stream, and so does one with a filter whose first event is looked for in the background. All of them wait here.
// Guarded by the emitter's lock.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <spate/config.hpp>
#include <spate/history/detail/cursor.hpp>
#include <spate/history/detail/history.hpp>
#include <spate/history/subscriber.hpp>
#include <spate/loop/detail/inbox_reservation.hpp>
#include <spate/registry/detail/departures.hpp>
#include <spate/registry/detail/gaps.hpp>
#include <spate/registry/detail/log_mirror.hpp>
#include <spate/registry/detail/pending_resumes.hpp>
#include <spate/registry/detail/subscription.hpp>
#include <spate/registry/emitter_options.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

/// What a stream begins with.
struct FirstEvents {
  EncodedEvent greeting;
  EncodedEvent gap;

  /// Posts two messages at the most.
  void post(InboxReservation& reservation, const Ref<Subscription>& subscription) && noexcept;
};

class Resume {
 public:
  /// Where a stream begins.
  struct Start {
    std::uint64_t position = 0;    // the newest event that the client has, or needs not have
    std::uint64_t next = 0;        // where the events for it may begin after that; 0 when there is none
    std::optional<GapReason> gap;  // something is missing that the client has not had
    std::uint64_t told = 0;        // up to where that is told, or needs not be
  };

  /// What becomes of a stream that is being added. Neither of the two without a store: it is simply live.
  struct Plan {
    std::optional<Start> start;
    std::optional<std::uint64_t> waits_for;  // an event, or the end of the log
  };

  Resume(History& history, const LogMirror& mirror, Departures& departures, Gaps& gaps)
      : history_(history), mirror_(mirror), departures_(departures), gaps_(gaps) {}

  /// Looks for where `comer`, a stream of `user`, begins. Returns nothing when another call is to follow, after
  /// `comer.search` has looked at what it was given: meanwhile others have the lock. One that is not `patient` goes on
  /// searching while it waits.
  std::optional<Plan> plan(std::string_view user, PendingResume& comer, bool patient);

  /// Lets `subscription` begin at `start` and makes what tells its client. It is live, or else draws from the store
  /// first.
  FirstEvents begin(Subscription& subscription, const Cursor& cursor, Greeting&& greeting, const Start& start);

  // ---- who waits ----

  /// Posts two messages at the most. Returns false when the shard has stopped.
  bool wait(InboxReservation& reservation, std::uint64_t for_event, PendingResume&& comer);

  /// All events up to `newest` are here: who waits for none beyond begins.
  void reached(std::uint64_t newest);

  /// There are no events beyond `newest`, or were not when `subscription` began to wait: if it waits for one, it is
  /// told that this is unknown, and begins.
  void give_up(Subscription& subscription, std::uint64_t newest = 0);

  /// Another log has begun. Cursors count in one that is no more: whether they are of the new one is seen at its end.
  void wait_for_the_end() { pending_.wait_for(LogMirror::the_end); }

  void forget(Subscription& subscription) { pending_.take(subscription); }

  /// What another step of the search for where a stream begins has come to.
  enum class Step : std::uint8_t {
    another,  // is to follow
    last,     // what it has come to is on its way
    reads,    // follows when the store has read what it needs
    waits,    // the log is another one by now: it begins anew when this one is known
  };
  Step search(Subscription& subscription);

 private:
  std::optional<Start> find_start(const Subscriber& subscriber, PendingResume& pending);
  std::optional<Start> find_newest(const Subscriber& subscriber, PendingResume& pending);
  void begin_or_post_search(PendingResume&& pending);
  Step begin_or_search(PendingResume&& pending);

  History& history_;
  const LogMirror& mirror_;
  Departures& departures_;
  Gaps& gaps_;
  PendingResumes pending_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/resume.ipp>
#endif
