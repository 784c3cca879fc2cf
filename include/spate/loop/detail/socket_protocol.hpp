// SocketProtocol: Asio's protocol of any connection that is a stream of bytes: TCP, and Unix sockets. They differ in
// their addresses only.
//
// The functions keep nothing, and any thread may call them; the descriptor is open until they return.
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

#include <spate/config.hpp>

namespace spate::detail {

using SocketProtocol = asio::generic::stream_protocol;
using SocketAcceptor = asio::basic_socket_acceptor<SocketProtocol>;

/// `endpoint` as one of TCP; nothing when it is of another kind.
SPATE_DECL std::optional<asio::ip::tcp::endpoint> ip_endpoint_of(const SocketProtocol::endpoint& endpoint);
/// Its IP address.
SPATE_DECL std::optional<asio::ip::address> ip_address_of(const SocketProtocol::endpoint& endpoint);

/// What `native` is bound to, or its peer, as `get`, which is getsockname or getpeername, tells.
SPATE_DECL SocketProtocol::endpoint endpoint_of(int native, int (*get)(int, sockaddr*, socklen_t*),
                                                std::error_code& error);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/loop/impl/socket_protocol.ipp>
#endif
