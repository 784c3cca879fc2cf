// Who listens on all nodes, this one among them.
#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/error.hpp>
#include <spate/registry/detail/census.hpp>
#include "support/catch.hpp"

namespace {

using spate::Audience;
using spate::Event;
using spate::UserCounts;
using spate::UserStreams;
using spate::detail::Census;
using AllUsers = std::vector<UserStreams>;

/// This node, and who is here.
class Node final : public spate::BusListener {
 public:
  explicit Node(AllUsers users) : users_(std::move(users)) {}

  void relayed(const Audience&, const Event&) override {}
  void missed() override {}
  void restarted(std::string_view) override {}
  void trimmed(std::uint64_t) override {}
  void appended(std::uint64_t, const Audience&, const Event&) override {}
  void reached_end(std::uint64_t) override {}
  void commanded(const spate::UserCommand&) override {}
  AllUsers users_here(std::string_view after, std::size_t limit) const override {
    AllUsers some;
    for (const UserStreams& user : users_) {
      if (user.first > after && some.size() < limit) some.push_back(user);
    }
    return some;
  }
  UserCounts counts_here() const override { return {users_.size(), users_.size()}; }

 private:
  const AllUsers users_;
};

/// A bus whose answers the test gives.
class HeldBus final : public spate::Bus {
 public:
  bool keeps_log() const noexcept override { return false; }
  std::error_code publish(const Audience&, const Event&, Published) override { return {}; }
  void attach(std::shared_ptr<spate::BusListener>) override {}
  void detach() override {}
  void changed(std::string_view, std::size_t) override {}
  void ask_newest(Published) override {}
  void ask_users(std::function<void(std::error_code, AllUsers)> done) override {
    if (broken) throw std::runtime_error("broken");
    asked.push_back(std::move(done));
  }
  void ask_counts(std::function<void(std::error_code, UserCounts)> done) override { done({}, {7, 9}); }
  spate::BusStatus status() const override { return {}; }

  bool broken = false;
  std::vector<std::function<void(std::error_code, AllUsers)>> asked;
};

/// Somebody who asks, and what they were told.
struct Asker {
  Census::Users::Done hears() {
    return [this](std::error_code why, const std::shared_ptr<const AllUsers>& users) {
      ++told;
      error = why;
      all = users ? *users : AllUsers();
    };
  }

  int told = 0;
  std::error_code error;
  AllUsers all;
};

std::shared_ptr<const Node> node(AllUsers users) {
  return std::make_shared<const Node>(std::move(users));
}

}  // namespace

TEST_CASE("without a bus this node is the only one", "[registry][cluster]") {
  Census census(nullptr);
  Asker asker;
  census.ask_users(node({{"anna", 1}, {"bert", 2}}), asker.hears());
  CHECK(asker.told == 1);
  CHECK(asker.all == AllUsers{{"anna", 1}, {"bert", 2}});
  UserCounts counts;
  census.ask_counts(node({{"anna", 1}}), [&](std::error_code, const auto& told) { counts = *told; });
  CHECK(counts.users == 1);
}

TEST_CASE("a user of two nodes comes once, with the streams of both", "[registry][cluster]") {
  HeldBus bus;
  Census census(&bus);
  Asker asker;
  census.ask_users(node({{"anna", 1}, {"bert", 2}}), asker.hears());
  CHECK(asker.told == 0);
  REQUIRE(bus.asked.size() == 1);
  bus.asked[0]({}, {{"adam", 1}, {"bert", 3}, {"carl", 1}});
  CHECK(asker.told == 1);
  CHECK_FALSE(asker.error);
  CHECK(asker.all == AllUsers{{"adam", 1}, {"anna", 1}, {"bert", 5}, {"carl", 1}});
}

TEST_CASE("all users of this node are told of, however many they are", "[registry][cluster]") {
  AllUsers here;
  for (int i = 0; i < 1'234; ++i) here.emplace_back("user " + std::to_string(10'000 + i), 1);
  Census census(nullptr);
  Asker asker;
  census.ask_users(node(here), asker.hears());
  CHECK(asker.all == here);
}

TEST_CASE("the bus is asked once for all who want to know", "[registry][cluster]") {
  HeldBus bus;
  Census census(&bus);
  Asker first, second;
  census.ask_users(node({}), first.hears());
  census.ask_users(node({}), second.hears());
  REQUIRE(bus.asked.size() == 1);
  bus.asked[0](spate::Errc::bus_lost, {});
  CHECK(first.error == spate::Errc::bus_lost);
  CHECK(second.error == spate::Errc::bus_lost);
  UserCounts counts;
  census.ask_counts(node({}), [&](std::error_code, const auto& told) { counts = *told; });
  CHECK(counts.users == 7);
  CHECK(counts.streams == 9);
}

TEST_CASE("whoever asks is told though the bus could not be asked", "[registry][cluster]") {
  HeldBus bus;
  bus.broken = true;
  Census census(&bus);
  Asker asker;
  CHECK_THROWS_AS(census.ask_users(node({}), asker.hears()), std::runtime_error);
  CHECK(asker.told == 1);
  CHECK(asker.error == spate::Errc::bus_lost);
}

TEST_CASE("the ids of a group are those that begin so", "[registry][cluster]") {
  const AllUsers all{{"anna", 1}, {"team-a", 1}, {"team-b", 2}, {"tim", 1}};
  CHECK(Census::ids_of(all, "team-") == std::vector<std::string>{"team-a", "team-b"});
  CHECK(Census::ids_of(all, "").size() == all.size());
  CHECK(Census::ids_of(all, "zoe").empty());
}
