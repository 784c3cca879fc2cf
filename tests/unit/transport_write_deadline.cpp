// Whether a client takes what it is sent.
#include <chrono>
#include <cstddef>

#include <spate/transport/detail/write_deadline.hpp>
#include "support/catch.hpp"

namespace spate::detail {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint t0{1000h};
constexpr WriteLimits limits{20s, 20'000};
constexpr std::size_t nothing_taken = 0;

WriteDeadline blocked(TimePoint at, std::size_t unacknowledged) {
  WriteDeadline deadline;
  deadline.stalled(at, nothing_taken, unacknowledged);
  return deadline;
}

TEST_CASE("who has taken all has no deadline", "[transport][deadline]") {
  WriteDeadline deadline = blocked(t0, 100);
  CHECK(deadline.next(limits) == t0 + 20s);
  deadline.wrote(t0 + 1s);
  CHECK_FALSE(deadline.blocked());
  CHECK(deadline.next(limits) == never);
  CHECK(blocked(t0, 100).next({}) == never);  // it is switched off
}

TEST_CASE("who acknowledges enough in each deadline is waited for", "[transport][deadline]") {
  std::size_t unacknowledged = 4'000'000;
  WriteDeadline deadline = blocked(t0, unacknowledged);
  for (TimePoint now = t0 + 20s; now < t0 + 500s; now += 20s) {
    // The kernel asks for no byte in all that time, because it has so many.
    unacknowledged -= 20'000;
    CHECK(deadline.keeps_up(now, unacknowledged, limits));
    CHECK(deadline.next(limits) == now + 20s);
  }
}

TEST_CASE("who acknowledges less is given up, however often the kernel takes some", "[transport][deadline]") {
  WriteDeadline deadline = blocked(t0, 100'000);
  SECTION("a byte now and then") {
    CHECK_FALSE(deadline.keeps_up(t0 + 20s, 99'980, limits));
  }
  SECTION("one too few, with what was written meanwhile") {
    deadline.stalled(t0 + 7s, 30'000, 0);
    deadline.stalled(t0 + 14s, 30'000, 0);
    CHECK_FALSE(deadline.keeps_up(t0 + 20s, 140'001, limits));
  }
  SECTION("nothing, though some had been counted that it sent back") {
    CHECK_FALSE(deadline.keeps_up(t0 + 20s, 100'001, limits));
  }
  SECTION("enough once, and then no more") {
    CHECK(deadline.keeps_up(t0 + 20s, 50'000, limits));
    CHECK_FALSE(deadline.keeps_up(t0 + 40s, 50'000, limits));
  }
}

TEST_CASE("where nobody can tell, what is taken counts as acknowledged", "[transport][deadline]") {
  WriteDeadline deadline = blocked(t0, 0);
  deadline.stalled(t0 + 10s, 15'000, 0);
  deadline.stalled(t0 + 15s, 5'000, 0);
  CHECK(deadline.keeps_up(t0 + 20s, 0, limits));
  deadline.stalled(t0 + 30s, 19'999, 0);
  CHECK_FALSE(deadline.keeps_up(t0 + 40s, 0, limits));
}

TEST_CASE("more than can be counted has been acknowledged is enough", "[transport][deadline]") {
  WriteDeadline deadline = blocked(t0, 1'000'000);
  deadline.stalled(t0 + 1s, std::size_t{8} << 30, 0);
  CHECK(deadline.keeps_up(t0 + 20s, 1'000'000, limits));
}

}  // namespace
}  // namespace spate::detail
