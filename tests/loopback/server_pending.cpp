// Answers that are given later.
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <asio/error.hpp>
#include <asio/io_context.hpp>

#include <spate/connection/detail/channel.hpp>
#include <spate/detail/access.hpp>
#include <spate/server/detail/pending_core.hpp>
#include <spate/stream/detail/shard.hpp>
#include "support/catch.hpp"
#include "support/client.hpp"
#include "support/deferring.hpp"
#include "support/eventually.hpp"
#include "support/serving.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;

TEST_CASE("an answer may come from another thread", "[loopback][server][pending]") {
  std::vector<std::thread> threads;
  std::mutex mutex;
  Serving serving([&](Server& server) {
    server.get("/", [&](const Request&, PendingResponse pending) {
      const std::lock_guard lock(mutex);
      threads.emplace_back([pending = std::move(pending)] { pending.respond(Response::text(200, "from elsewhere")); });
    });
  });
  Client client(serving.port());
  for (int i = 0; i < 20; ++i) {
    client.get("/");
    CHECK(client.read_reply().body == "from elsewhere");
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("the first answer counts, and requests after it wait", "[loopback][server][pending]") {
  Deferring deferring;
  Client client(deferring.serving.port());
  client.get("/");
  client.get("/next");
  const PendingResponse pending = deferring.taken.take();
  CHECK(pending.is_open());
  deferring.serving.loop.settle();
  CHECK(deferring.serving.stats().requests == 1);
  CHECK(pending.respond(Response::text(200, "first")));
  CHECK_FALSE(pending.is_open());
  CHECK_FALSE(pending.respond(Response::text(200, "second")));
  CHECK(client.read_reply().body == "first");
  CHECK(client.read_reply().body == "next");
}

TEST_CASE("an answer can be given in the handler itself", "[loopback][server][pending]") {
  Serving serving([](Server& server) {
    server.get("/",
               [](const Request&, const PendingResponse& pending) { pending.respond(Response::text(200, "at once")); });
  });
  Client client(serving.port());
  client.get("/");
  CHECK(client.read_reply().body == "at once");
}

TEST_CASE("a wait expires with the answer given for that", "[loopback][server][pending]") {
  Journal journal;
  Deferring deferring;
  Client client(deferring.serving.port());
  const PendingResponse pending = deferring.ask(client);
  pending.on_timeout([&] { journal.add("timeout"); });
  pending.on_error([&](std::error_code) { journal.add("error"); });
  pending.expire_after(1h, Response::text(200, "never"));
  pending.expire_after(30ms, Response::text(200, "too late"));
  CHECK(client.read_reply().body == "too late");
  CHECK(journal.wait_for(1) == Texts{"timeout"});
  CHECK_FALSE(pending.respond(Response::text(200, "later still")));
  // One registered late is told as well.
  pending.on_timeout([&] { journal.add("late"); });
  CHECK(journal.wait_for(2) == Texts{"timeout", "late"});
  // The connection goes on.
  client.get("/next");
  CHECK(client.read_reply().body == "next");
}

TEST_CASE("an answer in time keeps the wait from expiring", "[loopback][server][pending]") {
  Journal expired;
  Deferring deferring;
  Client client(deferring.serving.port()), other(deferring.serving.port());
  const PendingResponse answered = deferring.ask(client), later = deferring.ask(other);
  answered.on_timeout([&] { expired.add("answered"); });
  later.on_timeout([&] { expired.add("later"); });
  // On the loop, which does not look at the time before all of this is done.
  CHECK(deferring.serving.loop.run([&] {
    answered.expire_after(10ms, Response::text(200, "too late"));
    later.expire_after(20ms, Response::text(200, "nothing yet"));
    return answered.respond(Response::text(200, "in time"));
  }));
  CHECK(client.read_reply().body == "in time");
  // One loop takes its moments in their order: when this one has come, the other has passed.
  CHECK(other.read_reply().body == "nothing yet");
  CHECK(expired.wait_for(1) == Texts{"later"});
  // One registered late is not told either.
  answered.on_timeout([&] { expired.add("answered"); });
  client.get("/next");
  CHECK(client.read_reply().body == "next");
  deferring.serving.loop.settle();
  CHECK(expired.size() == 1);
}

TEST_CASE("when nobody can answer any more the client gets 500", "[loopback][server][pending]") {
  Serving serving([](Server& server) {
    server.get("/", [](const Request&, const PendingResponse& pending) { const PendingResponse copy = pending; });
  });
  Client client(serving.port());
  for (int i = 0; i < 3; ++i) {
    client.get("/");
    CHECK(client.read_reply().status == 500);
  }
}

TEST_CASE("when the connection breaks the program is told", "[loopback][server][pending]") {
  Journal journal;
  Deferring deferring;
  Client client(deferring.serving.port());
  const PendingResponse pending = deferring.ask(client);
  pending.on_timeout([&] { journal.add("timeout"); });
  pending.on_error([&](std::error_code error) { journal.add(error.message()); });
  const std::string reset = make_error_code(asio::error::connection_reset).message();
  client.reset();
  CHECK(journal.wait_for(1) == Texts{reset});
  CHECK_FALSE(pending.is_open());
  CHECK_FALSE(pending.respond(Response(200)));
  pending.on_error([&](std::error_code error) { journal.add("late " + error.message()); });
  CHECK(journal.wait_for(2).back() == "late " + reset);
}

TEST_CASE("a callback may hold the answer that it belongs to", "[loopback][server][pending]") {
  // A ring of references: it has to be broken when the answer is given, however it is given.
  auto held = std::make_shared<int>();
  const int how = GENERATE(0, 1, 2, 3);
  {
    std::optional<Deferring> deferring(std::in_place);
    Client client(deferring->serving.port());
    {
      const PendingResponse pending = deferring->ask(client);
      pending.on_timeout([pending, held] {});
      pending.on_error([pending, held](std::error_code) {});
      if (how == 0) pending.respond(Response(204));
      if (how == 1) pending.expire_after(1ms, Response(204));
      if (how == 2) client.reset();
      if (how == 3) deferring->serving.destroy();
    }
    if (how < 2) CHECK(client.read_reply().status == 204);
    deferring.reset();
  }
  CHECK(held.use_count() == 1);
}

TEST_CASE("an answer that comes while its loop stops keeps nothing alive", "[loopback][server][pending]") {
  struct Sink final : detail::AnswerSink {
    explicit Sink(bool& flag) : gone(flag) {}
    ~Sink() override { gone = true; }
    detail::Channel open_channel(const Request&, const HeaderFields&) override { return {}; }
    void answer(Response) override {}
    bool& gone;
  };
  asio::io_context io;
  bool gone = false;
  const auto shard = detail::make_ref<detail::Shard>(io.get_executor());
  {
    const auto core = detail::make_ref<detail::PendingCore>(
        shard, detail::Ref<detail::AnswerSink>(detail::make_ref<Sink>(gone).get()));
    const auto pending = detail::access::handle<PendingResponse>(core);
    pending.on_timeout([pending] {});
    pending.on_error([pending](std::error_code) {});
    io.poll();
    shard->stop();
    // Another thread's answer finds the loop stopped, and then the connection is cut.
    CHECK_FALSE(pending.respond(Response::text(200, "too late")));
    core->connection_lost(Errc::shut_down);
  }
  CHECK(gone);
}

TEST_CASE("an answer may outlive the server it was for", "[loopback][server][pending]") {
  Journal journal;
  std::optional<PendingResponse> left;
  {
    Deferring deferring;
    Client client(deferring.serving.port());
    left = deferring.ask(client);
    left->on_error([&](std::error_code error) { journal.add(error.message()); });
    deferring.serving.destroy();
    CHECK(client.read_to_end().empty());
    CHECK(journal.wait_for(1) == Texts{make_error_code(Errc::shut_down).message()});
  }
  CHECK_FALSE(left->is_open());
  CHECK_FALSE(left->respond(Response(200)));
  left->expire_after(1ms, Response(200));
  left->on_timeout([] {});
  left->on_error([](std::error_code) {});
  left.reset();
}
