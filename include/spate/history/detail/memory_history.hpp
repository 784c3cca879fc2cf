// MemoryHistory: what a MemoryReplayStore keeps.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/detail/block_queue.hpp>
#include <spate/history/detail/process_mark.hpp>
#include <spate/history/detail/split_table.hpp>
#include <spate/history/detail/watermarks.hpp>
#include <spate/history/replay_limits.hpp>
#include <spate/history/replay_store.hpp>

namespace spate::detail {

/// What the members of the store do is said at ReplayStore and MemoryReplayStore. Threads: the Emitter's lock.
class MemoryHistory {
 public:
  using Clock = std::chrono::steady_clock;

  MemoryHistory(const ReplayLimits& limits, std::function<Clock::time_point()> now);

  std::string_view epoch() const;
  std::uint64_t newest() const;

  void append(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event);

  std::uint64_t fetch(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                      std::vector<StoredEvent>& events);

  std::optional<std::uint64_t> fetch_sequences(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                                               std::vector<std::uint64_t>& sequences);

  bool restart(std::string_view epoch);

  void skip(std::uint64_t sequence);

  std::size_t size() const noexcept { return records_.size(); }
  std::size_t bytes() const noexcept { return bytes_ - remembered_bytes_; }

 private:
  static constexpr std::size_t numbers_in_block = 64;
  using Numbers = BlockQueue<std::uint64_t, numbers_in_block>;
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

  using Tracks = SplitTable<std::unordered_map<std::string, Track, NameHash, SameName>>;

  struct Record {
    EncodedEvent event;
    std::uint32_t size = 0;  // of its bytes; kept here, where it is asked for without reading the event
    Clock::time_point at;
    std::uint64_t sequence = 0;
    Track* track = nullptr;      // of a single audience
    std::vector<Track*> tracks;  // of a set of users
  };

  using Records = BlockQueue<Record, 128>;

  // What is to be destroyed of a history that is no more, some of it with each call.
  struct Remains {
    Records records;
    Tracks users;
    Tracks groups;
    Track everybody;
  };

  // Of one length.
  struct Prefixes {
    std::size_t groups = 0;  // that have a track
    bool forgotten = false;  // of some that have none any more, something was discarded
  };

  struct Run {
    const Numbers* numbers;
    std::size_t at;
    std::uint64_t number;  // there
  };

  std::string make_epoch() const;

  // A process that was forked from the one whose history this is has none, and may not go on with its ids.
  void begin() const {
    if (process_.forked()) const_cast<MemoryHistory*>(this)->restart(make_epoch());
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
  static std::size_t cost_of_numbers(std::size_t full, std::size_t capacity) noexcept;
  // Without its numbers: a node of the map, its place in the table, and a name that does not fit into the node.
  static std::size_t cost_of_track(std::string_view name) noexcept;
  static std::size_t cost_of(const EncodedEvent& event) noexcept {
    return sizeof(Record) + sizeof(void*) + allocated(event.footprint());
  }

  // What keeping `event` will cost. Of one name it is taken for granted that nothing is kept for it yet.
  std::size_t cost_of(const Audience& audience, const EncodedEvent& event) const;

  // ---- keeping ----

  void keep(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event);

  // Throws before it changes anything, or not at all; so do the two below it.
  Track& track(Tracks& tracks, std::string_view name);

  void push(Track& of, std::uint64_t number);

  // Puts `number` into the tracks of `audience`, and these into `record`.
  void enter(Record& record, std::uint64_t number, const Audience& audience);

  void take_back(const Record& record, std::uint64_t number) noexcept;

  static std::size_t cost_of(const Record& record) noexcept;

  // ---- remembering what is not kept ----

  // An event that is larger than all that may be kept: its audience alone misses it.
  void discard_at_once(std::uint64_t sequence, const Audience& audience);

  void discard_at_once(std::uint64_t sequence, Tracks& tracks, std::string_view name);

  void know_length(std::size_t length) {
    if (prefixes_.size() <= length) prefixes_.resize(length + 1);
  }

  // Notes what was discarded of one that has no track any more.
  void forget(std::string_view name, bool is_group, std::uint64_t sequence) noexcept;

  bool has_room_to_remember(std::size_t cost) const noexcept {
    return remembered_ < limits_.max_remembered && remembered_bytes_ + cost <= limits_.max_bytes / 8;
  }

  // Puts `of`, for which nothing is kept, after the others of its kind.
  void remember(Track& of) noexcept;

  void no_longer_remember(Track& of) noexcept;

  // The number of the first record whose sequence number is greater than `after`.
  std::uint64_t first_after(std::uint64_t after) const {
    return first_ + records_.count_before([after](const Record& record) { return record.sequence <= after; });
  }
  // The number of the first record that is not too old.
  std::uint64_t first_of_age() const;
  const Record& record(std::uint64_t number) const { return records_[static_cast<std::size_t>(number - first_)]; }

  // Visits the records that `fetch` speaks of, in its order, and returns what it does.
  template <typename Visit>
  std::uint64_t for_each_owed(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes, Visit&& visit) {
    const std::string_view user = subscriber.user;
    begin();
    // What is too old counts as discarded, though it may be here yet.
    const std::uint64_t of_age = trim(0) ? first_ : first_of_age();
    std::uint64_t discarded = std::max(forgotten_, forgotten_of(user));
    runs_.clear();
    const std::uint64_t first = std::max(first_after(after), of_age);
    for_each_track(user, [&](const Track& of) {
      discarded = std::max(discarded, of.discarded);
      if (of_age > first_) {
        if (const std::size_t old = of.first_from(of_age); old > 0) {
          discarded = std::max(discarded, record(of.numbers[old - 1]).sequence);
        }
      }
      const std::size_t at = of.first_from(first);
      if (at < of.numbers.size()) runs_.push_back({&of.numbers, at, of.numbers[at]});
    });
    const auto earlier = [](const Run& a, const Run& b) { return a.number < b.number; };
    // A merge of a few sorted runs; an event to a set of users stands in one of them once, so none comes twice.
    std::size_t bytes = 0;
    while (!runs_.empty()) {
      const auto next = std::min_element(runs_.begin(), runs_.end(), earlier);
      const Record& found = record(next->number);
      if (bytes > 0 && bytes + found.size > max_bytes) break;
      bytes += found.size;
      visit(found);
      if (++next->at < next->numbers->size()) {
        next->number = (*next->numbers)[next->at];
      } else {
        *next = runs_.back();
        runs_.pop_back();
      }
    }
    return discarded;
  }

  std::uint64_t forgotten_of(std::string_view user) const noexcept;

  template <typename Visit>
  void for_each_track(std::string_view user, Visit&& visit) {
    if (const auto* own = users_.find(user)) visit(own->second);
    for (std::size_t size = 0; size <= user.size() && size < prefixes_.size(); ++size) {
      if (prefixes_[size].groups == 0) continue;
      if (const auto* group = groups_.find(user.substr(0, size))) visit(group->second);
    }
    visit(everybody_);
  }

  bool too_old(const Record& record, Clock::time_point now) const;

  static std::size_t work_of(const Audience& audience) {
    return audience.kind() == Audience::Kind::users ? 1 + audience.names().size() : 1;
  }

  // Goes back below the limits, with so many steps more than what `brought` took at the most; returns whether it is
  // there. A step is a name that an event is kept for.
  bool trim(std::size_t brought);

  void limit_remembered() noexcept {
    while (remembered_ > limits_.max_remembered || remembered_bytes_ > limits_.max_bytes / 8) forget(*oldest_emptied_);
  }

  // Destroys some of what remains of the histories before.
  void sweep() noexcept;

  // Returns the steps that it took.
  std::size_t discard_oldest();

  void discard(Track& of, std::uint64_t sequence);

  void forget(Track& of) noexcept;

  static constexpr std::size_t max_steps = 256;

  const ReplayLimits limits_;
  const std::function<Clock::time_point()> now_;
  std::string epoch_;
  std::uint64_t newest_ = 0;
  Records records_;          // numbered without holes, unlike sequence numbers, so that one is found by its number
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
  Watermarks forgotten_users_;
  Watermarks forgotten_groups_;
  std::uint64_t forgotten_ = 0;
  ProcessMark process_;
  std::vector<Run> runs_;       // of one fetch; kept for its capacity
  std::list<Remains> remains_;  // oldest first
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/impl/memory_history.ipp>
#endif
