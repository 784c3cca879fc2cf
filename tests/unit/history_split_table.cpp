// The table that grows without moving all that it holds.
#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <spate/history/detail/split_table.hpp>
#include "support/catch.hpp"

using spate::detail::HashedName;
using spate::detail::NameHash;
using spate::detail::SameName;
using spate::detail::SplitTable;

namespace {

/// What `NameHash` does, counted; or the same hash for all.
struct CountedHash : NameHash {
  template <typename T>
  std::size_t operator()(const T& item) const {
    ++computed;
    return NameHash::operator()(item);
  }
  static inline std::size_t computed = 0;
};

struct Named {
  std::string id;
};

using Numbers = SplitTable<std::unordered_map<std::string, std::size_t, CountedHash, SameName>>;
using Names = SplitTable<std::unordered_set<Named, NameHash, SameName>>;

/// Memory of which there is none for an array, after so many of them.
struct Scarce {
  static inline int arrays = 0;
  static inline bool on = false;
};
template <typename T>
struct ScarceMemory {
  using value_type = T;
  ScarceMemory() = default;
  template <typename U>
  ScarceMemory(const ScarceMemory<U>&) noexcept {}
  T* allocate(std::size_t count) {
    if (count > 1 && Scarce::on && Scarce::arrays-- <= 0) throw std::bad_alloc();
    return std::allocator<T>().allocate(count);
  }
  void deallocate(T* memory, std::size_t count) noexcept { std::allocator<T>().deallocate(memory, count); }
  friend bool operator==(const ScarceMemory&, const ScarceMemory&) noexcept { return true; }
};

std::string name(std::size_t number) {
  return "user-" + std::to_string(number);
}

}  // namespace

TEST_CASE("what was put into a split table is found where it was, whatever came later", "[history][split_table]") {
  constexpr std::size_t count = 20'000;
  Numbers numbers;
  CHECK(numbers.size() == 0);
  CHECK(numbers.find("user-0") == nullptr);
  std::vector<const Numbers::Element*> places;
  std::size_t most = 0;
  for (std::size_t i = 0; i < count; ++i) {
    CountedHash::computed = 0;
    places.push_back(numbers.emplace(name(i), name(i), i));
    most = std::max(most, CountedHash::computed);
  }
  CHECK(numbers.size() == count);
  CHECK(most > 200);   // when a part was split
  CHECK(most < 1000);  // and never more than a part
  for (std::size_t i = 0; i < count; ++i) {
    REQUIRE(numbers.find(name(i)) == places[i]);
    REQUIRE(numbers.find(name(i))->second == i);
  }
  CHECK(numbers.find("user-20000") == nullptr);
}

TEST_CASE("a split table gives back what is erased, one by one or in pieces", "[history][split_table]") {
  constexpr std::size_t count = 3'000;
  Names names;
  for (std::size_t i = 0; i < count; ++i) names.emplace(name(i), Named{name(i)});
  for (std::size_t i = 0; i < count; i += 2) names.erase(name(i));
  CHECK(names.size() == count / 2);
  for (std::size_t i = 0; i < count; ++i) REQUIRE((names.find(name(i)) != nullptr) == (i % 2 == 1));

  SECTION("any is one of those that are left, to the last") {
    std::set<std::string> seen;
    while (names.size() > 0) {
      const std::string id = names.any().id;
      REQUIRE(names.find(id) != nullptr);
      REQUIRE(seen.insert(id).second);
      names.erase(id);
    }
    CHECK(seen.size() == count / 2);
    names.emplace("again", Named{"again"});
    CHECK(names.any().id == "again");
  }
  SECTION("some at a time") {
    std::size_t before = names.size(), steps = 0;
    for (; names.erase_some(); ++steps) CHECK(std::exchange(before, names.size()) - names.size() <= 257);
    CHECK(steps > 4);
    CHECK(names.size() == 0);
  }
  SECTION("swapped") {
    Names others;
    others.emplace("other", Named{"other"});
    others.swap(names);
    CHECK(names.size() == 1);
    CHECK(names.find("other") != nullptr);
    CHECK(others.size() == count / 2);
    CHECK(others.find(name(1)) != nullptr);
  }
}

TEST_CASE("a split table that has no memory to be split holds what it held", "[history][split_table]") {
  SplitTable<std::unordered_set<Named, NameHash, SameName, ScarceMemory<Named>>> names;
  std::size_t refused = 0;
  const auto emplace = [&](std::size_t number, int arrays) {
    Scarce::arrays = arrays;
    Scarce::on = true;
    try {
      names.emplace(name(number), Named{name(number)});
    } catch (const std::bad_alloc&) {
      ++refused;
      Scarce::arrays = 1;  // enough to grow, and not to be split
      names.emplace(name(number), Named{name(number)});
    }
    Scarce::on = false;
  };
  constexpr std::size_t count = 3'000;
  for (std::size_t i = 0; i < count; ++i) {
    emplace(i, i < 900 ? 0 : 1);
    CHECK(names.size() == i + 1);
    if (i % 100 != 99) continue;
    for (std::size_t each = 0; each <= i; ++each) REQUIRE(names.find(name(each)) != nullptr);
  }
  CHECK(refused > 0);
}
