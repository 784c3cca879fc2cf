// What a send costs the publisher, with streams that have no sockets on a loop that never runs.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <spate/history/memory_replay_store.hpp>
#include <spate/registry/detail/feed.hpp>
#include <spate/registry/detail/log_mirror.hpp>
#include <spate/registry/detail/pending_resumes.hpp>
#include <spate/registry/emitter.hpp>
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

TEST_CASE("a stream that waits for the log of a bus goes at the same cost however many wait with it",
          "[registry][cost]") {
  using namespace spate::detail;
  const auto take_newest = [](std::size_t waiting) {
    PendingResumes pending;
    std::vector<Ref<Subscription>> all;
    for (std::size_t i = 0; i < waiting; ++i) {
      all.push_back(make_ref<Subscription>(Ref<Feed>(), Ref<StreamCore>(), std::vector<std::string>()));
      pending.add(LogMirror::the_end, {all.back(), Cursor(), {spate::EventEncoder(spate::Event()), std::nullopt}, {}});
    }
    return Registered::least_time([&](std::size_t) {
      const auto taken = pending.take(*all.back());
      if (!taken || taken->subscription != all.back() || all.back()->pending) std::abort();
      all.pop_back();
    });
  };
  CHECK(take_newest(100'000) < allowed * take_newest(4'000));
}

namespace {

/// An emitter with one user who has so many streams.
class Followed {
 public:
  explicit Followed(std::size_t streams, std::size_t limit = 0) : emitter(limited(limit)) {
    for (std::size_t i = 0; i < streams; ++i) add();
    if (emitter.stream_count() != streams) std::abort();
  }

  spate::EventStream add() {
    spate::EventStream stream = streams_.open();
    emitter.add("anna", stream);
    return stream;
  }

  spate::Emitter emitter;

 private:
  static spate::EmitterOptions limited(std::size_t limit) {
    spate::EmitterOptions options = Registered::options();
    options.max_streams_per_user = limit;
    return options;
  }

  spate::test::SocketlessStreams streams_;
};

constexpr std::size_t few_streams = 500, many_streams = 50'000;

}  // namespace

TEST_CASE("a stream comes, is counted and goes at the same cost however many its user has", "[registry][cost]") {
  const auto come_and_go = [](Followed& user) {
    return Registered::least_time([&](std::size_t) {
      const spate::EventStream stream = user.add();
      if (user.emitter.counts().streams != user.emitter.stream_count()) std::abort();
      if (!user.emitter.remove("anna", stream)) std::abort();
    });
  };
  Followed small(few_streams), large(many_streams);
  CHECK(come_and_go(large) < allowed * come_and_go(small));
}

TEST_CASE("one stream more than a user may have replaces the oldest at the same cost however many there are",
          "[registry][cost]") {
  const auto one_more = [](Followed& user) { return Registered::least_time([&](std::size_t) { user.add(); }); };
  Followed small(few_streams, few_streams), large(many_streams, many_streams);
  CHECK(one_more(large) < allowed * one_more(small));
  CHECK(large.emitter.stream_count() == many_streams);
}

TEST_CASE("the stream in the middle of its user's many goes at the same cost as the first and the last",
          "[registry][cost]") {
  const auto remove_from = [](std::size_t streams, std::size_t first) {
    spate::Emitter emitter;
    spate::test::SocketlessStreams opener;
    std::vector<spate::EventStream> all;
    for (std::size_t i = 0; i < streams; ++i) emitter.add("anna", all.emplace_back(opener.open()));
    std::size_t next = first;
    return Registered::least_time([&](std::size_t) {
      if (!emitter.remove("anna", all.at(next++))) std::abort();
    });
  };
  const double of_few = remove_from(4'000, 0);
  for (const std::size_t first : {0U, 20'000U, 46'000U}) CHECK(remove_from(many_streams, first) < allowed * of_few);
}
