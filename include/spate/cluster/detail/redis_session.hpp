// RedisSession: two connections to Redis, one for commands and one that listens, with the scripts at hand. A fault of
// one ends both.
//
// All of it runs on one strand. It ends once: by `close`, or by a fault that it tells.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/cluster/detail/redis_connection.hpp>
#include <spate/cluster/detail/redis_io.hpp>
#include <spate/cluster/detail/redis_scripts.hpp>
#include <spate/cluster/detail/redis_url.hpp>
#include <spate/config.hpp>
#include <spate/error.hpp>

namespace spate::detail {

enum class RedisScript : std::uint8_t {
  hello,
  offer,
  settle,
  append,
  read,
  reaches,
  route,
  lease,
  presence,
  forget,
  leave,
  counts,
  others,
  count
};

class RedisSession : public std::enable_shared_from_this<RedisSession> {
 public:
  /// None of them may own the session.
  struct Events {
    std::function<void()> ready;
    /// It is over: Errc::bus_lost or bus_refused, and why.
    std::function<void(std::error_code, const std::string& why)> lost;
    /// A message of a channel that it listens to.
    std::function<void(std::string_view message)> message;
  };

  RedisSession(std::shared_ptr<RedisIo> io, RedisUrl url, std::chrono::milliseconds timeout, Events events)
      : io_(std::move(io)), url_(std::move(url)), timeout_(timeout), events_(std::move(events)) {}

  void start();

  RedisConnection& commands() const noexcept { return *commands_; }
  RedisConnection& listening() const noexcept { return *listening_; }

  /// Runs a script whose first `keys` words are its keys.
  void eval(RedisScript script, std::size_t keys, const std::vector<std::string_view>& words,
            RedisConnection::Reply reply) const;
  void eval_on(RedisConnection& connection, RedisScript script, std::size_t keys,
               const std::vector<std::string_view>& words, RedisConnection::Reply reply) const;

  /// Redis has forgotten the scripts; whatever comes after this finds them again.
  void load_again() const {
    for (std::size_t i = 0; i < script_count; ++i) load(i, {});
  }

  /// Somebody has seen a fault.
  void fail(std::error_code error, const std::string& why);

  /// Runs `function`, and fails when it throws, as for want of memory: what was to be sent is not, or only in part.
  /// When the session is over already, the exception goes on.
  template <typename Function>
  void guarded(Function&& function) {
    try {
      function();
    } catch (const std::exception& error) {
      if (over_) throw;
      fail(Errc::bus_lost, error.what());
    }
  }

  /// Runs `function` after `wait`, guarded, unless the session is over by then. Whoever waits so must live as long as
  /// the session does.
  void run_after(RedisTimer& timer, std::chrono::milliseconds wait, std::function<void()> function);

  void close();
  /// Ends it once all commands are written.
  void close_when_written();

 private:
  static constexpr std::size_t script_count = static_cast<std::size_t>(RedisScript::count);
  static constexpr std::array<std::string_view, script_count> texts{
      redis_scripts::hello,    redis_scripts::offer,   redis_scripts::settle, redis_scripts::append,
      redis_scripts::read,     redis_scripts::reaches, redis_scripts::route,  redis_scripts::lease,
      redis_scripts::presence, redis_scripts::forget,  redis_scripts::leave,  redis_scripts::counts,
      redis_scripts::others};

  std::shared_ptr<RedisConnection> connection();

  void load_scripts();
  void load(std::size_t script, RedisConnection::Reply reply) const {
    commands_->command({"SCRIPT", "LOAD", texts[script]}, std::move(reply));
  }

  const std::shared_ptr<RedisIo> io_;
  const RedisUrl url_;
  const std::chrono::milliseconds timeout_;
  const Events events_;
  std::shared_ptr<RedisConnection> commands_;
  std::shared_ptr<RedisConnection> listening_;
  std::array<std::string, script_count> names_;  // by which Redis knows the scripts
  int connected_ = 0;
  bool over_ = false;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/cluster/impl/redis_session.ipp>
#endif
