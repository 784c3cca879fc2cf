// The functions of fullest_tracks.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/detail/prefetch.hpp>
#include <spate/history/detail/fullest_tracks.hpp>

namespace spate::detail {

SPATE_DECL void FullestTracks::prefetch_next() noexcept {
  const MemoryTrack* const second = by_count_.first_of_greatest().next;
  if (second == nullptr) return;
  second->entries.front().prefetch();
  const MemoryTrack* const third = second->next;
  if (third == nullptr) return;
  detail::prefetch(&third->entries.front());
  detail::prefetch(third->next);
}

SPATE_DECL void FullestTracks::reserve(const MemoryTrack& track) {
  by_count_.reserve_above(track.entries.size());
  if (orders_bytes_ && !ByBytes::holds(track)) by_bytes_.reserve_one();
}

SPATE_DECL void FullestTracks::grew(MemoryTrack& track) noexcept {
  by_count_.raise(track, track.entries.size() - 1);
  if (ByBytes::holds(track)) {
    by_bytes_.update(track, {track.bytes, ++turns_});
  } else if (orders_bytes_) {
    by_bytes_.insert(track, {track.bytes, ++turns_});
  }
}

SPATE_DECL void FullestTracks::shrank(MemoryTrack& track) noexcept {
  by_count_.lower(track, track.entries.size() + 1);
  if (!ByBytes::holds(track)) return;
  if (track.entries.empty()) {
    by_bytes_.remove(track);
  } else {
    by_bytes_.update(track, {track.bytes, ++turns_});
  }
}

SPATE_DECL void FullestTracks::put_in_order(MemoryTrack& track) {
  if (track.entries.empty() || ByBytes::holds(track)) return;
  by_bytes_.reserve_one();
  by_bytes_.insert(track, {track.bytes, ++turns_});
}

}  // namespace spate::detail
