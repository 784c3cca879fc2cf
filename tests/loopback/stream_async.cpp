// Sending at the client's pace, and handlers that are coroutines.
#include <atomic>
#include <chrono>
#include <exception>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include "support/catch.hpp"
#include "support/exceptions.hpp"
#include "support/one_stream.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;

TEST_CASE("an awaited event completes when the kernel has it, and not before", "[loopback][stream][async]") {
  Journal journal;
  OneStream one;
  one.stream.async_send(Event("first"), [&](std::error_code error) { journal.add("first " + error.message()); });
  CHECK(journal.wait_for(1) == Texts{"first Success"});
  one.block();
  one.stream.async_send(Event("second"), [&](std::error_code error) { journal.add("second " + error.message()); });
  one.settle();
  one.settle();
  CHECK(journal.size() == 1);
  CHECK(one.client.next().data == "first");
  CHECK(one.client.next().data.size() == OneStream::filler_size);
  CHECK(one.client.next().data == "second");
  CHECK(journal.wait_for(2).back() == "second Success");
}

TEST_CASE("awaited events keep their place among the others", "[loopback][stream][async]") {
  Journal journal;
  OneStream one;
  for (int i = 0; i < 100; ++i) {
    const Event event(std::to_string(i));
    if (i % 3 == 0) {
      one.stream.async_send(event, [&, i](std::error_code) { journal.add(std::to_string(i)); });
    } else {
      one.stream.send(event);
    }
  }
  one.stream.complete();
  Texts all, awaited;
  for (int i = 0; i < 100; ++i) {
    all.push_back(std::to_string(i));
    if (i % 3 == 0) awaited.push_back(std::to_string(i));
  }
  CHECK(one.client.rest() == all);
  CHECK(journal.wait_for(awaited.size()) == awaited);
}

TEST_CASE("an awaited event is exempt from the overflow policy", "[loopback][stream][async][overflow]") {
  StreamOptions options;
  options.max_queued_bytes = 1000;
  options.max_queued_events = 1;
  options.overflow = GENERATE(Overflow::close, Overflow::drop_newest, Overflow::drop_oldest, Overflow::coalesce);
  Journal journal;
  OneStream one(options);
  one.block();
  for (int i = 0; i < 5; ++i) {
    one.stream.async_send(Event(std::to_string(i)), [&](std::error_code error) { journal.add(error.message()); });
  }
  one.settle();
  CHECK(one.client.next().data.size() == OneStream::filler_size);
  CHECK(one.client.next_data(5) == Texts{"0", "1", "2", "3", "4"});
  CHECK(journal.wait_for(5) == Texts(5, "Success"));
}

TEST_CASE("any completion token will do", "[loopback][stream][async]") {
  OneStream one;
  SECTION("a future") {
    std::future<void> sent = one.stream.async_send(Event("x"), asio::use_future);
    CHECK(one.client.next().data == "x");
    CHECK_NOTHROW(sent.get());
    one.client.connection().close();
    one.journal.wait_for(1);
    CHECK_THROWS_AS(one.stream.async_send(Event("x"), asio::use_future).get(), std::system_error);
  }
  SECTION("a coroutine") {
    Journal journal;
    asio::co_spawn(
        one.serving.loop.io,
        [stream = one.stream]() -> asio::awaitable<void> {
          for (int i = 0; i < 3; ++i) {
            const Event event(std::to_string(i));
            co_await stream.async_send(event, asio::use_awaitable);
          }
          stream.complete();
        },
        [&](std::exception_ptr exception) { journal.add(exception ? text_of(exception) : "done"); });
    CHECK(one.client.rest() == Texts{"0", "1", "2"});
    CHECK(journal.wait_for(1) == Texts{"done"});
  }
  SECTION("a callback with an executor of its own") {
    Loop other;
    Awaited<std::thread::id> ran_on;
    one.stream.async_send(Event("x"), asio::bind_executor(other.io.get_executor(), [&](std::error_code) {
                            ran_on.set(std::this_thread::get_id());
                          }));
    CHECK(ran_on.get() == other.run([] { return std::this_thread::get_id(); }));
    one.settle();  // the stream's loop may still be in its post to the other, which must outlive that
  }
  SECTION("a callback without one runs on the stream's loop") {
    Awaited<std::thread::id> ran_on;
    one.stream.async_send(Event("x"), [&](std::error_code) { ran_on.set(std::this_thread::get_id()); });
    CHECK(ran_on.get() == one.serving.loop.run([] { return std::this_thread::get_id(); }));
  }
}

TEST_CASE("no completion runs inside the call", "[loopback][stream][async]") {
  Journal journal;
  OneStream one;
  const auto send = [&](const std::string& name) {
    one.stream.async_send(Event("x"), [&, name](std::error_code) { journal.add(name); });
    journal.add("returned");
  };
  one.serving.loop.run([&] { send("sent"); });
  CHECK(journal.wait_for(2) == Texts{"returned", "sent"});
  one.client.connection().close();
  one.journal.wait_for(1);
  one.serving.loop.run([&] { send("refused"); });
  CHECK(journal.wait_for(4) == Texts{"returned", "sent", "returned", "refused"});
}

TEST_CASE("who awaits is told when the stream ends first", "[loopback][stream][async]") {
  Journal journal;
  OneStream one;
  one.block();
  for (int i = 0; i < 3; ++i) {
    one.stream.async_send(Event("x"), [&](std::error_code error) {
      journal.add(error == Errc::stream_closed ? "closed" : error.message());
    });
  }
  one.settle();
  SECTION("the client leaves") {
    one.client.connection().close();
  }
  SECTION("the server goes") {
    one.serving.destroy();
  }
  CHECK(journal.wait_for(3) == Texts(3, "closed"));
}

TEST_CASE("who awaits is told also when the loop has not taken the event yet", "[loopback][stream][async]") {
  Journal journal;
  OneStream one;
  one.serving.loop.run([&] {
    one.stream.async_send(Event("x"), [&](std::error_code error) {
      journal.add(error == Errc::stream_closed || !error ? "told" : error.message());
    });
    one.serving.server().stop();
  });
  CHECK(journal.wait_for(1) == Texts{"told"});
}

TEST_CASE("after the server has gone, who awaits is told on an executor of their own", "[loopback][stream][async]") {
  Journal journal;
  Loop other;
  OneStream one;
  one.serving.destroy();
  one.stream.async_send(Event("x"), asio::bind_executor(other.io.get_executor(), [&](std::error_code error) {
                          journal.add(error == Errc::shut_down ? "shut down" : error.message());
                        }));
  CHECK(journal.wait_for(1) == Texts{"shut down"});
  // There is nowhere to run for one without; but what it holds is let go.
  auto held = std::make_shared<int>();
  one.stream.async_send(Event("x"), [held](std::error_code) {});
  CHECK(held.use_count() == 1);
}

TEST_CASE("a server may be destroyed while another thread is about to await a send", "[loopback][stream][async]") {
  // A handler that is moved holds its thread up there until the server has gone: as if it had been preempted.
  struct Moves {
    std::atomic<int> left;
    std::atomic<bool> reached{false};
    std::atomic<bool> gone{false};
  };
  struct SlowHandler {
    explicit SlowHandler(Moves& watched) : moves(&watched) {}
    SlowHandler(SlowHandler&& other) noexcept : moves(other.moves) {
      if (--moves->left != 0) return;
      moves->reached = true;
      // Bounded: a server may wait for the call instead of leaving it behind.
      eventually([this] { return moves->gone.load(); }, 500ms);
    }
    void operator()(std::error_code) const {}
    Moves* moves;
  };

  for (int at = 1; at <= 4; ++at) {
    INFO("the server goes at move " << at);
    Moves moves{{at}};
    Awaited<EventStream> opened;
    auto server = std::make_unique<Server>(any_port(1));
    server->stream("/s", [&](const EventStream& stream) { opened.set(stream); });
    server->start();
    EventClient client(server->port(), "/s");
    const EventStream stream = opened.get();
    std::thread sender([&] { stream.async_send(Event("x"), SlowHandler(moves)); });
    CHECK(eventually([&] { return moves.reached.load(); }));
    server.reset();
    moves.gone = true;
    sender.join();
  }
}

TEST_CASE("a wait can be cancelled; the event itself stays queued", "[loopback][stream][async]") {
  const auto type =
      GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total);
  Journal journal;
  asio::cancellation_signal signal;
  OneStream one;
  one.block();
  one.stream.async_send(Event("x"), asio::bind_cancellation_slot(signal.slot(), [&](std::error_code error) {
                          journal.add(error == asio::error::operation_aborted ? "aborted" : error.message());
                        }));
  one.settle();
  one.serving.loop.run([&] { signal.emit(type); });
  CHECK(journal.wait_for(1) == Texts{"aborted"});
  // Too late to matter.
  one.serving.loop.run([&] { signal.emit(type); });
  CHECK(one.client.next().data.size() == OneStream::filler_size);
  CHECK(one.client.next().data == "x");
  one.settle();
  CHECK(journal.size() == 1);
}

TEST_CASE("a producer that awaits goes at its client's pace", "[loopback][stream][async]") {
  std::atomic<int> sent{0};
  OneStream one({}, [&](const EventStream& stream) {
    asio::co_spawn(
        stream.get_executor(),
        [&, stream]() -> asio::awaitable<void> {
          for (int i = 0; i < 100; ++i) {
            const Event event(std::string(100'000, 'x'));
            co_await stream.async_send(event, asio::use_awaitable);
            ++sent;
          }
          stream.complete();
        },
        asio::detached);
  });
  // A client that reads nothing gets as much as fits between them, and one event waits.
  eventually([&] { return one.stream.queued_bytes() > 0; });
  one.settle();
  CHECK(sent < 20);
  CHECK(one.stream.queued_bytes() < 200'000);
  CHECK(one.client.rest().size() == 100);
  CHECK(sent == 100);
}

TEST_CASE("a coroutine's stream completes when it returns", "[loopback][stream][coroutine]") {
  Journal journal;
  Serving serving([&](Server& server) {
    server.stream("/events", [&](EventStream stream) -> asio::awaitable<void> {
      watch(stream, journal);
      asio::steady_timer pause(stream.get_executor());
      for (const char* word : {"one", "two", "three"}) {
        const Event event(word);
        co_await stream.async_send(event, asio::use_awaitable);
        pause.expires_after(1ms);
        co_await pause.async_wait(asio::use_awaitable);
      }
    });
    server.stream("/nothing", [](EventStream) -> asio::awaitable<void> { co_return; });
  });
  EventClient client(serving.port(), "/events");
  CHECK(client.rest() == Texts{"one", "two", "three"});
  CHECK(client.completed());
  CHECK(journal.wait_for(1) == Texts{"complete"});
  // One that sends nothing is a stream all the same. (WHATWG 9.2.2)
  EventClient nothing(serving.port(), "/nothing");
  CHECK(nothing.rest().empty());
  CHECK(nothing.completed());
}

TEST_CASE("a handler that throws before the head is answered with 500", "[loopback][stream][exceptions]") {
  Journal exceptions, journal;
  ServerOptions options;
  options.on_exception = [&](std::exception_ptr exception) {
    exceptions.add(text_of(exception));
    throw std::runtime_error("not even this");  // is to do no harm
  };
  Serving serving(
      [&](Server& server) {
        server.stream("/function", [&](const EventStream& stream) {
          watch(stream, journal);
          throw std::runtime_error("in a function");
        });
        server.stream("/coroutine", [&](EventStream stream) -> asio::awaitable<void> {
          watch(stream, journal);
          throw std::runtime_error("in a coroutine");
          co_return;
        });
        server.get("/fine", [](const Request&) { return Response::text(200, "fine"); });
      },
      options);
  Client client(serving.port());
  for (const std::string name : {"function", "coroutine"}) {
    client.get("/" + name);
    CHECK(client.read_reply().status == 500);
    CHECK(exceptions.wait_for(1).back() == "in a " + name);
  }
  // The connection goes on.
  client.get("/fine");
  CHECK(client.read_reply().body == "fine");
  CHECK(journal.wait_for(2) == Texts{"complete", "complete"});
}

TEST_CASE("a handler that throws after the head ends its stream with an error", "[loopback][stream][exceptions]") {
  Journal exceptions, journal;
  ServerOptions options;
  options.on_exception = note_in(exceptions);
  Serving serving(
      [&](Server& server) {
        server.stream("/function", [&](const EventStream& stream) {
          watch(stream, journal);
          stream.send(Event("x"));
          throw std::runtime_error("in a function");
        });
        server.stream("/coroutine", [&](EventStream stream) -> asio::awaitable<void> {
          watch(stream, journal);
          const Event event("x");
          co_await stream.async_send(event, asio::use_awaitable);
          throw std::runtime_error("in a coroutine");
        });
      },
      options);
  const std::string name = GENERATE("function", "coroutine");
  EventClient client(serving.port(), "/" + name);
  CHECK(client.rest() == Texts{"x"});
  CHECK(journal.wait_for(2) == Texts{"error: " + make_error_code(Errc::handler_failed).message(), "complete"});
  CHECK(exceptions.entries() == Texts{"in a " + name});
  CHECK(serving.ended(EndReason::error) == 1);
}

TEST_CASE("a coroutine learns from its send that the client has gone, which is no exception",
          "[loopback][stream][coroutine]") {
  Journal exceptions, journal;
  std::weak_ptr<int> alive;
  ServerOptions options;
  options.on_exception = note_in(exceptions);
  Serving serving(
      [&](Server& server) {
        server.stream("/events", [&](EventStream stream) -> asio::awaitable<void> {
          const auto frame = std::make_shared<int>();
          stream.on_complete([&] { journal.add("complete"); });
          alive = frame;
          asio::steady_timer pause(stream.get_executor());
          for (;;) {
            const Event event("tick");
            co_await stream.async_send(event, asio::use_awaitable);
            pause.expires_after(1ms);
            co_await pause.async_wait(asio::use_awaitable);
          }
        });
      },
      options);
  {
    EventClient client(serving.port(), "/events");
    CHECK(client.next().data == "tick");
  }
  CHECK(journal.wait_for(1) == Texts{"complete"});
  CHECK(eventually([&] { return serving.loop.run([&] { return alive.expired(); }); }));
  CHECK(exceptions.size() == 0);
}
