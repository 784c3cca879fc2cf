// The functions of catch_up.hpp.
#pragma once

#include <algorithm>
#include <optional>

#include <spate/config.hpp>
#include <spate/registry/detail/catch_up.hpp>
#include <spate/registry/detail/start_search.hpp>
#include <spate/registry/detail/store_waiter.hpp>

namespace spate::detail {

SPATE_DECL CatchUp::Drawn CatchUp::draw(Subscription& subscription, std::uint64_t up_to, const ReplayPacker* packed,
                                        std::vector<StoredEvent>& batch) {
  Drawn drawn;
  Departure* const departure = departures_.find(subscription);
  if (subscription.user == nullptr && departure == nullptr) return drawn;
  if (mirror_) drawn.gap = follow_restart(subscription, departure);
  drawn.log = subscription.log;
  drawn.cursor = subscription.replay.cursor;
  drawn.more = true;
  const std::string& user = departures_.owner(subscription);
  const std::uint64_t last = departure != nullptr ? departure->last : StreamSource::everything;
  up_to = std::min(up_to, last);
  const std::size_t max_bytes = subscription.filter() == nullptr ? max_bytes_per_draw : StartSearch::step;
  const StoreWaiter waiter(subscription);
  if (!history_.at_hand(user, drawn.cursor, max_bytes, waiter)) {
    drawn.waits = true;
    return drawn;
  }
  if (packed != nullptr && up_to == StreamSource::everything) {
    drawn.piece = find_packed(subscription, user, *packed);
    if (drawn.piece != nullptr) {
      drawn.cursor = drawn.piece->sequences.back();
      return drawn;
    }
  }
  const std::uint64_t discarded = history_.fetch(user, subscription.replay.cursor, max_bytes, batch);
  bool all = batch.empty();
  if (all && departure == nullptr) {
    subscription.shard().post(call<&Subscription::go_live>(Ref<Subscription>(&subscription)));
    subscription.live = true;
    drawn.more = false;
  }
  for (; !batch.empty() && batch.back().sequence > up_to; all = true) batch.pop_back();
  if (!batch.empty()) drawn.cursor = batch.back().sequence;
  if (all && up_to != StreamSource::everything) drawn.cursor = std::max(drawn.cursor, up_to);
  if (departure != nullptr && drawn.cursor >= last) {
    drawn.departed = true;
    drawn.more = false;
  }
  if (drawn.gap) {
    subscription.forget_gap();  // which this one covers
  } else {
    drawn.gap = gap_among(subscription, batch, {up_to, discarded, all}, drawn.cursor);
  }
  return drawn;
}

// The piece that holds all that is next for `subscription`; null when there is none, or something before it is missing.
SPATE_DECL const ReplayPacker::Piece* CatchUp::find_packed(const Subscription& subscription, const std::string& user,
                                                           const ReplayPacker& packed) {
  sequences_.clear();
  const auto discarded = history_.fetch_sequences(user, subscription.replay.cursor, max_bytes_per_draw, sequences_);
  if (!discarded || *discarded > std::max(subscription.replay.cursor, subscription.replay.told)) return nullptr;
  return packed.find(subscription.log, sequences_);
}

// Tells of what is missing, once: it need not lie before all that is kept. The event is empty when there is nothing to
// tell, or it is not known yet what follows.
SPATE_DECL EncodedEvent CatchUp::gap_among(Subscription& subscription, const std::vector<StoredEvent>& batch,
                                           const Bounds& bounds, std::uint64_t drawn_up_to) {
  const bool lost = bounds.discarded > std::max(subscription.replay.cursor, subscription.replay.told);
  if (!lost && !subscription.gap_after()) return {};
  if (lost) subscription.replay.told = bounds.discarded;
  const std::uint64_t from = subscription.gap_after().value_or(subscription.replay.cursor);
  // It is told with the first event that follows, which may not be among these.
  const auto first = std::find_if(batch.begin(), batch.end(),
                                  [&](const StoredEvent& stored) { return subscription.accepts(stored.event.name()); });
  const std::uint64_t next = first == batch.end() ? 0 : first->sequence;
  if (next == 0 && !bounds.all) {
    subscription.keep_gap(from);
    return {};
  }
  subscription.forget_gap();
  // One that ends before the newest event has its position where it ends.
  const bool ends = next == 0 && bounds.up_to != StreamSource::everything;
  return gaps_.tell(subscription, history_.id_of(from), next, ends ? drawn_up_to : history_.position_before(next),
                    GapReason::trimmed);
}

// Returns what to tell one whose cursor counts in a log that is no more.
SPATE_DECL EncodedEvent CatchUp::follow_restart(Subscription& subscription, Departure* departure) {
  if (subscription.log == history_.log()) return {};
  subscription.replay.told = 0;
  if (mirror_.closed()) {
    // The store is another emitter's, and what is still owed cannot be had any more.
    subscription.log = history_.log();
    subscription.replay.cursor = departure->last;
    return Gaps::without_position(subscription, GapReason::trimmed);
  }
  if (mirror_.predates_streams()) {
    subscription.replay.cursor = history_.newest();  // nothing to draw now: it is told with those who are live
    return {};
  }
  subscription.log = history_.log();
  subscription.replay.cursor = mirror_.begins_at();
  if (departure != nullptr) departure->last = history_.newest();
  return gaps_.tell(subscription, mirror_.position_before(), 0, mirror_.begins_at(), GapReason::unknown);
}

}  // namespace spate::detail
