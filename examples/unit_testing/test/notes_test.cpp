// The service of ../notes.hpp, tested: its routes are added to a server in memory, whose clock stands until it is
// moved. No socket is opened, and nothing waits. Link to spate::testing, and to Catch2 or another framework.
#include <chrono>
#include <optional>
#include <string>

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_test_macros.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <spate/testing/catch_matchers.hpp>
#include <spate/testing/server.hpp>

#include "unit_testing/notes.hpp"

using namespace std::chrono_literals;
using spate::Event;
using spate::Request;
using spate::testing::Client;
using spate::testing::ReceivedExactly;
using spate::testing::ReceivedNothing;

namespace {

struct Fixture {
  explicit Fixture(spate::ServerOptions options = {}) : server(std::move(options)) { notes.add_routes(server); }

  int pin(const std::string& board, const std::string& text) {
    return server
        .handle(Request("POST", "/boards/" + board).add_header("Authorization", "Bearer secret").set_body(text))
        .status;
  }

  Notes notes{"secret"};
  spate::testing::Server server;
};

}  // namespace

TEST_CASE("a note is shown to those who look at its board") {
  Fixture fixture;
  const Client kitchen = fixture.server.subscribe("/boards/kitchen");
  const Client garage = fixture.server.subscribe("/boards/garage");
  CHECK(fixture.pin("kitchen", "buy milk") == 202);
  CHECK_THAT(kitchen.events(), ReceivedExactly(Event("buy milk").name("note")));
  CHECK_THAT(garage.events(), ReceivedNothing());
}

TEST_CASE("who has no token, or nothing to say, pins nothing") {
  Fixture fixture;
  const Client kitchen = fixture.server.subscribe("/boards/kitchen");
  const auto refused = fixture.server.handle(Request("POST", "/boards/kitchen").set_body("buy milk"));
  CHECK(refused.status == 401);
  CHECK(refused.header("www-authenticate") == "Bearer");
  CHECK(fixture.pin("kitchen", "") == 400);
  CHECK_THAT(kitchen.events(), ReceivedNothing());
}

TEST_CASE("who was away sees what was pinned meanwhile, and nothing twice") {
  Fixture fixture;
  Client kitchen = fixture.server.subscribe("/boards/kitchen");
  fixture.pin("kitchen", "one");
  CHECK_THAT(kitchen.take_events(), ReceivedExactly(Event("one").name("note")));
  kitchen.leave();
  fixture.pin("kitchen", "two");
  kitchen.reconnect();  // with the Last-Event-ID of what it has seen, as a browser does
  CHECK_THAT(kitchen.events(), ReceivedExactly(Event("two").name("note")));
}

TEST_CASE("an hour passes in no time") {
  Fixture fixture;
  const Client kitchen = fixture.server.subscribe("/boards/kitchen");
  fixture.server.advance(1h);
  CHECK(kitchen.heartbeats() == 240);
  CHECK(kitchen.is_open());
}

TEST_CASE("who does not read loses the stream, and nobody else does") {
  spate::ServerOptions options;
  options.stream.max_queued_bytes = 1000;
  Fixture fixture(options);
  Client slow = fixture.server.subscribe("/boards/kitchen");
  const Client quick = fixture.server.subscribe("/boards/kitchen");
  slow.stall();
  for (int i = 0; i < 3; ++i) fixture.pin("kitchen", std::string(600, 'x'));
  CHECK(slow.end_reason() == spate::EndReason::overflow);
  CHECK(quick.events().size() == 3);
}
