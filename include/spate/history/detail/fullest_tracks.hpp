// FullestTracks: which track holds most entries, and which most bytes.
//
// Bytes are put in order only when they are asked for: most stores never come near that limit. From then on all that
// have entries are put in, part by part by the owner.
//
// It has no lock: whoever owns it has one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <spate/config.hpp>
#include <spate/history/detail/count_buckets.hpp>
#include <spate/history/detail/indexed_heap.hpp>
#include <spate/history/detail/memory_track.hpp>

namespace spate::detail {

class FullestTracks {
 public:
  /// The one with the most entries; null when none has any. Of several, the one that has had so many the longest.
  MemoryTrack* by_count() noexcept { return by_count_.greatest() == 0 ? nullptr : &by_count_.first_of_greatest(); }
  /// The same for bytes, when all that have entries were put in order; there must be one.
  MemoryTrack& by_bytes() noexcept { return by_bytes_.top(); }

  /// Asks for the memory of those that come after the first by count, which was last used long ago. There must be one.
  void prefetch_next() noexcept;

  /// What a track with one entry costs here, at the most; and all of them.
  static constexpr std::size_t cost = CountBuckets<MemoryTrack>::cost + 3 * sizeof(std::uint64_t);
  std::size_t bytes() const noexcept {
    return by_count_.greatest() * CountBuckets<MemoryTrack>::cost + by_bytes_.size() * ByBytes::cost;
  }

  // ---- changes ----

  /// Makes room for one more entry of `track`. Throws for want of memory.
  void reserve(const MemoryTrack& track);
  /// `track` has got one more entry; needs room that was made.
  void grew(MemoryTrack& track) noexcept;
  /// It has lost one.
  void shrank(MemoryTrack& track) noexcept;

  // ---- the order by bytes ----

  bool orders_bytes() const noexcept { return orders_bytes_; }
  void order_bytes() noexcept { orders_bytes_ = true; }
  /// Puts `track` in, if it has entries and is not there yet. Throws for want of memory.
  void put_in_order(MemoryTrack& track);

  /// Destroys some of it; returns whether there was any left. Then there is nothing to do with the rest but the same.
  bool erase_some() noexcept { return by_count_.erase_some() || by_bytes_.erase_some(); }

 private:
  struct Fill {
    std::uint64_t bytes = 0;
    std::uint64_t turn = 0;  // of the change that made it so much
  };
  struct Fuller {
    bool operator()(const Fill& a, const Fill& b) const noexcept {
      return a.bytes != b.bytes ? a.bytes > b.bytes : a.turn < b.turn;
    }
  };
  using ByBytes = IndexedHeap<Fill, MemoryTrack, &MemoryTrack::place_by_bytes, Fuller>;

  CountBuckets<MemoryTrack> by_count_;
  ByBytes by_bytes_;
  std::uint64_t turns_ = 0;
  bool orders_bytes_ = false;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/impl/fullest_tracks.ipp>
#endif
