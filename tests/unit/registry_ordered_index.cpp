#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <spate/registry/detail/ordered_index.hpp>
#include "support/catch.hpp"

using spate::detail::OrderedIndex;

namespace {

/// An id that counts how often it is looked at.
struct CountedId {
  std::string text;
  static inline std::size_t looks = 0;
  operator std::string_view() const {
    ++looks;
    return text;
  }
};

template <typename Id>
struct Item {
  Id id;
};

using Items = std::map<std::string, std::unique_ptr<Item<std::string>>>;

std::vector<std::string> listed(const OrderedIndex<Item<std::string>>& index, std::string_view prefix) {
  std::vector<std::string> ids;
  index.for_each(prefix, [&](const Item<std::string>& item) { ids.push_back(item.id); });
  return ids;
}

std::vector<std::string> listed(const Items& items, std::string_view prefix) {
  std::vector<std::string> ids;
  for (auto at = items.lower_bound(std::string(prefix)); at != items.end() && at->first.starts_with(prefix); ++at) {
    ids.push_back(at->first);
  }
  return ids;
}

std::vector<std::string> page(const OrderedIndex<Item<std::string>>& index, std::string_view after, std::size_t most) {
  std::vector<std::string> ids;
  index.for_each_after(after, most, [&](const Item<std::string>& item) { ids.push_back(item.id); });
  return ids;
}

std::vector<std::string> page(const Items& items, std::string_view after, std::size_t most) {
  std::vector<std::string> ids;
  for (auto at = items.upper_bound(std::string(after)); at != items.end() && ids.size() < most; ++at) {
    ids.push_back(at->first);
  }
  return ids;
}

/// A key with many neighbours: few different bytes, hostile ones among them.
std::string random_key(std::minstd_rand& random) {
  static constexpr char letters[] = {'a', 'b', '\0', '\x7F', '\x80', '\xFF'};
  std::string key(random() % 8, 'a');
  for (char& letter : key) letter = letters[random() % sizeof letters];
  return key;
}

}  // namespace

TEST_CASE("an ordered index lists what a sorted map lists, whatever comes and goes", "[registry][index]") {
  std::minstd_rand random(7);
  OrderedIndex<Item<std::string>> index;
  Items model;
  // Grows to some thousand entries, shrinks to nothing, and grows again: chunks split and go.
  for (const int wanted : {3'000, 0, 600, 10, 2'000}) {
    while (static_cast<int>(model.size()) != wanted) {
      const bool grow = static_cast<int>(model.size()) < wanted ? random() % 8 != 0 : random() % 8 == 0;
      const std::string key = random_key(random);
      if (grow && !model.contains(key)) {
        const auto& item = model[key] = std::make_unique<Item<std::string>>(Item<std::string>{key});
        index.insert(item.get());
      } else if (!grow && !model.empty()) {
        auto at = model.lower_bound(key);
        if (at == model.end()) at = model.begin();
        index.erase(at->second.get());
        model.erase(at);
      }
      if (random() % 16 == 0) {
        const std::string prefix = random_key(random).substr(0, random() % 5);
        REQUIRE(listed(index, prefix) == listed(model, prefix));
        const std::string after = random_key(random);
        const std::size_t most = random() % 400;
        REQUIRE(page(index, after, most) == page(model, after, most));
      }
    }
    REQUIRE(listed(index, "") == listed(model, ""));
    REQUIRE(listed(index, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF") == std::vector<std::string>());
  }
}

TEST_CASE("listing a group costs its members, not what else is in the index", "[registry][index][cost]") {
  using Counted = Item<CountedId>;
  const auto cost = [](std::size_t others, std::size_t members) {
    std::vector<std::unique_ptr<Counted>> items;
    OrderedIndex<Counted> index;
    const auto add = [&](std::string id) {
      items.push_back(std::make_unique<Counted>(Counted{{std::move(id)}}));
      index.insert(items.back().get());
    };
    for (std::size_t i = 0; i < others; ++i) add((i % 2 == 0 ? "a" : "z") + std::to_string(i));
    for (std::size_t i = 0; i < members; ++i) add("group-" + std::to_string(i));
    CountedId::looks = 0;
    std::size_t found = 0;
    index.for_each("group-", [&](const Counted&) { ++found; });
    REQUIRE(found == members);
    return CountedId::looks;
  };
  // One look at each member, and those of two binary searches and the one after the last.
  CHECK(cost(50'000, 0) < 64);
  CHECK(cost(50'000, 10) < 64 + 10);
  CHECK(cost(100, 10) < 64 + 10);
  CHECK(cost(50'000, 5'000) < 64 + 5'000);
}
