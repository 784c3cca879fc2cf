// The functions of tls_transport.hpp.
#pragma once

#include <algorithm>
#include <utility>

#include <spate/config.hpp>
#include <spate/tls/detail/tls_config.hpp>
#include <spate/tls/detail/tls_connection.hpp>
#include <spate/tls/detail/tls_core.hpp>
#include <spate/tls/detail/tls_transport.hpp>

namespace spate::detail {

SPATE_DECL TlsTransport::TlsTransport(Loop& loop, ByteTransport& below, std::shared_ptr<TlsCore> core,
                                      const std::vector<std::string>& protocols)
    : loop_(loop), below_(below), core_(std::move(core)) {
  for (const std::string& protocol : protocols) {
    protocols_ += static_cast<char>(protocol.size());
    protocols_ += protocol;
  }
}

SPATE_DECL Peer TlsTransport::accept(SocketId socket) {
  make_room(socket);
  Ref<TlsConfig> config = core_->config();
  auto ssl = config->new_connection();
  return begin(socket, make_ref<TlsConnection>(*this, socket, std::move(config), std::move(ssl)));
}

SPATE_DECL Peer TlsTransport::go_on(SocketId socket, OpensslOwned<SSL> ssl, std::string input) {
  make_room(socket);
  return begin(socket, make_ref<TlsConnection>(*this, socket, std::move(ssl), std::move(input)));
}

SPATE_DECL SecureTransport::Handshake TlsTransport::shake_hands(int peer) {
  return at(peer).shake_hands();
}
SPATE_DECL PeerIdentity TlsTransport::identity(int peer) const {
  return at(peer).identity();
}

SPATE_DECL void TlsTransport::set_resident(int peer, Ref<Resident> resident) {
  at(peer).set_resident(std::move(resident));
}
SPATE_DECL std::size_t TlsTransport::read(int peer, char* data, std::size_t size, std::error_code& error) {
  return at(peer).read(data, size, error);
}
SPATE_DECL std::size_t TlsTransport::write(int peer, const asio::const_buffer* buffers, std::size_t, std::size_t size,
                                           std::error_code& error) {
  return at(peer).write(buffers, size, error);
}
SPATE_DECL void TlsTransport::prefetch(int peer) const noexcept {
  at(peer).prefetch();
}
SPATE_DECL void TlsTransport::await_writable(int peer) {
  below_.await_writable(peer);
}
SPATE_DECL void TlsTransport::await_readable(int peer) {
  at(peer).await_readable();
}
SPATE_DECL std::size_t TlsTransport::unacknowledged(int peer) const {
  return at(peer).unacknowledged();
}
SPATE_DECL std::error_code TlsTransport::broken(int peer) {
  return at(peer).broken();
}
SPATE_DECL void TlsTransport::shut_down(int peer) {
  at(peer).shut_down();
}

SPATE_DECL void TlsTransport::release(int peer) {
  const Ref<TlsConnection> released = take(peer);
  released->end(TlsConnection::Farewell::none);
}

SPATE_DECL void TlsTransport::close(int peer) {
  const Ref<TlsConnection> closed = take(peer);
  closed->end(TlsConnection::Farewell::close_notify);
  below_.close(peer);
}

SPATE_DECL void TlsTransport::abort(int peer) {
  const Ref<TlsConnection> aborted = take(peer);
  aborted->end(TlsConnection::Farewell::none);
  below_.abort(peer);
}

SPATE_DECL void TlsTransport::forget(int peer) noexcept {
  connections_[static_cast<std::size_t>(peer)] = nullptr;
  count_.store(count() - 1, std::memory_order_relaxed);
}

SPATE_DECL void TlsTransport::make_room(SocketId socket) {
  const auto needed = static_cast<std::size_t>(socket) + 1;
  if (needed > connections_.size()) connections_.resize(needed);
}

SPATE_DECL Peer TlsTransport::begin(SocketId socket, const Ref<TlsConnection>& connection) {
  connections_[static_cast<std::size_t>(socket)] = connection.get();
  count_.store(count() + 1, std::memory_order_relaxed);
  below_.set_resident(socket, connection);  // if that fails the connection takes itself out
  return {*this, socket};
}

SPATE_DECL Ref<TlsConnection> TlsTransport::take(int peer) noexcept {
  Ref<TlsConnection> taken(&at(peer));
  forget(peer);
  return taken;
}

}  // namespace spate::detail
