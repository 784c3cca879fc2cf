// The registry alone: streams without sockets on a loop that never runs, so what is measured is the publisher's side,
// from the event to the messages in the loop's inbox.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <spate/history/memory_replay_store.hpp>
#include <spate/registry/emitter.hpp>
#include "support/socketless_streams.hpp"

namespace {

/// An emitter with so many users of one stream each, a hundred to a group: "g00012-u01234".
class Registered {
 public:
  explicit Registered(std::size_t users, bool replay = false) : emitter_(options(replay)) {
    for (std::size_t i = 0; i < users; ++i) emitter_.add(user(i), stream());
  }

  spate::EventStream stream() const { return streams_.open(); }
  spate::Emitter& emitter() { return emitter_; }

  static std::string group(std::size_t index) {
    char text[32];
    std::snprintf(text, sizeof text, "g%05zu-", index);
    return text;
  }
  static std::string user(std::size_t index) {
    char text[32];
    std::snprintf(text, sizeof text, "u%05zu", index);
    return group(index / 100).append(text);
  }

 private:
  static spate::EmitterOptions options(bool replay) {
    spate::EmitterOptions chosen;
    if (replay) chosen.replay = std::make_shared<spate::MemoryReplayStore>();
    return chosen;
  }

  spate::Emitter emitter_;
  spate::test::SocketlessStreams streams_;
};

const std::string data(128, 'x');

// range(0) users, range(1) of them sent to in random order: with 1,000 of them what is touched stays in the cache, so
// that only the look-up can differ; with all of them the memory's speed shows too.
void send_to_user(benchmark::State& state) {
  const auto users = static_cast<std::size_t>(state.range(0)), targets = static_cast<std::size_t>(state.range(1));
  Registered registered(users, state.range(2) != 0);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < targets; ++i) names.push_back(Registered::user(i * (users / targets)));
  std::shuffle(names.begin(), names.end(), std::minstd_rand(1));
  const spate::Event event(data);
  std::size_t next = 0, reached = 0;
  for (auto _ : state) {
    reached += registered.emitter().send(names[next], event).streams;
    next = next + 1 == targets ? 0 : next + 1;
  }
  if (reached != static_cast<std::size_t>(state.iterations())) state.SkipWithError("a user was not reached");
}
BENCHMARK(send_to_user)
    ->ArgNames({"users", "targets", "replay"})
    ->Args({1'000, 1'000, 0})
    ->Args({18'000, 1'000, 0})
    ->Args({1'000'000, 1'000, 0})
    ->Args({1'000'000, 1'000'000, 0})
    ->Args({1'000, 1'000, 1})
    ->Args({1'000'000, 1'000, 1})
    ->Iterations(200'000);

// A group of a hundred; an item is one stream reached.
void send_to_group(benchmark::State& state) {
  const auto users = static_cast<std::size_t>(state.range(0));
  Registered registered(users);
  const std::string group = Registered::group(users / 200);
  const spate::Event event(data);
  std::size_t reached = 0;
  for (auto _ : state) reached += registered.emitter().send_group(group, event).streams;
  if (reached != static_cast<std::size_t>(state.iterations()) * 100) state.SkipWithError("not the whole group");
  state.SetItemsProcessed(static_cast<std::int64_t>(reached));
}
BENCHMARK(send_to_group)->ArgName("users")->Arg(1'000)->Arg(18'000)->Arg(1'000'000)->Iterations(5'000);

// The publisher's side of a broadcast: one post to each loop, whatever the number of streams.
void broadcast(benchmark::State& state) {
  Registered registered(static_cast<std::size_t>(state.range(0)));
  const spate::Event event(data);
  for (auto _ : state) benchmark::DoNotOptimize(registered.emitter().broadcast(event));
}
BENCHMARK(broadcast)->ArgName("users")->Arg(100)->Arg(1'000'000)->Iterations(100'000);

// One user more and less among range(0).
void add_and_remove(benchmark::State& state) {
  const auto users = static_cast<std::size_t>(state.range(0));
  Registered registered(users);
  const std::string name = Registered::user(users / 2).append("x");
  for (auto _ : state) {
    const spate::EventStream stream = registered.stream();
    registered.emitter().add(name, stream);
    registered.emitter().remove(name, stream);
  }
}
BENCHMARK(add_and_remove)->ArgName("users")->Arg(1'000)->Arg(1'000'000)->Iterations(100'000);

}  // namespace
