// The functions of asio_redis_io.hpp.
#pragma once

#include <spate/cluster/detail/asio_redis_io.hpp>
#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL void AsioRedisSocket::resolve(const std::string& host, std::uint16_t port,
                                         std::function<void(const std::error_code&, const Addresses&)> done) {
  [[maybe_unused]] const SignalsBlocked blocked;  // for the thread in which Asio resolves names
  resolver_.async_resolve(host, std::to_string(port), std::move(done));
}

// asio::async_connect would try all addresses, with sockets that are not close-on-exec.
SPATE_DECL std::error_code AsioRedisSocket::connect(const asio::ip::tcp::endpoint& address,
                                                    std::function<void(const std::error_code&)> done) {
  std::error_code ignored, error;
  socket_.close(ignored);
  open_close_on_exec(socket_, address.protocol(), error);
  if (error) return error;
  socket_.async_connect(address, [this, done = std::move(done)](const std::error_code& no_connection) {
    if (!no_connection) {
      std::error_code unset;
      socket_.set_option(asio::ip::tcp::no_delay(true), unset);
      // Timeouts notice a peer that is gone. This keeps what is between from forgetting a connection without traffic.
      socket_.set_option(asio::socket_base::keep_alive(true), unset);
    }
    done(no_connection);
  });
  return {};
}

SPATE_DECL void AsioRedisSocket::close() {
  std::error_code ignored;
  socket_.close(ignored);
  resolver_.cancel();
}

SPATE_DECL void AsioRedisTimer::set(std::chrono::milliseconds wait, std::function<void()> function) {
  timer_.expires_after(wait);
  timer_.async_wait(WaitHandler([function = std::move(function)](const std::error_code& cancelled) {
    if (!cancelled) function();
  }));
}

}  // namespace spate::detail
