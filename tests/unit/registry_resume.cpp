// Where a stream begins in its user's history, and who waits until that can be said.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <spate/registry/detail/resume.hpp>
#include "support/catch.hpp"
#include "support/registry_parts.hpp"

namespace {

using spate::GapReason;
using spate::detail::InboxReservation;
using spate::detail::LogMirror;
using spate::detail::PendingResume;
using spate::detail::Ref;
using spate::detail::Resume;
using spate::detail::Subscription;
using spate::test::RegistryParts;

constexpr bool patient = true;

spate::ReplayLimits at_most(std::size_t events) {
  spate::ReplayLimits limits;
  limits.max_events = events;
  return limits;
}

/// Where a stream of anna begins whose client asks for what is after `cursor`.
Resume::Start start_of(RegistryParts& parts, std::string_view cursor) {
  PendingResume comer = parts.comer(cursor);
  const std::optional<Resume::Plan> plan = parts.resume.plan("anna", comer, patient);
  REQUIRE(plan);
  REQUIRE_FALSE(plan->waits_for);
  REQUIRE(plan->start);
  return *plan->start;
}

/// A stream of `user` that waits for the event `sequence`.
Ref<Subscription> wait_for(RegistryParts& parts, const std::string& user, std::uint64_t sequence) {
  PendingResume comer = parts.comer(parts.history.id_of(sequence));
  const Ref<Subscription> subscription = comer.subscription;
  const auto plan = parts.resume.plan(user, comer, patient);
  REQUIRE(plan);
  REQUIRE(plan->waits_for == sequence);
  parts.insert(user, subscription);
  InboxReservation reservation(subscription->shard(), 3);
  REQUIRE(parts.resume.wait(reservation, *plan->waits_for, std::move(comer)));
  subscription->live = false;
  return subscription;
}

}  // namespace

TEST_CASE("who asks for nothing begins at the newest event", "[registry][resume]") {
  RegistryParts parts;
  parts.send("anna", "one");
  const Resume::Start start = start_of(parts, "");
  CHECK(start.position == 1);
  CHECK(start.next == 0);
  CHECK_FALSE(start.gap);
}

TEST_CASE("who has the newest event begins after it, and has nothing to draw", "[registry][resume]") {
  RegistryParts parts;
  const std::uint64_t newest = parts.send("anna", "one");
  const Resume::Start start = start_of(parts, parts.history.id_of(newest));
  CHECK(start.position == newest);
  CHECK(start.next == 0);
  CHECK_FALSE(start.gap);
}

TEST_CASE("who was away begins where they were, and draws what came since", "[registry][resume]") {
  RegistryParts parts;
  const std::uint64_t had = parts.send("anna", "one");
  parts.send("bert", "two");
  parts.send("anna", "three");
  const Resume::Start start = start_of(parts, parts.history.id_of(had));
  CHECK(start.position == had);
  CHECK(start.next == had + 1);
  CHECK_FALSE(start.gap);
}

TEST_CASE("who was away too long is told, and begins with what is left", "[registry][resume]") {
  RegistryParts parts(at_most(2));
  const std::uint64_t had = parts.send("anna", "one");
  for (int i = 0; i < 4; ++i) parts.send("anna", "more");
  const Resume::Start start = start_of(parts, parts.history.id_of(had));
  CHECK(start.gap == GapReason::trimmed);
  CHECK(start.next == 4);
  CHECK(start.position == 3);
  // What this gap tells of is not told again.
  CHECK(start.told == 3);
}

TEST_CASE("what a client has is not repeated, though something after it is missing", "[registry][resume]") {
  spate::ReplayLimits limits;
  limits.max_bytes = 64 * 1024;
  RegistryParts parts(limits);
  parts.send("anna", "one");
  const std::uint64_t had = parts.send("anna", "two");
  parts.send("anna", std::string(limits.max_bytes, 'x'));  // is not kept
  const std::uint64_t next = parts.send("anna", "four");
  const Resume::Start start = start_of(parts, parts.history.id_of(had));
  CHECK(start.gap == GapReason::trimmed);
  CHECK(start.next == next);
}

TEST_CASE("a cursor that is no id of this history is told, and all that is kept follows", "[registry][resume]") {
  RegistryParts parts;
  parts.send("bert", "one");
  parts.send("anna", "two");
  const std::string ahead = parts.history.id_of(7);
  for (const std::string& cursor : {std::string("before-1"), std::string("what?"), ahead}) {
    CAPTURE(cursor);
    const Resume::Start start = start_of(parts, cursor);
    CHECK(start.gap == GapReason::unknown);
    CHECK(start.next == 2);
    CHECK(start.position == 1);
  }
}

TEST_CASE("who asks for the earliest gets all that is kept, and misses nothing", "[registry][resume]") {
  RegistryParts parts(at_most(2));
  for (int i = 0; i < 4; ++i) parts.send("anna", "more");
  const Resume::Start start = start_of(parts, "earliest");
  CHECK_FALSE(start.gap);
  CHECK(start.next == 3);
  CHECK(start.position == 2);
}

TEST_CASE("for a filter the first event is looked for in steps, and what was found is where it begins",
          "[registry][resume][filter]") {
  RegistryParts parts;
  parts.send("anna", "one", "other");
  const std::uint64_t first = parts.send("anna", "two", "wanted");
  PendingResume comer = parts.comer("earliest", {"wanted"});
  REQUIRE_FALSE(parts.resume.plan("anna", comer, patient));
  comer.search.look(*comer.subscription);
  const auto plan = parts.resume.plan("anna", comer, patient);
  REQUIRE(plan);
  REQUIRE(plan->start);
  CHECK(plan->start->next == first);
}

TEST_CASE("a search that takes too long for its loop goes on while the stream waits", "[registry][resume][filter]") {
  RegistryParts parts;
  parts.send("anna", "one", "other");
  const std::uint64_t first = parts.send("anna", "two", "wanted");
  PendingResume comer = parts.comer("earliest", {"wanted"});
  const Ref<Subscription> subscription = comer.subscription;
  const auto plan = parts.resume.plan("anna", comer, !patient);
  REQUIRE(plan);
  REQUIRE(plan->waits_for == LogMirror::the_end);
  parts.insert("anna", subscription);
  {
    InboxReservation reservation(subscription->shard(), 3);
    REQUIRE(parts.resume.wait(reservation, *plan->waits_for, std::move(comer)));
  }
  CHECK(subscription->pending);
  CHECK(parts.resume.search(*subscription) == Resume::Step::last);
  CHECK_FALSE(subscription->pending);
  CHECK_FALSE(subscription->live);
  CHECK(subscription->replay.drawn_up_to == first - 1);
  // Nobody waits any more.
  CHECK(parts.resume.search(*subscription) == Resume::Step::last);
}

TEST_CASE("a stream waits for the event that its client has, and begins when that is here",
          "[registry][resume][cluster]") {
  RegistryParts parts({}, true);
  parts.mirror.restarted("log");
  parts.mirror.reached_end(3);
  const Ref<Subscription> anna = wait_for(parts, "anna", 5);
  const Ref<Subscription> bert = wait_for(parts, "bert", 7);
  parts.send("anna", "four");
  parts.resume.reached(4);
  CHECK(anna->pending);
  parts.send("anna", "five");
  parts.resume.reached(5);
  CHECK_FALSE(anna->pending);
  CHECK(anna->live);
  CHECK(anna->replay.drawn_up_to == 5);
  CHECK(bert->pending);
  parts.resume.forget(*bert);
  CHECK_FALSE(bert->pending);
}

TEST_CASE("a stream that waits for an event which nobody gave out begins as one with an unknown cursor",
          "[registry][resume][cluster]") {
  RegistryParts parts({}, true);
  parts.mirror.restarted("log");
  parts.mirror.reached_end(0);
  const std::uint64_t kept = parts.send("anna", "one");
  const Ref<Subscription> anna = wait_for(parts, "anna", 5);
  // The log has given out six: it may yet come.
  parts.resume.give_up(*anna, 6);
  CHECK(anna->pending);
  parts.resume.give_up(*anna, 4);
  CHECK_FALSE(anna->pending);
  CHECK_FALSE(anna->live);
  CHECK(anna->replay.drawn_up_to == kept - 1);
}

TEST_CASE("a search waits when another log begins, and begins anew at its end", "[registry][resume][filter][cluster]") {
  RegistryParts parts({}, true);
  parts.mirror.restarted("log");
  parts.mirror.reached_end(0);
  parts.send("anna", "one", "other");
  PendingResume comer = parts.comer("earliest", {"wanted"});
  const Ref<Subscription> anna = comer.subscription;
  REQUIRE(parts.resume.plan("anna", comer, !patient));
  parts.insert("anna", anna);
  {
    InboxReservation reservation(anna->shard(), 3);
    REQUIRE(parts.resume.wait(reservation, LogMirror::the_end, std::move(comer)));
  }
  parts.mirror.restarted("later");
  parts.resume.wait_for_the_end();
  CHECK(parts.resume.search(*anna) == Resume::Step::waits);
  CHECK(anna->pending);
  const std::uint64_t first = parts.send("anna", "two", "wanted");
  parts.mirror.reached_end(first);
  CHECK(parts.resume.search(*anna) == Resume::Step::another);
  CHECK(parts.resume.search(*anna) == Resume::Step::last);
  CHECK(anna->replay.drawn_up_to == first - 1);
}

TEST_CASE("one that leaves while its first event is looked for begins no further than what was accepted for it",
          "[registry][resume][filter]") {
  RegistryParts parts;
  const std::uint64_t accepted = parts.send("anna", "one", "other");
  PendingResume comer = parts.comer("earliest", {"wanted"});
  const Ref<Subscription> anna = comer.subscription;
  REQUIRE(parts.resume.plan("anna", comer, !patient));
  parts.insert("anna", anna);
  {
    InboxReservation reservation(anna->shard(), 3);
    REQUIRE(parts.resume.wait(reservation, LogMirror::the_end, std::move(comer)));
  }
  parts.departures.add(*anna, accepted);
  parts.members.remove(*anna);
  CHECK(anna->pending);
  parts.send("anna", "for others", "other");
  CHECK(parts.resume.search(*anna) == Resume::Step::another);
  CHECK(parts.resume.search(*anna) == Resume::Step::last);
  CHECK(anna->replay.drawn_up_to == accepted);
  CHECK_FALSE(anna->live);
  parts.departures.remove(*anna);
}

TEST_CASE("when another log begins all wait for its end", "[registry][resume][cluster]") {
  RegistryParts parts({}, true);
  parts.mirror.restarted("log");
  parts.mirror.reached_end(0);
  const Ref<Subscription> anna = wait_for(parts, "anna", 5);
  parts.mirror.restarted("later");
  parts.resume.wait_for_the_end();
  for (int i = 0; i < 6; ++i) parts.send("anna", "more");
  parts.resume.reached(6);
  CHECK(anna->pending);
  parts.mirror.reached_end(6);
  parts.resume.reached(LogMirror::the_end);
  CHECK_FALSE(anna->pending);
  // Its cursor was one of the log before: all that is kept follows.
  CHECK(anna->replay.drawn_up_to == 0);
  CHECK_FALSE(anna->live);
}

TEST_CASE("what comes while the newest are looked for follows, also when none of them passes the filter",
          "[registry][resume][newest]") {
  RegistryParts parts;
  parts.send("anna", "one", "often");
  PendingResume comer = parts.comer("", {"rare"});
  comer.cursor = spate::detail::Cursor::newest(5);
  CHECK_FALSE(parts.resume.plan("anna", comer, patient));
  comer.search.look(*comer.subscription);
  const std::uint64_t meanwhile = parts.send("anna", "two", "rare");
  const std::optional<Resume::Plan> plan = parts.resume.plan("anna", comer, patient);
  REQUIRE(plan);
  REQUIRE(plan->start);
  CHECK(plan->start->next == meanwhile);
  CHECK(plan->start->position == meanwhile - 1);
}
