// A server in a process that does other things as well: it starts programs, and waits for signals.
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <spate/stream/stream_host.hpp>
#include "support/catch.hpp"
#include "support/event_client.hpp"
#include "support/free_port.hpp"
#include "support/processes.hpp"
#include "support/serving.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;

namespace {

/// A descriptor as Asio opens it, which a program that is started inherits.
template <typename Socket>
bool is_inherited(Socket& socket) {
  return (::fcntl(socket.native_handle(), F_GETFD) & FD_CLOEXEC) == 0;
}

}  // namespace

TEST_CASE("a program that a handler starts inherits nothing of the server", "[loopback][server][process]") {
  const std::set<std::string> before = inherited_descriptors();
  Texts found{"nobody looked"};
  Awaited<EventStream> opened;
  const auto add_routes = [&](Server& server) {
    server.stream("/events", [&](EventStream stream) { opened.set(std::move(stream)); });
    server.get("/look", [&](const Request&) {
      found = added(before, inherited_descriptors());
      return Response(204);
    });
  };
  const auto look = [&](std::uint16_t port) {
    const EventClient events(port, "/events");
    opened.get();
    Client client(port);
    client.get("/look");
    CHECK(client.read_reply().status == 204);
  };
  SECTION("that opened its own socket, on threads of its own") {
    Server server(any_port(2));
    add_routes(server);
    server.start();
    look(server.port());
    CHECK(found == Texts{});
  }
  SECTION("that opened its own socket, on the program's loop") {
    Loop loop;
    std::optional<Server> server(std::in_place, loop.io, any_port());
    add_routes(*server);
    server->start();
    look(server->port());
    CHECK(found == Texts{});
    loop.run([&] { server.reset(); });
  }
  SECTION("that took over a socket which listens") {
    Loop loop;
    std::optional<Server> server(std::in_place, loop.io, any_port());
    add_routes(*server);
    auto acceptor = listening(loop.io.get_executor());
    REQUIRE(is_inherited(acceptor));
    const std::uint16_t port = acceptor.local_endpoint().port();
    server->adopt(std::move(acceptor));
    look(port);
    CHECK(found == Texts{});
    loop.run([&] { server.reset(); });
  }
  SECTION("that took over connections, with and without a request") {
    Loop loop;
    std::optional<Server> server(std::in_place, loop.io, any_port());
    std::optional<StreamHost> host(std::in_place, loop.io.get_executor());
    add_routes(*server);
    auto acceptor = listening(loop.io.get_executor());
    ::fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
    const std::uint16_t port = acceptor.local_endpoint().port();
    const auto accepted = [&] {
      asio::ip::tcp::socket socket = acceptor.accept();
      REQUIRE(is_inherited(socket));
      return socket;
    };
    const Client streaming(port), hosted(port);
    Client asking(port);
    server->adopt(accepted(), Request("GET", "/events").add_header("Host", "localhost"));
    opened.get();
    const EventStream stream = host->open(accepted(), Request("GET", "/"));
    server->adopt(accepted());
    asking.get("/look");
    CHECK(asking.read_reply().status == 204);
    CHECK(found == Texts{});
    loop.run([&] {
      host.reset();
      server.reset();
    });
  }
}

TEST_CASE("a port is free again though a program that a handler started lives on", "[loopback][server][process]") {
  std::unique_ptr<Bystander> program;
  ServerOptions options = any_port(1);
  options.port = free_port();
  {
    Server server(options);
    server.get("/start", [&](const Request&) {
      program = std::make_unique<Bystander>();
      return Response(204);
    });
    server.start();
    Client client(options.port);
    client.get("/start");
    CHECK(client.read_reply().status == 204);
  }
  REQUIRE(program);
  CHECK(program->lives());
  Server next(options);
  next.get("/", [](const Request&) { return Response::text(200, "next"); });
  next.start();
  Client client(options.port);
  client.get("/");
  CHECK(client.read_reply().body == "next");
}

TEST_CASE("threads of a server take no signal from the thread that waits for it", "[loopback][server][process]") {
  const auto before = blocked_signals();
  sigset_t mask;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  REQUIRE(sigismember(&mask, SIGUSR1) == 0);
  Server server(any_port(3));
  server.get("/", [](const Request&) { return Response(204); });
  server.start();
  // The program's own thread is as it was.
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  CHECK(sigismember(&mask, SIGUSR1) == 0);
  std::size_t threads = 0;
  for (const auto& [thread, blocked] : blocked_signals()) {
    if (before.count(thread) > 0) continue;
    ++threads;
    REQUIRE((blocked & every_signal) == every_signal);
  }
  CHECK(threads == 3);
  // Blocked here only after the server has started, and sent to the process, it waits for whoever asks for it.
  sigset_t awaited;
  sigemptyset(&awaited);
  sigaddset(&awaited, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &awaited, nullptr);
  ::kill(::getpid(), SIGUSR1);
  const timespec wait{std::chrono::seconds(patience).count(), 0};
  CHECK(::sigtimedwait(&awaited, nullptr, &wait) == SIGUSR1);
  ::pthread_sigmask(SIG_UNBLOCK, &awaited, nullptr);
}
