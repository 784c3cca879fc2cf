// A limit of bytes is a limit of memory: what history costs with its index, counted at the allocator.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <spate/history/memory_replay_store.hpp>
#include "alloc/memory/memory.hpp"
#include "support/catch.hpp"

using namespace spate;

namespace {

constexpr std::size_t limit = 1'000'000;

/// A store of that limit, and the most memory that it had after any event.
class Measured {
 public:
  void append(const Audience& audience, const EncodedEvent& event) {
    store_.append(store_.newest() + 1, audience, event);
    most_ = std::max(most_, test::live_bytes() - before_);
  }
  const MemoryReplayStore& store() const { return store_; }
  std::size_t most() const { return most_; }

 private:
  static ReplayLimits limits() {
    ReplayLimits limits;
    limits.max_events = 10'000'000;
    limits.max_bytes = limit;
    return limits;
  }

  const std::size_t before_ = test::live_bytes();
  MemoryReplayStore store_{limits()};
  std::size_t most_ = 0;
};

EncodedEvent event_of(std::size_t size) {
  return EncodedEvent(Event(std::string(size, 'x')));
}

std::vector<std::string> users(std::size_t count, const std::string& prefix) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back(prefix + std::to_string(i));
  return names;
}

}  // namespace

TEST_CASE("1 MB of history takes about 1 MB of memory, whomever it is for", "[replay][bytes][memory]") {
  const std::vector<std::string> crowd = users(100'000, "user"),
                                 team = users(200, "a long name of a member of a team ");
  Measured measured;
  SECTION("one user's many small events") {
    for (int i = 0; i < 20'000; ++i) measured.append(Audience::user("alice"), event_of(10));
  }
  SECTION("one small event to each of many users") {
    for (std::size_t i = 0; i < 50'000; ++i) measured.append(Audience::user(crowd[i]), event_of(10));
  }
  SECTION("events to hundreds of users at a time") {
    for (int i = 0; i < 2'000; ++i) measured.append(Audience::users(team), event_of(10));
  }
  SECTION("events to thousands of users at a time, who are never the same") {
    for (std::size_t i = 0; i < 50; ++i) {
      measured.append(Audience::users(std::span(crowd).subspan(i * 2'000, 2'000)), event_of(10));
    }
  }
  SECTION("events to groups with long names") {
    for (std::size_t i = 0; i < 20'000; ++i) measured.append(Audience::group(team[i % 200] + crowd[i]), event_of(10));
  }
  SECTION("large events to everybody") {
    for (int i = 0; i < 500; ++i) measured.append(Audience::everybody(), event_of(20'000));
  }
  SECTION("a user who had much and has little now") {
    for (int i = 0; i < 20'000; ++i) measured.append(Audience::user("alice"), event_of(1));
    for (int i = 0; i < 500; ++i) measured.append(Audience::user("bob"), event_of(20'000));
  }
  SECTION("now and then one to 100,000 users, which costs more than there is") {
    for (int i = 0; i < 3'000; ++i) measured.append(Audience::user("alice"), event_of(500));
    measured.append(Audience::users(crowd), event_of(10));
    CHECK(measured.store().size() > 1'000);
  }
  CAPTURE(measured.most(), measured.store().size(), measured.store().bytes());
  CHECK(measured.store().size() > 0);
  CHECK(measured.most() < limit * 5 / 4);
  CHECK(measured.most() > limit / 2);
}

TEST_CASE("a history that another one takes the place of goes in small pieces", "[replay][memory]") {
  const std::vector<std::string> crowd = users(20'000, "user");
  const std::size_t before = test::live_bytes();
  MemoryReplayStore store(ReplayLimits{.max_events = 1'000'000, .max_bytes = 1'000'000'000});
  const auto append = [&](const Audience& audience) { store.append(store.newest() + 1, audience, event_of(50)); };
  for (std::size_t i = 0; i < 100'000; ++i) {
    append(i % 3 == 0   ? Audience::everybody()
           : i % 3 == 1 ? Audience::group(crowd[i % 500])
                        : Audience::user(crowd[i % crowd.size()]));
  }
  append(Audience::users(crowd));
  const std::size_t all = test::live_bytes() - before;
  REQUIRE(store.restart("next"));
  CHECK(store.size() == 0);
  std::size_t most = 0, appended = 0, rest = all;
  for (; appended < 1'000 && rest > all / 20; ++appended) {
    append(Audience::everybody());
    const std::size_t left = test::live_bytes() - before;
    if (left < rest) most = std::max(most, rest - left);
    rest = left;
  }
  CAPTURE(all, rest, most, appended);
  CHECK(rest <= all / 20);
  CHECK(appended > 100);
  CHECK(most < all / 50);
}
