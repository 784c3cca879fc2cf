// The functions of resume.hpp.
#pragma once

#include <algorithm>
#include <utility>

#include <spate/config.hpp>
#include <spate/registry/detail/resume.hpp>
#include <spate/registry/detail/store_waiter.hpp>

namespace spate::detail {

SPATE_DECL void FirstEvents::post(InboxReservation& reservation, const Ref<Subscription>& subscription) && noexcept {
  if (greeting) reservation.post(call<&Subscription::greet>(subscription, std::move(greeting)));
  if (gap) reservation.post(call<&Subscription::tell_gap>(subscription, std::move(gap)));
}

SPATE_DECL std::optional<Resume::Plan> Resume::plan(std::string_view user, PendingResume& comer, bool patient) {
  Plan plan;
  plan.waits_for = mirror_.ahead(comer.cursor);
  if (plan.waits_for || !history_) return plan;
  plan.start = find_start(Subscriber(user, comer.subscription->topics()), comer);
  if (plan.start) return plan;
  if (patient && !comer.search.waits) return std::nullopt;
  plan.waits_for = LogMirror::the_end;
  return plan;
}

// One step of the search for where `pending` begins. Returns nothing when its search is to look at what it was given,
// and another step is to follow.
SPATE_DECL std::optional<Resume::Start> Resume::find_start(const Subscriber& subscriber, PendingResume& pending) {
  const Subscription& subscription = *pending.subscription;
  StartSearch& search = pending.search;
  const std::uint64_t newest = history_.newest();
  if (!pending.cursor) return Start{newest, 0, std::nullopt, newest};
  const StoreWaiter waiter(*pending.subscription);
  if (search.generation != history_.generation()) {
    search = StartSearch();
    search.generation = history_.generation();
    if (pending.cursor.kind() == Cursor::Kind::newest) {
      search.after = search.before = newest;
      search.left = pending.cursor.count();
    }
    search.begins = true;
  }
  if (pending.cursor.kind() == Cursor::Kind::newest) return find_newest(subscriber, pending);
  if (search.begins) {
    const std::optional<std::uint64_t> sequence = history_.sequence_of(pending.cursor);
    if (sequence && *sequence <= newest) {
      search.waits = !history_.at_hand(subscriber, *sequence, 0, waiter);
      if (search.waits) return std::nullopt;
      // Nothing is missing: it goes on where it was, and what there is for it shows when it is drawn.
      if (history_.discarded(subscriber) <= *sequence) {
        return Start{*sequence, *sequence < newest ? *sequence + 1 : 0, std::nullopt, *sequence};
      }
      search.after = *sequence;
      search.gap = GapReason::trimmed;
    } else if (pending.cursor.kind() != Cursor::Kind::earliest) {
      search.gap = GapReason::unknown;
    }
    search.begins = false;
  }
  const auto waits_for_store = [&](std::uint64_t after, std::size_t bytes) {
    return search.waits = !history_.at_hand(subscriber, after, bytes, waiter);
  };
  if (search.found > 0 && waits_for_store(search.found - 1, 0)) return std::nullopt;
  if (search.found > 0 && history_.first_after(subscriber, search.found - 1) != search.found) {
    search.after = std::exchange(search.found, 0);  // the store has discarded it meanwhile
  }
  const std::size_t step = subscription.filter() == nullptr ? 0 : StartSearch::step;
  if (search.found == 0 && waits_for_store(search.after, step)) return std::nullopt;
  if (search.found == 0 && subscription.filter() == nullptr)
    search.found = history_.first_after(subscriber, search.after);
  if (search.found == 0 && subscription.filter() != nullptr) {
    history_.fetch(subscriber, search.after, step, search.batch);
    if (!search.batch.empty()) return std::nullopt;
  }
  // What is missing now is told by this gap, or is not asked for.
  return Start{history_.position_before(search.found), search.found, search.gap, history_.discarded(subscriber)};
}

// The same of a stream that asks for the newest: they are looked for backwards.
SPATE_DECL std::optional<Resume::Start> Resume::find_newest(const Subscriber& subscriber, PendingResume& pending) {
  StartSearch& search = pending.search;
  if (search.left > 0) {
    search.waits =
        !history_.newest_at_hand(subscriber, search.before, StartSearch::step, StoreWaiter(*pending.subscription));
    if (search.waits) return std::nullopt;
    history_.fetch_newest(subscriber, search.before, StartSearch::step, search.batch);
    if (!search.batch.empty()) return std::nullopt;
    search.left = 0;
  }
  // What came while they were looked for is owed as well.
  const std::uint64_t newer = search.after < history_.newest() ? search.after + 1 : 0;
  const std::uint64_t next = search.found > 0 ? search.found : newer;
  return Start{next > 0 ? next - 1 : search.after, next, std::nullopt, history_.discarded(subscriber)};
}

SPATE_DECL FirstEvents Resume::begin(Subscription& subscription, const Cursor& cursor, Greeting&& greeting,
                                     const Start& start) {
  FirstEvents first;
  EventEncoder& encoder = greeting.resumed && !start.gap ? *greeting.resumed : greeting.fresh;
  first.greeting = std::move(encoder).finish(history_.id_of(start.position));
  subscription.replay.drawn_up_to = start.position;
  subscription.replay.told = start.told;
  subscription.live = start.next == 0 && subscription.topic_catch_up() == nullptr;
  subscription.generation = history_.generation();
  if (start.gap) first.gap = gaps_.tell(subscription, cursor.text(), start.next, start.position, *start.gap);
  return first;
}

// ---- who waits ----

SPATE_DECL bool Resume::wait(InboxReservation& reservation, std::uint64_t for_event, PendingResume&& comer) {
  const Ref<Subscription> subscription = comer.subscription;
  // The store may be ready before it waits: so the first step is asked for in any case.
  const bool searches = !comer.search.batch.empty() || comer.search.waits;
  comer.search.look(*subscription);
  pending_.add(for_event, std::move(comer));
  if (!reservation.post(call<&Subscription::wait>(subscription))) return false;
  if (searches) reservation.post(call<&Subscription::search>(subscription));
  return true;
}

SPATE_DECL void Resume::reached(std::uint64_t newest) {
  if (pending_.empty()) return;
  for (PendingResume& pending : pending_.take_up_to(newest)) begin_or_post_search(std::move(pending));
}

SPATE_DECL void Resume::give_up(Subscription& subscription, std::uint64_t newest) {
  if (auto pending = pending_.take(subscription, newest)) begin_or_post_search(std::move(*pending));
}

SPATE_DECL Resume::Step Resume::search(Subscription& subscription) {
  const PendingResume* const pending = pending_.find(subscription);
  if (pending == nullptr) return Step::last;
  const bool begins = pending->search.generation != history_.generation();
  if (begins && !mirror_.complete() && !mirror_.closed()) return Step::waits;
  return begin_or_search(std::move(*pending_.take(subscription)));
}

SPATE_DECL void Resume::begin_or_post_search(PendingResume&& pending) {
  const Ref<Subscription> subscription = pending.subscription;
  if (begin_or_search(std::move(pending)) != Step::another) return;
  subscription->shard().post(call<&Subscription::search>(subscription));
}

SPATE_DECL Resume::Step Resume::begin_or_search(PendingResume&& pending) {
  const Ref<Subscription> subscription = pending.subscription;
  Departure* const departure = departures_.find(*subscription);
  if (subscription->user == nullptr && departure == nullptr) return Step::last;
  // What was accepted for one that left before this log was known cannot be told from the rest of it.
  if (departure != nullptr && pending.search.generation != history_.generation()) departure->last = history_.newest();
  std::optional<Start> start = find_start(departures_.subscriber(*subscription), pending);
  if (!start) {
    pending.search.look(*subscription);
    const Step step = pending.search.waits ? Step::reads : Step::another;
    pending_.add(LogMirror::the_end, std::move(pending));
    return step;
  }
  if (departure != nullptr) {
    if (start->next > departure->last) start->next = 0;  // which it is not owed
    start->position = std::min(start->position, departure->last);
  }
  InboxReservation reservation(subscription->shard(), 3);
  begin(*subscription, pending.cursor, std::move(pending.greeting), *start).post(reservation, subscription);
  if (departure != nullptr) subscription->live = false;
  reservation.post(subscription->live ? call<&Subscription::go_live>(subscription)
                                      : call<&Subscription::begin_replay>(subscription));
  return Step::last;
}

}  // namespace spate::detail
