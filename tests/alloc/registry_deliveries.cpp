// What a delivery costs: no memory, once the loop has warmed up.
#include <cstddef>
#include <string>
#include <vector>

#include <spate/registry/emitter.hpp>
#include "alloc/memory/memory.hpp"
#include "support/catch.hpp"
#include "support/emitter_server.hpp"

namespace {

using namespace spate::test;
using spate::Event;

/// So many streams of as many users on one loop, and how often that loop allocates.
class Crowd {
 public:
  explicit Crowd(std::size_t streams) {
    for (std::size_t i = 0; i < streams; ++i) clients_.push_back(hub_.open("/user" + std::to_string(i)));
    // The block of the log that is begun is full after some of these, and the next one is begun.
    for (int i = 0; i < 500; ++i) broadcast();
    for (int i = 0; i < 50; ++i) unicast();
    hub_.in_one_turn([] { count_this_thread(true); });
  }
  ~Crowd() {
    hub_.in_one_turn([] { count_this_thread(false); });
  }

  template <typename Send>
  std::size_t allocations_in(int times, Send send) {
    const std::size_t before = allocations();
    for (int i = 0; i < times; ++i) (this->*send)();
    return allocations() - before;
  }

  /// One event to everybody, who read it before the next one.
  void broadcast() {
    hub_.emitter.broadcast(Event(std::string(100, 'x')));
    for (EventClient& client : clients_) client.next();
  }
  /// One event to each, one after the other.
  void unicast() {
    for (std::size_t i = 0; i < clients_.size(); ++i) hub_.emitter.send("user" + std::to_string(i), Event("x"));
    for (EventClient& client : clients_) client.next();
  }

 private:
  EmitterServer hub_;
  std::vector<EventClient> clients_;
};

}  // namespace

TEST_CASE("a broadcast allocates nothing for each stream it reaches", "[registry][cost]") {
  Crowd few(2), many(60);
  constexpr int events = 1'000;
  const std::size_t for_few = few.allocations_in(events, &Crowd::broadcast),
                    for_many = many.allocations_in(events, &Crowd::broadcast);
  CAPTURE(for_few, for_many);
  // What is left are the blocks of the log, some bytes an event, however many streams there are. A single allocation
  // for each delivery would be 60,000.
  CHECK(for_many < events / 10);
  CHECK(for_many <= for_few + events / 20);
}

TEST_CASE("an event to one user allocates nothing on the loop that delivers it", "[registry][cost]") {
  Crowd crowd(60);
  constexpr int rounds = 100;
  const std::size_t count = crowd.allocations_in(rounds, &Crowd::unicast);
  CAPTURE(count);
  // Containers grow and shrink by the hundred.
  CHECK(count < rounds * 60 / 10);
}
