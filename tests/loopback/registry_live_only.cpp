// Events without data: they reach who is there, and nothing remembers them.
#include <string>

#include <spate/cluster/in_process_bus.hpp>
#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/emitter_server.hpp"
#include "support/texts.hpp"

using namespace spate::test;
using namespace std::chrono_literals;
using spate::Audience;
using spate::Event;
using spate::InProcessNetwork;
using spate::Overflow;
using spate::ReplayLimits;
using spate::SendReport;
using spate::StreamOptions;

namespace {

spate::EmitterOptions with_room_for(std::size_t events) {
  ReplayLimits limits;
  limits.max_events = events;
  return with_store(limits);
}

Event comment(std::string_view text) {
  return Event().comment(text);
}

}  // namespace

TEST_CASE("a comment reaches every stream that is there and gets no id", "[registry][live only]") {
  EmitterServer hub;
  EventClient anna = hub.open("/anna"), named = hub.open("/anna?event=note"), bert = hub.open("/bert");
  const std::string before = hub.emitter.send("anna", Event("kept")).id;
  const SendReport to_all = hub.emitter.broadcast(comment("to all"));
  CHECK(to_all.id.empty());
  CHECK(to_all.streams == 2);  // a filter lets named events through, and this has no name
  const SendReport to_anna = hub.emitter.send("anna", comment("to anna"));
  CHECK(to_anna.id.empty());
  CHECK(to_anna.streams == 1);
  CHECK(hub.emitter.send({"anna", "bert"}, comment("to both")).streams == 2);
  CHECK(hub.emitter.send_group("an", Event().retry(3s)).id.empty());
  CHECK(hub.emitter.send("nobody", comment("to nobody")).streams == 0);
  CHECK(anna.next_comment() == "to all");
  CHECK(anna.next_comment() == "to anna");
  CHECK(anna.next_comment() == "to both");
  CHECK(bert.next_comment() == "to all");
  CHECK(bert.next_comment() == "to both");
  // No position has moved, and the next event follows the one before.
  CHECK(anna.decoder().last_event_id() == before);
  CHECK(hub.emitter.position() == before);
  CHECK(hub.emitter.send("anna", Event("next")).id == hub.id(2));
}

TEST_CASE("empty data are data: they are kept and have an id", "[registry][live only]") {
  EmitterServer hub;
  CHECK(hub.emitter.send("anna", Event("")).id == hub.id(1));
  CHECK(hub.open("/anna", hub.id(0)).next_data(1) == Texts{""});
}

TEST_CASE("comments push no event out of history, are not replayed and make no gap", "[registry][live only][gap]") {
  EmitterServer hub(with_room_for(2));
  hub.emitter.send("anna", Event("one"));
  for (int i = 0; i < 10; ++i) {
    hub.emitter.send("anna", comment("x"));
    hub.emitter.broadcast(Event().retry(1s));
  }
  hub.emitter.broadcast(Event("two"));
  EventClient anna = hub.open("/anna?greet=1", hub.id(0));
  CHECK(anna.next_data(3) == Texts{"resumed", "one", "two"});
  hub.emitter.send("anna", Event("three"));
  CHECK(anna.next().last_event_id == hub.id(3));
}

TEST_CASE("a comment wakes no poll", "[registry][live only][poll]") {
  EmitterServer hub;
  Client poll(hub.port());
  poll.get("/anna?transport=poll&timeout=60000");
  REQUIRE(hub.comes_to(1));
  CHECK(hub.emitter.send("anna", comment("x")).streams == 1);
  hub.emitter.broadcast(Event().retry(1s));
  hub.in_one_turn([] {});
  hub.emitter.send("anna", Event("awake"));
  const std::string body = poll.read_reply().body;
  CHECK(body == "{\"events\":[{\"id\":\"" + hub.id(1) + "\",\"event\":\"message\",\"data\":\"awake\"}]," +
                    "\"last_event_id\":\"" + hub.id(1) + "\"}");
}

TEST_CASE("a comment takes no event's place in a full queue, and leaves no gap",
          "[registry][live only][overflow][plain]") {
  StreamOptions options;
  options.overflow = GENERATE(Overflow::drop_oldest, Overflow::drop_newest, Overflow::coalesce);
  options.max_queued_events = 3;
  options.max_queued_bytes = 8 * 1024 * 1024;
  EmitterServer hub(with_store(), options, 1, Serving::small_buffer);
  EventClient anna = hub.open("/anna", {}, "HTTP/1.1", Serving::small_buffer);
  hub.emitter.send("anna", Event(std::string(512 * 1024, 'f')).name("filler"));
  REQUIRE(eventually([&] { return hub.server.stats().queue_high_water_bytes > 0; }));
  hub.emitter.send("anna", Event("one").name("first"));
  hub.emitter.broadcast(comment("early"));  // takes the last place
  hub.emitter.send("anna", Event("two").name("second"));
  for (int i = 0; i < 10; ++i) hub.emitter.send("anna", comment("late"));
  hub.in_one_turn([] {});
  anna.next();
  CHECK(anna.next_data(2) == Texts{"one", "two"});
  CHECK(hub.server.stats().dropped_events == 0);
  CHECK(hub.server.stats().gaps == 0);
}

TEST_CASE("over a relay comments reach the other nodes' streams, and no history", "[registry][live only][bus]") {
  Loop loop;
  const auto network = std::make_shared<InProcessNetwork>(loop.io.get_executor(), InProcessNetwork::Kind::relay);
  const auto joined = [&] {
    spate::EmitterOptions options = with_store();
    options.bus = network->join();
    return options;
  };
  EmitterServer here(joined()), there(joined());
  EventClient anna = there.open("/anna");
  CHECK(here.emitter.broadcast(comment("from afar")).id.empty());
  CHECK(anna.next_comment() == "from afar");
  CHECK(there.emitter.position() == there.id(0));
}

TEST_CASE("comments stay out of the log of a bus, and reach the streams of their process",
          "[registry][live only][bus]") {
  Loop loop;
  const auto network = std::make_shared<InProcessNetwork>(loop.io.get_executor(), InProcessNetwork::Kind::log);
  spate::EmitterOptions options = with_store();
  options.bus = network->join();
  EmitterServer hub(options);
  const std::string first = hub.sent(Audience::everybody(), "one");
  EventClient anna = hub.open("/anna");
  CHECK(hub.emitter.send("anna", comment("here")).streams == 1);
  CHECK(Sending(hub.emitter, Audience::everybody(), comment("awaited")).success().id.empty());
  CHECK(anna.next_comment() == "here");
  CHECK(anna.next_comment() == "awaited");
  CHECK(hub.emitter.position() == first);
  CHECK(options.bus->status().published == 1);
}
