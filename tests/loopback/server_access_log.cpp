// What an access log is told by a server on real sockets: whoever asked, whatever became of it.
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/registry/emitter.hpp>
#include <spate/server/access_log.hpp>
#include <spate/server/pending_response.hpp>
#include <spate/server/server.hpp>
#include <spate/server/streamed_response.hpp>
#include <spate/stream/event_stream.hpp>
#include "support/catch.hpp"
#include "support/client.hpp"
#include "support/event_client.hpp"
#include "support/eventually.hpp"
#include "support/serving.hpp"
#include "support/temporary_folder.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;

namespace {

/// A server with all kinds of routes, and what its access log is told.
struct Logged {
  explicit Logged(ServerOptions options = {}) {
    options.access_log = [this](const AccessRecord& record) { told.set(record); };
    options.threads = 2;
    options.port = 0;
    server.emplace(options);
    server->get("/hello", [](const Request&) { return Response::text(200, "hello"); });
    server->get("/later", [this](const Request&, PendingResponse answer) { pending.set(std::move(answer)); });
    server->get("/pieces", [](const Request&, StreamedResponse answer) -> asio::awaitable<void> {
      answer.begin(Response(200));
      for (const char* piece : {"one", "two", "three"}) co_await answer.async_write(piece, asio::use_awaitable);
    });
    server->get("/broken", [](const Request&, StreamedResponse answer) -> asio::awaitable<void> {
      answer.begin(Response(200));
      co_await answer.async_write("one", asio::use_awaitable);
      throw std::runtime_error("there is no more");
    });
    server->get("/fails", [](const Request&) -> Response { throw std::runtime_error("no"); });
    server->get(
        "/refused", [](const Request&) { return Response(204); }, refusing());
    server->stream("/events/{user}", [this](const EventStream& stream) {
      emitter.add(stream.request()->param("user"), stream);
      opened.set(stream);
    });
    server->stream("/rejected", [](const EventStream& stream) { stream.reject(Response(204)); });
    server->start();
  }

  static RouteOptions refusing() {
    RouteOptions options;
    options.authorize = [](Request&) { return Response::error(401, "who are you?"); };
    return options;
  }

  /// What is told of a request for `target`, which is answered by itself with `body`.
  AccessRecord ask(std::string_view target, Client::Method method = Client::Method::other) {
    Client client(server->port());
    if (method == Client::Method::head) {
      client.send("HEAD " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    } else {
      client.get(target);
    }
    body = client.read_reply(method).body;
    return told.take();
  }

  std::string body;
  Awaited<AccessRecord> told;
  Awaited<PendingResponse> pending;
  Awaited<EventStream> opened;
  Emitter emitter;
  std::optional<Server> server;
};

}  // namespace

TEST_CASE("an access log is told who asked, for what, and what they got", "[loopback][server][access_log]") {
  Logged logged;
  Client client(logged.server->port());
  client.send("GET /hello?a=b HTTP/1.0\r\nUser-Agent: a \"test\"\r\n\r\n");
  client.read_to_end();
  const AccessRecord record = logged.told.take();
  CHECK(record.remote_address == "127.0.0.1");
  CHECK(record.remote_port != 0);
  CHECK(record.remote_port != logged.server->port());
  CHECK(record.protocol == "HTTP/1.0");
  CHECK(record.target == "/hello?a=b");
  CHECK(record.user_agent == "a \"test\"");
  CHECK(record.status == 200);
  CHECK(record.body_bytes == 5);
  CHECK(record.complete);
  CHECK(std::chrono::system_clock::now() - record.time < std::chrono::minutes(1));
}

TEST_CASE("it is told of every kind of answer", "[loopback][server][access_log]") {
  Logged logged;
  struct Expected {
    const char* target;
    int status;
    const char* route;
  };
  for (const Expected& expected :
       {Expected{"/hello", 200, "/hello"}, Expected{"/pieces", 200, "/pieces"}, Expected{"/rejected", 204, "/rejected"},
        Expected{"/nowhere", 404, ""}, Expected{"/hello?%", 400, ""}, Expected{"/refused", 401, "/refused"},
        Expected{"/fails", 500, "/fails"}, Expected{"/events/ann?transport=poll&timeout=0", 200, "/events/{user}"},
        Expected{"/events/ann?transport=no", 400, "/events/{user}"}}) {
    CAPTURE(expected.target);
    const AccessRecord record = logged.ask(expected.target);
    CHECK(record.target == expected.target);
    CHECK(record.status == expected.status);
    CHECK(record.body_bytes == logged.body.size());
    CHECK(record.route == expected.route);
    CHECK(record.complete);
    CHECK_FALSE(record.stream_end);
  }
  // A HEAD has the status of the whole, and no body.
  for (const char* target : {"/hello", "/pieces", "/events/ann"}) {
    CAPTURE(target);
    const AccessRecord record = logged.ask(target, Client::Method::head);
    CHECK(record.method == "HEAD");
    CHECK(record.status == 200);
    CHECK(record.body_bytes == 0);
    CHECK(record.complete);
  }
}

TEST_CASE("an answer that comes later is told of then", "[loopback][server][access_log]") {
  Logged logged;
  Client client(logged.server->port());
  client.get("/later");
  const PendingResponse pending = logged.pending.get();
  CHECK(logged.ask("/hello").target == "/hello");  // others are told of meanwhile
  pending.respond(Response::text(202, "now"));
  const AccessRecord record = logged.told.take();
  CHECK(record.target == "/later");
  CHECK(record.status == 202);
}

TEST_CASE("one that breaks off, and one that nobody waited for, are told as such", "[loopback][server][access_log]") {
  Logged logged;
  {
    Client client(logged.server->port());
    client.get("/broken");
    client.read_to_end();
    const AccessRecord record = logged.told.take();
    CHECK(record.status == 200);
    CHECK(record.body_bytes == 3);
    CHECK_FALSE(record.complete);
  }
  {
    Client client(logged.server->port());
    client.get("/later");
    logged.pending.get();
    client.reset();
    const AccessRecord record = logged.told.take();
    CHECK(record.target == "/later");
    CHECK(record.status == 0);
    CHECK_FALSE(record.complete);
  }
}

TEST_CASE("a stream is told of at its end, with why and how much", "[loopback][server][access_log]") {
  Logged logged;
  std::optional<EventClient> client(std::in_place, logged.server->port(), "/events/ann");
  logged.opened.take();
  logged.emitter.send("ann", Event("one"));
  logged.emitter.broadcast(Event("two"));
  logged.emitter.broadcast(Event("three"));
  client->next_data(3);
  CHECK_FALSE(logged.told.is_set());
  SECTION("it leaves") {
    client.reset();
    const AccessRecord record = logged.told.take();
    CHECK(record.stream_end == EndReason::client);
    CHECK_FALSE(record.complete);
    CHECK(record.events == 3);
    CHECK(record.body_bytes > 0);
    CHECK(record.route == "/events/{user}");
    CHECK(record.target == "/events/ann");
  }
  SECTION("the registry closes it") {
    logged.emitter.remove("ann");
    const AccessRecord record = logged.told.take();
    CHECK(record.stream_end == EndReason::closed);
    CHECK(record.complete);
    CHECK(record.events == 3);
  }
  SECTION("the server is stopped") {
    logged.server->stop();
    REQUIRE(logged.told.is_set());  // before that returns
    const AccessRecord record = logged.told.take();
    CHECK(record.stream_end == EndReason::shutdown);
    CHECK_FALSE(record.complete);
  }
  SECTION("the server drains") {
    Awaited<std::size_t> done;
    logged.server->shutdown(1h, [&](std::size_t cut) { done.set(cut); });
    const AccessRecord record = logged.told.take();
    CHECK(record.stream_end == EndReason::shutdown);
    CHECK(record.complete);
    client.reset();
    done.get();
  }
}

TEST_CASE("who finds no place is told of with 503", "[loopback][server][access_log]") {
  ServerOptions options;
  options.max_connections = 1;
  Logged logged(options);
  const EventClient first(logged.server->port(), "/events/ann");
  Client second(logged.server->port());
  second.read_to_end();
  const AccessRecord record = logged.told.take();
  CHECK(record.status == 503);
  CHECK(record.remote_address == "127.0.0.1");
  CHECK(record.method.empty());
  CHECK(record.complete);
}

#if !defined(_WIN32)
TEST_CASE("over a Unix socket nobody has an address", "[loopback][server][access_log]") {
  TemporaryFolder folder;
  ServerOptions options;
  options.address = "unix:" + (folder.path() / "s").string();
  Logged logged(options);
  asio::io_context io;
  asio::local::stream_protocol::socket socket(io);
  socket.connect(asio::local::stream_protocol::endpoint((folder.path() / "s").string()));
  Client client = Client::on(socket.release());
  client.get("/hello");
  client.read_reply();
  const AccessRecord record = logged.told.take();
  CHECK(record.remote_address.empty());
  CHECK(record.remote_port == 0);
  CHECK(record.status == 200);
}
#endif

TEST_CASE("a request that was read elsewhere is told of like any other", "[loopback][server][access_log]") {
  Logged logged;
  asio::io_context io;
  auto acceptor = listening(io.get_executor());
  Client client(acceptor.local_endpoint().port());
  logged.server->adopt(acceptor.accept(), Request("GET", "/hello").add_header("Host", "localhost"));
  client.read_reply();
  const AccessRecord record = logged.told.take();
  CHECK(record.target == "/hello");
  CHECK(record.status == 200);
  CHECK(record.remote_address == "127.0.0.1");
}
