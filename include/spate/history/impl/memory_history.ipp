// The functions of memory_history.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/history/detail/memory_history.hpp>
#include <spate/wire/detail/require.hpp>

namespace spate::detail {

SPATE_DECL MemoryHistory::MemoryHistory(const ReplayLimits& limits, std::function<Clock::time_point()> now)
    : limits_(limits),
      now_(std::move(now)),
      epoch_(make_epoch()),
      forgotten_users_(places_within(limits.max_bytes)),
      forgotten_groups_(places_within(limits.max_bytes)) {
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
  if (event.has_data() && cost_of(audience, event) > limits_.max_bytes) {
    discard_at_once(sequence, audience);
  } else if (event.has_data()) {
    keep(sequence, audience, event);
  }
  newest_ = sequence;
  trim(work_of(audience));
}

SPATE_DECL std::uint64_t MemoryHistory::fetch(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                                              std::vector<StoredEvent>& events) {
  return for_each_owed(subscriber, after, max_bytes, [&](const Record& record) {
    events.push_back({record.sequence, record.event});
  });
}

SPATE_DECL std::optional<std::uint64_t> MemoryHistory::fetch_sequences(const Subscriber& subscriber,
                                                                       std::uint64_t after, std::size_t max_bytes,
                                                                       std::vector<std::uint64_t>& sequences) {
  return for_each_owed(subscriber, after, max_bytes,
                       [&](const Record& record) { sequences.push_back(record.sequence); });
}

SPATE_DECL bool MemoryHistory::restart(std::string_view epoch) {
  std::string given(epoch);
  Remains& remains = remains_.emplace_back();
  // From here on nothing fails.
  process_.renew();
  epoch_ = std::move(given);
  newest_ = forgotten_ = 0;
  forgotten_users_.clear();
  forgotten_groups_.clear();
  std::swap(remains.records, records_);
  remains.users.swap(users_);
  remains.groups.swap(groups_);
  first_ = 0;
  bytes_ = remembered_bytes_ = remembered_ = 0;
  oldest_emptied_ = newest_emptied_ = nullptr;
  std::swap(remains.everybody, everybody_);
  prefixes_.clear();
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

SPATE_DECL std::size_t MemoryHistory::cost_of_numbers(std::size_t full, std::size_t capacity) noexcept {
  constexpr std::size_t block = allocated(numbers_in_block * sizeof(std::uint64_t)) + 2 * sizeof(void*);
  constexpr std::size_t first_block = allocated(4 * sizeof(void*)) + allocated(4 * sizeof(void*));
  return (capacity == 0 ? 0 : allocated(capacity * sizeof(std::uint64_t))) +
         (full == 0 ? 0 : first_block + full * block);
}

SPATE_DECL std::size_t MemoryHistory::cost_of_track(std::string_view name) noexcept {
  constexpr std::size_t within = 15;
  return allocated(sizeof(Tracks::Element) + 2 * sizeof(void*)) + 2 * sizeof(void*) +
         (name.size() > within ? allocated(name.size() + 1) : 0);
}

SPATE_DECL std::size_t MemoryHistory::cost_of(const Audience& audience, const EncodedEvent& event) const {
  std::size_t cost = cost_of(event);
  switch (audience.kind()) {
    case Audience::Kind::user:
    case Audience::Kind::group: cost += cost_of_track(audience.name()) + allocated(sizeof(std::uint64_t)); break;
    case Audience::Kind::everybody:
    case Audience::Kind::topic:
    case Audience::Kind::topics: break;
    case Audience::Kind::users:
      cost += allocated(audience.names().size() * sizeof(Track*));
      for (const std::string& name : audience.names()) {
        if (cost > limits_.max_bytes) break;
        cost += sizeof(std::uint64_t);
        if (users_.find(name) == nullptr) {
          cost += cost_of_track(name) + allocated(sizeof(std::uint64_t));
        }
      }
  }
  return cost;
}

SPATE_DECL void MemoryHistory::keep(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event) {
  const std::uint64_t number = first_ + records_.size();
  const Clock::time_point now = now_();
  Record& record = records_.push();
  record.event = event;
  record.size = static_cast<std::uint32_t>(event.bytes().size());
  record.at = now;
  record.sequence = sequence;
  try {
    enter(record, number, audience);
  } catch (...) {
    // Without memory for all of it, all is as before: a number that remains would be the next event's.
    take_back(record, number);
    records_.pop_back();
    throw;
  }
  bytes_ += cost_of(record);
}

SPATE_DECL MemoryHistory::Track& MemoryHistory::track(Tracks& tracks, std::string_view name) {
  if (auto* const found = tracks.find(name)) return found->second;
  const bool is_group = &tracks == &groups_;
  if (is_group) know_length(name.size());
  auto* const made = tracks.emplace(name, std::string(name), Track());
  Track& fresh = made->second;
  fresh.name = &made->first;
  fresh.is_group = is_group;
  if (is_group) ++prefixes_[name.size()].groups;
  bytes_ += cost_of_track(name);
  remember(fresh);
  return fresh;
}

SPATE_DECL void MemoryHistory::push(Track& of, std::uint64_t number) {
  const bool was_empty = of.empty();
  if (of.numbers.is_full()) {
    const std::size_t before = cost_of(of.numbers);
    of.numbers.push() = number;
    bytes_ += cost_of(of.numbers) - before;
  } else {
    of.numbers.push() = number;
  }
  if (was_empty && of.name != nullptr) no_longer_remember(of);
}

SPATE_DECL void MemoryHistory::enter(Record& record, std::uint64_t number, const Audience& audience) {
  switch (audience.kind()) {
    case Audience::Kind::user: record.track = &track(users_, audience.name()); break;
    case Audience::Kind::group: record.track = &track(groups_, audience.name()); break;
    case Audience::Kind::everybody:
    case Audience::Kind::topic:
    case Audience::Kind::topics: record.track = &everybody_; break;
    case Audience::Kind::users:
      record.tracks.reserve(audience.names().size());
      for (const std::string& name : audience.names()) {
        Track& of = track(users_, name);
        if (!of.empty() && of.numbers.back() == number) continue;  // named twice
        push(of, number);
        record.tracks.push_back(&of);
      }
      return;
  }
  push(*record.track, number);
}

SPATE_DECL void MemoryHistory::take_back(const Record& record, std::uint64_t number) noexcept {
  const auto from = [&](Track& of) {
    if (of.empty() || of.numbers.back() != number) return;
    of.numbers.pop_back();
    if (of.empty() && of.name != nullptr) remember(of);
  };
  if (record.track != nullptr) from(*record.track);
  for (Track* of : record.tracks) from(*of);
}

SPATE_DECL std::size_t MemoryHistory::cost_of(const Record& record) noexcept {
  return cost_of(record.event) +
         (record.tracks.capacity() == 0 ? 0 : allocated(record.tracks.capacity() * sizeof(Track*)));
}

SPATE_DECL void MemoryHistory::discard_at_once(std::uint64_t sequence, const Audience& audience) {
  switch (audience.kind()) {
    case Audience::Kind::user: discard_at_once(sequence, users_, audience.name()); break;
    case Audience::Kind::group: discard_at_once(sequence, groups_, audience.name()); break;
    case Audience::Kind::everybody:
    case Audience::Kind::topic:
    case Audience::Kind::topics: everybody_.discarded = sequence; break;
    case Audience::Kind::users:
      for (const std::string& name : audience.names()) discard_at_once(sequence, users_, name);
  }
}

SPATE_DECL void MemoryHistory::discard_at_once(std::uint64_t sequence, Tracks& tracks, std::string_view name) {
  if (auto* const known = tracks.find(name)) {
    known->second.discarded = sequence;
  } else if (!has_room_to_remember(cost_of_track(name))) {
    const bool is_group = &tracks == &groups_;
    if (is_group) know_length(name.size());
    forget(name, is_group, sequence);
  } else {
    track(tracks, name).discarded = sequence;
  }
}

SPATE_DECL void MemoryHistory::forget(std::string_view name, bool is_group, std::uint64_t sequence) noexcept {
  if (is_group) prefixes_[name.size()].forgotten = true;
  (is_group ? forgotten_groups_ : forgotten_users_).raise(name, sequence);
}

SPATE_DECL void MemoryHistory::remember(Track& of) noexcept {
  of.emptied_before = newest_emptied_;
  of.emptied_behind = nullptr;
  (newest_emptied_ == nullptr ? oldest_emptied_ : newest_emptied_->emptied_behind) = &of;
  newest_emptied_ = &of;
  ++remembered_;
  remembered_bytes_ += cost_of_track(*of.name);
}

SPATE_DECL void MemoryHistory::no_longer_remember(Track& of) noexcept {
  (of.emptied_before == nullptr ? oldest_emptied_ : of.emptied_before->emptied_behind) = of.emptied_behind;
  (of.emptied_behind == nullptr ? newest_emptied_ : of.emptied_behind->emptied_before) = of.emptied_before;
  --remembered_;
  remembered_bytes_ -= cost_of_track(*of.name);
}

SPATE_DECL std::uint64_t MemoryHistory::first_of_age() const {
  if (limits_.max_age.count() == 0) return first_;
  return first_ + records_.count_before([this, now = now_()](const Record& record) { return too_old(record, now); });
}

SPATE_DECL std::uint64_t MemoryHistory::forgotten_of(std::string_view user) const noexcept {
  std::uint64_t newest = forgotten_users_.of(user);
  for (std::size_t size = 0; size <= user.size() && size < prefixes_.size(); ++size) {
    if (prefixes_[size].forgotten) newest = std::max(newest, forgotten_groups_.of(user.substr(0, size)));
  }
  return newest;
}

SPATE_DECL bool MemoryHistory::too_old(const Record& record, Clock::time_point now) const {
  return limits_.max_age.count() > 0 &&
         std::chrono::duration_cast<std::chrono::milliseconds>(now - record.at) >= limits_.max_age;
}

SPATE_DECL void MemoryHistory::sweep() noexcept {
  if (remains_.empty()) return;
  Remains& oldest = remains_.front();
  for (std::size_t steps = 0; steps < max_steps; ++steps) {
    if (oldest.records.empty()) {
      if (!oldest.users.erase_some() && !oldest.groups.erase_some()) remains_.pop_front();
      return;
    }
    const Record& record = oldest.records.front();
    if (record.track != nullptr) (record.track == &everybody_ ? oldest.everybody : *record.track).numbers.pop_front();
    for (Track* of : record.tracks) of->numbers.pop_front();
    steps += record.tracks.size();
    oldest.records.pop_front();
  }
}

SPATE_DECL bool MemoryHistory::trim(std::size_t brought) {
  sweep();
  std::size_t steps = max_steps + brought;
  const auto took = [&steps](std::size_t work) { steps -= std::min(steps, work); };
  const Clock::time_point now = limits_.max_age.count() > 0 ? now_() : Clock::time_point();
  while (!records_.empty() && (records_.size() > limits_.max_events || too_old(records_.front(), now))) {
    if (steps == 0) return false;
    took(discard_oldest());
  }
  while (bytes_ > limits_.max_bytes && !records_.empty()) {
    if (steps == 0) return false;
    // The newest event fits when it is alone.
    if (records_.size() == 1 && remembered_ > 0) {
      forget(*oldest_emptied_);
      took(1);
    } else {
      took(discard_oldest());
    }
  }
  limit_remembered();
  return true;
}

SPATE_DECL std::size_t MemoryHistory::discard_oldest() {
  const Record& oldest = records_.front();
  const std::size_t steps = 1 + oldest.tracks.size();
  if (oldest.track != nullptr) discard(*oldest.track, oldest.sequence);
  for (Track* of : oldest.tracks) discard(*of, oldest.sequence);
  bytes_ -= cost_of(oldest);
  records_.pop_front();
  ++first_;
  return steps;
}

SPATE_DECL void MemoryHistory::discard(Track& of, std::uint64_t sequence) {
  of.discarded = std::max(of.discarded, sequence);
  const std::size_t full = of.numbers.full_blocks(), capacity = of.numbers.capacity();
  of.numbers.pop_front();
  if (full != of.numbers.full_blocks() || capacity != of.numbers.capacity()) {
    bytes_ -= cost_of_numbers(full, capacity) - cost_of(of.numbers);
  }
  // That something was discarded is remembered of those for whom nothing is kept any more.
  if (!of.empty() || of.name == nullptr) return;
  remember(of);
  limit_remembered();
}

SPATE_DECL void MemoryHistory::forget(Track& of) noexcept {
  no_longer_remember(of);
  bytes_ -= cost_of_track(*of.name) + cost_of(of.numbers);
  forget(*of.name, of.is_group, of.discarded);
  if (of.is_group) --prefixes_[of.name->size()].groups;
  Tracks& tracks = of.is_group ? groups_ : users_;
  tracks.erase(*of.name);
}

}  // namespace spate::detail
