// RedisLogRecovery: a node's part in a round that makes a log whole again.
//
// A Redis that takes over from another, or restarts, may lack what nodes have been told already. Then nothing is
// appended for a moment in which every node offers what it knows and the log lacks. What was offered is appended under
// its old numbers, and publishers' counters with it, so that nothing comes twice. What cannot be restored is told by an
// entry of its own, a mark, which every node takes for a hole in the log. So is what can be in no order with the rest,
// because two masters took it at the same time.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/cluster/detail/log_id.hpp>
#include <spate/cluster/detail/redis_io.hpp>
#include <spate/cluster/detail/redis_keys.hpp>
#include <spate/cluster/detail/redis_log_tail.hpp>
#include <spate/cluster/detail/redis_session.hpp>
#include <spate/config.hpp>
#include <spate/error.hpp>

namespace spate::detail {

/// On the strand.
class RedisLogRecovery {
 public:
  /// What this node knows of the log.
  struct Known {
    std::string epoch;
    std::uint64_t position = 0;  // beyond it no number has been seen
    std::uint64_t read = 0;      // up to there it has read all
    bool all = false;            // it has followed the log until now, and so holds its end
  };

  /// For how long Redis remembers the number of a publisher's last event, in seconds: a day.
  static constexpr std::string_view counter_lifetime = "86400";

  RedisLogRecovery(RedisIo& io, const RedisKeys& keys, const RedisLogTail& tail)
      : keys_(keys), tail_(tail), timer_(io.timer()) {}

  /// Takes part over `session`, whose log ends at `end`; `done` is called when the round is over. Fails the session
  /// when it was over before this node could say what it knows.
  void begin(std::shared_ptr<RedisSession> session, Known known, const RedisLogTail::LogEnd& end,
             std::function<void()> done);

  /// The session is over.
  void end();

 private:
  /// Bytes offered in one command, about.
  static constexpr std::size_t max_bytes = 1024 * 1024;
  static constexpr std::chrono::milliseconds asked_again_after{20};

  // What the log lacks; more of it does no harm.
  void offer(std::uint64_t end);

  void settle();

  bool failed(const redisReply& reply);

  const RedisKeys& keys_;
  const RedisLogTail& tail_;
  const std::unique_ptr<RedisTimer> timer_;
  std::shared_ptr<RedisSession> session_;
  Known known_;
  std::function<void()> done_;
  std::string_view says_;  // to the script
  bool heard_ = false;     // the script has taken it
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/cluster/impl/redis_log_recovery.ipp>
#endif
