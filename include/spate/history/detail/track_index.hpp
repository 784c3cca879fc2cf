// TrackIndex: the tracks of a history by their names, and what is remembered of those for whom nothing is kept.
//
// A track that has lost its last entry is remembered, with the newest that was discarded of it, as long as there is
// room. Then of its name only a watermark is left, which it shares with others.
//
// It has no lock: whoever owns it has one.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/detail/linked_items.hpp>
#include <spate/history/detail/memory_track.hpp>
#include <spate/history/detail/split_table.hpp>
#include <spate/history/detail/watermarks.hpp>
#include <spate/history/replay_limits.hpp>
#include <spate/history/subscriber.hpp>

namespace spate::detail {

class TrackIndex {
 public:
  using Table = SplitTable<std::unordered_map<std::string, MemoryTrack, NameHash, SameName>>;
  /// Of users, groups and topics.
  using Tables = std::array<Table, 3>;

  explicit TrackIndex(const ReplayLimits& limits);

  MemoryTrack& everybody() noexcept { return everybody_; }

  /// Null when there is none.
  MemoryTrack* find(MemoryTrackKind kind, std::string_view name) noexcept;
  /// The track of `name`, which is made, and remembered, when there is none. Throws before it changes anything.
  MemoryTrack& get(MemoryTrackKind kind, std::string_view name);

  /// Visits the tracks of which something is owed to `subscriber`, each with the sequence number up to which nothing
  /// is.
  template <typename Visit>
  void for_each_of(const Subscriber& subscriber, Visit&& visit) {
    const std::string_view user = subscriber.user;
    if (!user.empty()) {
      if (MemoryTrack* own = find(MemoryTrackKind::user, user)) visit(*own, std::uint64_t{0});
      for (std::size_t size = 0; size <= user.size() && size < prefixes_.size(); ++size) {
        if (prefixes_[size].groups == 0) continue;
        if (MemoryTrack* group = find(MemoryTrackKind::group, user.substr(0, size))) visit(*group, std::uint64_t{0});
      }
      visit(everybody_, std::uint64_t{0});
    }
    for (const JoinedTopic& joined : subscriber.topics) {
      if (MemoryTrack* topic = find(MemoryTrackKind::topic, joined.name)) visit(*topic, joined.since);
    }
  }

  /// The newest sequence number of those tracks that have been forgotten; it may be another's.
  std::uint64_t forgotten_of(const Subscriber& subscriber) const noexcept;

  /// Visits some of all tracks; `part` counts up from zero. Returns false when there are no more. Tracks that were made
  /// since the first part was visited may be left out.
  template <typename Visit>
  bool visit_part(std::size_t part, Visit&& visit) {
    for (Table& table : tables_) {
      if (part < table.parts()) {
        table.for_each_in(part, [&](Table::Element& each) { visit(each.second); });
        return true;
      }
      part -= table.parts();
    }
    return false;
  }

  // ---- what is remembered ----

  /// Of a named track that has lost its last entry, and of one that gets its first.
  void remember(MemoryTrack& track) noexcept;
  void no_longer_remember(MemoryTrack& track) noexcept;

  /// Whether there is room to remember one more.
  bool has_room_for(std::string_view name) const noexcept {
    return remembered_ < limits_.max_remembered && remembered_bytes_ + cost_of(name) <= limits_.max_bytes / 8;
  }
  bool remembers_any() const noexcept { return remembered_ > 0; }
  bool remembers_too_many() const noexcept {
    return remembered_ > limits_.max_remembered || remembered_bytes_ > limits_.max_bytes / 8;
  }
  MemoryTrack& remembered_longest() const noexcept { return emptied_.front(); }

  /// Destroys a track that is remembered.
  void forget(MemoryTrack& track) noexcept;
  /// Notes that an event was discarded for `name`, which has no track. Throws before it changes anything.
  void note_discarded(MemoryTrackKind kind, std::string_view name, std::uint64_t sequence);

  // ---- what it costs ----

  /// A track without its entries: a node of the map, its place in the table, and a name that does not fit into the
  /// node.
  static std::size_t cost_of(std::string_view name) noexcept;
  /// What all tracks cost without their entries; and what those that are remembered do.
  std::size_t bytes() const noexcept { return bytes_; }
  std::size_t remembered_bytes() const noexcept { return remembered_bytes_; }

  /// Forgets everything, and leaves the tracks to whoever destroys them.
  void restart(Tables& tables, Entries& everybody) noexcept;

 private:
  // Of one length.
  struct Prefixes {
    std::size_t groups = 0;  // that have a track
    bool forgotten = false;  // of some that have none any more, something was discarded
  };

  Table& table(MemoryTrackKind kind) noexcept { return tables_[static_cast<std::size_t>(kind)]; }
  Watermarks& watermarks(MemoryTrackKind kind) noexcept { return forgotten_[static_cast<std::size_t>(kind)]; }
  const Watermarks& watermarks(MemoryTrackKind kind) const noexcept {
    return forgotten_[static_cast<std::size_t>(kind)];
  }

  void know_length(std::size_t length) {
    if (prefixes_.size() <= length) prefixes_.resize(length + 1);
  }
  void raise(MemoryTrackKind kind, std::string_view name, std::uint64_t sequence) noexcept;

  const ReplayLimits limits_;
  Tables tables_;
  MemoryTrack everybody_;
  std::vector<Prefixes> prefixes_;  // of groups, by length
  std::array<Watermarks, 3> forgotten_;
  LinkedItems<MemoryTrack> emptied_;  // the one that lost its last entry the longest ago first
  std::size_t remembered_ = 0;        // so many
  std::size_t remembered_bytes_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/impl/track_index.ipp>
#endif
