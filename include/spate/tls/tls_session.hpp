// A TlsSession is an encrypted connection for which the program has shaken hands itself, on its way to a server.
//
//   asio::ssl::stream<asio::ip::tcp::socket> stream(...);       // or Boost's, or an SSL of the program's own
//   co_await stream.async_handshake(asio::ssl::stream_base::server);
//   auto session = std::make_unique<spate::TlsSession>(stream.native_handle());
//   server.adopt(std::move(stream.next_layer()), std::move(session));
//
// It takes the SSL over: from its construction on nothing is done with that but freeing it, as the destructor of
// `stream` does. What was read from the socket and is not decrypted yet, in a pair of BIOs or in the SSL, is not lost.
// The client's certificate, if one was verified, is known to requests (Request::client_subject).
//
// Threads: one at a time; the program's reference may be freed on any.
#pragma once

#include <memory>
#include <string>

#include <spate/config.hpp>
#include <spate/transport/detail/secure_transport.hpp>

struct ssl_st;  // OpenSSL's SSL

namespace spate {

class TlsSession final : public detail::EstablishedSecurity {
 public:
  /// Shares `ssl`, of a server, whose handshake is done and of which nothing waits to be sent. Throws
  /// std::invalid_argument when it is none.
  explicit TlsSession(ssl_st* ssl);
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;
  SPATE_DECL ~TlsSession() override;

  /// For servers.
  SPATE_DECL std::unique_ptr<detail::SecureTransport> transport_on(detail::Loop& loop,
                                                                   detail::ByteTransport& sockets) override;
  SPATE_DECL detail::Peer begin_on(detail::SecureTransport& transport, detail::SocketId socket) override;

 private:
  ssl_st* ssl_;        // null once it has gone on
  std::string input_;  // read from the socket, and not decrypted yet
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/tls/impl/tls_session.ipp>
#endif
