// Unix sockets, and sockets that other libraries know by their descriptors.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>

#include <spate/stream/stream_host.hpp>
#include "support/catch.hpp"
#include "support/deferring.hpp"
#include "support/one_stream.hpp"
#include "support/refusal.hpp"
#include "support/temporary_folder.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using Local = asio::local::stream_protocol;

namespace {

/// Where a socket is to be.
class Folder : public TemporaryFolder {
 public:
  std::string socket() const { return path() / "s"; }
  bool has_socket() const { return std::filesystem::exists(std::filesystem::symlink_status(socket())); }
};

ServerOptions at(const Folder& folder) {
  ServerOptions options = any_port(1);
  options.address = "unix:" + folder.socket();
  return options;
}

void add_routes(Server& server) {
  server.get("/hello", [](const Request&) { return Response::text(200, "hello"); });
  server.stream("/events", [](const EventStream& stream) { stream.complete(Event("x")); });
}

Client connected_to(const Folder& folder) {
  asio::io_context io;
  Local::socket socket(io);
  socket.connect(Local::endpoint(folder.socket()));
  return Client::on(socket.release());
}

std::string ask_over(const Folder& folder, std::string_view target, std::string_view host = "anything.example") {
  Client client = connected_to(folder);
  std::string request("GET ");
  request.append(target).append(" HTTP/1.1\r\nConnection: close\r\nHost: ").append(host).append("\r\n\r\n");
  client.send(request);
  return client.read_to_end();
}

/// Both ends of a connection over a Unix socket: the one that a program hands over, and the client's.
struct Pair {
  Pair() : mine(io), theirs(both(io, mine)) {}
  asio::io_context io;
  Local::socket mine;
  Client theirs;

 private:
  static Client both(asio::io_context& io, Local::socket& mine) {
    Local::socket other(io);
    asio::local::connect_pair(mine, other);
    return Client::on(other.release());
  }
};

std::string why_not(Server& server) {
  try {
    server.start();
  } catch (const std::system_error& error) {
    return error.what();
  }
  return "it started";
}

}  // namespace

TEST_CASE("a server listens on a Unix socket, and takes its file away", "[loopback][server][unix]") {
  const Folder folder;
  std::optional<Server> server(std::in_place, at(folder));
  add_routes(*server);
  server->start();
  CHECK(server->listens_on() == "unix:" + folder.socket());
  CHECK_THAT(ask_over(folder, "/hello"), StartsWith("HTTP/1.1 200") && ContainsSubstring("hello"));
  CHECK_THAT(ask_over(folder, "/events"), ContainsSubstring("data: x\n\n"));
  SECTION("when it is destroyed") {
    server.reset();
  }
  SECTION("when it stops") {
    server->stop();
  }
  SECTION("when it shuts down") {
    Awaited<std::size_t> done;
    server->shutdown(20s, [&](std::size_t cut) { done.set(cut); });
    done.get();
  }
  CHECK_FALSE(folder.has_socket());
}

TEST_CASE("only a socket on which nobody listens is replaced", "[loopback][server][unix]") {
  const Folder folder;
  Server server(at(folder));
  add_routes(server);
  SECTION("as a server that was killed leaves it") {
    {
      asio::io_context io;
      const Local::acceptor killed(io, Local::endpoint(folder.socket()));
    }
    REQUIRE(folder.has_socket());
    server.start();
    CHECK_THAT(ask_over(folder, "/hello"), StartsWith("HTTP/1.1 200"));
  }
  SECTION("not another server's") {
    Server first(at(folder));
    add_routes(first);
    first.start();
    const std::string why = why_not(server);
    CHECK_THAT(why, ContainsSubstring("cannot listen on unix:" + folder.socket()) && ContainsSubstring("in use"));
    CHECK_THAT(ask_over(folder, "/hello"), StartsWith("HTTP/1.1 200"));
  }
  SECTION("not a file of another kind") {
    std::ofstream(folder.socket()) << "precious";
    CHECK_THAT(why_not(server), ContainsSubstring(folder.socket()));
    std::string text;
    std::ifstream(folder.socket()) >> text;
    CHECK(text == "precious");
  }
  SECTION("nor one whose folder is not there") {
    ServerOptions options = any_port(1);
    options.address = "unix:" + folder.socket() + "/nowhere";
    Server nowhere(options);
    CHECK_THAT(why_not(nowhere), ContainsSubstring("/nowhere"));
  }
}

TEST_CASE("a stop leaves what has taken the place of its socket", "[loopback][server][unix]") {
  const Folder folder;
  Server server(at(folder));
  add_routes(server);
  server.start();
  ::unlink(folder.socket().c_str());
  std::ofstream(folder.socket()) << "another's";
  server.stop();
  CHECK(folder.has_socket());
}

TEST_CASE("of servers that start at one path at once only one does, and it is reached", "[loopback][server][unix]") {
  for (int round = 0; round < 50; ++round) {
    const Folder folder;
    std::vector<std::unique_ptr<Server>> servers;
    for (int i = 0; i < 4; ++i) servers.push_back(std::make_unique<Server>(at(folder)));
    for (const auto& server : servers) add_routes(*server);
    std::atomic<int> started{0};
    std::vector<std::thread> starters;
    for (const auto& server : servers) {
      starters.emplace_back([&, own = server.get()] { started += why_not(*own) == "it started" ? 1 : 0; });
    }
    for (std::thread& starter : starters) starter.join();
    REQUIRE(started == 1);
    REQUIRE_THAT(ask_over(folder, "/hello"), StartsWith("HTTP/1.1 200"));
  }
}

TEST_CASE("whoever has locked the folder of a Unix socket does not keep a server from starting",
          "[loopback][server][unix]") {
  const Folder folder;
  const std::string path = folder.socket();
  const int locked = ::open(path.substr(0, path.rfind('/')).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  REQUIRE(::flock(locked, LOCK_EX) == 0);
  Server server(at(folder));
  add_routes(server);
  server.start();
  ::close(locked);
  CHECK_THAT(ask_over(folder, "/hello"), StartsWith("HTTP/1.1 200"));
}

TEST_CASE("the file of a Unix socket has the rights that the umask leaves", "[loopback][server][unix]") {
  const Folder folder;
  Server server(at(folder));
  add_routes(server);
  const mode_t before = ::umask(0117);
  server.start();
  ::umask(before);
  struct stat status {};
  REQUIRE(::stat(folder.socket().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0660);
}

TEST_CASE("a path that no Unix socket can have is refused, and quoted", "[loopback][server][unix]") {
  for (const std::string& path : {std::string(), std::string(200, 'x'), std::string("/tmp/a\0b", 8)}) {
    ServerOptions options = any_port(1);
    options.address = "unix:" + path;
    CHECK_THAT(refusal([&] { const Server server(options); }), ContainsSubstring("\"unix:" + path.substr(0, 6)));
  }
}

TEST_CASE("on a Unix socket every host may be asked for, unless some are listed besides loopback",
          "[loopback][server][unix]") {
  const Folder folder;
  ServerOptions options = at(folder);
  const bool listed = GENERATE(false, true);
  if (listed) options.allow_hosts = {"mine.example"};
  Server server(options);
  add_routes(server);
  server.start();
  CHECK_THAT(ask_over(folder, "/hello", "mine.example"), StartsWith("HTTP/1.1 200"));
  CHECK_THAT(ask_over(folder, "/hello", "localhost"), StartsWith("HTTP/1.1 200"));
  CHECK_THAT(ask_over(folder, "/hello", "other.example"), StartsWith(listed ? "HTTP/1.1 403" : "HTTP/1.1 200"));
}

TEST_CASE("connections of a Unix socket count in all, as they have no address", "[loopback][server][unix]") {
  const Folder folder;
  ServerOptions options = at(folder);
  const bool in_all = GENERATE(false, true);
  (in_all ? options.max_connections : options.max_connections_per_address) = 1;
  Server server(options);
  add_routes(server);
  server.start();
  const Client first = connected_to(folder);
  REQUIRE(eventually([&] { return server.stats().connections == 1; }));
  CHECK_THAT(ask_over(folder, "/hello"), StartsWith(in_all ? "HTTP/1.1 503" : "HTTP/1.1 200"));
}

TEST_CASE("a server adopts what listens on a Unix socket, and leaves its file alone", "[loopback][server][unix]") {
  const Folder folder;
  asio::io_context io;
  Server server(any_port(1));
  add_routes(server);
  server.adopt(Local::acceptor(io, Local::endpoint(folder.socket())));
  CHECK_THAT(ask_over(folder, "/hello"), StartsWith("HTTP/1.1 200"));
  server.stop();
  CHECK(folder.has_socket());
}

TEST_CASE("a server adopts a connection of any kind, by its descriptor too", "[loopback][server][unix]") {
  Server server(any_port(1));
  add_routes(server);
  Pair pair;
  const bool read = GENERATE(false, true);
  const auto request = [] { return Request("GET", "/events").add_header("Host", "localhost"); };
  if (!read) pair.theirs.get("/events");
  SECTION("a Unix socket of Asio's") {
    read ? server.adopt(std::move(pair.mine), request()) : server.adopt(std::move(pair.mine));
    CHECK_THAT(pair.theirs.read_to_end(), StartsWith("HTTP/1.1 200") && ContainsSubstring("data: x\n\n"));
  }
  SECTION("a Unix socket by its descriptor") {
    const int native = pair.mine.release();
    read ? server.adopt(native, request()) : server.adopt(native);
    CHECK((::fcntl(native, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK_THAT(pair.theirs.read_to_end(), StartsWith("HTTP/1.1 200") && ContainsSubstring("data: x\n\n"));
  }
  SECTION("TCP by its descriptor") {
    asio::ip::tcp::acceptor acceptor = listening(pair.io.get_executor());
    Client client(acceptor.local_endpoint().port());
    if (!read) client.get("/events");
    const int native = acceptor.accept().release();
    read ? server.adopt(native, request()) : server.adopt(native);
    EventClient events(std::move(client));
    CHECK(events.rest() == Texts{"x"});
    CHECK(events.completed());
  }
}

TEST_CASE("a descriptor that is no connection is refused, and named", "[loopback][server][unix]") {
  Server server(any_port(1));
  const auto why = [&](int native) -> std::string {
    try {
      server.adopt(native, Request("GET", "/"));
    } catch (const std::system_error& error) {
      CHECK(::fcntl(native, F_GETFD) == -1);  // it was handed over all the same
      return error.what();
    }
    return "it was taken";
  };
  CHECK_THAT(why(-1), ContainsSubstring("descriptor -1"));
  const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  CHECK_THAT(why(file), ContainsSubstring("descriptor " + std::to_string(file)));
  const int datagrams = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  CHECK_THAT(why(datagrams), ContainsSubstring("descriptor " + std::to_string(datagrams)));
  asio::io_context io;
  const int listens = listening(io.get_executor()).release();
  CHECK_THAT(why(listens), ContainsSubstring("descriptor " + std::to_string(listens)));
}

TEST_CASE("a host tells the stream of a descriptor that is no connection", "[loopback][server][unix]") {
  Loop loop;
  std::optional<StreamHost> host(std::in_place, loop.io.get_executor());
  Journal journal;
  watch(host->open(-1, Request("GET", "/")), journal);
  CHECK(journal.wait_for(2) ==
        Texts{"error: " + std::make_error_code(std::errc::bad_file_descriptor).message(), "complete"});
  loop.run([&] { host.reset(); });
}

TEST_CASE("a host opens streams on connections of any kind", "[loopback][server][unix]") {
  Loop loop;
  std::optional<StreamHost> host(std::in_place, loop.io.get_executor());
  Pair pair;
  const bool by_descriptor = GENERATE(false, true);
  const EventStream stream = by_descriptor ? host->open(pair.mine.release(), Request("GET", "/"))
                                           : host->open(std::move(pair.mine), Request("GET", "/"));
  stream.complete(Event("hello"));
  CHECK_THAT(pair.theirs.read_to_end(), StartsWith("HTTP/1.1 200") && ContainsSubstring("data: hello\n\n"));
  loop.run([&] { host.reset(); });
}

#if defined(__linux__) && !SPATE_PORTABLE
TEST_CASE("a client on a Unix socket keeps what it reads slowly and without pause, and is given up when it stops",
          "[loopback][server][unix]") {
  StreamOptions options = roomy();
  options.write_timeout = 800ms;
  Journal journal;
  Server server([&] {
    ServerOptions all = any_port(1);
    all.stream = options;
    return all;
  }());
  server.stream("/stream", [&](const EventStream& stream) {
    watch(stream, journal);
    stream.send(Event(std::string(8 * 1024 * 1024, 'x')));
  });
  Pair pair;
  pair.mine.set_option(asio::socket_base::send_buffer_size(4 * 1024 * 1024));  // as much as the system lets it have
  pair.theirs.get("/stream");
  server.adopt(std::move(pair.mine));
  // Of what the kernel holds three quarters must go before it asks for a byte: that takes several deadlines.
  auto next = std::chrono::steady_clock::now();
  for (int i = 0; i < 80; ++i) {
    REQUIRE_NOTHROW(pair.theirs.read_exactly(5'000));
    next += 25ms;
    std::this_thread::sleep_until(next);  // its pace
  }
  CHECK(journal.entries().empty());
  CHECK(journal.wait_for(2) == Texts{"timeout", "complete"});
}
#endif

#if !SPATE_PORTABLE
TEST_CASE("a client that has ended its side of a Unix socket, and then leaves, is noticed",
          "[loopback][server][unix]") {
  Deferring deferring;
  Journal journal;
  Pair pair;
  pair.theirs.get("/");
  pair.theirs.end();
  deferring.serving.server().adopt(std::move(pair.mine));
  const PendingResponse pending = deferring.taken.take();
  pending.on_error([&](std::error_code) { journal.add("gone"); });
  deferring.serving.loop.settle();
  CHECK(journal.entries().empty());  // it may wait for its answer
  pair.theirs.close();
  CHECK(journal.wait_for(1) == Texts{"gone"});
}
#endif
