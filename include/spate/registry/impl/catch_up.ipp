// The functions of catch_up.hpp.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include <spate/config.hpp>
#include <spate/registry/detail/catch_up.hpp>
#include <spate/registry/detail/start_search.hpp>
#include <spate/registry/detail/store_waiter.hpp>

namespace spate::detail {

SPATE_DECL CatchUp::Drawn CatchUp::draw(Subscription& subscription, std::uint64_t up_to, ReplayPacker* packed,
                                        std::vector<StoredEvent>& batch) {
  Drawn drawn;
  Departure* const departure = departures_.find(subscription);
  if (subscription.user == nullptr && departure == nullptr) return drawn;
  if (mirror_) drawn.gap = follow_restart(subscription, departure);
  drawn.generation = subscription.generation;
  drawn.drawn_up_to = subscription.replay.drawn_up_to;
  drawn.more = true;
  if (TopicCatchUp* const topic = subscription.topic_catch_up()) {
    draw_topic(subscription, *topic, drawn, batch);
    return drawn;
  }
  const Subscriber subscriber = departures_.subscriber(subscription);
  const std::uint64_t last = departure != nullptr ? departure->last : StreamSource::everything;
  up_to = std::min(up_to, last);
  const std::size_t max_bytes = subscription.filter() == nullptr ? max_bytes_per_draw : StartSearch::step;
  const StoreWaiter waiter(subscription);
  if (!history_.at_hand(subscriber, drawn.drawn_up_to, max_bytes, waiter)) {
    drawn.waits = true;
    return drawn;
  }
  if (packed != nullptr && up_to == StreamSource::everything) {
    drawn.piece = find_packed(subscription, subscriber, *packed);
    if (drawn.piece != nullptr) {
      drawn.drawn_up_to = drawn.piece->sequences.back();
      return drawn;
    }
  }
  const std::uint64_t discarded = history_.fetch(subscriber, subscription.replay.drawn_up_to, max_bytes, batch);
  bool all = batch.empty();
  if (all && departure == nullptr) {
    subscription.shard().post(call<&Subscription::go_live>(Ref<Subscription>(&subscription)));
    subscription.live = true;
    drawn.more = false;
  }
  for (; !batch.empty() && batch.back().sequence > up_to; all = true) batch.pop_back();
  if (!batch.empty()) drawn.drawn_up_to = batch.back().sequence;
  const std::uint64_t newest = history_.newest();
  if (all && up_to != StreamSource::everything) {
    drawn.drawn_up_to = std::max(drawn.drawn_up_to, std::min(up_to, newest));
    drawn.unsettled = departure != nullptr && last > newest;
  }
  if (departure != nullptr && drawn.drawn_up_to >= last) {
    drawn.departed = true;
    drawn.more = false;
  }
  if (drawn.gap) {
    subscription.forget_gap();  // which this one covers
  } else {
    drawn.gap = gap_among(subscription, batch, {up_to, discarded, all}, drawn.drawn_up_to);
  }
  return drawn;
}

// The piece that holds all that is next for `subscription`; null when there is none, or something before it is missing.
SPATE_DECL ReplayPacker::Piece* CatchUp::find_packed(const Subscription& subscription, const Subscriber& subscriber,
                                                     ReplayPacker& packed) {
  sequences_.clear();
  const auto discarded =
      history_.fetch_sequences(subscriber, subscription.replay.drawn_up_to, max_bytes_per_draw, sequences_);
  if (!discarded || *discarded > std::max(subscription.replay.drawn_up_to, subscription.replay.told)) return nullptr;
  return packed.find(subscription.generation, sequences_);
}

SPATE_DECL void CatchUp::draw_topic(Subscription& subscription, TopicCatchUp& topic, Drawn& drawn,
                                    std::vector<StoredEvent>& batch) {
  drawn.catches_up = drawn.without_ids = true;
  if (drawn.gap) return;  // that first
  const Subscriber of_topic({}, {&topic.topic, 1});
  const StoreWaiter waiter(subscription);
  drawn.waits = topic.left > 0 ? !history_.newest_at_hand(of_topic, topic.before, StartSearch::step, waiter)
                               : !history_.at_hand(of_topic, topic.topic.since, max_bytes_per_draw, waiter);
  if (drawn.waits) return;
  if (topic.left > 0) return find_newest(subscription, topic, batch);
  if (topic.requested) {
    const bool from_the_first = topic.requested.kind() == Cursor::Kind::earliest;
    drawn.gap = begin_topic(subscription, topic);
    if (!from_the_first) return;
    // What is kept now is drawn now: if it were discarded before that, it would be missing.
  }
  const std::uint64_t discarded = history_.fetch(of_topic, topic.topic.since, max_bytes_per_draw, batch);
  while (!batch.empty() && batch.back().sequence > topic.last) batch.pop_back();
  if (topic.resumes && std::min(discarded, topic.last) > std::max(topic.topic.since, topic.told)) {
    topic.told = discarded;
    drawn.gap = gaps_.tell(subscription, history_.id_of(topic.topic.since), batch.empty() ? 0 : batch.front().sequence,
                           subscription.replay.drawn_up_to, GapReason::trimmed);
  }
  if (!batch.empty()) {
    topic.topic.since = batch.back().sequence;
    return;
  }
  subscription.end_topic_catch_up();
  drawn.catches_up = subscription.topic_catch_up() != nullptr;
}

// One step of the search for the newest events of `topic`, which uses `batch`.
SPATE_DECL void CatchUp::find_newest(Subscription& subscription, TopicCatchUp& topic, std::vector<StoredEvent>& batch) {
  history_.fetch_newest(Subscriber({}, {&topic.topic, 1}), topic.before, StartSearch::step, batch);
  for (const StoredEvent& stored : batch) {
    topic.before = stored.sequence - 1;
    if (!subscription.accepts(stored.event.name())) continue;
    topic.found = stored.sequence;
    if (--topic.left == 0) break;
  }
  if (batch.empty()) topic.left = 0;
  if (topic.left == 0) topic.topic.since = topic.found == 0 ? topic.last : topic.found - 1;
  batch.clear();
}

// Looks where `topic` is asked for from, and returns what tells the client when something after that is missing.
SPATE_DECL EncodedEvent CatchUp::begin_topic(Subscription& subscription, TopicCatchUp& topic) {
  const Cursor requested = std::exchange(topic.requested, Cursor());
  const Subscriber of_topic({}, {&topic.topic, 1});
  topic.resumes = true;
  topic.told = history_.discarded(of_topic);
  if (requested.kind() == Cursor::Kind::earliest) return {};
  std::optional<GapReason> gap;
  const std::optional<std::uint64_t> sequence = history_.sequence_of(requested);
  if (!sequence || *sequence > history_.newest()) {
    gap = GapReason::unknown;
  } else {
    topic.topic.since = *sequence;
    if (topic.told > *sequence) gap = GapReason::trimmed;
  }
  if (!gap) return {};
  const std::uint64_t next = history_.first_after(of_topic, topic.topic.since);
  return gaps_.tell(subscription, requested.text(), next > topic.last ? 0 : next, subscription.replay.drawn_up_to,
                    *gap);
}

// Tells of what is missing, once: it need not lie before all that is kept. The event is empty when there is nothing to
// tell, or it is not known yet what follows.
SPATE_DECL EncodedEvent CatchUp::gap_among(Subscription& subscription, const std::vector<StoredEvent>& batch,
                                           const Bounds& bounds, std::uint64_t drawn_up_to) {
  const bool lost = bounds.discarded > std::max(subscription.replay.drawn_up_to, subscription.replay.told);
  if (!lost && !subscription.gap_after()) return {};
  if (lost) subscription.replay.told = bounds.discarded;
  const std::uint64_t from = subscription.gap_after().value_or(subscription.replay.drawn_up_to);
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
  if (subscription.generation == history_.generation()) return {};
  subscription.replay.told = 0;
  if (departure != nullptr) subscription.begin_generation();  // the others have been told
  if (mirror_.closed()) {
    // The store is another emitter's, and what is still owed cannot be had any more.
    subscription.generation = history_.generation();
    subscription.replay.drawn_up_to = departure->last;
    return Gaps::without_position(subscription, GapReason::trimmed);
  }
  if (mirror_.predates_streams()) {
    subscription.replay.drawn_up_to = history_.newest();  // nothing to draw now: it is told with those who are live
    return {};
  }
  subscription.generation = history_.generation();
  subscription.replay.drawn_up_to = mirror_.begins_at();
  if (departure != nullptr) departure->last = history_.newest();
  return gaps_.tell(subscription, mirror_.position_before(), 0, mirror_.begins_at(), GapReason::unknown);
}

}  // namespace spate::detail
