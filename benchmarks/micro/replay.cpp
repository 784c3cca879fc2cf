// The replay store: keeping an event, and looking up what one user missed among what everybody was sent.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include <spate/history/memory_replay_store.hpp>
#include <spate/wire/encoded_event.hpp>

namespace {

const std::string data(128, 'x');

std::string user(std::int64_t index) {
  std::string id = "u";
  return id.append(std::to_string(index));
}

// A full store: each append discards an event too. range(0): users in turn.
void append(benchmark::State& state) {
  spate::ReplayLimits limits;
  limits.max_events = 10'000;
  spate::MemoryReplayStore store(limits);
  const spate::EncodedEvent event{spate::Event(data)};
  std::vector<std::string> users;
  for (std::int64_t i = 0; i < state.range(0); ++i) users.push_back(user(i));
  std::uint64_t sequence = 0;
  for (auto _ : state) {
    const std::string& to = users[++sequence % users.size()];
    store.append(sequence, spate::Audience::user(to), event);
  }
}
BENCHMARK(append)->ArgName("users")->Arg(1)->Arg(1000)->Arg(100'000)->Arg(1'000'000);

// A user's own ten events among range(0) of others: it must cost what is replayed, not what is kept.
void fetch(benchmark::State& state) {
  spate::ReplayLimits limits;
  limits.max_events = 2'000'000;
  limits.max_bytes = std::size_t{8} << 30;
  spate::MemoryReplayStore store(limits);
  const spate::EncodedEvent event{spate::Event(data)};
  const std::int64_t kept = state.range(0), own = 10;
  std::uint64_t sequence = 0;
  for (std::int64_t i = 0; i < kept; ++i) {
    const bool mine = i % (kept / own) == 0;
    store.append(++sequence, spate::Audience::user(mine ? "alice" : user(i % 1000)), event);
  }
  std::vector<spate::StoredEvent> events;
  for (auto _ : state) {
    events.clear();
    store.fetch("alice", 0, 1 << 20, events);
    if (events.size() != static_cast<std::size_t>(own)) state.SkipWithError("not the user's ten events");
  }
  state.SetItemsProcessed(state.iterations() * own);
}
BENCHMARK(fetch)->ArgName("kept")->Arg(1000)->Arg(100'000)->Arg(1'000'000);

}  // namespace
