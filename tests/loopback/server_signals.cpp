// A server that shuts down when its process is told to, and is out of the way afterwards.
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <spate/server/server.hpp>
#include <spate/stream/event_stream.hpp>
#include "support/catch.hpp"
#include "support/event_client.hpp"
#include "support/eventually.hpp"
#include "support/serving.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;

namespace {

// Whether `signal` would end this process.
bool has_default(int signal) {
  struct sigaction now {};
  ::sigaction(signal, nullptr, &now);
  return now.sa_handler == SIG_DFL;
}

// A server on a thread of its own with one stream, which a drain ends, or which does not end by itself.
struct OneOpen {
  explicit OneOpen(bool finishes_itself = false) {
    RouteOptions route;
    route.finish_on_drain = finishes_itself;
    server.stream(
        "/events", [this](EventStream stream) { opened.set(std::move(stream)); }, route);
    server.start();
    client.emplace(server.port(), "/events");
    opened.get();
  }

  Awaited<EventStream> opened;
  Server server{any_port(1)};
  std::optional<EventClient> client;
};

// Asks a server from a thread of its own, and says whether there was ever no answer.
class Asking {
 public:
  explicit Asking(Server& server) : server_(server) {}
  ~Asking() {
    for (std::thread& thread : threads_) thread.join();
  }

  void begin() { begun_ = true; }
  void ask() {
    if (!begun_) return;
    const auto answered = std::make_shared<std::atomic<bool>>(false);
    std::thread thread([&server = server_, answered] {
      try {
        server.shutdown_on_signals();
      } catch (const std::invalid_argument&) {
        // It waits for signals already, which is an answer as well.
      }
      *answered = true;
    });
    {
      const std::lock_guard lock(mutex_);
      threads_.push_back(std::move(thread));
    }
    if (!eventually([&] { return answered->load(); }, 5s)) unanswered_ = true;
    ++asked_;
  }
  bool always_answered() const { return !unanswered_; }
  int asked() const { return asked_; }

 private:
  Server& server_;
  std::atomic<bool> begun_{false}, unanswered_{false};
  std::atomic<int> asked_{0};
  std::mutex mutex_;
  std::vector<std::thread> threads_;
};

// What a program's function may have captured: it asks whenever a copy is made or destroyed.
class Curious {
 public:
  explicit Curious(Asking& asking) : asking_(asking) {}
  Curious(const Curious& other) : asking_(other.asking_) { asking_.ask(); }
  Curious& operator=(const Curious&) = delete;
  ~Curious() { asking_.ask(); }

 private:
  Asking& asking_;
};

}  // namespace

TEST_CASE("the first signal drains, and then signals mean again what they did", "[loopback][server][signal]") {
  const int signal = GENERATE(SIGTERM, SIGINT);
  Awaited<std::size_t> done;
  OneOpen open;
  Awaited<bool> free;
  SignalOptions options;
  options.done = [&](std::size_t cut) {
    // Nobody waits any more: one that comes now ends a program that hangs in what it does last.
    free.set(has_default(SIGTERM) && has_default(SIGINT));
    done.set(cut);
  };
  open.server.shutdown_on_signals(options);
  CHECK_FALSE(has_default(SIGTERM));
  std::raise(signal);
  CHECK(open.client->completed());
  open.client.reset();
  CHECK(done.get() == 0);
  CHECK(free.get());
  CHECK(open.server.is_draining());
}

TEST_CASE("a second signal cuts what is left", "[loopback][server][signal]") {
  OneOpen open(true);
  Awaited<std::size_t> done;
  SignalOptions options;
  options.deadline = 1h;
  options.done = [&](std::size_t cut) { done.set(cut); };
  open.server.shutdown_on_signals(options);
  std::raise(SIGTERM);
  REQUIRE(eventually([&] { return open.server.is_draining(); }));
  CHECK_FALSE(done.is_set());  // it would wait for an hour
  std::raise(SIGINT);
  CHECK(done.get() == 1);
  CHECK(has_default(SIGTERM));
}

TEST_CASE("or does what the program wants instead", "[loopback][server][signal]") {
  OneOpen open(true);
  Awaited<std::string> said;
  SignalOptions options;
  options.deadline = 1h;
  options.done = [&](std::size_t) { said.set("done"); };
  options.again = [&] { said.set("again"); };
  Loop other;  // a loop that is not held up when the server's is
  options.executor = other.io.get_executor();
  open.server.shutdown_on_signals(options);
  std::raise(SIGTERM);
  REQUIRE(eventually([&] { return open.server.is_draining(); }));
  std::raise(SIGTERM);
  CHECK(said.take() == "again");
  std::raise(SIGTERM);
  CHECK(said.take() == "again");
  open.server.stop();
  CHECK(said.take() == "done");
}

TEST_CASE("what the program's functions hold may use the server when it is copied or destroyed",
          "[loopback][server][signal]") {
  Loop other;
  OneOpen open(true);
  Asking asking(open.server);
  Awaited<std::string> said;
  {
    const Curious curious(asking);
    SignalOptions options;
    options.deadline = 1h;
    options.done = [&said, curious](std::size_t) { said.set("done"); };
    options.again = [&said, curious] { said.set("again"); };
    options.executor = other.io.get_executor();
    open.server.shutdown_on_signals(std::move(options));
  }
  asking.begin();
  std::raise(SIGTERM);
  REQUIRE(eventually([&] { return open.server.is_draining(); }));
  std::raise(SIGTERM);
  CHECK(said.take() == "again");
  open.server.stop();
  CHECK(said.take() == "done");
  CHECK(eventually([&] { return asking.asked() >= 2; }));  // both have gone
  CHECK(asking.always_answered());
}

TEST_CASE("waiting for signals keeps no loop running when the program has ended the server",
          "[loopback][server][signal]") {
  asio::io_context io;
  Server server(io, any_port());
  server.start();
  server.shutdown_on_signals();
  std::optional<std::size_t> cut;
  SECTION("by a drain") {
    asio::post(io, [&] { server.shutdown(0ms, [&](std::size_t some) { cut = some; }); });
  }
  SECTION("at once") {
    asio::post(io, [&] { server.stop(); });
    cut = 0;
  }
  io.run_for(patience);
  CHECK(io.stopped());
  CHECK(cut == 0u);
  CHECK(has_default(SIGTERM));
  CHECK(has_default(SIGINT));
}

TEST_CASE("a signal drains a server on the program's loop, which then has nothing left to do",
          "[loopback][server][signal]") {
  asio::io_context io;
  Server server(io, any_port());
  server.start();
  std::optional<std::size_t> cut;
  SignalOptions options;
  options.done = [&](std::size_t some) { cut = some; };
  server.shutdown_on_signals(options);
  std::raise(SIGTERM);
  io.run_for(patience);
  CHECK(io.stopped());
  CHECK(cut == 0u);
}

TEST_CASE("a signal during a drain of the program's own changes nothing, and the next one cuts",
          "[loopback][server][signal]") {
  OneOpen open(true);
  Awaited<std::size_t> done;
  SignalOptions options;
  options.done = [](std::size_t) { throw std::logic_error("no signal began this"); };
  open.server.shutdown_on_signals(options);
  open.server.shutdown(1h, [&](std::size_t cut) { done.set(cut); });
  std::raise(SIGTERM);
  std::raise(SIGTERM);
  CHECK(done.get() == 1);
}

TEST_CASE("a process may have one server after another, and two at once", "[loopback][server][signal]") {
  asio::io_context io;
  for (int round = 0; round < 3; ++round) {
    Server first(io, any_port()), second(any_port(1));
    Awaited<std::size_t> done;
    SignalOptions options;
    options.done = [&](std::size_t cut) { done.set(cut); };
    for (Server* server : {&first, &second}) {
      server->start();
      server->shutdown_on_signals(options);
    }
    std::raise(SIGTERM);
    io.restart();
    io.run_for(patience);
    CHECK(io.stopped());
    CHECK(done.take() == 0);
    CHECK(done.take() == 0);
    CHECK(has_default(SIGTERM));
  }
}

TEST_CASE("what cannot be waited for is refused, and a server that is over waits for nothing",
          "[loopback][server][signal]") {
  asio::io_context io;
  Server server(io, any_port());
  SignalOptions options;
  options.deadline = -1ms;
  CHECK_THROWS_AS(server.shutdown_on_signals(options), std::invalid_argument);
  options = {};
  options.signals = {-1};
  CHECK_THROWS_AS(server.shutdown_on_signals(options), std::system_error);
  server.shutdown_on_signals();
  CHECK_THROWS_AS(server.shutdown_on_signals(), std::invalid_argument);
  server.stop();
  CHECK(has_default(SIGTERM));
  server.shutdown_on_signals();
  CHECK(has_default(SIGTERM));
}
