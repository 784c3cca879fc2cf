#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <spate/wire/encoded_event.hpp>
#include "support/catch.hpp"

using namespace spate;
using namespace std::chrono_literals;
using namespace std::string_view_literals;

namespace {

// One chunk as RFC 9112 7.1 writes it, put together in the plainest way.
std::string as_chunk(std::string_view bytes) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return size + std::string(bytes) + "\r\n";
}

}  // namespace

TEST_CASE("an event has these bytes and no others", "[wire][encoder]") {
  struct Case {
    Event event;
    std::string_view bytes;
  };
  const Case table[] = {
      {Event("hello"), "data: hello\n\n"},
      // WHATWG 9.2.6: empty data are still one data line.
      {Event(""), "data:\n\n"},
      // WHATWG 9.2.6: a line end at the end is a line of its own.
      {Event("a\n"), "data: a\ndata:\n\n"},
      {Event("\n"), "data:\ndata:\n\n"},
      // WHATWG 9.2.5, 9.2.6: each kind of line end starts another line.
      {Event("a\nb\rc\r\nd"), "data: a\ndata: b\ndata: c\ndata: d\n\n"},
      // WHATWG 9.2.6: the space that clients remove is not the payload's.
      {Event(" a"), "data:  a\n\n"},
      {Event("data: x\n\nid: 1"), "data: data: x\ndata:\ndata: id: 1\n\n"},
      // WHATWG 9.2.6: a BOM in the payload stands after a field name.
      {Event("\uFEFFx"), "data: \uFEFFx\n\n"},
      // WHATWG 9.2.5
      {Event("a\0b"sv), "data: a\0b\n\n"sv},
      {Event("x").name("n"), "event: n\ndata: x\n\n"},
      // WHATWG 9.2.6: an empty name is none.
      {Event("x").name(""), "data: x\n\n"},
      {Event("x").id("7"), "id: 7\ndata: x\n\n"},
      // WHATWG 9.2.6: an empty id is one.
      {Event("x").id(""), "id: \ndata: x\n\n"},
      {Event("x").retry(0ms), "retry: 0\ndata: x\n\n"},
      {Event("x").retry(24h), "retry: 86400000\ndata: x\n\n"},
      // WHATWG 9.2.7, 9.2.5: each line of a comment is a comment.
      {Event().comment("still here"), ": still here\n\n"},
      {Event().comment(""), ":\n\n"},
      {Event().comment("a\r\nb\n"), ": a\n: b\n:\n\n"},
      // WHATWG 9.2.6: an id alone is a block without data.
      {Event().id("7"), "id: 7\n\n"},
      {Event(), "\n"},
      {Event("x\ny").name("n").id("7").retry(3s).comment("c"),
       "id: 7\n: c\nevent: n\nretry: 3000\ndata: x\ndata: y\n\n"},
  };
  for (const Case& example : table) {
    const EncodedEvent encoded(example.event);
    CHECK(encoded.bytes() == example.bytes);
    CHECK(encoded.chunk() == as_chunk(example.bytes));
    CHECK(encoded.id() == example.event.id().value_or(""));
    CHECK(encoded.name() == example.event.name());
    CHECK(encoded.has_data() == example.event.data().has_value());
    CHECK(encoded);
  }
}

TEST_CASE("a chunk states its size in hex, whatever its number of digits (RFC 9112 7.1)", "[wire][encoder]") {
  for (const std::size_t size :
       {1u, 6u, 7u, 8u, 9u, 247u, 248u, 249u, 4087u, 4088u, 4089u, 65'527u, 65'528u, 70'000u, 1'048'576u}) {
    const EncodedEvent encoded{Event(std::string(size, 'x'))};
    CAPTURE(size);
    CHECK(encoded.bytes().size() == size + "data: \n\n"sv.size());
    CHECK((encoded.chunk() == as_chunk(encoded.bytes())));
  }
}

TEST_CASE("an event ends with one blank line and never between CR and LF (WHATWG 9.2.5, 9.2.6)", "[wire][encoder]") {
  const EncodedEvent encoded(Event("a\r\n\r\nb\n").name("n"));
  CHECK(encoded.bytes().find('\r') == std::string_view::npos);
  CHECK(encoded.bytes().find("\n\n") == encoded.bytes().size() - 2);
}

TEST_CASE("copies share the bytes", "[wire][encoder]") {
  EncodedEvent first(Event("x").id("1"));
  const EncodedEvent second = first;
  CHECK(first.bytes().data() == second.bytes().data());
  first = EncodedEvent();
  CHECK(second.bytes() == "id: 1\ndata: x\n\n");
}

TEST_CASE("an encoded event of nothing is empty", "[wire][encoder]") {
  const EncodedEvent none;
  CHECK_FALSE(none);
  CHECK(none.bytes().empty());
  CHECK(none.chunk().empty());
  CHECK(none.id().empty());
  CHECK(none.name().empty());
  CHECK_FALSE(none.has_data());
}

TEST_CASE("an id given late gives the bytes of an id given early", "[wire][encoder]") {
  const Event events[] = {Event("x\ny").name("n").retry(1s).comment("c"), Event(""), Event(),
                          Event(std::string(300, 'z'))};
  for (const Event& event : events) {
    for (const std::size_t length : {std::size_t{0}, std::size_t{1}, std::size_t{20}, EventEncoder::max_late_id}) {
      const std::string id(length, '8');
      CAPTURE(length);
      const EncodedEvent late = EventEncoder(event).finish(id);
      const EncodedEvent early(Event(event).id(id));
      CHECK(late.bytes() == early.bytes());
      CHECK(late.chunk() == early.chunk());
      CHECK(late.id() == id);
      CHECK(late.name() == event.name());
      CHECK(late.has_data() == event.data().has_value());
    }
  }
}

TEST_CASE("an encoder takes no second id, nor one that is too long", "[wire][encoder]") {
  for (const std::string_view own : {"", "own"}) {
    CHECK_THROWS_AS(EventEncoder(Event("x").id(own)).finish("late"), std::logic_error);
    CHECK_THROWS_AS(EventEncoder(Event("x").id(own)).finish(""), std::logic_error);
  }
  const std::string long_id(EventEncoder::max_late_id + 1, '8');
  CHECK_THROWS_WITH(EventEncoder(Event("x")).finish(long_id), Catch::Matchers::ContainsSubstring("\"888"));
}

TEST_CASE("an encoder that is given no id keeps the event's own, however long", "[wire][encoder]") {
  const std::string id(500, 'i');
  const EncodedEvent encoded = EventEncoder(Event("x").id(id)).finish();
  CHECK(encoded.bytes() == "id: " + id + "\ndata: x\n\n");
  CHECK(encoded.chunk() == as_chunk(encoded.bytes()));
  CHECK(encoded.id() == id);
}

TEST_CASE("an event comes back from its bytes", "[wire][encoder]") {
  const Event events[] = {Event("x\ny").name("n").retry(1s).comment("c\nd").id("7"),
                          Event(""),
                          Event(),
                          Event().id(""),
                          Event("data: id: 8"),
                          Event().comment(""),
                          Event(std::string(300, 'z')).id("e-1")};
  for (const Event& event : events) {
    const EncodedEvent encoded(event);
    const EncodedEvent back = EncodedEvent::from_bytes(encoded.bytes());
    CAPTURE(encoded.bytes());
    CHECK(back.bytes() == encoded.bytes());
    CHECK(back.chunk() == encoded.chunk());
    CHECK(back.id() == encoded.id());
    CHECK(back.name() == encoded.name());
    CHECK(back.has_data() == encoded.has_data());
    CHECK(encoded.without_id().id().empty());
    CHECK(encoded.without_id().name() == encoded.name());
    CHECK(encoded.without_id().has_data() == encoded.has_data());
  }
  CHECK(EncodedEvent(Event("x").id("7")).without_id().bytes() == "data: x\n\n");
  CHECK(EncodedEvent(Event("x")).without_id().bytes() == "data: x\n\n");
}

TEST_CASE("bytes that no event has are refused, and quoted", "[wire][encoder]") {
  const std::string_view none[] = {"",
                                   "data: x",
                                   "data: x\n",
                                   "\ndata: x\n\n",
                                   "data: x\n\nid: 1\n\n",
                                   "data: x\n\n\n",
                                   "data: x\r\n\r\n",
                                   "data:x\n\n",
                                   "data\n\n",
                                   "dato: x\n\n",
                                   "data: x\nid: 1\n\n",
                                   "id: 1\nid: 2\n\n",
                                   "event: a\nevent: b\n\n",
                                   "retry: soon\n\n",
                                   "retry: \n\n",
                                   std::string_view("id: a\0b\n\n", 9),
                                   "data: \xFF\n\n"};
  for (const std::string_view bytes : none) {
    CAPTURE(bytes);
    CHECK_THROWS_AS(EncodedEvent::from_bytes(bytes), std::invalid_argument);
  }
  CHECK_THROWS_WITH(EncodedEvent::from_bytes("dato: x\n\n"), Catch::Matchers::ContainsSubstring("\"dato: x"));
}

TEST_CASE("an encoded event says how long it is to be kept", "[wire][encoder]") {
  CHECK(EncodedEvent(Event("x").keep_for(5s)).kept_for() == 5s);
  CHECK(EncodedEvent(Event("x")).kept_for() == 0s);
  CHECK(EncodedEvent(Event("x").keep_for(Event::max_keep_for)).kept_for() == Event::max_keep_for);
  CHECK(EncodedEvent().kept_for() == 0s);
}
