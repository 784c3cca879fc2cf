// The part of EmitterCore that has to do with history: where a stream begins, what it is told then, and what it draws
// from the store until it is live.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/registry/detail/emitter_core.hpp>

namespace spate::detail {

// One step of the search for where `subscription` begins. Returns nothing when `search` is to look at what it was
// given, and another step is to follow.
SPATE_DECL std::optional<EmitterCore::Start> EmitterCore::start_of(std::string_view user,
                                                                   const Subscription& subscription,
                                                                   const Cursor& cursor, StartSearch& search) {
  const std::uint64_t newest = store_->newest();
  if (!cursor) return Start{newest, 0, std::nullopt, newest};
  if (search.history != history_) {
    search = StartSearch();
    search.history = history_;
    const std::optional<std::uint64_t> sequence = cursor.sequence_in(store_->epoch());
    if (sequence && *sequence <= newest) {
      // Nothing is missing: it goes on where it was, and what there is for it shows when it is drawn.
      if (store_->discarded(user) <= *sequence) {
        return Start{*sequence, *sequence < newest ? *sequence + 1 : 0, std::nullopt, *sequence};
      }
      search.after = *sequence;
      search.gap = GapReason::trimmed;
    } else if (cursor.kind() != Cursor::Kind::earliest) {
      search.gap = GapReason::unknown;
    }
  }
  if (search.found > 0 && first_after(user, search.found - 1) != search.found) {
    search.after = std::exchange(search.found, 0);  // the store has discarded it meanwhile
  }
  if (search.found == 0 && subscription.filter() == nullptr) search.found = first_after(user, search.after);
  if (search.found == 0 && subscription.filter() != nullptr) {
    store_->fetch(user, search.after, StartSearch::step, search.batch);
    if (!search.batch.empty()) return std::nullopt;
  }
  // What is missing now is told by this gap, or is not asked for.
  return Start{position_before(search.found), search.found, search.gap, store_->discarded(user)};
}

// The first event for `user` behind `after`; 0 when there is none.
SPATE_DECL std::uint64_t EmitterCore::first_after(std::string_view user, std::uint64_t after) {
  sequences_.clear();
  if (store_->fetch_sequences(user, after, 0, sequences_)) return sequences_.empty() ? 0 : sequences_.front();
  probe_.clear();
  store_->fetch(user, after, 0, probe_);
  const std::uint64_t first = probe_.empty() ? 0 : probe_.front().sequence;
  probe_.clear();
  return first;
}

// The first of `events` that passes the filter; 0 when none does.
SPATE_DECL std::uint64_t EmitterCore::first_for(const Subscription& subscription,
                                                const std::vector<StoredEvent>& events) {
  for (const StoredEvent& stored : events) {
    if (subscription.accepts(stored.event.name())) return stored.sequence;
  }
  return 0;
}

// Lets `subscription` begin at `start` and makes what tells its client. It is live, or else draws from the store first.
SPATE_DECL EmitterCore::Opening EmitterCore::open(Subscription& subscription, Greeting&& greeting, const Start& start) {
  Opening opening;
  EventEncoder& encoder = greeting.resumed && !start.gap ? *greeting.resumed : greeting.fresh;
  opening.greeting = std::move(encoder).finish(id_of(start.position));
  subscription.replay.cursor = start.position;
  subscription.replay.told = start.told;
  subscription.live = start.next == 0;
  subscription.history = history_;
  if (start.gap) opening.gap = gap_event(subscription, greeting.cursor.text(), start.next, start.position, *start.gap);
  return opening;
}

SPATE_DECL void EmitterCore::post(Places& places, const Ref<Subscription>& subscription, Opening&& opening) noexcept {
  if (opening.greeting) places.post(subscription, Subscription::what_greet, std::move(opening.greeting));
  if (opening.gap) places.post(subscription, Subscription::what_gap, std::move(opening.gap));
}

SPATE_DECL void EmitterCore::post(const Ref<Subscription>& subscription, Opening&& opening) {
  Places places(subscription->feed().shard(), 2);
  post(places, subscription, std::move(opening));
}

SPATE_DECL EmitterCore::Drawn EmitterCore::draw(Subscription& subscription, std::uint64_t up_to,
                                                const ReplayPacker* packed, std::vector<StoredEvent>& batch) {
  const std::lock_guard lock(mutex_);
  Drawn drawn;
  if (subscription.user == nullptr && !subscription.departed) return drawn;
  if (mirrors_) drawn.gap = follow_restart(subscription);
  drawn.history = subscription.history;
  drawn.cursor = subscription.replay.cursor;
  drawn.more = true;
  const std::string& user = owner(subscription);
  const std::uint64_t last = subscription.departed ? departures_.at(&subscription).last : StreamSource::everything;
  up_to = std::min(up_to, last);
  if (packed != nullptr && up_to == StreamSource::everything) {
    sequences_.clear();
    const auto discarded = store_->fetch_sequences(user, subscription.replay.cursor, most_per_draw, sequences_);
    if (discarded && *discarded <= std::max(subscription.replay.cursor, subscription.replay.told)) {
      drawn.piece = packed->find(drawn.history, sequences_);
    }
    if (drawn.piece != nullptr) {
      drawn.cursor = drawn.piece->sequences.back();
      return drawn;
    }
  }
  const std::size_t most_bytes = subscription.filter() == nullptr ? most_per_draw : StartSearch::step;
  const std::uint64_t discarded = store_->fetch(user, subscription.replay.cursor, most_bytes, batch);
  bool all = batch.empty();
  if (all && !subscription.departed) {
    subscription.feed().shard().post(Ref<Subscription>(&subscription), Subscription::what_live);
    subscription.live = true;
    drawn.more = false;
  }
  for (; !batch.empty() && batch.back().sequence > up_to; all = true) batch.pop_back();
  if (!batch.empty()) drawn.cursor = batch.back().sequence;
  if (all && up_to != StreamSource::everything) drawn.cursor = std::max(drawn.cursor, up_to);
  if (subscription.departed && drawn.cursor >= last) {
    drawn.departed = true;
    drawn.more = false;
  }
  if (drawn.gap) {
    subscription.forget_gap();  // which this one covers
    return drawn;
  }
  // What is missing need not lie before all that is kept; it is told once.
  const bool lost = discarded > std::max(subscription.replay.cursor, subscription.replay.told);
  if (!lost && !subscription.gap_after()) return drawn;
  if (lost) subscription.replay.told = discarded;
  const std::uint64_t from = subscription.gap_after().value_or(subscription.replay.cursor);
  // It is told with the first event that follows, which may not be among these.
  const std::uint64_t next = first_for(subscription, batch);
  if (next == 0 && !all) {
    subscription.keep_gap(from);
    return drawn;
  }
  subscription.forget_gap();
  // One that ends before the newest event has its position where it ends.
  const bool ends = next == 0 && up_to != StreamSource::everything;
  drawn.gap =
      gap_event(subscription, id_of(from), next, ends ? drawn.cursor : position_before(next), GapReason::trimmed);
  return drawn;
}

// Tells the program of a gap and makes the event that tells the client, if there is to be one.
SPATE_DECL EncodedEvent EmitterCore::gap_event(const Subscription& subscription, const std::string& requested,
                                               std::uint64_t next, std::uint64_t position, GapReason reason) {
  const StreamCore& stream = subscription.stream();
  const std::string oldest = next == 0 ? std::string() : id_of(next);
  if (options_.on_gap) {
    hooks_->push(stream.shard_ref(), [function = options_.on_gap,
                                      gap = Gap{owner(subscription), requested, oldest, reason}] { function(gap); });
  }
  const std::string& name = stream.options().gap_event;
  return name.empty() ? EncodedEvent() : encode_gap(name, requested, oldest, to_string(reason), id_of(position));
}

}  // namespace spate::detail
