// How far this node's store is a copy of the log of a bus, told as a bus tells it.
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <spate/history/memory_replay_store.hpp>
#include <spate/registry/detail/log_mirror.hpp>
#include "support/catch.hpp"

namespace {

using spate::Audience;
using spate::EncodedEvent;
using spate::Event;
using spate::detail::Cursor;
using spate::detail::History;
using spate::detail::LogMirror;

constexpr auto at_once = std::nullopt;
constexpr std::optional<std::uint64_t> at_the_end = LogMirror::the_end;

struct Node {
  void append(std::uint64_t sequence) {
    REQUIRE(mirror.is_news(sequence));
    history.append(sequence, Audience::everybody(), EncodedEvent(Event("x")));
  }
  std::optional<std::uint64_t> ahead(std::string_view cursor) const { return mirror.ahead(Cursor::parse(cursor)); }

  spate::MemoryReplayStore store;
  History history{&store};
  LogMirror mirror{history, true};
};

/// One that cannot mirror anything.
class OwnHistory final : public spate::ReplayStore {
 public:
  std::string_view epoch() const override { return "own"; }
  std::uint64_t newest() const override { return 0; }
  void append(std::uint64_t, const Audience&, const EncodedEvent&) override {}
  std::uint64_t fetch(std::string_view, std::uint64_t, std::size_t, std::vector<spate::StoredEvent>&) override {
    return 0;
  }
};

}  // namespace

TEST_CASE("before a log is known only who asks for nothing begins", "[registry][cluster]") {
  const Node node;
  CHECK_FALSE(node.mirror.complete());
  CHECK(node.ahead("") == at_once);
  CHECK(node.ahead("log-3") == at_the_end);
  CHECK(node.ahead("earliest") == at_the_end);
}

TEST_CASE("the first log fills the mirror, and streams go on after it", "[registry][cluster]") {
  Node node;
  // What it has is older than the streams that are here, which wait for its end.
  CHECK_FALSE(node.mirror.restarted("log"));
  CHECK(node.mirror.predates_streams());
  CHECK(node.ahead("") == at_the_end);
  node.append(3);
  node.append(5);
  CHECK(node.mirror.reached_end(7));
  CHECK(node.mirror.complete());
  CHECK_FALSE(node.mirror.predates_streams());
  CHECK(node.mirror.is_first());
  // The newest numbers had been given out, and their entries were gone already.
  CHECK(node.history.newest() == 7);
  CHECK(node.mirror.begins_at() == 7);
}

TEST_CASE("a cursor waits for its event when the copy does not reach so far", "[registry][cluster]") {
  Node node;
  node.mirror.restarted("log");
  node.append(5);
  node.mirror.reached_end(5);
  CHECK(node.ahead("log-5") == at_once);
  CHECK(node.ahead("log-6") == 6);
  // What cannot be in this log is not waited for.
  CHECK(node.ahead("before-6") == at_once);
  CHECK(node.ahead("what?") == at_once);
  CHECK(node.ahead("earliest") == at_once);
  node.append(6);
  CHECK(node.ahead("log-6") == at_once);
}

TEST_CASE("what was told before is no news", "[registry][cluster]") {
  Node node;
  node.mirror.restarted("log");
  node.append(5);
  CHECK_FALSE(node.mirror.is_news(5));
  CHECK_FALSE(node.mirror.is_news(4));
  CHECK(node.mirror.is_news(6));
  CHECK(node.mirror.reached_end(5));
  CHECK_FALSE(node.mirror.reached_end(5));
}

TEST_CASE("streams go on at the beginning of a log that takes the place of another", "[registry][cluster]") {
  Node node;
  node.mirror.restarted("log");
  node.append(5);
  node.mirror.reached_end(5);
  const std::uint32_t before = node.history.generation();
  CHECK(node.mirror.restarted("later"));
  CHECK(node.history.generation() != before);
  CHECK(node.history.newest() == 0);
  CHECK(node.mirror.position_before() == "log-5");
  CHECK_FALSE(node.mirror.predates_streams());
  CHECK(node.ahead("later-1") == at_the_end);
  node.append(1);
  CHECK(node.mirror.reached_end(1));
  CHECK(node.mirror.begins_at() == 0);
  CHECK_FALSE(node.mirror.is_first());
}

TEST_CASE("a log that begins while another is still coming takes its place", "[registry][cluster]") {
  Node node;
  node.mirror.restarted("log");
  node.append(5);
  node.mirror.reached_end(5);
  CHECK(node.mirror.restarted("lost"));
  node.append(2);
  CHECK(node.mirror.restarted("later"));
  // Nobody has been given a position in the one between.
  CHECK(node.mirror.position_before() == "log-5");
  CHECK(node.history.newest() == 0);

  Node fresh;
  CHECK_FALSE(fresh.mirror.restarted("lost"));
  CHECK_FALSE(fresh.mirror.restarted("log"));
  CHECK(fresh.mirror.predates_streams());
}

TEST_CASE("without a log there is nothing to wait for", "[registry]") {
  spate::MemoryReplayStore store;
  History history(&store);
  const LogMirror mirror(history, false);
  CHECK_FALSE(mirror);
  CHECK(mirror.complete());
  CHECK_FALSE(mirror.predates_streams());
  CHECK(mirror.ahead(Cursor::parse(history.id_of(7))) == at_once);
}

TEST_CASE("a store with a history of its own is refused as a mirror", "[registry][cluster]") {
  OwnHistory store;
  History history(&store);
  CHECK_THROWS_AS(LogMirror(history, true), std::invalid_argument);
}
