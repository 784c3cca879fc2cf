// RedisIo: what a node reaches Redis by and waits by: sockets, timers, the time, and the strand that all of it runs on.
//
// AsioRedisIo is the one that programs have. Tests have one in memory, whose time passes when they let it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <system_error>

#include <asio/buffer.hpp>
#include <asio/ip/tcp.hpp>

#include <spate/loop/detail/clock.hpp>

namespace spate::detail {

/// One connection over TCP. On the strand. What is under way when it is closed is told so, or not at all.
///
/// Callbacks    on the strand, never inside the call that starts it
/// Lifetime     a callback that is still to come keeps what it holds; that must be the socket's owner
class RedisSocket {
 public:
  using Addresses = asio::ip::tcp::resolver::results_type;

  RedisSocket() = default;
  RedisSocket(const RedisSocket&) = delete;
  RedisSocket& operator=(const RedisSocket&) = delete;
  virtual ~RedisSocket() = default;

  virtual void resolve(const std::string& host, std::uint16_t port,
                       std::function<void(const std::error_code&, const Addresses&)> done) = 0;

  /// Connects to `address`; an earlier attempt has failed. When it cannot even begin, it returns why, and `done` is not
  /// called.
  virtual std::error_code connect(const asio::ip::tcp::endpoint& address,
                                  std::function<void(const std::error_code&)> done) = 0;

  using Transferred = std::function<void(const std::error_code&, std::size_t)>;

  /// Reads what there is, at least a byte.
  virtual void read_some(asio::mutable_buffer into, Transferred done) = 0;
  /// Writes what there is room for, at least a byte.
  virtual void write_some(asio::const_buffer from, Transferred done) = 0;

  virtual void close() = 0;
};

/// Runs one function later. On the strand.
class RedisTimer {
 public:
  RedisTimer() = default;
  RedisTimer(const RedisTimer&) = delete;
  RedisTimer& operator=(const RedisTimer&) = delete;
  virtual ~RedisTimer() = default;

  /// Runs `function` after `wait`, in place of what was set before.
  virtual void set(std::chrono::milliseconds wait, std::function<void()> function) = 0;
  /// Runs nothing. A function whose moment has come may run all the same.
  virtual void cancel() = 0;
};

class RedisIo {
 public:
  RedisIo() = default;
  RedisIo(const RedisIo&) = delete;
  RedisIo& operator=(const RedisIo&) = delete;
  virtual ~RedisIo() = default;

  virtual TimePoint now() const = 0;
  virtual std::unique_ptr<RedisSocket> socket() = 0;
  virtual std::unique_ptr<RedisTimer> timer() = 0;

  /// Any thread. Runs `function` on the strand, never inside the call.
  virtual void post(std::function<void()> function) = 0;
};

}  // namespace spate::detail
