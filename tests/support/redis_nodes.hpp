// Nodes of a cluster: each an emitter behind a server, and its bus on a loop of its own.
//
//   RedisServer redis;
//   RedisNodeServer a(redis.url()), b(redis.url());
//   EventClient anna = a.hub.open("/anna");
//   b.hub.emitter.send("anna", Event("hello"));
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/cluster/redis_bus.hpp>
#include "support/emitter_server.hpp"
#include "support/event_client.hpp"
#include "support/eventually.hpp"
#include "support/sending.hpp"
#include "support/serving.hpp"

namespace spate::test {

inline RedisOptions redis_options(const std::string& url, ClusterMode mode = ClusterMode::durable,
                                  std::string node = {}) {
  RedisOptions options;
  options.url = url;
  options.mode = mode;
  options.node = std::move(node);
  options.min_retry = std::chrono::milliseconds(20);
  options.max_retry = std::chrono::milliseconds(200);
  return options;
}

class RedisNodeServer {
 public:
  explicit RedisNodeServer(RedisOptions options, EmitterOptions emitter = with_store())
      : bus(std::make_shared<RedisBus>(loop.io.get_executor(), noting(std::move(options)))),
        hub(with_bus(std::move(emitter), bus)) {}
  explicit RedisNodeServer(const std::string& url) : RedisNodeServer(redis_options(url)) {}
  ~RedisNodeServer() { bus->close(); }

  /// Connected, and it knows what the log has.
  bool is_connected() const {
    return eventually([&] { return bus->status().connected; });
  }
  bool comes_to(const std::function<bool(const BusStatus&)>& condition) const {
    return eventually([&] { return condition(bus->status()); });
  }

  Journal faults;  // what the bus's hook was told, as long as its loop runs
  Loop loop;
  const std::shared_ptr<RedisBus> bus;
  EmitterServer hub;

 private:
  static EmitterOptions with_bus(EmitterOptions&& options, std::shared_ptr<Bus> bus) {
    options.bus = std::move(bus);
    return std::move(options);
  }
  RedisOptions noting(RedisOptions&& options) {
    options.on_bus_error = [this](std::error_code error, const std::string& what) {
      faults.add(error.message() + ": " + what);
    };
    return std::move(options);
  }
};

/// Two nodes that are connected, and on the second of them a stream of anna's, which is open.
class TwoNodes {
 public:
  explicit TwoNodes(const std::string& url) : TwoNodes(redis_options(url)) {}
  explicit TwoNodes(const RedisOptions& both) : TwoNodes(both, both) {}
  TwoNodes(RedisOptions first, RedisOptions second)
      : a(std::move(first)), b(std::move(second)), there(connected().hub.open("/anna?greet=1")) {
    there.next();
  }

  RedisNodeServer a, b;
  EventClient there;

 private:
  const RedisNodeServer& connected() const {
    if (!a.is_connected() || !b.is_connected()) throw Failure("a node does not connect to Redis");
    return b;
  }
};

inline std::vector<std::string> numbers(int from, int to) {
  std::vector<std::string> all;
  for (int i = from; i <= to; ++i) all.push_back(std::to_string(i));
  return all;
}

/// Sends them all to anna, and does not wait.
inline std::vector<Sending> send_numbers(RedisNodeServer& node, int from, int to) {
  std::vector<Sending> sendings;
  for (const std::string& number : numbers(from, to)) {
    sendings.emplace_back(node.hub.emitter, Audience::user("anna"), Event(number));
  }
  return sendings;
}

}  // namespace spate::test
