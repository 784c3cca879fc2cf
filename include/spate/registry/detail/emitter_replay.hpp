// The part of EmitterCore that has to do with history: where a stream begins, what it is told then, and what it draws
// from the store until it is live.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/registry/detail/emitter_core.hpp>

namespace spate::detail {

inline EmitterCore::Start EmitterCore::start_of(std::string_view user, const Subscription& subscription,
                                                std::string_view requested) {
  const std::uint64_t newest = store_->newest();
  if (requested.empty()) return {newest, 0, std::nullopt};
  const std::optional<std::uint64_t> cursor = parse_event_id(store_->epoch(), requested);
  if (cursor && *cursor <= newest) {
    const Next next = next_for(user, subscription, *cursor);
    if (next.complete) return {*cursor, next.sequence, std::nullopt};
    return {position_before(next.sequence), next.sequence, GapReason::trimmed};
  }
  const std::uint64_t next = next_for(user, subscription, 0).sequence;
  Start start{position_before(next), next, std::nullopt};
  if (requested != "earliest") start.gap = GapReason::unknown;
  return start;
}

// Looks as far as the first event that passes the filter, as the replay itself will.
inline EmitterCore::Next EmitterCore::next_for(std::string_view user, const Subscription& subscription,
                                               std::uint64_t after) {
  Next next;
  const std::size_t most_bytes = subscription.filter() == nullptr ? 0 : most_per_draw;
  std::uint64_t position = after;
  do {
    probe_.clear();
    next.complete = store_->fetch(user, position, most_bytes, probe_) <= after;
    next.sequence = first_for(subscription, probe_);
    if (!probe_.empty()) position = probe_.back().sequence;
  } while (next.sequence == 0 && !probe_.empty());
  probe_.clear();
  return next;
}

// The first of `events` that passes the filter; 0 when none does.
inline std::uint64_t EmitterCore::first_for(const Subscription& subscription, const std::vector<StoredEvent>& events) {
  for (const StoredEvent& stored : events) {
    if (subscription.accepts(stored.event.name())) return stored.sequence;
  }
  return 0;
}

// Finds where `subscription` begins and makes what tells its client. It is live, or else draws from the store first.
inline EmitterCore::Opening EmitterCore::open(Subscription& subscription, Greeting&& greeting) {
  Opening opening;
  const Start start = start_of(owner(subscription), subscription, greeting.requested);
  EventEncoder& encoder = greeting.resumed && !start.gap ? *greeting.resumed : greeting.fresh;
  opening.greeting = std::move(encoder).finish(id_of(start.position));
  subscription.cursor = start.position;
  subscription.live = start.next == 0;
  subscription.history = history_;
  if (start.gap) opening.gap = gap_event(subscription, greeting.requested, start.next, start.position, *start.gap);
  return opening;
}

inline void EmitterCore::post(const Ref<Subscription>& subscription, Opening&& opening) {
  Shard& shard = subscription->feed().shard();
  if (opening.greeting) shard.post(subscription, Subscription::what_greet, std::move(opening.greeting));
  if (opening.gap) shard.post(subscription, Subscription::what_gap, std::move(opening.gap));
}

inline EmitterCore::Drawn EmitterCore::draw(Subscription& subscription, std::uint64_t up_to, const ReplayPacker* packed,
                                            std::vector<StoredEvent>& batch) {
  const std::lock_guard lock(mutex_);
  Drawn drawn;
  if (subscription.user == nullptr && !subscription.departure) return drawn;
  if (mirrors_) drawn.gap = follow_restart(subscription);
  drawn.history = subscription.history;
  drawn.cursor = subscription.cursor;
  drawn.more = true;
  const std::string& user = owner(subscription);
  if (subscription.departure) up_to = std::min(up_to, subscription.departure->last);
  if (packed != nullptr && up_to == StreamSource::everything) {
    sequences_.clear();
    const auto discarded = store_->fetch_sequences(user, subscription.cursor, most_per_draw, sequences_);
    if (discarded && *discarded <= subscription.cursor) drawn.piece = packed->find(drawn.history, sequences_);
    if (drawn.piece != nullptr) {
      drawn.cursor = drawn.piece->sequences.back();
      return drawn;
    }
  }
  const std::uint64_t discarded = store_->fetch(user, subscription.cursor, most_per_draw, batch);
  bool all = batch.empty();
  if (all && !subscription.departure) {
    subscription.live = true;
    subscription.feed().shard().post(Ref<Subscription>(&subscription), Subscription::what_live);
    drawn.more = false;
  }
  for (; !batch.empty() && batch.back().sequence > up_to; all = true) batch.pop_back();
  if (!batch.empty()) drawn.cursor = batch.back().sequence;
  if (all && up_to != StreamSource::everything) drawn.cursor = std::max(drawn.cursor, up_to);
  if (subscription.departure && drawn.cursor >= subscription.departure->last) {
    drawn.departed = true;
    drawn.more = false;
  }
  if (drawn.gap || discarded <= subscription.cursor) return drawn;
  std::uint64_t next = first_for(subscription, batch);
  if (next == 0 && !batch.empty()) next = next_for(user, subscription, batch.back().sequence).sequence;
  drawn.gap = gap_event(subscription, id_of(subscription.cursor), next, position_before(next), GapReason::trimmed);
  return drawn;
}

// Tells the program of a gap and makes the event that tells the client, if there is to be one.
inline EncodedEvent EmitterCore::gap_event(const Subscription& subscription, const std::string& requested,
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
