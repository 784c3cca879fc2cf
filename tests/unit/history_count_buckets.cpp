// CountBuckets against all of its items, looked at one by one.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <random>
#include <vector>

#include <spate/history/detail/count_buckets.hpp>
#include "support/catch.hpp"

using spate::detail::CountBuckets;

namespace {

struct Item {
  std::size_t count = 0;
  std::uint64_t since = 0;  // the change that made it so many
  Item* previous = nullptr;
  Item* next = nullptr;
};

}  // namespace

TEST_CASE("the first of those that count most is the one that has done so the longest", "[history][buckets]") {
  std::mt19937 random(1);
  std::deque<Item> items(30);
  CountBuckets<Item> buckets;
  std::uint64_t changes = 0;
  for (int step = 0; step < 20'000; ++step) {
    Item& item = items[random() % items.size()];
    // It goes up and down: at times there are many, at times none.
    const bool rises = random() % 100 < (step / 2'000 % 2 == 0 ? 70U : 20U);
    if (rises) {
      buckets.reserve_above(item.count);
      buckets.raise(item, item.count++);
    } else if (item.count > 0) {
      buckets.lower(item, item.count--);
    } else {
      continue;
    }
    item.since = ++changes;
    const auto fuller = [](const Item& a, const Item& b) {
      return a.count != b.count ? a.count < b.count : a.since > b.since;
    };
    const Item& fullest = *std::max_element(items.begin(), items.end(), fuller);
    REQUIRE(buckets.greatest() == fullest.count);
    if (fullest.count > 0) REQUIRE(&buckets.first_of_greatest() == &fullest);
  }
  CHECK(changes > 10'000);
}
