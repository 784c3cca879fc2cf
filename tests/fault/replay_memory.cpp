// A replay store whose memory runs out in the middle of keeping an event: no user is ever given another's.
#include <array>
#include <cstdint>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <spate/history/memory_replay_store.hpp>
#include "fault/calls/failing_calls.hpp"
#include "support/catch.hpp"

using namespace spate;
using namespace spate::test;

namespace {

/// What `user` is given, as the data of the events.
std::string replayed(MemoryReplayStore& store, std::string_view user) {
  std::vector<StoredEvent> events;
  store.fetch(user, 0, 1'000'000, events);
  std::string all;
  for (const StoredEvent& stored : events) all.append(stored.event.bytes());
  return all;
}

/// One append that fails at its first allocation, at its second, ... Returns how many failed.
long sweep(const Audience& audience, bool known) {
  const EncodedEvent secret(Event("secret")), after(Event("after"));
  for (long skip = 0;; ++skip) {
    ReplayLimits limits;
    limits.max_events = 2;
    MemoryReplayStore store(limits);
    std::uint64_t sequence = 0;
    if (known) store.append(++sequence, audience, EncodedEvent(Event("before")));
    try {
      const FailingAllocation failing(skip);
      store.append(sequence + 1, audience, secret);
      return skip;
    } catch (const std::bad_alloc&) {
    }
    INFO("after " << skip << " allocations");
    REQUIRE(store.newest() == sequence);
    // The next event takes its number, for somebody else; and whoever has most makes room, as ever.
    for (int i = 0; i < 4; ++i) store.append(++sequence, Audience::user("clara"), after);
    CHECK(store.size() == 2);
    for (const char* user : {"anna", "ben", "a far longer prefix, too: dora", "clara"}) {
      CHECK(replayed(store, user).find("secret") == std::string::npos);
    }
    if (known) {
      CHECK(replayed(store, "clara").ends_with("data: after\n\n"));
    } else {
      CHECK(replayed(store, "anna").empty());
      CHECK(replayed(store, "clara") == "data: after\n\ndata: after\n\n");
    }
  }
}

}  // namespace

TEST_CASE("an event that could not be kept for want of memory leaves nothing behind", "[fault][replay]") {
  const std::vector<std::string> names{"anna", "ben", "a name far longer than what a string holds in itself"};
  const std::array audiences{Audience::user("anna"), Audience::users(names),
                             Audience::group("a far longer prefix, too"), Audience::everybody()};
  long struck = 0;
  std::thread([&] {
    mark_this_thread();
    for (const Audience& audience : audiences) struck += sweep(audience, false) + sweep(audience, true);
  }).join();
  CHECK(struck > 15);
}
