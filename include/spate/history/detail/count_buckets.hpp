// CountBuckets: items by how many each of them counts, those that count most at hand.
//
// A count changes by one at a time, so each change costs the same however many items there are. Of items that count as
// many, the one that has done so the longest is the first.
//
// It has no lock: whoever owns it has one.
#pragma once

#include <cstddef>

#include <spate/history/detail/linked_items.hpp>
#include <spate/history/detail/segmented_array.hpp>

namespace spate::detail {

/// Items are those of LinkedItems. What counts nothing is not here.
template <typename Item>
class CountBuckets {
 public:
  /// What each count up to the greatest costs.
  static constexpr std::size_t cost = sizeof(LinkedItems<Item>);

  /// The greatest count of any item; 0 when there are none.
  std::size_t greatest() const noexcept { return buckets_.size(); }
  /// The first of those that have it; there must be one.
  Item& first_of_greatest() noexcept { return buckets_.back().front(); }

  /// Makes room for an item to count one more than `count`. Throws for want of memory.
  void reserve_above(std::size_t count) {
    if (count == buckets_.size()) buckets_.reserve_one();
  }
  /// Needs room that was made.
  void raise(Item& item, std::size_t count) noexcept {
    if (count > 0) buckets_[count - 1].remove(item);
    if (count == buckets_.size()) buckets_.push_back({});
    buckets_[count].push_back(item);
  }

  void lower(Item& item, std::size_t count) noexcept {
    buckets_[count - 1].remove(item);
    if (count > 1) buckets_[count - 2].push_back(item);
    if (buckets_.back().empty()) buckets_.pop_back();
  }

  /// Destroys some of it; returns whether there was any left. Then there is nothing to do with the rest but the same.
  bool erase_some() noexcept { return buckets_.erase_some(); }

 private:
  SegmentedArray<LinkedItems<Item>> buckets_;  // of those that count one, two, ...; the last is never empty
};

}  // namespace spate::detail
