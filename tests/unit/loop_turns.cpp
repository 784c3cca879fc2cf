// One loop: what is posted to it, whose turn it is, which moments come. No sockets; time stands until it is moved.
#include <cstddef>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/loop/detail/inbox_reservation.hpp>
#include <spate/loop/detail/resident.hpp>
#include <spate/wire/encoded_event.hpp>
#include <spate/wire/event.hpp>

#include "support/catch.hpp"
#include "support/held_loop.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::detail;
using namespace spate::test;
using namespace std::chrono_literals;

namespace {

/// Notes what happens to it, as "name: what".
class Noting final : public Resident {
 public:
  Noting(std::string name, Texts& notes) : name_(std::move(name)), notes_(notes) {}

  template <int Number>
  void receive(EncodedEvent&& event) {
    note(std::to_string(Number) + (event ? " with an event" : ""));
    if (on_receive) on_receive();
  }
  void on_timer(TimePoint) override {
    note("moment");
    if (on_moment) on_moment();
  }
  void on_failure(std::error_code error) override { note("failed, " + error.message()); }
  Remaining flush(int& budget) override {
    note("flush");
    budget -= cost;
    if (--flushes > 0) return remaining;
    return Remaining::nothing;
  }

  std::function<void()> on_receive, on_moment;
  int flushes = 1;
  int cost = 1;
  Remaining remaining = Remaining::some;

 private:
  void note(const std::string& what) { notes_.push_back(name_ + ": " + what); }

  const std::string name_;
  Texts& notes_;
};

}  // namespace

TEST_CASE("messages arrive in the order in which they were posted, in the loop's turn", "[loop]") {
  HeldLoop loop;
  Texts notes;
  const auto a = make_ref<Noting>("a", notes);
  const auto b = make_ref<Noting>("b", notes);
  CHECK(loop.shard().post(call<&Noting::receive<1>>(a)));
  CHECK(loop.shard().post(call<&Noting::receive<2>>(b, EncodedEvent(Event("x")))));
  CHECK(loop.shard().post(call<&Noting::receive<3>>(a)));
  CHECK(notes.empty());  // never inside the call
  loop.turn();
  CHECK(notes == Texts{"a: 1", "b: 2 with an event", "a: 3"});
}

TEST_CASE("a condition is asked in one step with the post", "[loop]") {
  HeldLoop loop;
  Texts notes;
  const auto a = make_ref<Noting>("a", notes);
  CHECK_FALSE(loop.shard().post_if([] { return false; }, call<&Noting::receive<1>>(a)));
  CHECK(loop.shard().post_if([] { return true; }, call<&Noting::receive<2>>(a)));
  loop.turn();
  CHECK(notes == Texts{"a: 2"});
}

TEST_CASE("what a resident posts while it is told something comes in the same turn", "[loop]") {
  HeldLoop loop;
  Texts notes;
  const auto a = make_ref<Noting>("a", notes);
  const auto b = make_ref<Noting>("b", notes);
  a->on_receive = [&] { loop.shard().post(call<&Noting::receive<7>>(b)); };
  loop.shard().post(call<&Noting::receive<1>>(a));
  loop.turn();
  CHECK(notes == Texts{"a: 1", "b: 7"});
}

TEST_CASE("reserved posts are used or given back, and none can be reserved once the loop has stopped",
          "[loop][reservation]") {
  HeldLoop loop;
  Texts notes;
  const auto a = make_ref<Noting>("a", notes);
  {
    InboxReservation reservation(loop.shard(), 2);
    CHECK(reservation.post(call<&Noting::receive<1>>(a)));
  }
  {
    InboxReservation reservation(loop.shard(), 1);
    CHECK(reservation.post(call<&Noting::receive<2>>(a)));
    CHECK_FALSE(reservation.post(call<&Noting::receive<3>>(a)));  // it was for one
  }
  loop.turn();
  CHECK(notes == Texts{"a: 1", "a: 2"});
  loop.shard().stop();
  InboxReservation reservation(loop.shard(), 1);
  CHECK_FALSE(reservation.post(call<&Noting::receive<4>>(a)));
  CHECK_FALSE(loop.shard().post(call<&Noting::receive<5>>(a)));
}

TEST_CASE("what was posted before a stop still arrives, and nothing after it", "[loop][stop]") {
  HeldLoop loop;
  Texts notes;
  const auto a = make_ref<Noting>("a", notes);
  loop.shard().post(call<&Noting::receive<1>>(a));
  loop.shard().stop();
  CHECK(notes == Texts{"a: 1"});
  CHECK(loop.shard().stopped());
  CHECK_FALSE(loop.shard().run([] {}));
  loop.turn();
  CHECK(notes == Texts{"a: 1"});
}

TEST_CASE("moments come in their order, each once, and not before their time", "[loop][timer]") {
  HeldLoop loop;
  Texts notes;
  const auto a = make_ref<Noting>("a", notes);
  const auto b = make_ref<Noting>("b", notes);
  loop.shard().set_timer(*a, loop.now() + 20s);
  loop.shard().set_timer(*b, loop.now() + 10s);
  loop.let_pass(9s);
  CHECK(notes.empty());
  loop.let_pass(1s);
  CHECK(notes == Texts{"b: moment"});
  loop.let_pass(60s);
  CHECK(notes == Texts{"b: moment", "a: moment"});
}

TEST_CASE("a moment that is set again moves, and one that is taken back never comes", "[loop][timer]") {
  HeldLoop loop;
  Texts notes;
  const auto a = make_ref<Noting>("a", notes);
  loop.shard().set_timer(*a, loop.now() + 10s);
  loop.shard().set_timer(*a, loop.now() + 30s);
  loop.let_pass(20s);
  CHECK(notes.empty());
  loop.let_pass(10s);
  CHECK(notes == Texts{"a: moment"});
  loop.shard().set_timer(*a, loop.now() + 10s);
  loop.shard().set_timer(*a, never);
  loop.let_pass(1h);
  CHECK(notes == Texts{"a: moment"});
}

TEST_CASE("a moment may set the next one", "[loop][timer]") {
  HeldLoop loop;
  Texts notes;
  const auto a = make_ref<Noting>("a", notes);
  a->on_moment = [&] { loop.shard().set_timer(*a, loop.shard().now() + 15s); };
  loop.shard().set_timer(*a, loop.now() + 15s);
  loop.let_pass(60s);
  CHECK(notes == Texts(4, "a: moment"));
  loop.shard().set_timer(*a, never);
}

TEST_CASE("after a standstill sockets are served before the moments that have passed come", "[loop][timer]") {
  HeldLoop loop;
  Texts notes;
  const auto a = make_ref<Noting>("a", notes);
  loop.shard().set_timer(*a, loop.now() + 1s);
  loop.clock().move_to(loop.now() + 5s);  // at once, as when the process was stopped
  loop.shard().run([] {});
  loop.turn();
  CHECK(notes.empty());  // for half a second, what clients did meanwhile has its turn
  loop.clock().move_to(loop.now() + 499ms);
  loop.shard().run([] {});
  loop.turn();
  CHECK(notes.empty());
  loop.clock().move_to(loop.now() + 1ms);
  loop.shard().run([] {});
  loop.turn();
  CHECK(notes == Texts{"a: moment"});
}

TEST_CASE("what one resident throws ends that one, and is told when the others have had their turn",
          "[loop][failure]") {
  HeldLoop loop;
  Texts notes;
  const auto a = make_ref<Noting>("a", notes);
  const auto b = make_ref<Noting>("b", notes);
  a->on_receive = [] { throw std::runtime_error("a's own"); };
  loop.shard().post(call<&Noting::receive<1>>(a));
  loop.shard().post(call<&Noting::receive<2>>(b));
  CHECK_THROWS_WITH(loop.turn(), "a's own");
  CHECK(notes == Texts{"a: 1", "a: failed, " + make_error_code(Errc::handler_failed).message(), "b: 2"});
  loop.shard().post(call<&Noting::receive<3>>(b));
  loop.turn();
  CHECK(notes.back() == "b: 3");  // the loop goes on
}

TEST_CASE("what is new and what is bulk share a turn, so that neither waits for the other's end", "[loop][budget]") {
  HeldLoop loop;
  Texts notes;
  const auto small = make_ref<Noting>("small", notes);
  const auto large = make_ref<Noting>("large", notes);
  large->flushes = 4;
  large->cost = 16;
  large->remaining = Remaining::bulk;
  small->flushes = 3;
  small->cost = 16;
  loop.shard().run([&] {
    loop.shard().mark_dirty(large);
    loop.shard().mark_dirty(small);
  });
  loop.turn();
  CHECK(notes == Texts{"large: flush", "large: flush", "small: flush", "large: flush", "small: flush", "large: flush",
                       "small: flush"});
}
