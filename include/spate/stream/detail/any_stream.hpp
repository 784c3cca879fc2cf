// Connections of any kind that is a stream of bytes: TCP, and Unix sockets. They differ in their addresses only.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>

#include <asio/basic_socket_acceptor.hpp>
#include <asio/basic_stream_socket.hpp>
#include <asio/generic/stream_protocol.hpp>
#include <asio/ip/address.hpp>
#include <asio/ip/tcp.hpp>

namespace spate::detail {

using AnyStream = asio::generic::stream_protocol;
using AnyAcceptor = asio::basic_socket_acceptor<AnyStream>;

/// The IP address of `endpoint`; nothing when it is of another kind.
inline std::optional<asio::ip::address> ip_address_of(const AnyStream::endpoint& endpoint) {
  const int family = endpoint.data()->sa_family;
  if (endpoint.size() == 0 || (family != AF_INET && family != AF_INET6)) return std::nullopt;
  asio::ip::tcp::endpoint ip;
  if (endpoint.size() > ip.capacity()) return std::nullopt;
  std::memcpy(ip.data(), endpoint.data(), endpoint.size());
  ip.resize(endpoint.size());
  return ip.address();
}

/// What `native` is bound to, or its peer, as `get`, which is getsockname or getpeername, tells.
inline AnyStream::endpoint endpoint_of(int native, int (*get)(int, sockaddr*, socklen_t*), std::error_code& error) {
  AnyStream::endpoint endpoint;
  auto size = static_cast<socklen_t>(endpoint.capacity());
  if (get(native, endpoint.data(), &size) != 0) {
    error.assign(errno, std::system_category());
    return {};
  }
  error.clear();
  endpoint.resize(size);
  return endpoint;
}

}  // namespace spate::detail
