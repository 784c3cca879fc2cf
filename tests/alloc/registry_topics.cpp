// What a topic costs in memory, with the stream that has joined it.
#include <cstddef>
#include <string>

#include <spate/registry/emitter.hpp>
#include "alloc/memory/memory.hpp"
#include "support/catch.hpp"
#include "support/emitter_server.hpp"

using namespace spate;
using namespace spate::test;

TEST_CASE("a topic with one member takes no more than four hundred bytes", "[registry][topic][cost]") {
  constexpr std::size_t topics = 100'000;
  EmitterOptions options = with_store();
  options.max_topics_per_stream = topics;
  EmitterServer hub(options);
  const EventClient anna = hub.open("/anna"), bert = hub.open("/bert");
  const auto joined = [&](std::size_t stream, std::size_t from, std::size_t to) {
    const std::size_t before = live_bytes();
    for (std::size_t i = from; i < to; ++i) hub.emitter.join(hub.stream(stream), "topic-" + std::to_string(i));
    return (live_bytes() - before) / (to - from);
  };
  // Of one stream that has all, and of further streams in topics that there are.
  CHECK(joined(0, 0, topics) < 400);
  CHECK(joined(1, 0, topics) < 300);
  CHECK(hub.emitter.send_topic("topic-99999", Event("x")).streams == 2);
  const std::size_t before = live_bytes();
  for (std::size_t i = 0; i < topics; ++i) {
    for (const std::size_t stream : {0, 1}) hub.emitter.leave(hub.stream(stream), "topic-" + std::to_string(i));
  }
  CHECK(before - live_bytes() > topics * 90);
}
