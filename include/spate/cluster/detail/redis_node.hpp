// RedisNode: what stands behind a RedisBus.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>

#include <spate/cluster/bus.hpp>
#include <spate/cluster/detail/redis_url.hpp>
#include <spate/cluster/redis_options.hpp>
#include <spate/error.hpp>

namespace spate::detail {

class RedisNode : public std::enable_shared_from_this<RedisNode> {
 public:
  static std::shared_ptr<RedisNode> make(const asio::any_io_executor& executor, RedisOptions options) {
    return std::make_shared<RedisNode>(executor, std::move(options));
  }
  RedisNode(const asio::any_io_executor& executor, RedisOptions options)
      : executor_(executor), url_(parse_redis_url(options.url)), options_(std::move(options)) {}

  const RedisOptions& options() const noexcept { return options_; }
  void close() {}
  std::error_code publish(const Audience&, const Event&, Bus::Published) { return Errc::bus_queue_full; }
  void attach(std::shared_ptr<BusListener>) {}
  void detach() {}
  void changed(std::string_view, std::size_t) {}
  void ask_newest(Bus::Published done) {
    asio::post(executor_, [done = std::move(done)] { done(Errc::bus_lost, 0); });
  }
  void ask_users(std::string, std::function<void(std::error_code, std::vector<UserStreams>)> done) {
    asio::post(executor_, [done = std::move(done)] { done(Errc::bus_lost, {}); });
  }
  BusStatus status() const {
    BusStatus status;
    status.reason = "not built yet";
    return status;
  }

 private:
  const asio::any_io_executor executor_;
  const RedisUrl url_;
  const RedisOptions options_;
};

}  // namespace spate::detail
