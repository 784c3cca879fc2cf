// User code at its worst: it throws, blocks, comes back in, and destroys what it is called by.
#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <spate/history/memory_replay_store.hpp>
#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/client.hpp"
#include "support/event_client.hpp"
#include "support/exceptions.hpp"
#include "support/serving.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;

TEST_CASE("a callback that throws costs neither the others nor the server", "[loopback][user code]") {
  Journal exceptions, journal;
  ServerOptions options = any_port(1);
  options.on_exception = note_in(exceptions);
  Server server(options);
  server.stream("/", [&](const EventStream& stream) {
    stream.on_complete([] { throw std::runtime_error("callback"); });
    stream.on_complete([&] { journal.add("complete"); });
    stream.send(Event("hello"));
    stream.complete();
  });
  server.start();
  for (int i = 0; i < 3; ++i) CHECK(EventClient(server.port(), "/").rest() == Texts{"hello"});
  CHECK(journal.wait_for(3) == Texts(3, "complete"));
  CHECK(exceptions.wait_for(3) == Texts(3, "callback"));
}

TEST_CASE("on the program's own loop a callback's exception comes out of its run", "[loopback][user code]") {
  asio::io_context io{1};
  Server server(io, any_port());
  server.stream("/", [&](const EventStream& stream) {
    stream.on_complete([] { throw std::runtime_error("callback"); });
    stream.complete();
  });
  server.start();
  Client client(server.port());
  client.get("/");
  CHECK_THROWS_WITH(io.run(), "callback");
  client.close();
  // And the loop can go on.
  std::optional<std::size_t> cut;
  server.shutdown(patience, [&](std::size_t count) { cut = count; });
  io.run();
  CHECK(cut == 0u);
}

TEST_CASE("an emitter may be destroyed in a handler, a hook or a callback of its streams", "[loopback][user code]") {
  const std::string where = GENERATE("handler", "callback");
  INFO(where);
  Journal journal;
  EmitterOptions kept;
  kept.replay = std::make_shared<MemoryReplayStore>();
  std::optional<Emitter> emitter(std::in_place, kept);
  Serving serving([&](Server& server) {
    server.stream("/{user}", [&](const EventStream& stream) {
      if (!emitter) return stream.complete();
      emitter->add(stream.request()->param("user"), stream);
      stream.on_complete([&] {
        if (where == "callback") emitter.reset();
        journal.add("complete");
      });
      emitter->send("alice", Event("hello"));
      if (where == "handler") emitter.reset();
    });
  });
  std::optional<EventClient> alice(std::in_place, serving.port(), "/alice");
  CHECK(alice->next().data == "hello");
  alice.reset();
  CHECK(journal.wait_for(1) == Texts{"complete"});
  // The server goes on without it.
  CHECK(EventClient(serving.port(), "/bob").completed());
  serving.loop.run([&] { CHECK_FALSE(emitter); });
}

TEST_CASE("a handler may come back in by every way there is", "[loopback][user code]") {
  Emitter emitter;
  Journal journal;
  Serving serving([&](Server& server) {
    server.stream("/{user}", [&](const EventStream& stream) {
      const std::string user(stream.request()->param("user"));
      emitter.add(user, stream);
      emitter.send(user, Event("from inside"));
      emitter.broadcast(Event("to all"));
      stream.on_complete([&, user] {
        journal.add("reached " + std::to_string(emitter.send(user, Event("too late")).streams));
        journal.add("removed " + std::to_string(emitter.remove(user)));
      });
      journal.add("removed " + std::to_string(emitter.remove(user)));
      journal.add(stream.send(Event("after the end")) == SendResult::closed ? "closed" : "sent");
      journal.add(stream.reject(Response(503)) ? "rejected" : "too late");
    });
  });
  EventClient client(serving.port(), "/alice");
  CHECK(client.rest() == Texts{"from inside", "to all"});
  CHECK(client.completed());
  CHECK(journal.wait_for(5) == Texts{"removed 1", "closed", "too late", "reached 0", "removed 0"});
}

TEST_CASE("a handler that blocks holds up its own loop and no other", "[loopback][user code]") {
  Awaited<bool> is_blocked;
  std::atomic<bool> go_on{false};
  Server server(any_port(2));
  server.get("/block", [&](const Request&) {
    is_blocked.set(true);
    eventually([&] { return go_on.load(); });
    return Response::text(200, "at last");
  });
  server.get("/next", [](const Request&) { return Response::text(200, "next"); });
  server.start();
  // Connections are dealt out in turns, but it is one loop that accepts: let the other one block.
  Client first(server.port());
  first.get("/next");
  CHECK(first.read_reply().body == "next");
  Client blocked(server.port());
  blocked.get("/block");
  CHECK(is_blocked.get());
  for (int i = 0; i < 5; ++i) {
    first.get("/next");
    CHECK(first.read_reply().body == "next");
  }
  go_on = true;
  CHECK(blocked.read_reply().body == "at last");
}
