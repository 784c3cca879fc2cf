// Answers that are given from a thread whose allocations fail: each call has thrown and can be made again, or the
// client gets what was to be answered. Nobody waits in vain.
#include <atomic>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>

#include <asio/awaitable.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/server/server.hpp>
#include "fault/calls/failing_calls.hpp"
#include "support/catch.hpp"
#include "support/client.hpp"
#include "support/eventually.hpp"
#include "support/serving.hpp"

using namespace spate;
using namespace spate::test;

namespace {

/// A request that waits for its answer, and a loop that does not turn before it is let go, with so many messages in its
/// inbox: for one more it may need memory.
template <typename Handle>
class Asked {
 public:
  /// On a strand of the program's loop; or on a loop of the server's own, whose allocations may fail as well. (Asio
  /// ends the process when it has no memory for a strand to wait on.)
  enum class On { strand, loop };

  explicit Asked(std::size_t messages, On where = On::strand, const std::string& fields = {},
                 const std::string& version = "HTTP/1.1")
      : serving_(
            [this](Server& server) {
              if constexpr (std::is_same_v<Handle, EventStream>) {
                server.stream("/x", [this](EventStream stream) -> asio::awaitable<void> {
                  handle_.set(stream);
                  co_await stream.async_closed(asio::use_awaitable);
                });
              } else {
                server.get("/x", [this](const Request&, Handle opened) { handle_.set(std::move(opened)); });
              }
            },
            any_port(where == On::loop ? 1 : 0)),
        client(serving_.port()),
        held_(stop_) {
    client.get("/x", fields, version);
    handle = std::make_unique<Handle>(handle_.take());
    const asio::any_io_executor loop = where == On::loop ? handle->get_executor() : serving_.loop.io.get_executor();
    Awaited<bool> turned;
    for (int i = 0; i < 10; ++i) {  // then nobody else has a handle any more
      asio::post(loop, [&] { turned.set(true); });
      turned.take();
    }
    asio::post(loop, [this, where] {
      if (where == On::loop) mark_this_thread();
      const std::lock_guard wait(stop_);
    });
    for (std::size_t i = 0; i < messages; ++i) handle->on_error([](std::error_code) {});
  }
  Asked(const Asked&) = delete;
  Asked& operator=(const Asked&) = delete;
  ~Asked() { let_go(); }

  void let_go() {
    if (held_.owns_lock()) held_.unlock();
  }
  Reply reply() {
    let_go();
    return client.read_reply();
  }

 private:
  Awaited<Handle> handle_;
  std::mutex stop_;
  Serving serving_;

 public:
  Client client;
  std::unique_ptr<Handle> handle;

 private:
  std::unique_lock<std::mutex> held_;
};

constexpr long for_good = std::numeric_limits<long>::max() / 2;

/// Does `call` when the first allocation fails, the second, ... until it needs no more: that one alone, and all from it
/// on. `check` is told whether it threw. Returns how often it did.
template <typename Handle>
long sweep(const std::function<void(const Handle&)>& call, const std::function<void(Asked<Handle>&, bool)>& check) {
  long failed = 0;
  std::thread([&] {
    mark_this_thread();
    for (std::size_t messages = 0; messages < 5; ++messages) {
      for (const long times : {1L, for_good}) {
        for (long skip = 0;; ++skip) {
          Asked<Handle> asked(messages);
          bool threw = false, struck = false;
          {
            const FailingAllocation failing(skip, times);
            try {
              call(*asked.handle);
            } catch (const std::bad_alloc&) {
              threw = true;
            }
            struck = failing.struck();
          }
          INFO("after " << skip << " allocations, with " << messages << " messages");
          try {
            check(asked, threw);
          } catch (const Failure& failure) {
            FAIL_CHECK(failure.what());
          }
          if (!struck) break;
          failed += threw ? 1 : 0;
        }
      }
    }
  }).join();
  return failed;
}

const std::string long_text(100, 'x');

}  // namespace

TEST_CASE("an answer for which there is no memory can be given again", "[fault][pending]") {
  const long failed =
      sweep<PendingResponse>([](const PendingResponse& pending) { pending.respond(Response::text(200, long_text)); },
                             [](Asked<PendingResponse>& asked, bool threw) {
                               CHECK(asked.handle->is_open() == threw);
                               CHECK(asked.handle->respond(Response::text(200, long_text)) == threw);
                               CHECK(asked.reply().body == long_text);
                             });
  CHECK(failed > 10);
}

TEST_CASE("a stream for which there is no memory to reject it can be rejected again", "[fault][stream]") {
  const long failed =
      sweep<EventStream>([](const EventStream& stream) { stream.reject(Response::text(403, long_text)); },
                         [](Asked<EventStream>& asked, bool threw) {
                           CHECK(asked.handle->reject(Response::text(403, long_text)) == threw);
                           const Reply reply = asked.reply();
                           CHECK(reply.status == 403);
                           CHECK(reply.body == long_text);
                         });
  CHECK(failed > 10);
}

TEST_CASE("pieces for which there is no memory can be written again", "[fault][pieces]") {
  SECTION("the head") {
    const long failed = sweep<StreamedResponse>(
        [](const StreamedResponse& response) { response.begin(Response::text(201, long_text)); },
        [](Asked<StreamedResponse>& asked, bool threw) {
          CHECK(asked.handle->begin(Response::text(201, long_text)) == threw);
          asked.handle->finish();
          const Reply reply = asked.reply();
          CHECK(reply.status == 201);
          CHECK(reply.body == long_text);
        });
    CHECK(failed > 10);
  }
  SECTION("a piece, and the end") {
    const bool begun = GENERATE(false, true);
    const long failed = sweep<StreamedResponse>(
        [&](const StreamedResponse& response) {
          if (begun) response.begin(Response(200));
          response.async_write(long_text, [](std::error_code) {});
        },
        [](Asked<StreamedResponse>& asked, bool threw) {
          if (threw) asked.handle->async_write(long_text, [](std::error_code) {});
          asked.handle->finish();
          const Reply reply = asked.reply();
          CHECK(reply.status == 200);
          CHECK(reply.body == long_text);
        });
    CHECK(failed > 10);
  }
  SECTION("the end alone") {
    const long failed = sweep<StreamedResponse>([](const StreamedResponse& response) { response.finish(); },
                                                [](Asked<StreamedResponse>& asked, bool threw) {
                                                  CHECK(asked.handle->is_open() == threw);
                                                  if (threw) asked.handle->finish();
                                                  CHECK(asked.reply().status == 200);
                                                });
    CHECK(failed > 10);
  }
  SECTION("or be broken off") {
    const long failed = sweep<StreamedResponse>([](const StreamedResponse& response) { response.abort(); },
                                                [](Asked<StreamedResponse>& asked, bool threw) {
                                                  CHECK(asked.handle->is_open() == threw);
                                                  if (threw) asked.handle->abort();
                                                  CHECK(asked.reply().status == 500);
                                                });
    CHECK(failed > 4);
  }
}

TEST_CASE("the last handle of an answer goes without memory, and the client is told", "[fault][pending][pieces]") {
  const auto drop = [](auto asked_for) {
    long struck = 0;
    std::thread([&] {
      mark_this_thread();
      for (const long times : {1L, 20L}) {
        for (long skip = 0;; ++skip) {
          Asked<typename decltype(asked_for)::type> asked(0);
          bool hit = false;
          {
            const FailingAllocation failing(skip, times);
            asked.handle.reset();
            hit = failing.struck();
          }
          CHECK(asked.reply().status == 500);
          if (!hit) break;
          ++struck;
        }
      }
    }).join();
    return struck;
  };
  CHECK(drop(std::type_identity<PendingResponse>()) > 4);
  CHECK(drop(std::type_identity<StreamedResponse>()) > 2);
}

TEST_CASE("pieces for which the loop has no memory are seen to be missing, and who wrote them is told",
          "[fault][pieces]") {
  const std::string version = GENERATE("HTTP/1.1", "HTTP/1.0");
  long struck = 0;
  for (long skip = 0;; ++skip) {
    INFO(version << ", after " << skip << " allocations");
    std::atomic<int> told{0};
    Asked<StreamedResponse> asked(0, Asked<StreamedResponse>::On::loop, "Connection: close\r\n", version);
    asked.handle->begin(Response::text(200, long_text));
    for (int i = 0; i < 2; ++i) asked.handle->async_write(long_text, [&](std::error_code) { ++told; });
    asked.handle->finish();
    bool hit = false;
    std::string bytes;
    {
      const FailingAllocation failing(skip);
      asked.let_go();
      bytes = asked.client.read_to_end();
      hit = failing.struck();
    }
    const std::size_t body = bytes.find("\r\n\r\n");
    const bool whole = bytes.find(" 200 ") < body && bytes.size() > body + 3 * long_text.size();
    const bool broken = bytes.empty() || bytes.find(" 500 ") < body || asked.client.how_ended() == End::reset ||
                        (version == "HTTP/1.1" && !bytes.ends_with("0\r\n\r\n"));
    CAPTURE(bytes);
    CHECK(whole != broken);
    CHECK((whole || hit));
    CHECK(eventually([&] { return told == 2; }));
    if (!hit) break;
    ++struck;
  }
  CHECK(struck > 5);
}
