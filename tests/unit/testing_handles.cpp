// Handles that a test makes by itself, for functions that take one.
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/registry/emitter.hpp>
#include <spate/testing/catch_matchers.hpp>
#include <spate/testing/server.hpp>

#include "support/catch.hpp"

using namespace spate;
using namespace std::chrono_literals;
using spate::testing::ReceivedExactly;
using spate::testing::ReceivedNothing;

namespace {

void greet(const EventStream& stream) {
  if (stream.request()->query("name").value_or("").empty()) {
    stream.reject(Response::error(400, "who are you?"));
    return;
  }
  stream.header("X-Greeting", "yes");
  stream.send(Event("hello " + *stream.request()->query("name")));
}

asio::awaitable<void> count(EventStream stream, int most) {
  for (int i = 1; i <= most; ++i) {
    const Event event(std::to_string(i));
    co_await stream.async_send(event, asio::use_awaitable);
  }
  stream.complete();
}

}  // namespace

TEST_CASE("a function that takes a stream is given one", "[testing]") {
  testing::Server server;
  SECTION("it sends") {
    const auto [stream, client] = server.make_stream(Request("GET", "/?name=anna"));
    CHECK(client.status() == 0);
    greet(stream);
    CHECK(client.status() == 200);
    CHECK(client.header("x-greeting") == "yes");
    CHECK_THAT(client.events(), ReceivedExactly(Event("hello anna")));
    CHECK(client.is_open());
    server.advance(15s);
    CHECK(client.heartbeats() == 1);
  }
  SECTION("it rejects") {
    const auto [stream, client] = server.make_stream();
    greet(stream);
    CHECK(client.status() == 400);
    CHECK_FALSE(stream.is_open());
  }
  SECTION("a coroutine") {
    auto made = server.make_stream();
    asio::co_spawn(made.stream.get_executor(), count(made.stream, 3), asio::detached);
    CHECK_THAT(made.client.events(), ReceivedExactly(Event("1"), Event("2"), Event("3")));
    CHECK(made.client.end_reason() == EndReason::completed);
  }
  SECTION("its client stalls and leaves") {
    ServerOptions options;
    options.stream.max_queued_bytes = 100;
    testing::Server small(options);
    auto [stream, client] = small.make_stream();
    stream.open();
    client.stall();
    while (stream.send(Event("some text")) == SendResult::queued) small.run();
    CHECK(client.end_reason() == EndReason::overflow);
  }
}

TEST_CASE("a handle has what a route and its hook would have said of the request", "[testing]") {
  testing::Server server;
  Request request("GET", "/");
  request.set_param("user", "anna").set_param("room", "7").set_expiry(server.wall_now() + 1h);
  const auto [stream, client] = server.make_stream(request);
  CHECK(stream.request()->param("user") == "anna");
  CHECK(stream.request()->param("room") == "7");
  stream.open();
  server.advance(59min);
  CHECK(client.is_open());
  server.advance(2min);
  CHECK(client.end_reason() == EndReason::expired);
}

TEST_CASE("streams that a test makes are an emitter's like others", "[testing]") {
  testing::Server server;
  Emitter emitter;
  const auto [stream, client] = server.make_stream();
  CHECK_FALSE(emitter.add("anna", stream));
  emitter.send("anna", Event("x"));
  CHECK_THAT(client.events(), ReceivedExactly(Event("x")));
}

TEST_CASE("a function that answers later is given what it answers", "[testing]") {
  testing::Server server;
  auto [pending, client] = server.make_pending_response();
  pending.expire_after(10s, Response::error(504, "nobody answered"));
  SECTION("in time") {
    CHECK(pending.respond(Response::text(200, "here")));
    CHECK(client.body() == "here");
  }
  SECTION("too late") {
    server.advance(10s);
    CHECK(client.status() == 504);
    CHECK_FALSE(pending.respond(Response::text(200, "here")));
  }
}

TEST_CASE("a client that read its whole answer while it stalled is done with it", "[testing]") {
  testing::Server server;
  auto [pending, client] = server.make_pending_response();
  client.stall();
  pending.respond(Response::text(200, "here"));
  client.read(10'000);
  CHECK(client.body() == "here");
  client.read_on();
  CHECK(server.stats().open_connections.http1 == 0);  // it has hung up
}

TEST_CASE("a pending response of which every copy is dropped is answered with 500", "[testing]") {
  testing::Server server;
  std::optional<testing::MadePendingResponse> made(server.make_pending_response());
  const testing::Client client = std::move(made->client);
  made.reset();
  CHECK(client.status() == 500);
}

TEST_CASE("a function that answers in pieces is given what it writes to", "[testing]") {
  testing::Server server;
  auto [response, client] = server.make_streamed_response();
  response.begin(Response(200).content_type("text/plain"));
  std::vector<std::error_code> written;
  response.async_write("one ", [&](std::error_code error) { written.push_back(error); });
  response.async_write("two", [&](std::error_code error) { written.push_back(error); });
  response.finish();
  CHECK(client.body() == "one two");
  CHECK_FALSE(client.was_cut());
  CHECK(written == std::vector<std::error_code>(2));
}

TEST_CASE("a request that can have no such answer is refused with the reason", "[testing]") {
  testing::Server server;
  CHECK_THROWS_AS(server.make_stream(Request("HEAD", "/")), std::invalid_argument);
  CHECK_THROWS_WITH(
      server.make_stream(Request("GET", "/?transport=smoke")),
      Catch::Matchers::ContainsSubstring("answered with 400") && Catch::Matchers::ContainsSubstring("smoke"));
}

TEST_CASE("routes and hooks of the server are not asked for a stream that a test makes", "[testing]") {
  testing::Server server;
  RouteOptions closed;
  closed.authorize = [](Request&) -> std::optional<Response> { return Response::error(401, "no"); };
  server.stream(
      "/", [](const EventStream&) {}, closed);
  CHECK(server.subscribe("/").status() == 401);
  const auto [stream, client] = server.make_stream();
  stream.open();
  CHECK(client.status() == 200);
  CHECK_THAT(client.events(), ReceivedNothing());
}
