// Streams of a server in memory: what their clients receive and do, and what time does to them.
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/history/memory_replay_store.hpp>
#include <spate/registry/emitter.hpp>
#include <spate/testing/catch_matchers.hpp>
#include <spate/testing/server.hpp>

#include "support/catch.hpp"
#include "support/held_emitter.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;
using spate::testing::Received;
using spate::testing::ReceivedExactly;
using spate::testing::ReceivedNothing;

namespace {

EmitterOptions with_history() {
  return HeldEmitter::with_history();
}

ServerOptions with(StreamOptions stream) {
  ServerOptions options;
  options.stream = std::move(stream);
  return options;
}

}  // namespace

TEST_CASE("a client receives what is sent, as a browser would", "[testing][stream]") {
  testing::Server server;
  std::optional<EventStream> stream;
  server.stream("/events", [&](EventStream opened) {
    opened.header("X-Mine", "yes");
    stream = std::move(opened);
  });

  const testing::Client client = server.subscribe("/events");
  CHECK(client.status() == 200);
  CHECK(client.header("content-type") == "text/event-stream");
  CHECK(client.header("x-mine") == "yes");
  CHECK(client.is_open());
  CHECK_THAT(client.events(), ReceivedNothing());

  stream->send(Event("one\ntwo").name("note").id("7").retry(2s));
  stream->comment("by the way");
  stream->send(Event("three"));
  const testing::Events events = client.events();
  REQUIRE(events.size() == 2);
  CHECK(events[0].data == "one\ntwo");
  CHECK(events[0].name == "note");
  CHECK(events[0].id == "7");
  CHECK(events[0].retry == 2s);
  CHECK(events[1].name == "message");
  CHECK(events[1].last_event_id == "7");
  CHECK_FALSE(events[1].id);
  CHECK(client.comments() == Texts{"by the way"});
  CHECK(client.last_event_id() == "7");
  CHECK(client.retry() == 2s);
  CHECK_FALSE(client.end_reason());

  stream->complete(Event("bye"));
  CHECK(client.data() == Texts{"one\ntwo", "three", "bye"});
  CHECK_FALSE(client.is_open());
  CHECK_FALSE(client.was_cut());
  CHECK(client.end_reason() == EndReason::completed);
}

TEST_CASE("events that were looked at are taken away on demand", "[testing][stream]") {
  HeldEmitter bench;
  testing::Client anna = bench.server.subscribe("/anna");
  bench.emitter.send("anna", Event("1"));
  CHECK_THAT(anna.take_events(), ReceivedExactly(Event("1")));
  CHECK_THAT(anna.events(), ReceivedNothing());
  bench.emitter.send("anna", Event("2"));
  CHECK_THAT(anna.events(), ReceivedExactly(Event("2")));
}

TEST_CASE("an emitter sends to its users, and its hooks run", "[testing][stream]") {
  HeldEmitter bench;

  testing::Client anna = bench.server.subscribe("/team-anna");
  const testing::Client ben = bench.server.subscribe("/ben");
  CHECK(bench.emitter.send("team-anna", Event("to anna")).streams == 1);
  bench.emitter.send_group("team-", Event("to the team"));
  bench.emitter.broadcast(Event("to all").name("note"));
  CHECK_THAT(anna.events(), ReceivedExactly(Event("to anna"), Event("to the team"), Event("to all").name("note")));
  CHECK_THAT(ben.events(), ReceivedExactly(Event("to all").name("note")));

  anna.leave();
  CHECK(anna.end_reason() == EndReason::client);
  CHECK(bench.emitter.users() == Texts{"ben"});
  CHECK(bench.emitter.remove("ben") == 1);
  CHECK(ben.end_reason() == EndReason::closed);
  bench.server.run();
  CHECK(bench.presence == Texts{"+team-anna", "+ben", "-team-anna", "-ben"});
}

TEST_CASE("a client that goes out of scope leaves", "[testing][stream]") {
  HeldEmitter bench;
  {
    const testing::Client anna = bench.server.subscribe("/anna");
    CHECK(bench.emitter.contains("anna"));
  }
  bench.server.run();
  CHECK_FALSE(bench.emitter.contains("anna"));
}

TEST_CASE("a client that comes back receives what it missed", "[testing][stream][resume]") {
  HeldEmitter bench(with_history());
  testing::Client anna = bench.server.subscribe("/anna");
  bench.emitter.send("anna", Event("1"));
  CHECK_THAT(anna.events(), ReceivedExactly(Event("1")));
  const std::string seen = anna.last_event_id();
  CHECK_FALSE(seen.empty());

  anna.leave();
  bench.emitter.send("anna", Event("2"));
  bench.emitter.send("ben", Event("not hers"));
  bench.emitter.send("anna", Event("3"));
  anna.reconnect();
  CHECK(anna.connections() == 2);
  REQUIRE(bench.last);
  CHECK(bench.last->last_event_id() == seen);
  CHECK_THAT(anna.events(), ReceivedExactly(Event("1"), Event("2"), Event("3")));

  // Another one says by itself where it wants to begin.
  const testing::Client late = bench.server.subscribe(Request("GET", "/anna").add_header("Last-Event-ID", seen));
  CHECK_THAT(late.events(), ReceivedExactly(Event("2"), Event("3")));
}

TEST_CASE("a client that may come back by itself does so after its reconnection time", "[testing][stream][resume]") {
  StreamOptions stream;
  stream.retry = 5s;
  HeldEmitter bench(with_history(), with(stream));
  testing::Client anna = bench.server.subscribe("/anna");
  anna.keep_reconnecting();
  CHECK(anna.retry() == 5s);
  bench.emitter.send("anna", Event("1"));

  SECTION("the server ends its stream") {
    bench.emitter.remove("anna");
    bench.emitter.send("anna", Event("2"));
    bench.server.advance(4999ms);
    CHECK(anna.connections() == 1);
    CHECK_FALSE(anna.is_open());
    bench.server.advance(1ms);
    CHECK(anna.connections() == 2);
    CHECK(anna.is_open());
    CHECK_THAT(anna.events(), ReceivedExactly(Event("1"), Event("2")));
  }
  SECTION("the network cuts it") {
    anna.reset();
    bench.server.advance(5s);
    CHECK(anna.is_open());
  }
  SECTION("but it stays away once it has left") {
    anna.leave();
    bench.server.advance(1min);
    CHECK(anna.connections() == 1);
  }
}

TEST_CASE("a client does not come back to who tells it to stop", "[testing][stream][resume]") {
  testing::Server server;
  int asked = 0;
  server.stream("/job", [&](EventStream stream) {
    if (++asked > 1) {
      stream.reject(Response(204));
    } else {
      stream.complete(Event("done"));
    }
  });
  testing::Client client = server.subscribe("/job");
  client.keep_reconnecting(1s);
  server.advance(1min);
  CHECK(asked == 2);
  CHECK(client.status() == 204);
  CHECK_THAT(client.events(), ReceivedExactly(Event("done")));
}

TEST_CASE("heartbeats, a lifetime and a token come at their time", "[testing][stream][time]") {
  SECTION("a heartbeat for each interval") {
    HeldEmitter bench;
    const testing::Client anna = bench.server.subscribe("/anna");
    bench.server.advance(14s);
    CHECK(anna.heartbeats() == 0);
    bench.server.advance(1s);
    CHECK(anna.heartbeats() == 1);
    bench.server.advance(60min);
    CHECK(anna.heartbeats() == 241);
    CHECK_THAT(anna.events(), ReceivedNothing());
  }
  SECTION("one that is an event") {
    StreamOptions stream;
    stream.heartbeat = 10s;
    stream.heartbeat_event = "beat";
    HeldEmitter bench({}, with(stream));
    const testing::Client anna = bench.server.subscribe("/anna");
    bench.server.advance(10s);
    CHECK_THAT(anna.events(), ReceivedExactly(Event("").name("beat")));
    CHECK(anna.heartbeats() == 0);
  }
  SECTION("a lifetime, and a farewell") {
    StreamOptions stream;
    stream.lifetime = 10min;
    stream.farewell = [](EndReason reason) { return Event(std::string(to_string(reason))).name("bye"); };
    HeldEmitter bench({}, with(stream));
    const testing::Client anna = bench.server.subscribe("/anna");
    bench.server.advance(8min - 1ms);
    CHECK(anna.is_open());
    bench.server.advance(2min + 1ms);
    CHECK(anna.end_reason() == EndReason::lifetime);
    CHECK_THAT(anna.events(), ReceivedExactly(Event("lifetime").name("bye")));
  }
  SECTION("a token that runs out") {
    testing::Server server;
    RouteOptions route;
    route.authorize = [&](Request& request) -> std::optional<Response> {
      request.set_expiry(server.wall_now() + 1h);
      return std::nullopt;
    };
    server.stream(
        "/events", [](const EventStream&) {}, route);
    const testing::Client client = server.subscribe("/events");
    server.advance(1h - 1ms);
    CHECK(client.is_open());
    server.advance(1ms);
    CHECK(client.end_reason() == EndReason::expired);
    // Somebody sets the clock on the wall forward: seen with the next heartbeat.
    const testing::Client other = server.subscribe("/events");
    server.set_wall_now(server.wall_now() + 2h);
    server.advance(16s);
    CHECK(other.end_reason() == EndReason::expired);
  }
  SECTION("a store that goes by the server's clock forgets") {
    std::optional<testing::Server> server(std::in_place);
    ReplayLimits limits;
    limits.max_age = 1min;
    EmitterOptions options;
    options.replay = std::make_shared<MemoryReplayStore>(limits, [&] { return server->now(); });
    Emitter emitter(options);
    server->stream("/{user}", [&](EventStream stream) { emitter.add(stream.request()->param("user"), stream); });
    testing::Client anna = server->subscribe("/anna");
    emitter.send("anna", Event("0"));
    anna.leave();
    emitter.send("anna", Event("1"));
    server->advance(2min);
    emitter.send("anna", Event("2"));
    anna.reconnect();
    CHECK_THAT(anna.events(), ReceivedExactly(Event("0"), Event().name("gap"), Event("2")));
    server.reset();
  }
}

TEST_CASE("a client that reads nothing is dealt with as the options say", "[testing][stream][slow]") {
  StreamOptions stream;
  stream.max_queued_bytes = 1000;
  const std::string text(400, 'x');

  SECTION("its stream overflows") {
    HeldEmitter bench({}, with(stream));
    testing::Client slow = bench.server.subscribe("/anna");
    const testing::Client quick = bench.server.subscribe("/anna");
    slow.stall();
    for (int i = 0; i < 4; ++i) {
      bench.emitter.send("anna", Event(text));
      bench.server.run();
    }
    CHECK(slow.end_reason() == EndReason::overflow);
    CHECK_FALSE(slow.is_open());
    CHECK(quick.is_open());
    CHECK(quick.events().size() == 4);
  }
  SECTION("or drops what is oldest, and tells of the gap") {
    stream.overflow = Overflow::drop_oldest;
    HeldEmitter bench({}, with(stream));
    testing::Client slow = bench.server.subscribe("/anna");
    slow.stall();
    for (const char* name : {"a", "b", "c", "d"}) {
      bench.emitter.send("anna", Event(text).name(name));
      bench.server.run();
    }
    CHECK(slow.is_open());
    slow.read_on();
    CHECK_THAT(slow.events(), ReceivedExactly(Event().name("gap"), Event(text).name("c"), Event(text).name("d")));
  }
  SECTION("or is given up after a while") {
    HeldEmitter bench({}, with(stream));
    testing::Client slow = bench.server.subscribe("/anna");
    slow.stall();
    bench.emitter.send("anna", Event(text));
    std::optional<std::error_code> error;
    bench.last->on_error([&](std::error_code why) { error = why; });
    bench.server.advance(19s);
    CHECK(slow.is_open());
    bench.server.advance(21s);
    CHECK(slow.end_reason() == EndReason::write_timeout);
  }
  SECTION("a slow one that reads enough stays") {
    stream.max_queued_bytes = 1'000'000;
    stream.min_rate = 100;
    HeldEmitter bench({}, with(stream));
    testing::Client slow = bench.server.subscribe("/anna");
    slow.stall();
    for (int i = 0; i < 100; ++i) bench.emitter.send("anna", Event(text));
    for (int minute = 0; minute < 3; ++minute) {
      for (int i = 0; i < 6; ++i) {
        bench.server.advance(10s);
        slow.read(2500);
      }
      CHECK(slow.is_open());
    }
    CHECK(slow.events().size() > 60);
    slow.read_on();
    CHECK(slow.events().size() == 100);
  }
  SECTION("room between them is used first") {
    HeldEmitter bench({}, with(stream));
    testing::Client slow = bench.server.subscribe("/anna");
    slow.stall(2000);
    for (int i = 0; i < 4; ++i) {
      bench.emitter.send("anna", Event(text));
      bench.server.run();
    }
    CHECK(slow.is_open());
    CHECK_THAT(slow.events(), ReceivedNothing());  // it has not read them
    slow.read_on();
    CHECK(slow.events().size() == 4);
  }
}

TEST_CASE("the server sees how a client goes", "[testing][stream]") {
  HeldEmitter bench;
  testing::Client anna = bench.server.subscribe("/anna");
  Texts notes;
  bench.last->on_error([&](std::error_code) { notes.emplace_back("error"); });
  bench.last->on_complete([&] { notes.emplace_back("complete"); });

  SECTION("a tab is closed") {
    anna.leave();
    CHECK(notes == Texts{"complete"});
  }
  SECTION("a network breaks") {
    anna.reset();
    CHECK(notes == Texts{"error", "complete"});
  }
  CHECK(anna.end_reason() == EndReason::client);
  CHECK(anna.was_cut());
  CHECK_FALSE(anna.is_open());
}

TEST_CASE("a coroutine produces at the pace of its client", "[testing][stream][coroutine]") {
  testing::Server server;
  int made = 0;
  server.stream("/numbers", [&](EventStream stream) -> asio::awaitable<void> {
    for (; made < 50; ++made) {
      const Event event(std::string(1000, 'x'));
      co_await stream.async_send(event, asio::use_awaitable);
    }
  });
  SECTION("all at once for one that reads") {
    const testing::Client client = server.subscribe("/numbers");
    CHECK(made == 50);
    CHECK(client.events().size() == 50);
    CHECK(client.end_reason() == EndReason::completed);
  }
  SECTION("and is cancelled with one that leaves") {
    std::optional<testing::Client> client(server.subscribe("/numbers?slow"));
    client.reset();
    server.run();
    CHECK(server.errors().empty());
  }
}

TEST_CASE("a coroutine waits while its client stalls", "[testing][stream][coroutine]") {
  testing::Server server;
  int made = 0;
  std::optional<EventStream> opened;
  server.stream("/numbers", [&](EventStream stream) -> asio::awaitable<void> {
    opened = stream;
    const Event first("first");
    co_await stream.async_send(first, asio::use_awaitable);
    co_await stream.async_closed(asio::use_awaitable);
  });
  testing::Client client = server.subscribe("/numbers");
  CHECK_THAT(client.events(), ReceivedExactly(Event("first")));
  client.stall();
  opened->async_send(Event("x"), [&](std::error_code error) { made += error ? -1 : 1; });
  server.run();
  CHECK(made == 0);
  client.read_on();
  CHECK(made == 1);
  client.leave();
  CHECK(server.errors().empty());
}

TEST_CASE("whoever polls gets one answer for each question", "[testing][stream][poll]") {
  HeldEmitter bench(with_history());

  testing::Client poll = bench.server.subscribe("/anna", {Transport::poll});
  CHECK(poll.status() == 0);
  CHECK(poll.is_open());
  bench.emitter.send("anna", Event("a \"quote\"\n<b> \xE2\x82\xAC").name("note"));
  CHECK(poll.status() == 200);
  CHECK(poll.header("content-type") == "application/json");
  CHECK_THAT(poll.events(), ReceivedExactly(Event("a \"quote\"\n<b> \xE2\x82\xAC").name("note")));
  CHECK_FALSE(poll.last_event_id().empty());

  // What comes in between is in the history. Meanwhile its user counts as being here.
  bench.emitter.send("anna", Event("in between"));
  CHECK(bench.emitter.contains("anna"));
  poll.reconnect();
  CHECK(poll.events().size() == 2);
  // Nothing comes: an empty answer when its time is over.
  poll.reconnect();
  bench.server.advance(25s);
  CHECK_FALSE(poll.is_open());
  CHECK(poll.events().size() == 2);
  // And when it does not come back within its grace, its user has gone.
  bench.server.advance(9s);
  CHECK(bench.emitter.contains("anna"));
  bench.server.advance(1s);
  CHECK_FALSE(bench.emitter.contains("anna"));
  CHECK(bench.presence == Texts{"+anna", "-anna"});
}

TEST_CASE("whoever polls again and again hears everything", "[testing][stream][poll]") {
  HeldEmitter bench(with_history());
  testing::Client poll = bench.server.subscribe("/anna?transport=poll&timeout=5000");
  poll.keep_reconnecting();
  for (const char* text : {"1", "2", "3"}) {
    bench.emitter.send("anna", Event(text));
    bench.server.run();
  }
  CHECK_THAT(poll.events(), ReceivedExactly(Event("1"), Event("2"), Event("3")));
  bench.server.advance(1min);
  CHECK(poll.is_open());
  CHECK(poll.connections() == 16);
}

TEST_CASE("a page in a frame is told by scripts", "[testing][stream][iframe]") {
  HeldEmitter bench(with_history());
  testing::Client frame = bench.server.subscribe("/anna", {Transport::iframe});
  CHECK(frame.header("content-type").value_or("").substr(0, 9) == "text/html");
  bench.emitter.send("anna", Event("</script>").name("note"));
  CHECK_THAT(frame.events(), ReceivedExactly(Event("</script>").name("note")));
  const std::size_t before = frame.heartbeats();
  bench.server.advance(15s);
  CHECK(frame.heartbeats() == before + 1);
  frame.leave();
  bench.emitter.send("anna", Event("2"));
  frame.reconnect();
  CHECK_THAT(frame.take_events(), Received(Event("</script>").name("note"), Event("2")));
}

TEST_CASE("a shutdown says farewell, waits for its deadline, and cuts the rest", "[testing][stream][shutdown]") {
  testing::Server server;
  std::optional<EventStream> job;
  RouteOptions finishes;
  finishes.finish_on_drain = true;
  server.stream("/news", [](const EventStream&) {});
  server.stream(
      "/job", [&](EventStream stream) { job = std::move(stream); }, finishes);
  server.get("/hello", [](const Request&) { return Response::text(200, "hello"); });

  const testing::Client news = server.subscribe("/news");
  const testing::Client progress = server.subscribe("/job");
  std::optional<std::size_t> cut;
  server.shutdown(5s, [&](std::size_t count) { cut = count; });
  CHECK(news.end_reason() == EndReason::shutdown);
  CHECK(news.retry());
  CHECK(progress.is_open());
  CHECK_THROWS_AS(server.handle("/hello"), std::logic_error);
  SECTION("somebody is not done by then") {
    server.advance(4999ms);
    CHECK_FALSE(cut);
    CHECK(progress.is_open());
    server.advance(1ms);
    CHECK(cut == 1U);
    CHECK(progress.was_cut());
  }
  SECTION("everybody is") {
    job->complete(Event("done"));
    CHECK_THAT(progress.events(), ReceivedExactly(Event("done")));
    server.run();
    CHECK(cut == 0U);
  }
}

TEST_CASE("a stop cuts everybody at once", "[testing][stream][shutdown]") {
  HeldEmitter bench;
  const testing::Client anna = bench.server.subscribe("/anna");
  bench.server.stop();
  CHECK_FALSE(anna.is_open());
  CHECK(anna.was_cut());
  CHECK_THROWS_AS(bench.server.handle("/anna"), std::logic_error);
}

TEST_CASE("a route that refuses is an answer like any other", "[testing][stream]") {
  testing::Server server;
  server.stream("/events", [](EventStream stream) { stream.reject(Response::error(410, "over")); });
  const testing::Client client = server.subscribe("/events");
  CHECK(client.status() == 410);
  CHECK(client.body() == R"({"error":"over"})");
  CHECK_FALSE(client.is_open());
  CHECK(server.subscribe("/events?transport=smoke").status() == 400);
}

TEST_CASE("what a server has done is counted", "[testing]") {
  HeldEmitter bench;
  const testing::Client anna = bench.server.subscribe("/anna");
  bench.emitter.send("anna", Event("x"));
  bench.server.run();
  const ServerStats stats = bench.server.stats();
  CHECK(stats.connections == 1);
  CHECK(stats.open_connections.http1 == 1);
  CHECK(stats.requests == 1);
  CHECK(stats.streams == 1);
  CHECK(stats.deliveries == 1);
}
