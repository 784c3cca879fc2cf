// MemoryHistory: what a MemoryReplayStore keeps.
//
// Each audience has a track, a queue of its own. When there is too much in all, the fullest track loses its oldest
// entry (FullestTracks). An event to several users or topics stands in the track of each, and is one event as long as
// it stands in any of them. Entries that expire at a time of their own stand in a heap of these times, and are taken
// out of the middle of their tracks.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/detail/entry_merge.hpp>
#include <spate/history/detail/fullest_tracks.hpp>
#include <spate/history/detail/indexed_heap.hpp>
#include <spate/history/detail/kept_entry.hpp>
#include <spate/history/detail/memory_track.hpp>
#include <spate/history/detail/process_mark.hpp>
#include <spate/history/detail/sequence_times.hpp>
#include <spate/history/detail/track_index.hpp>
#include <spate/history/replay_limits.hpp>
#include <spate/history/replay_store.hpp>

namespace spate::detail {

/// What the members of the store do is said at ReplayStore and MemoryReplayStore. Threads: the Emitter's lock, unless
/// said otherwise.
class MemoryHistory {
 public:
  using Clock = HistoryClock;

  MemoryHistory(const ReplayLimits& limits, std::function<Clock::time_point()> now);

  std::string_view epoch() const;
  std::uint64_t newest() const;

  void append(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event);

  std::uint64_t fetch(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                      std::vector<StoredEvent>& events);
  void fetch_newest(const Subscriber& subscriber, std::uint64_t before, std::size_t max_bytes,
                    std::vector<StoredEvent>& events);
  std::uint64_t fetch_sequences(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                                std::vector<std::uint64_t>& sequences);
  std::uint64_t discarded(const Subscriber& subscriber);

  bool restart(std::string_view epoch);

  void skip(std::uint64_t sequence);

  // Any thread: what there was after the latest call.
  std::size_t size() const noexcept { return told_size_.load(std::memory_order_relaxed); }
  std::size_t bytes() const noexcept { return told_bytes_.load(std::memory_order_relaxed); }

 private:
  using Ages = IndexedHeap<std::uint64_t, MemoryTrack, &MemoryTrack::place_by_age>;
  using Expiries = IndexedHeap<Clock::time_point, ExpiringEvent, &ExpiringEvent::place>;

  // An event on its way into its tracks.
  struct Arrival {
    std::uint64_t sequence;
    const EncodedEvent& event;
    SharedEvent* shared;  // null when it is for one track
    Clock::time_point now;
    bool expires;  // at a time of its own
  };

  // What is to be destroyed of a history that is no more, some of it with each call.
  struct Remains {
    TrackIndex::Tables tables;
    Entries everybody;
    FullestTracks fullest;
    Ages ages;
    Expiries expiries;
  };

  std::string make_epoch() const;

  // A process that was forked from the one whose history this is has none, and may not go on with its ids.
  void begin() const {
    if (process_.forked()) const_cast<MemoryHistory*>(this)->restart(make_epoch());
  }

  bool needs_time() const noexcept { return limits_.max_age.count() > 0 || !expiries_.empty(); }
  // Whether an event of its own time to expire does so before it is too old.
  bool expires(const EncodedEvent& event) const noexcept {
    return event.kept_for().count() > 0 && (limits_.max_age.count() == 0 || event.kept_for() <= limits_.max_age);
  }

  // ---- what things cost ----

  static constexpr std::size_t cost_of_expiry = allocated(sizeof(ExpiringEvent)) + Expiries::cost;
  static std::size_t cost_of(const Entries& entries) noexcept;
  // Whether all that keeping it takes would be more than may be kept in all.
  bool is_too_large(const Audience& audience, const EncodedEvent& event);
  std::size_t all_bytes() const noexcept {
    return bytes_ + index_.bytes() + fullest_.bytes() + ages_.size() * Ages::cost + expiries_.size() * cost_of_expiry;
  }

  // Tells those who watch, without the lock, how much is kept now.
  void tell() noexcept {
    told_size_.store(size_, std::memory_order_relaxed);
    told_bytes_.store(all_bytes() - index_.remembered_bytes(), std::memory_order_relaxed);
  }
  // Does so at the end of what changes it, also when that fails.
  struct TellAfter {
    explicit TellAfter(MemoryHistory& of) noexcept : history(of) {}
    TellAfter(const TellAfter&) = delete;
    TellAfter& operator=(const TellAfter&) = delete;
    ~TellAfter() { history.tell(); }
    MemoryHistory& history;
  };

  // ---- keeping ----

  static MemoryTrackKind kind_of(const Audience& audience) noexcept;

  // All of it throws before it changes anything, or not at all.
  void keep(const Audience& audience, const Arrival& arrival);
  void keep_shared(MemoryTrackKind kind, std::span<const std::string> names, Arrival arrival);
  void enter(MemoryTrack& track, const Arrival& arrival);

  // An event that is larger than all that may be kept: its audience alone misses it.
  void discard_at_once(std::uint64_t sequence, const Audience& audience);
  void discard_at_once(std::uint64_t sequence, MemoryTrackKind kind, std::string_view name);

  // ---- letting go ----

  // Takes an entry out, as if it had never come: that is no gap. Returns the steps that it took. The track may be
  // destroyed.
  std::size_t remove(MemoryTrack& track, Entries::Position position) noexcept;
  // Takes out the oldest entry, which may be a gap.
  void discard_oldest(MemoryTrack& track) noexcept;
  void hold_to_limit(MemoryTrack& track) noexcept {
    const std::size_t limit = limits_.max_events_per_audience;
    if (limit > 0 && track.entries.size() > limit) discard_oldest(track);
  }
  void forget(MemoryTrack& track) noexcept;

  // All of these go back below one of the limits, or as far as `steps` go, of which they leave the rest; they return
  // whether they are there. A step is a name that an event is kept for.
  bool take_out_passed(std::size_t& steps, Clock::time_point now) noexcept;  // which has expired or is too old
  bool take_out_expired(std::size_t& steps, Clock::time_point now) noexcept;
  bool take_out_old(std::size_t& steps, Clock::time_point now) noexcept;
  bool take_out_excess(std::size_t& steps) noexcept;
  bool take_out_too_many(std::size_t& steps) noexcept;
  bool take_out_too_large(std::size_t& steps) noexcept;
  // Puts some of the tracks into the order by bytes, if they are not all in it; returns whether there is memory for it.
  bool order_some() noexcept;
  void limit_remembered() noexcept {
    while (index_.remembers_too_many()) forget(index_.remembered_longest());
  }
  // Destroys some of what remains of the histories before.
  void sweep() noexcept;

  // ---- what is owed ----

  // Goes back below the limits; returns the time when there are still entries that have expired or are too old.
  std::optional<Clock::time_point> trim_before_reading();

  // Begins a merge of what is owed to `subscriber` after one sequence number and up to another. Returns what `fetch`
  // does.
  std::uint64_t begin_merge(EntryMerge::Order order, const Subscriber& subscriber, std::uint64_t after,
                            std::uint64_t up_to);
  // The newest entry that counts as discarded because it is too old, though it is here yet; 0 when there is none.
  std::uint64_t newest_too_old(const Entries& entries) const noexcept;
  // Visits entries of the merge: one, and no more than `max_bytes` otherwise.
  template <typename Visit>
  void visit_merged(std::size_t max_bytes, Visit&& visit) {
    std::size_t bytes = 0;
    for (; const KeptEntry* entry = merge_.entry(); merge_.next()) {
      if (bytes > 0 && bytes + entry->size() > max_bytes) break;
      bytes += entry->size();
      visit(*entry);
    }
  }

  static constexpr std::size_t max_steps = 256;

  const ReplayLimits limits_;
  const std::function<Clock::time_point()> now_;
  std::string epoch_;
  std::uint64_t newest_ = 0;
  std::uint64_t forgotten_ = 0;  // up to where something may have been discarded for anybody
  std::size_t size_ = 0;         // events
  std::size_t bytes_ = 0;        // what these and the entries of the tracks cost
  TrackIndex index_;
  FullestTracks fullest_;
  std::size_t ordered_parts_ = 0;  // of the index, in the order by bytes
  bool all_ordered_ = false;       // by bytes
  // With a limit of age: what is too old, and tracks by their oldest entry, or one that was before it.
  SequenceTimes times_;
  std::uint64_t too_old_ = 0;  // the greatest sequence number that is
  Ages ages_;
  Expiries expiries_;  // of the entries that have a time of their own
  ProcessMark process_;
  EntryMerge merge_;
  std::list<Remains> remains_;  // oldest first
  std::atomic<std::size_t> told_size_{0}, told_bytes_{0};
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/impl/memory_history.ipp>
#endif
