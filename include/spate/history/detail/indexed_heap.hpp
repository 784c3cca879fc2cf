// IndexedHeap: items in the order of their keys, the first of them at hand, in which each item knows its place.
//
// So a key that changes, and an item that goes, cost the logarithm of how many there are. A heap of four branches: its
// levels are half as many as those of two, and four keys lie together in memory.
//
// It has no lock: whoever owns it has one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>

#include <spate/history/detail/segmented_array.hpp>

namespace spate::detail {

/// The place of an item that stands in no heap.
inline constexpr std::uint32_t no_place = UINT32_MAX;

/// `place` is the member of an item that its heap keeps, `no_place` at first. An item stays where it is in memory.
template <typename Key, typename Item, std::uint32_t Item::*place, typename Before = std::less<Key>>
class IndexedHeap {
 public:
  /// What an item costs, its own memory aside.
  static constexpr std::size_t cost = sizeof(Key) + sizeof(Item*);

  std::size_t size() const noexcept { return nodes_.size(); }
  bool empty() const noexcept { return nodes_.empty(); }
  static bool holds(const Item& item) noexcept { return item.*place != no_place; }

  /// Of the first item.
  const Key& top_key() const noexcept { return nodes_[0].key; }
  Item& top() const noexcept { return *nodes_[0].item; }

  /// Makes room for one more. Throws for want of memory.
  void reserve_one() { nodes_.reserve_one(); }
  /// Needs room that was made.
  void insert(Item& item, const Key& key) noexcept {
    nodes_.push_back({key, &item});
    rise(nodes_.size() - 1, {key, &item});
  }

  void update(Item& item, const Key& key) noexcept { put(item.*place, {key, &item}); }

  void remove(Item& item) noexcept {
    const std::size_t hole = item.*place;
    const Node last = nodes_.back();
    nodes_.pop_back();
    item.*place = no_place;
    if (last.item != &item) put(hole, last);
  }

  /// Destroys some of it; returns whether there was any left. Then there is nothing to do with the rest but the same.
  bool erase_some() noexcept { return nodes_.erase_some(); }

 private:
  struct Node {
    Key key{};
    Item* item = nullptr;
  };

  static constexpr std::size_t branches = 4;

  static bool before(const Node& a, const Node& b) noexcept { return Before()(a.key, b.key); }

  void settle(std::size_t at, const Node& node) noexcept {
    nodes_[at] = node;
    node.item->*place = static_cast<std::uint32_t>(at);
  }

  // Puts `node` to the place `at`, whose node is no more, or where it belongs instead.
  void put(std::size_t at, const Node& node) noexcept {
    if (at > 0 && before(node, nodes_[(at - 1) / branches])) {
      rise(at, node);
    } else {
      sink(at, node);
    }
  }

  void rise(std::size_t at, const Node& node) noexcept {
    while (at > 0) {
      const std::size_t above = (at - 1) / branches;
      if (!before(node, nodes_[above])) break;
      settle(at, nodes_[above]);
      at = above;
    }
    settle(at, node);
  }

  void sink(std::size_t at, const Node& node) noexcept {
    for (;;) {
      const std::size_t begin = at * branches + 1, end = std::min(begin + branches, nodes_.size());
      if (begin >= end) break;
      std::size_t first = begin;
      for (std::size_t each = begin + 1; each < end; ++each) {
        if (before(nodes_[each], nodes_[first])) first = each;
      }
      if (!before(nodes_[first], node)) break;
      settle(at, nodes_[first]);
      at = first;
    }
    settle(at, node);
  }

  SegmentedArray<Node> nodes_;
};

}  // namespace spate::detail
