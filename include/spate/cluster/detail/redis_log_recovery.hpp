// RedisLogRecovery: a node's part in a round that makes a log whole again.
//
// A Redis that takes over from another, or restarts, may lack what nodes have been told already. Then nothing is
// appended for a moment in which every node offers what it knows and the log lacks. What was offered is appended under
// its old numbers, and publishers' counters with it, so that nothing comes twice. What cannot be restored is told by an
// entry of its own, a mark, which every node takes for a hole in the log.
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

#include <asio/any_io_executor.hpp>
#include <asio/steady_timer.hpp>

#include <spate/cluster/detail/log_id.hpp>
#include <spate/cluster/detail/redis_keys.hpp>
#include <spate/cluster/detail/redis_log_tail.hpp>
#include <spate/cluster/detail/redis_session.hpp>
#include <spate/error.hpp>

namespace spate::detail {

/// On the strand.
class RedisLogRecovery {
 public:
  /// What this node knows of the log.
  struct Known {
    std::string epoch;
    std::uint64_t position = 0;  // beyond it no number has been seen
    bool all = false;            // it has followed the log until now, and so holds its end
  };

  /// For how long Redis remembers the number of a publisher's last event, in seconds: a day.
  static constexpr std::string_view counter_lifetime = "86400";

  RedisLogRecovery(const asio::any_io_executor& strand, const RedisKeys& keys, const RedisLogTail& tail)
      : keys_(keys), tail_(tail), timer_(strand) {}

  /// Takes part over `session`, whose log ends at `end`; `done` is called when the round is over.
  void begin(std::shared_ptr<RedisSession> session, Known known, std::uint64_t end, std::function<void()> done) {
    session_ = std::move(session);
    known_ = std::move(known);
    done_ = std::move(done);
    if (known_.all) offer(end);
    says_ = !known_.all ? "0" : tail_.reaches_back_to(end) ? "1" : "2";
    settle();
  }

  /// The session is over.
  void end() {
    session_ = nullptr;
    timer_.cancel();
  }

 private:
  /// Bytes offered in one command, about.
  static constexpr std::size_t most_bytes = 1024 * 1024;
  static constexpr std::chrono::milliseconds asked_again_after{20};

  // What the log lacks; more of it does no harm.
  void offer(std::uint64_t end) {
    std::vector<std::string> ids;
    std::vector<std::string_view> messages;
    std::size_t bytes = 0;
    const auto flush = [&] {
      if (ids.empty()) return;
      std::vector<std::string_view> words{keys_.round, keys_.offers};
      for (std::size_t i = 0; i < ids.size(); ++i) {
        words.emplace_back(ids[i]);
        words.emplace_back(messages[i]);
      }
      session_->eval(RedisScript::offer, 2, words, [this](const redisReply& reply) { failed(reply); });
      ids.clear();
      messages.clear();
      bytes = 0;
    };
    tail_.for_each_after(end, [&](std::uint64_t sequence, const std::string& message) {
      ids.push_back(LogId::format(sequence));
      messages.emplace_back(message);
      bytes += message.size();
      if (bytes >= most_bytes) flush();
    });
    flush();
  }

  void settle() {
    const std::string position = LogId::format(known_.position);
    session_->eval(RedisScript::settle, 5,
                   {keys_.epoch, keys_.log, keys_.round, keys_.offers, keys_.mark, known_.epoch, keys_.node, says_,
                    position, keys_.publisher, counter_lifetime},
                   [this](const redisReply& reply) {
                     if (failed(reply)) return;
                     if (reply.integer == 1) return done_();
                     timer_.expires_after(asked_again_after);
                     timer_.async_wait([this, weak = std::weak_ptr(session_)](std::error_code cancelled) {
                       // A session that lives has an owner who lives, and this with him.
                       const auto session = weak.lock();
                       if (!cancelled && session && session == session_) session->guarded([this] { settle(); });
                     });
                   });
  }

  bool failed(const redisReply& reply) {
    if (!session_) return true;
    if (reply.type != REDIS_REPLY_ERROR) return false;
    session_->fail(Errc::bus_refused, std::string(text_of(reply)));
    return true;
  }

  const RedisKeys& keys_;
  const RedisLogTail& tail_;
  asio::steady_timer timer_;
  std::shared_ptr<RedisSession> session_;
  Known known_;
  std::function<void()> done_;
  std::string_view says_;  // to the script
};

}  // namespace spate::detail
