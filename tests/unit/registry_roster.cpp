#include <algorithm>
#include <cstdint>
#include <random>
#include <set>
#include <vector>

#include <spate/registry/detail/roster.hpp>
#include "support/catch.hpp"

namespace {

struct Member {
  std::uint32_t index = 0;
  int visits = 0;
  bool present = false;
};

using Roster = spate::detail::Roster<Member>;

}  // namespace

TEST_CASE("a round visits once whoever stays, while others come and go", "[registry][roster]") {
  std::minstd_rand random(11);
  for (int trial = 0; trial < 2'000; ++trial) {
    std::vector<Member> all(1 + random() % 12);
    Roster roster;
    const auto toggle = [&](Member& member) {
      if (member.present) {
        roster.remove(member);
      } else {
        roster.add(member);
        member.visits = 0;  // who leaves and comes back in the same round is new
      }
      member.present = !member.present;
    };
    for (Member& member : all) {
      if (random() % 4 != 0) toggle(member);
    }
    for (int round = 0; round < 3; ++round) {
      for (Member& member : all) member.visits = 0;
      std::set<Member*> changed;
      roster.restart();
      while (!roster.round_over()) {
        Member& visited = roster.next();
        REQUIRE(visited.present);
        REQUIRE(++visited.visits == 1);
        // The visited one leaves, or several others, as the streams of one connection do.
        for (std::uint32_t changes = random() % 3; changes > 0; --changes) {
          Member& other = random() % 2 == 0 ? visited : all[random() % all.size()];
          if (other.present || changed.insert(&other).second) toggle(other);
        }
      }
      for (const Member& member : all) {
        if (member.present) CHECK(member.visits == 1);
      }
      REQUIRE(roster.size() == static_cast<std::size_t>(std::count_if(
                                   all.begin(), all.end(), [](const Member& each) { return each.present; })));
    }
  }
}

TEST_CASE("who comes next can be looked at ahead of time", "[registry][roster]") {
  std::vector<Member> all(3);
  Roster roster;
  CHECK(roster.ahead(0) == nullptr);
  for (Member& member : all) roster.add(member);
  roster.restart();
  const Member* const first = roster.ahead(0);
  const Member* const second = roster.ahead(1);
  CHECK(&roster.next() == first);
  CHECK(roster.ahead(0) == second);
  CHECK(&roster.next() == second);
  CHECK(roster.ahead(0) != nullptr);
  CHECK(roster.ahead(1) == nullptr);
  roster.next();
  CHECK(roster.ahead(0) == nullptr);
}
