// Answers that are given later, by a clock that stands. (loopback/server_pending.cpp has more of it over sockets.)
#include <chrono>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <spate/testing/server.hpp>

#include "support/catch.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;

TEST_CASE("a wait expires at its moment with the answer given for that", "[server][pending]") {
  testing::Server server;
  auto [pending, client] = server.make_pending_response();
  Texts notes;
  pending.on_timeout([&] { notes.emplace_back("timeout"); });
  pending.on_error([&](std::error_code) { notes.emplace_back("error"); });
  pending.expire_after(1h, Response::text(200, "never"));
  pending.expire_after(3s, Response::error(504, "nobody"));  // the last call counts
  server.advance(2999ms);
  CHECK(client.status() == 0);
  SECTION("nobody answers") {
    server.advance(1ms);
    CHECK(client.status() == 504);
    CHECK(notes == Texts{"timeout"});
    // Registered late, it is told all the same.
    pending.on_timeout([&] { notes.emplace_back("late"); });
    server.run();
    CHECK(notes == Texts{"timeout", "late"});
    CHECK_FALSE(pending.respond(Response(200)));
  }
  SECTION("somebody does") {
    CHECK(pending.respond(Response::text(200, "first")));
    CHECK_FALSE(pending.respond(Response::text(200, "second")));
    server.advance(2h);
    CHECK(client.body() == "first");
    CHECK(notes.empty());
  }
  SECTION("its client has gone") {
    client.reset();
    CHECK(notes == Texts{"error"});
    server.advance(2h);
    CHECK(notes == Texts{"error"});
  }
}

TEST_CASE("a callback may hold the answer that it belongs to", "[server][pending]") {
  testing::Server server;
  std::optional<testing::MadePendingResponse> made(server.make_pending_response());
  made->pending.on_timeout([pending = made->pending] { pending.respond(Response::text(200, "from inside")); });
  made->pending.expire_after(1s, Response::text(200, "expired"));
  const testing::Client client = std::move(made->client);
  made.reset();
  server.advance(1s);
  CHECK(client.body() == "expired");
}
