// Whether a client is given up: by what it takes, not by what the kernel's buffers hold, nor for what this side missed.
#include <sys/wait.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <spate/detail/access.hpp>
#include <spate/stream/detail/stream_core.hpp>

#include "support/catch.hpp"
#include "support/one_stream.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;

using Clock = std::chrono::steady_clock;

namespace {

/// Reads `step` bytes each `pause`, until so many have come or the connection is over; returns how many came.
std::size_t read_slowly(Client& client, std::size_t wanted, std::size_t step, std::chrono::milliseconds pause,
                        std::atomic<std::size_t>& taken) {
  auto next = Clock::now();
  try {
    while (taken < wanted) {
      client.read_exactly(step);
      taken += step;
      next += pause;
      std::this_thread::sleep_until(next);  // its pace: nothing is waited for
    }
  } catch (const Failure&) {
    if (client.how_ended() == End::open) throw;
  }
  return taken;
}
std::size_t read_slowly(Client& client, std::size_t wanted, std::size_t step, std::chrono::milliseconds pause) {
  std::atomic<std::size_t> taken{0};
  return read_slowly(client, wanted, step, pause, taken);
}

/// A clock on the wall that somebody has set.
struct MovedWallClock final : detail::TimeSource {
  std::chrono::system_clock::time_point wall_now() const override {
    return std::chrono::system_clock::now() + shift.load();
  }
  std::atomic<std::chrono::hours> shift{0h};
};

/// A server in a process of its own, which can be stopped.
class OtherProcess {
 public:
  template <typename Start>
  explicit OtherProcess(Start start) {
    int from_server[2];
    if (::pipe(from_server) != 0) throw std::runtime_error("pipe");
    process_ = ::fork();
    if (process_ == 0) {
#ifdef __linux__
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that is killed leaves nothing behind
#endif
      const auto serving = start(port_);
      if (::write(from_server[1], &port_, sizeof port_) != sizeof port_) ::_exit(1);
      for (;;) ::pause();
    }
    ::close(from_server[1]);
    const bool told = ::read(from_server[0], &port_, sizeof port_) == sizeof port_;
    ::close(from_server[0]);
    if (!told) throw std::runtime_error("the server does not start");
  }
  OtherProcess(const OtherProcess&) = delete;
  OtherProcess& operator=(const OtherProcess&) = delete;
  ~OtherProcess() {
    signal(SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }

  std::uint16_t port() const noexcept { return port_; }
  void signal(int number) const { ::kill(process_, number); }

 private:
  pid_t process_ = 0;
  std::uint16_t port_ = 0;
};

constexpr std::chrono::milliseconds stopped_deadline{300};
constexpr std::size_t large = 8 * 1024 * 1024;
constexpr int large_buffer = 4 * 1024 * 1024;

/// A server whose stream and whose answer are larger than what the kernel holds of them.
class LargeServing {
 public:
  LargeServing(StreamOptions stream, int send_buffer)
      : serving(
            [this](Server& server) {
              server.stream("/stream", [this](const EventStream& opened) {
                watch(opened, journal);
                opened.send(Event(std::string(large, 'x')));
              });
              server.get("/answer", [](const Request&) { return Response::text(200, std::string(large, 'x')); });
            },
            with(std::move(stream)), send_buffer) {}
  Journal journal;
  Serving serving;
};

/// Waits as long as a program must have been held up for all that is due by `deadline` to be overdue.
void outlast(std::chrono::milliseconds deadline) {
  const auto end = Clock::now() + 3 * deadline;
  eventually([&] { return Clock::now() > end; });
}

/// Holds a loop up, as a handler does that blocks, as long as it lives.
class HeldUp {
 public:
  explicit HeldUp(asio::io_context& io) {
    asio::post(io, [released = released_, held = held_] {
      held->set(true);
      eventually([&] { return released->load(); });
    });
    held_->get();
  }
  HeldUp(const HeldUp&) = delete;
  HeldUp& operator=(const HeldUp&) = delete;
  ~HeldUp() { *released_ = true; }

 private:
  std::shared_ptr<std::atomic<bool>> released_ = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<Awaited<bool>> held_ = std::make_shared<Awaited<bool>>();
};

}  // namespace

#if defined(__linux__) && !SPATE_PORTABLE
TEST_CASE("a client that reads slowly and without pause keeps what it reads", "[loopback][stream][timeout]") {
  const std::string target = GENERATE("/stream", "/answer");
  StreamOptions options = roomy();
  options.write_timeout = 500ms;
  // Of four mebibytes in the kernel more than one must go before it asks for a byte: that takes five deadlines.
  LargeServing slow(options, large_buffer);
  Client client(slow.serving.port(), Serving::small_buffer);
  client.get(target);
  const std::size_t wanted = 1500 * 1000;
  CHECK(read_slowly(client, wanted, 10'000, 20ms) == wanted);
  CHECK(slow.journal.entries().empty());
}
#endif

TEST_CASE("a client that reads less than the least rate is given up", "[loopback][stream][timeout]") {
  const std::string target = GENERATE("/stream", "/answer");
  StreamOptions options = roomy();
  options.write_timeout = 300ms;
  const bool asked_too_much = GENERATE(true, false);
  options.min_rate = asked_too_much ? 10'000'000 : 1000;
  // The kernel asks for more again and again, as it holds so little.
  LargeServing slow(options, Serving::small_buffer);
  Client client(slow.serving.port(), Serving::small_buffer);
  client.get(target);
  const std::size_t wanted = 600 * 1000;
  const std::size_t taken = read_slowly(client, wanted, 10'000, 20ms);
  if (asked_too_much) {
    CHECK(taken < wanted);
    if (target == "/stream") CHECK(slow.journal.wait_for(2) == Texts{"timeout", "complete"});
  } else {
    CHECK(taken == wanted);
    CHECK(slow.journal.entries().empty());
  }
}

TEST_CASE("a client that takes a byte now and then is given up", "[loopback][stream][timeout]") {
  StreamOptions options = roomy();
  options.write_timeout = 150ms;
  LargeServing slow(options, Serving::small_buffer);
  Client client(slow.serving.port(), Serving::small_buffer);
  client.get("/stream");
  while (slow.journal.size() < 2) {
    client.read_exactly(1);
    std::this_thread::sleep_for(5ms);  // its pace
  }
  CHECK(slow.journal.entries() == Texts{"timeout", "complete"});
  CHECK(slow.serving.ended(EndReason::write_timeout) == 1);
}

TEST_CASE("a handler that blocks ends no stream whose client reads meanwhile", "[loopback][stream][timeout]") {
  StreamOptions options = roomy();
  options.write_timeout = 100ms;
  options.min_rate = 1'000'000'000;  // what was acknowledged is not enough: it has to be seen what can be written
  options.heartbeat = 50ms;
  OneStream one(options);
  one.settle();
  const std::size_t before = one.serving.stats().bytes_sent;
  one.block();
  std::optional<HeldUp> held(std::in_place, one.serving.loop.io);
  // All that the kernel has of it.
  const std::size_t written = one.serving.stats().bytes_sent - before;
  REQUIRE(written < OneStream::filler_size);
  while (one.client.connection().unread().size() < written) REQUIRE(one.client.connection().read_more());
  outlast(options.write_timeout);
  held.reset();
  CHECK(one.client.next().data.size() == OneStream::filler_size);
  // And it goes on.
  one.stream.send(Event("more"));
  CHECK(one.client.next().data == "more");
  CHECK(one.journal.entries().empty());
}

TEST_CASE("a handler that blocks costs no request that comes meanwhile", "[loopback][server][timeout]") {
  ServerOptions options;
  options.request_timeout = options.idle_timeout = 1500ms;  // to open them all takes less
  Serving serving(
      [](Server& server) {
        server.get("/", [](const Request&) { return Response::text(200, "here"); });
        server.post("/",
                    [](const Request& request) { return Response::text(200, std::to_string(request.body().size())); });
      },
      options);
  // More than one look at the sockets tells of.
  constexpr std::size_t many = 300;
  std::vector<Client> clients;
  SECTION("the first one of its connection") {
    for (std::size_t i = 0; i < many; ++i) clients.emplace_back(serving.port());
    CHECK(eventually([&] { return serving.stats().connections == many; }));
    std::optional<HeldUp> held(std::in_place, serving.loop.io);
    outlast(options.request_timeout);
    for (Client& client : clients) client.get("/");
    held.reset();
    for (Client& client : clients) CHECK(client.read_reply().body == "here");
  }
  SECTION("another one on a connection that is kept") {
    for (std::size_t i = 0; i < many; ++i) {
      clients.emplace_back(serving.port()).get("/");
      CHECK(clients.back().read_reply().body == "here");
    }
    std::optional<HeldUp> held(std::in_place, serving.loop.io);
    for (Client& client : clients) client.get("/");
    outlast(options.idle_timeout);
    held.reset();
    for (Client& client : clients) CHECK(client.read_reply().body == "here");
  }
  SECTION("one whose body is longer than what the kernel holds") {
    Client client(serving.port());
    const std::string body(900'000, 'b');
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n");
    serving.loop.settle();
    std::optional<HeldUp> held(std::in_place, serving.loop.io);
    std::thread sending([&] { client.send(body); });
    outlast(options.request_timeout);
    held.reset();
    sending.join();
    CHECK(client.read_reply().body == "900000");
  }
}

TEST_CASE("a poll that was due while a handler blocked is answered with what was sent meanwhile",
          "[loopback][stream][timeout]") {
  Awaited<EventStream> opened;
  Serving serving(
      [&](Server& server) { server.stream("/events", [&](EventStream stream) { opened.set(std::move(stream)); }); });
  Client client(serving.port());
  client.get("/events?transport=poll&timeout=100");
  const EventStream stream = opened.get();
  {
    const HeldUp held(serving.loop.io);
    outlast(100ms);
    stream.send(Event("meanwhile"));
  }
  CHECK_THAT(client.read_reply().body, Catch::Matchers::Contains("meanwhile"));
}

TEST_CASE("a process that was stopped ends no stream and no request of those that went on",
          "[loopback][stream][timeout]") {
  const OtherProcess server([](std::uint16_t& port) {
    ServerOptions options = any_port(1);
    options.request_timeout = options.idle_timeout = options.stream.write_timeout = stopped_deadline;
    options.stream.heartbeat = 100ms;
    options.stream.max_queued_bytes = 2 * large;
    auto serving = std::make_shared<Server>(options);
    serving->stream("/events", [](const EventStream& stream) {
      stream.send(Event(std::string(large, 'x')));
      stream.complete(Event("last"));
    });
    serving->get("/", [](const Request&) { return Response::text(200, "here"); });
    serving->start();
    port = serving->port();
    return serving;
  });
  EventClient reading(server.port(), "/events");
  Client asking(server.port());
  asking.get("/");
  CHECK(asking.read_reply().body == "here");
  // It reads on while the other side stands, and has not read all when that goes on.
  std::atomic<std::size_t> taken{0};
  std::thread reader([&] { read_slowly(reading.connection(), large / 2, 16'384, 4ms, taken); });
  CHECK(eventually([&] { return taken > 200'000; }));
  server.signal(SIGSTOP);
  asking.get("/");
  outlast(stopped_deadline);
  server.signal(SIGCONT);
  CHECK(asking.read_reply().body == "here");
  reader.join();
  CHECK(taken >= large / 2);
  std::string rest = reading.connection().read_to_end();
  CHECK(taken + rest.size() > large);
  CHECK_THAT(rest, Catch::Matchers::EndsWith("data: last\n\n\r\n0\r\n\r\n"));
}

TEST_CASE("a credential ends by the wall clock, whoever moves it", "[loopback][stream][lifetime]") {
  StreamOptions options;
  options.heartbeat = 20ms;
  options.farewell = [](EndReason reason) { return Event(std::string(to_string(reason))); };
  const auto wall = std::make_shared<MovedWallClock>();
  OneStream one(options);
  one.serving.loop.run([&] { detail::access::core(one.stream)->own_shard().set_time(wall); });
  const auto now = std::chrono::system_clock::now();
  const auto some_heartbeats = [&] {
    for (int i = 0; i < 5; ++i) one.client.next_comment();
  };
  SECTION("forward, or a machine sleeps") {
    one.stream.expire_at(now + 1h);
    some_heartbeats();
    CHECK(one.stream.is_open());
    wall->shift = 2h;
  }
  SECTION("backward, and on again") {
    wall->shift = -1h;
    one.stream.expire_at(now + 10ms);
    some_heartbeats();
    CHECK(one.stream.is_open());
    wall->shift = 0h;
  }
  SECTION("while its client takes nothing") {
    one.stream.expire_at(now + 1h);
    one.block();
    wall->shift = 2h;
    CHECK(one.client.next().data.size() == OneStream::filler_size);
  }
  CHECK(one.client.rest() == Texts{"expired"});
  CHECK(eventually([&] { return one.serving.ended(EndReason::expired) == 1; }));
  // Nothing is kept of it.
  CHECK(one.serving.loop.run([&] { return detail::access::core(one.stream)->own_shard().expiries().size(); }) == 0);
}
