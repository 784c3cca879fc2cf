// A connection to a server in the same thread: what is sent is dealt with at once, and whole. No port, no waiting.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include <spate/server/server.hpp>
#include "fuzz/fuzz.hpp"

namespace spate::test {

class LocalConnection {
 public:
  LocalConnection(asio::io_context& io, Server& server) : io_(io) {
    int ends[2];
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    socket_ = ends[0];
    // To the server it is a connection like others.
    server.adopt(asio::ip::tcp::socket(io, asio::ip::tcp::v4(), ends[1]));
    run();
  }
  LocalConnection(const LocalConnection&) = delete;
  LocalConnection& operator=(const LocalConnection&) = delete;
  ~LocalConnection() {
    ::close(socket_);
    run();
  }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN) return;  // closed: whoever reads learns
      if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
      run();
    }
  }

  /// Ends this side, and returns everything that has come and what still does; requires that the server ends too.
  std::string finish() {
    ::shutdown(socket_, SHUT_WR);
    run();
    const bool ended = read();
    require(ended, "the server does not close a connection that its client has ended", received_);
    return received_;
  }

  /// Everything that has come so far.
  std::string take() {
    read();
    return received_;
  }

 private:
  /// Whether the server has ended.
  bool read() {
    char bytes[16 * 1024];
    for (;;) {
      errno = 0;
      const ssize_t size = ::recv(socket_, bytes, sizeof bytes, 0);
      // A reset comes where this process stood still for longer than the server waits for the rest of what it refused.
      // Nothing that was sent before is lost by it.
      if (size == 0 || errno == ECONNRESET) return true;
      if (size < 0) return false;
      received_.append(bytes, static_cast<std::size_t>(size));
      run();
    }
  }

  void run() {
    io_.restart();
    while (io_.poll() > 0) continue;
  }

  asio::io_context& io_;
  int socket_ = -1;
  std::string received_;
};

}  // namespace spate::test
