// RedisPulse: notices when what others publish cannot be heard any more, though nothing says so: a connection that is
// half open, or one that leads to another Redis than the commands do since a failover.
//
// The connection that listens is asked whether it lives, and the one for commands whether its Redis knows of somebody
// who listens to a channel that only this session has. All of it on the strand.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/steady_timer.hpp>

#include <spate/cluster/detail/redis_session.hpp>
#include <spate/error.hpp>

namespace spate::detail {

class RedisPulse {
 public:
  /// `timeout`: how long Redis may take to answer, after which the connection itself gives up.
  RedisPulse(const asio::any_io_executor& strand, std::chrono::milliseconds timeout)
      : interval_(std::min<std::chrono::milliseconds>(timeout / 4, std::chrono::milliseconds(500))), timer_(strand) {}

  /// `session` listens to `channel`, and nobody else does.
  void begin(std::shared_ptr<RedisSession> session, std::string channel) {
    session_ = std::move(session);
    channel_ = std::move(channel);
    beat();
  }
  void end() {
    session_ = nullptr;
    timer_.cancel();
  }

 private:
  void beat() {
    session_->listening().command({"PING"}, [](const redisReply&) {});
    session_->commands().command({"PUBSUB", "NUMSUB", channel_}, [this](const redisReply& reply) {
      if (!session_) return;
      if (reply.type == REDIS_REPLY_ERROR) return session_->fail(Errc::bus_refused, std::string(text_of(reply)));
      if (reply.elements == 2 && reply.element[1]->integer > 0) return;
      session_->fail(Errc::bus_lost, "the Redis that takes commands does not know the connection that listens");
    });
    if (!session_) return;
    timer_.expires_after(interval_);
    timer_.async_wait([this, weak = std::weak_ptr(session_)](std::error_code cancelled) {
      // A session that lives has an owner who lives, and this with him.
      const auto session = weak.lock();
      if (!cancelled && session && session == session_) session->guarded([this] { beat(); });
    });
  }

  const std::chrono::milliseconds interval_;
  asio::steady_timer timer_;
  std::shared_ptr<RedisSession> session_;
  std::string channel_;
};

}  // namespace spate::detail
