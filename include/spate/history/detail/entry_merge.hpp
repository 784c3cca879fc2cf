// EntryMerge: what several tracks hold, in one order: oldest first, or newest first. Each event comes once.
//
//   merge.begin(EntryMerge::Order::oldest_first, {});
//   merge.add(track.entries, first, last);
//   for (; const KeptEntry* entry = merge.entry(); merge.next()) ...
//
// It costs what it gives, times the logarithm of how many tracks there are. It has no lock: whoever owns it has one;
// and it is used up before anything changes in the tracks.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/detail/memory_track.hpp>

namespace spate::detail {

class EntryMerge {
 public:
  enum class Order : std::uint8_t { oldest_first, newest_first };

  /// Leaves out what has expired by `now`, if that is given; else there is nothing such.
  void begin(Order order, std::optional<HistoryClock::time_point> now);
  /// From `first` to `last`, both included; `first` is the newer one when the newest come first.
  void add(const Entries& entries, Entries::Position first, Entries::Position last);

  /// The next; null after the last.
  const KeptEntry* entry() const noexcept { return runs_.empty() ? nullptr : runs_.front().entry; }
  void next() noexcept;
  /// Whose it is; there must be one.
  const Entries* entries() const noexcept { return runs_.front().entries; }

 private:
  struct Run {
    const Entries* entries;
    Entries::Position at;
    Entries::Position last;
    const KeptEntry* entry;  // there
  };

  // Of two runs, which comes later.
  bool later(const Run& a, const Run& b) const noexcept {
    return order_ == Order::oldest_first ? a.entry->sequence() > b.entry->sequence()
                                         : a.entry->sequence() < b.entry->sequence();
  }

  // Goes on by one; returns whether there is one more.
  bool step(Run& run) const noexcept;
  // Goes on to what has not expired, from where it is; returns whether there is any.
  bool find(Run& run) const noexcept;
  bool advance(Run& run) const noexcept { return step(run) && find(run); }

  Order order_ = Order::oldest_first;
  std::optional<HistoryClock::time_point> now_;
  std::vector<Run> runs_;  // a heap; kept for its capacity
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/impl/entry_merge.ipp>
#endif
