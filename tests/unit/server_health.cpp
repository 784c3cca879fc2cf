// What a server says about its health.
#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <asio/io_context.hpp>

#include <spate/server/health.hpp>
#include "support/catch.hpp"

using namespace spate;
using namespace std::chrono_literals;

namespace {

ServerOptions somewhere() {
  ServerOptions options;
  options.port = 0;
  return options;
}

const Request get("GET", "/healthz");

}  // namespace

TEST_CASE("a server that is well says ok, and no cache keeps it", "[server][health]") {
  asio::io_context io;
  const Server server(io, somewhere());
  const Response answer = health(server)(get);
  CHECK(answer.status() == 200);
  CHECK(answer.body() == "ok");
  CHECK(answer.header("Cache-Control") == "no-store");
}

TEST_CASE("checks of the program say what is wrong, and it is degraded until they are content", "[server][health]") {
  asio::io_context io;
  const Server server(io, somewhere());
  std::string disk, orders;
  HealthOptions options;
  options.checks = {[&]() -> std::optional<std::string> { return disk; },  // an empty text is no complaint
                    [&]() -> std::optional<std::string> {
                      if (orders.empty()) return std::nullopt;
                      return orders;
                    }};
  SECTION("it goes on to serve") {
    const auto handler = health(server, options);
    CHECK(handler(get).body() == "ok");
    orders = "too many orders wait";
    CHECK(handler(get).status() == 200);
    CHECK(handler(get).body() == "degraded: too many orders wait");
    disk = "the disk is full";
    CHECK(handler(get).body() == "degraded: the disk is full; too many orders wait");
    disk = orders = "";
    CHECK(handler(get).body() == "ok");
  }
  SECTION("it asks not to be sent anybody") {
    options.degraded_status = 503;
    const auto handler = health(server, options);
    CHECK(handler(get).status() == 200);
    disk = "the disk is full";
    CHECK(handler(get).status() == 503);
    CHECK(handler(get).body() == "degraded: the disk is full");
  }
}

TEST_CASE("a server that drains is not to be sent anybody, and yet it lives", "[server][health]") {
  asio::io_context io;
  Server server(io, somewhere());
  bool asked = false;
  HealthOptions options;
  options.checks.emplace_back([&] {
    asked = true;
    return "not asked any more";
  });
  const auto handler = health(server, std::move(options));
  CHECK_FALSE(server.is_draining());
  SECTION("while it shuts down") {
    server.shutdown(1s, [](std::size_t) {});
    io.run();
  }
  SECTION("when it has stopped") {
    server.stop();
  }
  CHECK(server.is_draining());
  CHECK(handler(get).status() == 503);
  CHECK(handler(get).body() == "draining");
  CHECK_FALSE(asked);
  CHECK(liveness()(get).status() == 200);
  CHECK(liveness()(get).body() == "ok");
}

TEST_CASE("a check that throws is a handler that fails, and an empty one is refused", "[server][health]") {
  asio::io_context io;
  const Server server(io, somewhere());
  HealthOptions options;
  options.checks.emplace_back([]() -> std::optional<std::string> { throw std::runtime_error("no database"); });
  CHECK_THROWS_AS(health(server, options)(get), std::runtime_error);
  options.checks.emplace_back();
  CHECK_THROWS_AS(health(server, options), std::invalid_argument);
}

TEST_CASE("a status that no answer can have is refused before anybody complains", "[server][health]") {
  asio::io_context io;
  const Server server(io, somewhere());
  HealthOptions options;
  options.degraded_status = GENERATE(0, 103, 600);
  CHECK_THROWS_AS(health(server, options), std::invalid_argument);
}
