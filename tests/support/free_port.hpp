// A port that nobody listens on, for what listens on it more than once, or can only be told one. None of those that the
// system gives to connections and listeners of other tests (on Linux 32768 and above): it stays free between.
#pragma once

#include <cstdint>
#include <random>
#include <system_error>

#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

namespace spate::test {

inline std::uint16_t free_port() {
  std::random_device random;
  std::uniform_int_distribution<std::uint16_t> any(20'000, 32'000);
  asio::io_context io;
  for (;;) {
    const asio::ip::tcp::endpoint endpoint(asio::ip::address_v4::loopback(), any(random));
    asio::ip::tcp::acceptor acceptor(io, endpoint.protocol());
    std::error_code error;
    acceptor.bind(endpoint, error);
    if (!error) return endpoint.port();
    if (error != asio::error::address_in_use) throw std::system_error(error, "bind");
  }
}

}  // namespace spate::test
