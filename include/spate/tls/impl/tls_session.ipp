// The functions of tls_session.hpp.
#pragma once

#include <stdexcept>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/tls/detail/openssl.hpp>
#include <spate/tls/detail/tls_connection.hpp>
#include <spate/tls/detail/tls_core.hpp>
#include <spate/tls/detail/tls_transport.hpp>
#include <spate/tls/tls_session.hpp>

namespace spate {

SPATE_DECL TlsSession::TlsSession(ssl_st* ssl) : ssl_(ssl) {
  if (ssl == nullptr || SSL_is_server(ssl) != 1 || SSL_is_init_finished(ssl) != 1) {
    throw std::invalid_argument("spate::TlsSession: an SSL is needed that has shaken hands, as a server");
  }
  // Of a socket nothing is read here: it has nothing pending.
  BIO* const reading = SSL_get_rbio(ssl);
  input_.resize(reading == nullptr ? 0 : BIO_ctrl_pending(reading));
  if (!input_.empty()) BIO_read(reading, input_.data(), static_cast<int>(input_.size()));
  // Here, where the program frees the other end of a pair as well.
  SSL_set_bio(ssl, nullptr, nullptr);
  detail::TlsConnection::set_modes(*ssl);
  SSL_up_ref(ssl);
}

SPATE_DECL TlsSession::~TlsSession() {
  SSL_free(ssl_);
}

SPATE_DECL std::unique_ptr<detail::SecureTransport> TlsSession::transport_on(detail::Loop& loop,
                                                                             detail::ByteTransport& sockets) {
  return std::make_unique<detail::TlsTransport>(loop, sockets, nullptr, std::vector<std::string>());
}

SPATE_DECL detail::Peer TlsSession::begin_on(detail::SecureTransport& transport, detail::SocketId socket) {
  detail::OpensslOwned<SSL> ssl(std::exchange(ssl_, nullptr));
  return static_cast<detail::TlsTransport&>(transport).go_on(socket, std::move(ssl), std::move(input_));
}

}  // namespace spate
