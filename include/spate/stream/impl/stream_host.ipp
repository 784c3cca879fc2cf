// The functions of stream_host.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/stream/stream_host.hpp>

namespace spate {

SPATE_DECL EventStream StreamHost::open(asio::ip::tcp::socket&& socket, Request request, HeaderFields fields) {
  return open_on(std::move(request), std::move(fields),
                 [&](std::error_code& error) { return detail::OwnedSocket::from(std::move(socket), error); });
}

SPATE_DECL EventStream StreamHost::open(asio::local::stream_protocol::socket&& socket, Request request,
                                        HeaderFields fields) {
  return open_on(std::move(request), std::move(fields),
                 [&](std::error_code& error) { return detail::OwnedSocket::from(std::move(socket), error); });
}

SPATE_DECL EventStream StreamHost::open(asio::ip::tcp::socket::native_handle_type socket, Request request,
                                        HeaderFields fields) {
  return open_on(std::move(request), std::move(fields),
                 [&](std::error_code& error) { return detail::OwnedSocket::from(socket, error); });
}

SPATE_DECL void StreamHost::drain() {
  draining_->store(true);
  shard_->run([shard = shard_] { shard->drain(); });
}

}  // namespace spate
