// Topics: what streams join, and hear live and replayed.
#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/client.hpp"
#include "support/emitter_server.hpp"
#include "support/event_client.hpp"
#include "support/eventually.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;

namespace {

EmitterOptions noting_topics(Journal& journal) {
  EmitterOptions options = with_store();
  options.on_topic_join = [&](const std::string& topic, const std::string& user) { journal.add(topic + "+" + user); };
  options.on_topic_leave = [&](const std::string& topic, const std::string& user) { journal.add(topic + "-" + user); };
  return options;
}

}  // namespace

TEST_CASE("a topic is heard by whoever has joined it, an event once however many ways it comes", "[registry][topic]") {
  EmitterServer hub;
  EventClient both = hub.open("/anna?topic=red&topic=blue&topic=red");
  EventClient blue = hub.open("/bert?topic=blue");
  EventClient none = hub.open("/carl");
  CHECK(hub.emitter.send_topic("red", Event("r")).streams == 1);
  const std::vector<std::string> topics{"red", "blue", "red", "nobody's"};
  CHECK(hub.emitter.send(Audience::topics(topics), Event("rb")).streams == 2);
  CHECK(hub.emitter.send_topic("green", Event("g")).streams == 0);
  hub.emitter.broadcast(Event("end"));
  CHECK(both.next_data(3) == Texts{"r", "rb", "end"});
  CHECK(blue.next_data(2) == Texts{"rb", "end"});
  CHECK(none.next().data == "end");
  CHECK(hub.emitter.topic_users("blue") == Texts{"anna", "bert"});
  CHECK(hub.emitter.topic_users("green").empty());
  CHECK_THROWS_AS(hub.emitter.send_topic("", Event("x")), std::invalid_argument);
}

TEST_CASE("what a topic was sent is replayed to those who name it, with all else, in one order", "[registry][topic]") {
  EmitterServer hub;
  hub.emitter.send("anna", Event("own"));
  hub.emitter.send_topic("red", Event("r1"));
  hub.emitter.send_topic("blue", Event("b1"));
  hub.emitter.broadcast(Event("all"));
  hub.emitter.send_topic("red", Event("r2"));
  CHECK(hub.open("/anna?topic=red", "earliest").next_data(4) == Texts{"own", "r1", "all", "r2"});
  CHECK(hub.open("/anna?topic=red", hub.id(2)).next_data(2) == Texts{"all", "r2"});
  // Nobody is given what they did not name.
  EventClient without = hub.open("/anna", "earliest");
  CHECK(without.next_data(2) == Texts{"own", "all"});
  hub.emitter.send("anna", Event("live"));
  CHECK(without.next().data == "live");
}

TEST_CASE("a stream joins and leaves while it is open, and gets nothing from before", "[registry][topic]") {
  EmitterServer hub;
  EventClient anna = hub.open("/anna");
  hub.emitter.send_topic("red", Event("before"));
  CHECK_FALSE(hub.emitter.join(hub.stream(0), "red"));
  CHECK_FALSE(hub.emitter.join(hub.stream(0), "red"));
  CHECK(hub.emitter.send_topic("red", Event("during")).streams == 1);
  CHECK_FALSE(hub.emitter.leave(hub.stream(0), "red"));
  CHECK_FALSE(hub.emitter.leave(hub.stream(0), "red"));
  CHECK(hub.emitter.send_topic("red", Event("after")).streams == 0);
  hub.emitter.send("anna", Event("end"));
  CHECK(anna.next_data(2) == Texts{"during", "end"});
  hub.emitter.remove("anna", hub.stream(0));
  CHECK(hub.emitter.join(hub.stream(0), "red") == make_error_code(Errc::not_added));
  CHECK(hub.emitter.leave(hub.stream(0), "red") == make_error_code(Errc::not_added));
}

TEST_CASE("all streams of a user join at once", "[registry][topic]") {
  EmitterServer hub;
  EventClient first = hub.open("/anna"), second = hub.open("/anna?topic=red");
  CHECK(hub.emitter.join("anna", "red").streams == 2);
  CHECK(hub.emitter.join("nobody", "red").streams == 0);
  CHECK(hub.emitter.send_topic("red", Event("r")).streams == 2);
  CHECK(first.next().data == "r");
  CHECK(second.next().data == "r");
  CHECK(hub.emitter.leave("anna", "red").streams == 2);
  CHECK(hub.emitter.send_topic("red", Event("r")).streams == 0);
  CHECK_THROWS_AS(hub.emitter.join("anna", ""), std::invalid_argument);
}

TEST_CASE("who joins late may get the newest of the topic, before what is newer, without moving its position",
          "[registry][topic]") {
  EmitterServer hub;
  for (int i = 0; i < 500; ++i) hub.emitter.send_topic("red", Event("r" + std::to_string(i)));
  EventClient anna = hub.open("/anna");
  hub.emitter.send("anna", Event("own"));
  CHECK(anna.next().id == hub.id(501));
  JoinOptions newest;
  newest.last = 100;
  CHECK_FALSE(hub.emitter.join(hub.stream(0), "red", newest));
  hub.emitter.send_topic("red", Event("new"));
  hub.emitter.send("anna", Event("newer"));
  for (int i = 400; i < 500; ++i) {
    const DecodedEvent event = anna.next();
    CHECK(event.data == "r" + std::to_string(i));
    CHECK_FALSE(event.id);
  }
  CHECK(anna.next().data == "new");
  const DecodedEvent last = anna.next();
  CHECK(last.data == "newer");
  CHECK(last.id == hub.id(503));
  hub.emitter.broadcast(Event("live"));
  CHECK(anna.next().data == "live");
}

TEST_CASE("who joins late may get what came after a cursor, and is told what is missing", "[registry][topic]") {
  ReplayLimits limits;
  limits.max_events = 10;
  StreamOptions streams;
  streams.gap_event = "gap";
  EmitterServer hub(with_store(limits), streams);
  for (int i = 1; i <= 20; ++i) hub.emitter.send_topic("red", Event("r" + std::to_string(i)));
  EventClient anna = hub.open("/anna");
  JoinOptions after;
  after.after = hub.id(18);
  hub.emitter.join(hub.stream(0), "red", after);
  CHECK(anna.next_data(2) == Texts{"r19", "r20"});
  EventClient bert = hub.open("/bert");
  after.after = hub.id(3);
  hub.emitter.join(hub.stream(1), "red", after);
  const DecodedEvent gap = bert.next();
  CHECK(gap.name == "gap");
  CHECK(gap.data.find(hub.id(3)) != std::string::npos);
  CHECK(gap.data.find("trimmed") != std::string::npos);
  CHECK(bert.next().data == "r11");
  EventClient carl = hub.open("/carl");
  after.after = "made-up";
  hub.emitter.join(hub.stream(2), "red", after);
  CHECK(carl.next().data.find("unknown") != std::string::npos);
  CHECK(carl.next().data == "r11");
  EventClient dora = hub.open("/dora?event=rare");
  after.after = "earliest";
  hub.emitter.join(hub.stream(3), "red", after);
  hub.emitter.send_topic("red", Event("seldom").name("rare"));
  CHECK(dora.next().data == "seldom");
}

TEST_CASE("a stream that joins while it is still drawing its history gets the topic from then on",
          "[registry][topic]") {
  EmitterServer hub(with_store(), {}, 1, Serving::small_buffer);
  const std::string large(4000, 'x');
  for (int i = 0; i < 500; ++i) hub.emitter.send("anna", Event(large));
  hub.emitter.send_topic("red", Event("before"));
  EventClient anna = hub.open("/anna", "earliest", "HTTP/1.1", Serving::small_buffer);
  CHECK_FALSE(hub.emitter.join(hub.stream(0), "red"));
  hub.emitter.send_topic("red", Event("during"));
  for (int i = 0; i < 500; ++i) CHECK(anna.next().data == large);
  CHECK(anna.next().data == "during");
}

TEST_CASE("who leaves a topic gets no more of what it was sent before", "[registry][topic]") {
  EmitterServer hub(with_store(), {}, 1, Serving::small_buffer);
  const std::string large(4000, 'x');
  for (int i = 0; i < 500; ++i) hub.emitter.send_topic("red", Event(large));
  EventClient anna = hub.open("/anna", {}, "HTTP/1.1", Serving::small_buffer);
  JoinOptions all;
  all.after = "earliest";
  CHECK_FALSE(hub.emitter.join(hub.stream(0), "red", all));
  CHECK(anna.next().data == large);
  CHECK_FALSE(hub.emitter.leave(hub.stream(0), "red"));
  hub.emitter.send("anna", Event("end"));
  int replayed = 1;
  while (anna.next().data == large) ++replayed;
  CHECK(replayed < 500);
}

TEST_CASE("who comes into a topic and goes is told by user", "[registry][topic]") {
  Journal journal;
  EmitterServer hub(noting_topics(journal));
  {
    EventClient first = hub.open("/anna?topic=red");
    EventClient second = hub.open("/anna?topic=red&topic=blue");
    CHECK(journal.wait_for(2) == Texts{"red+anna", "blue+anna"});
    hub.emitter.leave(hub.stream(1), "red");
    hub.emitter.leave("anna", "blue");
    CHECK(journal.wait_for(3).back() == "blue-anna");
    hub.emitter.join("anna", "green");
    CHECK(journal.wait_for(4).back() == "green+anna");
  }
  CHECK(eventually([&] { return journal.size() == 6; }));
  const Texts all = journal.entries();
  CHECK(std::count(all.begin(), all.end(), "red-anna") == 1);
  CHECK(std::count(all.begin(), all.end(), "green-anna") == 1);
}

TEST_CASE("a poll that is graced is still in its topics, and counts as reached", "[registry][topic][poll]") {
  Journal journal;
  EmitterServer hub(noting_topics(journal));
  const auto poll = [&](const std::string& cursor) {
    Client connection(hub.port());
    connection.get("/anna?transport=poll&timeout=0&topic=red&last_event_id=" + cursor);
    return connection.read_reply().body;
  };
  poll("");
  CHECK(hub.emitter.send_topic("red", Event("while away")).streams == 1);
  CHECK(hub.emitter.topic_users("red") == Texts{"anna"});
  CHECK(poll(hub.id(0)).find("while away") != std::string::npos);
  CHECK(hub.emitter.leave("anna", "red").streams == 1);
  CHECK(hub.emitter.send_topic("red", Event("not hers")).streams == 0);
  CHECK(journal.wait_for(2) == Texts{"red+anna", "red-anna"});
}

TEST_CASE("a topic's events go by filters, frames and framings like others", "[registry][topic]") {
  EmitterServer hub;
  EventClient filtered = hub.open("/anna?topic=red&event=note");
  EventClient plain = hub.open("/bert?topic=red", {}, "HTTP/1.0");
  hub.emitter.send_topic("red", Event("x"));
  hub.emitter.send_topic("red", Event("y").name("note"));
  CHECK(filtered.next().data == "y");
  CHECK(plain.next_data(2) == Texts{"x", "y"});
}

TEST_CASE("a stream names no more topics than it may", "[registry][topic]") {
  EmitterServer hub;
  EventClient anna = hub.open("/anna");
  Emitter other;
  SubscribeOptions options;
  options.topics = {""};
  CHECK_THROWS_AS(other.add("anna", hub.stream(0), options), std::invalid_argument);
  options.topics.assign(SubscribeOptions::max_topics + 1, "a");
  CHECK_THROWS_AS(other.add("anna", hub.stream(0), options), std::invalid_argument);
  options.topics = {std::string(SubscribeOptions::max_topic_bytes + 1, 'a')};
  CHECK_THROWS_AS(other.add("anna", hub.stream(0), options), std::invalid_argument);
}

TEST_CASE("a stream joins no more topics than it may", "[registry][topic]") {
  EmitterOptions limited = with_store();
  limited.max_topics_per_stream = 3;
  EmitterServer hub(limited);
  EventClient anna = hub.open("/anna?topic=a"), other = hub.open("/anna");
  CHECK_FALSE(hub.emitter.join("anna", std::vector<std::string>{"b", "c"}).error);
  CHECK(hub.emitter.join(hub.stream(0), "d") == Errc::too_many_topics);
  CHECK_FALSE(hub.emitter.join(hub.stream(0), "a"));  // which it has joined
  const ChangeReport report = hub.emitter.join("anna", std::vector<std::string>{"c", "d"});
  CHECK(report.error == Errc::too_many_topics);
  CHECK(report.streams == 2);
  CHECK(hub.emitter.send_topic("d", Event("d")).streams == 1);
  CHECK(other.next().data == "d");
  CHECK(hub.emitter.leave("anna", std::vector<std::string>{"a", "b"}).streams == 2);
  CHECK_FALSE(hub.emitter.join(hub.stream(0), "d"));
  CHECK(hub.emitter.send_topic("d", Event("d")).streams == 2);
  CHECK(anna.next().data == "d");
  CHECK_FALSE(hub.emitter.join("anna", std::vector<std::string>()).error);
  CHECK_THROWS_AS(hub.emitter.join("anna", std::vector<std::string>{"e", ""}), std::invalid_argument);
}

TEST_CASE("nor does it come with more topics than it may join", "[registry][topic]") {
  EmitterServer hub;
  EventClient anna = hub.open("/anna");
  EmitterOptions limited;
  limited.max_topics_per_stream = 2;
  Emitter other(limited);
  SubscribeOptions options;
  options.topics = {"a", "b", "c"};
  CHECK_THROWS_WITH(other.add("anna", hub.stream(0), options),
                    Catch::Matchers::ContainsSubstring("3 topics, of which there may be 2"));
  CHECK(other.user_count() == 0);
  options.topics = {"a", "b", "a"};  // which are two
  CHECK_FALSE(other.add("anna", hub.stream(0), options));
  CHECK(other.join(hub.stream(0), "c") == Errc::too_many_topics);
}

TEST_CASE("without a limit a stream joins as many topics as it likes", "[registry][topic]") {
  EmitterServer hub;
  EventClient anna = hub.open("/anna");
  EmitterOptions unlimited;
  unlimited.max_topics_per_stream = 0;
  Emitter other(unlimited);
  SubscribeOptions options;
  options.topics = {"a", "b"};
  CHECK_FALSE(other.add("anna", hub.stream(0), options));
  CHECK_FALSE(other.join(hub.stream(0), "c"));
  CHECK(other.topic_users("c") == Texts{"anna"});
}

TEST_CASE("what is trimmed while a stream draws a topic that it joined late is told as missing", "[registry][topic]") {
  ReplayLimits limits;
  limits.max_events = 1000;
  StreamOptions streams;
  streams.gap_event = "gap";
  EmitterServer hub(with_store(limits), streams, 1, Serving::small_buffer);
  const std::string large(4000, 'x');
  for (int i = 0; i < 1000; ++i) hub.emitter.send_topic("red", Event(large));
  EventClient anna = hub.open("/anna", {}, "HTTP/1.1", Serving::small_buffer);
  JoinOptions all;
  all.after = "earliest";
  CHECK_FALSE(hub.emitter.join(hub.stream(0), "red", all));
  CHECK(anna.next().data == large);
  for (int i = 0; i < 900; ++i) hub.emitter.send_topic("red", Event("new"));
  int replayed = 1, gaps = 0;
  for (DecodedEvent event = anna.next(); event.data != "new"; event = anna.next()) {
    event.name == "gap" ? ++gaps : ++replayed;
  }
  CHECK(gaps > 0);
  CHECK(replayed < 1000);
}

TEST_CASE("a stream begins with the newest events that it is owed", "[registry][newest]") {
  EmitterServer hub;
  for (int i = 1; i <= 300; ++i) {
    hub.emitter.send(i % 2 == 0 ? "anna" : "bert", Event(std::to_string(i)).name(i % 10 == 0 ? "tenth" : ""));
  }
  EventClient newest = hub.open("/anna?last=3&greet=1");
  const DecodedEvent greeting = newest.next();
  CHECK(greeting.data == "resumed");
  CHECK(greeting.id == hub.id(295));
  CHECK(newest.next_data(3) == Texts{"296", "298", "300"});
  CHECK(hub.open("/anna?last=2&event=tenth").next_data(2) == Texts{"290", "300"});
  EventClient none = hub.open("/anna?last=0&greet=1");
  CHECK(none.next().id == hub.id(300));
  EventClient all = hub.open("/anna?last=9999");
  CHECK(all.next().data == "2");
  // A cursor goes before it.
  EventClient resumed = hub.open("/anna?last=100", hub.id(298));
  CHECK(resumed.next().data == "300");
  hub.emitter.send("anna", Event("live"));
  CHECK(newest.next().data == "live");
  CHECK(none.next().data == "live");
}

TEST_CASE("a poll for the newest is answered at once", "[registry][newest][poll]") {
  EmitterServer hub;
  const auto poll = [&](const std::string& query) {
    Client connection(hub.port());
    connection.get("/anna?transport=poll&timeout=60000&" + query);
    return connection.read_reply().body;
  };
  CHECK(poll("last=5").find("\"events\":[]") != std::string::npos);
  hub.emitter.send("anna", Event("one"));
  hub.emitter.send("anna", Event("two"));
  const std::string answer = poll("last=1");
  CHECK(answer.find("two") != std::string::npos);
  CHECK(answer.find("one") == std::string::npos);
  CHECK(poll("last=0").find("\"last_event_id\":\"" + hub.id(2) + "\"") != std::string::npos);
}

TEST_CASE("what is not kept is heard live, has no id, moves no position, and makes no gap", "[registry][keep]") {
  EmitterServer hub;
  EventClient anna = hub.open("/anna?greet=1");
  anna.next();
  const SendReport report = hub.emitter.send("anna", Event("typing").keep(false));
  CHECK(report.id.empty());
  CHECK(report.streams == 1);
  const DecodedEvent event = anna.next();
  CHECK(event.data == "typing");
  CHECK_FALSE(event.id);
  hub.emitter.send("anna", Event("kept"));
  CHECK(anna.next().id == hub.id(1));
  CHECK(hub.open("/anna", "earliest").next().data == "kept");
}

TEST_CASE("what is not kept reaches a stream that is still catching up, in its place", "[registry][keep]") {
  EmitterServer hub(with_store(), {}, 1, Serving::small_buffer);
  const std::string large(4000, 'x');
  for (int i = 0; i < 500; ++i) hub.emitter.send("anna", Event(large));
  EventClient anna = hub.open("/anna?topic=red", "earliest", "HTTP/1.1", Serving::small_buffer);
  CHECK(hub.emitter.send("anna", Event("own").keep(false)).streams == 1);
  hub.emitter.send_topic("red", Event("topic").keep(false));
  hub.emitter.send("anna", Event("kept"));
  hub.emitter.broadcast(Event("all").keep(false));
  hub.emitter.broadcast(Event("all, kept"));
  for (int i = 0; i < 500; ++i) CHECK(anna.next().data == large);
  CHECK(anna.next_data(5) == Texts{"own", "topic", "kept", "all", "all, kept"});
}

TEST_CASE("a stream that joins late again and again gets all else once and in order", "[registry][topic][race]") {
  constexpr int count = 2000;
  StreamOptions streams;
  streams.max_queued_events = 100'000;  // so that each event is looked at
  EmitterServer hub(with_store(), streams);
  for (int i = 0; i < 5; ++i) hub.emitter.send_topic("red", Event("old").name("red"));
  EventClient anna = hub.open("/anna");
  const EventStream stream = hub.stream(0);
  std::atomic<bool> done{false};
  std::thread joining([&] {
    JoinOptions newest;
    newest.last = 3;
    while (!done) {
      hub.emitter.join(stream, "red", newest);
      hub.emitter.leave(stream, "red");
    }
  });
  std::thread sending([&] {
    for (int i = 0; i < count; ++i) {
      const std::string number = std::to_string(i);
      stream.send(Event(number).name("direct"));
      i % 2 == 0 ? hub.emitter.broadcast(Event(number)) : hub.emitter.send("anna", Event(number));
    }
  });
  int direct = 0, next = 0;
  while (direct < count || next < count) {
    const DecodedEvent event = anna.next();
    if (event.name == "red") continue;
    int& expected = event.name == "direct" ? direct : next;
    if (event.data != std::to_string(expected)) break;
    ++expected;
  }
  done = true;
  joining.join();
  sending.join();
  CHECK(direct == count);
  CHECK(next == count);
}
