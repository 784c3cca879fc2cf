// Who waits until no loop is behind, and one event on its way to those whom it is for.
#include <cstddef>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <spate/registry/detail/backlog.hpp>
#include <spate/registry/detail/delivery.hpp>
#include <spate/registry/detail/function_waiter.hpp>
#include "support/catch.hpp"
#include "support/registry_parts.hpp"

namespace {

using spate::Audience;
using spate::EncodedEvent;
using spate::Event;
using spate::detail::Backlog;
using spate::detail::Delivery;
using spate::detail::FunctionWaiter;
using spate::detail::make_ref;
using spate::detail::Ref;
using spate::detail::SendWaiter;
using spate::detail::Subscription;
using spate::test::RegistryParts;

constexpr std::size_t max_bytes = 1000;

/// One loop with two streams, and what waits for it.
struct Loop {
  Loop() {
    parts.insert("anna", anna);
    parts.insert("bert", bert);
    backlog.add(Ref<spate::detail::Feed>(&anna->feed()));
  }
  std::size_t send(const Audience& audience, const EncodedEvent& event) {
    Delivery delivery(parts.members, backlog.feeds(), receivers, audience, event.name());
    return delivery.post(event);
  }

  RegistryParts parts;
  const Ref<Subscription> anna = parts.subscription(), bert = parts.subscription({"note"});
  Backlog backlog{max_bytes};
  Delivery::Receivers receivers;
  const Ref<SendWaiter> waiter = make_ref<FunctionWaiter>([](std::error_code) {});
};

const EncodedEvent large(Event(std::string(2 * max_bytes, 'x')));

}  // namespace

TEST_CASE("an event reaches those whom it is for", "[registry]") {
  Loop loop;
  CHECK(loop.send(Audience::user("anna"), EncodedEvent(Event("x"))) == 1);
  CHECK(loop.receivers == Delivery::Receivers{loop.anna.get()});
  CHECK(loop.send(Audience::user("bert"), EncodedEvent(Event("x"))) == 0);
  CHECK(loop.send(Audience::user("bert"), EncodedEvent(Event("x").name("note"))) == 1);
  CHECK(loop.send(Audience::group(""), EncodedEvent(Event("x").name("note"))) == 2);
  CHECK(loop.send(Audience::user("carl"), EncodedEvent(Event("x"))) == 0);
  // A broadcast is posted to the loop, whoever listens there.
  CHECK(loop.send(Audience::everybody(), EncodedEvent(Event("x"))) == 1);
  CHECK(loop.receivers.empty());
}

TEST_CASE("who draws from the store is reached, and is posted nothing", "[registry][replay]") {
  Loop loop;
  loop.anna->live = false;
  CHECK(loop.send(Audience::user("anna"), large) == 1);
  CHECK(loop.receivers.empty());
  CHECK(loop.backlog.has_room());
}

TEST_CASE("while a loop is behind a publisher waits, and goes on when it is not", "[registry]") {
  Loop loop;
  CHECK(loop.backlog.wait(loop.waiter));
  CHECK_FALSE(loop.backlog.awaited());
  loop.send(Audience::user("anna"), large);
  CHECK_FALSE(loop.backlog.has_room());
  CHECK_FALSE(loop.backlog.wait(loop.waiter));
  CHECK(loop.backlog.awaited());
  CHECK(loop.backlog.take_if_room().empty());
  // The loop has given it to its stream.
  loop.anna->feed().release_backlog(large.chunk().size());
  const Backlog::Waiters told = loop.backlog.take_if_room();
  REQUIRE(told.size() == 1);
  CHECK(told[0] == loop.waiter);
  CHECK_FALSE(loop.backlog.awaited());
  CHECK(loop.backlog.take_if_room().empty());
}

TEST_CASE("who waits is told when it is over", "[registry]") {
  Loop loop;
  loop.send(Audience::user("anna"), large);
  CHECK_FALSE(loop.backlog.wait(loop.waiter));
  CHECK(loop.backlog.close() == Backlog::Waiters{loop.waiter});
  CHECK_FALSE(loop.backlog.awaited());
  CHECK(loop.backlog.feeds().empty());
}
