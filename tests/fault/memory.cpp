// Memory that runs out at any allocation of the server's loop while a client listens and others ask.
#include <atomic>
#include <cstddef>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <spate/server/server.hpp>
#include "fault/calls/scenario.hpp"
#include "support/client.hpp"
#include "support/serving.hpp"

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

TEST_CASE("a server stops whole, whatever allocation fails meanwhile", "[fault]") {
  long struck = 0;
  for (long skip = 0;; ++skip) {
    INFO("after " << skip << " allocations");
    std::atomic<int> told{0};
    Awaited<PendingResponse> handle;
    Serving serving(
        [&](Server& server) {
          server.stream("/stream", [&](const EventStream& stream) {
            stream.on_complete([&] { ++told; });
            stream.open();
          });
          server.get("/pending", [&](const Request&, PendingResponse pending) {
            pending.on_error([&](std::error_code) { ++told; });
            handle.set(std::move(pending));
            mark_this_thread();
          });
        },
        any_port(1));
    std::vector<Client> clients;
    for (const char* target : {"/stream", "/stream", "/pending"}) {
      clients.emplace_back(serving.port());
      clients.back().get(target);
    }
    for (int i = 0; i < 2; ++i) clients[static_cast<std::size_t>(i)].read_head();
    const PendingResponse pending = handle.take();
    bool hit = false;
    {
      const FailingAllocation failing(skip);
      std::thread([&] {
        mark_this_thread();
        serving.server().stop();
      }).join();
      hit = failing.struck();
    }
    for (Client& client : clients) client.read_to_end();
    CHECK(eventually([&] { return told == 3; }));
    if (!hit) break;
    ++struck;
  }
  CHECK(struck > 3);
}
