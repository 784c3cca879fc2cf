#include <string>
#include <vector>

#include <spate/cluster/detail/outbox.hpp>
#include "support/catch.hpp"

using spate::detail::Outbox;

namespace {

void push(Outbox& outbox, const std::string& message) {
  outbox.push(message, {}, {});
}

/// All that can be sent now.
std::vector<std::string> sendable(Outbox& outbox) {
  std::vector<std::string> messages;
  while (const Outbox::Item* item = outbox.next()) messages.push_back(item->message);
  return messages;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("events leave in order and stay until they are confirmed", "[cluster][outbox]") {
  Outbox outbox(10, 100);
  for (const char* message : {"a", "b", "c"}) push(outbox, message);
  CHECK(sendable(outbox) == Texts{"a", "b", "c"});
  CHECK(outbox.pop().message == "a");
  push(outbox, "d");
  CHECK(sendable(outbox) == Texts{"d"});
  // The connection broke: whatever was not confirmed is sent again, in the same order.
  outbox.rewind();
  CHECK(sendable(outbox) == Texts{"b", "c", "d"});
  CHECK(outbox.size() == 3);
  CHECK(outbox.bytes() == 3);
  // One that is known to have arrived is taken out before it is sent again.
  outbox.rewind();
  CHECK(outbox.front().message == "b");
  outbox.pop();
  CHECK(sendable(outbox) == Texts{"c", "d"});
}

TEST_CASE("events are numbered from one, without holes, and found by their number", "[cluster][outbox]") {
  Outbox outbox(10, 100);
  CHECK(outbox.find(0) == nullptr);
  CHECK(outbox.find(1) == nullptr);
  CHECK(outbox.next_counter() == 1);
  for (const char* message : {"a", "b", "c"}) push(outbox, message);
  sendable(outbox);
  CHECK(outbox.pop().counter == 1);
  CHECK(outbox.find(1) == nullptr);
  CHECK(outbox.find(2)->message == "b");
  CHECK(outbox.find(3)->message == "c");
  CHECK(outbox.find(4) == nullptr);
  CHECK(outbox.next_counter() == 4);
}

TEST_CASE("what is put back goes after what is on its way and before the rest, in its order", "[cluster][outbox]") {
  Outbox outbox(10, 100);
  for (const char* message : {"a", "b", "c"}) push(outbox, message);
  sendable(outbox);
  push(outbox, "d");
  outbox.put_back();
  outbox.put_back();
  CHECK(outbox.size() == 4);
  CHECK(outbox.bytes() == 4);
  CHECK(outbox.pop().message == "c");
  CHECK(outbox.next()->message == "a");
  CHECK(outbox.next()->message == "b");
  // Of what was on its way again, one is put back again.
  outbox.put_back();
  CHECK(sendable(outbox) == Texts{"a", "d"});
  CHECK(outbox.pop().message == "b");
  CHECK(outbox.sent() == 2);
}

TEST_CASE("a full outbox takes no more, but one event it always takes", "[cluster][outbox]") {
  Outbox outbox(2, 10);
  CHECK(outbox.has_room(1'000));
  push(outbox, std::string(1'000, 'x'));
  CHECK_FALSE(outbox.has_room(1));
  sendable(outbox);
  outbox.pop();
  push(outbox, "12345");
  CHECK(outbox.has_room(5));
  CHECK_FALSE(outbox.has_room(6));
  push(outbox, "x");
  CHECK_FALSE(outbox.has_room(1));
}

TEST_CASE("what is on its way can be told from what waits", "[cluster][outbox]") {
  Outbox outbox(10, 100);
  for (const char* message : {"a", "b", "c"}) push(outbox, message);
  outbox.next();
  outbox.next();
  while (outbox.sent() > 0) outbox.pop();
  CHECK(outbox.size() == 1);
  CHECK(sendable(outbox) == Texts{"c"});
  outbox.pop();
  CHECK(outbox.bytes() == 0);
}
