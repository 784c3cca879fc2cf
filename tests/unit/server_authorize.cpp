// Hooks that take their time to decide, and clients that leave meanwhile, by a clock that stands.
// (loopback/server_authorize.cpp has more of it over sockets.)
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/testing/catch_matchers.hpp>
#include <spate/testing/server.hpp>

#include "support/catch.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;
using spate::testing::ReceivedExactly;

namespace {

/// Routes of several kinds under a hook that decides when the test says so.
struct Gated {
  explicit Gated(ServerOptions options = {}) : server(std::move(options)) {
    RouteOptions gated;
    gated.authorize = [this](Request& request) -> asio::awaitable<std::optional<Response>> {
      asio::steady_timer timer(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
      waiting.push_back(&timer);
      const std::string target(request.target());
      std::error_code error;
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
      std::erase(waiting, &timer);
      const auto cancellation = co_await asio::this_coro::cancellation_state;
      if (cancellation.cancelled() != asio::cancellation_type::none) left.push_back(target);
      if (!request.header("x-user")) co_return Response::error(401, "who are you?");
      co_return std::nullopt;
    };
    server.get(
        "/value", [this](const Request&) { return served("value"); }, gated);
    server.get(
        "/pending", [this](const Request&, const PendingResponse& pending) { pending.respond(served("pending")); },
        gated);
    server.stream(
        "/stream",
        [this](const EventStream& stream) {
          stream.send(Event(served("stream").body()));
          stream.complete();
        },
        gated);
  }
  ~Gated() { server.stop(); }
  Gated(const Gated&) = delete;
  Gated& operator=(const Gated&) = delete;

  testing::Client ask(const std::string& target, const std::string& user = "bob") {
    Request request("GET", target);
    if (!user.empty()) request.add_header("X-User", user);
    return server.ask(request);
  }
  void open() {
    const std::vector<asio::steady_timer*> all = waiting;
    for (asio::steady_timer* const timer : all) timer->cancel();
  }

  Texts served_kinds, left;
  std::vector<asio::steady_timer*> waiting;
  testing::Server server;

 private:
  Response served(const std::string& kind) {
    served_kinds.push_back(kind);
    return Response::text(200, kind);
  }
};

}  // namespace

TEST_CASE("a hook is waited for before every kind of handler, however long it takes", "[server][authorize]") {
  Gated gated;
  const testing::Client value = gated.ask("/value"), pending = gated.ask("/pending"), stream = gated.ask("/stream"),
                        poll = gated.ask("/stream?transport=poll&timeout=0"), stranger = gated.ask("/value", "");
  gated.server.advance(24h);
  CHECK(gated.waiting.size() == 5);
  CHECK(gated.served_kinds.empty());
  CHECK(value.status() == 0);

  gated.open();
  CHECK(value.body() == "value");
  CHECK(pending.body() == "pending");
  CHECK_THAT(stream.events(), ReceivedExactly(Event("stream")));
  CHECK(poll.status() == 200);
  CHECK(stranger.status() == 401);
  CHECK(gated.served_kinds == Texts{"value", "pending", "stream", "stream"});
  CHECK(gated.left.empty());
}

TEST_CASE("a client whose connection breaks ends the wait for a verdict, and is not served", "[server][authorize]") {
  Gated gated;
  for (const char* target : {"/value", "/pending", "/stream", "/stream?transport=poll&timeout=0"}) {
    CAPTURE(target);
    testing::Client client = gated.ask(target);
    client.reset();
    REQUIRE_FALSE(gated.left.empty());
    CHECK(gated.left.back() == target);
  }
  CHECK(gated.waiting.empty());
  CHECK(gated.served_kinds.empty());
  CHECK(gated.server.errors().empty());
  CHECK(gated.server.stats().streams_opened == 0);
}

TEST_CASE("a client that closes its end is looked for while a stream may come, and found to have gone",
          "[server][authorize]") {
  Gated gated;
  testing::Client listener = gated.ask("/stream");
  listener.leave();
  // Only a word that is sent to it tells whether it has gone altogether. (RFC 9110 15.2)
  CHECK(gated.left.empty());
  gated.server.advance(10s);
  CHECK(gated.left == Texts{"/stream"});
  // Who waits for an ordinary answer may have closed their own side only.
  testing::Client other = gated.ask("/value");
  other.leave();
  gated.server.advance(1h);
  CHECK(gated.left.size() == 1);
  gated.open();
  gated.server.run();
  CHECK(gated.served_kinds == Texts{"value"});
}

TEST_CASE("a drain waits for a verdict until its deadline", "[server][authorize]") {
  Gated gated;
  const testing::Client value = gated.ask("/value"), listener = gated.ask("/stream");
  std::optional<std::size_t> cut;
  gated.server.shutdown(30s, [&](std::size_t count) { cut = count; });
  gated.server.advance(29'999ms);
  CHECK_FALSE(cut);
  SECTION("that comes in time") {
    gated.open();
    CHECK(value.body() == "value");
    // The stream is let in, says what it has to say, and ends.
    CHECK_THAT(listener.events(), ReceivedExactly(Event("stream")));
    CHECK(cut == 0U);
  }
  SECTION("or too late") {
    gated.server.advance(1ms);
    CHECK(cut == 2U);
    CHECK(gated.left.size() == 2);
    CHECK(value.was_cut());
    CHECK(value.status() == 0);
  }
}

TEST_CASE("a credential ends a stream, a frame and a poll at its moment", "[server][authorize]") {
  ServerOptions options;
  options.stream.farewell = [](EndReason reason) { return Event(std::string(to_string(reason))).name("closing"); };
  testing::Server server(options);
  RouteOptions guarded;
  guarded.authorize = [&](Request& request) -> std::optional<Response> {
    request.set_expiry(server.wall_now() + 30s);
    return std::nullopt;
  };
  server.stream(
      "/", [](const EventStream&) {}, guarded);

  const testing::Client stream = server.subscribe("/"), frame = server.subscribe("/?transport=iframe"),
                        poll = server.subscribe("/?transport=poll&timeout=60000");
  server.advance(29'999ms);
  CHECK(stream.is_open());
  CHECK(frame.is_open());
  CHECK(poll.is_open());
  server.advance(1ms);
  CHECK_THAT(stream.events(), ReceivedExactly(Event("expired").name("closing")));
  CHECK_THAT(frame.events(), ReceivedExactly(Event("expired").name("closing")));
  CHECK(stream.end_reason() == EndReason::expired);
  // Nothing is said about the end to who polls: it asks again, and is refused.
  CHECK(poll.status() == 200);
  CHECK(poll.events().empty());
  CHECK(server.stats().streams == 0);
}
