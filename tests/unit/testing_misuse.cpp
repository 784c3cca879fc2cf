// What a server in memory says when it is used as it cannot be.
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/registry/emitter.hpp>
#include <spate/testing/server.hpp>

#include "support/catch.hpp"

using namespace spate;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;

namespace {

/// What `call` says when it throws an `Error`; `nothing` when it does not throw.
template <typename Error, typename Call>
std::string said_by(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("a server that is called from inside its own handler says so", "[testing][misuse]") {
  testing::Server server;
  std::optional<testing::Client> client;
  std::function<void()> call = [] {};
  server.get("/hello", [](const Request&) { return Response::text(200, "hello"); });
  server.stream("/events", [](const EventStream&) {});
  server.get("/inside", [&](const Request&) {
    call();
    return Response(204);
  });
  server.get("/inside/later", [&](const Request&) -> asio::awaitable<Response> {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    call();
    co_return Response(204);
  });
  client = server.subscribe("/events");

  const std::pair<std::string, std::function<void()>> calls[] = {
      {"handle()", [&] { server.handle("/hello"); }},
      {"ask()", [&] { static_cast<void>(server.ask("/hello")); }},
      {"subscribe()", [&] { static_cast<void>(server.subscribe("/events")); }},
      {"advance()", [&] { server.advance(1s); }},
      {"run()", [&] { server.run(); }},
      {"run_until()", [&] { server.run_until([] { return true; }); }},
      {"make_stream()", [&] { server.make_stream(); }},
      {"Client::leave()", [&] { client->leave(); }},
      {"Client::stall()", [&] { client->stall(); }},
      {"Client::reconnect()", [&] { client->reconnect(); }},
  };
  for (const auto& [name, inside] : calls) {
    CAPTURE(name);
    call = inside;
    for (const char* target : {"/inside", "/inside/later"}) {
      const std::size_t before = server.errors().size();
      CHECK(server.handle(target).status == 500);
      REQUIRE(server.errors().size() == before + 1);
      CHECK(server.errors().back() == "spate::testing::Server: " + name +
                                          " is called from inside a handler or a callback, which it would wait for");
    }
  }
  // To look is allowed: it tells what has come so far.
  call = [&] { static_cast<void>(client->events()); };
  CHECK(server.handle("/inside").status == 204);
  CHECK(client->is_open());
}

TEST_CASE("a callback that calls the server is told so, too", "[testing][misuse]") {
  testing::Server server;
  server.stream("/events", [&](EventStream stream) {
    stream.on_complete([&] { server.advance(1s); });
    stream.complete();
  });
  CHECK(server.subscribe("/events").status() == 200);
  REQUIRE(server.errors().size() == 1);
  CHECK_THAT(server.errors().front(), ContainsSubstring("advance() is called from inside"));
}

TEST_CASE("a client that a handler drops leaves afterwards", "[testing][misuse]") {
  testing::Server server;
  std::optional<testing::Client> client;
  bool over = false;
  server.stream("/events", [&](EventStream stream) { stream.on_complete([&] { over = true; }); });
  server.get("/drop", [&](const Request&) {
    client.reset();
    return Response(204);
  });
  client = server.subscribe("/events");
  CHECK(server.handle("/drop").status == 204);
  server.run();
  CHECK(over);
  CHECK(server.errors().empty());
}

TEST_CASE("another thread cannot run the server meanwhile", "[testing][misuse]") {
  testing::Server server;
  std::string said;
  server.get("/thread", [&](const Request&) {
    std::thread other([&] { said = said_by<std::logic_error>([&] { server.run(); }); });
    other.join();
    return Response(204);
  });
  CHECK(server.handle("/thread").status == 204);
  CHECK_THAT(said, ContainsSubstring("run() is called while another thread runs the server"));
}

TEST_CASE("a handler that produces without an end is stopped and told", "[testing][misuse]") {
  int rounds = 0;
  testing::Server server;
  server.set_run_limits({.steps = 5000, .bytes = 1 << 20});

  SECTION("for ever, in small pieces") {
    server.stream("/endless", [&](EventStream stream) -> asio::awaitable<void> {
      for (;; ++rounds) {
        const Event event("x");
        co_await stream.async_send(event, asio::use_awaitable);
      }
    });
    CHECK_THAT(said_by<std::runtime_error>([&] { static_cast<void>(server.subscribe("/endless")); }),
               ContainsSubstring("there is still something to do after 5000 steps"));
    CHECK(rounds > 100);
    CHECK(rounds < 5000);
  }
  SECTION("or in large ones") {
    server.stream("/endless", [&](EventStream stream) -> asio::awaitable<void> {
      for (;; ++rounds) {
        const Event event(std::string(64 * 1024, 'x'));
        co_await stream.async_send(event, asio::use_awaitable);
      }
    });
    CHECK_THAT(said_by<std::runtime_error>([&] { static_cast<void>(server.subscribe("/endless")); }),
               ContainsSubstring("there is still something to do after 1048576 bytes to its clients"));
    CHECK(rounds < 40);
  }
  SECTION("or by posting itself") {
    const auto again = std::make_shared<std::function<void()>>();
    *again = [&, weak = std::weak_ptr(again)] {
      ++rounds;
      if (const auto function = weak.lock()) asio::post(server.get_executor(), *function);
    };
    server.get("/busy", [&](const Request&) {
      (*again)();
      return Response(204);
    });
    CHECK_THROWS_AS(server.handle("/busy"), std::runtime_error);
    CHECK(rounds > 1000);
  }
  SECTION("or one that polls and never has to wait") {
    server.stream("/poll", [&](const EventStream&) { ++rounds; });
    testing::Client poll = server.subscribe("/poll?transport=poll&timeout=0");
    CHECK_THROWS_AS(poll.keep_reconnecting(), std::runtime_error);
    CHECK(rounds > 100);
  }
}

TEST_CASE("a producer without an end is followed by a client that stalls", "[testing][misuse]") {
  testing::Server server;
  int rounds = 0;
  server.stream("/endless", [&](EventStream stream) -> asio::awaitable<void> {
    asio::steady_timer tick(stream.get_executor());
    for (;; ++rounds) {
      const Event event("x");
      co_await stream.async_send(event, asio::use_awaitable);
      tick.expires_after(5ms);
      co_await tick.async_wait(asio::use_awaitable);
    }
  });
  // Its own timer goes by real time, which is waited for.
  const testing::Client client = server.subscribe("/endless");
  CHECK(client.events().size() <= 1U + static_cast<std::size_t>(rounds));
  CHECK(server.run_until([&] { return client.events().size() > 3; }));
}

TEST_CASE("an answer that cannot be given says why", "[testing][misuse]") {
  testing::Server server;
  std::optional<PendingResponse> pending;
  server.stream("/events", [](const EventStream&) {});
  server.get("/later", [&](const Request&, PendingResponse given) { pending = std::move(given); });
  server.get("/cut", [](const Request&, const StreamedResponse& response) {
    response.begin(Response(200).body("some"));
    response.abort();
  });

  CHECK(said_by<std::logic_error>([&] { server.handle("/events"); }) ==
        "spate::testing::Server: GET /events is answered with a stream that stays open: subscribe() follows it");
  CHECK(said_by<std::logic_error>([&] { server.handle("/later"); }) ==
        "spate::testing::Server: GET /later is not answered yet: its handler waits for the time, or for another "
        "thread. ask() follows it");
  CHECK_THAT(said_by<std::logic_error>([&] { server.handle("/cut"); }), ContainsSubstring("in part only"));
  // Who did not get an answer has left.
  server.run();
  CHECK(server.stats().streams == 0);
  CHECK_THAT(said_by<std::invalid_argument>([&] { server.handle(Request()); }), ContainsSubstring("no method"));
}

TEST_CASE("what makes no sense is refused", "[testing][misuse]") {
  testing::Server server;
  server.stream("/events", [](const EventStream&) {});
  CHECK_THROWS_AS(server.advance(-1s), std::invalid_argument);
  CHECK_THROWS_AS(server.advance(std::chrono::nanoseconds::max()), std::invalid_argument);
  CHECK_THAT(said_by<std::invalid_argument>([&] {
               static_cast<void>(server.subscribe("/events", {Transport::sse, "nowhere"}));
             }),
             ContainsSubstring("\"nowhere\""));
  testing::Client client = server.subscribe("/events");
  CHECK_THAT(said_by<std::logic_error>([&] { client.read(1); }), ContainsSubstring("for one that stalls"));
  CHECK_THROWS_AS(client.keep_reconnecting(-1s), std::invalid_argument);
  ServerOptions wrong;
  wrong.request_timeout = -1s;
  CHECK_THROWS_AS(testing::Server(wrong), std::invalid_argument);
}

TEST_CASE("a client that is to wait for longer than a clock can tell does not come back", "[testing][misuse]") {
  testing::Server server;
  server.stream("/events", [](const EventStream& stream) { stream.complete(); });
  testing::Client client = server.subscribe("/events");
  client.keep_reconnecting(std::chrono::milliseconds::max());
  server.advance(24h);
  CHECK(client.connections() == 1);
}

TEST_CASE("a moment that has passed already is due at once", "[testing][misuse]") {
  testing::Server server;
  server.get("/late", [](const Request&, const PendingResponse& pending) {
    pending.expire_after(-1h, Response::text(200, "too late"));
    pending.on_timeout([pending] {});
  });
  testing::Client asked = server.ask("/late");
  server.advance(1s);
  CHECK(asked.body() == "too late");
}

TEST_CASE("clients, streams and answers may outlive their server", "[testing][misuse]") {
  std::optional<testing::Client> client;
  std::optional<EventStream> stream;
  std::optional<PendingResponse> pending;
  bool over = false;
  {
    testing::Server server;
    server.stream("/events", [&](EventStream opened) {
      opened.send(Event("x"));
      opened.on_complete([&] { over = true; });
      stream = std::move(opened);
    });
    client = server.subscribe("/events");
    auto made = server.make_pending_response();
    pending = std::move(made.pending);
  }
  CHECK(over);
  CHECK_FALSE(stream->is_open());
  CHECK(stream->send(Event("y")) == SendResult::closed);
  CHECK_FALSE(pending->respond(Response(200)));
  CHECK_FALSE(client->is_open());
  CHECK(client->data() == std::vector<std::string>{"x"});
  client->leave();
  client->reconnect();
  CHECK(client->connections() == 1);
}

TEST_CASE("handlers go with their server, whoever is still at the other end", "[testing][misuse]") {
  const auto held = std::make_shared<int>(7);
  std::optional<testing::Client> client;
  {
    testing::Server server;
    server.stream("/events", [held](EventStream stream) { stream.open(); });
    client = server.subscribe("/events");
    CHECK(held.use_count() > 1);
  }
  CHECK(held.use_count() == 1);
}

TEST_CASE("timers of a handler's own and other threads are waited for in real time", "[testing]") {
  testing::Server server;
  std::thread worker;
  server.get("/timer", [](const Request&) -> asio::awaitable<Response> {
    asio::steady_timer timer(co_await asio::this_coro::executor, 2ms);
    co_await timer.async_wait(asio::use_awaitable);
    co_return Response::text(200, "after a while");
  });
  server.get("/thread", [&](const Request&, PendingResponse pending) {
    worker = std::thread([pending = std::move(pending)] { pending.respond(Response::text(200, "by another")); });
  });

  const testing::Client timer = server.ask("/timer");
  CHECK(server.run_until([&] { return !timer.is_open(); }));
  CHECK(timer.body() == "after a while");
  const testing::Client thread = server.ask("/thread");
  CHECK(server.run_until([&] { return !thread.is_open(); }));
  CHECK(thread.body() == "by another");
  worker.join();
  CHECK_FALSE(server.run_until([] { return false; }, 1ms));
}
