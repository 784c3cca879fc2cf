// A MemoryReplayStore keeps the latest events in memory, bounded by count, bytes and age.
//
//   spate::ReplayLimits limits;
//   limits.max_events = 100'000;
//   spate::EmitterOptions options;
//   options.replay = std::make_shared<spate::MemoryReplayStore>(limits);
//
// Appending costs the same whatever is kept; a replay costs what it replays, not what others were sent. What is over
// the limits goes some hundred events at a time, with what is called next, so that no call takes long. Threads: the
// Emitter's lock. Lifetime: history dies with the process, and its epoch with it. A process that is forked begins a
// history of its own at its first use of the store: it gives none of the ids that the other one gives.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <spate/registry/detail/block_queue.hpp>
#include <spate/registry/detail/process_mark.hpp>
#include <spate/registry/detail/watermarks.hpp>
#include <spate/registry/replay_store.hpp>

namespace spate {

/// An event that is kept is made room for at once, by as many others as it takes, up to some hundred. One that is so
/// large that it displaces more, and many that become too old together, leave the store above its limits for the next
/// calls, each of which takes out some hundred more. What is too old is never replayed.
struct ReplayLimits {
  /// Events kept for all users together. Zero keeps none: ids are given out, and every missed event is told as a gap.
  std::size_t max_events = 10'000;

  /// Bytes of memory that history takes, index included: an event to many users costs some 16 bytes for each besides
  /// its own, and the first one to a user some 150. An event that is larger than all of it is not kept, which is a gap
  /// to those whom it was for and costs nobody else anything.
  std::size_t max_bytes = 256 * 1024 * 1024;

  /// How long an event is kept. Zero: as long as the other limits allow.
  std::chrono::milliseconds max_age{0};

  /// Users and groups without kept events for which the newest discarded event is remembered, some 150 bytes each, and
  /// no more of them than fit into an eighth of `max_bytes`. Beyond it a client that was away may be told of a gap
  /// where nothing of its own is missing.
  std::size_t max_remembered = 65'536;
};

class MemoryReplayStore final : public ReplayStore {
 public:
  using Clock = std::chrono::steady_clock;

  /// `now` is for tests; by default the steady clock. Throws std::invalid_argument when `max_age` is negative.
  explicit MemoryReplayStore(ReplayLimits limits = {}, std::function<Clock::time_point()> now = &Clock::now)
      : limits_(limits),
        now_(std::move(now)),
        epoch_(make_epoch()),
        forgotten_users_(places_within(limits.max_bytes)),
        forgotten_groups_(places_within(limits.max_bytes)) {
    if (limits.max_age.count() < 0) {
      throw std::invalid_argument(
          "spate::ReplayLimits: max_age must not be negative: " + std::to_string(limits.max_age.count()) + " ms");
    }
  }

  std::string_view epoch() const override {
    begin();
    return epoch_;
  }
  std::uint64_t newest() const override {
    begin();
    return newest_;
  }

  void append(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event) override {
    begin();
    if (event.has_data() && cost_of(audience, event) > limits_.max_bytes) {
      discard_at_once(sequence, audience);
    } else if (event.has_data()) {
      keep(sequence, audience, event);
    }
    newest_ = sequence;
    trim(work_of(audience));
  }

  std::uint64_t fetch(std::string_view user, std::uint64_t after, std::size_t most_bytes,
                      std::vector<StoredEvent>& events) override {
    return for_each_owed(user, after, most_bytes, [&](const Record& record) {
      events.push_back({record.sequence, record.event});
    });
  }

  std::optional<std::uint64_t> fetch_sequences(std::string_view user, std::uint64_t after, std::size_t most_bytes,
                                               std::vector<std::uint64_t>& sequences) override {
    return for_each_owed(user, after, most_bytes, [&](const Record& record) { sequences.push_back(record.sequence); });
  }

  bool restart(std::string_view epoch) override {
    process_.renew();
    epoch_ = epoch;
    newest_ = forgotten_ = 0;
    forgotten_users_.clear();
    forgotten_groups_.clear();
    records_.clear();
    first_ = 0;
    bytes_ = remembered_bytes_ = remembered_ = 0;
    oldest_emptied_ = newest_emptied_ = nullptr;
    users_.clear();
    groups_.clear();
    everybody_ = Track();
    prefixes_.clear();
    return true;
  }

  void skip(std::uint64_t sequence) override {
    newest_ = std::max(newest_, sequence);
    forgotten_ = std::max(forgotten_, sequence);
  }

  std::size_t size() const noexcept { return records_.size(); }
  /// What they cost, index included.
  std::size_t bytes() const noexcept { return bytes_ - remembered_bytes_; }

 private:
  static constexpr std::size_t numbers_in_block = 256;
  using Numbers = detail::BlockQueue<std::uint64_t, numbers_in_block>;
  struct Track;

  // The kept events of one user, of one group, or of everybody, by the number of their record.
  struct Track {
    Numbers numbers;
    std::uint64_t discarded = 0;        // the sequence number of the newest one, kept before or not
    const std::string* name = nullptr;  // the key in its map; null for everybody
    bool is_group = false;
    // Among those without kept events.
    Track* emptied_before = nullptr;
    Track* emptied_behind = nullptr;

    bool empty() const noexcept { return numbers.empty(); }
    // The place of the first number that is not less.
    std::size_t first_from(std::uint64_t number) const {
      return numbers.count_before([number](std::uint64_t each) { return each < number; });
    }
  };

  // Not noexcept, so that hashes are kept beside the names.
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Tracks = std::unordered_map<std::string, Track, Hash, std::equal_to<>>;

  struct Record {
    EncodedEvent event;
    std::uint32_t size = 0;  // of its bytes; kept here, where it is asked for without reading the event
    Clock::time_point at;
    std::uint64_t sequence = 0;
    Track* track = nullptr;      // of a single audience
    std::vector<Track*> tracks;  // of a set of users
  };

  // Of one length.
  struct Prefixes {
    std::size_t groups = 0;  // that have a track
    bool forgotten = false;  // of some that have none any more, something was discarded
  };

  struct Cursor {
    const Numbers* numbers;
    std::size_t at;
    std::uint64_t number;  // there
  };

  std::string make_epoch() const {
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

  // A process that was forked from the one whose history this is has none, and may not go on with its ids.
  void begin() const {
    if (process_.forked()) const_cast<MemoryReplayStore*>(this)->restart(make_epoch());
  }

  static constexpr std::size_t places_within(std::size_t bytes) noexcept {
    return std::min<std::size_t>(bytes / 512, 32 * 1024);
  }

  // ---- what things cost ----

  // A piece of memory, with what a common allocator adds to it.
  static constexpr std::size_t allocated(std::size_t bytes) noexcept {
    constexpr std::size_t header = sizeof(std::size_t), grain = 16, least = 32;
    return std::max(least, (bytes + header + grain - 1) / grain * grain);
  }
  static std::size_t cost_of(const Numbers& numbers) noexcept {
    return cost_of_numbers(numbers.full_blocks(), numbers.capacity());
  }
  static std::size_t cost_of_numbers(std::size_t full, std::size_t capacity) noexcept {
    constexpr std::size_t block = allocated(numbers_in_block * sizeof(std::uint64_t)) + 2 * sizeof(void*);
    constexpr std::size_t first_block = allocated(4 * sizeof(void*)) + allocated(4 * sizeof(void*));
    return (capacity == 0 ? 0 : allocated(capacity * sizeof(std::uint64_t))) +
           (full == 0 ? 0 : first_block + full * block);
  }
  // Without its numbers: a node of the map, its place in the table, and a name that does not fit into the node.
  static std::size_t cost_of_track(std::string_view name) noexcept {
    constexpr std::size_t within = 15;
    return allocated(sizeof(Tracks::value_type) + 2 * sizeof(void*)) + 2 * sizeof(void*) +
           (name.size() > within ? allocated(name.size() + 1) : 0);
  }
  static std::size_t cost_of(const EncodedEvent& event) noexcept {
    return sizeof(Record) + sizeof(void*) + allocated(event.footprint());
  }

  // What keeping `event` will cost. Of one name it is taken for granted that nothing is kept for it yet.
  std::size_t cost_of(const Audience& audience, const EncodedEvent& event) const {
    std::size_t cost = cost_of(event);
    switch (audience.kind()) {
      case Audience::Kind::user:
      case Audience::Kind::group: cost += cost_of_track(audience.name()) + allocated(sizeof(std::uint64_t)); break;
      case Audience::Kind::everybody: break;
      case Audience::Kind::users:
        cost += allocated(audience.names().size() * sizeof(Track*));
        for (const std::string& name : audience.names()) {
          if (cost > limits_.max_bytes) break;
          cost += sizeof(std::uint64_t);
          if (users_.find(std::string_view(name)) == users_.end()) {
            cost += cost_of_track(name) + allocated(sizeof(std::uint64_t));
          }
        }
    }
    return cost;
  }

  // ---- keeping ----

  void keep(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event) {
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
      // Without memory for all of it, all is as before: a number left behind would be the next event's.
      take_back(record, number);
      records_.pop_back();
      throw;
    }
    bytes_ += cost_of(record);
  }

  // Throws before it changes anything, or not at all; so do the two below it.
  Track& track(Tracks& tracks, std::string_view name) {
    const auto found = tracks.find(name);
    if (found != tracks.end()) return found->second;
    const bool is_group = &tracks == &groups_;
    if (is_group) know_length(name.size());
    const auto made = tracks.try_emplace(std::string(name)).first;
    Track& fresh = made->second;
    fresh.name = &made->first;
    fresh.is_group = is_group;
    if (is_group) ++prefixes_[name.size()].groups;
    bytes_ += cost_of_track(name);
    remember(fresh);
    return fresh;
  }

  void push(Track& of, std::uint64_t number) {
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

  // Puts `number` into the tracks of `audience`, and these into `record`.
  void enter(Record& record, std::uint64_t number, const Audience& audience) {
    switch (audience.kind()) {
      case Audience::Kind::user: record.track = &track(users_, audience.name()); break;
      case Audience::Kind::group: record.track = &track(groups_, audience.name()); break;
      case Audience::Kind::everybody: record.track = &everybody_; break;
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

  void take_back(const Record& record, std::uint64_t number) noexcept {
    const auto from = [&](Track& of) {
      if (of.empty() || of.numbers.back() != number) return;
      of.numbers.pop_back();
      if (of.empty() && of.name != nullptr) remember(of);
    };
    if (record.track != nullptr) from(*record.track);
    for (Track* of : record.tracks) from(*of);
  }

  static std::size_t cost_of(const Record& record) noexcept {
    return cost_of(record.event) +
           (record.tracks.capacity() == 0 ? 0 : allocated(record.tracks.capacity() * sizeof(Track*)));
  }

  // ---- remembering what is not kept ----

  // An event that is larger than all that may be kept: its audience alone misses it.
  void discard_at_once(std::uint64_t sequence, const Audience& audience) {
    switch (audience.kind()) {
      case Audience::Kind::user: discard_at_once(sequence, users_, audience.name()); break;
      case Audience::Kind::group: discard_at_once(sequence, groups_, audience.name()); break;
      case Audience::Kind::everybody: everybody_.discarded = sequence; break;
      case Audience::Kind::users:
        for (const std::string& name : audience.names()) discard_at_once(sequence, users_, name);
    }
  }

  void discard_at_once(std::uint64_t sequence, Tracks& tracks, std::string_view name) {
    if (const auto known = tracks.find(name); known != tracks.end()) {
      known->second.discarded = sequence;
    } else if (!has_room_to_remember(cost_of_track(name))) {
      const bool is_group = &tracks == &groups_;
      if (is_group) know_length(name.size());
      forget(name, is_group, sequence);
    } else {
      track(tracks, name).discarded = sequence;
    }
  }

  void know_length(std::size_t length) {
    if (prefixes_.size() <= length) prefixes_.resize(length + 1);
  }

  // Notes what was discarded of one that has no track any more.
  void forget(std::string_view name, bool is_group, std::uint64_t sequence) noexcept {
    if (is_group) prefixes_[name.size()].forgotten = true;
    (is_group ? forgotten_groups_ : forgotten_users_).raise(name, sequence);
  }

  bool has_room_to_remember(std::size_t cost) const noexcept {
    return remembered_ < limits_.max_remembered && remembered_bytes_ + cost <= limits_.max_bytes / 8;
  }

  // Puts `of`, for which nothing is kept, behind the others of its kind.
  void remember(Track& of) noexcept {
    of.emptied_before = newest_emptied_;
    of.emptied_behind = nullptr;
    (newest_emptied_ == nullptr ? oldest_emptied_ : newest_emptied_->emptied_behind) = &of;
    newest_emptied_ = &of;
    ++remembered_;
    remembered_bytes_ += cost_of_track(*of.name);
  }

  void no_longer_remember(Track& of) noexcept {
    (of.emptied_before == nullptr ? oldest_emptied_ : of.emptied_before->emptied_behind) = of.emptied_behind;
    (of.emptied_behind == nullptr ? newest_emptied_ : of.emptied_behind->emptied_before) = of.emptied_before;
    --remembered_;
    remembered_bytes_ -= cost_of_track(*of.name);
  }

  // The number of the first record whose sequence number is greater than `after`.
  std::uint64_t first_after(std::uint64_t after) const {
    return first_ + records_.count_before([after](const Record& record) { return record.sequence <= after; });
  }
  // The number of the first record that is not too old.
  std::uint64_t first_of_age() const {
    if (limits_.max_age.count() == 0) return first_;
    return first_ + records_.count_before([this, now = now_()](const Record& record) { return too_old(record, now); });
  }
  const Record& record(std::uint64_t number) const { return records_[static_cast<std::size_t>(number - first_)]; }

  // Visits the records that `fetch` speaks of, in its order, and returns what it does.
  template <typename Visit>
  std::uint64_t for_each_owed(std::string_view user, std::uint64_t after, std::size_t most_bytes, Visit&& visit) {
    begin();
    // What is too old counts as discarded, though it may be here yet.
    const std::uint64_t of_age = trim(0) ? first_ : first_of_age();
    std::uint64_t discarded = std::max(forgotten_, forgotten_of(user));
    cursors_.clear();
    const std::uint64_t first = std::max(first_after(after), of_age);
    for_each_track(user, [&](const Track& of) {
      discarded = std::max(discarded, of.discarded);
      if (of_age > first_) {
        if (const std::size_t old = of.first_from(of_age); old > 0) {
          discarded = std::max(discarded, record(of.numbers[old - 1]).sequence);
        }
      }
      const std::size_t at = of.first_from(first);
      if (at < of.numbers.size()) cursors_.push_back({&of.numbers, at, of.numbers[at]});
    });
    const auto earlier = [](const Cursor& a, const Cursor& b) { return a.number < b.number; };
    // A merge of a few sorted runs; an event to a set of users stands in one of them once, so none comes twice.
    std::size_t bytes = 0;
    while (!cursors_.empty()) {
      const auto next = std::min_element(cursors_.begin(), cursors_.end(), earlier);
      const Record& found = record(next->number);
      if (bytes > 0 && bytes + found.size > most_bytes) break;
      bytes += found.size;
      visit(found);
      if (++next->at < next->numbers->size()) {
        next->number = (*next->numbers)[next->at];
      } else {
        *next = cursors_.back();
        cursors_.pop_back();
      }
    }
    return discarded;
  }

  std::uint64_t forgotten_of(std::string_view user) const noexcept {
    std::uint64_t newest = forgotten_users_.of(user);
    for (std::size_t size = 0; size <= user.size() && size < prefixes_.size(); ++size) {
      if (prefixes_[size].forgotten) newest = std::max(newest, forgotten_groups_.of(user.substr(0, size)));
    }
    return newest;
  }

  template <typename Visit>
  void for_each_track(std::string_view user, Visit&& visit) {
    if (const auto own = users_.find(user); own != users_.end()) visit(own->second);
    for (std::size_t size = 0; size <= user.size() && size < prefixes_.size(); ++size) {
      if (prefixes_[size].groups == 0) continue;
      if (const auto group = groups_.find(user.substr(0, size)); group != groups_.end()) visit(group->second);
    }
    visit(everybody_);
  }

  bool too_old(const Record& record, Clock::time_point now) const {
    return limits_.max_age.count() > 0 &&
           std::chrono::duration_cast<std::chrono::milliseconds>(now - record.at) >= limits_.max_age;
  }

  static std::size_t work_of(const Audience& audience) {
    return audience.kind() == Audience::Kind::users ? 1 + audience.names().size() : 1;
  }

  // Goes back below the limits, with so many steps more than what `brought` took at the most; returns whether it is
  // there. A step is a name that an event is kept for.
  bool trim(std::size_t brought) {
    std::size_t steps = most_steps + brought;
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

  void limit_remembered() noexcept {
    while (remembered_ > limits_.max_remembered || remembered_bytes_ > limits_.max_bytes / 8) forget(*oldest_emptied_);
  }

  // Returns the steps that it took.
  std::size_t discard_oldest() {
    const Record& oldest = records_.front();
    const std::size_t steps = 1 + oldest.tracks.size();
    if (oldest.track != nullptr) discard(*oldest.track, oldest.sequence);
    for (Track* of : oldest.tracks) discard(*of, oldest.sequence);
    bytes_ -= cost_of(oldest);
    records_.pop_front();
    ++first_;
    return steps;
  }

  void discard(Track& of, std::uint64_t sequence) {
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

  void forget(Track& of) noexcept {
    no_longer_remember(of);
    bytes_ -= cost_of_track(*of.name) + cost_of(of.numbers);
    forget(*of.name, of.is_group, of.discarded);
    if (of.is_group) --prefixes_[of.name->size()].groups;
    Tracks& tracks = of.is_group ? groups_ : users_;
    tracks.erase(tracks.find(*of.name));
  }

  static constexpr std::size_t most_steps = 256;

  const ReplayLimits limits_;
  const std::function<Clock::time_point()> now_;
  std::string epoch_;
  std::uint64_t newest_ = 0;
  detail::BlockQueue<Record, 128>
      records_;              // numbered without holes, unlike sequence numbers, so that one is found by its number
  std::uint64_t first_ = 0;  // the number of records_.front()
  std::size_t bytes_ = 0;    // what all of it costs
  Tracks users_;
  Tracks groups_;
  Track everybody_;
  std::vector<Prefixes> prefixes_;  // of groups, by length
  // Named tracks without kept events, the one that lost its last the longest ago first.
  Track* oldest_emptied_ = nullptr;
  Track* newest_emptied_ = nullptr;
  std::size_t remembered_ = 0;  // so many
  std::size_t remembered_bytes_ = 0;
  // Of users and groups whose tracks are gone, and of everybody: up to where something may have been discarded.
  detail::Watermarks forgotten_users_;
  detail::Watermarks forgotten_groups_;
  std::uint64_t forgotten_ = 0;
  detail::ProcessMark process_;
  std::vector<Cursor> cursors_;  // of one fetch; kept for its capacity
};

}  // namespace spate
