// Where a server of a test accepts: a socket that listens on a free port of 127.0.0.1. It goes before the server does.
//
//   const Accepting accepting(server, io.get_executor(), small);
//   Client client(accepting.port());
#pragma once

#include <cstdint>
#include <system_error>
#include <thread>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/ip/tcp.hpp>

#include <spate/server/server.hpp>

namespace spate::test {

/// A socket that listens on a free port. What it accepts has a send buffer of `send_buffer` bytes, about.
inline asio::ip::tcp::acceptor listening(const asio::any_io_executor& executor, int send_buffer = 0) {
  asio::ip::tcp::acceptor acceptor(executor);
  acceptor.open(asio::ip::tcp::v4());
  if (send_buffer > 0) acceptor.set_option(asio::socket_base::send_buffer_size(send_buffer));
  acceptor.bind({asio::ip::address_v4::loopback(), 0});
  acceptor.listen();
  return acceptor;
}

#if defined(_WIN32)

/// The server accepts by itself, or a thread does, for what it accepts to have a send buffer of its own: an acceptor of
/// Asio does not leave its loop on every Windows.
class Accepting {
 public:
  Accepting(Server& server, const asio::any_io_executor&, int send_buffer = 0) {
    if (send_buffer == 0) {
      server.start();
      port_ = server.port();
      return;
    }
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDBUF, reinterpret_cast<const char*>(&send_buffer), sizeof send_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int size = sizeof address;
    const auto where = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket_, where, size) != 0 || ::listen(socket_, SOMAXCONN) != 0 ||
        ::getsockname(socket_, where, &size) != 0) {
      throw std::system_error(::WSAGetLastError(), std::system_category(), "listening");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, &server] {
      for (;;) {
        const SOCKET accepted = ::accept(socket_, nullptr, nullptr);
        if (accepted == INVALID_SOCKET) return;
        server.adopt(accepted);
      }
    });
  }
  Accepting(const Accepting&) = delete;
  Accepting& operator=(const Accepting&) = delete;
  ~Accepting() {
    if (socket_ != INVALID_SOCKET) ::closesocket(socket_);
    if (thread_.joinable()) thread_.join();
  }

  std::uint16_t port() const noexcept { return port_; }

 private:
  SOCKET socket_ = INVALID_SOCKET;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

#else

class Accepting {
 public:
  /// What is accepted has a send buffer of `send_buffer` bytes, about; zero leaves it to the kernel.
  Accepting(Server& server, const asio::any_io_executor& executor, int send_buffer = 0) {
    asio::ip::tcp::acceptor acceptor = listening(executor, send_buffer);
    port_ = acceptor.local_endpoint().port();
    server.adopt(std::move(acceptor));
  }

  std::uint16_t port() const noexcept { return port_; }

 private:
  std::uint16_t port_ = 0;
};

#endif

}  // namespace spate::test
