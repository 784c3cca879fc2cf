// What a send costs the publisher, with streams that have no sockets on a loop that never runs.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <spate/registry/emitter.hpp>
#include <spate/registry/memory_replay_store.hpp>
#include "support/catch.hpp"
#include "support/socketless_streams.hpp"

namespace {

/// An emitter with so many users of one stream each, ten to a group.
class Registered {
 public:
  explicit Registered(std::size_t users) {
    for (std::size_t i = 0; i < users; ++i) emitter.add(user(i), streams_.open());
  }

  static std::string group(std::size_t index) { return "g" + std::to_string(index / 10) + "-"; }
  static std::string user(std::size_t index) { return group(index) + std::to_string(index); }

  /// The least time that one of several rounds of `send` takes: what disturbs it only makes it longer.
  template <typename Send>
  static double least_time(Send send) {
    double least = 1e9;
    for (int round = 0; round < 7; ++round) {
      const auto begin = std::chrono::steady_clock::now();
      for (std::size_t i = 0; i < 500; ++i) send(i);
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
      least = std::min(least, took.count());
    }
    return least;
  }

  static spate::EmitterOptions options() {
    spate::EmitterOptions with_replay;
    with_replay.replay = std::make_shared<spate::MemoryReplayStore>();
    return with_replay;
  }

  spate::Emitter emitter{options()};

 private:
  spate::test::SocketlessStreams streams_;
};

// A hundred times as many users. What costs by the user takes a hundred times as long; what does not takes as long as
// before, and some cache misses longer.
constexpr std::size_t few = 200, many = 20'000;
constexpr double allowed = 10;

}  // namespace

TEST_CASE("an event to one user costs the same however many users there are", "[registry][cost]") {
  Registered small(few), large(many);
  const spate::Event event("x");
  const auto to_user = [&](Registered& registered, std::size_t users) {
    return Registered::least_time([&](std::size_t i) {
      if (registered.emitter.send(Registered::user(i * 7 % users), event).streams != 1) std::abort();
    });
  };
  CHECK(to_user(large, many) < allowed * to_user(small, few));
}

TEST_CASE("an event to a group costs its members, however many users there are", "[registry][cost]") {
  Registered small(few), large(many);
  const spate::Event event("x");
  const auto to_group = [&](Registered& registered, std::size_t users) {
    return Registered::least_time([&](std::size_t i) {
      if (registered.emitter.send_group(Registered::group(i * 7 % users), event).streams != 10) std::abort();
    });
  };
  CHECK(to_group(large, many) < allowed * to_group(small, few));
}

TEST_CASE("a broadcast costs its publisher a post to each loop, however many streams there are", "[registry][cost]") {
  Registered small(few), large(many);
  const spate::Event event("x");
  const auto to_all = [&](Registered& registered, std::size_t users) {
    return Registered::least_time([&](std::size_t) {
      if (registered.emitter.broadcast(event).streams != users) std::abort();
    });
  };
  CHECK(to_all(large, many) < allowed * to_all(small, few));
}
