#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include <spate/loop/detail/timer_heap.hpp>
#include "support/catch.hpp"

namespace spate::detail {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint t0{1000h};

struct Sleeper final : Resident {};

/// The moments as a plain map: slow, and plainly right.
using Model = std::map<Resident*, TimePoint>;

TimePoint earliest(const Model& model) {
  TimePoint at = never;
  for (const auto& [resident, moment] : model) at = std::min(at, moment);
  return at;
}

TEST_CASE("the earliest moment comes first, and each resident has one", "[stream][timer]") {
  TimerHeap heap;
  Sleeper a, b;
  CHECK(heap.next() == never);
  CHECK(heap.take_due(t0 + 1000h) == nullptr);
  heap.set(a, t0 + 3s);
  heap.set(b, t0 + 2s);
  CHECK(heap.next() == t0 + 2s);
  // Setting it again moves it.
  heap.set(b, t0 + 5s);
  CHECK(heap.size() == 2);
  CHECK(heap.at(b) == t0 + 5s);
  CHECK(heap.take_due(t0 + 3s - 1ns) == nullptr);
  CHECK(heap.take_due(t0 + 3s) == &a);
  CHECK(heap.at(a) == never);
  CHECK(heap.take_due(t0 + 3s) == nullptr);
  CHECK(heap.take_due(t0 + 5s) == &b);
  CHECK(heap.size() == 0);
}

TEST_CASE("a moment taken back does not come", "[stream][timer]") {
  TimerHeap heap;
  Sleeper a;
  heap.set(a, never);  // it has none: nothing happens
  heap.set(a, t0);
  heap.set(a, never);
  CHECK(heap.next() == never);
  CHECK(heap.take_due(t0 + 1h) == nullptr);
}

TEST_CASE("a cleared heap has forgotten everybody, who may set a moment anew", "[stream][timer]") {
  TimerHeap heap;
  Sleeper a, b;
  heap.set(a, t0);
  heap.set(b, t0 + 1s);
  heap.clear();
  CHECK(heap.size() == 0);
  CHECK(heap.at(a) == never);
  heap.set(b, t0 + 2s);
  CHECK(heap.take_due(t0 + 2s) == &b);
  CHECK(heap.take_due(t0 + 2s) == nullptr);
}

TEST_CASE("the heap does what a map of moments does", "[stream][timer]") {
  std::mt19937 random(20'250'101);
  for (const int residents : {1, 2, 5, 6, 40, 300}) {
    std::vector<Sleeper> sleepers(static_cast<std::size_t>(residents));
    TimerHeap heap;
    Model model;
    TimePoint now = t0;
    const auto below = [&](int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(random); };
    for (int step = 0; step < 4000; ++step) {
      Sleeper& sleeper = sleepers[static_cast<std::size_t>(below(residents))];
      switch (below(4)) {
        case 0:
          heap.set(sleeper, never);
          model.erase(&sleeper);
          break;
        case 1:
        case 2: {
          // Few different moments, so that many are equal.
          const TimePoint at = now + std::chrono::milliseconds(below(50));
          heap.set(sleeper, at);
          model[&sleeper] = at;
          break;
        }
        case 3: {
          now += std::chrono::milliseconds(below(10));
          while (Resident* due = heap.take_due(now)) {
            const auto found = model.find(due);
            REQUIRE(found != model.end());
            REQUIRE(found->second == earliest(model));
            REQUIRE(found->second <= now);
            model.erase(found);
          }
          REQUIRE(earliest(model) > now);
          break;
        }
      }
      REQUIRE(heap.size() == model.size());
      REQUIRE(heap.next() == earliest(model));
      const auto found = model.find(&sleeper);
      REQUIRE(heap.at(sleeper) == (found == model.end() ? never : found->second));
    }
  }
}

}  // namespace
}  // namespace spate::detail
