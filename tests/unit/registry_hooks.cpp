// The hooks of an emitter: their code, that of their copies included, runs with no lock held.
#include <memory>
#include <string>
#include <utility>

#include <spate/history/memory_replay_store.hpp>
#include <spate/registry/emitter.hpp>

#include "support/catch.hpp"
#include "support/socketless_streams.hpp"

using namespace spate;
using namespace spate::test;

namespace {

/// Counts how often it is copied. A copy may ask the emitter something: under its lock that would never return.
struct CountedHook {
  explicit CountedHook(int& counter) : copies(counter) {}
  CountedHook(const CountedHook& other) : copies(other.copies) { ++copies; }
  template <typename Argument>
  void operator()(const Argument&) const {}
  int& copies;
};

}  // namespace

TEST_CASE("to queue a hook runs no code of the program's", "[registry][hook]") {
  int copies = 0;
  EmitterOptions options;
  options.replay = std::make_shared<MemoryReplayStore>();
  options.on_join = CountedHook(copies);
  options.on_leave = CountedHook(copies);
  options.on_gap = CountedHook(copies);
  Emitter emitter(std::move(options));
  copies = 0;
  SocketlessStreams streams;
  const EventStream stream = streams.open();
  SubscribeOptions wanted;
  wanted.after = "unknown";  // so that a gap is told
  emitter.add("anna", stream, wanted);
  emitter.add("bert", streams.open());
  emitter.remove("anna");
  CHECK(copies == 0);
  CHECK(emitter.user_count() == 1);
}
