// AsioRedisIo: sockets and timers of Asio, on a strand.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>

#include <spate/cluster/detail/redis_io.hpp>
#include <spate/config.hpp>
#include <spate/loop/detail/close_on_exec.hpp>
#include <spate/loop/detail/post.hpp>
#include <spate/loop/detail/signals_blocked.hpp>

namespace spate::detail {

class AsioRedisSocket final : public RedisSocket {
 public:
  explicit AsioRedisSocket(const asio::any_io_executor& strand) : resolver_(strand), socket_(strand) {}

  SPATE_DECL void resolve(const std::string& host, std::uint16_t port,
                          std::function<void(const std::error_code&, const Addresses&)> done) override;
  SPATE_DECL std::error_code connect(const asio::ip::tcp::endpoint& address,
                                     std::function<void(const std::error_code&)> done) override;
  void read_some(asio::mutable_buffer into, Transferred done) override {
    socket_.async_read_some(into, std::move(done));
  }
  void write_some(asio::const_buffer from, Transferred done) override {
    socket_.async_write_some(from, std::move(done));
  }
  SPATE_DECL void close() override;

 private:
  asio::ip::tcp::resolver resolver_;
  asio::ip::tcp::socket socket_;
};

class AsioRedisTimer final : public RedisTimer {
 public:
  explicit AsioRedisTimer(const asio::any_io_executor& strand) : timer_(strand) {}

  SPATE_DECL void set(std::chrono::milliseconds wait, std::function<void()> function) override;
  void cancel() override { timer_.cancel(); }

 private:
  asio::steady_timer timer_;
};

class AsioRedisIo final : public RedisIo {
 public:
  /// `strand` runs one function at a time.
  explicit AsioRedisIo(asio::any_io_executor strand) : strand_(std::move(strand)) {}

  TimePoint now() const override { return Clock::now(); }
  std::unique_ptr<RedisSocket> socket() override { return std::make_unique<AsioRedisSocket>(strand_); }
  std::unique_ptr<RedisTimer> timer() override { return std::make_unique<AsioRedisTimer>(strand_); }
  void post(std::function<void()> function) override { post_function(strand_, std::move(function)); }

 private:
  const asio::any_io_executor strand_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/cluster/impl/asio_redis_io.ipp>
#endif
