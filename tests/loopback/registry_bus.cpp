// An emitter beside a bus: what is delivered when, where a stream resumes, and what it is told.
#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <asio/post.hpp>

#include <spate/cluster/in_process_bus.hpp>
#include <spate/registry/emitter.hpp>
#include <spate/server/server.hpp>
#include "support/catch.hpp"
#include "support/cluster_answers.hpp"
#include "support/emitter_server.hpp"
#include "support/later_store.hpp"
#include "support/sending.hpp"
#include "support/serving.hpp"
#include "support/texts.hpp"

using namespace spate::test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using spate::Audience;
using spate::Event;
using spate::InProcessBus;
using spate::InProcessNetwork;

namespace {

constexpr auto with_log = InProcessNetwork::Kind::log;
constexpr auto with_relay = InProcessNetwork::Kind::relay;

/// Nodes that are joined by a network on a loop of its own.
class Cluster {
 public:
  explicit Cluster(InProcessNetwork::Kind kind)
      : network(std::make_shared<InProcessNetwork>(loop.io.get_executor(), kind)) {}

  spate::EmitterOptions options() {
    spate::EmitterOptions options = with_store();
    options.bus = network->join();
    return options;
  }

  Loop loop;
  const std::shared_ptr<InProcessNetwork> network;
};

struct Node {
  explicit Node(Cluster& cluster) : Node(cluster.options()) {}
  explicit Node(const spate::EmitterOptions& options)
      : bus(std::static_pointer_cast<InProcessBus>(options.bus)), hub(options) {}

  const std::shared_ptr<InProcessBus> bus;
  EmitterServer hub;
};

/// A server that adds streams to an emitter and ends them, so that each has to get first what it is owed; and the
/// emitter, which goes meanwhile.
struct Ending {
  explicit Ending(const spate::EmitterOptions& options)
      : emitter(std::make_unique<spate::Emitter>(options)),
        serving(
            [this](spate::Server& server) {
              server.stream("/anna", [this](const spate::EventStream& stream) {
                emitter->add("anna", stream);
                stream.complete();
              });
            },
            {}, Serving::small_buffer) {}

  EventClient client(const std::string& cursor) const {
    return EventClient(serving.port(), "/anna?last_event_id=" + cursor, {}, "HTTP/1.1", Serving::small_buffer);
  }
  void take_emitter() const {
    CHECK(eventually([&] { return emitter->stream_count() == 0; }));
    emitter.reset();
  }

  mutable std::unique_ptr<spate::Emitter> emitter;
  Serving serving;
};

}  // namespace

TEST_CASE("with a log every node delivers in the same order, under the same ids", "[registry][bus]") {
  Cluster cluster(with_log);
  Node a(cluster), b(cluster);
  EventClient here = a.hub.open("/anna?greet=1"), there = b.hub.open("/anna?greet=1");
  CHECK(here.next().data == "fresh");
  CHECK(there.next().data == "fresh");
  // What comes of a send is known later; how many streams it will reach here is known now.
  const auto report = a.hub.emitter.send("anna", Event("0"));
  CHECK(report.id.empty());
  CHECK(report.streams == 1);
  CHECK(report.error == std::error_code());
  CHECK(b.hub.emitter.send("bert", Event("nobody's")).streams == 0);
  for (int i = 1; i <= 50; ++i) (i % 2 == 0 ? a : b).hub.emitter.send_group("an", Event(std::to_string(i)));
  const std::string last = b.hub.sent(Audience::everybody(), "end");
  Texts ids_here, ids_there, data_here, data_there;
  for (int i = 0; i <= 51; ++i) {
    const auto one = here.next(), other = there.next();
    ids_here.push_back(one.last_event_id);
    ids_there.push_back(other.last_event_id);
    data_here.push_back(one.data);
    data_there.push_back(other.data);
  }
  CHECK(ids_here == ids_there);
  CHECK(data_here == data_there);
  CHECK(ids_here.back() == last);
  CHECK(a.hub.emitter.event_count() == 26);
}

TEST_CASE("with a log an event with an id is refused, and a store of its own history too", "[registry][bus]") {
  Cluster cluster(with_log);
  Node a(cluster);
  CHECK_THROWS_AS(a.hub.emitter.send("anna", Event("x").id("1")), std::invalid_argument);
  class Own final : public spate::ReplayStore {
   public:
    std::string_view epoch() const override { return "own"; }
    std::uint64_t newest() const override { return 0; }
    void append(std::uint64_t, const Audience&, const spate::EncodedEvent&) override {}
    std::uint64_t fetch(std::string_view, std::uint64_t, std::size_t, std::vector<spate::StoredEvent>&) override {
      return 0;
    }
  };
  spate::EmitterOptions options = cluster.options();
  options.replay = std::make_shared<Own>();
  CHECK_THROWS_AS(spate::Emitter(options), std::invalid_argument);
}

TEST_CASE("a client resumes on another node, and on one that starts later", "[registry][bus][resume]") {
  Cluster cluster(with_log);
  Node a(cluster), b(cluster);
  const std::string first = a.hub.sent(Audience::user("anna"), "1");
  a.hub.sent(Audience::user("bert"), "not hers");
  b.hub.sent(Audience::group("an"), "2");
  a.hub.sent(Audience::everybody(), "3");
  EventClient on_b = b.hub.open("/anna?greet=1", first);
  CHECK(on_b.next_data(3) == Texts{"resumed", "2", "3"});
  Node c(cluster);
  EventClient on_c = c.hub.open("/anna?greet=1", first), all = c.hub.open("/anna?greet=1", "earliest");
  CHECK(on_c.next_data(3) == Texts{"resumed", "2", "3"});
  CHECK(all.next_data(4) == Texts{"resumed", "1", "2", "3"});
  a.hub.sent(Audience::user("anna"), "4");
  for (EventClient* client : {&on_b, &on_c, &all}) CHECK(client->next().data == "4");
}

TEST_CASE("a client ahead of its node waits in its open stream until the node has caught up",
          "[registry][bus][resume]") {
  Cluster cluster(with_log);
  Node a(cluster), b(cluster);
  a.hub.sent(Audience::user("anna"), "1");
  b.bus->hold();
  const std::string ahead = a.hub.sent(Audience::user("anna"), "2");
  EventClient anna = b.hub.open("/anna?greet=1", ahead);  // its head is here: the stream is open
  CHECK(b.hub.emitter.stream_count() == 1);
  a.hub.sent(Audience::user("anna"), "3");
  b.bus->release();
  CHECK(anna.next_data(2) == Texts{"resumed", "3"});
  a.hub.sent(Audience::user("anna"), "4");
  CHECK(anna.next().data == "4");
  CHECK(b.hub.server.stats().gaps == 0);
  // One who goes while they wait is forgotten at once.
  b.bus->hold();
  const std::string further = a.hub.sent(Audience::user("anna"), "5");
  b.hub.open("/bert?greet=1", further).connection().reset();
  CHECK(eventually([&] { return !b.hub.emitter.contains("bert"); }));
  b.bus->release();
  CHECK(anna.next().data == "5");
}

TEST_CASE("a cursor beyond the log is unknown as soon as the log was asked", "[registry][bus][gap]") {
  Cluster cluster(with_log);
  Node a(cluster);
  const std::string id = a.hub.sent(Audience::user("anna"), "1");
  EventClient anna = a.hub.open("/anna?greet=1", id + "0");
  CHECK(anna.next().data == "fresh");
  const auto gap = anna.next();
  CHECK(gap.name == "gap");
  CHECK_THAT(gap.data, ContainsSubstring("unknown"));
  CHECK(anna.next().data == "1");
}

TEST_CASE("nobody waits longer than they may", "[registry][bus][gap]") {
  Cluster cluster(with_log);
  spate::EmitterOptions options = cluster.options();
  options.resume_wait = 50ms;
  const auto bus = std::static_pointer_cast<InProcessBus>(options.bus);
  bus->hold();  // it never hears of the log
  Node a(options);
  EventClient fresh = a.hub.open("/anna?greet=1");
  CHECK(fresh.next().data == "fresh");  // who wants nothing of the past is not kept waiting
  EventClient resuming = a.hub.open("/anna?greet=1", "x-1"), earliest = a.hub.open("/anna?greet=1", "earliest");
  CHECK(resuming.next().data == "fresh");
  CHECK(resuming.next().name == "gap");
  CHECK(earliest.next().data == "resumed");
}

TEST_CASE("a stream that was ending while it waited ends in time though its emitter has gone", "[registry][bus][gap]") {
  Cluster cluster(with_log);
  spate::EmitterOptions options = cluster.options();
  options.resume_wait = 50ms;
  std::static_pointer_cast<InProcessBus>(options.bus)->hold();
  const Ending ending(options);
  EventClient anna = ending.client("x-1");
  ending.take_emitter();
  CHECK(anna.next().name == "gap");
  CHECK(anna.rest().empty());
  CHECK(anna.completed());
}

TEST_CASE("a stream that was ending is told that its log has become another emitter's", "[registry][bus][gap]") {
  Cluster cluster(with_log);
  spate::EmitterOptions options = cluster.options();
  const Ending ending(options);
  constexpr std::size_t owed = 200;
  for (std::size_t i = 1; i < owed; ++i) ending.emitter->send("anna", Event(std::string(10'000, 'x')));
  Sending(*ending.emitter, Audience::user("anna"), Event("the last")).success();
  EventClient anna = ending.client("earliest");
  const std::string first = anna.next().last_event_id;
  ending.take_emitter();
  options.bus = cluster.network->join();
  const spate::Emitter next(options);  // which reads the log anew
  std::string position = first;
  std::size_t events = 1;
  auto event = anna.next();
  for (; event.name != "gap" && events < owed; event = anna.next()) {
    position = event.last_event_id;
    ++events;
  }
  CHECK(events < owed);
  CHECK(event.last_event_id == position);  // from where it gets the rest when it returns
  CHECK(anna.rest().empty());
  CHECK(anna.completed());
}

TEST_CASE("streams that were there before the log was known get positions in it", "[registry][bus][plain]") {
  Cluster cluster(with_log);
  spate::EmitterOptions options = cluster.options();
  const auto bus = std::static_pointer_cast<InProcessBus>(options.bus);
  bus->hold();
  Node a(options);
  EventClient anna = a.hub.open("/anna");
  std::string frame;
  anna.connection().read_chunk(frame);
  bus->release();
  // The log was empty: nothing can have been missed, and only the position is told.
  anna.connection().read_chunk(frame);
  CHECK(frame == "id: log1-0\n\n");
  // Otherwise something may have been.
  a.hub.sent(Audience::user("bert"), "1");
  spate::EmitterOptions late = cluster.options();
  const auto late_bus = std::static_pointer_cast<InProcessBus>(late.bus);
  late_bus->hold();
  Node b(late);
  EventClient bert = b.hub.open("/bert?greet=1");
  const std::string provisional = bert.next().last_event_id;
  late_bus->release();
  const auto gap = bert.next();
  CHECK(gap.data == "{\"requested\":\"" + provisional + "\",\"oldest\":null,\"reason\":\"unknown\"}");
  CHECK(gap.last_event_id == "log1-10");
  a.hub.sent(Audience::user("bert"), "2");
  CHECK(bert.next().data == "2");
}

TEST_CASE("a log that is lost is told to every stream, and the next one is followed", "[registry][bus][gap]") {
  Cluster cluster(with_log);
  Journal gaps;
  spate::EmitterOptions options = cluster.options();
  options.on_gap = [&](const spate::Gap& gap) { gaps.add(gap.user + " " + gap.requested); };
  Node a(options);
  EventClient anna = a.hub.open("/anna?greet=1"), poll_like = a.hub.open("/bert?greet=1&event=note");
  anna.next();
  poll_like.next();
  const std::string last = a.hub.sent(Audience::everybody(), "before");
  CHECK(anna.next().data == "before");
  cluster.network->lose_log();
  for (EventClient* client : {&anna, &poll_like}) {
    const auto gap = client->next();
    CHECK(gap.name == "gap");
    CHECK(gap.last_event_id == "log2-0");
  }
  CHECK(gaps.wait_for(2).size() == 2);
  a.hub.sent(Audience::user("anna"), "after");
  CHECK(anna.next().data == "after");
  EventClient again = a.hub.open("/anna?greet=1", last);
  CHECK(again.next().data == "fresh");
  CHECK(again.next().name == "gap");
  CHECK(again.next().data == "after");
}

TEST_CASE("after a log is lost the next one is replayed, though it counts alike", "[registry][bus][resume]") {
  Cluster cluster(with_log);
  Node a(cluster);
  for (const char* data : {"old 1", "old 2"}) a.hub.sent(Audience::everybody(), data);
  CHECK(a.hub.open("/anna?greet=1", "earliest").next_data(3) == Texts{"resumed", "old 1", "old 2"});
  cluster.network->lose_log();
  for (const char* data : {"new 1", "new 2"}) a.hub.sent(Audience::everybody(), data);
  CHECK(a.hub.open("/anna?greet=1", "earliest").next_data(3) == Texts{"resumed", "new 1", "new 2"});
}

TEST_CASE("with a relay each node delivers at once, under its own ids, and never twice", "[registry][bus]") {
  Cluster cluster(with_relay);
  Node a(cluster), b(cluster);
  EventClient here = a.hub.open("/anna?greet=1"), there = b.hub.open("/anna?greet=1");
  here.next();
  there.next();
  for (int i = 1; i <= 20; ++i) {
    const auto report = a.hub.emitter.send("anna", Event(std::to_string(i)));
    CHECK(report.id == a.hub.id(static_cast<std::uint64_t>(i)));
    CHECK(report.streams == 1);
  }
  b.hub.sent(Audience::everybody(), "end");
  for (EventClient* client : {&here, &there}) {
    Texts received = client->next_data(21);
    std::erase(received, "end");  // another publisher's: it may come anywhere
    CHECK(received.size() == 20);
    CHECK(received.front() == "1");
    CHECK(received.back() == "20");
  }
  // Ids are each node's own.
  EventClient moved = b.hub.open("/anna?greet=1", a.hub.id(3));
  CHECK(moved.next().data == "fresh");
  CHECK(moved.next().name == "gap");
}

TEST_CASE("an event for one node stays there, and beside a log it is none that is kept", "[registry][bus]") {
  const auto kind = GENERATE(with_log, with_relay);
  Cluster cluster(kind);
  Node a(cluster), b(cluster);
  EventClient here = a.hub.open("/anna?greet=1"), there = b.hub.open("/anna?greet=1");
  here.next();
  there.next();
  const auto report = a.hub.emitter.send(Audience::user("anna"), Event("here").keep(false), spate::Scope::node);
  CHECK(report.streams == 1);
  CHECK(report.id.empty());
  a.hub.emitter.send(Audience::user("anna"), Event("all").keep(false), spate::Scope::cluster);
  CHECK(here.next_data(2) == Texts{"here", "all"});
  CHECK(there.next().data == "all");
  const auto kept = [&] { return a.hub.emitter.send(Audience::user("anna"), Event("kept"), spate::Scope::node); };
  if (kind == with_log) {
    CHECK_THROWS_AS(kept(), std::invalid_argument);
  } else {
    CHECK(kept().id == a.hub.id(1));
    CHECK(here.next().data == "kept");
  }
  CHECK_THROWS_AS(a.hub.emitter.send(Audience::user(""), Event("x"), spate::Scope::node), std::invalid_argument);
}

TEST_CASE("beside a relay whoever awaits a send waits for it and the store, or for the store alone",
          "[registry][bus][later]") {
  const bool await_relay = GENERATE(true, false);
  Cluster cluster(with_relay);
  const auto store = std::make_shared<LaterStore>();
  spate::EmitterOptions options = cluster.options();
  options.replay = store;
  options.await_relay = await_relay;
  Node a(options);
  std::promise<void> gate;
  asio::post(cluster.loop.io, [open = gate.get_future().share()] { open.wait(); });
  const Sending kept(a.hub.emitter, Audience::user("anna"), Event("kept"));
  const Sending live(a.hub.emitter, Audience::user("anna"), Event("live").keep(false));
  CHECK_FALSE(kept.done());
  store->settle_all();
  if (await_relay) {
    // What is not kept has its answer from the relay, and not from the store that it waits behind.
    CHECK_FALSE(kept.done());
    CHECK_FALSE(live.done());
    gate.set_value();
  }
  for (const Sending* sending : {&kept, &live}) {
    REQUIRE(sending->wait());
    CHECK_FALSE(sending->error());
  }
  CHECK(kept.report().id == a.hub.id(1));
  if (!await_relay) gate.set_value();
}

TEST_CASE("the users of all nodes are counted together", "[registry][bus][users]") {
  Cluster cluster(with_log);
  Node a(cluster), b(cluster);
  EventClient one = a.hub.open("/anna"), two = b.hub.open("/anna"), three = b.hub.open("/bert");
  CHECK(cluster_users(a.hub.emitter) == Texts{"anna", "bert"});
  const auto counts = cluster_counts(a.hub.emitter);
  CHECK(counts.users == 2);
  CHECK(counts.streams == 3);
  // Alone, an emitter answers for itself.
  EmitterServer alone;
  EventClient there = alone.open("/carl");
  CHECK(cluster_users(alone.emitter) == Texts{"carl"});
}

TEST_CASE("users of many pages are told in the order of their bytes, each once", "[registry][bus][users]") {
  Cluster cluster(with_log);
  Node a(cluster), b(cluster);
  std::vector<EventClient> clients;
  Texts expected;
  for (int i = 0; i < 30; ++i) {
    const std::string user = "user" + std::to_string(100 + i);
    expected.push_back(user);
    if (i % 2 == 0) clients.push_back(a.hub.open("/" + user));
    if (i % 3 != 1) clients.push_back(b.hub.open("/" + user));
    if (i % 2 == 1 && i % 3 == 1) clients.push_back(b.hub.open("/" + user));
  }
  CHECK(cluster_users(a.hub.emitter) == expected);
  CHECK(cluster_users(a.hub.emitter, "user11") == Texts(expected.begin() + 10, expected.begin() + 20));
  CHECK(cluster_users(a.hub.emitter, "user9").empty());
  const auto counts = cluster_counts(b.hub.emitter);
  CHECK(counts.users == 30);
  CHECK(counts.streams == clients.size());
}

TEST_CASE("what a relay lost is told as one gap to every stream that is here", "[registry][bus][gap]") {
  Cluster cluster(with_relay);
  Journal gaps;
  spate::EmitterOptions options = cluster.options();
  options.on_gap = [&](const spate::Gap& gap) {
    gaps.add(gap.user + " " + gap.requested + " " + std::string(to_string(gap.reason)));
  };
  Node a(cluster), b(options);
  EventClient anna = b.hub.open("/anna?greet=1"), filtered = b.hub.open("/bert?greet=1&event=note");
  anna.next();
  filtered.next();
  const std::string seen = b.hub.sent(Audience::everybody(), "seen");
  CHECK(anna.next().data == "seen");
  b.bus->hold();
  a.hub.sent(Audience::user("anna"), "lost");
  a.hub.sent(Audience::user("bert"), "lost too");
  b.bus->release();
  a.hub.sent(Audience::everybody(), "after");
  a.hub.emitter.broadcast(Event("a note").name("note"));
  const auto gap = anna.next();
  CHECK(gap.name == "gap");
  CHECK(gap.data == "{\"requested\":\"" + seen + "\",\"oldest\":null,\"reason\":\"trimmed\"}");
  CHECK(anna.next().data == "after");
  CHECK(anna.next().data == "a note");
  CHECK(filtered.next().name == "gap");
  CHECK(filtered.next().data == "a note");
  CHECK(b.hub.server.stats().gaps == 2);
  CHECK(gaps.wait_for(2) == Texts{"anna " + seen + " trimmed", "bert " + seen + " trimmed"});
  // Who resumes from before it is told as well, and who has heard of it is not told again.
  EventClient before = b.hub.open("/anna?greet=1", seen), behind = b.hub.open("/anna?greet=1", gap.last_event_id);
  CHECK(before.next().data == "fresh");
  CHECK(before.next().name == "gap");
  CHECK(before.next().data == "after");
  CHECK(behind.next_data(3) == Texts{"resumed", "after", "a note"});
}

TEST_CASE("an event of a log that has an id of its own is delivered under that of the log", "[registry][bus]") {
  Cluster cluster(with_log);
  Node a(cluster);
  EventClient anna = a.hub.open("/anna?greet=1");
  anna.next();
  // No emitter with a store sends such a one, but another program may.
  const std::shared_ptr<InProcessBus> other = cluster.network->join();
  const std::string own(200, 'i');
  other->publish(Audience::everybody(), Event("told").name("note").id(own).comment("c"), {});
  other->publish(Audience::everybody(), Event().id(own), {});
  const auto told = anna.next();
  CHECK(told.data == "told");
  CHECK(told.name == "note");
  CHECK(told.last_event_id.size() < own.size());
  const std::string after = a.hub.sent(Audience::everybody(), "after");
  CHECK(anna.next().last_event_id == after);
  EventClient again = a.hub.open("/anna?greet=1", told.last_event_id);
  CHECK(again.next_data(2) == Texts{"resumed", "after"});
}

TEST_CASE("a relay that lost nothing tells no gap", "[registry][bus][gap]") {
  Cluster cluster(with_relay);
  Node a(cluster), b(cluster);
  EventClient anna = b.hub.open("/anna?greet=1");
  anna.next();
  b.bus->hold();
  b.bus->release();
  a.hub.sent(Audience::user("anna"), "on it goes");
  CHECK(anna.next().data == "on it goes");
  CHECK(b.hub.server.stats().gaps == 0);
}

TEST_CASE("without a store the gap of a relay has no id, as its events have none", "[registry][bus][gap]") {
  Cluster cluster(with_relay);
  spate::EmitterOptions options;
  options.bus = cluster.network->join();
  Node a(cluster), b(options);
  EventClient anna = b.hub.open("/anna?greet=1");
  anna.next();
  b.bus->hold();
  a.hub.sent(Audience::user("anna"), "lost");
  b.bus->release();
  const auto gap = anna.next();
  CHECK(gap.name == "gap");
  CHECK(gap.data == R"({"requested":null,"oldest":null,"reason":"trimmed"})");
  CHECK(gap.last_event_id.empty());
}
