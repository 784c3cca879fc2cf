// Sockets to the server: non-blocking, without Nagle's algorithm, from several addresses of the loopback network,
// because one address has only some 28,000 ports.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace bench {

/// The server could not be reached or did not answer as it should.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline Failure system_failure(const std::string& what) {
  return Failure(what + ": " + std::strerror(errno));
}

/// Raises the soft limit of descriptors to the hard one and returns it.
inline std::size_t raise_descriptor_limit() {
  rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<std::size_t>(limit.rlim_cur);
}

class Connector {
 public:
  /// Connections go to `ports` in turn: to the nodes of a cluster.
  Connector(const std::string& address, std::vector<std::uint16_t> ports, std::size_t sources)
      : ports_(std::move(ports)), sources_(sources) {
    to_.sin_family = AF_INET;
    if (inet_pton(AF_INET, address.c_str(), &to_.sin_addr) != 1) throw Failure("not an IPv4 address: " + address);
  }

  /// A socket whose connection is being made; on the loopback it usually is when this returns.
  int connect(bool small_window = false) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) throw system_failure("socket");
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (small_window) {
      const int bytes = 4096;
      ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    }
    if (sources_ > 1) {
      ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
      sockaddr_in from{};
      from.sin_family = AF_INET;
      from.sin_addr.s_addr = htonl(0x7F000002u + static_cast<std::uint32_t>(next_++ % sources_));
      if (::bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0) throw system_failure("bind");
    }
    to_.sin_port = htons(ports_[made_++ % ports_.size()]);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&to_), sizeof to_) != 0 && errno != EINPROGRESS) {
      ::close(fd);
      throw system_failure("connect");
    }
    return fd;
  }

 private:
  sockaddr_in to_{};
  const std::vector<std::uint16_t> ports_;
  std::size_t sources_, next_ = 0, made_ = 0;
};

}  // namespace bench
