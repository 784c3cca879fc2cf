// A network within one program: what it tells its nodes, and when.
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>

#include <spate/cluster/in_process_bus.hpp>
#include "support/catch.hpp"
#include "support/noting_listener.hpp"
#include "support/texts.hpp"

using namespace spate::test;
using namespace std::chrono_literals;
using spate::Audience;
using spate::Event;
using spate::InProcessBus;
using spate::InProcessNetwork;
using spate::UserCommand;

namespace {

constexpr auto with_log = InProcessNetwork::Kind::log;
constexpr auto with_relay = InProcessNetwork::Kind::relay;

/// A network whose strand runs when the test says so, by a clock that stands until it is moved.
struct Network {
  explicit Network(InProcessNetwork::Kind kind)
      : network(std::make_shared<InProcessNetwork>(io.get_executor(), kind, [this] { return now; })) {}

  void turn() {
    io.restart();
    io.poll();
  }

  asio::io_context io;
  InProcessNetwork::Clock::time_point now{1h};
  const std::shared_ptr<InProcessNetwork> network;
};

struct Node {
  explicit Node(Network& in) : network(in), bus(in.network->join()) {
    bus->attach(listener);
    network.turn();
  }

  void publish(const Audience& audience, const Event& event) const {
    CHECK_FALSE(bus->publish(audience, event, {}));
    network.turn();
  }
  void command(const UserCommand& command) const {
    CHECK_FALSE(bus->command(command));
    network.turn();
  }
  Texts notes() const { return listener->notes.entries(); }

  Network& network;
  const std::shared_ptr<InProcessBus> bus;
  const std::shared_ptr<NotingListener> listener = std::make_shared<NotingListener>();
};

const UserCommand join{UserCommand::Kind::join, "anna", {"a", "b"}};
const UserCommand removal{UserCommand::Kind::remove, "anna", {}};
const std::vector<std::string> topics{"a", "b"};

}  // namespace

TEST_CASE("a relay tells the other nodes of commands, topics, and what an event asks for", "[cluster][in process]") {
  Network network(with_relay);
  Node a(network), b(network), c(network);
  a.publish(Audience::topic("a"), Event("1").keep_for(5s));
  a.command(join);
  a.publish(Audience::topics(topics), Event("2").keep(false));
  a.command(removal);
  for (const Node* node : {&b, &c}) {
    CHECK(node->notes() == Texts{"topic a: 1", "join anna a b", "passing, topics a b: 2", "remove anna"});
    CHECK(node->listener->events().front() == Event("1").keep_for(5s));
  }
  CHECK(a.notes().empty());
  CHECK(b.bus->status().received == 4);
  CHECK(a.bus->status().published == 4);
  CHECK(a.bus->status().queued == 0);
}

TEST_CASE("a relay tells a node that was away that it missed something, if only a command", "[cluster][in process]") {
  Network network(with_relay);
  Node a(network), b(network);
  b.bus->hold();
  a.command(join);
  b.bus->release();
  network.turn();
  CHECK(b.notes() == Texts{"missed"});
}

TEST_CASE("a log tells commands to every node in their place, and their numbers leave no gap",
          "[cluster][in process]") {
  Network network(with_log);
  Node a(network), b(network);
  a.publish(Audience::everybody(), Event("1"));
  a.command(join);
  a.publish(Audience::topics(topics), Event("2"));
  b.command(removal);
  for (const Node* node : {&a, &b}) {
    CHECK(node->notes() == Texts{"restarted", "everybody: 1", "passing, users", "join anna a b", "topics a b: 2",
                                 "passing, users", "remove anna"});
    CHECK(node->listener->newest() == 40);
    CHECK_FALSE(node->listener->has_gap("anna"));
  }
}

TEST_CASE("a log tells a node that starts no old commands, and one that was away those it missed",
          "[cluster][in process]") {
  Network network(with_log);
  Node a(network);
  a.command(join);
  a.publish(Audience::everybody(), Event("1"));
  Node b(network);
  CHECK(b.notes() == Texts{"restarted", "passing, users", "everybody: 1"});
  CHECK_FALSE(b.listener->has_gap("anna"));
  b.bus->hold();
  a.command(removal);
  CHECK(b.notes().size() == 3);
  b.bus->release();
  network.turn();
  CHECK(b.notes().back() == "remove anna");
  // All of the log that follows is newer than the node.
  b.bus->hold();
  network.network->lose_log();
  a.command(join);
  b.bus->release();
  network.turn();
  CHECK(b.notes().back() == "join anna a b");
  // Another listener knows nothing of what was before.
  const auto next = std::make_shared<NotingListener>();
  b.bus->attach(next);
  network.turn();
  CHECK(next->notes.entries() == Texts{"restarted", "passing, users"});
}

TEST_CASE("in a log time passes for what is kept for a while; what has expired is kept no more",
          "[cluster][in process]") {
  Network network(with_log);
  Node a(network), away(network);
  away.bus->hold();
  a.publish(Audience::everybody(), Event("long").keep_for(10s));
  a.publish(Audience::everybody(), Event("short").keep_for(2s));
  a.publish(Audience::everybody(), Event("typing").keep(false));
  a.publish(Audience::everybody(), Event("always"));
  CHECK(a.listener->events()[0] == Event("long").keep_for(10s));
  network.now += 1999ms;
  Node b(network);
  CHECK(b.listener->events()[0] == Event("long").keep_for(8001ms));
  CHECK(b.listener->events()[1] == Event("short").keep_for(1ms));
  network.now += 1ms;
  Node c(network);
  away.bus->release();
  network.turn();
  for (const Node* node : {&c, &away}) {
    CHECK(node->notes() == Texts{"restarted", "everybody: long", "passing, everybody: short",
                                 "passing, everybody: typing", "everybody: always"});
    CHECK(node->listener->events()[0] == Event("long").keep_for(8s));
    CHECK(node->listener->kept_for("anna").size() == 2);
    CHECK_FALSE(node->listener->has_gap("anna"));
  }
}

TEST_CASE("a bus that takes no commands says so", "[cluster][bus]") {
  class Plain final : public spate::Bus {
   public:
    bool keeps_log() const noexcept override { return false; }
    std::error_code publish(const Audience&, const Event&, Published) override { return {}; }
    void attach(std::shared_ptr<spate::BusListener>) override {}
    void detach() override {}
    void changed(std::string_view, std::size_t) override {}
    void ask_newest(Published) override {}
    void ask_users(std::function<void(std::error_code, std::vector<spate::UserStreams>)>) override {}
    void ask_counts(std::function<void(std::error_code, spate::UserCounts)>) override {}
    spate::BusStatus status() const override { return {}; }
  };
  Plain bus;
  CHECK(bus.command(join) == std::errc::operation_not_supported);
}
