// A small web server made with Boost.Beast, as a program may have one already. It knows nothing of Spate but the
// request that it makes of what it parsed.
//
// Beast is kept out of this header: Boost.Asio 1.74 and Asio 1.22 cannot be included in one source, because they use
// the same names outside of their namespaces.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <spate/http/request.hpp>

namespace own_server {

/// A connected socket of the system's, on its way from one library to the other. Closed when nobody takes it.
class NativeSocket {
 public:
  NativeSocket(int descriptor, bool is_v6) noexcept : descriptor_(descriptor), is_v6_(is_v6) {}
  NativeSocket(NativeSocket&& other) noexcept : descriptor_(other.release()), is_v6_(other.is_v6_) {}
  NativeSocket& operator=(NativeSocket&&) = delete;
  ~NativeSocket() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  bool is_v6() const noexcept { return is_v6_; }
  int release() noexcept { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
  bool is_v6_;
};

/// Called on the server's thread for each GET of /events, with the connection and what was asked on it.
using HandOver = std::function<void(NativeSocket, spate::Request)>;

/// Listens at once, on a thread of its own. Destroying it closes what is its own; what was handed over goes on.
class BeastServer {
 public:
  /// Throws std::invalid_argument for what is no address, and another exception when it cannot be had.
  BeastServer(const std::string& address, std::uint16_t port, HandOver hand_over);
  BeastServer(const BeastServer&) = delete;
  BeastServer& operator=(const BeastServer&) = delete;
  ~BeastServer();

  /// "127.0.0.1:8080"
  std::string local_endpoint() const;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace own_server
