// RedisPresence: tells Redis who has streams on this node, under a lease, so that the entries of a node that died go by
// themselves.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/steady_timer.hpp>

#include <spate/cluster/bus.hpp>
#include <spate/cluster/detail/redis_keys.hpp>
#include <spate/cluster/detail/redis_session.hpp>
#include <spate/cluster/redis_options.hpp>

namespace spate::detail {

/// On the strand, but for `changed`.
class RedisPresence {
 public:
  struct Events {
    std::function<std::vector<UserStreams>()> users_here;
    std::function<void(const std::string& why)> refused;
  };

  RedisPresence(const asio::any_io_executor& strand, const RedisOptions& options, const RedisKeys& keys, Events events)
      : lease_(std::to_string(options.lease.count())),
        log_age_(std::to_string(options.log_age.count())),
        interval_(options.lease / 3),
        keys_(keys),
        events_(std::move(events)),
        timer_(strand) {}

  /// Any thread.
  void changed(std::string_view user, std::size_t streams) {
    const std::lock_guard lock(mutex_);
    changed_.insert_or_assign(std::string(user), streams);
  }

  void begin(std::shared_ptr<RedisSession> session) {
    session_ = std::move(session);
    tell_all();
    keep_lease();
  }

  void end() {
    session_ = nullptr;
    timer_.cancel();
  }

  /// Takes everything of this node out of Redis.
  void leave() {
    if (!session_) return;
    session_->commands().command({"ZREM", keys_.nodes, keys_.node}, {});
    session_->commands().command({"DEL", keys_.users}, {});
  }

  void tell_changes() {
    if (!session_) return;
    std::map<std::string, std::size_t> users;
    {
      const std::lock_guard lock(mutex_);
      users.swap(changed_);
    }
    if (!users.empty()) tell({users.begin(), users.end()});
  }

 private:
  /// Users in one command.
  static constexpr std::size_t at_a_time = 500;

  void keep_lease() {
    // The log is trimmed by age on this occasion: it need not be more exact.
    session_->eval(RedisScript::lease, 3, {keys_.nodes, keys_.users, keys_.log, keys_.node, lease_, log_age_},
                   [this](const redisReply& reply) {
                     if (reply.type == REDIS_REPLY_ERROR) return events_.refused(std::string(text_of(reply)));
                     if (reply.integer == 0 && told_) tell_all();
                   });
    timer_.expires_after(interval_);
    timer_.async_wait([this, weak = std::weak_ptr(session_)](std::error_code cancelled) {
      // A session that lives has an owner who lives, and this with him.
      const auto session = weak.lock();
      if (!cancelled && session && session == session_) keep_lease();
    });
  }

  void tell_all() {
    {
      const std::lock_guard lock(mutex_);
      changed_.clear();
    }
    const std::vector<UserStreams> users = events_.users_here();
    session_->commands().command({"DEL", keys_.users}, [](const redisReply&) {});
    told_ = false;
    tell(users);
  }

  void tell(const std::vector<UserStreams>& users) {
    for (std::size_t from = 0; from < users.size(); from += at_a_time) {
      told_ = true;
      const std::size_t to = std::min(users.size(), from + at_a_time);
      std::vector<std::string> counts;
      for (std::size_t i = from; i < to; ++i) counts.push_back(std::to_string(users[i].second));
      std::vector<std::string_view> words{keys_.users, lease_};
      for (std::size_t i = from; i < to; ++i) {
        words.emplace_back(users[i].first);
        words.emplace_back(counts[i - from]);
      }
      session_->eval(RedisScript::presence, 1, words, [this](const redisReply& reply) {
        if (reply.type == REDIS_REPLY_ERROR) events_.refused(std::string(text_of(reply)));
      });
    }
  }

  const std::string lease_;
  const std::string log_age_;
  const std::chrono::milliseconds interval_;
  const RedisKeys& keys_;
  const Events events_;
  asio::steady_timer timer_;
  std::shared_ptr<RedisSession> session_;
  bool told_ = false;  // there may be users of this node in Redis

  std::mutex mutex_;
  std::map<std::string, std::size_t> changed_;
};

}  // namespace spate::detail
