// Clients that poll, by a clock that stands: each is one stream from its first poll until it has not asked again for
// the grace period, to the millisecond. (loopback/registry_polls.cpp has the same over sockets.)
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <spate/testing/catch_matchers.hpp>

#include "support/catch.hpp"
#include "support/held_emitter.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;
using spate::testing::ReceivedExactly;
using spate::testing::ReceivedNothing;

namespace {

/// One answered at once.
void poll_once(HeldEmitter& hub, const std::string& user, const std::string& client = "") {
  CHECK(hub.server.handle("/" + user + "?transport=poll&timeout=0&client=" + client).status == 200);
}

/// One that waits.
testing::Client waiting(HeldEmitter& hub, const std::string& user, const std::string& client = "") {
  return hub.server.subscribe("/" + user + "?transport=poll&timeout=60000&client=" + client);
}

bool has_empty_answer(const testing::Client& client) {
  return client.status() == 200 && client.events().empty();
}

}  // namespace

TEST_CASE("a client that polls counts once, waiting and within its grace, and is one presence", "[registry][poll]") {
  HeldEmitter hub(HeldEmitter::with_history());
  poll_once(hub, "anna");
  CHECK(hub.emitter.send("anna", Event("one")).streams == 1);
  CHECK(hub.emitter.send_group("an", Event("two")).streams == 1);
  CHECK(hub.emitter.broadcast(Event("three")).streams == 1);
  const testing::Client again = waiting(hub, "anna");
  CHECK(hub.emitter.broadcast(Event("four")).streams == 1);
  CHECK_THAT(again.events(), ReceivedExactly(Event("four")));
  CHECK(hub.emitter.stream_count() == 1);
  CHECK(hub.emitter.remove("anna") == 1);
  CHECK(hub.emitter.stream_count() == 0);
  hub.server.run();
  CHECK(hub.presence == Texts{"+anna", "-anna"});
}

TEST_CASE("the grace of a poll begins with its answer and ends to the millisecond", "[registry][poll]") {
  EmitterOptions options;
  options.poll_grace = 7s;
  HeldEmitter hub(options);
  testing::Client poll = waiting(hub, "anna");
  hub.server.advance(59'999ms);
  CHECK(poll.status() == 0);
  hub.server.advance(1ms);
  CHECK(has_empty_answer(poll));
  SECTION("it asks again in time") {
    hub.server.advance(6999ms);
    poll.reconnect();
    hub.server.advance(30s);
    CHECK(hub.presence == Texts{"+anna"});
    CHECK(poll.is_open());
  }
  SECTION("it does not") {
    hub.server.advance(6999ms);
    CHECK(hub.presence == Texts{"+anna"});
    hub.server.advance(1ms);
    CHECK(hub.presence == Texts{"+anna", "-anna"});
  }
}

TEST_CASE("closing a user answers the polls that wait and ends the grace of the others", "[registry][poll]") {
  HeldEmitter hub;
  poll_once(hub, "anna", "graced");
  const testing::Client waits = waiting(hub, "anna", "waits");
  CHECK(hub.emitter.remove("anna") == 2);
  CHECK(has_empty_answer(waits));
  CHECK(hub.emitter.remove("anna") == 0);
  hub.server.advance(1min);
  CHECK(hub.presence == Texts{"+anna", "-anna"});
}

TEST_CASE("one client more than may poll as one user replaces the one that asked the longest ago",
          "[registry][poll][limit]") {
  EmitterOptions options = HeldEmitter::with_history();
  options.max_polls_per_user = 3;
  HeldEmitter hub(std::move(options));
  SECTION("whose grace ends first") {
    const testing::Client waits = waiting(hub, "anna", "waits");
    for (int i = 0; i < 20; ++i) {
      poll_once(hub, "anna", std::to_string(i));
      CHECK(hub.emitter.stream_count() <= 3);
    }
    CHECK(hub.emitter.stream_count() == 3);
    hub.emitter.send("anna", Event("to the one that waits"));
    CHECK_THAT(waits.events(), ReceivedExactly(Event("to the one that waits")));
  }
  SECTION("or that waits longest, which gets an empty answer") {
    std::vector<testing::Client> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(waiting(hub, "anna", std::to_string(i)));
    poll_once(hub, "anna", "further");
    CHECK(has_empty_answer(clients[0]));
    CHECK(hub.emitter.send("anna", Event("x")).streams == 3);
    for (int i = 1; i < 3; ++i) CHECK_FALSE(has_empty_answer(clients[static_cast<std::size_t>(i)]));
  }
  SECTION("and the streams of the user, and other users, are left alone") {
    const testing::Client stream = hub.server.subscribe("/anna");
    poll_once(hub, "bert");
    for (int i = 0; i < 9; ++i) poll_once(hub, "anna", std::to_string(i));
    CHECK(hub.emitter.stream_count() == 5);
    hub.emitter.broadcast(Event("still there"));
    CHECK_THAT(stream.events(), ReceivedExactly(Event("still there")));
  }
}

TEST_CASE("a poll that was cut by its client is given the time to ask again too", "[registry][poll]") {
  HeldEmitter hub;
  testing::Client leaves = waiting(hub, "anna", "a");
  leaves.reset();
  CHECK(hub.server.stats().streams == 0);
  hub.server.advance(9999ms);
  CHECK(hub.emitter.contains("anna"));
  hub.server.advance(1ms);
  CHECK_FALSE(hub.emitter.contains("anna"));
}
