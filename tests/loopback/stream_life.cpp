// How streams end: who is told, of what, in which order, and how soon.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>

#include "support/catch.hpp"
#include "support/end_of.hpp"
#include "support/one_stream.hpp"
#include "support/stream_collection.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;

using Clock = std::chrono::steady_clock;

namespace {

std::string error_text(std::error_code error) {
  return "error: " + error.message();
}

/// How long it took from `leave` until the stream was over, at best of some attempts: the machine may be busy.
template <typename Leave>
Clock::duration quickest_notice(Leave leave) {
  Clock::duration best = Clock::duration::max();
  for (int attempt = 0; attempt < 5 && best > 50ms; ++attempt) {
    OneStream one;
    one.settle();  // the client has its head, and the stream is idle
    const auto start = Clock::now();
    leave(one.client.connection());
    one.journal.wait_for(1);
    best = std::min(best, Clock::now() - start);
  }
  return best;
}

}  // namespace

TEST_CASE("a client that closes is noticed at once", "[loopback][stream][end]") {
  SECTION("idle, within 50 ms") {
    CHECK(quickest_notice([](Client& client) { client.close(); }) < 50ms);
  }
  SECTION("to leave is no error") {
    OneStream one;
    one.client.connection().close();
    CHECK(one.journal.wait_for(1) == Texts{"complete"});
    CHECK_FALSE(one.stream.is_open());
    CHECK(one.serving.ended(EndReason::client) == 1);
    CHECK(one.serving.stats().streams == 0);
  }
  SECTION("to end its own side is to leave") {
    OneStream one;
    one.client.connection().end();
    CHECK(one.journal.wait_for(1) == Texts{"complete"});
    CHECK_FALSE(one.client.completed());
  }
}

TEST_CASE("a connection that breaks is noticed at once, and is an error", "[loopback][stream][end]") {
  CHECK(quickest_notice([](Client& client) { client.reset(); }) < 50ms);
  OneStream one;
  one.client.connection().reset();
  CHECK(one.journal.wait_for(2) == Texts{error_text(make_error_code(asio::error::connection_reset)), "complete"});
  CHECK(one.serving.ended(EndReason::client) == 1);
}

TEST_CASE("a client that leaves is noticed after whatever it has sent", "[loopback][stream][end]") {
  OneStream one;
  // More than the kernel holds: the end comes only if somebody takes the rest. (RFC 9112 9.3.2)
  one.client.connection().send(std::string(2'000'000, 'x'));
  one.client.connection().end();
  CHECK(one.journal.wait_for(1) == Texts{"complete"});
}

TEST_CASE("a client that leaves while its stream is blocked is noticed", "[loopback][stream][end]") {
  OneStream one;
  one.block();
  SECTION("closed") {
    one.client.connection().close();
  }
  SECTION("broken") {
    one.client.connection().reset();
  }
  const Texts entries = one.journal.wait_for(1);
  CHECK(eventually([&] { return one.journal.last() == "complete"; }));
  CHECK(one.serving.ended(EndReason::client) == 1);
}

TEST_CASE("a client that leaves before the head of its stream is noticed", "[loopback][stream][end]") {
  Journal journal;
  Awaited<EventStream> opened;
  Serving serving([&](Server& server) {
    server.stream("/events", [&](EventStream stream) -> asio::awaitable<void> {
      watch(stream, journal);
      opened.set(stream);
      co_await end_of(stream);
      journal.add(stream.is_open() ? "open" : "over");
    });
  });
  Client client(serving.port());
  client.get("/events");
  const EventStream stream = opened.get();
  SECTION("closed") {
    client.close();
    CHECK(journal.wait_for(2) == Texts{"complete", "over"});
  }
  SECTION("half closed, as soon as it is sure that a stream is what comes") {
    client.end();
    serving.loop.settle();
    CHECK(stream.is_open());  // it may wait for an answer that is none
    stream.open();
    CHECK(journal.wait_for(2) == Texts{"complete", "over"});
  }
  SECTION("broken") {
    client.reset();
    CHECK(journal.wait_for(3) == Texts{error_text(make_error_code(asio::error::connection_reset)), "complete", "over"});
  }
  CHECK(stream.send(Event("x")) == SendResult::closed);
  CHECK_FALSE(stream.reject(Response(404)));
  // It never was one.
  CHECK(serving.stats().streams_opened == 0);
}

TEST_CASE("a client that never reads is given up at the write deadline", "[loopback][stream][timeout]") {
  StreamOptions options;
  options.write_timeout = 80ms;
  OneStream one(options);
  const auto start = Clock::now();
  one.block();
  CHECK(one.journal.wait_for(2) == Texts{"timeout", "complete"});
  CHECK(Clock::now() - start >= 80ms);
  CHECK(one.serving.ended(EndReason::write_timeout) == 1);
  CHECK_FALSE(one.client.completed());
}

TEST_CASE("a quiet client is not one that never reads", "[loopback][stream][timeout]") {
  StreamOptions options;
  options.write_timeout = 20ms;
  options.heartbeat = 100ms;
  OneStream one(options);
  // Five write deadlines without a byte to take.
  one.client.next_comment();
  CHECK(one.journal.entries().empty());
}

TEST_CASE("a stream ends when it has lived its life", "[loopback][stream][lifetime]") {
  StreamOptions options;
  options.lifetime = 500ms;
  options.farewell = [](EndReason reason) { return Event(std::string(to_string(reason))).name("closing"); };
  const auto start = Clock::now();
  OneStream one(options);
  one.stream.send(Event("first"));
  CHECK(one.client.rest() == Texts{"first", "lifetime"});
  const auto age = Clock::now() - start;
  CHECK(one.client.completed());
  CHECK(one.journal.wait_for(2) == Texts{"timeout", "complete"});
  CHECK(one.serving.ended(EndReason::lifetime) == 1);
  // 80 to 100 % of it; how much later it is noticed depends on the machine.
  CHECK(age >= 400ms);
}

TEST_CASE("a stream expires at the earliest moment given", "[loopback][stream][lifetime]") {
  StreamOptions options;
  options.farewell = [](EndReason reason) { return Event(std::string(to_string(reason))); };
  const auto now = std::chrono::system_clock::now();
  SECTION("of several") {
    OneStream one(options);
    one.stream.expire_at(now + 1h);
    one.stream.expire_at(now + 50ms);
    one.stream.expire_at(now + 2h);
    CHECK(one.client.rest() == Texts{"expired"});
    // A credential that ran out is no failure.
    CHECK(one.journal.wait_for(1) == Texts{"complete"});
    CHECK(one.serving.ended(EndReason::expired) == 1);
  }
  SECTION("told before the head") {
    OneStream one(options, [&](const EventStream& stream) { stream.expire_at(now + 20ms); });
    CHECK(one.client.rest() == Texts{"expired"});
  }
  SECTION("in the past") {
    OneStream one(options,
                  [&](const EventStream& stream) { stream.expire_at(std::chrono::system_clock::time_point()); });
    CHECK(one.client.rest() == Texts{"expired"});
  }
  SECTION("or when it has lived its life, if that is sooner") {
    options.lifetime = 50ms;
    OneStream one(options, [&](const EventStream& stream) { stream.expire_at(now + 1h); });
    CHECK(one.client.rest() == Texts{"lifetime"});
  }
  SECTION("and never at one that no clock reaches") {
    OneStream one(options,
                  [](const EventStream& stream) { stream.expire_at(std::chrono::system_clock::time_point::max()); });
    one.stream.complete(Event("here"));
    CHECK(one.client.rest() == Texts{"here", "completed"});
  }
}

TEST_CASE("complete ends the stream after everything that was sent", "[loopback][stream][end]") {
  OneStream one;
  const bool blocked = GENERATE(false, true);
  if (blocked) one.block();
  one.stream.send(Event("a"));
  one.stream.complete(Event("last"));
  CHECK_FALSE(one.stream.is_open());
  CHECK(one.stream.send(Event("late")) == SendResult::closed);
  one.stream.complete(Event("never"));
  Texts texts = one.client.rest();
  if (blocked) texts.erase(texts.begin());
  CHECK(texts == Texts{"a", "last"});
  CHECK(one.client.completed());
  CHECK(one.client.connection().read_end() == End::closed);
  CHECK(one.journal.wait_for(1) == Texts{"complete"});
  CHECK(one.serving.ended(EndReason::completed) == 1);
}

TEST_CASE("a stream that fails tells its program why, and its client what the program says",
          "[loopback][stream][end]") {
  OneStream one;
  SECTION("with a code of its own") {
    one.stream.complete_with_error(std::make_error_code(std::errc::io_error), Event("sorry").name("error"));
    CHECK(one.client.next().data == "sorry");
    CHECK(one.client.completed());
    CHECK(one.journal.wait_for(2) == Texts{error_text(std::make_error_code(std::errc::io_error)), "complete"});
  }
  SECTION("without one") {
    one.stream.complete_with_error();
    CHECK(one.client.rest().empty());
    CHECK(one.journal.wait_for(2) == Texts{error_text(Errc::completed_with_error), "complete"});
  }
  SECTION("also when the client leaves before it has read all") {
    one.block();
    one.stream.complete_with_error(std::make_error_code(std::errc::io_error));
    one.settle();
    one.client.connection().close();
    CHECK(one.journal.wait_for(2) == Texts{error_text(std::make_error_code(std::errc::io_error)), "complete"});
  }
  CHECK(one.serving.ended(EndReason::error) == 1);
}

TEST_CASE("the farewell is the last event of a stream that is ended on purpose", "[loopback][stream][end]") {
  StreamOptions options;
  SECTION("after the program's own last event") {
    options.farewell = [](EndReason reason) { return Event(std::string(to_string(reason))); };
    OneStream one(options);
    one.stream.complete(Event("last"));
    CHECK(one.client.rest() == Texts{"last", "completed"});
  }
  SECTION("unless the program has none") {
    options.farewell = [](EndReason) { return std::nullopt; };
    OneStream one(options);
    one.stream.complete();
    CHECK(one.client.rest().empty());
    CHECK(one.client.completed());
  }
  SECTION("an exception means none, and is an error") {
    options.farewell = [](EndReason) -> std::optional<Event> { throw std::runtime_error("no farewell"); };
    OneStream one(options);
    one.stream.complete();
    CHECK(one.client.rest().empty());
    CHECK(one.client.completed());
    CHECK(one.journal.wait_for(2) == Texts{error_text(Errc::handler_failed), "complete"});
  }
}

TEST_CASE("callbacks run in the order of their registration, and each once", "[loopback][stream][callbacks]") {
  Journal journal;
  OneStream one;
  one.stream.on_complete([&] { journal.add("complete 1"); });
  one.stream.on_error([&](std::error_code) { journal.add("error 1"); });
  one.stream.on_complete([&] { journal.add("complete 2"); });
  one.stream.on_error([&](std::error_code) { journal.add("error 2"); });
  one.stream.on_timeout([&] { journal.add("timeout"); });
  one.stream.complete_with_error();
  one.stream.complete_with_error();
  CHECK(one.client.completed());
  one.client.connection().close();
  CHECK(journal.wait_for(4) == Texts{"error 1", "error 2", "complete 1", "complete 2"});
  one.settle();
  CHECK(journal.size() == 4);
}

TEST_CASE("a callback registered late runs all the same", "[loopback][stream][callbacks]") {
  Journal late;
  OneStream one;
  one.stream.complete_with_error(std::make_error_code(std::errc::io_error));
  one.journal.wait_for(2);
  watch(one.stream, late);
  CHECK(late.wait_for(2) == Texts{error_text(std::make_error_code(std::errc::io_error)), "complete"});
  // And again, for each.
  one.stream.on_complete([&] { late.add("another"); });
  CHECK(late.wait_for(3).back() == "another");
  one.settle();
  CHECK(late.size() == 3);
}

TEST_CASE("no callback runs inside the call that causes it", "[loopback][stream][callbacks]") {
  Journal journal;
  OneStream one;
  one.stream.on_complete([&] { journal.add("complete"); });
  // On the loop itself, where it could.
  one.serving.loop.run([&] {
    one.stream.complete();
    journal.add("returned");
    one.stream.on_complete([&] { journal.add("late"); });
    journal.add("registered");
  });
  CHECK(journal.wait_for(4) == Texts{"returned", "registered", "complete", "late"});
}

TEST_CASE("everything may be called from inside a callback", "[loopback][stream][callbacks]") {
  Journal journal;
  OneStream one;
  one.stream.on_complete([&journal, stream = one.stream] {
    journal.add(stream.is_open() ? "open" : "over");
    journal.add(stream.send(Event("x")) == SendResult::closed ? "closed" : "queued");
    stream.open();
    stream.complete();
    stream.complete_with_error();
    stream.expire_at(std::chrono::system_clock::now());
    journal.add(stream.reject(Response(404)) ? "rejected" : "too late");
    journal.add(stream.stop_token().stop_requested() ? "stop" : "go on");
    stream.on_complete([&journal] { journal.add("from inside"); });
    stream.on_error([&journal](std::error_code) { journal.add("never"); });
  });
  one.client.connection().close();
  CHECK(journal.wait_for(5) == Texts{"over", "closed", "too late", "stop", "from inside"});
}

TEST_CASE("a handle may outlive everything it came from", "[loopback][stream][lifetime]") {
  std::optional<EventStream> left;
  std::stop_token stop;
  {
    OneStream one;
    left = one.stream;
    stop = left->stop_token();
    const auto what_goes_first = GENERATE(0, 1, 2);
    if (what_goes_first == 1) one.client.connection().close();
    if (what_goes_first == 2) one.stream.complete();
    if (what_goes_first == 0) CHECK_FALSE(stop.stop_requested());
  }
  // Connection, server, and io_context are gone.
  CHECK_FALSE(left->is_open());
  CHECK(left->send(Event("x")) == SendResult::closed);
  CHECK(left->comment("x") == SendResult::closed);
  CHECK_FALSE(left->reject(Response(404)));
  CHECK(left->queued_bytes() == 0);
  CHECK(left->request()->target().empty());
  CHECK(left->last_event_id().empty());
  CHECK(stop.stop_requested());
  CHECK(left->stop_token().stop_requested());
  CHECK_FALSE(left->get_executor());
  left->open();
  left->complete();
  left->complete(Event("x"));
  left->complete_with_error();
  left->expire_at(std::chrono::system_clock::now());
  left->on_complete([] {});
  left->on_timeout([] {});
  left->on_error([](std::error_code) {});
  const EventStream copy = *left;
  CHECK(copy == *left);
}

TEST_CASE("a stream is told of the end of its server", "[loopback][stream][callbacks]") {
  OneStream one;
  const bool blocked = GENERATE(false, true);
  if (blocked) one.block();
  one.serving.destroy();
  CHECK(one.journal.wait_for(1) == Texts{"complete"});
  CHECK_FALSE(one.stream.is_open());
  CHECK_FALSE(one.client.completed());
}

TEST_CASE("producers elsewhere are told to stop", "[loopback][stream][callbacks]") {
  OneStream one;
  const std::stop_token token = one.stream.stop_token();
  CHECK(token.stop_possible());
  CHECK_FALSE(token.stop_requested());
  Journal journal;
  const std::stop_callback told(token, [&] { journal.add("stop"); });
  one.client.connection().close();
  CHECK(journal.wait_for(1) == Texts{"stop"});
  // One asked for late says so at once.
  CHECK(one.stream.stop_token().stop_requested());
}

TEST_CASE("a stream can be refused as long as its head has not gone out", "[loopback][stream][reject]") {
  OneStream one;
  CHECK_FALSE(one.stream.reject(Response(404)));
  one.stream.send(Event("still here"));
  CHECK(one.client.next().data == "still here");
}

TEST_CASE("a refused stream is an ordinary answer, and the connection goes on", "[loopback][stream][reject]") {
  Journal journal;
  Serving serving([&](Server& server) {
    server.stream("/events", [&](const EventStream& stream) {
      watch(stream, journal);
      journal.add(stream.reject(Response::error(401, "who are you?").header("WWW-Authenticate", "Bearer")) ? "rejected"
                                                                                                           : "not");
      journal.add(stream.reject(Response(404)) ? "twice" : "once");
      journal.add(stream.send(Event("x")) == SendResult::closed ? "closed" : "queued");
    });
    server.get("/next", [](const Request&) { return Response::text(200, "next"); });
  });
  Client client(serving.port());
  client.send(
      "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
      "GET /next HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const Reply refused = client.read_reply();
  CHECK(refused.status == 401);
  CHECK(refused.body == R"({"error":"who are you?"})");
  CHECK(refused.field("WWW-Authenticate") == "Bearer");
  CHECK(client.read_reply().body == "next");
  CHECK(journal.wait_for(4) == Texts{"rejected", "once", "closed", "complete"});
  CHECK(serving.stats().streams_opened == 0);
}

TEST_CASE("a stream can be refused later, from anywhere", "[loopback][stream][reject]") {
  Awaited<EventStream> opened;
  Serving serving([&](Server& server) {
    server.stream("/events", [&](EventStream stream) -> asio::awaitable<void> {
      opened.set(stream);
      co_await end_of(stream);
    });
  });
  Client client(serving.port());
  client.get("/events");
  CHECK(opened.get().reject(Response::text(429, "later")));
  CHECK(client.read_reply().body == "later");
}

TEST_CASE("the request is there as long as its handler may ask", "[loopback][stream]") {
  SECTION("a function's until it returns") {
    Journal journal;
    OneStream one(
        {},
        [&](const EventStream& stream) {
          stream.send(Event("x"));
          journal.add(std::string(stream.request()->target()) + " " + stream.last_event_id());
        },
        "Last-Event-ID: 17\r\n");
    CHECK(journal.wait_for(1) == Texts{"/events 17"});
    CHECK(eventually([&] { return one.stream.request()->target().empty(); }));
    // Where to resume is kept.
    CHECK(one.stream.last_event_id() == "17");
  }
  SECTION("a coroutine's until it is done") {
    Awaited<EventStream> opened;
    Serving serving([&](Server& server) {
      server.stream("/events", [&](EventStream stream) -> asio::awaitable<void> {
        stream.open();
        opened.set(stream);
        co_await end_of(stream);
      });
    });
    EventClient client(serving.port(), "/events?a=b");
    const EventStream stream = opened.get();
    serving.loop.settle();
    CHECK(stream.request()->target() == "/events?a=b");
    stream.complete();
    CHECK(client.completed());
    CHECK(eventually([&] { return stream.request()->target().empty(); }));
  }
}

#if !defined(_WIN32)
TEST_CASE("clients that leave under a rain of events raise no signal", "[loopback][stream][end]") {
  struct sigaction action {};
  REQUIRE(::sigaction(SIGPIPE, nullptr, &action) == 0);
  REQUIRE(action.sa_handler == SIG_DFL);  // it would end this program
  Journal journal;
  StreamCollection streams;
  Serving serving([&](Server& server) {
    server.stream("/events", [&](EventStream stream) {
      stream.on_complete([&] { journal.add("complete"); });
      streams.add(std::move(stream));
    });
  });
  std::atomic<bool> raining{true};
  std::thread rain([&] {
    while (raining) streams.send(Event("drop"));
  });
  struct Dry {
    std::atomic<bool>& raining;
    std::thread& rain;
    ~Dry() {
      raining = false;
      if (rain.joinable()) rain.join();
    }
  } const dry{raining, rain};  // whatever a client meets
  constexpr int clients = 60;
  for (int i = 0; i < clients; ++i) {
    EventClient client(serving.port(), "/events");
    client.next();
    if (i % 2 == 0) client.connection().reset();
  }
  CHECK(journal.wait_for(clients).size() == clients);
  raining = false;
  rain.join();
  CHECK(serving.stats().streams == 0);
}
#endif

TEST_CASE("options that could not be served are refused at once", "[loopback][stream][options]") {
  asio::io_context io;
  const auto refused = [&](StreamOptions options) {
    try {
      Server server(io, with(std::move(options)));
      return false;
    } catch (const std::invalid_argument&) {
      return true;
    }
  };
  StreamOptions options;
  CHECK_FALSE(refused(options));
  options.gap_event = "two\nlines";
  CHECK(refused(options));
  options = {};
  options.heartbeat_event = "two\nlines";
  CHECK(refused(options));
  options = {};
  options.retry = -1ms;
  CHECK(refused(options));
  options = {};
  options.shutdown_retry_max = std::chrono::hours(24 * 365);
  CHECK(refused(options));
}
