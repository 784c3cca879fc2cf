// The functions of socket_protocol.hpp.
#pragma once

#include <cerrno>
#include <cstring>

#include <asio/error.hpp>

#include <spate/config.hpp>
#include <spate/loop/detail/socket_protocol.hpp>

namespace spate::detail {

SPATE_DECL std::optional<asio::ip::tcp::endpoint> ip_endpoint_of(const SocketProtocol::endpoint& endpoint) {
  const int family = endpoint.data()->sa_family;
  if (endpoint.size() == 0 || (family != AF_INET && family != AF_INET6)) return std::nullopt;
  asio::ip::tcp::endpoint ip;
  if (endpoint.size() > ip.capacity()) return std::nullopt;
  std::memcpy(ip.data(), endpoint.data(), endpoint.size());
  ip.resize(endpoint.size());
  return ip;
}

SPATE_DECL std::optional<asio::ip::address> ip_address_of(const SocketProtocol::endpoint& endpoint) {
  const auto ip = ip_endpoint_of(endpoint);
  return ip ? std::optional(ip->address()) : std::nullopt;
}

SPATE_DECL std::error_code last_socket_error() noexcept {
#if defined(_WIN32)
  return {::WSAGetLastError(), asio::error::get_system_category()};  // the library's own may equal no std::errc
#else
  return {errno, std::system_category()};
#endif
}

}  // namespace spate::detail
