// Where connections come from, on which threads they live, and how a server ends.
#if !defined(_WIN32)
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>
#endif

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/stream/stream_host.hpp>
#include "support/catch.hpp"
#include "support/deferring.hpp"
#include "support/end_of.hpp"
#include "support/one_stream.hpp"
#include "support/stream_collection.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;

using Clock = std::chrono::steady_clock;

namespace {

Response hello(const Request&) {
  return Response::text(200, "hello");
}

std::string ask(std::uint16_t port) {
  Client client(port);
  client.get("/hello");
  return client.read_reply().body;
}

/// A connected pair: the server's end as the program would have it, and the client's.
std::pair<asio::ip::tcp::socket, Client> connected(asio::io_context& io) {
  asio::ip::tcp::acceptor acceptor = listening(io.get_executor());
  Client client(acceptor.local_endpoint().port());
  return {acceptor.accept(), std::move(client)};
}

}  // namespace

// ---- where connections come from ----

TEST_CASE("a server listens where it is told, and says where", "[loopback][server][adopt]") {
  Server server(any_port(1));
  server.get("/hello", hello);
  server.start();
  CHECK(server.port() != 0);
  CHECK(server.local_endpoint().address().is_loopback());
  CHECK(ask(server.port()) == "hello");
  // Somebody else has the address now.
  ServerOptions taken = any_port(1);
  taken.port = server.port();
  Server second(taken);
  try {
    second.start();
    FAIL("two servers have one address");
  } catch (const std::system_error& error) {
    CHECK(error.code() == std::errc::address_in_use);
    CHECK_THAT(error.what(), Catch::Matchers::ContainsSubstring("127.0.0.1 port " + std::to_string(server.port())));
  }
}

TEST_CASE("a server accepts from a socket that listens already", "[loopback][server][adopt]") {
  // Of another io_context, which nobody runs, and which goes before the server does.
  std::optional<asio::io_context> other(std::in_place);
  Server server(any_port(2));
  server.get("/hello", hello);
  auto acceptor = listening(other->get_executor());
  const std::uint16_t port = acceptor.local_endpoint().port();
  server.adopt(std::move(acceptor));
  auto another = listening(other->get_executor());
  const std::uint16_t second = another.local_endpoint().port();
  server.adopt(std::move(another));
  other.reset();
  for (int i = 0; i < 5; ++i) {
    CHECK(ask(port) == "hello");
    CHECK(ask(second) == "hello");
  }
}

TEST_CASE("which hosts are answered follows from the socket and not from the option", "[loopback][server][adopt]") {
  asio::io_context other;
  ServerOptions options = any_port(1);
  options.address = GENERATE("127.0.0.1", "0.0.0.0");
  Server server(options);
  server.get("/hello", hello);
  const auto status_for_stranger = [](Client& client) {
    client.send("GET /hello HTTP/1.1\r\nHost: app.example\r\n\r\n");
    return client.read_reply().status;
  };
  SECTION("bound to loopback: names of others could be led there") {
    auto acceptor = listening(other.get_executor());
    Client client(acceptor.local_endpoint().port());
    server.adopt(std::move(acceptor));
    CHECK(status_for_stranger(client) == 403);
    client.get("/hello");
    CHECK(client.read_reply().status == 200);
  }
  SECTION("bound to every address: it has names of its own") {
    asio::ip::tcp::acceptor acceptor(other, {asio::ip::address_v4::any(), 0});
    Client client(acceptor.local_endpoint().port());
    server.adopt(std::move(acceptor));
    CHECK(status_for_stranger(client) == 200);
  }
  SECTION("of a connection alone only its own end is known") {
    auto [socket, client] = connected(other);
    server.adopt(std::move(socket));
    CHECK(status_for_stranger(client) == 403);
  }
  SECTION("also where its first request was read") {
    auto [socket, client] = connected(other);
    server.adopt(std::move(socket), Request("GET", "/hello").add_header("Host", "app.example"));
    CHECK(client.read_reply().status == 403);
  }
}

TEST_CASE("a server serves a connection that somebody else accepted", "[loopback][server][adopt]") {
  std::optional<asio::io_context> other(std::in_place);
  Server server(any_port(2));
  server.get("/hello", hello);
  server.stream("/events", [](const EventStream& stream) { stream.complete(Event("x")); });
  auto [socket, client] = connected(*other);
  SECTION("from its first byte") {
    server.adopt(std::move(socket));
    other.reset();
    client.get("/hello");
    CHECK(client.read_reply().body == "hello");
  }
  SECTION("with a request that was read") {
    server.adopt(std::move(socket), Request("GET", "/hello").add_header("Host", "localhost"));
    CHECK(client.read_reply().body == "hello");
    // And those that follow.
    client.get("/hello");
    CHECK(client.read_reply().body == "hello");
    client.get("/events");
    EventClient events(std::move(client));
    CHECK(events.rest() == Texts{"x"});
  }
  SECTION("with a request for a stream, and whatever was sent after it") {
    client.get("/hello");
    server.adopt(std::move(socket), Request("GET", "/events").add_header("Host", "localhost"));
    EventClient events(std::move(client));
    CHECK(events.rest() == Texts{"x"});
    CHECK(events.connection().read_end() == End::closed);
  }
}

TEST_CASE("a host opens streams on connections of another server", "[loopback][server][host]") {
  Journal journal;
  Loop loop;
  std::optional<StreamHost> host(std::in_place, loop.io.get_executor());
  auto [socket, client] = connected(loop.io);
  const EventStream stream = host->open(std::move(socket), Request("GET", "/x?last_event_id=7"), {{"X-Mine", "yes"}});
  watch(stream, journal);
  CHECK(stream.last_event_id() == "7");

  SECTION("which then are like any other") {
    stream.send(Event("hello"));
    EventClient events(std::move(client));
    CHECK(events.head().field("X-Mine") == "yes");
    CHECK(events.next().data == "hello");
    stream.complete(Event("last"));
    CHECK(events.rest() == Texts{"last"});
    CHECK(events.completed());
    CHECK(journal.wait_for(1) == Texts{"complete"});
  }
  SECTION("which can be refused") {
    CHECK(stream.reject(Response::error(404, "there is nothing here")));
    const Reply reply = client.read_reply();
    CHECK(reply.status == 404);
    CHECK(reply.field("Connection") == "close");
    CHECK(client.read_end() == End::closed);
    CHECK(journal.wait_for(1) == Texts{"complete"});
  }
  SECTION("whose clients may leave before the head") {
    client.close();
    CHECK(journal.wait_for(1) == Texts{"complete"});
    CHECK(stream.send(Event("x")) == SendResult::closed);
  }
  SECTION("which drain together") {
    host->drain();
    EventClient events(std::move(client));
    CHECK(events.rest().empty());
    CHECK(events.completed());
    CHECK(events.decoder().reconnection_time() >= 1000ms);
  }
  SECTION("which end with it, begun or not") {
    if (GENERATE(false, true)) stream.open();
    loop.run([&] { host.reset(); });
    CHECK(journal.wait_for(1) == Texts{"complete"});
    CHECK_FALSE(stream.is_open());
    client.read_to_end();
    CHECK(client.how_ended() != End::open);
  }
  loop.run([&] { host.reset(); });
}

TEST_CASE("a host's stream on a socket that is no connection fails", "[loopback][server][host]") {
  Journal journal;
  Loop loop;
  std::optional<StreamHost> host(std::in_place, loop.io.get_executor());
  const EventStream stream = host->open(asio::ip::tcp::socket(loop.io), Request("GET", "/"));
  watch(stream, journal);
  const Texts told = journal.wait_for(2);
  REQUIRE(told.size() == 2);
  CHECK(told[1] == "complete");
  loop.run([&] { host.reset(); });
}

// ---- threads ----

TEST_CASE("two servers in one process know nothing of each other", "[loopback][server][threads]") {
  Loop loop;
  std::optional<Server> first, second;
  for (auto* server : {&first, &second}) {
    server->emplace(loop.io, any_port());
    (*server)->get("/hello", [server, &first](const Request&) {
      return Response::text(200, server == &first ? "first" : "second");
    });
    (*server)->start();
  }
  CHECK(ask(first->port()) == "first");
  CHECK(ask(second->port()) == "second");
  CHECK(first->stats().requests == 1);
  loop.run([&] { first.reset(); });
  CHECK(ask(second->port()) == "second");
  CHECK(second->stats().requests == 2);
  loop.run([&] { second.reset(); });
}

TEST_CASE("connections are dealt out to the server's threads, and stay where they are", "[loopback][server][threads]") {
  StreamCollection streams;
  Server server(any_port(3));
  server.stream("/events", [&](EventStream stream) { streams.add(std::move(stream)); });
  server.start();
  std::vector<std::unique_ptr<EventClient>> clients;
  for (int i = 0; i < 9; ++i) clients.push_back(std::make_unique<EventClient>(server.port(), "/events"));
  CHECK(eventually([&] { return server.stats().streams == 9; }));
  CHECK(streams.threads() == 3);
  constexpr int events = 200;
  for (int i = 0; i < events; ++i) streams.send(Event(std::to_string(i)));
  for (const auto& client : clients) {
    for (int i = 0; i < events; ++i) REQUIRE(client->next().data == std::to_string(i));
  }
  CHECK(server.stats().deliveries == 9 * events);
}

TEST_CASE("an io_context that several threads run is as good as one", "[loopback][server][threads]") {
  asio::io_context io;
  StreamCollection streams;
  std::atomic<int> inside{0}, most{0};
  std::optional<Server> server(std::in_place, io, any_port());
  server->stream("/events", [&](EventStream stream) {
    most = std::max(most.load(), ++inside);
    stream.on_complete([&] {
      most = std::max(most.load(), ++inside);
      --inside;
    });
    streams.add(std::move(stream));
    --inside;
  });
  server->start();
  const std::uint16_t port = server->port();
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back([&] { io.run(); });
  for (int round = 0; round < 20; ++round) {
    EventClient a(port, "/events"), b(port, "/events");
    streams.send(Event("x"));
    CHECK(a.next().data == "x");
    CHECK(b.next().data == "x");
  }
  io.stop();
  for (std::thread& thread : threads) thread.join();
  CHECK(most == 1);
  server.reset();
}

TEST_CASE("a server that stops does not wait for what its coroutines wait for", "[loopback][server][end]") {
  Journal journal;
  auto held = std::make_shared<int>();
  {
    Server server(any_port(2));
    server.stream("/events", [&, held](EventStream stream) -> asio::awaitable<void> {
      const auto frame = held;
      stream.on_complete([&] { journal.add("complete"); });
      stream.open();
      asio::steady_timer wait(stream.get_executor(), 1h);
      co_await wait.async_wait(asio::use_awaitable);
    });
    server.start();
    EventClient a(server.port(), "/events"), b(server.port(), "/events");
    const auto start = Clock::now();
    server.stop();
    CHECK(Clock::now() - start < 10s);
    // What the end has caused has run by then.
    CHECK(journal.entries() == Texts{"complete", "complete"});
    CHECK_FALSE(a.completed());
  }
  CHECK(held.use_count() == 1);
}

// ---- the end ----

TEST_CASE("a server without streams has shut down as soon as it is asked", "[loopback][server][shutdown]") {
  const std::size_t threads = GENERATE(0u, 1u, 3u);
  Loop loop;
  std::optional<Server> server(std::in_place, loop.io, any_port(threads));
  server->get("/hello", hello);
  server->start();
  // One that is idle between two requests has no claim.
  Client idle(server->port());
  idle.get("/hello");
  idle.read_reply();
  Awaited<std::size_t> done;
  server->shutdown(1h, [&](std::size_t cut) { done.set(cut); });
  CHECK(done.get() == 0);
  CHECK(idle.read_end() == End::closed);
  Client late;
  CHECK_THROWS_AS(late.connect(server->port()), Failure);
  loop.run([&] { server.reset(); });
}

TEST_CASE("a server that never started has shut down as well", "[loopback][server][shutdown]") {
  Server server(any_port(2));
  Awaited<std::size_t> done;
  server.shutdown(1h, [&](std::size_t cut) { done.set(cut); });
  CHECK(done.get() == 0);
}

TEST_CASE("a shutdown tells every client when to come back, and ends in time", "[loopback][server][shutdown]") {
  const std::size_t threads = GENERATE(0u, 3u);
  Loop loop;
  ServerOptions options = any_port(threads);
  options.stream.shutdown_retry_min = 100ms;
  options.stream.shutdown_retry_max = 100'000ms;
  const bool with_farewell = GENERATE(false, true);
  if (with_farewell) {
    options.stream.farewell = [](EndReason reason) { return Event(std::string(to_string(reason))).name("closing"); };
  }
  std::optional<Server> server(std::in_place, loop.io, options);
  server->stream("/events", [](const EventStream&) {});
  server->start();
  std::vector<std::unique_ptr<EventClient>> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(std::make_unique<EventClient>(server->port(), "/events"));
  Awaited<std::size_t> done;
  server->shutdown(1h, [&](std::size_t cut) { done.set(cut); });
  std::set<long> retries;
  for (const auto& client : clients) {
    CHECK(client->rest() == (with_farewell ? Texts{"shutdown"} : Texts{}));
    CHECK(client->completed());
    const auto retry = client->decoder().reconnection_time();
    REQUIRE(retry);
    CHECK(*retry >= 100ms);
    CHECK(*retry <= 100'000ms);
    retries.insert(retry->count());
    client->connection().close();
  }
  // They do not all return at once.
  CHECK(retries.size() > 4);
  CHECK(done.get() == 0);
  CHECK(server->stats().streams_ended[static_cast<std::size_t>(EndReason::shutdown)] == 8);
  loop.run([&] { server.reset(); });
}

TEST_CASE("an answer under way is finished by a shutdown", "[loopback][server][shutdown]") {
  Deferring deferring;
  Client client(deferring.serving.port());
  const PendingResponse pending = deferring.ask(client);
  Awaited<std::size_t> done;
  deferring.serving.server().shutdown(1h, [&](std::size_t cut) { done.set(cut); });
  deferring.serving.loop.settle();
  CHECK_FALSE(done.is_set());
  pending.respond(Response::text(200, "just in time"));
  const Reply reply = client.read_reply();
  CHECK(reply.body == "just in time");
  CHECK(reply.field("Connection") == "close");
  client.close();
  CHECK(done.get() == 0);
}

TEST_CASE("a coroutine that has not begun to send is shut down like the others", "[loopback][server][shutdown]") {
  Awaited<EventStream> opened;
  Serving serving([&](Server& server) {
    server.stream("/events", [&](EventStream stream) -> asio::awaitable<void> {
      opened.set(stream);
      co_await end_of(stream);
    });
  });
  Client client(serving.port());
  client.get("/events");
  opened.get();
  Awaited<std::size_t> done;
  serving.server().shutdown(1h, [&](std::size_t cut) { done.set(cut); });
  EventClient events(std::move(client));
  CHECK(events.completed());
  CHECK(events.decoder().reconnection_time());
  events.connection().close();
  CHECK(done.get() == 0);
}

TEST_CASE("what does not end by the deadline is cut and counted", "[loopback][server][shutdown]") {
  Journal journal;
  Awaited<EventStream> opened;
  Serving serving(
      [&](Server& server) {
        server.stream("/never", [&](EventStream stream) {
          watch(stream, journal);
          opened.set(std::move(stream));
        });
        server.stream("/reads", [&](const EventStream&) {});
        server.get("/pending", [&](const Request&, PendingResponse pending) {
          pending.on_error([&, pending](std::error_code error) { journal.add(error.message()); });
        });
      },
      with(roomy()), Serving::small_buffer);
  // One never reads, one waits for an answer, one does as it should.
  EventClient never(serving.port(), "/never", {}, "HTTP/1.1", Serving::small_buffer);
  Client pending(serving.port());
  pending.get("/pending");
  EventClient reads(serving.port(), "/reads");
  opened.get().send(Event(std::string(1'000'000, 'x')));
  CHECK(eventually([&] { return serving.stats().queue_high_water_bytes > 0 && serving.stats().requests == 3; }));

  Awaited<std::size_t> done;
  const auto start = Clock::now();
  serving.server().shutdown(100ms, [&](std::size_t cut) { done.set(cut); });
  CHECK(reads.completed());
  CHECK(done.get() == 2);
  const auto took = Clock::now() - start;
  CHECK(took >= 100ms);
  CHECK(took < 5s);
  CHECK_FALSE(never.completed());
  CHECK(pending.read_to_end().empty());
  // Its last event was under way: to be shut down was its end, whatever it read.
  CHECK(serving.ended(EndReason::shutdown) == 2);
  Texts told = journal.wait_for(2);
  std::sort(told.begin(), told.end());
  CHECK(told == Texts{"complete", make_error_code(Errc::shut_down).message()});
}

TEST_CASE("a shutdown is over once, also when the server is stopped before", "[loopback][server][shutdown]") {
  const std::size_t threads = GENERATE(0u, 3u);
  Journal journal;
  Loop loop;
  std::optional<Server> server(std::in_place, loop.io, any_port(threads));
  server->get("/", [](const Request&, PendingResponse pending) {
    pending.on_error([pending](std::error_code) {});  // holds it as long as the client is there
  });
  server->start();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(std::make_unique<Client>(server->port()));
    clients.back()->get("/");
  }
  CHECK(eventually([&] { return server->stats().requests == 5; }));
  const auto note = [&](std::size_t cut) { journal.add("cut " + std::to_string(cut)); };
  server->shutdown(1h, note);
  server->shutdown(1h, note);
  const auto start = Clock::now();
  loop.run([&] { server->stop(); });
  CHECK(journal.wait_for(1) == Texts{"cut 5"});
  CHECK(Clock::now() - start < 10s);
  server->shutdown(1h, note);
  loop.settle();
  loop.run([&] { server.reset(); });
  CHECK(journal.size() == 1);
}

TEST_CASE("an io_context runs out of work when its server has shut down", "[loopback][server][shutdown]") {
  asio::io_context io;
  Server server(io, any_port());
  server.stream("/events", [](const EventStream& stream) { stream.send(Event("x")); });
  server.start();
  std::thread client([port = server.port(), &server] {
    EventClient events(port, "/events");
    events.next();
    server.shutdown(1h, [](std::size_t) {});
    events.completed();
  });
  io.run();  // returns
  client.join();
  CHECK(server.stats().streams_opened == 1);
}

TEST_CASE("a server may be stopped, or destroyed, by what runs on it", "[loopback][server][end]") {
  Journal journal;
  Loop loop;
  std::optional<Server> server(std::in_place, loop.io, any_port());
  const bool destroyed = GENERATE(false, true);
  const auto end = [&] {
    if (destroyed) {
      server.reset();
    } else {
      server->stop();
    }
    journal.add("stopped");
  };
  server->get("/value", [&](const Request&) {
    end();
    return Response(204);
  });
  server->get("/pending", [&](const Request&, const PendingResponse& pending) {
    end();
    pending.respond(Response(204));
  });
  server->stream("/stream", [&](const EventStream& stream) {
    stream.send(Event("x"));
    end();
    stream.send(Event("y"));
  });
  server->stream("/coroutine", [&](EventStream stream) -> asio::awaitable<void> {
    const Event event("x");
    co_await stream.async_send(event, asio::use_awaitable);
    end();
    co_await stream.async_send(event, asio::use_awaitable);
  });
  server->stream("/complete", [&](const EventStream& stream) {
    stream.on_complete([&] { end(); });
    stream.complete();
  });
  server->start();
  // Others are there as well.
  Client idle(server->port());
  const std::string path = GENERATE("/value", "/pending", "/stream", "/coroutine", "/complete");
  Client client(server->port());
  client.get(path);
  CHECK(journal.wait_for(1) == Texts{"stopped"});
  client.read_to_end();
  CHECK(client.how_ended() != End::open);
  idle.read_to_end();
  CHECK(idle.how_ended() != End::open);
  loop.run([&] { server.reset(); });
}

TEST_CASE("a server may end while connections come in", "[loopback][server][end]") {
  for (int round = 0; round < 10; ++round) {
    const std::size_t threads = round % 3;
    Loop loop;
    std::optional<Server> server(std::in_place, loop.io, any_port(threads));
    server->stream("/events", [](const EventStream& stream) { stream.send(Event("x")); });
    server->start();
    std::atomic<bool> go_on{true};
    std::thread rush([&, port = server->port()] {
      while (go_on) {
        try {
          Client client(port);
          client.get("/events");
          client.read_more();
        } catch (const Failure&) {
          return;  // nobody listens any more
        }
      }
    });
    CHECK(eventually([&] { return server->stats().streams_opened > 5; }));
    if (round % 2 == 0) {
      Awaited<std::size_t> done;
      server->shutdown(10ms, [&](std::size_t cut) { done.set(cut); });
      done.get();
    }
    loop.run([&] { server.reset(); });
    go_on = false;
    rush.join();
  }
}

// ---- limits of the system ----

#if !defined(_WIN32)
TEST_CASE("with no descriptor left a server serves whom it has, and recovers", "[loopback][server][limits]") {
  Awaited<EventStream> opened;
  Serving serving([&](Server& server) {
    server.stream("/events", [&](EventStream stream) { opened.set(std::move(stream)); });
    server.get("/hello", hello);
  });
  EventClient served(serving.port(), "/events");
  const EventStream stream = opened.get();
  // The clients have their sockets already; the server gets none for them.
  std::vector<Client> waiting;
  waiting.reserve(5);
  for (int i = 0; i < 5; ++i) waiting.emplace_back();
  const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  REQUIRE(next >= 0);
  ::close(next);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(next);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  for (Client& client : waiting) {
    client.connect(serving.port());  // the kernel does that much by itself
    client.get("/hello");
  }
  const bool noticed = eventually([&] { return serving.stats().accept_errors >= 2; });
  stream.send(Event("still here"));
  const std::string data = served.next().data;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(noticed);
  CHECK(data == "still here");
  for (Client& client : waiting) CHECK(client.read_reply().body == "hello");
}
#endif

TEST_CASE("a farewell that throws ends its stream without a word, and is told to the program", "[loopback][server]") {
  const bool own_options = GENERATE(false, true);
  CAPTURE(own_options);
  Journal journal;
  ServerOptions options = any_port(1);
  options.stream.farewell = [](EndReason) -> std::optional<Event> { throw std::runtime_error("no words"); };
  options.on_exception = [&](const std::exception_ptr& exception) {
    try {
      std::rethrow_exception(exception);
    } catch (const std::runtime_error& error) {
      journal.add(error.what());
    }
  };
  RouteOptions route;
  if (own_options) {
    route.stream = options.stream;
    options.stream.farewell = nullptr;
  }
  Server server(options);
  server.stream(
      "/events",
      [&](const EventStream& stream) {
        stream.on_error([&](std::error_code error) { journal.add(error.message()); });
        stream.send(Event("last"));
        stream.complete();
      },
      route);
  server.start();
  EventClient client(server.port(), "/events");
  CHECK(client.rest() == Texts{"last"});
  CHECK(client.completed());
  CHECK(journal.wait_for(2) == Texts{"no words", std::error_code(spate::Errc::handler_failed).message()});
}
