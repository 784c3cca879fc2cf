// Which sequence numbers are too old.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <spate/history/detail/sequence_times.hpp>
#include "support/catch.hpp"

using namespace std::chrono_literals;
using spate::ReplayLimits;
using spate::detail::HistoryClock;
using spate::detail::SequenceTimes;

namespace {

ReplayLimits aged(std::chrono::milliseconds age) {
  ReplayLimits limits;
  limits.max_age = age;
  return limits;
}

}  // namespace

TEST_CASE("a sequence number is too old from its age on, to the millisecond", "[history][age]") {
  SequenceTimes times(aged(100ms));
  HistoryClock::time_point now{1h};
  std::vector<HistoryClock::time_point> given{now};
  for (std::uint64_t sequence = 1; sequence <= 1'000; ++sequence) {
    now += std::chrono::milliseconds(sequence % 7);
    times.note(sequence, now);
    given.push_back(now);
    const std::uint64_t too_old = times.too_old(now);
    if (too_old > 0) REQUIRE(now - given[too_old] >= 100ms);
    REQUIRE(now - given[too_old + 1] < 100ms);
  }
  CHECK(times.too_old(now + 99ms) < 1'000);
  CHECK(times.too_old(now + 100ms) == 1'000);
  times.clear();
  CHECK(times.too_old(now + 1h) == 0);
}

TEST_CASE("a sequence number is too old no later than at its age, and not much earlier, in little memory",
          "[history][age]") {
  SequenceTimes times(aged(1h));
  const HistoryClock::time_point start{1h};
  // Ten a millisecond, for ten minutes.
  for (std::uint64_t sequence = 1; sequence <= 6'000'000; ++sequence) {
    times.note(sequence, start + std::chrono::microseconds(100 * sequence));
  }
  for (std::uint64_t sequence = 1; sequence <= 6'000'000; sequence += 99'991) {
    const HistoryClock::time_point old = start + std::chrono::microseconds(100 * sequence) + 1h;
    REQUIRE(times.too_old(old - 1s) < sequence);
    REQUIRE(times.too_old(old) >= sequence);
  }
}
