// Sockets that a process finds listening when it begins, as systemd passes them.
//
// Each test begins a process of its own, whose descriptors from 3 on are what the test puts there.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>
#include <asio/local/stream_protocol.hpp>

#include <spate/server/server.hpp>
#include "support/catch.hpp"
#include "support/client.hpp"
#include "support/serving.hpp"
#include "support/temporary_folder.hpp"

using namespace spate;
using namespace spate::test;
using Catch::Matchers::ContainsSubstring;
using Local = asio::local::stream_protocol;

namespace {

/// The environment of one who was passed `count` sockets.
struct Passed {
  std::string count = "1";
  std::string process = "own";  // the number of this process
  std::string names = "none";   // not set
};

/// Runs `body` in a process of its own, which finds `descriptors` from 3 on. Returns what `body` does, or what it
/// throws.
std::string in_process(const Passed& passed, const std::vector<int>& descriptors,
                       const std::function<std::string()>& body) {
  int answer[2];
  if (::pipe2(answer, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) {
    // Out of the way first, so that none is overwritten before it has its place.
    const int out = ::fcntl(answer[1], F_DUPFD_CLOEXEC, 100);
    std::vector<int> aside;
    for (const int descriptor : descriptors) aside.push_back(::fcntl(descriptor, F_DUPFD_CLOEXEC, 100));
    int next = 3;
    for (const int descriptor : aside) {
      if (descriptor >= 0) ::dup2(descriptor, next);
      if (descriptor < 0) ::close(next);
      ++next;
    }
    if (passed.process == "own") {
      ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    } else if (passed.process != "none") {
      ::setenv("LISTEN_PID", passed.process.c_str(), 1);
    }
    if (passed.count != "none") ::setenv("LISTEN_FDS", passed.count.c_str(), 1);
    if (passed.names != "none") ::setenv("LISTEN_FDNAMES", passed.names.c_str(), 1);
    std::string said;
    try {
      said = body();
    } catch (const std::system_error& error) {
      said = std::string("system_error: ") + error.what();
    } catch (const std::exception& error) {
      said = std::string("exception: ") + error.what();
    }
    for (std::string_view rest = said; !rest.empty();) {
      const ssize_t written = ::write(out, rest.data(), rest.size());
      if (written <= 0) break;
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
    ::_exit(0);
  }
  ::close(answer[1]);
  std::string said;
  char piece[1024];
  for (;;) {
    const ssize_t size = ::read(answer[0], piece, sizeof piece);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    said.append(piece, static_cast<std::size_t>(size));
  }
  ::close(answer[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
  return said;
}

void add_routes(Server& server) {
  server.get("/hello", [](const Request&) { return Response::text(200, "hello"); });
}

std::string ask(Client client) {
  client.get("/hello");
  return client.read_reply().body;
}

std::string ask(const Local::endpoint& endpoint) {
  asio::io_context io;
  Local::socket socket(io);
  socket.connect(endpoint);
  return ask(Client::on(socket.release()));
}

std::string set(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "unset" : value;
}

bool is_closed_on_exec(int descriptor) {
  return (::fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0;
}

/// Sockets of this process, to be passed on.
struct Sockets {
  asio::io_context io;
  TemporaryFolder folder;
  asio::ip::tcp::acceptor tcp = listening(io.get_executor());
  Local::endpoint path{(folder.path() / "s").string()};
  // What a name in the abstract namespace may be: with NUL in its midst, and what would break a line.
  Local::endpoint abstract{std::string("\0spate\0test\n", 12) + std::to_string(::getpid())};
  Local::acceptor local{io, path};
  Local::acceptor nameless{io, abstract};
  std::uint16_t port = tcp.local_endpoint().port();
};

}  // namespace

TEST_CASE("a server serves on the sockets that its process was passed", "[loopback][server][inherited]") {
  Sockets sockets;
  const std::vector<int> all = {sockets.local.native_handle(), sockets.tcp.native_handle(),
                                sockets.nameless.native_handle()};
  const std::string said = in_process({"3", "own", "path:web:abstract"}, all, [&] {
    const std::vector<InheritedSocket> seen = inherited_sockets();
    std::string text;
    for (const InheritedSocket& socket : seen) {
      text += std::to_string(socket.descriptor) + "=" + socket.name + "@" + socket.address + ":" +
              std::to_string(socket.port) + "\n";
    }
    text += set("LISTEN_FDS") + "\n";  // looking has changed nothing
    Server server(any_port(1));
    add_routes(server);
    text += std::to_string(server.adopt_inherited());
    text += " " + server.listens_on() + " " + std::to_string(server.port());
    text += "\n" + ask(Client(sockets.port)) + ask(sockets.path) + ask(sockets.abstract) + "\n";
    // Nothing is left for programs that this one starts.
    text += set("LISTEN_PID") + set("LISTEN_FDS") + set("LISTEN_FDNAMES");
    for (const int descriptor : {3, 4, 5}) text += is_closed_on_exec(descriptor) ? " closed" : " inherited";
    server.stop();
    return text + (inherited_sockets().empty() ? "\nno more" : "\nmore");
  });
  const std::string port = std::to_string(sockets.port);
  CHECK(said == "3=path@unix:" + sockets.path.path() + ":0\n4=web@127.0.0.1:" + port +
                    "\n5=abstract@unix:@spate\\x00test\\x0a" + std::to_string(::getpid()) +
                    ":0\n3\n3 http://127.0.0.1:" + port + " " + port +
                    "\nhellohellohello\nunsetunsetunset closed closed closed\nno more");
  // Whoever passed them has them still: the next process is passed the same.
  CHECK(in_process({}, {sockets.tcp.native_handle()}, [&] {
          Server server(any_port(1));
          add_routes(server);
          server.adopt_inherited();
          return ask(Client(sockets.port));
        }) == "hello");
  CHECK(::access(sockets.path.path().c_str(), F_OK) == 0);
}

TEST_CASE("it says where it listens, also where that is no address on the network", "[loopback][server][inherited]") {
  Sockets sockets;
  const auto where = [&](int descriptor) {
    return in_process({}, {descriptor}, [&] {
      Server server(any_port(1));
      server.adopt_inherited();
      return server.listens_on() + " " + std::to_string(server.port());
    });
  };
  CHECK(where(sockets.local.native_handle()) == "unix:" + sockets.path.path() + " 0");
  CHECK(where(sockets.nameless.native_handle()) == "unix:@spate\\x00test\\x0a" + std::to_string(::getpid()) + " 0");
}

TEST_CASE("a process that was passed nothing listens as it likes", "[loopback][server][inherited]") {
  const Passed passed = GENERATE(Passed{"none", "none", "none"}, Passed{"0", "own", "none"},
                                 Passed{"none", "own", "none"}, Passed{"1", "none", "none"}, Passed{"0", "1", "none"});
  const std::string said = in_process(passed, {}, [] {
    Server server(any_port(1));
    add_routes(server);
    if (server.adopt_inherited() != 0) return std::string("adopted");
    server.start();
    return ask(Client(server.port()));
  });
  CHECK(said == "hello");
}

TEST_CASE("what was passed to another process, or cannot be understood, is refused with a sentence",
          "[loopback][server][inherited]") {
  Sockets sockets;
  const auto refusal = [&](const Passed& passed) {
    const std::string said = in_process(passed, {sockets.tcp.native_handle()}, [&] {
      Server server(any_port(1));
      server.adopt_inherited();
      return std::string("adopted");
    });
    CHECK_THAT(said, Catch::Matchers::StartsWith("system_error: spate::Server: cannot adopt what it was passed: "));
    return said;
  };
  CHECK_THAT(refusal({"1", "1", "none"}), ContainsSubstring("LISTEN_PID is 1, and this is the process "));
  CHECK_THAT(refusal({"1", "me", "none"}), ContainsSubstring("LISTEN_PID is \"me\", which is no number"));
  CHECK_THAT(refusal({"-1", "own", "none"}), ContainsSubstring("LISTEN_FDS is \"-1\", which is no number"));
  CHECK_THAT(refusal({"1x", "own", "none"}), ContainsSubstring("LISTEN_FDS is \"1x\", which is no number"));
  CHECK_THAT(refusal({"2147483646", "own", "none"}), ContainsSubstring("LISTEN_FDS is 2147483646"));
  // However many descriptors a process may have: the first that was not passed is named.
  CHECK_THAT(refusal({"2147483644", "own", "none"}), ContainsSubstring("passed: descriptor "));
  CHECK_THAT(refusal({"1", "own", "a:b"}), ContainsSubstring("LISTEN_FDNAMES is \"a:b\", which has not 1 names"));
}

TEST_CASE("all sockets are adopted, or none", "[loopback][server][inherited]") {
  Sockets sockets;
  asio::ip::udp::socket datagrams(sockets.io, {asio::ip::address_v4::loopback(), 0});
  asio::ip::tcp::acceptor silent(sockets.io, asio::ip::tcp::v4());
  silent.bind({asio::ip::address_v4::loopback(), 0});
  const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const auto [second, sentence] = GENERATE_REF(
      std::pair<int, const char*>{datagrams.native_handle(), "descriptor 4, \"other\", is no stream socket"},
      std::pair<int, const char*>{silent.native_handle(), "descriptor 4, \"other\", does not listen"},
      std::pair<int, const char*>{file, "descriptor 4, \"other\", is no socket: Socket operation on non-socket"});
  const std::string said = in_process({"2", "own", "web:other"}, {sockets.tcp.native_handle(), second}, [&] {
    Server server(any_port(1));
    add_routes(server);
    std::string text;
    try {
      server.adopt_inherited();
    } catch (const std::system_error& error) {
      text = error.what();
    }
    // All is as it was: with the second out of the way the first is adopted.
    text += "\n" + set("LISTEN_FDS") + "\n";
    ::setenv("LISTEN_FDS", "1", 1);
    ::setenv("LISTEN_FDNAMES", "web", 1);
    server.adopt_inherited();
    return text + ask(Client(sockets.port));
  });
  CHECK_THAT(said, ContainsSubstring(sentence));
  CHECK_THAT(said, Catch::Matchers::EndsWith("\n2\nhello"));
  ::close(file);
}

TEST_CASE("a descriptor that is not there is named", "[loopback][server][inherited]") {
  Sockets sockets;
  CHECK(in_process({"2", "own", "none"}, {sockets.tcp.native_handle(), -1},
                   [] {
                     inherited_sockets();
                     return std::string("nothing is missing");
                   }) ==
        "system_error: spate::Server: cannot adopt what it was passed: descriptor 4 is no socket: Bad file descriptor");
}

TEST_CASE("a server begins to listen once, by one of the two ways", "[loopback][server][inherited]") {
  Sockets sockets;
  const auto misuse = [&](const std::function<void(Server&)>& wrong) {
    return in_process({}, {sockets.tcp.native_handle()}, [&] {
      Server server(any_port(1));
      wrong(server);
      return std::string("nothing was wrong");
    });
  };
  CHECK(misuse([](Server& server) {
          server.adopt_inherited();
          server.start();
        }) == "exception: spate::Server: start() after adopt_inherited()");
  CHECK(misuse([](Server& server) {
          server.start();
          server.adopt_inherited();
        }) == "exception: spate::Server: adopt_inherited() after start()");
  CHECK(misuse([](Server& server) {
          server.adopt_inherited();
          server.adopt_inherited();
        }) == "exception: spate::Server: adopt_inherited() for the second time");
  CHECK(misuse([](Server& server) {
          server.stop();
          server.adopt_inherited();
        }) == "exception: spate::Server: adopt_inherited() after stop()");
  CHECK(misuse([](Server& server) {
          server.adopt_inherited();
          server.stop();
          server.start();
        }) == "exception: spate::Server: start() after adopt_inherited()");
}
