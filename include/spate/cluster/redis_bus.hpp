// A RedisBus joins the emitters of several processes through Redis 7 or newer. It needs the target spate::redis.
//
//   spate::RedisOptions redis;
//   redis.url = "redis://127.0.0.1:6379";
//   spate::EmitterOptions options;
//   options.bus = std::make_shared<spate::RedisBus>(io.get_executor(), redis);
//   spate::Emitter emitter(std::move(options));
//
// It connects when an emitter takes it, and again whenever it has to: a Redis that is away is no error of a call, but
// told by `status()` and RedisOptions::on_bus_error, while local streams go on and what is sent waits in a queue.
//
// Threads: any may call it. All its own work and all its callbacks run on one strand of the executor. Lifetime: the
// executor's context must outlive it; its pending operations keep `run()` from returning until `close()` or the
// destructor.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>

#include <spate/cluster/bus.hpp>
#include <spate/cluster/detail/redis_node.hpp>
#include <spate/cluster/redis_options.hpp>

namespace spate {

class RedisBus final : public Bus {
 public:
  /// Throws std::invalid_argument that quotes what is wrong with the options, a URL without its password.
  explicit RedisBus(const asio::any_io_executor& executor, RedisOptions options = {})
      : node_(detail::RedisNode::make(executor, std::move(options))) {}
  RedisBus(const RedisBus&) = delete;
  RedisBus& operator=(const RedisBus&) = delete;
  ~RedisBus() override { node_->close(); }

  /// Leaves the cluster and ends all work, for good. What is still queued is given up, with Errc::shut_down.
  void close() { node_->close(); }

  /// The options in use, with the node's name.
  const RedisOptions& options() const noexcept { return node_->options(); }

  bool keeps_log() const noexcept override { return options().mode == ClusterMode::durable; }
  std::error_code publish(const Audience& audience, const Event& event, Published done) override {
    return node_->publish(audience, event, std::move(done));
  }
  void attach(std::shared_ptr<BusListener> listener) override { node_->attach(std::move(listener)); }
  void detach() override { node_->detach(); }
  void changed(std::string_view user, std::size_t streams) override { node_->changed(user, streams); }
  void ask_newest(Published done) override { node_->ask_newest(std::move(done)); }
  void ask_users(std::string prefix, std::function<void(std::error_code, std::vector<UserStreams>)> done) override {
    node_->ask_users(std::move(prefix), std::move(done));
  }
  BusStatus status() const override { return node_->status(); }

 private:
  const std::shared_ptr<detail::RedisNode> node_;
};

}  // namespace spate
