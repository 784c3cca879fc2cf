// BlockQueue against a deque.
#include <cstddef>
#include <deque>
#include <random>
#include <string>
#include <utility>

#include <spate/history/detail/block_queue.hpp>
#include "support/catch.hpp"

using spate::detail::BlockQueue;

TEST_CASE("a block queue holds what a deque holds, whatever is put in and taken out", "[history][replay]") {
  std::mt19937 random(1);
  const auto below = [&](unsigned end) { return random() % end; };
  for (int round = 0; round < 200; ++round) {
    BlockQueue<std::string, 4> queue;
    std::deque<std::string> model;
    const unsigned grows = 3 + below(5);
    for (int step = 0; step < 200; ++step) {
      const unsigned what = below(10);
      if (model.empty() || what < grows) {
        std::string& fresh = queue.push();
        REQUIRE(fresh.empty());
        // Of one length, so that they are in the order of their numbers.
        fresh = "an element that needs memory of its own " + std::to_string(round * 1'000 + step + 1'000'000);
        model.push_back(fresh);
      } else if (what < 9) {
        queue.pop_front();
        model.pop_front();
      } else {
        queue.pop_back();
        model.pop_back();
      }
      REQUIRE(queue.size() == model.size());
      REQUIRE(queue.empty() == model.empty());
      if (model.empty()) continue;
      REQUIRE(queue.front() == model.front());
      REQUIRE(queue.back() == model.back());
      for (std::size_t i = 0; i < model.size(); ++i) REQUIRE(queue[i] == model[i]);
      const std::size_t place = below(static_cast<unsigned>(model.size()));
      REQUIRE(queue.count_before([&](const std::string& each) { return each < model[place]; }) == place);
      REQUIRE(queue.count_before([](const std::string&) { return true; }) == model.size());
    }
    BlockQueue<std::string, 4> taken(std::move(queue));
    CHECK(taken.size() == model.size());
    taken.clear();
    CHECK(taken.empty());
    CHECK(taken.capacity() == 0);
  }
}

TEST_CASE("a block queue of few elements has room for few", "[history][replay]") {
  BlockQueue<int, 256> queue;
  queue.push() = 1;
  CHECK(queue.capacity() == 1);
  for (int i = 2; i <= 1'000; ++i) queue.push() = i;
  CHECK(queue.full_blocks() == 3);
  while (queue.size() > 1) queue.pop_front();
  CHECK(queue.front() == 1'000);
  CHECK(queue.full_blocks() == 0);
  CHECK(queue.capacity() <= 4);
}
