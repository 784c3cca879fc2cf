// Any one allocation that fails while a stream ends: everybody who waits for the end is told of it, once.
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <asio/bind_executor.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <spate/registry/emitter.hpp>
#include <spate/server/server.hpp>
#include "fault/calls/failing_calls.hpp"
#include "fault/calls/marked_loop.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/serving.hpp"

using namespace spate;
using namespace spate::test;

namespace {

/// A stream of anna's whose client reads nothing, so that events wait in its queue, with everybody who can wait for its
/// end. Allocations of its loop may fail.
class Ending {
 public:
  Ending() {
    Awaited<EventStream> opened;
    server_.stream("/events", [&](EventStream live) { opened.set(std::move(live)); });
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    client_ = ends[1];
    server_.adopt(Server::NativeSocket(ends[0]));
    constexpr std::string_view request = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    REQUIRE(::send(client_, request.data(), request.size(), 0) == static_cast<ssize_t>(request.size()));
    stream.emplace(opened.get());
    emitter.add("anna", *stream);
    for (int i = 0; i < 2; ++i) {
      stream->on_complete([this] { ++completes; });
      stream->async_closed([this](std::error_code) { ++closed; });
      stream->async_send(Event(std::string(512 * 1024, 'x')),
                         [this](std::error_code error) { unsent += error ? 1 : 0; });
    }
    stream->on_error([this](std::error_code) { ++errors; });
    stream->async_closed(asio::bind_executor(elsewhere_.get_executor(), [this](std::error_code) { ++closed; }));
    stopped_.emplace(stream->stop_token(), Count{&stops});
    mark_loop_of(server_);
    settle();
    REQUIRE(completes + errors + closed + unsent + stops == 0);
  }
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;
  ~Ending() { leave(); }

  void leave() {
    if (client_ >= 0) ::close(std::exchange(client_, -1));
  }
  /// Waits until the stream has ended, and everything that was posted then has run.
  void await_end() {
    eventually([&] { return ended() == 1; });
    settle();
  }
  void settle() {
    for (int i = 0; i < 10; ++i) {
      std::atomic<bool> ran = false;  // which needs no memory
      asio::post(server_.get_executor(), [&] { ran = true; });
      if (!eventually([&] { return ran.load(); })) throw std::runtime_error("the loop has stopped");
    }
    elsewhere_.restart();
    elsewhere_.poll();
  }
  std::uint64_t ended() const {
    std::uint64_t count = 0;
    for (const std::uint64_t each : server_.stats().streams_ended) count += each;
    return count;
  }

  std::atomic<int> completes = 0, errors = 0, closed = 0, unsent = 0, stops = 0;
  Emitter emitter;
  std::optional<EventStream> stream;

 private:
  struct Count {
    std::atomic<int>* count;
    void operator()() const { ++*count; }
  };

  static ServerOptions options() {
    ServerOptions chosen = any_port(1);
    chosen.stream.max_queued_bytes = 64 * 1024 * 1024;
    return chosen;
  }

  asio::io_context elsewhere_{1};
  std::optional<std::stop_callback<Count>> stopped_;
  Server server_{options()};
  int client_ = -1;
};

}  // namespace

TEST_CASE("no allocation that fails once as a stream ends keeps its end from anybody", "[fault][stream]") {
  const bool completed = GENERATE(false, true);
  long struck = 0;
  for (;; ++struck) {
    Ending ending;
    bool hit = false;
    {
      const FailingAllocation failing(struck, 1, 0, Memory::of_asio_too);
      if (completed) ending.stream->complete_with_error();
      ending.leave();
      ending.await_end();
      hit = failing.struck();
    }
    INFO("after " << struck << " allocations");
    CHECK(ending.completes == 2);
    CHECK(ending.errors <= 1);
    CHECK(ending.closed == 3);
    CHECK(ending.unsent == 2);
    CHECK(ending.stops == 1);
    CHECK(ending.ended() == 1);
    CHECK(ending.emitter.stream_count() == 0);
    CHECK_FALSE(ending.stream->is_open());
    // Who comes later is told at once.
    ending.stream->on_complete([&] { ++ending.completes; });
    ending.stream->async_closed([&](std::error_code) { ++ending.closed; });
    ending.settle();
    CHECK(ending.completes == 3);
    CHECK(ending.closed == 4);
    if (!hit) break;
  }
  CHECK(struck > 8);
}

TEST_CASE("no allocation that fails once as somebody asks to be told of an end keeps it from them", "[fault][stream]") {
  for (long skip = 0;; ++skip) {
    Ending ending;
    bool hit = false;
    {
      const FailingAllocation failing(skip, 1, 0, Memory::of_asio_too);
      ending.stream->on_complete([&] { ++ending.completes; });
      ending.stream->async_closed([&](std::error_code) { ++ending.closed; });
      ending.settle();
      hit = failing.struck();
    }
    ending.leave();
    ending.await_end();
    INFO("after " << skip << " allocations");
    CHECK(ending.completes == 3);
    CHECK(ending.closed == 4);
    if (!hit) break;
  }
}
