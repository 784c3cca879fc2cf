// The functions of socket_transport.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/transport/detail/socket_transport.hpp>

namespace spate::detail {

SPATE_DECL std::size_t SocketTransport::write(int peer, const asio::const_buffer* buffers, std::size_t count,
                                              std::size_t size, std::error_code& error) {
  const std::size_t written = poller_.write(peer, buffers, count, error);
  // A socket that takes a part is full.
  if (!error && written < size) error = asio::error::would_block;
  return written;
}

}  // namespace spate::detail
