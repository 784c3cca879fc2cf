// A store that takes its time to keep what is sent: events are delivered, and sends complete, when it has.
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <spate/cluster/in_process_bus.hpp>
#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/emitter_server.hpp"
#include "support/event_client.hpp"
#include "support/eventually.hpp"
#include "support/later_store.hpp"
#include "support/sending.hpp"
#include "support/serving.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;

namespace {

EmitterOptions with(const std::shared_ptr<LaterStore>& store) {
  EmitterOptions options;
  options.replay = store;
  return options;
}

const std::error_code disk_full = std::make_error_code(std::errc::no_space_on_device);

}  // namespace

TEST_CASE("an event is delivered, and its send completes, when the store has kept it", "[registry][later]") {
  const auto store = std::make_shared<LaterStore>();
  EmitterServer hub(with(store));
  EventClient anna = hub.open("/anna");
  const SendReport report = hub.emitter.send("anna", Event("first"));
  CHECK(report.streams == 1);
  CHECK(report.id == hub.id(1));
  const Sending second(hub.emitter, Audience::user("anna"), Event("second"));
  // Who comes now is not given what is not kept, and gets it when it is, once.
  EventClient late = hub.open("/anna", "earliest");
  CHECK_FALSE(second.done());
  CHECK(hub.emitter.position() == hub.id(0));
  store->settle_all();
  REQUIRE(second.wait());
  CHECK_FALSE(second.error());
  CHECK(second.report().id == hub.id(2));
  CHECK(hub.emitter.position() == hub.id(2));
  CHECK(anna.next_data(2) == Texts{"first", "second"});
  CHECK(late.next_data(2) == Texts{"first", "second"});
  EventClient back = hub.open("/anna", hub.id(1));
  CHECK(back.next().data == "second");
}

TEST_CASE("an event that cannot be kept is nobody's, its send fails, and what follows goes on", "[registry][later]") {
  const auto store = std::make_shared<LaterStore>();
  EmitterServer hub(with(store));
  EventClient anna = hub.open("/anna");
  const Sending lost(hub.emitter, Audience::user("anna"), Event("lost"));
  store->settle_all(disk_full);
  REQUIRE(lost.wait());
  CHECK(lost.error() == disk_full);
  const Sending kept(hub.emitter, Audience::user("anna"), Event("kept"));
  store->settle_all();
  REQUIRE(kept.wait());
  CHECK_FALSE(kept.error());
  const DecodedEvent event = anna.next();
  CHECK(event.data == "kept");
  CHECK(event.id == hub.id(2));
}

TEST_CASE("what is not kept waits for what was sent before it, and for nothing else", "[registry][later]") {
  const auto store = std::make_shared<LaterStore>();
  EmitterServer hub(with(store));
  EventClient anna = hub.open("/anna");
  hub.emitter.send("anna", Event("at once").keep(false));
  CHECK(anna.next().data == "at once");
  hub.emitter.send("anna", Event("kept"));
  hub.emitter.send("anna", Event("typing").keep(false));
  hub.emitter.send("anna", Event().comment("nothing"));
  store->settle_all(disk_full);
  // It goes on though what was before it failed.
  CHECK(anna.next().data == "typing");
  hub.emitter.send("anna", Event("again").keep(false));
  CHECK(anna.next().data == "again");
}

TEST_CASE("a store that delivers first completes a send when it has kept the event", "[registry][later]") {
  const auto store = std::make_shared<LaterStore>(true);
  EmitterServer hub(with(store));
  EventClient anna = hub.open("/anna");
  const Sending sending(hub.emitter, Audience::user("anna"), Event("seen"));
  CHECK(anna.next().data == "seen");
  CHECK_FALSE(sending.done());
  store->settle_all(disk_full);
  REQUIRE(sending.wait());
  CHECK(sending.error() == disk_full);
}

TEST_CASE("who is removed gets first what was sent before, when it is kept", "[registry][later]") {
  const auto store = std::make_shared<LaterStore>();
  EmitterServer hub(with(store));
  EventClient anna = hub.open("/anna");
  hub.emitter.send("anna", Event("farewell"));
  CHECK(hub.emitter.remove("anna") == 1);
  hub.emitter.send("anna", Event("too late"));
  store->settle_all();
  CHECK(anna.rest() == Texts{"farewell"});
}

TEST_CASE("a stream that completes gets first what was sent before, when it is kept", "[registry][later]") {
  const auto store = std::make_shared<LaterStore>();
  EmitterServer hub(with(store));
  EventClient anna = hub.open("/anna");
  hub.emitter.send("anna", Event("farewell"));
  hub.stream(0).complete();
  CHECK(eventually([&] { return hub.emitter.stream_count() == 0; }));
  hub.emitter.send("anna", Event("too late"));
  store->settle_all();
  CHECK(anna.rest() == Texts{"farewell"});
}

TEST_CASE("a stream that is taken out gets first what was sent before, when it is kept", "[registry][later]") {
  const auto store = std::make_shared<LaterStore>();
  EmitterServer hub(with(store));
  EventClient anna = hub.open("/anna");
  hub.emitter.send("anna", Event("farewell"));
  CHECK(hub.emitter.remove("anna", hub.stream(0)));
  hub.emitter.send("anna", Event("too late"));
  hub.stream(0).complete();
  store->settle_all();
  CHECK(anna.rest() == Texts{"farewell"});
}

TEST_CASE("what another node sent and cannot be kept here is told as missing", "[registry][later][bus]") {
  Loop loop;
  const auto network = std::make_shared<InProcessNetwork>(loop.io.get_executor(), InProcessNetwork::Kind::relay);
  EmitterOptions there = with_store();
  there.bus = network->join();
  EmitterServer sender(there);
  const auto store = std::make_shared<LaterStore>();
  EmitterOptions here = with(store);
  here.bus = network->join();
  StreamOptions streams;
  streams.gap_event = "gap";
  EmitterServer hub(here, streams);
  EventClient anna = hub.open("/anna");

  SECTION("because the store fails: once for all that fails at once") {
    for (int i = 0; i < 3; ++i) sender.emitter.send("anna", Event("lost"));
    CHECK(eventually([&] { return store->waiting() == 3; }));
    store->settle_all(disk_full);
  }
  SECTION("because too much waits for it: in its place") {
    const std::string large(16 * 1024 * 1024, 'x');
    while (!hub.emitter.send(Audience::user("bert"), Event(large), Scope::node).error) continue;
    for (int i = 0; i < 3; ++i) sender.emitter.send("anna", Event("lost"));
    CHECK(eventually([&] { return here.bus->status().received == 3; }));
    loop.run([] {});  // which has told the last of them by now
    store->settle_all();
  }
  const DecodedEvent gap = anna.next();
  CHECK(gap.name == "gap");
  CHECK(gap.data.find("trimmed") != std::string::npos);
  sender.emitter.send("anna", Event("kept"));
  CHECK(eventually([&] { return store->waiting() == 1; }));
  store->settle_all();
  CHECK(anna.next().data == "kept");
  EventClient back = hub.open("/anna", hub.id(0));
  CHECK(back.next().name == "gap");
  CHECK(back.next().data == "kept");
  // What is sent here and fails is its sender's affair, who is told.
  hub.emitter.send(Audience::user("anna"), Event("own"), Scope::node);
  store->settle_all(disk_full);
  hub.emitter.send(Audience::user("anna"), Event("next"), Scope::node);
  store->settle_all();
  CHECK(anna.next().data == "next");
}

TEST_CASE("who awaits a send when the emitter goes is told", "[registry][later]") {
  const auto store = std::make_shared<LaterStore>();
  auto hub = std::make_unique<EmitterServer>(with(store));
  const Sending sending(hub->emitter, Audience::user("anna"), Event("kept"));
  hub.reset();
  REQUIRE(sending.wait());
  CHECK(sending.error() == make_error_code(Errc::shut_down));
  store->settle_all();
}

TEST_CASE("a stream that ends and waits for the store ends without it when the emitter goes", "[registry][later]") {
  const auto store = std::make_shared<LaterStore>();
  auto emitter = std::make_unique<Emitter>(with(store));
  const Serving serving([&](Server& server) {
    server.stream("/anna", [&](const EventStream& stream) { emitter->add("anna", stream); });
  });
  EventClient early(serving.port(), "/anna"), late(serving.port(), "/anna");
  CHECK(eventually([&] { return emitter->stream_count() == 2; }));
  emitter->send("anna", Event("kept later"));
  CHECK(emitter->remove("anna") == 2);
  emitter.reset();
  CHECK(early.rest().empty());
  CHECK(late.rest().empty());
}

TEST_CASE("publishers wait, and then are refused, while a store keeps nothing", "[registry][later]") {
  const auto store = std::make_shared<LaterStore>();
  EmitterServer hub(with(store));
  const std::string large(8 * 1024 * 1024, 'x');
  CHECK(hub.emitter.has_room());
  std::size_t sent = 0;
  SendReport report;
  for (; sent < 100 && !report.error; ++sent) {
    report = hub.emitter.send("anna", Event(large));
    if (sent > 2) CHECK_FALSE(hub.emitter.has_room());
  }
  CHECK(report.error == make_error_code(Errc::store_queue_full));
  CHECK(sent < 40);
  store->settle_all();
  CHECK(hub.emitter.has_room());
  CHECK_FALSE(hub.emitter.send("anna", Event("again")).error);
}
