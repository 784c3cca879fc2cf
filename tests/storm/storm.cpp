// A storm: clients of every kind come and go while several threads use every member of streams, emitter and pending
// answers; and in the middle of it the server is destroyed, then the emitter. Nothing is expected but what sanitizers
// look for, and that everybody comes to an end.
//
//   SPATE_STORM_SECONDS=600 SPATE_STORM_SEED=7 storm_tests
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio/bind_executor.hpp>
#include <asio/steady_timer.hpp>
#include <asio/system_executor.hpp>
#include <asio/this_coro.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/spate.hpp>
#include "support/catch.hpp"
#include "support/client.hpp"

namespace spate::test {
namespace {

using namespace std::chrono_literals;
using Random = std::mt19937;

unsigned from_environment(const char* name, unsigned otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr ? otherwise : static_cast<unsigned>(std::stoul(value));
}

unsigned below(Random& random, unsigned limit) {
  return std::uniform_int_distribution<unsigned>(0, limit - 1)(random);
}

/// Streams that any thread may take a copy of, also long after they have ended.
class Streams {
 public:
  void add(const EventStream& stream) {
    const std::lock_guard lock(mutex_);
    if (streams_.size() < most) {
      streams_.push_back(stream);
    } else {
      streams_[next_++ % most] = stream;
    }
  }
  std::optional<EventStream> any(Random& random) const {
    const std::lock_guard lock(mutex_);
    if (streams_.empty()) return std::nullopt;
    return streams_[below(random, static_cast<unsigned>(streams_.size()))];
  }

 private:
  static constexpr std::size_t most = 400;
  mutable std::mutex mutex_;
  std::vector<EventStream> streams_;
  std::size_t next_ = 0;
};

/// Threads that do `step` again and again until they are told to stop.
class Crowd {
 public:
  template <typename Step>
  Crowd(int size, unsigned seed, Step step) {
    for (int i = 0; i < size; ++i) {
      threads_.emplace_back([this, step, random = Random(seed + static_cast<unsigned>(i))]() mutable {
        while (!stop_) {
          step(random);
          ++steps_;
        }
      });
    }
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;
  ~Crowd() { stop(); }

  void stop() {
    stop_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  std::uint64_t steps() const { return steps_; }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> steps_{0};
  std::vector<std::thread> threads_;
};

EmitterOptions emitter_options(Random& random, asio::thread_pool& elsewhere) {
  EmitterOptions options;
  ReplayLimits limits;
  limits.max_events = 200;
  options.replay = std::make_shared<MemoryReplayStore>(limits);
  options.max_streams_per_user = below(random, 3) == 0 ? 3 : 0;
  options.poll_grace = 20ms;
  options.max_backlog_bytes = 4096;
  options.executor = elsewhere.get_executor();
  const auto joins = std::make_shared<std::atomic<int>>(0);
  options.on_join = [joins](const std::string&) {
    if (++*joins % 7 == 0) throw std::runtime_error("a hook that throws");
  };
  options.on_leave = [joins](const std::string&) { --*joins; };
  options.on_gap = [](const Gap&) {};
  return options;
}

ServerOptions server_options(Random& random) {
  ServerOptions options;
  options.port = 0;
  options.threads = 2;
  options.max_connections = 300;
  options.max_connections_per_address = 200;
  options.stream.max_queued_bytes = 8192;
  options.stream.heartbeat = 5ms;
  options.stream.write_timeout = 200ms;
  options.stream.lifetime = below(random, 2) == 0 ? 60ms : 0ms;
  constexpr Overflow policies[] = {Overflow::close, Overflow::drop_oldest, Overflow::drop_newest, Overflow::coalesce};
  options.stream.overflow = policies[below(random, 4)];
  options.stream.farewell = [](EndReason reason) -> std::optional<Event> {
    if (reason == EndReason::closed) throw std::runtime_error("a farewell that throws");
    return Event("bye").name("closing");
  };
  options.on_exception = [](const std::exception_ptr&) {};
  return options;
}

asio::awaitable<std::optional<Response>> look_at(Request& request) {
  asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
  co_await timer.async_wait(asio::use_awaitable);
  if (request.query("deny")) co_return Response::error(403, "no");
  if (request.query("boom")) throw std::runtime_error("a hook that throws");
  co_return std::nullopt;
}

asio::awaitable<void> twenty_events(EventStream stream) {
  const Event event(std::string(300, 'c'));
  for (int i = 0; i < 20; ++i) co_await stream.async_send(event, asio::use_awaitable);
}

void add_routes(Server& server, Emitter& emitter, Streams& streams) {
  RouteOptions guarded;
  guarded.authorize = AuthorizeCoroutine(look_at);
  const auto opened = std::make_shared<std::atomic<int>>(0);
  server.stream(
      "/s/{user}",
      [&, opened](const EventStream& stream) {
        SubscribeOptions wanted;
        wanted.events = stream.request()->query_all("event");
        if (stream.request()->query("greet")) {
          wanted.greeting = [](bool) { return Event("hi").name("connected"); };
        }
        streams.add(stream);
        emitter.add(stream.request()->param("user"), stream, wanted);
        stream.on_complete([stream] {
          stream.send(Event("late"));
          stream.on_complete([] {});
        });
        stream.on_error([stream](std::error_code) { stream.complete(); });
        if (++*opened % 50 == 0) throw std::runtime_error("a handler that throws");
        if (*opened % 9 == 0) stream.complete(Event("short"));
      },
      guarded);
  server.stream("/c", [&](const EventStream& stream) {
    streams.add(stream);
    return twenty_events(stream);
  });
  server.post("/p", [opened](const Request&, const PendingResponse& pending) {
    pending.expire_after(3ms, Response::text(200, "expired"));
    pending.on_timeout([pending] {});
    pending.on_error([pending](std::error_code) {});
    if (++*opened % 2 == 0) return;
    std::thread([pending] {
      std::this_thread::sleep_for(1ms);
      pending.respond(Response::text(200, "answered"));
    }).detach();
  });
}

/// One connection: a request, some reading, and an end that may be abrupt.
void come_and_go(std::uint16_t port, Random& random) {
  static constexpr const char* targets[] = {
      "/s/u1",
      "/s/u2?greet=1",
      "/s/u3?deny=1",
      "/s/u4?event=note&event=message",
      "/s/u5?boom=1",
      "/s/u1?transport=poll&timeout=5",
      "/s/u2?greet=1",
      "/s/u2?transport=poll&timeout=0&client=x",
      "/c",
      "/s/u0?transport=iframe",
      "/s/u3",
      "/s/u4?last_event_id=earliest&greet=1",
  };
  try {
    Client client(port);
    if (below(random, 7) == 0) {
      const std::string request = "POST /p HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
      client.send(request + request);
    } else {
      const char* const version = below(random, 4) == 0 ? "HTTP/1.0" : "HTTP/1.1";
      const char* const cursor = below(random, 2) == 0 ? "Last-Event-ID: earliest\r\n" : "";
      client.get(targets[below(random, std::size(targets))], cursor, version);
    }
    for (unsigned reads = below(random, 30); reads > 0 && client.read_within(3ms); --reads) continue;
    if (below(random, 2) == 0) client.reset();
  } catch (const Failure&) {  // the server has gone
    std::this_thread::sleep_for(1ms);
  }
}

void publish(Emitter& emitter, const Streams& streams, Random& random) {
  static const std::vector<std::string> several{"u1", "u2", "u2", "nobody"};
  Event event(std::string(below(random, 600), 'e'));
  if (below(random, 2) == 0) event.name("note");
  switch (below(random, 10)) {
    case 0: emitter.broadcast(event); break;
    case 1: emitter.send_group("u", event); break;
    case 2: emitter.send(several, event); break;
    case 3: emitter.send("u3", event); break;
    case 4: emitter.async_send(Audience::everybody(), event, [](std::error_code, const SendReport&) {}); break;
    case 5: emitter.async_room([](std::error_code) {}); break;
    case 6:
      if (below(random, 10) == 0) emitter.remove("u" + std::to_string(below(random, 6)));
      break;
    case 7: emitter.users(); break;
    case 8: emitter.counts(); break;
    default:
      if (const auto stream = streams.any(random)) {
        emitter.remove("u1", *stream);
        if (below(random, 3) != 0) break;
        emitter.add("u5", *stream);  // unless it is somebody else's already
      }
  }
  if (below(random, 4) == 0) std::this_thread::sleep_for(200us);
}

void use(const EventStream& stream, Random& random) {
  switch (below(random, 16)) {
    case 0:
    case 1: stream.send(Event(std::string(below(random, 3000), 's')).name(below(random, 2) == 0 ? "a" : "b")); break;
    case 2: stream.comment("c"); break;
    case 3: stream.async_send(Event("awaited"), [](std::error_code) {}); break;
    case 4:
      stream.async_send(Event("awaited"), asio::bind_executor(asio::system_executor(), [](std::error_code) {}));
      break;
    case 5:
      if (below(random, 20) == 0) stream.complete(Event("last"));
      break;
    case 6:
      if (below(random, 20) == 0) stream.complete_with_error();
      break;
    case 7: stream.expire_at(std::chrono::system_clock::now() + std::chrono::milliseconds(below(random, 200))); break;
    case 8:
      if (below(random, 5) == 0) stream.on_complete([stream] { static_cast<void>(stream.is_open()); });
      break;
    case 9: {
      const std::stop_callback callback(stream.stop_token(), [stream] {
        stream.send(Event("stopped"));
        stream.stop_token();
      });
      std::this_thread::yield();
      break;
    }
    case 10: static_cast<void>(stream.last_event_id()); break;
    case 11: static_cast<void>(stream.queued_bytes() + (stream.is_open() ? 1 : 0)); break;
    case 12: stream.open(); break;
    case 13: stream.reject(Response::error(500, "rejected")); break;
    default: stream.send(Event("x"));
  }
  if (below(random, 8) == 0) std::this_thread::sleep_for(100us);
}

// The handlers use the emitter: so it goes after the server, while the streams are still in use.
void blow(unsigned seed) {
  Random random(seed);
  Streams streams;
  asio::thread_pool elsewhere(1);
  auto emitter = std::make_unique<Emitter>(emitter_options(random, elsewhere));
  auto server = std::make_unique<Server>(server_options(random));
  add_routes(*server, *emitter, streams);
  server->start();

  Crowd clients(4, seed * 31, [port = server->port()](Random& own) { come_and_go(port, own); });
  Crowd publishers(2, seed * 77, [&](Random& own) { publish(*emitter, streams, own); });
  Crowd users(3, seed * 99, [&](Random& own) {
    if (const auto stream = streams.any(own)) use(*stream, own);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(150 + below(random, 150)));

  if (below(random, 2) == 0) {
    std::atomic<bool> drained{false};
    server->shutdown(30ms, [&](std::size_t) { drained = true; });
    if (below(random, 2) == 0) {
      CHECK(eventually([&] { return drained.load(); }));
    }
    server.reset();
  } else {
    server.reset();
  }
  publishers.stop();
  emitter.reset();
  clients.stop();
  users.stop();
  elsewhere.join();
  CHECK(clients.steps() > 0);
  CHECK(publishers.steps() > 0);
  CHECK(users.steps() > 0);
}

}  // namespace

TEST_CASE("servers and emitters are destroyed in the middle of everything that threads may do with their streams",
          "[storm]") {
  const auto until =
      std::chrono::steady_clock::now() + std::chrono::seconds(from_environment("SPATE_STORM_SECONDS", 10));
  unsigned seed = from_environment("SPATE_STORM_SEED", 1);
  do {
    INFO("seed " << seed);
    blow(seed++);
  } while (std::chrono::steady_clock::now() < until);
}

}  // namespace spate::test
