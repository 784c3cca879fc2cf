// The hub as one of several: what --redis, --cluster-mode and --node say, and the bus that comes of it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iostream>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <asio/any_io_executor.hpp>

#include <spate/cluster/redis_options.hpp>
#include <spate/history/memory_replay_store.hpp>
#include <spate/program.hpp>
#include <spate/registry/bus.hpp>
#ifdef HUB_HAS_REDIS
#include <spate/cluster/redis_bus.hpp>
#include <spate/wire/text.hpp>
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
                     if (!mode) throw std::invalid_argument(spate::quote(text) + " is no mode");
                     redis_.mode = *mode;
                   });
    program.option("--redis-log-events", "N", "events that Redis keeps (100000, or --replay-events if that is more)",
                   [this](const std::string& text) { log_events_ = positive(text); });
    program.option("--redis-log-bytes", "N", "bytes of events that Redis keeps (as --replay-bytes)",
                   [this](const std::string& text) { log_bytes_ = positive(text); });
    program.option("--redis-log-age-ms", "N", "how long Redis keeps events; 0 sets no limit", redis_.log_age);
    program.option("--redis-wait-replicas", "N", "replicas of Redis that must have an event before it is accepted",
                   redis_.wait_replicas);
    program.option("--node", "NAME", "this hub's name among them (a random one)", [this](const std::string& text) {
      if (text.empty()) throw std::invalid_argument("\"\" is no name");
      redis_.node = text;
    });
  }

  /// Whether the log in Redis is the history.
  bool keeps_log() const noexcept { return wanted_ && redis_.mode == spate::ClusterMode::durable; }

  /// What joins this hub to the others, or null when it is alone. `replay` is what a node keeps, and unless told
  /// otherwise the log too. Throws std::invalid_argument with what is wrong, never with a password.
  std::shared_ptr<spate::Bus> make_bus([[maybe_unused]] const asio::any_io_executor& executor,
                                       [[maybe_unused]] const spate::ReplayLimits& replay) const {
    if (!wanted_) return nullptr;
#ifdef HUB_HAS_REDIS
    spate::RedisOptions options = redis_;
    options.log_events = log_events_.value_or(std::max(options.log_events, replay.max_events));
    if (replay.max_bytes > 0) options.log_bytes = replay.max_bytes;
    if (log_bytes_) options.log_bytes = *log_bytes_;
    options.on_bus_error = [](std::error_code, const std::string& what) {
      std::cerr << "hub: redis: " << what << std::endl;
    };
    return std::make_shared<spate::RedisBus>(executor, std::move(options));
#else
    return nullptr;
#endif
  }

 private:
  static std::size_t positive(const std::string& text) {
    return static_cast<std::size_t>(spate::Program::number(text, 1, std::numeric_limits<std::size_t>::max()));
  }

  spate::RedisOptions redis_;
  std::optional<std::size_t> log_events_;
  std::optional<std::size_t> log_bytes_;
  bool wanted_ = false;
};

}  // namespace hub
