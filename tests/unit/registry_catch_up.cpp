// What a stream draws from the store until it is live.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <spate/history/detail/replay_packer.hpp>
#include <spate/registry/detail/catch_up.hpp>
#include "support/catch.hpp"
#include "support/decoded.hpp"
#include "support/registry_parts.hpp"

namespace {

using spate::StoredEvent;
using spate::detail::CatchUp;
using spate::detail::InboxReservation;
using spate::detail::LogMirror;
using spate::detail::Ref;
using spate::detail::ReplayPacker;
using spate::detail::StreamSource;
using spate::detail::Subscription;
using spate::test::RegistryParts;

constexpr auto everything = StreamSource::everything;

/// A stream of anna that draws what there is after `cursor`.
Ref<Subscription> drawing(RegistryParts& parts, std::uint64_t cursor, std::vector<std::string> events = {}) {
  Ref<Subscription> subscription = parts.subscription(std::move(events));
  parts.insert("anna", subscription);
  subscription->live = false;
  subscription->generation = parts.history.generation();
  subscription->replay = {cursor, cursor};
  return subscription;
}

/// One draw, after which `subscription` is as far as it says.
struct Drawn {
  Drawn(RegistryParts& parts, Subscription& subscription, std::uint64_t up_to = everything)
      : result(parts.catch_up.draw(subscription, up_to, nullptr, batch)) {
    subscription.replay.drawn_up_to = result.drawn_up_to;
    for (const StoredEvent& stored : batch) sequences.push_back(stored.sequence);
  }

  std::vector<StoredEvent> batch;
  std::vector<std::uint64_t> sequences;
  CatchUp::Drawn result;
};

using Sequences = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("a stream draws what its user was sent, and is live when there is no more", "[registry][replay]") {
  RegistryParts parts;
  parts.send("anna", "one");
  parts.send("bert", "two");
  parts.send("anna", "three");
  const Ref<Subscription> anna = drawing(parts, 0);
  const Drawn first(parts, *anna);
  CHECK(first.sequences == Sequences{1, 3});
  CHECK(first.result.more);
  CHECK_FALSE(anna->live);
  const Drawn second(parts, *anna);
  CHECK(second.sequences.empty());
  CHECK_FALSE(second.result.more);
  CHECK(anna->live);
}

TEST_CASE("a stream draws no further than it is asked to", "[registry][replay]") {
  RegistryParts parts;
  for (int i = 0; i < 3; ++i) parts.send("anna", "x");
  const Ref<Subscription> anna = drawing(parts, 0);
  const Drawn drawn(parts, *anna, 2);
  CHECK(drawn.sequences == Sequences{1, 2});
  CHECK(drawn.result.drawn_up_to == 2);
  CHECK(drawn.result.more);
  CHECK_FALSE(anna->live);
}

TEST_CASE("one that has left draws what was accepted for it, and nothing after", "[registry][replay]") {
  RegistryParts parts;
  parts.send("anna", "one");
  parts.send("anna", "two");
  const Ref<Subscription> anna = drawing(parts, 0);
  parts.departures.add(*anna, parts.history.newest());
  parts.members.remove(*anna);
  parts.send("anna", "for others");
  const Drawn drawn(parts, *anna);
  CHECK(drawn.sequences == Sequences{1, 2});
  CHECK(drawn.result.departed);
  CHECK_FALSE(drawn.result.more);
  CHECK_FALSE(anna->live);
  parts.departures.remove(*anna);
}

TEST_CASE("one that is owed nothing any more draws nothing", "[registry][replay]") {
  RegistryParts parts;
  parts.send("anna", "one");
  const Ref<Subscription> anna = drawing(parts, 0);
  parts.members.remove(*anna);
  const Drawn drawn(parts, *anna);
  CHECK(drawn.sequences.empty());
  CHECK_FALSE(drawn.result.more);
}

TEST_CASE("what the store lost before it was drawn is told once", "[registry][replay]") {
  spate::ReplayLimits limits;
  limits.max_events = 2;
  RegistryParts parts(limits);
  parts.send("anna", "one");
  const Ref<Subscription> anna = drawing(parts, 0);
  for (int i = 0; i < 3; ++i) parts.send("anna", "more");
  const Drawn drawn(parts, *anna);
  CHECK(drawn.sequences == Sequences{3, 4});
  REQUIRE(drawn.result.gap);
  const auto told = spate::test::decode(drawn.result.gap.bytes()).events;
  REQUIRE(told.size() == 1);
  CHECK(told[0].data == "{\"requested\":\"" + parts.history.id_of(0) + "\",\"oldest\":\"" + parts.history.id_of(3) +
                            "\",\"reason\":\"trimmed\"}");
  CHECK_FALSE(Drawn(parts, *anna).result.gap);
}

TEST_CASE("what is missing among events that are drawn one after the other is told once", "[registry][replay]") {
  spate::ReplayLimits limits;
  limits.max_bytes = 64 * 1024;
  RegistryParts parts(limits);
  parts.send("anna", "one");
  parts.send("anna", std::string(limits.max_bytes, 'x'));  // is not kept
  parts.send("anna", "three");
  const Ref<Subscription> anna = drawing(parts, 0);
  const Drawn first(parts, *anna, 1);
  CHECK(first.sequences == Sequences{1});
  CHECK(first.result.gap);
  const Drawn second(parts, *anna);
  CHECK(second.sequences == Sequences{3});
  CHECK_FALSE(second.result.gap);
}

TEST_CASE("what was lost before a filtered stream is told with the first event that follows",
          "[registry][replay][filter]") {
  spate::ReplayLimits limits;
  limits.max_events = 2;
  RegistryParts parts(limits);
  const Ref<Subscription> anna = drawing(parts, 0, {"wanted"});
  for (int i = 0; i < 4; ++i) parts.send("anna", "more", "other");
  // Nothing of it passes: it is not known yet what follows.
  const Drawn first(parts, *anna);
  CHECK(first.sequences == Sequences{3, 4});
  CHECK_FALSE(first.result.gap);
  CHECK(anna->gap_after() == 0);
  const std::uint64_t next = parts.send("anna", "five", "wanted");
  const Drawn second(parts, *anna);
  REQUIRE(second.result.gap);
  CHECK(second.result.gap.bytes().find(parts.history.id_of(next)) != std::string::npos);
  CHECK_FALSE(anna->gap_after());
}

TEST_CASE("who is owed what another one was given is given the same piece", "[registry][replay]") {
  RegistryParts parts;
  parts.send("anna", "one");
  parts.send("anna", "two");
  ReplayPacker packer;
  const Ref<Subscription> first = drawing(parts, 0), second = drawing(parts, 0);
  std::vector<StoredEvent> batch;
  CHECK(parts.catch_up.draw(*first, everything, &packer, batch).piece == nullptr);
  const ReplayPacker::Piece& packed = packer.pack(first->generation, batch);
  batch.clear();
  const CatchUp::Drawn drawn = parts.catch_up.draw(*second, everything, &packer, batch);
  CHECK(drawn.piece == &packed);
  CHECK(drawn.drawn_up_to == 2);
  CHECK(batch.empty());
}

TEST_CASE("a stream that draws goes on in the log that took the place of another", "[registry][replay][cluster]") {
  RegistryParts parts({}, true);
  parts.mirror.restarted("log");
  parts.mirror.reached_end(0);
  parts.send("anna", "before");
  const Ref<Subscription> anna = drawing(parts, 1);
  parts.mirror.restarted("later");
  parts.send("anna", "after");
  const Drawn drawn(parts, *anna);
  CHECK(drawn.sequences == Sequences{1});
  REQUIRE(drawn.result.gap);
  CHECK(drawn.result.gap.bytes().find("log-1") != std::string::npos);
  CHECK(drawn.result.gap.bytes().find("unknown") != std::string::npos);
  CHECK(drawn.result.generation == parts.history.generation());
}

TEST_CASE("while the first log is still coming a stream that was here draws nothing of it",
          "[registry][replay][cluster]") {
  RegistryParts parts({}, true);
  const Ref<Subscription> anna = drawing(parts, 0);
  parts.mirror.restarted("log");
  parts.send("anna", "older than the stream");
  const Drawn drawn(parts, *anna);
  CHECK(drawn.sequences.empty());
  CHECK_FALSE(drawn.result.gap);
  CHECK(anna->live);
}
