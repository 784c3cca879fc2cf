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

#include <spate/cluster/detail/redis_io.hpp>
#include <spate/cluster/detail/redis_session.hpp>
#include <spate/config.hpp>
#include <spate/error.hpp>

namespace spate::detail {

class RedisPulse {
 public:
  /// `timeout`: how long Redis may take to answer, after which the connection itself gives up.
  RedisPulse(RedisIo& io, std::chrono::milliseconds timeout)
      : interval_(std::min<std::chrono::milliseconds>(timeout / 4, std::chrono::milliseconds(500))),
        timer_(io.timer()) {}

  /// `session` listens to `channel`, and nobody else does.
  void begin(std::shared_ptr<RedisSession> session, std::string channel);
  void end();

 private:
  void beat();

  const std::chrono::milliseconds interval_;
  const std::unique_ptr<RedisTimer> timer_;
  std::shared_ptr<RedisSession> session_;
  std::string channel_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/cluster/impl/redis_pulse.ipp>
#endif
