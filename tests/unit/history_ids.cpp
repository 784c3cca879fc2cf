// A history: the store, the ids it gives, and the first event after a position.
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <spate/history/detail/history.hpp>
#include <spate/history/memory_replay_store.hpp>
#include "support/catch.hpp"

namespace {

using spate::Audience;
using spate::EncodedEvent;
using spate::Event;
using spate::detail::Cursor;
using spate::detail::History;

/// A store that cannot tell numbers alone.
class Plain final : public spate::ReplayStore {
 public:
  std::string_view epoch() const override { return "plain"; }
  std::uint64_t newest() const override { return store_.newest(); }
  void append(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event) override {
    store_.append(sequence, audience, event);
  }
  std::uint64_t fetch(std::string_view user, std::uint64_t after, std::size_t max_bytes,
                      std::vector<spate::StoredEvent>& events) override {
    return store_.fetch(user, after, max_bytes, events);
  }

 private:
  spate::MemoryReplayStore store_;
};

}  // namespace

TEST_CASE("without a store there are no events and no ids", "[history]") {
  const History history(nullptr);
  CHECK_FALSE(history);
  CHECK(history.newest() == 0);
  CHECK(history.id_of(7).empty());
}

TEST_CASE("a history gives ids, and knows its own again", "[history]") {
  Plain store;
  const History history(&store);
  CHECK(history);
  CHECK(history.id_of(7) == "plain-7");
  CHECK(history.sequence_of(Cursor::parse("plain-7")) == 7);
  CHECK(history.sequence_of(Cursor::parse("other-7")) == std::nullopt);
}

TEST_CASE("the first event after a position is that user's own", "[history][replay]") {
  Plain plain;
  spate::MemoryReplayStore memory;
  for (spate::ReplayStore* const store :
       {static_cast<spate::ReplayStore*>(&plain), static_cast<spate::ReplayStore*>(&memory)}) {
    History history(store);
    history.append(1, Audience::user("anna"), EncodedEvent(Event("a")));
    history.append(2, Audience::user("bert"), EncodedEvent(Event("b")));
    history.append(3, Audience::user("anna"), EncodedEvent(Event("c")));
    CHECK(history.first_after(spate::Subscriber("anna"), 0) == 1);
    CHECK(history.first_after(spate::Subscriber("anna"), 1) == 3);
    CHECK(history.first_after(spate::Subscriber("anna"), 3) == 0);
    CHECK(history.first_after(spate::Subscriber("bert"), 2) == 0);
    CHECK(history.position_before(3) == 2);
    CHECK(history.position_before(0) == 3);
  }
}

TEST_CASE("a store serves one history at a time", "[history]") {
  Plain store;
  {
    History first(&store);
    CHECK_THROWS_AS(History(&store), std::invalid_argument);
    first.release();
    CHECK_NOTHROW(History(&store));
  }
  CHECK_NOTHROW(History(&store));
}

TEST_CASE("a log that is mirrored anew is another one, whatever it is called", "[history][cluster]") {
  spate::MemoryReplayStore store;
  History history(&store);
  REQUIRE(history.restart("log"));
  const std::uint32_t before = history.generation();
  history.append(1, Audience::everybody(), EncodedEvent(Event("x")));
  REQUIRE(history.restart("log"));
  CHECK(history.generation() != before);
  CHECK(history.newest() == 0);
}
