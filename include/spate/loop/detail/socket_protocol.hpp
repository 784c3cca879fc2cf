// SocketProtocol: Asio's protocol of any connection that is a stream of bytes: TCP, and Unix sockets. They differ in
// their addresses only.
//
// The functions keep nothing, and any thread may call them; the descriptor is open until they return.
#pragma once

#if !defined(_WIN32)
#include <sys/socket.h>
#include <sys/un.h>
#endif

#include <cstddef>
#include <optional>
#include <system_error>

#include <asio/basic_socket_acceptor.hpp>
#include <asio/basic_stream_socket.hpp>
#include <asio/generic/stream_protocol.hpp>
#include <asio/ip/address.hpp>
#include <asio/ip/tcp.hpp>

#include <spate/config.hpp>

namespace spate::detail {

using SocketProtocol = asio::generic::stream_protocol;
using SocketAcceptor = asio::basic_socket_acceptor<SocketProtocol>;

/// A descriptor, or what Windows has for it.
#if defined(_WIN32)
using NativeSocket = SOCKET;
#else
using NativeSocket = int;
#endif

/// What the last call of this thread that had to do with sockets failed with.
SPATE_DECL std::error_code last_socket_error() noexcept;

/// `endpoint` as one of TCP; nothing when it is of another kind.
SPATE_DECL std::optional<asio::ip::tcp::endpoint> ip_endpoint_of(const SocketProtocol::endpoint& endpoint);
/// Its IP address.
SPATE_DECL std::optional<asio::ip::address> ip_address_of(const SocketProtocol::endpoint& endpoint);

/// What `native` is bound to, or its peer, as `get`, which is getsockname or getpeername, tells.
template <typename Get>
SocketProtocol::endpoint endpoint_of(NativeSocket native, Get* get, std::error_code& error) {
  SocketProtocol::endpoint endpoint;
  auto size = static_cast<socklen_t>(endpoint.capacity());
  if (get(native, endpoint.data(), &size) != 0) {
    error = last_socket_error();
    return {};
  }
  error.clear();
  endpoint.resize(static_cast<std::size_t>(size));
  return endpoint;
}

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/loop/impl/socket_protocol.ipp>
#endif
