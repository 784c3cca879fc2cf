// The hub as one of several: what --redis, --cluster-mode and --node say, and the bus that comes of it.
#pragma once

#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <asio/any_io_executor.hpp>

#include <spate/cluster/redis_options.hpp>
#include <spate/program.hpp>
#include <spate/registry/bus.hpp>
#ifdef HUB_HAS_REDIS
#include <spate/cluster/redis_bus.hpp>
#endif

namespace hub {

class ClusterSettings {
 public:
  void add_options(spate::Program& program) {
    program.option("--redis", "URL", "act as one with the hubs there: redis://[user:password@]host:port[/database]",
                   [this](const std::string& text) {
#ifndef HUB_HAS_REDIS
                     throw std::invalid_argument("this hub was built without hiredis");
#endif
                     redis_.url = text;
                     wanted_ = true;
                   });
    program.option("--cluster-mode", "MODE", "durable, directed or broadcast (durable)",
                   [this](const std::string& text) {
                     const auto mode = spate::parse_cluster_mode(text);
                     if (!mode) throw std::invalid_argument(spate::detail::quote(text) + " is no mode");
                     redis_.mode = *mode;
                   });
    program.option("--node", "NAME", "this hub's name among them (a random one)", [this](const std::string& text) {
      if (text.empty()) throw std::invalid_argument("\"\" is no name");
      redis_.node = text;
    });
  }

  /// What joins this hub to the others, or null when it is alone. `replay_events`: what a node keeps, and so the log at
  /// least. Throws std::invalid_argument with what is wrong, never with a password.
  std::shared_ptr<spate::Bus> make_bus([[maybe_unused]] const asio::any_io_executor& executor,
                                       [[maybe_unused]] std::size_t replay_events) const {
    if (!wanted_) return nullptr;
#ifdef HUB_HAS_REDIS
    spate::RedisOptions options = redis_;
    options.log_events = std::max(options.log_events, replay_events);
    options.on_bus_error = [](std::error_code, const std::string& what) {
      std::cerr << "hub: redis: " << what << std::endl;
    };
    return std::make_shared<spate::RedisBus>(executor, std::move(options));
#else
    return nullptr;
#endif
  }

 private:
  spate::RedisOptions redis_;
  bool wanted_ = false;
};

}  // namespace hub
