// One connection of HTTP/2 whose allocations fail, one at a time: each request is answered, or its stream or its
// connection ends, and nobody waits in vain. What lives afterwards serves as before.
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <spate/http2/http2.hpp>
#include "fault/calls/failing_calls.hpp"
#include "support/catch.hpp"
#include "support/held_http2.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;
using H2 = HeldHttp2Client;

namespace {

struct Step {
  const char* name = "";
  std::string before = {};                   // what the client has said, with memory
  std::string said = {};                     // what it says without
  std::function<void(HeldHttp2&)> act = {};  // what the program does without, and again if that has thrown
  int status = 200;                          // of the answer on stream 1, if all goes well
  std::string body = {};                     // the same, of one of 200
  bool stays_open = false;                   // it goes on
  bool ends = false;                         // its client wants no answer to it any more
};

/// Runs `work` as the loop would: what it throws ends `resident` alone.
void run_as_loop(HeldHttp2& one, const std::function<void()>& work) {
  try {
    work();
  } catch (const std::bad_alloc&) {
    detail::insist([&] { one.connection().on_failure(std::make_error_code(std::errc::not_enough_memory)); });
  }
}

/// Lets the loop turn, and counts what it tells.
void turn_as_program(HeldHttp2& one) {
  for (int i = 0; i < 20; ++i) {
    try {
      return one.turn();
    } catch (const std::bad_alloc&) {
    }
  }
}

bool is_over(HeldHttp2& one) {
  return one.client.goodbye || one.peer().saw_end();
}

/// Whether the client knows what has become of its request on stream 1.
void check_outcome(HeldHttp2& one, const Step& step, bool struck) {
  const H2::Answer& answer = one.client.at(1);
  INFO("status " << answer.status << ", body \"" << answer.body << "\", ended " << answer.ended << ", reset "
                 << answer.reset.value_or(99) << ", goodbye " << one.client.goodbye.value_or(99));
  const bool right = answer.status == step.status && (answer.body == step.body || step.status != 200) &&
                     (answer.ended || step.stays_open);
  const bool failed = answer.ended && answer.status >= 500;
  const bool ended = answer.reset.has_value() || is_over(one);
  // Who has taken it back by RST_STREAM is told nothing more.
  CHECK((right || failed || ended || step.ends));
  if (!struck && !step.ends) CHECK(right);
  // What is whole to the client is right.
  if (!step.ends && answer.ended && answer.status == 200) CHECK(answer.body == step.body);
}

/// Whoever had something to do with stream 1 knows as well.
void check_program(HeldHttp2& one, const Step& step) {
  const H2::Answer& answer = one.client.at(1);
  const bool over = step.ends || answer.reset.has_value() || answer.ended || is_over(one);
  for (const EventStream& stream : one.streams) CHECK(stream.is_open() == !over);
  if (over && one.pending) CHECK_FALSE(one.pending->is_open());
  if (over && one.pieces) CHECK_FALSE(one.pieces->is_open());
}

long sweep(const Step& step) {
  long failed = 0;
  std::thread([&] {
    mark_this_thread();
    for (const long times : {1L, 7L}) {
      for (long skip = 0; skip < 2000; ++skip) {
        INFO(step.name << ", after " << skip << " allocations, " << times << " fail");
        ServerOptions options;
        options.on_exception = [](const std::exception_ptr&) {};
        auto one = std::make_unique<HeldHttp2>(options);
        const detail::Ref<detail::ServerCore> server(&one->server());
        one->say(step.before);
        one->reads = false;
        one->peer().put(step.said);
        bool struck = false, again = false;
        {
          const FailingAllocation failing(skip, times);
          run_as_loop(*one, [&] { one->peer().deliver(); });
          if (step.act) {
            try {
              step.act(*one);
            } catch (const std::bad_alloc&) {
              again = true;
            }
          }
          turn_as_program(*one);
          struck = failing.struck();
        }
        one->reads = true;
        if (again) step.act(*one);
        turn_as_program(*one);
        check_outcome(*one, step, struck);
        check_program(*one, step);
        if (!is_over(*one)) {
          one->say(H2::get(101, "/hello"));
          CHECK(one->client.at(101).body == "hello");
          CHECK(one->client.at(101).ended);
        } else {
          one->let_pass(3s);
          CHECK(one->peer().is_gone());
        }
        one.reset();
        CHECK(server->http2_connections == 0);
        if (!struck) break;
        ++failed;
      }
    }
  }).join();
  return failed;
}

}  // namespace

TEST_CASE("a connection of HTTP/2 ends no worse than by its end when memory is lacking", "[fault][http2]") {
  const std::string large(50'000, 'x');
  const auto send = [](HeldHttp2& one) { one.streams.at(0).send(Event("x")); };
  const std::vector<Step> steps{
      {.name = "a request", .said = H2::get(1, "/hello"), .body = "hello"},
      {.name = "one with a body",
       .said = H2::post(1, "/echo") + H2::data(1, "abc") + H2::data(1, "def", true),
       .body = "abcdef"},
      {.name = "the rest of one",
       .before = H2::post(1, "/echo") + H2::data(1, "abc"),
       .said = H2::data(1, std::string(1000, 'd'), true),
       .body = "abc" + std::string(1000, 'd')},
      {.name = "one whose body is invited",
       .before = H2::post(1, "/echo", {{"expect", "100-continue"}}),
       .said = H2::data(1, "abc", true),
       .body = "abc"},
      {.name = "one that waits for its word",
       .said = H2::post(1, "/refused", {{"expect", "100-continue"}}),
       .status = 401},
      {.name = "one whose coroutine decides",
       .before = H2::post(1, "/asked") + H2::data(1, "abc", true),
       .act = [](HeldHttp2& one) { one.decide(std::nullopt); },
       .body = "abc"},
      {.name = "many fields",
       .said =
           H2::get(1, "/cookie", {{"cookie", std::string(100, 'a')}, {"x", std::string(1000, 'x')}, {"cookie", "b"}}),
       .body = std::string(100, 'a') + "; b"},
      {.name = "several at once",
       .before = H2::more_room(0, 1 << 30),
       .said = H2::get(1, "/hello") + H2::get(3, "/events") + H2::get(5, "/large") + H2::reset(3),
       .body = "hello"},
      {.name = "one that is no request", .said = H2::get(1, "/" + std::string(9000, 'a')), .status = 414},
      {.name = "an answer that comes later",
       .before = H2::get(1, "/later"),
       .act = [&](HeldHttp2& one) { one.pending->respond(Response::text(200, large)); },
       .body = large},
      {.name = "an answer that nobody gives",
       .before = H2::get(1, "/later"),
       .act = [](HeldHttp2& one) { one.pending.reset(); },
       .status = 500},
      {.name = "pieces",
       .before = H2::get(1, "/pieces"),
       .act = [&](HeldHttp2& one) { one.pieces->async_write(large, [](std::error_code) {}); },
       .body = large,
       .stays_open = true},
      {.name = "a stream of events", .said = H2::get(1, "/events"), .stays_open = true},
      {.name = "an event", .before = H2::get(1, "/events"), .act = send, .body = "data: x\n\n", .stays_open = true},
      {.name = "the end of a stream",
       .before = H2::get(1, "/events"),
       .act = [](HeldHttp2& one) { one.streams.at(0).complete(); }},
      {.name = "a drain",
       .before = H2::get(1, "/events") + H2::get(3, "/events"),
       .act =
           [](HeldHttp2& one) {
             one.server().draining = true;
             run_as_loop(one, [&] { one.connection().on_drain(); });
           },
       .ends = true},
      {.name = "a client that takes its request back",
       .before = H2::get(1, "/events") + H2::get(3, "/later"),
       .said = H2::reset(1) + H2::reset(3),
       .ends = true},
      {.name = "a flood",
       .before = H2::get(1, "/events"),
       .said =
           [] {
             std::string all;
             for (int i = 0; i < 200; ++i) all += H2::ping();
             return all;
           }(),
       .ends = true},
      {.name = "a fault",
       .before = H2::get(1, "/events") + H2::get(3, "/later") + H2::get(5, "/pieces"),
       .said = H2::frame(NGHTTP2_DATA, 0, 0, "x"),
       .ends = true},
      {.name = "a connection that breaks",
       .before = H2::get(1, "/events") + H2::get(3, "/later") + H2::get(5, "/pieces"),
       .act = [](HeldHttp2& one) { run_as_loop(one, [&] { one.peer().reset(); }); },
       .ends = true},
  };
  for (const Step& step : steps) {
    INFO(step.name);
    CHECK(sweep(step) > 0);
  }
}

TEST_CASE("a connection of HTTP/2 for which there is no memory is closed, and nothing of it stays", "[fault][http2]") {
  long failed = 0;
  std::thread([&] {
    mark_this_thread();
    for (long skip = 0; skip < 1000; ++skip) {
      HeldLoop loop;
      MemoryTransport transport;
      ServerOptions options;
      options.on_exception = [](const std::exception_ptr&) {};
      const auto server = detail::make_ref<detail::ServerCore>(options);
      Http2 http2;
      detail::Peer peer = transport.connect();
      const std::string said = H2::hello() + H2::get(1, "/nowhere");
      bool struck = false, threw = false;
      {
        const FailingAllocation failing(skip);
        try {
          http2.begin(loop.shard_ref(), server, server->hosts_of({}), std::move(peer), {}, said);
        } catch (const std::bad_alloc&) {
          threw = true;
        }
        struck = failing.struck();
      }
      INFO("after " << skip << " allocations");
      // NOLINTNEXTLINE(bugprone-use-after-move): it was not moved from if nobody has taken it
      if (peer) peer.close();
      for (int i = 0; i < 5; ++i) {
        try {
          loop.turn();
        } catch (const std::bad_alloc&) {
        }
      }
      HeldHttp2Client client;
      client.hear(transport.client().take());
      const H2::Answer& answer = client.at(1);
      CHECK((transport.client().is_gone() || client.goodbye || answer.reset || answer.ended));
      if (threw) CHECK(transport.client().is_gone());
      if (!transport.client().is_gone()) {
        transport.client().end();
        loop.turn();
        loop.let_pass(3s);
      }
      CHECK(transport.client().is_gone());
      CHECK(server->http2_connections == 0);
      if (!struck) {
        CHECK(answer.status == 404);
        break;
      }
      ++failed;
    }
  }).join();
  CHECK(failed > 20);
}
