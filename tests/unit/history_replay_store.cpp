#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#if !defined(_WIN32)
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <spate/history/detail/cursor.hpp>
#include <spate/history/detail/kept_entry.hpp>
#include <spate/history/memory_replay_store.hpp>
#include "support/catch.hpp"
#include "support/naive_history.hpp"

using namespace std::chrono_literals;
using spate::Audience;
using spate::EncodedEvent;
using spate::Event;
using spate::JoinedTopic;
using spate::MemoryReplayStore;
using spate::ReplayLimits;
using spate::StoredEvent;
using spate::Subscriber;
using spate::test::NaiveHistory;

namespace {

constexpr std::size_t no_limit = std::size_t{1} << 40;

std::vector<std::uint64_t> sequences(const std::vector<StoredEvent>& events) {
  std::vector<std::uint64_t> all;
  for (const StoredEvent& stored : events) all.push_back(stored.sequence);
  return all;
}

/// Few names with many prefixes in common.
std::string random_name(std::minstd_rand& random) {
  static const std::vector<std::string> names{"a", "ab", "abc", "abd", "b", "ba", "\xC3\xA9", "\xC3", "abcabcabc"};
  return names[random() % names.size()];
}

std::vector<std::string> random_names(std::minstd_rand& random) {
  std::vector<std::string> names(random() % 5);
  for (std::string& each : names) each = random_name(random);
  return names;
}

/// A user or nobody, and some topics, each joined at some time.
struct RandomSubscriber {
  RandomSubscriber(std::minstd_rand& random, std::uint64_t newest)
      : user(random() % 5 == 0 ? std::string() : random_name(random)) {
    for (const std::string& name : random_names(random)) {
      topics.push_back({name, random() % 2 == 0 ? 0 : random() % (newest + 1)});
    }
    std::sort(topics.begin(), topics.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    topics.erase(
        std::unique(topics.begin(), topics.end(), [](const auto& a, const auto& b) { return a.name == b.name; }),
        topics.end());
  }
  Subscriber subscriber() const { return Subscriber(user, topics); }

  std::string user;
  std::vector<JoinedTopic> topics;
};

/// A store beside the model, fed alike.
struct Pair {
  explicit Pair(ReplayLimits chosen) : store(chosen, [this] { return now; }), model(chosen), limits(chosen) {}

  void append(const Audience& audience, std::size_t size, std::chrono::milliseconds kept_for = 0ms) {
    const std::uint64_t sequence = store.newest() + 1 + gap;
    Event event(std::string(size, 'x'));
    event.id(std::to_string(sequence));
    if (kept_for.count() > 0) event.keep_for(kept_for);
    const EncodedEvent encoded(event);
    store.append(sequence, audience, encoded);
    REQUIRE(store.newest() == sequence);
    model.append(sequence, audience, 0, kept_for, now);
    const NaiveHistory::Lists there = model.lists_of(store);
    model.discard_too_many(there);
    REQUIRE(model.lists() == there);
    REQUIRE(model.size() == store.size());
    sizes[sequence] = encoded.bytes().size();
  }

  void check(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes) {
    CAPTURE(subscriber.user, after, max_bytes);
    std::vector<StoredEvent> events;
    const std::uint64_t discarded = store.fetch(subscriber, after, max_bytes, events);
    model.let_pass(now);
    const std::vector<std::uint64_t> expected = model.kept(subscriber, after), got = sequences(events);
    std::vector<std::uint64_t> numbers;
    REQUIRE(store.fetch_sequences(subscriber, after, max_bytes, numbers) == discarded);
    REQUIRE(numbers == got);
    REQUIRE(store.discarded(subscriber) == discarded);
    check_part(expected, events, max_bytes);

    // A real gap is always told, and none is made up as long as every name is remembered.
    REQUIRE(discarded >= model.discarded(subscriber));
    if (limits.max_remembered > 100) REQUIRE(discarded == model.discarded(subscriber));
    REQUIRE(store.size() == model.size());
  }

  void check_newest(const Subscriber& subscriber, std::uint64_t before, std::size_t max_bytes) {
    CAPTURE(subscriber.user, before, max_bytes);
    std::vector<StoredEvent> events;
    store.fetch_newest(subscriber, before, max_bytes, events);
    model.let_pass(now);
    std::vector<std::uint64_t> expected = model.kept(subscriber, 0);
    std::erase_if(expected, [before](std::uint64_t each) { return each > before; });
    std::reverse(expected.begin(), expected.end());
    check_part(expected, events, max_bytes);
  }

  MemoryReplayStore::Clock::time_point now{1h};
  MemoryReplayStore store;
  NaiveHistory model;
  const ReplayLimits limits;
  std::uint64_t gap = 0;  // how many sequence numbers are left out before the next
  std::map<std::uint64_t, std::size_t> sizes;

 private:
  // The beginning of `expected`: one event at least, then as many as fit.
  void check_part(const std::vector<std::uint64_t>& expected, const std::vector<StoredEvent>& events,
                  std::size_t max_bytes) {
    const std::vector<std::uint64_t> got = sequences(events);
    REQUIRE(got.size() <= expected.size());
    REQUIRE(std::equal(got.begin(), got.end(), expected.begin()));
    std::size_t bytes = 0;
    for (const StoredEvent& stored : events) {
      REQUIRE(stored.event.id() == std::to_string(stored.sequence));
      bytes += stored.event.bytes().size();
    }
    if (got.size() > 1) REQUIRE(bytes <= max_bytes);
    if (got.size() < expected.size()) {
      REQUIRE(!got.empty());
      REQUIRE(bytes + sizes.at(expected[got.size()]) > max_bytes);
    }
  }
};

/// Appends to some audience.
void append_something(Pair& pair, std::minstd_rand& random) {
  const std::string name = random_name(random);
  const std::vector<std::string> names = random_names(random);
  const std::size_t size = random() % 60;
  const auto kept_for = random() % 3 == 0 ? std::chrono::milliseconds(1 + random() % 60) : 0ms;
  switch (random() % 6) {
    case 0: return pair.append(Audience::user(name), size, kept_for);
    case 1: return pair.append(Audience::group(random() % 10 == 0 ? std::string_view() : name), size, kept_for);
    case 2: return pair.append(Audience::everybody(), size, kept_for);
    case 3: return pair.append(Audience::users(names), size, kept_for);
    case 4: return pair.append(Audience::topic(name), size, kept_for);
    default: return pair.append(Audience::topics(names), size, kept_for);
  }
}

}  // namespace

TEST_CASE("a replay store gives what a naive one gives, within any limits of count and age", "[history][replay]") {
  std::minstd_rand random(3);
  for (int trial = 0; trial < 60; ++trial) {
    ReplayLimits limits;
    limits.max_events = random() % 3 == 0 ? no_limit : random() % 40;
    limits.max_bytes = no_limit;
    limits.max_age = random() % 3 == 0 ? 0ms : std::chrono::milliseconds(1 + random() % 50);
    limits.max_remembered = random() % 2 == 0 ? no_limit : random() % 4;
    limits.max_events_per_audience = random() % 2 == 0 ? 0 : 1 + random() % 5;
    CAPTURE(trial, limits.max_events, limits.max_age.count(), limits.max_remembered, limits.max_events_per_audience);
    Pair pair(limits);
    for (int step = 0; step < 400; ++step) {
      pair.now += std::chrono::milliseconds(random() % 4);
      if (random() % 6 < 4) {
        append_something(pair, random);
        continue;
      }
      const std::uint64_t newest = pair.store.newest();
      const std::uint64_t position =
          random() % 4 == 0 ? 0 : newest - random() % (std::min<std::uint64_t>(newest, 50) + 1);
      const RandomSubscriber someone(random, newest);
      const std::size_t max_bytes = random() % 3 == 0 ? no_limit : random() % 400;
      pair.check(someone.subscriber(), position, max_bytes);
      pair.check_newest(someone.subscriber(), random() % 3 == 0 ? UINT64_MAX : position, max_bytes);
    }
  }
}

TEST_CASE("whoever is sent much loses their own history first", "[history][replay][fair]") {
  ReplayLimits limits;
  limits.max_events = 10;
  MemoryReplayStore store(limits);
  std::uint64_t sequence = 0;
  const auto send = [&](const Audience& audience) { store.append(++sequence, audience, EncodedEvent(Event("x"))); };
  for (int i = 0; i < 3; ++i) send(Audience::user("quiet"));
  for (int i = 0; i < 3; ++i) send(Audience::topic("room"));
  for (int i = 0; i < 1'000; ++i) send(Audience::user("chatty"));
  std::vector<StoredEvent> events;
  CHECK(store.fetch("quiet", 0, no_limit, events) == 0);
  CHECK(events.size() == 3);
  events.clear();
  const JoinedTopic room{"room", 0};
  CHECK(store.fetch(Subscriber({}, {&room, 1}), 0, no_limit, events) == 0);
  CHECK(events.size() == 3);
  events.clear();
  CHECK(store.fetch("chatty", 0, no_limit, events) == sequence - 4);
  CHECK(events.size() == 4);
  CHECK(store.size() == 10);
}

TEST_CASE("of bytes, too, whoever takes most loses first", "[history][replay][fair][bytes]") {
  ReplayLimits limits;
  limits.max_bytes = 200'000;
  MemoryReplayStore store(limits);
  std::uint64_t sequence = 0;
  const auto send = [&](std::string_view user, std::size_t size) {
    store.append(++sequence, Audience::user(user), EncodedEvent(Event(std::string(size, 'x'))));
  };
  for (int i = 0; i < 100; ++i) send("many", 10);
  for (int i = 0; i < 100; ++i) send("large", 10'000);
  std::vector<StoredEvent> events;
  CHECK(store.fetch("many", 0, no_limit, events) == 0);
  CHECK(events.size() == 100);
  CHECK(store.bytes() <= limits.max_bytes);
}

TEST_CASE("what has expired is no gap, and takes no room for ever", "[history][replay][expiry]") {
  auto now = MemoryReplayStore::Clock::time_point(1h);
  MemoryReplayStore store({}, [&] { return now; });
  std::uint64_t sequence = 0;
  const auto send = [&](const Event& event) { store.append(++sequence, Audience::user("anna"), EncodedEvent(event)); };
  for (int i = 0; i < 1'000; ++i) {
    send(Event("stays"));
    send(Event("goes").keep_for(i % 2 == 0 ? 50ms : 10min));
  }
  now += 100ms;
  std::vector<StoredEvent> events;
  CHECK(store.fetch("anna", 0, no_limit, events) == 0);
  CHECK(events.size() == 1'500);
  now += 1h;
  for (int calls = 0; calls < 20; ++calls) {
    events.clear();
    CHECK(store.fetch("anna", 0, no_limit, events) == 0);
    CHECK(events.size() == 1'000);
  }
  CHECK(store.size() == 1'000);
}

TEST_CASE("many sends leave no more than the limit, beside a quiet user's old event", "[history][replay][cost]") {
  ReplayLimits limits;
  limits.max_events = 1'000;
  MemoryReplayStore store(limits);
  const EncodedEvent event(Event("x"));
  store.append(1, Audience::user("quiet"), event);
  std::size_t bytes = 0;
  constexpr std::uint64_t sends = 300'000;
  for (std::uint64_t sequence = 2; sequence <= sends; ++sequence) {
    store.append(sequence, sequence % 2 == 0 ? Audience::user("chatty") : Audience::everybody(), event);
    if (sequence == sends / 2) bytes = store.bytes();
  }
  CHECK(store.size() == 1'000);
  CHECK(store.bytes() < bytes + bytes / 10);
  std::vector<StoredEvent> events;
  store.fetch("quiet", 0, 0, events);
  CHECK(sequences(events) == std::vector<std::uint64_t>{1});
}

TEST_CASE("a replay store that keeps nothing tells every missed event as a gap", "[history][replay]") {
  ReplayLimits limits;
  limits.max_events = 0;
  MemoryReplayStore store(limits);
  store.append(1, Audience::user("alice"), EncodedEvent(Event("x")));
  store.append(2, Audience::user("bob"), EncodedEvent(Event("x")));
  std::vector<StoredEvent> events;
  CHECK(store.fetch("alice", 0, no_limit, events) == 1);
  CHECK(store.fetch("alice", 1, no_limit, events) == 1);
  CHECK(store.fetch("carol", 0, no_limit, events) == 0);
  CHECK(events.empty());
  CHECK(store.newest() == 2);
  CHECK(store.bytes() == 0);
}

TEST_CASE("an event larger than all that may be kept is not kept, and is a gap to its own audience alone",
          "[history][replay][bytes]") {
  ReplayLimits limits;
  limits.max_bytes = 10'000;
  MemoryReplayStore store(limits);
  const std::vector<std::string> two{"bob", "carol"};
  const EncodedEvent small(Event("small")), large(Event(std::string(10'000, 'x')));
  store.append(1, Audience::user("alice"), small);
  store.append(2, Audience::everybody(), small);
  store.append(3, Audience::user("alice"), large);
  store.append(4, Audience::users(two), large);
  store.append(5, Audience::group("da"), large);
  store.append(6, Audience::user("alice"), small);
  CHECK(store.newest() == 6);
  CHECK(store.size() == 3);  // nobody's history went for them
  const auto check = [&](std::string_view user, std::uint64_t discarded, const std::vector<std::uint64_t>& kept) {
    CAPTURE(user);
    std::vector<StoredEvent> events;
    CHECK(store.fetch(user, 0, no_limit, events) == discarded);
    CHECK(sequences(events) == kept);
  };
  check("alice", 3, {1, 2, 6});
  check("bob", 4, {2});
  check("carol", 4, {2});
  check("dave", 5, {2});
  check("erin", 0, {2});
  store.append(7, Audience::everybody(), large);
  check("alice", 7, {1, 2, 6});
  check("erin", 7, {2});
}

TEST_CASE("an event to more users than the limit has room for is their gap, and history stays",
          "[history][replay][bytes]") {
  ReplayLimits limits;
  limits.max_bytes = 1'000'000;
  MemoryReplayStore store(limits);
  const EncodedEvent event(Event("x"));
  std::vector<std::string> crowd;
  for (int i = 0; i < 100'000; ++i) crowd.push_back("user" + std::to_string(i));
  store.append(1, Audience::user("alice"), event);
  store.append(2, Audience::users(crowd), event);
  CHECK(store.size() == 1);
  std::vector<StoredEvent> events;
  for (const std::string& user : crowd) REQUIRE(store.fetch(user, 1, no_limit, events) == 2);
  CHECK(events.empty());
  // A few thousand of them are as many as it can keep something for.
  store.append(3, Audience::users(std::span(crowd).first(4'000)), event);
  CHECK(store.size() == 2);
  CHECK(store.fetch("user3999", 2, no_limit, events) == 2);
  CHECK(sequences(events) == std::vector<std::uint64_t>{3});
}

TEST_CASE(
    "within a limit of bytes whoever has most loses their oldest, every missing event is told, and the limit holds",
    "[history][replay][bytes]") {
  using spate::detail::KeptEntry;
  std::minstd_rand random(7);
  std::size_t large = 0, discards = 0;
  for (int trial = 0; trial < 40; ++trial) {
    ReplayLimits limits;
    limits.max_bytes = random() % 30'000;
    limits.max_remembered = random() % 3 == 0 ? random() % 4 : no_limit;
    CAPTURE(trial, limits.max_bytes, limits.max_remembered);
    MemoryReplayStore store(limits);
    NaiveHistory model(ReplayLimits{.max_events = no_limit});
    std::map<std::uint64_t, std::size_t> footprints;
    for (std::uint64_t sequence = 1; sequence <= 400; ++sequence) {
      const EncodedEvent event(Event(std::string(random() % 20 == 0 ? 30'000 : random() % 500, 'x')));
      std::vector<std::string> names(random() % 5);
      for (std::string& each : names) each = random_name(random) + std::to_string(random() % 30);
      const std::string name = random_name(random) + std::to_string(random() % 30);
      const std::string prefix = name.substr(0, 2);
      const Audience audiences[] = {Audience::user(name),  Audience::group(prefix), Audience::users(names),
                                    Audience::topic(name), Audience::topics(names), Audience::everybody()};
      const Audience& audience = audiences[random() % 8 < 7 ? random() % 5 : 5];
      const std::size_t cost = KeptEntry::cost_of(event, !audience.names().empty());
      store.append(sequence, audience, event);
      REQUIRE(store.bytes() <= limits.max_bytes);
      // What it costs besides the event, is known to the store alone: an event that is too large for it.
      if (cost > limits.max_bytes) {
        ++large;
        model.discard_at_once(sequence, audience);
      } else {
        model.append(sequence, audience, sizeof(KeptEntry) + cost / std::max<std::size_t>(1, audience.names().size()),
                     0ms, {});
      }
      const std::size_t before = model.size();
      model.discard_too_large(model.lists_of(store));
      discards += before - model.size();
      REQUIRE(model.size() == store.size());

      const RandomSubscriber someone(random, sequence);
      const std::uint64_t after = random() % (sequence + 1);
      std::vector<StoredEvent> events;
      const std::uint64_t discarded = store.fetch(someone.subscriber(), after, no_limit, events);
      REQUIRE(sequences(events) == model.kept(someone.subscriber(), after));
      REQUIRE(discarded >= model.discarded(someone.subscriber()));
    }
  }
  CHECK(large > 100);
  CHECK(discards > 1'000);
}

TEST_CASE("events age without being looked at", "[history][replay]") {
  MemoryReplayStore::Clock::time_point now{1h};
  ReplayLimits limits;
  limits.max_age = 100ms;
  MemoryReplayStore store(limits, [&] { return now; });
  store.append(1, Audience::everybody(), EncodedEvent(Event("x")));
  now += 60ms;
  store.append(2, Audience::everybody(), EncodedEvent(Event("x")));
  std::vector<StoredEvent> events;
  now += 39ms;
  CHECK(store.fetch("alice", 0, no_limit, events) == 0);
  CHECK(sequences(events) == std::vector<std::uint64_t>{1, 2});
  events.clear();
  now += 1ms;
  CHECK(store.fetch("alice", 0, no_limit, events) == 1);
  CHECK(sequences(events) == std::vector<std::uint64_t>{2});
  events.clear();
  now += 1h;
  CHECK(store.fetch("alice", 1, no_limit, events) == 2);
  CHECK(events.empty());
}

TEST_CASE("an age that no clock reaches keeps events for ever", "[history][replay]") {
  ReplayLimits limits;
  limits.max_age = std::chrono::milliseconds::max();
  MemoryReplayStore store(limits);
  store.append(1, Audience::everybody(), EncodedEvent(Event("x")));
  std::vector<StoredEvent> events;
  CHECK(store.fetch("alice", 0, no_limit, events) == 0);
  CHECK(events.size() == 1);
}

TEST_CASE("a busy user does not crowd out what is remembered of others", "[history][replay]") {
  ReplayLimits limits;
  limits.max_events = 1;
  limits.max_remembered = 3;
  MemoryReplayStore store(limits);
  std::uint64_t sequence = 0;
  const auto send = [&](std::string_view user) {
    store.append(++sequence, Audience::user(user), EncodedEvent(Event("x")));
  };
  send("alice");
  // Each of these empties a track, and each time the same two.
  for (int i = 0; i < 50; ++i) send(i % 2 == 0 ? "bob" : "carol");
  std::vector<StoredEvent> events;
  CHECK(store.fetch("alice", 0, no_limit, events) == 1);
  CHECK(store.fetch("dave", 0, no_limit, events) == 0);
  // A fourth one does: then some may be told of a gap once too often, and nobody once too seldom.
  send("dave");
  send("erin");
  CHECK(store.fetch("alice", 0, no_limit, events) >= 1);
  // Most of those who were sent nothing are told nothing.
  for (int i = 0; i < 1'000; ++i) send("a" + std::to_string(i));
  int alarms = 0;
  for (int i = 0; i < 999; ++i) {
    CHECK(store.fetch("a" + std::to_string(i), 0, no_limit, events) >= static_cast<std::uint64_t>(54 + i));
    events.clear();
    if (store.fetch("b" + std::to_string(i), 0, no_limit, events) > 0) ++alarms;
  }
  CHECK(alarms < 200);
}

#if !defined(_WIN32)
TEST_CASE("a process that was forked gives other ids, and has no history of the one before",
          "[history][replay][id][fork]") {
  const bool used_before = GENERATE(false, true);
  MemoryReplayStore store;
  const EncodedEvent event(Event("x"));
  if (used_before) store.append(1, Audience::user("alice"), event);
  int results[2];
  REQUIRE(::pipe(results) == 0);
  const std::string epoch(store.epoch());
  pid_t children[2];
  for (pid_t& child : children) {
    child = ::fork();
    REQUIRE(child >= 0);
    if (child > 0) continue;
    // Here only what is safe after a fork, and no test's check.
    std::vector<StoredEvent> events;
    const bool fresh = store.newest() == 0 && store.fetch("alice", 0, no_limit, events) == 0 && events.empty();
    store.append(store.newest() + 1, Audience::user("alice"), event);
    std::string told(fresh && store.newest() == 1 ? store.epoch() : std::string_view("has a history"));
    told.resize(32, ' ');
    ::_exit(::write(results[1], told.data(), told.size()) == 32 ? 0 : 1);
  }
  std::vector<std::string> epochs{epoch};
  for (const pid_t child : children) {
    int status = 1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(status == 0);
    std::string told(32, ' ');
    REQUIRE(::read(results[0], told.data(), told.size()) == 32);
    epochs.push_back(told.substr(0, told.find(' ')));
  }
  ::close(results[0]);
  ::close(results[1]);
  CAPTURE(epochs);
  CHECK(std::count(epochs.begin(), epochs.end(), "has") == 0);
  std::sort(epochs.begin(), epochs.end());
  CHECK(std::unique(epochs.begin(), epochs.end()) == epochs.end());
  // This process goes on as before.
  CHECK(store.epoch() == epoch);
  CHECK(store.newest() == (used_before ? 1 : 0));
}
#endif

TEST_CASE("fetching adds to what is there and gives one event at least", "[history][replay]") {
  MemoryReplayStore store;
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) {
    store.append(sequence, Audience::user("alice"), EncodedEvent(Event("some data")));
  }
  std::vector<StoredEvent> events;
  for (std::uint64_t after = 0; after < 3; ++after) store.fetch("alice", after, 0, events);
  CHECK(sequences(events) == std::vector<std::uint64_t>{1, 2, 3});
  store.fetch("alice", 3, no_limit, events);
  CHECK(events.size() == 3);
}

TEST_CASE("every store has an epoch of its own, fit for an id", "[history][replay][id]") {
  std::vector<std::string> epochs;
  for (int i = 0; i < 5; ++i) epochs.emplace_back(MemoryReplayStore().epoch());
  for (const std::string& epoch : epochs) {
    CHECK(!epoch.empty());
    CHECK(epoch.size() <= 32);
    CHECK(std::all_of(epoch.begin(), epoch.end(),
                      [](char c) { return c > ' ' && c <= '~' && c != '-'; }));  // (Fetch 2.2.2)
    CHECK(spate::detail::Cursor::parse(spate::detail::format_event_id(epoch, 7)).sequence_in(epoch) == 7);
  }
  std::sort(epochs.begin(), epochs.end());
  CHECK(std::unique(epochs.begin(), epochs.end()) == epochs.end());
}

TEST_CASE("sequence numbers may grow by more than one", "[history][replay][mirror]") {
  std::minstd_rand random(5);
  ReplayLimits limits;
  limits.max_events = 50;
  Pair pair(limits);
  for (int i = 0; i < 500; ++i) {
    pair.gap = random() % 1'000'000'000;
    append_something(pair, random);
    const std::uint64_t newest = pair.store.newest();
    for (const std::uint64_t after : {std::uint64_t{0}, newest / 2, newest - 1, newest, newest + 1}) {
      const RandomSubscriber someone(random, newest);
      pair.check(someone.subscriber(), after, no_limit);
      pair.check_newest(someone.subscriber(), after, no_limit);
    }
  }
}

TEST_CASE("a store that mirrors a log begins again with another", "[history][replay][mirror]") {
  MemoryReplayStore store;
  const EncodedEvent event(Event("x"));
  std::vector<StoredEvent> events;
  for (int round = 1; round <= 3; ++round) {
    CHECK(store.restart("log" + std::to_string(round)));
    CHECK(store.epoch() == "log" + std::to_string(round));
    CHECK(store.newest() == 0);
    CHECK(store.size() == 0);
    CHECK(store.bytes() == 0);
    // Nothing of the one before is left, not even that something was discarded.
    CHECK(store.fetch("anna", 0, no_limit, events) == 0);
    CHECK(events.empty());
    store.append(7, Audience::user("anna"), event);
    store.append(9, Audience::group("an"), event);
    store.append(11, Audience::everybody(), event);
    CHECK(store.fetch("anna", 7, no_limit, events) == 0);
    CHECK(sequences(events) == std::vector<std::uint64_t>{9, 11});
    events.clear();
  }
}

TEST_CASE("what a mirror has never seen may have been anybody's", "[history][replay][mirror]") {
  MemoryReplayStore store;
  const EncodedEvent event(Event("x"));
  store.restart("log");
  store.append(10, Audience::user("anna"), event);
  store.skip(20);
  CHECK(store.newest() == 20);
  store.append(30, Audience::user("anna"), event);
  std::vector<StoredEvent> events;
  CHECK(store.fetch("anna", 10, no_limit, events) == 20);
  CHECK(store.fetch("bert", 10, no_limit, events) == 20);
  CHECK(sequences(events) == std::vector<std::uint64_t>{30});
}

TEST_CASE("many events that became too old are not replayed, and go some at a time", "[history][replay][cost]") {
  auto now = MemoryReplayStore::Clock::time_point();
  ReplayLimits limits;
  limits.max_events = 100'000;
  limits.max_age = 1h;
  MemoryReplayStore store(limits, [&] { return now; });
  constexpr std::uint64_t old = 10'000;
  const auto append = [&](std::uint64_t sequence, const Audience& audience) {
    store.append(sequence, audience, EncodedEvent(Event("x")));
  };
  for (std::uint64_t sequence = 1; sequence <= old; ++sequence) {
    append(sequence, sequence % 2 == 0 ? Audience::user("anna") : Audience::everybody());
  }
  now += 30min;
  append(old + 1, Audience::user("anna"));
  now += 31min;
  std::vector<StoredEvent> events;
  for (std::size_t before = store.size(); before > 1; before = store.size()) {
    events.clear();
    CHECK(store.fetch("anna", 0, 1'000'000, events) == old);
    CHECK(store.fetch("bert", 0, 1'000'000, events) == old - 1);
    REQUIRE(events.size() == 1);
    CHECK(events.front().sequence == old + 1);
    REQUIRE(store.size() < before);
    REQUIRE(before - store.size() < 1'000);
  }
  CHECK(store.bytes() < 1'000);
}

TEST_CASE("a large event displaces others some at a time, and small ones keep within the limit",
          "[history][replay][cost]") {
  ReplayLimits limits;
  limits.max_bytes = 2'000'000;
  limits.max_events = 100'000;
  MemoryReplayStore store(limits);
  std::uint64_t sequence = 0;
  const auto append = [&](std::size_t size) {
    store.append(++sequence, Audience::everybody(), EncodedEvent(Event(std::string(size, 'x'))));
  };
  for (int i = 0; i < 20'000; ++i) {
    append(1);
    REQUIRE(store.bytes() <= limits.max_bytes);
  }
  const std::size_t kept = store.size();
  append(1'500'000);
  CHECK(store.size() < kept);
  CHECK(store.size() > kept - 1'000);
  for (std::size_t calls = 0; store.bytes() > limits.max_bytes; ++calls) {
    REQUIRE(calls < kept / 100);
    append(1);
  }
  CHECK(store.size() > kept / 8);
}

TEST_CASE("what is forgotten of groups is a gap to those in them alone", "[history][replay][bytes]") {
  ReplayLimits limits;
  limits.max_bytes = 1'000'000;
  MemoryReplayStore store(limits);
  const EncodedEvent kept(Event("x")), large(Event(std::string(limits.max_bytes, 'x')));
  store.append(1, Audience::user("zoe"), kept);
  std::uint64_t sequence = 1;
  for (int i = 0; i < 3'000; ++i) store.append(++sequence, Audience::group("g" + std::to_string(i)), large);
  std::vector<StoredEvent> events;
  CHECK(store.fetch("zoe", 0, 1'000'000, events) == 0);
  CHECK(events.size() == 1);
  // One of the first, which is forgotten, and one of the last.
  CHECK(store.fetch("g2", 0, 1'000'000, events) >= 4);
  CHECK(store.fetch("g2999-anna", 0, 1'000'000, events) == sequence);
}

namespace {

/// What a store gives a subscriber, and what it says was discarded of that.
struct Given {
  std::vector<std::uint64_t> kept;
  std::uint64_t discarded;
  bool operator==(const Given&) const = default;
};
Given given(MemoryReplayStore& store, const Subscriber& subscriber) {
  std::vector<StoredEvent> events;
  const std::uint64_t discarded = store.fetch(subscriber, 0, no_limit, events);
  return {sequences(events), discarded};
}
Given given(MemoryReplayStore& store, std::string_view user) {
  return given(store, Subscriber(user));
}
Given given_topic(MemoryReplayStore& store, const std::string& topic, std::uint64_t since = 0) {
  const std::vector<JoinedTopic> joined{{topic, since}};
  return given(store, Subscriber({}, joined));
}

}  // namespace

TEST_CASE("a topic is a name of its own, and what it lost counts from when it was joined", "[history][replay][topic]") {
  ReplayLimits limits;
  limits.max_events_per_audience = 2;
  limits.max_remembered = GENERATE(0, 100);
  MemoryReplayStore store(limits);
  const EncodedEvent event(Event("x"));
  store.append(1, Audience::user("room"), event);
  store.append(2, Audience::group("ro"), event);
  store.append(3, Audience::everybody(), event);
  for (std::uint64_t sequence = 4; sequence <= 7; ++sequence) store.append(sequence, Audience::topic("room"), event);
  const std::vector<std::string> rooms{"room", "hall", "room"};
  store.append(8, Audience::topics(rooms), event);
  CHECK(given_topic(store, "room") == Given{{7, 8}, 6});
  CHECK(given_topic(store, "room", 5) == Given{{7, 8}, 6});
  CHECK(given_topic(store, "room", 6) == Given{{7, 8}, 0});
  CHECK(given_topic(store, "room", 7) == Given{{8}, 0});
  CHECK(given_topic(store, "hall") == Given{{8}, 0});
  CHECK(given_topic(store, "roo") == Given{{}, 0});
  CHECK(given_topic(store, "rooms") == Given{{}, 0});
  CHECK(given(store, "room") == Given{{1, 2, 3}, 0});
  // Who has joined both gets it once.
  const std::vector<JoinedTopic> joined{{"room", 6}, {"hall", 0}};
  CHECK(given(store, Subscriber("room", joined)) == Given{{1, 2, 3, 7, 8}, 0});
  store.skip(20);
  CHECK(given_topic(store, "hall").discarded == 20);
  CHECK(given_topic(store, "hall", 20).discarded == 0);
  CHECK(given(store, Subscriber({})) == Given{{}, 0});
}

TEST_CASE("what a forgotten topic lost is a gap to those who have joined it", "[history][replay][topic]") {
  ReplayLimits limits;
  limits.max_events = 1;
  limits.max_remembered = 2;
  MemoryReplayStore store(limits);
  std::uint64_t sequence = 0;
  const EncodedEvent event(Event("x"));
  for (int i = 0; i < 100; ++i) store.append(++sequence, Audience::topic("topic" + std::to_string(i)), event);
  int alarms = 0;
  for (int i = 0; i < 99; ++i) {
    CHECK(given_topic(store, "topic" + std::to_string(i)).discarded >= static_cast<std::uint64_t>(i + 1));
    CHECK(given_topic(store, "topic" + std::to_string(i), 100).discarded == 0);
    CHECK(given(store, "topic" + std::to_string(i)).discarded == 0);
    if (given_topic(store, "other" + std::to_string(i)).discarded > 0) ++alarms;
  }
  CHECK(alarms < 20);
}

TEST_CASE("an event to several users is one as long as any of them has it", "[history][replay][fair]") {
  ReplayLimits limits;
  limits.max_events_per_audience = 2;
  MemoryReplayStore store(limits);
  const EncodedEvent event(Event("x"));
  const std::vector<std::string> both{"anna", "ben"};
  store.append(1, Audience::users(both), event);
  store.append(2, Audience::users(both), event);
  CHECK(store.size() == 2);
  store.append(3, Audience::user("anna"), event);
  CHECK(store.size() == 3);
  CHECK(given(store, "anna") == Given{{2, 3}, 1});
  CHECK(given(store, "ben") == Given{{1, 2}, 0});
  store.append(4, Audience::user("ben"), event);
  CHECK(store.size() == 3);
  CHECK(given(store, "ben") == Given{{2, 4}, 1});
}

TEST_CASE("of those who hold as much the one who has done so the longest loses first", "[history][replay][fair]") {
  ReplayLimits limits;
  const bool by_bytes = GENERATE(false, true);
  if (by_bytes) {
    limits.max_bytes = 20'000;
  } else {
    limits.max_events = 30;
  }
  MemoryReplayStore store(limits);
  const EncodedEvent event(Event("x"));
  for (std::uint64_t sequence = 1; sequence <= 1'000; ++sequence) {
    store.append(sequence, Audience::user("user" + std::to_string(sequence)), event);
  }
  const std::uint64_t first = 1'001 - store.size();
  CHECK(store.size() >= 30);
  for (std::uint64_t sequence = 1; sequence <= 1'000; ++sequence) {
    CHECK(given(store, "user" + std::to_string(sequence)).kept.size() == (sequence < first ? 0 : 1));
  }
}

TEST_CASE("an event that makes its audience the fullest is let go at nobody else's cost", "[history][replay][fair]") {
  ReplayLimits limits;
  limits.max_bytes = 100'000;
  MemoryReplayStore store(limits);
  std::uint64_t sequence = 0;
  for (int i = 0; i < 200; ++i) {
    store.append(++sequence, Audience::user("user" + std::to_string(i % 10)), EncodedEvent(Event("x")));
  }
  REQUIRE(store.size() == 200);
  store.append(++sequence, Audience::user("large"), EncodedEvent(Event(std::string(80'000, 'x'))));
  CHECK(store.size() == 200);
  CHECK(given(store, "large") == Given{{}, sequence});
  for (int i = 0; i < 10; ++i) CHECK(given(store, "user" + std::to_string(i)).discarded == 0);
}

TEST_CASE("what has expired makes room before anything that has not", "[history][replay][expiry]") {
  MemoryReplayStore::Clock::time_point now{1h};
  ReplayLimits limits;
  const bool each = GENERATE(false, true);
  (each ? limits.max_events_per_audience : limits.max_events) = 3;
  MemoryReplayStore store(limits, [&] { return now; });
  const EncodedEvent stays(Event("x")), goes(Event("x").keep_for(10ms));
  store.append(1, Audience::user("anna"), stays);
  store.append(2, Audience::user("anna"), goes);
  store.append(3, Audience::user("anna"), goes);
  now += 9ms;
  CHECK(given(store, "anna") == Given{{1, 2, 3}, 0});
  now += 1ms;
  store.append(4, Audience::user("anna"), stays);
  store.append(5, Audience::user("anna"), stays);
  CHECK(given(store, "anna") == Given{{1, 4, 5}, 0});
  CHECK(store.size() == 3);
}

TEST_CASE("of an event that is to be kept longer than any other it is a gap that it is too old",
          "[history][replay][expiry]") {
  MemoryReplayStore::Clock::time_point now{1h};
  ReplayLimits limits;
  limits.max_age = 20ms;
  MemoryReplayStore store(limits, [&] { return now; });
  store.append(1, Audience::topic("a"), EncodedEvent(Event("x").keep_for(20ms)));
  store.append(2, Audience::topic("b"), EncodedEvent(Event("x").keep_for(21ms)));
  now += 19ms;
  CHECK(given_topic(store, "a") == Given{{1}, 0});
  CHECK(given_topic(store, "b") == Given{{2}, 0});
  now += 1ms;
  CHECK(given_topic(store, "a") == Given{{}, 0});
  CHECK(given_topic(store, "b") == Given{{}, 2});
}

TEST_CASE("many events that expire among others are not replayed, are no gap, and go some at a time",
          "[history][replay][expiry][cost]") {
  MemoryReplayStore::Clock::time_point now{1h};
  ReplayLimits limits;
  limits.max_events = 100'000;
  if (GENERATE(false, true)) limits.max_age = 1h;
  MemoryReplayStore store(limits, [&] { return now; });
  const std::uint64_t each = GENERATE(2, 1'000);
  constexpr std::uint64_t sent = 20'000;
  const EncodedEvent stays(Event("x")), goes(Event("x").keep_for(1min));
  std::vector<std::uint64_t> rest;
  for (std::uint64_t sequence = 1; sequence <= sent; ++sequence) {
    if (sequence % each == 0) rest.push_back(sequence);
    store.append(sequence, sequence % 3 == 0 ? Audience::user("anna") : Audience::everybody(),
                 sequence % each == 0 ? stays : goes);
  }
  now += 2min;
  std::size_t calls = 0;
  for (std::size_t before = store.size(); before > rest.size(); before = store.size(), ++calls) {
    if (calls % 2 == 0) {
      CHECK(given(store, "anna") == Given{rest, 0});
    } else {
      std::vector<StoredEvent> events;
      store.fetch_newest(Subscriber("anna"), sent - 100, no_limit, events);
      std::vector<std::uint64_t> expected(rest.begin(), std::upper_bound(rest.begin(), rest.end(), sent - 100));
      std::reverse(expected.begin(), expected.end());
      CHECK(sequences(events) == expected);
    }
    REQUIRE(store.size() < before);
    REQUIRE(before - store.size() < 1'000);
  }
  CHECK(calls > 10);
  CHECK(given(store, "anna") == Given{rest, 0});
  now += 1h;
  CHECK(given(store, "anna") == (limits.max_age.count() > 0 ? Given{{}, sent} : Given{rest, 0}));
}

TEST_CASE("what expires for many users at once goes some at a time", "[history][replay][expiry][cost]") {
  MemoryReplayStore::Clock::time_point now{1h};
  ReplayLimits limits;
  limits.max_events = 100'000;
  MemoryReplayStore store(limits, [&] { return now; });
  std::vector<std::string> crowd;
  for (int i = 0; i < 5'000; ++i) crowd.push_back("user" + std::to_string(i));
  store.append(1, Audience::users(crowd), EncodedEvent(Event("x").keep_for(1min)));
  store.append(2, Audience::user("user4999"), EncodedEvent(Event("x")));
  now += 2min;
  std::size_t calls = 0;
  for (; store.size() > 1; ++calls) {
    CHECK(given(store, "user4999") == Given{{2}, 0});
    CHECK(given(store, "user" + std::to_string(calls)) == Given{{}, 0});
  }
  CHECK(calls > 5);
  CHECK(calls < 100);
}

TEST_CASE("the newest events of a subscriber cost what they are, however many there are", "[history][replay][cost]") {
  const auto least_time = [](std::uint64_t kept) {
    ReplayLimits limits;
    limits.max_events = kept;
    MemoryReplayStore store(limits);
    const EncodedEvent event(Event("x"));
    for (std::uint64_t sequence = 1; sequence <= kept; ++sequence) {
      store.append(sequence, sequence % 2 == 0 ? Audience::topic("room") : Audience::everybody(), event);
    }
    const std::vector<JoinedTopic> joined{{"room", 0}};
    std::vector<StoredEvent> events;
    auto least = std::chrono::steady_clock::duration::max();
    for (int round = 0; round < 10; ++round) {
      const auto begin = std::chrono::steady_clock::now();
      for (int i = 0; i < 100; ++i) {
        events.clear();
        store.fetch_newest(Subscriber("anna", joined), kept - static_cast<std::uint64_t>(i), 10 * event.bytes().size(),
                           events);
        REQUIRE(events.size() == 10);
      }
      least = std::min(least, std::chrono::steady_clock::now() - begin);
    }
    return least;
  };
  CHECK(least_time(200'000) < 10 * least_time(1'000));
}

TEST_CASE("whoever watches a store from another thread finds it within its limits", "[history][replay][threads]") {
  ReplayLimits limits;
  limits.max_events = 50;
  limits.max_bytes = 64 * 1024;
  MemoryReplayStore store(limits);
  std::atomic<bool> over{false};
  std::atomic<int> looks{0};
  std::size_t most = 0, most_bytes = 0;
  std::thread watcher([&] {
    for (; !over; ++looks) {
      most = std::max(most, store.size());
      most_bytes = std::max(most_bytes, store.bytes());
    }
  });
  const EncodedEvent event(Event("an event"));
  for (std::uint64_t sequence = 1; sequence <= 50'000 || looks < 1000; ++sequence) {
    store.append(sequence, Audience::user(std::to_string(sequence % 20)), event);
  }
  over = true;
  watcher.join();
  CHECK(most > 0);
  CHECK(most <= limits.max_events);
  CHECK(most_bytes <= limits.max_bytes);
  CHECK(store.size() == limits.max_events);
  CHECK(store.restart("another"));
  CHECK(store.size() == 0);
  CHECK(store.bytes() == 0);
}
