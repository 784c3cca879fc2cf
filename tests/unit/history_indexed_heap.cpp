// IndexedHeap against all of its items, looked at one by one.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <random>
#include <utility>
#include <vector>

#include <spate/history/detail/indexed_heap.hpp>
#include "support/catch.hpp"

using spate::detail::IndexedHeap;
using spate::detail::no_place;

namespace {

struct Item {
  int key = 0;
  std::uint32_t place = no_place;
};

template <typename Before>
using Heap = IndexedHeap<int, Item, &Item::place, Before>;

template <typename Before>
void compare(unsigned seed) {
  std::mt19937 random(seed);
  std::deque<Item> items(400);
  std::vector<Item*> in;
  Heap<Before> heap;
  for (int step = 0; step < 5'000; ++step) {
    Item& item = items[random() % items.size()];
    // Few keys, so that many are the same.
    const int key = static_cast<int>(random() % 50);
    REQUIRE(heap.holds(item) == (std::find(in.begin(), in.end(), &item) != in.end()));
    if (!heap.holds(item)) {
      heap.reserve_one();
      item.key = key;
      heap.insert(item, key);
      in.push_back(&item);
    } else if (random() % 3 > 0) {
      item.key = key;
      heap.update(item, key);
    } else {
      heap.remove(item);
      std::erase(in, &item);
    }
    REQUIRE(heap.size() == in.size());
    REQUIRE(heap.empty() == in.empty());
    if (in.empty()) continue;
    const auto first =
        std::min_element(in.begin(), in.end(), [](const Item* a, const Item* b) { return Before()(a->key, b->key); });
    REQUIRE(heap.top_key() == (*first)->key);
    REQUIRE(heap.top().key == heap.top_key());
  }
  // All come in their order.
  std::vector<int> keys;
  while (!heap.empty()) {
    keys.push_back(heap.top_key());
    heap.remove(heap.top());
  }
  CHECK(std::is_sorted(keys.begin(), keys.end(), Before()));
  CHECK(keys.size() == in.size());
  CHECK(std::all_of(items.begin(), items.end(), [](const Item& each) { return each.place == no_place; }));
}

}  // namespace

TEST_CASE("the first item of an indexed heap has the first key, whatever comes, changes and goes", "[history][heap]") {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    compare<std::less<>>(seed);
    compare<std::greater<>>(seed);
  }
}

TEST_CASE("an indexed heap is destroyed in pieces, and one that was moved from is empty", "[history][heap]") {
  std::deque<Item> items(1'000);
  Heap<std::less<>> heap;
  for (Item& item : items) {
    heap.reserve_one();
    heap.insert(item, 1);
  }
  Heap<std::less<>> taken(std::move(heap));
  CHECK(heap.empty());  // NOLINT(bugprone-use-after-move): it says so
  CHECK(taken.size() == items.size());
  std::size_t pieces = 0;
  for (std::size_t before = taken.size(); taken.erase_some(); before = taken.size(), ++pieces) {
    REQUIRE(before - taken.size() <= 100);
  }
  CHECK(pieces > 10);
  CHECK(taken.empty());
}
