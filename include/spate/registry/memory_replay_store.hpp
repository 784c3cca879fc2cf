// A MemoryReplayStore keeps the latest events in memory, bounded by count, bytes and age.
//
//   spate::ReplayLimits limits;
//   limits.max_events = 100'000;
//   spate::EmitterOptions options;
//   options.replay = std::make_shared<spate::MemoryReplayStore>(limits);
//
// Appending costs the same whatever is kept; a replay costs what it replays, not what others were sent. Threads: the
// Emitter's lock. Lifetime: history dies with the process, and its epoch with it.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <spate/registry/replay_store.hpp>

namespace spate {

struct ReplayLimits {
  /// Events kept for all users together. Zero keeps none: ids are given out, and every missed event is told as a gap.
  std::size_t max_events = 10'000;

  /// Encoded bytes kept. An event larger than all of it is not kept, nor what came before it.
  std::size_t max_bytes = 256 * 1024 * 1024;

  /// How long an event is kept. Zero: as long as the other limits allow.
  std::chrono::milliseconds max_age{0};

  /// Users and groups without kept events for which the newest discarded event is remembered, some 200 bytes each.
  /// Beyond it a client that was away may be told of a gap where nothing of its own is missing.
  std::size_t max_remembered = 65'536;
};

class MemoryReplayStore final : public ReplayStore {
 public:
  using Clock = std::chrono::steady_clock;

  /// `now` is for tests; by default the steady clock. Throws std::invalid_argument when `max_age` is negative.
  explicit MemoryReplayStore(ReplayLimits limits = {}, std::function<Clock::time_point()> now = &Clock::now)
      : limits_(limits), now_(std::move(now)), epoch_(make_epoch()) {
    if (limits.max_age.count() < 0) {
      throw std::invalid_argument(
          "spate::ReplayLimits: max_age must not be negative: " + std::to_string(limits.max_age.count()) + " ms");
    }
  }

  std::string_view epoch() const override { return epoch_; }
  std::uint64_t newest() const override { return newest_; }

  void append(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event) override {
    if (!event.has_data()) {
      newest_ = sequence;
      return;
    }
    const std::uint64_t number = first_ + records_.size();
    records_.push_back({event, event.bytes().size(), now_(), sequence, nullptr, {}});
    try {
      enter(records_.back(), number, audience);
    } catch (...) {
      // Without memory for all of it, all is as before: a number left behind would be the next event's.
      take_back(records_.back(), number);
      records_.pop_back();
      throw;
    }
    newest_ = sequence;
    bytes_ += records_.back().size;
    trim();
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
    epoch_ = epoch;
    newest_ = forgotten_ = 0;
    records_.clear();
    first_ = 0;
    bytes_ = 0;
    users_.clear();
    groups_.clear();
    everybody_ = Track();
    prefixes_.clear();
    filled_.clear();
    emptied_.clear();
    return true;
  }

  void skip(std::uint64_t sequence) override {
    newest_ = std::max(newest_, sequence);
    forgotten_ = std::max(forgotten_, sequence);
  }

  std::size_t size() const noexcept { return records_.size(); }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  using Numbers = std::vector<std::uint64_t>;
  struct Track;

  // The kept events of one user, of one group, or of everybody, by the number of their record.
  struct Track {
    Numbers numbers;
    std::size_t head = 0;               // those before it are discarded
    std::uint64_t discarded = 0;        // the sequence number of the last one
    const std::string* name = nullptr;  // the key in its map; null for everybody
    bool is_group = false;
    std::list<Track*>::iterator place;  // in filled_ or emptied_; of a named one

    Numbers::const_iterator begin() const noexcept { return numbers.begin() + static_cast<std::ptrdiff_t>(head); }
    Numbers::const_iterator end() const noexcept { return numbers.end(); }
    bool empty() const noexcept { return head == numbers.size(); }
    void pop(std::uint64_t sequence) {
      discarded = sequence;
      ++head;
      if (head * 2 >= numbers.size()) {
        numbers.erase(numbers.begin(), begin());
        head = 0;
        if (numbers.empty()) numbers.shrink_to_fit();
      }
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
    std::size_t size;  // of its bytes; kept here, where it is asked for without reading the event
    Clock::time_point at;
    std::uint64_t sequence;
    Track* track;                // of a single audience
    std::vector<Track*> tracks;  // of a set of users
  };

  struct Cursor {
    Numbers::const_iterator at;
    Numbers::const_iterator end;
  };

  std::string make_epoch() const {
    // The moment, so that epochs differ over time, and what no other process of that moment has: the clock's last
    // digits and where this object lies.
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto moment = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
    const auto ticks = static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
    const std::uint64_t mix = (ticks ^ reinterpret_cast<std::uintptr_t>(this)) * 0x9E3779B97F4A7C15 >> 40;
    const std::uint64_t mixed = (moment << 20) | (mix & 0xFFFFF);
    std::array<char, 16> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), mixed, 36).ptr;
    return std::string(digits.data(), end);
  }

  // Throws before it changes anything, or not at all; so do the two below it.
  Track& track(Tracks& tracks, std::string_view name) {
    const auto found = tracks.find(name);
    if (found != tracks.end()) return found->second;
    const bool is_group = &tracks == &groups_;
    if (is_group && prefixes_.size() <= name.size()) prefixes_.resize(name.size() + 1);
    std::list<Track*> place(1);
    const auto made = tracks.emplace(std::string(name), Track()).first;
    Track& fresh = made->second;
    fresh.name = &made->first;
    fresh.is_group = is_group;
    fresh.place = place.begin();
    *fresh.place = &fresh;
    emptied_.splice(emptied_.end(), place);
    if (is_group) ++prefixes_[name.size()];
    return fresh;
  }

  void push(Track& of, std::uint64_t number) {
    const bool was_empty = of.empty();
    of.numbers.push_back(number);
    if (was_empty && of.name != nullptr) filled_.splice(filled_.end(), emptied_, of.place);
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
      if (of.empty() && of.name != nullptr) emptied_.splice(emptied_.end(), filled_, of.place);
    };
    if (record.track != nullptr) from(*record.track);
    for (Track* of : record.tracks) from(*of);
  }

  // The number of the first record whose sequence number is greater than `after`.
  std::uint64_t first_after(std::uint64_t after) const {
    const auto before = [](std::uint64_t sequence, const Record& record) { return sequence < record.sequence; };
    const auto at = std::upper_bound(records_.begin(), records_.end(), after, before);
    return first_ + static_cast<std::uint64_t>(at - records_.begin());
  }

  // Visits the records that `fetch` speaks of, in its order, and returns what it does.
  template <typename Visit>
  std::uint64_t for_each_owed(std::string_view user, std::uint64_t after, std::size_t most_bytes, Visit&& visit) {
    trim();
    std::uint64_t discarded = forgotten_;
    cursors_.clear();
    const std::uint64_t first = first_after(after);
    for_each_track(user, [&](const Track& of) {
      discarded = std::max(discarded, of.discarded);
      const auto at = std::lower_bound(of.begin(), of.end(), first);
      if (at != of.end()) cursors_.push_back({at, of.end()});
    });
    const auto earlier = [](const Cursor& a, const Cursor& b) { return *a.at < *b.at; };
    // A merge of a few sorted runs; an event to a set of users stands in one of them once, so none comes twice.
    std::size_t bytes = 0;
    while (!cursors_.empty()) {
      const auto next = std::min_element(cursors_.begin(), cursors_.end(), earlier);
      const Record& record = records_[static_cast<std::size_t>(*next->at - first_)];
      if (bytes > 0 && bytes + record.size > most_bytes) break;
      bytes += record.size;
      visit(record);
      if (++next->at == next->end) {
        *next = cursors_.back();
        cursors_.pop_back();
      }
    }
    return discarded;
  }

  template <typename Visit>
  void for_each_track(std::string_view user, Visit&& visit) {
    if (const auto own = users_.find(user); own != users_.end()) visit(own->second);
    for (std::size_t size = 0; size <= user.size() && size < prefixes_.size(); ++size) {
      if (prefixes_[size] == 0) continue;
      if (const auto group = groups_.find(user.substr(0, size)); group != groups_.end()) visit(group->second);
    }
    visit(everybody_);
  }

  bool too_old(const Record& record, Clock::time_point now) const {
    return limits_.max_age.count() > 0 &&
           std::chrono::duration_cast<std::chrono::milliseconds>(now - record.at) >= limits_.max_age;
  }

  void trim() {
    const Clock::time_point now = limits_.max_age.count() > 0 ? now_() : Clock::time_point();
    while (!records_.empty() &&
           (records_.size() > limits_.max_events || bytes_ > limits_.max_bytes || too_old(records_.front(), now))) {
      Record& record = records_.front();
      if (record.track != nullptr) discard(*record.track, record.sequence);
      for (Track* of : record.tracks) discard(*of, record.sequence);
      bytes_ -= record.size;
      records_.pop_front();
      ++first_;
    }
  }

  void discard(Track& of, std::uint64_t sequence) {
    of.pop(sequence);
    if (!of.empty() || of.name == nullptr) return;
    // Nothing is kept for it any more. That something was discarded is remembered, for as many as the limit allows;
    // for the others the newest forgotten sequence stands.
    emptied_.splice(emptied_.end(), filled_, of.place);
    if (emptied_.size() > limits_.max_remembered) forget(*emptied_.front());
  }

  void forget(Track& of) {
    forgotten_ = std::max(forgotten_, of.discarded);
    emptied_.erase(of.place);
    if (of.is_group) --prefixes_[of.name->size()];
    Tracks& tracks = of.is_group ? groups_ : users_;
    tracks.erase(tracks.find(*of.name));
  }

  const ReplayLimits limits_;
  const std::function<Clock::time_point()> now_;
  std::string epoch_;
  std::uint64_t newest_ = 0;
  std::deque<Record> records_;  // numbered without holes, unlike sequence numbers, so that one is found by its number
  std::uint64_t first_ = 0;     // the number of records_.front()
  std::size_t bytes_ = 0;
  Tracks users_;
  Tracks groups_;
  Track everybody_;
  std::vector<std::size_t> prefixes_;  // how many groups there are of each length
  // Every named track is in one of these; it moves between them without memory being asked for.
  std::list<Track*> filled_;
  std::list<Track*> emptied_;  // those without kept events, the one that lost its last the longest ago first
  std::uint64_t forgotten_ = 0;
  std::vector<Cursor> cursors_;  // of one fetch; kept for its capacity
};

}  // namespace spate
