#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <asio/io_context.hpp>

#include <spate/registry/detail/hook_queue.hpp>
#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/emitter_server.hpp"
#include "support/texts.hpp"

using namespace spate::test;
using spate::Audience;
using spate::Emitter;
using spate::EmitterOptions;
using spate::Event;
using spate::EventStream;
using spate::Server;

namespace {

/// A server on a loop of the program's, which adds its streams to `emitter` and hands them to the test.
struct Program {
  explicit Program(std::unique_ptr<Emitter>& emitter)
      : serving([this, &emitter](Server& server) {
          server.stream("/{user}", [this, &emitter](const EventStream& stream) {
            emitter->add(stream.request()->param("user"), stream);
            opened.set(stream);
          });
        }) {}

  Awaited<EventStream> opened;
  Serving serving;
};

std::unique_ptr<Emitter> make_emitter(EmitterOptions options = with_store()) {
  return std::make_unique<Emitter>(std::move(options));
}

}  // namespace

TEST_CASE("streams outlive their emitter, with all that it had sent", "[registry][lifetime]") {
  auto emitter = make_emitter();
  Program program(emitter);
  EventClient anna(program.serving.port(), "/anna");
  const EventStream stream = program.opened.get();
  program.serving.loop.run([&] {
    emitter->broadcast(Event("one"));
    emitter->send("anna", Event("two"));
    emitter->broadcast(Event("three"));
    emitter.reset();
  });
  stream.send(Event("by hand"));
  CHECK(anna.next_data(4) == Texts{"one", "two", "three", "by hand"});
  CHECK(stream.is_open());
  stream.complete();
  CHECK(anna.completed());
}

TEST_CASE("an emitter that goes takes streams along that are being replayed", "[registry][lifetime]") {
  auto emitter = make_emitter();
  for (int i = 0; i < 200; ++i) emitter->send("anna", Event(std::string(10'000, 'x')));
  Program program(emitter);
  EventClient anna(program.serving.port(), "/anna", "Last-Event-ID: earliest\r\n", "HTTP/1.1", Serving::small_buffer);
  const EventStream stream = program.opened.get();
  anna.next();
  emitter.reset();
  stream.send(Event("by hand"));
  stream.complete();
  const Texts rest = anna.rest();
  REQUIRE(!rest.empty());
  CHECK(rest.back() == "by hand");
  CHECK(anna.completed());
}

TEST_CASE("a stream that was ending gets what it is owed though the next emitter has the store",
          "[registry][lifetime]") {
  const EmitterOptions options = with_store();
  auto emitter = make_emitter(options);
  constexpr std::size_t owed = 400;
  for (std::size_t i = 0; i < owed; ++i) emitter->send("anna", Event(std::string(10'000, 'x')));
  Program program(emitter);
  EventClient anna(program.serving.port(), "/anna", "Last-Event-ID: earliest\r\n", "HTTP/1.1", Serving::small_buffer);
  const EventStream stream = program.opened.get();
  if (GENERATE(true, false)) {
    stream.complete();
  } else {
    emitter->remove("anna");
  }
  REQUIRE(eventually([&] { return emitter->stream_count() == 0; }));
  emitter.reset();
  // It need not wait for a client that reads slowly, and goes on with the store from other threads.
  emitter = make_emitter(options);
  std::atomic<bool> stop{false};
  std::thread publisher([&] {
    for (int i = 0; !stop && i < 5'000; ++i) emitter->broadcast(Event("of the next emitter"));
  });
  const Texts all = anna.rest();
  stop = true;
  publisher.join();
  CHECK(all == Texts(owed, std::string(10'000, 'x')));
  CHECK(anna.completed());
}

TEST_CASE("no hook begins once its emitter has gone", "[registry][lifetime][hooks]") {
  Journal hooks;
  auto emitter = make_emitter(noting(hooks));
  Program program(emitter);
  EventClient anna(program.serving.port(), "/anna");
  CHECK(hooks.wait_for(1) == Texts{"+anna"});
  program.serving.loop.run([&] {
    const EventStream stream = program.opened.get();
    emitter->remove("anna", stream);
    emitter->add("bert", stream);  // hooks that cannot have begun
    emitter.reset();
  });
  program.serving.loop.settle();
  CHECK(hooks.entries() == Texts{"+anna"});
}

TEST_CASE("an emitter outlives its servers and their loops, and serves the next one", "[registry][lifetime]") {
  Journal hooks;
  auto emitter = make_emitter(noting(hooks));
  std::optional<EventStream> handle;
  for (int round = 1; round <= 3; ++round) {
    {
      Program program(emitter);
      EventClient anna(program.serving.port(), "/anna"), bert(program.serving.port(), "/bert");
      CHECK(emitter->broadcast(Event("hello")).streams == 2);
      CHECK(anna.next().data == "hello");
      CHECK(bert.next().data == "hello");
      handle = program.opened.get();
    }
    // The loop and its io_context are gone.
    CHECK(emitter->stream_count() == 0);
    CHECK(emitter->user_count() == 0);
    CHECK(emitter->broadcast(Event("nobody")).streams == 0);
    CHECK(emitter->has_room());
    emitter->add("late", *handle);
    CHECK(emitter->stream_count() == 0);
    CHECK(handle->send(Event("late")) == spate::SendResult::closed);
    CHECK_FALSE(handle->is_open());
  }
  const Texts entries = hooks.wait_for(12);
  CHECK(std::count(entries.begin(), entries.end(), "+anna") == 3);
  CHECK(std::count(entries.begin(), entries.end(), "+late") == 0);
}

TEST_CASE("a stream whose loop stops before it has joined is not left behind", "[registry][lifetime]") {
  auto emitter = make_emitter();
  Program program(emitter);
  EventClient anna(program.serving.port(), "/anna");
  const EventStream stream = program.opened.get();
  program.serving.loop.run([&] {
    emitter->remove("anna", stream);
    emitter->add("again", stream);
    emitter->broadcast(Event("x"));
    program.serving.server().stop();
  });
  CHECK(emitter->stream_count() == 0);
  CHECK(emitter->users().empty());
}

TEST_CASE("a client that polled is gone with its loop", "[registry][lifetime]") {
  auto emitter = make_emitter();
  Program program(emitter);
  Client anna(program.serving.port());
  anna.get("/anna?transport=poll&timeout=0");
  CHECK(anna.read_reply().status == 200);
  CHECK(emitter->stream_count() == 1);  // it is given the time to ask again
  program.serving.destroy();
  CHECK(emitter->stream_count() == 0);
}

TEST_CASE("who awaits a send is told when the emitter goes, and when the loop does", "[registry][lifetime][async]") {
  EmitterOptions options = with_store();
  options.max_backlog_bytes = 0;
  auto emitter = make_emitter(options);
  Program program(emitter);
  EventClient anna(program.serving.port(), "/anna");
  program.opened.get();
  std::vector<Sending> sends;
  const bool emitter_goes = GENERATE(true, false);
  program.serving.loop.run([&] {
    // On the loop, which cannot have delivered it yet.
    sends.emplace_back(*emitter, Audience::everybody(), Event("x"));
    sends.emplace_back(*emitter, Audience::user("anna"), Event("x"));
    if (emitter_goes) {
      emitter.reset();
    } else {
      program.serving.server().stop();
    }
  });
  for (const Sending& sending : sends) {
    REQUIRE(sending.wait());
    CHECK(sending.report().streams == 1);
    CHECK(sending.error() == (emitter_goes ? make_error_code(spate::Errc::shut_down) : std::error_code()));
  }
}

TEST_CASE("a broadcast that is still on its way when its loop stops keeps nobody waiting",
          "[registry][lifetime][async]") {
  EmitterOptions options = with_store();
  options.max_backlog_bytes = 0;
  auto emitter = make_emitter(options);
  std::vector<EventClient> clients;
  {
    Program program(emitter);
    for (int i = 0; i < 200; ++i) clients.emplace_back(program.serving.port(), "/user" + std::to_string(i));
    REQUIRE(eventually([&] { return emitter->stream_count() == 200; }));
    // More streams than one turn serves: the lap is under way when the loop stops.
    const Sending sending(*emitter, Audience::everybody(), Event("x"));
    program.serving.loop.run([&] { program.serving.server().stop(); });
    CHECK(sending.wait());
  }
  CHECK(emitter->has_room());
  CHECK(emitter->stream_count() == 0);
}

TEST_CASE("hooks that were queued on a loop that is gone run on the next one, in order", "[registry][hooks]") {
  using spate::detail::HookQueue;
  using spate::detail::Shard;
  const auto queue = spate::detail::make_ref<HookQueue>();
  Texts ran;
  const auto hook = [&](const char* name) { return [&ran, name] { ran.push_back(name); }; };
  {
    asio::io_context gone;
    const auto shard = spate::detail::make_ref<Shard>(gone.get_executor());
    queue->push(shard, hook("one"));
    queue->push(shard, hook("two"));
    shard->stop();
    queue->push(shard, hook("three"));
  }
  CHECK(ran.empty());
  asio::io_context io;
  const auto shard = spate::detail::make_ref<Shard>(io.get_executor());
  queue->push(shard, [&] {
    ran.push_back("four");
    queue->push(shard, hook("six"));
    throw std::runtime_error("a hook failed");
  });
  queue->push(shard, hook("five"));
  CHECK_THROWS_AS(io.run(), std::runtime_error);
  CHECK(ran == Texts{"one", "two", "three", "four"});
  io.run();
  CHECK(ran == Texts{"one", "two", "three", "four", "five", "six"});
  queue->push(shard, hook("forgotten"));
  queue->close();
  queue->push(shard, hook("too late"));
  io.restart();
  io.run();
  CHECK(ran.size() == 6);
  shard->stop();
}
