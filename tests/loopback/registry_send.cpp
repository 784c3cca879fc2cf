#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <spate/cluster/in_process_bus.hpp>
#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/emitter_server.hpp"
#include "support/refusal.hpp"
#include "support/texts.hpp"

using namespace spate::test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using spate::EmitterOptions;
using spate::Event;
using spate::StreamOptions;

TEST_CASE("one user, a group, several users, everybody: each stream once, and the counts right", "[registry][send]") {
  EmitterServer hub;
  EventClient anna = hub.open("/team-anna"), anna2 = hub.open("/team-anna"), bert = hub.open("/team-bert"),
              team = hub.open("/team-"), carl = hub.open("/carl");
  CHECK(hub.emitter.user_count() == 4);
  CHECK(hub.emitter.stream_count() == 5);
  CHECK(hub.emitter.users() == Texts{"carl", "team-", "team-anna", "team-bert"});
  CHECK(hub.emitter.users("team-") == Texts{"team-", "team-anna", "team-bert"});
  CHECK(hub.emitter.contains("carl"));
  CHECK_FALSE(hub.emitter.contains("car"));

  CHECK(hub.emitter.send("team-anna", Event("to anna")).streams == 2);
  CHECK(hub.emitter.send("nobody", Event("to nobody")).streams == 0);
  // The user whose id is the prefix belongs to the group.
  CHECK(hub.emitter.send_group("team-", Event("to the team")).streams == 4);
  CHECK(hub.emitter.send_group("none-", Event("to no team")).streams == 0);
  const Texts several{"carl", "team-bert", "carl", "nobody", "team-bert"};
  const auto report = hub.emitter.send(several, Event("to several"));
  CHECK(report.streams == 2);
  CHECK(report.id == hub.id(5));  // one id for all, and one for each that reached nobody
  CHECK(hub.emitter.broadcast(Event("to all")).streams == 5);
  CHECK(hub.emitter.event_count() == 6);

  for (EventClient* reader : {&anna, &anna2}) {
    CHECK(reader->next().data == "to anna");
    CHECK(reader->next().data == "to the team");
    CHECK(reader->next().data == "to all");
  }
  CHECK(bert.next().data == "to the team");
  CHECK(bert.next().data == "to several");
  CHECK(bert.next().data == "to all");
  CHECK(team.next().data == "to the team");
  CHECK(team.next().data == "to all");
  CHECK(carl.next().data == "to several");
  CHECK(carl.next().data == "to all");
  CHECK(carl.decoder().last_event_id() == hub.id(6));
}

TEST_CASE("users come as a list in braces, as any container of names, or as one name", "[registry][send]") {
  EmitterServer hub;
  EventClient anna = hub.open("/anna"), bert = hub.open("/bert");
  const std::string one = "anna", other = "bert";
  const std::string_view view = one;
  const char* const pointer = "bert";
  const std::vector<std::string> texts{one, other};
  const std::vector<std::string_view> views{one, other};
  const std::array<std::string, 2> array{one, other};
  const Event event("x");
  spate::Emitter& emitter = hub.emitter;
  // Two literals in braces are two users, not the two ends of a text.
  CHECK(emitter.send({"anna", "bert"}, event).streams == 2);
  CHECK(emitter.send({"anna", "bert", "anna"}, event).streams == 2);
  CHECK(emitter.send({"anna"}, event).streams == 1);
  CHECK(emitter.send({one, other}, event).streams == 2);
  CHECK(emitter.send({view, pointer}, event).streams == 2);
  CHECK(emitter.send({pointer, pointer}, event).streams == 1);
  CHECK(emitter.send(texts, event).streams == 2);
  CHECK(emitter.send(views, event).streams == 2);
  CHECK(emitter.send(array, event).streams == 2);
  CHECK(emitter.send(std::vector<std::string>{"anna", "bert"}, event).streams == 2);
  CHECK(emitter.send(std::span(texts).first(1), event).streams == 1);
  CHECK(emitter.send("anna", event).streams == 1);
  CHECK(emitter.send(pointer, event).streams == 1);
  CHECK(emitter.send(one, event).streams == 1);
  CHECK(emitter.send(view, event).streams == 1);
  CHECK(anna.next_data(13).size() == 13);
  CHECK(bert.next_data(10).size() == 10);
}

TEST_CASE("an empty user is refused wherever one is named", "[registry][misuse]") {
  EmitterServer hub;
  EventClient anna = hub.open("/anna");
  spate::Emitter& emitter = hub.emitter;
  const Texts with_empty{"anna", ""};
  for (const std::string& said : {refusal([&] { emitter.send("", Event("x")); }), refusal([&] {
                                    emitter.send({"anna", ""}, Event("x"));
                                  }),
                                  refusal([&] { emitter.send(with_empty, Event("x")); }),
                                  refusal([&] { emitter.send(spate::Audience::user(std::string_view()), Event("x")); }),
                                  refusal([&] { Sending(emitter, spate::Audience::user(""), Event("x")); }),
                                  refusal([&] { emitter.add("", hub.stream(0)); })}) {
    CHECK_THAT(said, ContainsSubstring("the user is empty (\"\")"));
  }
  // Nothing of them is left: the next event is the first one.
  CHECK(emitter.send("anna", Event("fine")).id == hub.id(1));
  CHECK(emitter.users() == Texts{"anna"});
}

TEST_CASE("durations below zero are refused by an emitter and by its store", "[registry][misuse]") {
  EmitterOptions options;
  options.poll_grace = -1ms;
  CHECK_THAT(refusal([&] { spate::Emitter emitter(options); }),
             ContainsSubstring("poll_grace must not be negative: -1"));
  options.poll_grace = 0ms;
  options.resume_wait = -250ms;
  CHECK_THAT(refusal([&] { spate::Emitter emitter(options); }),
             ContainsSubstring("resume_wait must not be negative: -250"));
  spate::ReplayLimits limits;
  limits.max_age = -3s;
  CHECK_THAT(refusal([&] { spate::MemoryReplayStore store(limits); }),
             ContainsSubstring("max_age must not be negative: -3000"));
}

TEST_CASE("a store, and a bus, serves one emitter at a time", "[registry][misuse]") {
  const EmitterOptions options = with_store();
  std::string first;
  {
    spate::Emitter emitter(options);
    first = emitter.send("anna", Event("before")).id;
    CHECK_THAT(refusal([&] { spate::Emitter second(options); }), ContainsSubstring("store serves another emitter"));
    // The one that has it goes on.
    CHECK(emitter.position() == first);
  }
  // When the emitter is gone another takes over, and knows what was sent.
  EmitterServer hub(options);
  CHECK(hub.open("/anna", "earliest").next().last_event_id == first);

  Loop loop;
  using Network = spate::InProcessNetwork;
  for (const auto kind : {Network::Kind::relay, Network::Kind::log}) {
    EmitterOptions joined;
    joined.bus = std::make_shared<Network>(loop.io.get_executor(), kind)->join();
    {
      spate::Emitter emitter(joined);
      CHECK_THAT(refusal([&] { spate::Emitter second(joined); }), ContainsSubstring("bus serves another emitter"));
    }
    CHECK_NOTHROW(spate::Emitter(joined));
    // One that could not be built lets go of what it had.
    EmitterOptions taken = joined;
    taken.replay = options.replay;
    CHECK_THAT(refusal([&] { spate::Emitter second(taken); }), ContainsSubstring("store serves another emitter"));
    CHECK_NOTHROW(spate::Emitter(joined));
  }
}

TEST_CASE("names of events that are too many, or too long together, are refused", "[registry][filter][misuse]") {
  EmitterServer hub;
  EventClient anna = hub.open("/anna");
  spate::SubscribeOptions wanted;
  wanted.events.assign(33, "note");
  CHECK_THAT(refusal([&] { hub.emitter.add("bert", hub.stream(0), wanted); }), ContainsSubstring("33 names of events"));
  wanted.events.assign(5, std::string(205, 'n'));
  CHECK_THAT(refusal([&] { hub.emitter.add("bert", hub.stream(0), wanted); }),
             ContainsSubstring("longer than 1024 bytes in all, with \"nnn"));
  CHECK(hub.emitter.users() == Texts{"anna"});
  // At the limits they are taken.
  std::string names;
  for (int i = 0; i < 31; ++i) names += "&event=" + std::string(32, static_cast<char>('A' + i % 26));
  EventClient bert = hub.open("/bert?event=note" + names);
  hub.emitter.send("bert", Event("a note").name("note"));
  CHECK(bert.next().data == "a note");
}

TEST_CASE("counts are exact after reloads, and a late end of an old stream leaves the new one alone", "[registry]") {
  EmitterServer hub;
  for (int reload = 0; reload < 20; ++reload) {
    EventClient old = hub.open("/anna");
    EventClient fresh = hub.open("/anna");
    if (reload % 2 == 0) {
      old.connection().close();
    } else {
      old.connection().reset();
    }
    REQUIRE(hub.comes_to(1));
    CHECK(hub.emitter.send("anna", Event("still here")).streams == 1);
    CHECK(fresh.next().data == "still here");
    fresh.connection().close();
    REQUIRE(hub.comes_to(0));
    CHECK(hub.emitter.user_count() == 0);
    CHECK(hub.emitter.users().empty());
  }
}

TEST_CASE("a filter lets named events through, and `message` those without a name", "[registry][filter]") {
  EmitterServer hub;
  EventClient all = hub.open("/anna"), notes = hub.open("/anna?event=note"), plain = hub.open("/anna?event=message"),
              both = hub.open("/anna?event=message&event=note&event=note"), none = hub.open("/anna?event=other");
  CHECK(hub.emitter.send("anna", Event("a note").name("note")).streams == 3);
  CHECK(hub.emitter.broadcast(Event("a plain one")).streams == 3);
  CHECK(hub.emitter.send_group("an", Event("called message").name("message")).streams == 3);
  CHECK(hub.emitter.broadcast(Event("the last").name("last")).streams == 1);
  const std::string last = hub.emitter.broadcast(Event("the other").name("other")).id;
  CHECK(notes.next().data == "a note");
  CHECK(plain.next().data == "a plain one");
  CHECK(plain.next().data == "called message");
  CHECK(both.next().data == "a note");
  CHECK(both.next().data == "a plain one");
  CHECK(both.next().data == "called message");
  CHECK(none.next().data == "the other");
  CHECK(none.decoder().last_event_id() == last);
  for (const char* data : {"a note", "a plain one", "called message", "the last", "the other"}) {
    CHECK(all.next().data == data);
  }
  // The counts of filters go with the streams.
  none.connection().close();
  REQUIRE(hub.comes_to(4));
  CHECK(hub.emitter.broadcast(Event("x").name("other")).streams == 1);
}

TEST_CASE("one stream more than a user may have replaces their oldest", "[registry][limit]") {
  EmitterOptions options = with_store();
  options.max_streams_per_user = 2;
  StreamOptions streams;
  streams.farewell = [](spate::EndReason reason) { return Event(std::string(to_string(reason))).name("closing"); };
  EmitterServer hub(options, streams);
  EventClient first = hub.open("/anna"), other = hub.open("/bert"), second = hub.open("/anna"),
              third = hub.open("/anna");
  CHECK(first.next().data == "replaced");
  CHECK(first.completed());
  CHECK(hub.emitter.send("anna", Event("to two")).streams == 2);
  CHECK(second.next().data == "to two");
  CHECK(third.next().data == "to two");
  EventClient fourth = hub.open("/anna");
  CHECK(second.next().data == "replaced");
  CHECK(hub.emitter.stream_count() == 3);
  CHECK(hub.server.stats().streams_ended[static_cast<std::size_t>(spate::EndReason::replaced)] == 2);
}

TEST_CASE("removing a user closes their streams after what they were sent", "[registry][remove]") {
  StreamOptions streams;
  streams.farewell = [](spate::EndReason reason) { return Event(std::string(to_string(reason))).name("closing"); };
  EmitterServer hub(with_store(), streams);
  EventClient anna = hub.open("/anna"), anna2 = hub.open("/anna"), bert = hub.open("/bert");
  hub.emitter.send("anna", Event("one"));
  hub.emitter.broadcast(Event("two"));
  CHECK(hub.emitter.remove("anna") == 2);
  CHECK(hub.emitter.remove("anna") == 0);
  CHECK(hub.emitter.remove("nobody") == 0);
  CHECK_FALSE(hub.emitter.contains("anna"));
  CHECK(hub.emitter.send("anna", Event("too late")).streams == 0);
  hub.emitter.broadcast(Event("too late for anna"));
  for (EventClient* reader : {&anna, &anna2}) {
    CHECK(reader->next().data == "one");
    CHECK(reader->next().data == "two");
    CHECK(reader->next().data == "closed");
    CHECK(reader->rest().empty());
    CHECK(reader->completed());
  }
  CHECK(bert.next().data == "two");
  CHECK(bert.next().data == "too late for anna");
}

TEST_CASE("a stream taken out stays open and has all that was sent before", "[registry][remove]") {
  EmitterServer hub;
  EventClient anna = hub.open("/anna"), anna2 = hub.open("/anna");
  const spate::EventStream stream = hub.stream(0);
  // On the stream's own loop, so that everything happens within one turn of it.
  bool removed = false;
  hub.in_one_turn([&] {
    hub.emitter.send("anna", Event("one"));
    hub.emitter.broadcast(Event("two"));
    removed = hub.emitter.remove("anna", stream);
  });
  CHECK(removed);
  CHECK_FALSE(hub.emitter.remove("anna", stream));
  CHECK_FALSE(hub.emitter.remove("nobody", stream));
  CHECK(anna.next().data == "one");
  CHECK(anna.next().data == "two");
  CHECK(hub.emitter.broadcast(Event("three")).streams == 1);
  CHECK(anna2.next().data == "one");
  CHECK(anna2.next().data == "two");
  CHECK(anna2.next().data == "three");
  stream.send(Event("by hand"));
  CHECK(anna.next().data == "by hand");
  // Its end changes nothing any more.
  Journal journal;
  stream.on_complete([&] { journal.add("complete"); });
  anna.connection().close();
  journal.wait_for(1);
  CHECK(hub.emitter.stream_count() == 1);
}

TEST_CASE("hooks tell of a user's first and last stream, once and in order", "[registry][hooks]") {
  Journal hooks;
  EmitterServer hub(noting(hooks), {}, 2);
  EventClient anna = hub.open("/anna"), anna2 = hub.open("/anna"), bert = hub.open("/bert");
  anna.connection().close();
  REQUIRE(hub.comes_to(2));
  anna2.connection().close();
  REQUIRE(hub.comes_to(1));
  EventClient again = hub.open("/anna");
  hub.emitter.remove("bert");
  CHECK(hooks.wait_for(5) == Texts{"+anna", "+bert", "-anna", "+anna", "-bert"});
  // What a hook throws is the loop's to report; the other hooks run all the same.
  hub.emitter.remove("anna");
  CHECK(hooks.wait_for(6).back() == "-anna");
}

TEST_CASE("a hook may use the emitter, and one that throws does not keep others from running", "[registry][hooks]") {
  Journal hooks;
  spate::Emitter* emitter = nullptr;
  EmitterOptions options = with_store();
  options.on_join = [&](const std::string& user) {
    hooks.add("+" + user + " of " + std::to_string(emitter->user_count()));
    emitter->send(user, Event("welcome"));
    if (user == "bad") throw std::runtime_error("a hook failed");
  };
  EmitterServer hub(options);
  emitter = &hub.emitter;
  EventClient bad = hub.open("/bad"), good = hub.open("/good");
  CHECK(bad.next().data == "welcome");
  CHECK(good.next().data == "welcome");
  CHECK(hooks.wait_for(2).size() == 2);
}

TEST_CASE("an event or a greeting with an id of its own is refused where the emitter gives ids", "[registry][id]") {
  EmitterServer hub;
  EventClient anna = hub.open("/anna");
  CHECK_THROWS_AS(hub.emitter.send("anna", Event("x").id("mine")), std::invalid_argument);
  CHECK_THROWS_AS(hub.emitter.broadcast(Event("x").id("")), std::invalid_argument);
  spate::SubscribeOptions wanted;
  wanted.greeting = [](bool) { return Event("hello").id("mine"); };
  CHECK_THROWS_AS(hub.emitter.add("bert", hub.stream(0), wanted), std::invalid_argument);
  CHECK(hub.emitter.user_count() == 1);
  CHECK(hub.emitter.broadcast(Event("fine")).id == hub.id(1));
  CHECK(anna.next().data == "fine");
}

TEST_CASE("without a store events keep their own ids", "[registry][id]") {
  EmitterServer hub{EmitterOptions()};
  EventClient anna = hub.open("/anna?greet=1", "whatever-7");
  CHECK(anna.next().data == "fresh");  // nothing is known of what was missed
  CHECK(hub.emitter.send("anna", Event("one").id("mine")).id == "mine");
  CHECK(hub.emitter.broadcast(Event("two")).id.empty());
  CHECK(anna.next().data == "one");
  CHECK(anna.decoder().last_event_id() == "mine");
  CHECK(anna.next().data == "two");
}

TEST_CASE("a stream may be in two emitters, and leaves both", "[registry]") {
  EmitterServer hub;
  spate::Emitter news(with_store());
  EventClient reader = hub.open("/anna");
  const spate::EventStream stream = hub.stream(0);
  news.add("reader", stream);
  CHECK(hub.emitter.stream_count() == 1);
  CHECK(news.stream_count() == 1);
  hub.emitter.send("anna", Event("to anna"));
  news.broadcast(Event("the news"));
  stream.send(Event("by hand"));
  hub.emitter.send("anna", Event("to anna again"));
  // Sent by one thread to one stream, so in the order of the calls.
  for (const char* data : {"to anna", "the news", "by hand", "to anna again"}) CHECK(reader.next().data == data);
  // Each knows its own place of the stream.
  CHECK_FALSE(news.remove("anna", stream));
  CHECK_FALSE(hub.emitter.remove("reader", stream));
  CHECK(hub.emitter.remove("anna", stream));
  CHECK_FALSE(hub.emitter.remove("anna", stream));
  news.broadcast(Event("more news"));
  CHECK(reader.next().data == "more news");
  hub.emitter.add("anna", stream);
  reader.connection().close();
  CHECK(eventually([&] { return hub.emitter.stream_count() == 0 && news.stream_count() == 0; }));
}

TEST_CASE("a stream that is in an emitter already is refused, whatever the user", "[registry][add]") {
  EmitterServer hub;
  spate::Emitter other;
  EventClient reader = hub.open("/anna");
  const spate::EventStream stream = hub.stream(0);
  other.add("reader", stream);
  for (const char* user : {"anna", "bert", "an"}) {
    CHECK(hub.emitter.add(user, stream) == spate::Errc::already_added);
    CHECK(other.add(user, stream) == spate::Errc::already_added);
  }
  CHECK(hub.emitter.users() == std::vector<std::string>{"anna"});
  CHECK(other.users() == std::vector<std::string>{"reader"});
  CHECK(hub.emitter.broadcast(Event("once")).streams == 1);
  CHECK(reader.next().data == "once");
  // Once it was taken out it may be added again, to another user too.
  CHECK(hub.emitter.remove("anna", stream));
  hub.emitter.add("bert", stream);
  CHECK(other.remove("reader", stream));
  other.add("again", stream);
  CHECK(hub.emitter.send("anna", Event("to nobody")).streams == 0);
  CHECK(hub.emitter.send("bert", Event("to bert")).streams == 1);
  CHECK(other.send("again", Event("to the other")).streams == 1);
  CHECK(reader.next_data(2) == std::vector<std::string>{"to bert", "to the other"});
}

TEST_CASE("a handler that adds its stream twice is told so, and its client that the server failed", "[registry][add]") {
  Journal told;
  spate::Emitter emitter;
  spate::ServerOptions options;
  options.on_exception = [&](const std::exception_ptr& exception) {
    told.add(refusal([&] { std::rethrow_exception(exception); }));
  };
  Serving serving(
      [&](spate::Server& server) {
        server.stream("/twice", [&](const spate::EventStream& stream) {
          emitter.add("anna", stream);
          emitter.add("bert", stream);
        });
      },
      options);
  EventClient reader(serving.port(), "/twice");
  CHECK(reader.completed());
  CHECK(told.wait_for(1) == Texts{"spate::Emitter: the stream has been added already, for the user \"anna\""});
  CHECK(eventually([&] { return emitter.stream_count() == 0; }));
}

TEST_CASE("of threads that add the same stream at once one succeeds", "[registry][add]") {
  EmitterServer hub;
  EventClient reader = hub.open("/anna");
  const spate::EventStream stream = hub.stream(0);
  for (int round = 0; round < 50; ++round) {
    CHECK(hub.emitter.remove(hub.emitter.users().at(0), stream));
    std::atomic<int> added{0}, refused{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, user = "user" + std::to_string(i % 2)] {
        const std::error_code error = hub.emitter.add(user, stream);
        ++(error == spate::Errc::already_added ? refused : added);
      });
    }
    for (std::thread& thread : threads) thread.join();
    REQUIRE(added == 1);
    REQUIRE(refused == 3);
    REQUIRE(hub.emitter.stream_count() == 1);
    REQUIRE(hub.emitter.user_count() == 1);
  }
  hub.emitter.broadcast(Event("once"));
  CHECK(reader.next().data == "once");
  hub.emitter.broadcast(Event("once more"));
  CHECK(reader.next().data == "once more");
}

TEST_CASE("a client of HTTP/1.0 gets what the others get", "[registry][send]") {
  EmitterServer hub;
  EventClient old = hub.open("/anna", "", "HTTP/1.0"), usual = hub.open("/anna");
  for (int i = 0; i < 50; ++i) hub.emitter.broadcast(Event(std::to_string(i)));
  hub.emitter.send("anna", Event("end"));
  for (EventClient* reader : {&old, &usual}) {
    for (int i = 0; i < 50; ++i) CHECK(reader->next().data == std::to_string(i));
    CHECK(reader->next().data == "end");
  }
}

TEST_CASE("events of several threads arrive on every stream in the order of their ids", "[registry][order]") {
  EmitterServer hub(with_store(), {}, 2);
  std::vector<EventClient> readers;
  for (int i = 0; i < 6; ++i) {
    readers.push_back(hub.open(i % 3 == 0 ? "/anna?event=message" : i % 2 == 0 ? "/anna" : "/bert"));
  }
  constexpr int threads = 4, events = 300;
  std::vector<std::thread> publishers;
  for (int thread = 0; thread < threads; ++thread) {
    publishers.emplace_back([&, thread] {
      const Texts both{"anna", "bert"};
      for (int i = 0; i < events; ++i) {
        const Event event(std::to_string(thread) + ":" + std::to_string(i));
        switch (i % 3) {
          case 0: hub.emitter.broadcast(event); break;
          case 1: hub.emitter.send_group("", event); break;
          default: hub.emitter.send(both, event);
        }
      }
    });
  }
  for (std::thread& publisher : publishers) publisher.join();
  for (EventClient& reader : readers) {
    // Every event reaches everybody, so nothing is missing between two ids.
    for (std::uint64_t sequence = 1; sequence <= threads * events; ++sequence) {
      REQUIRE(reader.next().last_event_id == hub.id(sequence));
    }
  }
}
