// BlockQueue against a deque.
#include <algorithm>
#include <cstddef>
#include <deque>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <spate/history/detail/block_queue.hpp>
#include "support/catch.hpp"

using spate::detail::BlockQueue;

namespace {

const auto no_mark = [](const auto&) { return 0; };

}  // namespace

TEST_CASE("a block queue holds what a deque holds, whatever is put in and taken out", "[history][replay]") {
  std::mt19937 random(1);
  const auto below = [&](unsigned end) { return random() % end; };
  for (int round = 0; round < 200; ++round) {
    using Queue = BlockQueue<std::string, 4>;
    Queue queue;
    std::deque<std::string> model;
    const unsigned grows = 3 + below(5);
    const auto position = [&](std::size_t index) {
      Queue::Position at = queue.begin();
      for (; index > 0; --index) at = queue.after(at);
      return at;
    };
    for (int step = 0; step < 200; ++step) {
      const unsigned what = below(12);
      if (model.empty() || what < grows) {
        std::string& fresh = queue.push(no_mark);
        REQUIRE(fresh.empty());
        // Of one length, so that they are in the order of their numbers.
        fresh = "an element that needs memory of its own " + std::to_string(round * 1'000 + step + 1'000'000);
        model.push_back(fresh);
      } else if (what < 9) {
        queue.pop_front();
        model.pop_front();
      } else if (what < 10) {
        queue.pop_back();
        model.pop_back();
      } else {
        const std::size_t place = below(static_cast<unsigned>(model.size()));
        queue.erase(position(place));
        model.erase(model.begin() + static_cast<std::ptrdiff_t>(place));
      }
      REQUIRE(queue.size() == model.size());
      REQUIRE(queue.empty() == model.empty());
      if (model.empty()) continue;
      REQUIRE(queue.front() == model.front());
      REQUIRE(queue.back() == model.back());
      Queue::Position at = queue.begin();
      for (std::size_t i = 0; i < model.size(); ++i, at = queue.after(at)) REQUIRE(queue[at] == model[i]);
      REQUIRE(at == queue.end());
      for (std::size_t i = model.size(); i-- > 0;) {
        at = queue.before(at);
        REQUIRE(queue[at] == model[i]);
      }
      REQUIRE(at == queue.begin());
      const std::size_t place = below(static_cast<unsigned>(model.size()));
      const auto found = queue.first_not([&](const std::string& each) { return each < model[place]; });
      REQUIRE(queue[found] == model[place]);
      REQUIRE(queue.first_not([](const std::string&) { return true; }) == queue.end());
    }
    Queue taken(std::move(queue));
    CHECK(taken.size() == model.size());
    taken.clear();
    CHECK(taken.empty());
    CHECK(taken.capacity() == 0);
  }
}

TEST_CASE("a block queue of few elements has room for few", "[history][replay]") {
  BlockQueue<int, 128> queue;
  queue.push(no_mark) = 1;
  CHECK(queue.capacity() == 1);
  for (int i = 2; i <= 1'000; ++i) queue.push(no_mark) = i;
  CHECK(queue.blocks() == 7);
  while (queue.size() > 1) queue.pop_front();
  CHECK(queue.front() == 1'000);
  CHECK(queue.blocks() == 0);
  CHECK(queue.capacity() <= 4);
}

TEST_CASE("blocks that have lost most of what they held are put together", "[history][replay]") {
  std::mt19937 random(2);
  BlockQueue<int, 128> queue;
  for (int i = 0; i < 100'000; ++i) queue.push(no_mark) = i;
  CHECK(queue.blocks() > 700);
  const auto find = [&](int element) { return queue.first_not([element](int each) { return each < element; }); };
  std::vector<int> all(100'000);
  std::iota(all.begin(), all.end(), 0);
  std::shuffle(all.begin(), all.end(), random);
  std::size_t moves = 0;
  while (all.size() > 1'000) {
    const auto position = find(all.back());
    REQUIRE(queue[position] == all.back());
    if (queue.erase(position)) ++moves;
    all.pop_back();
  }
  CHECK(queue.size() == 1'000);
  CHECK(queue.blocks() < 1'000 / 32 + 2);
  CHECK(moves < 800);  // no more than there were blocks
  for (const int each : all) REQUIRE(queue[find(each)] == each);
}

TEST_CASE("the mark of a block is that of its greatest element or more", "[history][replay]") {
  std::mt19937 random(3);
  BlockQueue<std::pair<int, int>, 16, int> queue;
  const auto mark_of = [](const std::pair<int, int>& each) { return each.second; };
  for (int i = 0; i < 2'000; ++i) queue.push(mark_of) = {i, static_cast<int>(random() % 1'000'000)};
  const auto check = [&](bool exactly) {
    for (auto at = queue.begin(); at != queue.end();) {
      const int* const mark = queue.mark(at);
      if (mark == nullptr) {
        CHECK(at.block == queue.blocks());
        break;
      }
      REQUIRE(queue.block_begin(at) == at);
      int greatest = 0;
      const auto next = queue.block_after(at);
      for (auto each = at; each != next; each = queue.after(each)) greatest = std::max(greatest, queue[each].second);
      REQUIRE((exactly ? *mark == greatest : *mark >= greatest));
      at = next;
    }
  };
  check(true);
  while (queue.size() > 300) {
    const int number = static_cast<int>(random() % 2'000);
    const auto at = queue.first_not([number](const auto& each) { return each.first < number; });
    if (at != queue.end()) queue.erase(at);
  }
  check(false);
}
