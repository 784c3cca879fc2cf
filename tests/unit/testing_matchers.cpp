// Matchers of what a client has received, and what they say when it was something else.
#include <sstream>
#include <string>

#include <spate/testing/catch_matchers.hpp>
#include <spate/testing/events.hpp>

#include "support/catch.hpp"

using namespace spate;
using namespace std::chrono_literals;
using spate::testing::Events;
using spate::testing::matches;
using spate::testing::Received;
using spate::testing::ReceivedExactly;
using spate::testing::ReceivedNothing;

namespace {

Events some() {
  Events events;
  EventDecoder decoder;
  decoder.feed("event: note\ndata: x\n\nid: 7\ndata: y\n\nretry: 2000\ndata: z\n\n",
               [&](const DecodedEvent& event) { events.push_back(event); });
  return events;
}

}  // namespace

TEST_CASE("an event is another if its name, or what else was said of it, is", "[testing][matchers]") {
  const Events events = some();
  CHECK(matches(events[0], Event("x").name("note")));
  CHECK_FALSE(matches(events[0], Event("x")));
  CHECK_FALSE(matches(events[0], Event("y").name("note")));
  CHECK(matches(events[0], Event().name("note")));  // whatever its data
  CHECK(matches(events[1], Event("y")));
  CHECK(matches(events[1], Event("y").name("message")));
  CHECK(matches(events[1], Event("y").id("7")));
  CHECK_FALSE(matches(events[1], Event("y").id("8")));
  CHECK(matches(events[2], Event("z").retry(2s)));
  CHECK_FALSE(matches(events[2], Event("z").retry(3s)));
  // The id is in force, and yet not its own.
  CHECK_FALSE(matches(events[2], Event("z").id("7")));
}

TEST_CASE("events are looked for among others, or are all that came", "[testing][matchers]") {
  const Event x = Event("x").name("note"), y("y"), z("z");
  CHECK_THAT(some(), Received(x));
  CHECK_THAT(some(), Received(x, z));
  CHECK_THAT(some(), !Received(z, x));
  CHECK_THAT(some(), !Received(x, x));
  CHECK_THAT(some(), Received(y) && !Received(Event("w")));
  CHECK_THAT(some(), ReceivedExactly(x, y, z));
  CHECK_THAT(some(), !ReceivedExactly(x, y));
  CHECK_THAT(some(), !ReceivedExactly(y, z));
  CHECK_THAT(some(), !ReceivedExactly(x, z, y));
  CHECK_THAT(some(), !ReceivedExactly(x, y, z, z));
  CHECK_THAT(some(), !ReceivedNothing());
  CHECK_THAT(Events(), ReceivedNothing());
  CHECK_THAT(Events(), !Received(x));
}

TEST_CASE("what fails says what was wanted, and where it differs", "[testing][matchers]") {
  const auto described = [](const auto& matcher) {
    CHECK_FALSE(matcher.match(some()));
    return matcher.describe();
  };
  CHECK(described(Received(Event("w").name("note"))) == "\nwanted:\n  note \"w\"\nmissing: note \"w\"");
  CHECK(described(ReceivedExactly(Event("x").name("note"), Event("y").id("8").retry(1s))) ==
        "\nwanted, in this order, and nothing else:\n  note \"x\"\n  message \"y\", id \"8\", retry 1000 ms\n"
        "missing: message \"y\", id \"8\", retry 1000 ms: number 2 is message \"y\", id \"7\"");
  CHECK(described(ReceivedExactly(Event("x").name("note"), Event())) ==
        "\nwanted, in this order, and nothing else:\n  note \"x\"\n  message with any data\n"
        "too many: number 3 is message \"z\", retry 2000 ms");
  CHECK(described(ReceivedNothing()) == "\nwanted: none\ntoo many: number 1 is note \"x\"");
}

TEST_CASE("events print themselves, one a line", "[testing][matchers]") {
  const auto printed = [](const Events& events) {
    std::ostringstream text;
    text << events;
    return text.str();
  };
  CHECK(printed(some()) == "1. note \"x\"\n2. message \"y\", id \"7\"\n3. message \"z\", retry 2000 ms");
  CHECK(printed({}) == "none");
  CHECK(Catch::Detail::stringify(some()) == printed(some()));
}
