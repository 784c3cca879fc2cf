// What is sent arrives: at once, in order, whole, and when it does not fit, as the policy says.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>

#include <spate/detail/access.hpp>
#include <spate/stream/detail/stream_core.hpp>

#include "support/catch.hpp"
#include "support/end_of.hpp"
#include "support/one_stream.hpp"
#include "support/stream_collection.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;

namespace {

/// What a client got: the data, but "gap <oldest>" for the gap event, and "filler" for what blocked the stream.
Texts told(const std::vector<DecodedEvent>& events) {
  Texts texts;
  for (const DecodedEvent& event : events) {
    if (event.name == "gap") {
      const std::size_t at = event.data.find("\"oldest\":") + 9;
      texts.push_back("gap " + event.data.substr(at, event.data.find(',', at) - at));
    } else {
      texts.push_back(event.data.size() == OneStream::filler_size ? "filler" : event.data);
    }
  }
  return texts;
}

Event numbered(int id, std::string_view name = {}) {
  return Event("e" + std::to_string(id)).id(std::to_string(id)).name(name);
}

}  // namespace

TEST_CASE("the head of a stream goes out at once, before there is any event", "[loopback][stream]") {
  OneStream one;
  const Head& head = one.client.head();
  CHECK(head.status_line == "HTTP/1.1 200 OK");
  CHECK(head.field("Content-Type") == "text/event-stream");
  CHECK(head.field("Cache-Control") == "no-store, no-transform");
  CHECK(head.field("X-Accel-Buffering") == "no");
  CHECK(head.field("Transfer-Encoding") == "chunked");
  CHECK(head.count("Content-Length") == 0);
  CHECK(head.count("Date") == 1);
  CHECK(one.stream.is_open());
}

TEST_CASE("each event is one chunk, sent as it is", "[loopback][stream]") {
  OneStream one;
  one.stream.send(Event("hello").name("greeting").id("1"));
  std::string chunk;
  REQUIRE(one.client.connection().read_chunk(chunk));
  CHECK(chunk == "id: 1\nevent: greeting\ndata: hello\n\n");
  one.stream.comment("still here");
  REQUIRE(one.client.connection().read_chunk(chunk));
  CHECK(chunk == ": still here\n\n");
  one.stream.complete();
  CHECK_FALSE(one.client.connection().read_chunk(chunk));
  CHECK(one.client.connection().read_end() == End::closed);
}

TEST_CASE("an HTTP/1.0 client gets the bare stream, which ends with the connection", "[loopback][stream]") {
  OneStream one({}, {}, {}, "HTTP/1.0");
  const Head& head = one.client.head();
  CHECK(head.count("Transfer-Encoding") == 0);
  CHECK(head.count("Content-Length") == 0);
  CHECK(head.field("Connection") == "close");
  one.stream.send(Event("a"));
  one.stream.send(Event("b").name("n"));
  one.stream.complete();
  CHECK(one.client.connection().read_to_end() == "data: a\n\nevent: n\ndata: b\n\n");
  CHECK(one.client.connection().how_ended() == End::closed);
}

TEST_CASE("the reconnection time is told before anything else", "[loopback][stream]") {
  StreamOptions options;
  options.retry = 1234ms;
  OneStream one(options, [](const EventStream& stream) { stream.send(Event("first")); });
  CHECK(one.client.next().data == "first");
  CHECK(one.client.decoder().reconnection_time() == 1234ms);
}

TEST_CASE("what several threads send arrives whole, and in the order of each", "[loopback][stream]") {
  constexpr int threads = 4, events = 400;
  const bool blocked = GENERATE(false, true);
  OneStream one;
  if (blocked) one.block();

  std::vector<std::thread> senders;
  for (int thread = 0; thread < threads; ++thread) {
    senders.emplace_back([stream = one.stream, thread] {
      for (int i = 0; i < events; ++i) {
        // Sizes that cross every boundary of buffers, and text that tells where a foreign byte has come in.
        const std::string filling(static_cast<std::size_t>((i * 37) % 3000), static_cast<char>('a' + thread));
        stream.send(Event(filling).name("t" + std::to_string(thread)).id(std::to_string(i)));
      }
    });
  }
  if (blocked) {
    for (std::thread& sender : senders) sender.join();
    one.settle();
    CHECK(one.client.next().data.size() == OneStream::filler_size);
  }
  std::vector<int> next(threads, 0);
  for (int i = 0; i < threads * events; ++i) {
    const DecodedEvent event = one.client.next();
    const int thread = event.name.at(1) - '0';
    int& expected = next.at(static_cast<std::size_t>(thread));
    REQUIRE(event.id == std::to_string(expected));
    REQUIRE(event.data.size() == static_cast<std::size_t>((expected * 37) % 3000));
    REQUIRE(event.data.find_first_not_of(static_cast<char>('a' + thread)) == std::string::npos);
    ++expected;
  }
  if (!blocked) {
    for (std::thread& sender : senders) sender.join();
  }
  // Nothing is left over: what comes next is what is sent next.
  one.stream.send(Event("end"));
  CHECK(one.client.next().data == "end");
}

TEST_CASE("the head goes out first, whoever opens the stream", "[loopback][stream]") {
  constexpr int rounds = 100, threads = 3;
  StreamCollection streams;
  std::atomic<int> round{0}, sent{0};
  Serving serving([&](Server& server) {
    // A coroutine that does nothing leaves it to others to open its stream.
    server.stream("/events", [&](EventStream stream) -> asio::awaitable<void> {
      streams.add(stream);
      co_await end_of(stream);
    });
  });
  std::vector<std::thread> senders;
  for (int thread = 0; thread < threads; ++thread) {
    senders.emplace_back([&] {
      for (int i = 0; i < rounds; ++i) {
        while (round <= i) std::this_thread::yield();
        streams.newest().send(Event("x"));
        ++sent;
        while (sent < (i + 1) * threads) std::this_thread::yield();
      }
    });
  }
  for (int i = 0; i < rounds; ++i) {
    Client connection(serving.port());
    connection.get("/events");
    CHECK(eventually([&] { return streams.size() == static_cast<std::size_t>(i + 1); }));
    ++round;
    EventClient client(std::move(connection));
    CHECK(client.next_data(threads) == Texts(threads, "x"));
  }
  for (std::thread& sender : senders) sender.join();
}

TEST_CASE("many small events fill more than one gathered write", "[loopback][stream]") {
  OneStream one;
  one.block();
  constexpr int events = 1000;
  for (int i = 0; i < events; ++i) one.stream.send(Event(std::to_string(i)));
  CHECK(one.client.next().data.size() == OneStream::filler_size);
  for (int i = 0; i < events; ++i) REQUIRE(one.client.next().data == std::to_string(i));
}

TEST_CASE("an event that finds the queue empty is always taken", "[loopback][stream][overflow]") {
  StreamOptions options;
  options.max_queued_bytes = 100;
  options.max_queued_events = 1;
  options.overflow = GENERATE(Overflow::close, Overflow::drop_oldest, Overflow::drop_newest, Overflow::coalesce);
  OneStream one(options);
  for (int i = 0; i < 5; ++i) {
    CHECK(one.stream.send(Event(std::string(100'000, 'x'))) == SendResult::queued);
    CHECK(one.client.next().data.size() == 100'000);
    CHECK(eventually([&] { return one.stream.queued_bytes() == 0; }));
  }
}

TEST_CASE("queued bytes are those that wait", "[loopback][stream]") {
  OneStream one;
  CHECK(one.stream.queued_bytes() == 0);
  one.block();
  one.settle();
  const std::size_t before = one.stream.queued_bytes();
  CHECK(before > 0);
  CHECK(before < OneStream::filler_size);
  const std::size_t size = EncodedEvent(Event("x")).chunk().size();
  for (int i = 0; i < 10; ++i) one.stream.send(Event("x"));
  // At once, also before the loop has seen them.
  CHECK(one.stream.queued_bytes() == before + 10 * size);
  one.settle();
  CHECK(one.stream.queued_bytes() == before + 10 * size);
  one.client.next_data(11);
  CHECK(eventually([&] { return one.stream.queued_bytes() == 0; }));
}

TEST_CASE("with the policy `close` a full queue ends the stream", "[loopback][stream][overflow]") {
  StreamOptions options;
  const bool by_bytes = GENERATE(true, false);
  if (by_bytes) {
    options.max_queued_bytes = 1024 * 1024;
  } else {
    options.max_queued_bytes = 16 * 1024 * 1024;
    options.max_queued_events = 4;
  }
  OneStream one(options);
  one.block();
  // What waits of the filler, and three more, fit.
  const std::string data(by_bytes ? 150'000 : 10, 'x');
  for (int i = 0; i < 3; ++i) CHECK(one.stream.send(Event(data)) == SendResult::queued);
  one.settle();
  CHECK(one.stream.is_open());
  for (int i = 0; i < 10; ++i) one.stream.send(Event(data));
  CHECK(one.journal.wait_for(2) == Texts{"error: " + make_error_code(Errc::queue_overflow).message(), "complete"});
  CHECK(one.stream.send(Event("late")) == SendResult::closed);
  CHECK(one.serving.ended(EndReason::overflow) == 1);
  // The client sees that the stream was cut.
  CHECK_FALSE(one.client.completed());
}

TEST_CASE("the limit counts what is still on its way to the loop", "[loopback][stream][overflow]") {
  StreamOptions options;
  options.max_queued_bytes = 1000;
  OneStream one(options);
  // From the loop itself: it cannot take anything meanwhile.
  const auto results = one.serving.loop.run([&] {
    std::vector<SendResult> all;
    for (int i = 0; i < 3; ++i) all.push_back(one.stream.send(Event(std::string(450, 'x'))));
    return all;
  });
  CHECK(results == std::vector{SendResult::queued, SendResult::queued, SendResult::closed});
  CHECK(one.journal.wait_for(2).size() == 2);
}

TEST_CASE("a poll that gets more than fits is answered with what does", "[loopback][stream][overflow]") {
  StreamOptions options;
  options.max_queued_bytes = 1000;
  const bool at_once = GENERATE(false, true);
  Awaited<EventStream> opened;
  Serving serving(
      [&](Server& server) { server.stream("/events", [&](EventStream stream) { opened.set(std::move(stream)); }); },
      with(options));
  Client client(serving.port());
  client.get("/events?transport=poll");
  const EventStream stream = opened.get();
  serving.loop.settle();
  serving.loop.run([&] {
    for (int i = 0; i < 3; ++i) {
      if (at_once) {
        stream.send(Event(std::string(450, 'x')));
      } else {
        // Past the look that `send` takes.
        const auto& core = detail::access::core(stream);
        core->own_shard().run(
            [core] { core->deliver(EncodedEvent(Event(std::string(450, 'x'))), detail::QueueNode::Kind::event); });
      }
    }
  });
  const Reply reply = client.read_reply();
  CHECK(reply.status == 200);
  CHECK(reply.body.size() > 900);
  CHECK(reply.body.size() < 1200);
}

TEST_CASE("with `drop_newest` what does not fit is dropped, and told before the next event",
          "[loopback][stream][overflow]") {
  StreamOptions options = roomy();
  options.overflow = Overflow::drop_newest;
  options.max_queued_events = 3;
  OneStream one(options);
  one.block();
  for (int i = 1; i <= 5; ++i) one.stream.send(numbered(i));
  one.settle();
  CHECK(told({one.client.next(), one.client.next(), one.client.next()}) == Texts{"filler", "e1", "e2"});
  CHECK(eventually([&] { return one.stream.queued_bytes() == 0; }));
  one.stream.send(numbered(6));
  one.stream.send(numbered(7));
  one.stream.complete();
  CHECK(told(one.client.rest_of_events()) == Texts{"gap \"6\"", "e6", "e7"});
  CHECK(one.client.completed());
  CHECK(one.serving.stats().dropped_events == 3);
  CHECK(one.serving.stats().gaps == 1);
}

TEST_CASE("`drop_newest` tells the sender when it can", "[loopback][stream][overflow]") {
  StreamOptions options;
  options.overflow = Overflow::drop_newest;
  options.max_queued_bytes = 1024 * 1024;
  OneStream one(options);
  one.block();
  Texts sent;
  SendResult result = SendResult::queued;
  for (int i = 1; result == SendResult::queued && i < 100; ++i) {
    result = one.stream.send(Event(std::string(100'000, 'x')).id(std::to_string(i)));
    if (result == SendResult::queued) sent.push_back(std::to_string(i));
  }
  CHECK(result == SendResult::dropped);
  one.stream.complete(Event("last"));
  Texts received;
  for (const DecodedEvent& event : one.client.rest_of_events()) {
    if (event.data.size() == 100'000) received.push_back(event.last_event_id);
  }
  CHECK(received == sent);
  CHECK(one.journal.wait_for(1) == Texts{"complete"});
}

TEST_CASE("a gap at the end of the stream is told before its last event", "[loopback][stream][overflow]") {
  StreamOptions options = roomy();
  options.overflow = Overflow::drop_newest;
  options.max_queued_events = 2;
  OneStream one(options);
  one.block();
  for (int i = 1; i <= 3; ++i) one.stream.send(numbered(i));
  one.stream.complete(Event("last"));
  CHECK(told(one.client.rest_of_events()) == Texts{"filler", "e1", "gap null", "last"});
}

TEST_CASE("with `drop_oldest` the newest stay, and the gap tells what follows it", "[loopback][stream][overflow]") {
  StreamOptions options = roomy();
  options.overflow = Overflow::drop_oldest;
  options.max_queued_events = 4;
  OneStream one(options);
  one.block();
  for (int i = 1; i <= 10; ++i) CHECK(one.stream.send(numbered(i)) == SendResult::queued);
  one.stream.complete();
  // What has begun to go out is never dropped.
  CHECK(told(one.client.rest_of_events()) == Texts{"filler", "gap \"8\"", "e8", "e9", "e10"});
  CHECK(one.client.completed());
  CHECK(one.serving.stats().dropped_events == 7);
  CHECK(one.serving.stats().gaps == 1);
}

TEST_CASE("with `drop_oldest` an event that is larger than the room is dropped itself",
          "[loopback][stream][overflow]") {
  StreamOptions options;
  options.overflow = Overflow::drop_oldest;
  options.max_queued_bytes = 600 * 1024;
  OneStream one(options);
  one.block();
  for (int i = 1; i <= 3; ++i) one.stream.send(numbered(i));
  one.stream.send(Event(std::string(700'000, 'x')).id("4"));
  one.stream.send(numbered(5));
  one.stream.complete();
  // One gap for all of it.
  CHECK(told(one.client.rest_of_events()) == Texts{"filler", "gap \"5\"", "e5"});
  CHECK(one.serving.stats().gaps == 1);
}

TEST_CASE("with `coalesce` the newest of each name stays", "[loopback][stream][overflow]") {
  StreamOptions options = roomy();
  options.overflow = Overflow::coalesce;
  options.max_queued_events = 5;
  OneStream one(options);
  one.block();
  one.stream.send(numbered(1, "cpu"));
  one.stream.send(numbered(2, "disk"));
  one.stream.send(numbered(3, "cpu"));
  one.stream.send(numbered(4, "net"));
  // Full: the older "cpu" goes for the newer one, and for what comes, the older "disk".
  one.stream.send(numbered(5, "disk"));
  one.stream.complete();
  CHECK(told(one.client.rest_of_events()) == Texts{"filler", "gap \"3\"", "e3", "e4", "e5"});
  CHECK(one.serving.stats().dropped_events == 2);
}

TEST_CASE("with `coalesce` and nothing to supersede the oldest go", "[loopback][stream][overflow]") {
  StreamOptions options = roomy();
  options.overflow = Overflow::coalesce;
  options.max_queued_events = 3;
  OneStream one(options);
  one.block();
  for (int i = 1; i <= 4; ++i) one.stream.send(numbered(i, "n" + std::to_string(i)));
  one.stream.complete();
  CHECK(told(one.client.rest_of_events()) == Texts{"filler", "gap \"3\"", "e3", "e4"});
}

TEST_CASE("a program that wants no gap event gets none", "[loopback][stream][overflow]") {
  StreamOptions options = roomy();
  options.overflow = Overflow::drop_oldest;
  options.gap_event = "";
  options.max_queued_events = 2;
  OneStream one(options);
  one.block();
  for (int i = 1; i <= 3; ++i) one.stream.send(numbered(i));
  one.stream.complete();
  CHECK(told(one.client.rest_of_events()) == Texts{"filler", "e3"});
}

TEST_CASE("a blocked stream leaves the others alone", "[loopback][stream]") {
  Awaited<EventStream> opened;
  Serving serving([&](Server& server) {
    server.stream("/events", [&](EventStream stream) { opened.set(std::move(stream)); });
    server.stream("/other", [](const EventStream& stream) { stream.complete(Event("here")); });
  });
  EventClient slow(serving.port(), "/events");
  const EventStream stream = opened.get();
  while (serving.stats().queue_high_water_bytes == 0 && stream.is_open()) {
    stream.send(Event(std::string(60'000, 'x')));
    serving.loop.settle();
  }
  for (int i = 0; i < 20; ++i) {
    EventClient other(serving.port(), "/other");
    CHECK(other.rest() == Texts{"here"});
  }
}

TEST_CASE("a quiet stream gets a heartbeat, as a comment or as an event", "[loopback][stream][heartbeat]") {
  StreamOptions options;
  options.heartbeat = 30ms;
  SECTION("comment") {
    OneStream one(options);
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 3; ++i) CHECK(one.client.next_comment().empty());
    CHECK(std::chrono::steady_clock::now() - start > 60ms);
  }
  SECTION("event") {
    options.heartbeat_event = "ping";
    OneStream one(options);
    for (int i = 0; i < 3; ++i) {
      const DecodedEvent event = one.client.next();
      CHECK(event.name == "ping");
      CHECK(event.data.empty());
      CHECK_FALSE(event.id);
    }
  }
}

TEST_CASE("heartbeats come again after a blockage", "[loopback][stream][heartbeat]") {
  StreamOptions options;
  options.heartbeat = 30ms;
  options.write_timeout = GENERATE(0ms, 3'600'000ms);
  OneStream one(options);
  one.block();
  CHECK(one.client.next().data.size() == OneStream::filler_size);
  CHECK(one.client.next_comment().empty());
  CHECK(one.client.next_comment().empty());
}
