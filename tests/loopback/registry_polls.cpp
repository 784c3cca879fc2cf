// Clients that poll: each is one stream from its first poll until it has not asked again for the grace period.
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/emitter_server.hpp"

using namespace spate::test;
using namespace std::chrono_literals;
using spate::EmitterOptions;
using spate::Event;

namespace {

/// The answer to a poll of `user` as `client` that does not wait.
std::string polled(const EmitterServer& hub, const std::string& user, const std::string& client = "",
                   const std::string& more = "") {
  Client connection(hub.port());
  connection.get("/" + user + "?transport=poll&timeout=0&client=" + client + more);
  const Reply reply = connection.read_reply();
  CHECK(reply.status == 200);
  return reply.body;
}

/// A poll that waits, once it is registered.
Client waiting(const EmitterServer& hub, const std::string& user, const std::string& client = "") {
  Client connection(hub.port());
  const std::size_t opened = hub.server.stats().streams;
  connection.get("/" + user + "?transport=poll&timeout=60000&client=" + client);
  CHECK(eventually([&] { return hub.server.stats().streams == opened + 1 && hub.emitter.contains(user); }));
  return connection;
}

bool is_empty(const Reply& reply) {
  return reply.status == 200 && reply.body.find("\"events\":[]") != std::string::npos;
}

}  // namespace

TEST_CASE("a client that polls counts once, waiting and within its grace, and is one presence", "[registry][poll]") {
  Journal presence;
  EmitterServer hub(noting(presence));
  polled(hub, "anna");
  CHECK(hub.emitter.stream_count() == 1);
  CHECK(hub.emitter.send("anna", Event("one")).streams == 1);
  CHECK(hub.emitter.send_group("an", Event("two")).streams == 1);
  CHECK(hub.emitter.broadcast(Event("three")).streams == 1);
  Client again = waiting(hub, "anna");
  CHECK(hub.emitter.stream_count() == 1);
  CHECK(hub.emitter.broadcast(Event("four")).streams == 1);
  CHECK(again.read_reply().body.find("four") != std::string::npos);
  CHECK(hub.emitter.stream_count() == 1);
  CHECK(hub.emitter.remove("anna") == 1);
  CHECK(hub.emitter.stream_count() == 0);
  CHECK(eventually([&] { return presence.entries() == std::vector<std::string>{"+anna", "-anna"}; }));
}

TEST_CASE("a client told apart by its name has a place of its own, and takes none twice", "[registry][poll]") {
  EmitterServer hub;
  for (int i = 0; i < 3; ++i) {
    for (const char* client : {"a", "b", ""}) polled(hub, "anna", client);
  }
  polled(hub, "bert", "a");
  CHECK(hub.emitter.stream_count() == 4);
  CHECK(hub.emitter.send("anna", Event("x")).streams == 3);
  CHECK(hub.emitter.broadcast(Event("x")).streams == 4);
}

TEST_CASE("a client that does not ask again has gone when its grace is over", "[registry][poll]") {
  Journal presence;
  EmitterOptions options = noting(presence);
  options.poll_grace = 50ms;
  EmitterServer hub(std::move(options));
  polled(hub, "anna", "a");
  polled(hub, "anna", "b", "&event=note");
  CHECK(hub.comes_to(0));
  CHECK(eventually([&] { return presence.entries() == std::vector<std::string>{"+anna", "-anna"}; }));
  CHECK(hub.emitter.broadcast(Event("x")).streams == 0);
  CHECK(hub.emitter.broadcast(Event("x").name("note")).streams == 0);
}

TEST_CASE("closing a user answers the polls that wait and ends the grace of the others", "[registry][poll]") {
  EmitterServer hub;
  polled(hub, "anna", "answered");
  Client waits = waiting(hub, "anna", "waits");
  CHECK(hub.emitter.remove("anna") == 2);
  CHECK(is_empty(waits.read_reply()));
  CHECK(hub.emitter.stream_count() == 0);
  CHECK(hub.emitter.remove("anna") == 0);
}

TEST_CASE("one client more than may poll as one user replaces the one that asked the longest ago",
          "[registry][poll][limit]") {
  EmitterOptions options = with_store();
  options.max_polls_per_user = 3;
  EmitterServer hub(std::move(options));
  SECTION("whose grace ends first") {
    Client waits = waiting(hub, "anna", "waits");
    for (int i = 0; i < 20; ++i) {
      polled(hub, "anna", std::to_string(i));
      CHECK(hub.emitter.stream_count() <= 3);
    }
    CHECK(hub.emitter.stream_count() == 3);
    hub.emitter.send("anna", Event("to the one that waits"));
    CHECK(waits.read_reply().body.find("to the one that waits") != std::string::npos);
  }
  SECTION("or that waits longest, which gets an empty answer") {
    std::vector<Client> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(waiting(hub, "anna", std::to_string(i)));
    polled(hub, "anna", "further");
    CHECK(is_empty(clients[0].read_reply()));
    CHECK(hub.emitter.stream_count() == 3);
    CHECK(hub.emitter.send("anna", Event("x")).streams == 3);
    for (int i = 1; i < 3; ++i) CHECK_FALSE(is_empty(clients[static_cast<std::size_t>(i)].read_reply()));
  }
  SECTION("and the streams of the user, and other users, are left alone") {
    EventClient stream = hub.open("/anna");
    polled(hub, "bert");
    for (int i = 0; i < 9; ++i) polled(hub, "anna", std::to_string(i));
    CHECK(hub.emitter.stream_count() == 5);
    hub.emitter.broadcast(Event("still there"));
    CHECK(stream.next().data == "still there");
  }
}

TEST_CASE("as many clients may poll as one user as they like when there is no limit", "[registry][poll][limit]") {
  EmitterOptions options = with_store();
  options.max_polls_per_user = 0;
  EmitterServer hub(std::move(options));
  for (int i = 0; i < 200; ++i) polled(hub, "anna", std::to_string(i));
  CHECK(hub.emitter.stream_count() == 200);
}

TEST_CASE("by default one user's polls are bounded", "[registry][poll][limit]") {
  EmitterServer hub;
  for (int i = 0; i < 200; ++i) polled(hub, "anna", std::to_string(i));
  CHECK(hub.emitter.stream_count() == 64);
}

TEST_CASE("a client that asks again replaces itself and no stream, though its user has as many as they may",
          "[registry][poll][limit]") {
  EmitterOptions options = with_store();
  options.max_streams_per_user = 2;
  EmitterServer hub(std::move(options));
  EventClient stream = hub.open("/anna");
  for (int i = 0; i < 3; ++i) polled(hub, "anna", "a");
  CHECK(hub.emitter.stream_count() == 2);
  polled(hub, "anna", "b");
  CHECK(hub.emitter.stream_count() == 2);
  hub.emitter.broadcast(Event("still there"));
  CHECK(stream.next().data == "still there");
}

TEST_CASE("a poll that was cut by its client is given the time to ask again too", "[registry][poll]") {
  EmitterServer hub;
  { const Client leaves = waiting(hub, "anna", "a"); }
  CHECK(eventually([&] { return hub.server.stats().streams == 0; }));
  CHECK(hub.emitter.stream_count() == 1);
  polled(hub, "anna", "a");
  CHECK(hub.emitter.stream_count() == 1);
}
