// Memory that runs out at any allocation of the server's loop while a client listens and others ask.
#include <string>
#include <vector>

#include "fault/calls/scenario.hpp"

using namespace spate;
using namespace spate::test;

TEST_CASE("no allocation that fails once costs an event, or the server", "[fault]") {
  // The first allocation of the loop, the second, ... until the whole scenario has no more.
  long struck = 0;
  for (long skip = 0;; ++skip) {
    INFO("after " << skip << " allocations");
    const std::size_t descriptors = open_descriptors();
    bool hit = false;
    {
      Scenario scenario;
      try {
        const FailingAllocation failing(skip);
        scenario.run();
        hit = failing.struck();
      } catch (const Failure& failure) {
        FAIL_CHECK(failure.what());
        ++struck;
        continue;
      }
      const bool seen = scenario.connects > 1 || scenario.asks > 2;
      INFO(scenario.connects << " connects, " << scenario.asks << " requests");
      // Nobody is cut without a word to the program.
      if (seen) CHECK(scenario.told.size() + scenario.stats().accept_errors > 0);
      if (!hit) CHECK_FALSE(seen);
      for (const std::string& each : scenario.told.entries()) {
        const bool is_memory = each == "std::bad_alloc" ||
                               each == std::make_error_code(std::errc::not_enough_memory).message() ||
                               each == make_error_code(Errc::handler_failed).message();
        INFO(each);
        CHECK(is_memory);
      }
      scenario.go_on();
    }
    CHECK(eventually([&] { return open_descriptors() == descriptors; }));
    if (!hit) break;
    ++struck;
  }
  CHECK(struck > 60);
}
