// The functions of memory_history.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <new>
#include <utility>

#include <unistd.h>

#include <spate/config.hpp>
#include <spate/history/detail/allocated.hpp>
#include <spate/history/detail/memory_history.hpp>
#include <spate/wire/detail/require.hpp>

namespace spate::detail {

SPATE_DECL MemoryHistory::MemoryHistory(const ReplayLimits& limits, std::function<Clock::time_point()> now)
    : limits_(limits), now_(std::move(now)), epoch_(make_epoch()), index_(limits), times_(limits) {
  require_not_negative("spate::ReplayLimits::max_age", limits.max_age);
}

SPATE_DECL std::string_view MemoryHistory::epoch() const {
  begin();
  return epoch_;
}

SPATE_DECL std::uint64_t MemoryHistory::newest() const {
  begin();
  return newest_;
}

SPATE_DECL void MemoryHistory::append(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event) {
  begin();
  const bool expires_itself = expires(event);
  const Clock::time_point now = expires_itself || needs_time() ? now_() : Clock::time_point();
  const TellAfter telling(*this);
  // What is over counts for nobody any more.
  std::size_t steps = max_steps + std::max<std::size_t>(1, audience.names().size());
  const bool all_passed = take_out_passed(steps, now);
  if (event.has_data() && is_too_large(audience, event)) {
    discard_at_once(sequence, audience);
  } else if (event.has_data()) {
    if (limits_.max_age.count() > 0) times_.note(sequence, now);
    keep(audience, {sequence, event, nullptr, now, expires_itself});
  }
  newest_ = sequence;
  if (all_passed) take_out_excess(steps);
}

SPATE_DECL std::uint64_t MemoryHistory::fetch(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                                              std::vector<StoredEvent>& events) {
  const std::uint64_t discarded = begin_merge(EntryMerge::Order::oldest_first, subscriber, after, UINT64_MAX);
  visit_merged(max_bytes, [&](const KeptEntry& entry) {
    events.push_back({entry.sequence(), entry.event(), merge_.entries() == &index_.everybody().entries});
  });
  return discarded;
}

SPATE_DECL void MemoryHistory::fetch_newest(const Subscriber& subscriber, std::uint64_t before, std::size_t max_bytes,
                                            std::vector<StoredEvent>& events) {
  begin_merge(EntryMerge::Order::newest_first, subscriber, 0, before);
  visit_merged(max_bytes, [&](const KeptEntry& entry) {
    events.push_back({entry.sequence(), entry.event(), merge_.entries() == &index_.everybody().entries});
  });
}

SPATE_DECL std::uint64_t MemoryHistory::fetch_sequences(const Subscriber& subscriber, std::uint64_t after,
                                                        std::size_t max_bytes, std::vector<std::uint64_t>& sequences) {
  const std::uint64_t discarded = begin_merge(EntryMerge::Order::oldest_first, subscriber, after, UINT64_MAX);
  visit_merged(max_bytes, [&](const KeptEntry& entry) { sequences.push_back(entry.sequence()); });
  return discarded;
}

SPATE_DECL std::uint64_t MemoryHistory::discarded(const Subscriber& subscriber) {
  return begin_merge(EntryMerge::Order::oldest_first, subscriber, UINT64_MAX, UINT64_MAX);
}

SPATE_DECL bool MemoryHistory::restart(std::string_view epoch) {
  std::string given(epoch);
  Remains& remains = remains_.emplace_back();
  // From here on nothing fails.
  process_.renew();
  epoch_ = std::move(given);
  newest_ = forgotten_ = too_old_ = 0;
  size_ = bytes_ = 0;
  index_.restart(remains.tables, remains.everybody);
  std::swap(remains.fullest, fullest_);
  times_.clear();
  std::swap(remains.ages, ages_);
  std::swap(remains.expiries, expiries_);
  ordered_parts_ = 0;
  all_ordered_ = false;
  tell();
  return true;
}

SPATE_DECL void MemoryHistory::skip(std::uint64_t sequence) {
  newest_ = std::max(newest_, sequence);
  forgotten_ = std::max(forgotten_, sequence);
}

SPATE_DECL std::string MemoryHistory::make_epoch() const {
  // The moment, so that epochs differ over time, and what no other store of that moment has, in this process or
  // another: the clock's last digits, where this object lies, and whose it is.
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto moment = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  const auto ticks = static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
  std::uint64_t mix =
      ticks ^ (reinterpret_cast<std::uintptr_t>(this) << 20) ^ (static_cast<std::uint64_t>(::getpid()) << 40);
  mix = (mix ^ (mix >> 31)) * 0x9E3779B97F4A7C15;
  std::array<char, 32> digits{};
  char* end = std::to_chars(digits.data(), digits.data() + 16, moment, 36).ptr;
  end = std::to_chars(end, digits.data() + digits.size(), mix >> 24, 36).ptr;
  return std::string(digits.data(), end);
}

// ---- what things cost ----

SPATE_DECL std::size_t MemoryHistory::cost_of(const Entries& entries) noexcept {
  constexpr std::size_t block = allocated(Entries::block_size * sizeof(KeptEntry)) + 2 * Entries::cost_of_block();
  constexpr std::size_t first_block = allocated(4 * sizeof(void*)) + allocated(4 * sizeof(void*));
  const std::size_t capacity = entries.capacity(), blocks = entries.blocks();
  return (capacity == 0 ? 0 : allocated(capacity * sizeof(KeptEntry))) +
         (blocks == 0 ? 0 : first_block + blocks * block);
}

SPATE_DECL bool MemoryHistory::is_too_large(const Audience& audience, const EncodedEvent& event) {
  constexpr std::size_t first_entry = allocated(sizeof(KeptEntry)) + Ages::cost + FullestTracks::cost;
  const std::size_t expiry = expires(event) ? cost_of_expiry : 0;
  // Of one name it is taken for granted that nothing is kept for it yet.
  const auto first = [&](std::string_view name) { return TrackIndex::cost_of(name) + first_entry + expiry; };
  const std::span<const std::string> names = audience.names();
  std::size_t cost = KeptEntry::cost_of(event, !names.empty());
  if (names.empty()) return cost + first(audience.name()) > limits_.max_bytes;
  std::size_t if_all_are_new = cost;
  for (const std::string& name : names) if_all_are_new += first(name);
  if (if_all_are_new <= limits_.max_bytes) return false;
  const MemoryTrackKind kind = kind_of(audience);
  for (const std::string& name : names) {
    cost += index_.find(kind, name) == nullptr ? first(name) : sizeof(KeptEntry) + expiry;
    if (cost > limits_.max_bytes) return true;
  }
  return false;
}

// ---- keeping ----

SPATE_DECL MemoryTrackKind MemoryHistory::kind_of(const Audience& audience) noexcept {
  switch (audience.kind()) {
    case Audience::Kind::user:
    case Audience::Kind::users: return MemoryTrackKind::user;
    case Audience::Kind::group: return MemoryTrackKind::group;
    case Audience::Kind::topic:
    case Audience::Kind::topics: return MemoryTrackKind::topic;
    case Audience::Kind::everybody: break;
  }
  return MemoryTrackKind::everybody;
}

SPATE_DECL void MemoryHistory::keep(const Audience& audience, const Arrival& arrival) {
  const MemoryTrackKind kind = kind_of(audience);
  if (audience.kind() == Audience::Kind::users || audience.kind() == Audience::Kind::topics) {
    return keep_shared(kind, audience.names(), arrival);
  }
  MemoryTrack& track = kind == MemoryTrackKind::everybody ? index_.everybody() : index_.get(kind, audience.name());
  enter(track, arrival);
  hold_to_limit(track);
}

SPATE_DECL void MemoryHistory::keep_shared(MemoryTrackKind kind, std::span<const std::string> names, Arrival arrival) {
  if (names.empty()) return;
  std::vector<MemoryTrack*> entered;
  entered.reserve(names.size());
  auto shared = std::make_unique<SharedEvent>();
  shared->event = arrival.event;
  shared->part = static_cast<std::uint32_t>(KeptEntry::cost_of(arrival.event, true) / names.size());
  arrival.shared = shared.get();
  try {
    for (const std::string& name : names) {
      MemoryTrack& track = index_.get(kind, name);
      if (!track.entries.empty() && track.entries.back().sequence() == arrival.sequence) continue;  // named twice
      enter(track, arrival);
      entered.push_back(&track);
    }
  } catch (...) {
    // Without memory for all of it, all is as before.
    if (!entered.empty()) static_cast<void>(shared.release());  // the last entry takes it along
    for (MemoryTrack* track : entered) remove(*track, track->entries.before(track->entries.end()));
    throw;
  }
  static_cast<void>(shared.release());  // the entries hold it
  for (MemoryTrack* track : entered) hold_to_limit(*track);
}

SPATE_DECL void MemoryHistory::enter(MemoryTrack& track, const Arrival& arrival) {
  const bool is_first = track.entries.empty();
  const bool ages = limits_.max_age.count() > 0 && !Ages::holds(track);
  std::unique_ptr<ExpiringEvent> expiring;
  if (arrival.expires) {
    expiring = std::make_unique<ExpiringEvent>();
    expiries_.reserve_one();
  }
  if (ages) ages_.reserve_one();
  fullest_.reserve(track);
  const bool grows = track.entries.is_full();
  const std::size_t cost_before = grows ? cost_of(track.entries) : 0;
  KeptEntry& entry = track.entries.push([](const KeptEntry& each) { return each.due(); });
  // From here on nothing fails.
  if (grows) bytes_ += cost_of(track.entries) - cost_before;
  if (is_first && track.name != nullptr) index_.no_longer_remember(track);
  if (expiring) {
    const Clock::time_point due = arrival.now + arrival.event.kept_for();
    *expiring = {due, &track, arrival.sequence, {}, arrival.shared, no_place};
    if (arrival.shared == nullptr) expiring->own = arrival.event;
    expiries_.insert(*expiring, due);
    entry.hold(arrival.sequence, std::move(expiring));
  } else if (arrival.shared != nullptr) {
    entry.hold(arrival.sequence, *arrival.shared);
  } else {
    entry.hold(arrival.sequence, arrival.event);
  }
  if (entry.is_last_holder()) {
    ++size_;
    bytes_ += entry.cost_of_event();
  }
  track.bytes += sizeof(KeptEntry) + entry.part_of_cost();
  fullest_.grew(track);
  if (ages) ages_.insert(track, arrival.sequence);
}

SPATE_DECL void MemoryHistory::discard_at_once(std::uint64_t sequence, const Audience& audience) {
  const MemoryTrackKind kind = kind_of(audience);
  if (kind == MemoryTrackKind::everybody) {
    index_.everybody().discarded = sequence;
  } else if (audience.names().empty()) {
    discard_at_once(sequence, kind, audience.name());
  }
  for (const std::string& name : audience.names()) discard_at_once(sequence, kind, name);
}

SPATE_DECL void MemoryHistory::discard_at_once(std::uint64_t sequence, MemoryTrackKind kind, std::string_view name) {
  if (MemoryTrack* known = index_.find(kind, name)) {
    known->discarded = sequence;
  } else if (index_.has_room_for(name)) {
    index_.get(kind, name).discarded = sequence;
  } else {
    index_.note_discarded(kind, name, sequence);
  }
}

// ---- letting go ----

SPATE_DECL std::size_t MemoryHistory::remove(MemoryTrack& track, Entries::Position position) noexcept {
  constexpr std::size_t steps_to_move_blocks = 16;
  Entries& entries = track.entries;
  const KeptEntry& entry = entries[position];
  track.bytes -= sizeof(KeptEntry) + entry.part_of_cost();
  if (entry.is_last_holder()) {
    --size_;
    bytes_ -= entry.cost_of_event();
  }
  if (ExpiringEvent* expiring = entry.expiring()) expiries_.remove(*expiring);
  const std::size_t blocks = entries.blocks(), capacity = entries.capacity();
  const std::size_t cost_before = cost_of(entries);
  std::size_t steps = 1;
  if (position == entries.begin()) {
    entries.pop_front();
  } else if (entries.erase(position)) {
    steps += steps_to_move_blocks;
  }
  if (blocks != entries.blocks() || capacity != entries.capacity()) bytes_ -= cost_before - cost_of(entries);
  fullest_.shrank(track);
  if (!entries.empty() || track.name == nullptr) return steps;
  index_.remember(track);
  if (track.discarded == 0) {
    forget(track);
  } else {
    limit_remembered();
  }
  return steps;
}

SPATE_DECL void MemoryHistory::discard_oldest(MemoryTrack& track) noexcept {
  track.discarded = std::max(track.discarded, track.entries.front().sequence());
  remove(track, track.entries.begin());
}

SPATE_DECL void MemoryHistory::forget(MemoryTrack& track) noexcept {
  if (Ages::holds(track)) ages_.remove(track);
  index_.forget(track);
}

SPATE_DECL bool MemoryHistory::take_out_passed(std::size_t& steps, Clock::time_point now) noexcept {
  sweep();
  return take_out_expired(steps, now) && take_out_old(steps, now);
}

SPATE_DECL bool MemoryHistory::take_out_excess(std::size_t& steps) noexcept {
  const bool is_there = take_out_too_many(steps) && take_out_too_large(steps);
  limit_remembered();
  return is_there;
}

SPATE_DECL bool MemoryHistory::take_out_expired(std::size_t& steps, Clock::time_point now) noexcept {
  while (!expiries_.empty() && expiries_.top_key() <= now) {
    if (steps == 0) return false;
    const ExpiringEvent& expired = expiries_.top();
    MemoryTrack& track = *expired.track;
    const auto position = track.entries.first_not(
        [sequence = expired.sequence](const KeptEntry& each) { return each.sequence() < sequence; });
    steps -= std::min(steps, remove(track, position));
  }
  return true;
}

SPATE_DECL bool MemoryHistory::take_out_old(std::size_t& steps, Clock::time_point now) noexcept {
  if (limits_.max_age.count() == 0) return true;
  too_old_ = times_.too_old(now);
  for (; !ages_.empty() && ages_.top_key() <= too_old_; --steps) {
    if (steps == 0) return false;
    MemoryTrack& track = ages_.top();
    if (track.entries.empty()) {
      ages_.remove(track);
      continue;
    }
    const KeptEntry& oldest = track.entries.front();
    if (oldest.sequence() > too_old_) {
      ages_.update(track, oldest.sequence());
    } else if (oldest.expiring() != nullptr) {
      remove(track, track.entries.begin());
    } else {
      discard_oldest(track);
    }
  }
  return true;
}

SPATE_DECL bool MemoryHistory::take_out_too_many(std::size_t& steps) noexcept {
  for (; size_ > limits_.max_events; --steps) {
    if (steps == 0) return false;
    fullest_.prefetch_next();
    discard_oldest(*fullest_.by_count());
  }
  return true;
}

SPATE_DECL bool MemoryHistory::take_out_too_large(std::size_t& steps) noexcept {
  // They are put in order before it comes to that.
  if (!all_ordered_ && all_bytes() > limits_.max_bytes / 2) order_some();
  for (; all_bytes() > limits_.max_bytes && size_ > 0; --steps) {
    if (steps == 0) return false;
    if (size_ == 1 && index_.remembers_any()) {
      forget(index_.remembered_longest());  // the newest event fits when it is alone
    } else if (all_ordered_) {
      discard_oldest(fullest_.by_bytes());
    } else if (!order_some()) {
      discard_oldest(*fullest_.by_count());
    }
  }
  return true;
}

SPATE_DECL bool MemoryHistory::order_some() noexcept {
  try {
    if (!fullest_.orders_bytes()) {
      fullest_.order_bytes();
      fullest_.put_in_order(index_.everybody());
    }
    all_ordered_ = !index_.visit_part(ordered_parts_, [this](MemoryTrack& track) { fullest_.put_in_order(track); });
    ++ordered_parts_;
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

SPATE_DECL void MemoryHistory::sweep() noexcept {
  if (remains_.empty()) return;
  Remains& oldest = remains_.front();
  std::size_t steps = max_steps;
  const auto empty = [&steps](Entries& entries) {
    for (; steps > 0 && !entries.empty(); --steps) entries.pop_front();
    return entries.empty();
  };
  if (!empty(oldest.everybody)) return;
  for (TrackIndex::Table& table : oldest.tables) {
    if (table.parts() == 0) continue;
    bool all = true;
    table.for_each_in(table.parts() - 1,
                      [&](TrackIndex::Table::Element& each) { all = all && empty(each.second.entries); });
    if (all) table.erase_some();
    return;
  }
  for (; steps > 0; --steps) {
    if (oldest.expiries.erase_some() || oldest.ages.erase_some() || oldest.fullest.erase_some()) continue;
    remains_.pop_front();
    return;
  }
}

// ---- what is owed ----

SPATE_DECL std::optional<HistoryClock::time_point> MemoryHistory::trim_before_reading() {
  begin();
  const Clock::time_point now = needs_time() ? now_() : Clock::time_point();
  const TellAfter telling(*this);
  std::size_t steps = max_steps;
  if (!take_out_passed(steps, now)) return now;
  take_out_excess(steps);
  return std::nullopt;
}

SPATE_DECL std::uint64_t MemoryHistory::begin_merge(EntryMerge::Order order, const Subscriber& subscriber,
                                                    std::uint64_t after, std::uint64_t up_to) {
  const std::optional<Clock::time_point> now = trim_before_reading();
  merge_.begin(order, now);
  std::uint64_t discarded = index_.forgotten_of(subscriber);
  const auto note_discarded = [&discarded](std::uint64_t sequence, std::uint64_t since) {
    if (sequence > since) discarded = std::max(discarded, sequence);
  };
  if (!subscriber.user.empty()) note_discarded(forgotten_, 0);
  for (const JoinedTopic& joined : subscriber.topics) note_discarded(forgotten_, joined.since);
  index_.for_each_of(subscriber, [&](const MemoryTrack& track, std::uint64_t since) {
    note_discarded(track.discarded, since);
    const Entries& entries = track.entries;
    if (entries.empty()) return;
    note_discarded(newest_too_old(entries), since);
    const std::uint64_t from = std::max({after, since, too_old_});
    if (entries.back().sequence() <= from) return;
    const Entries::Position first =
        entries.first_not([from](const KeptEntry& each) { return each.sequence() <= from; });
    if (entries[first].sequence() > up_to) return;
    const Entries::Position end =
        entries.back().sequence() <= up_to
            ? entries.end()
            : entries.first_not([up_to](const KeptEntry& each) { return each.sequence() <= up_to; });
    const Entries::Position last = entries.before(end);
    order == EntryMerge::Order::oldest_first ? merge_.add(entries, first, last) : merge_.add(entries, last, first);
  });
  return discarded;
}

SPATE_DECL std::uint64_t MemoryHistory::newest_too_old(const Entries& entries) const noexcept {
  if (entries.front().sequence() > too_old_) return 0;
  Entries::Position at = entries.first_not([this](const KeptEntry& each) { return each.sequence() <= too_old_; });
  while (at != entries.begin()) {
    at = entries.before(at);
    if (entries[at].expiring() == nullptr) return entries[at].sequence();
    // What expires is no gap. There may be many blocks that hold nothing else.
    if (const auto* mark = entries.mark(at); mark != nullptr && *mark < Clock::time_point::max())
      at = entries.block_begin(at);
  }
  return 0;
}

}  // namespace spate::detail
