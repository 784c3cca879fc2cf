// A TlsContext is what a server encrypts with: certificates, keys, and session tickets.
//
//   spate::ServerOptions options;
//   options.tls = std::make_shared<spate::TlsContext>(
//       spate::TlsOptions{.certificate_file = "chain.pem", .key_file = "key.pem"});
//   spate::Server server(io, options);      // https, on the same port and with the same routes
//
// TLS 1.2 and 1.3, without renegotiation, compression and early data. Of the ciphers, all of which are forward secret
// and authenticated, the client chooses. Several servers, and all their loops, may share one. Needs OpenSSL 3: link
// spate::tls.
//
// Threads: any. Lifetime: servers share it, so it lives as long as they do.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <spate/config.hpp>
#include <spate/tls/tls_options.hpp>
#include <spate/transport/detail/secure_transport.hpp>

namespace spate {

namespace detail {
class TlsCore;
}

class TlsContext final : public detail::TransportSecurity {
 public:
  /// Reads certificates and keys.
  ///
  /// Throws std::system_error that names a file which cannot be read; std::invalid_argument that names what is no PEM,
  /// is encrypted, or does not fit, and says why.
  explicit TlsContext(TlsOptions options);
  SPATE_DECL ~TlsContext() override;

  /// A P-256 certificate, made in memory, for localhost, 127.0.0.1 and ::1: for development, as nobody has reason to
  /// believe it. Valid for some weeks.
  static std::shared_ptr<TlsContext> self_signed();

  /// Reads the files again: connections that come from now on get what they hold. Open ones live on. What was given as
  /// text stays. It reads in the call: on a loop that serves, clients wait meanwhile.
  ///
  /// Throws like the constructor; then nothing has changed.
  void reload();
  /// The same with other options. `ticket_lifetime` stays as it was.
  void reload(TlsOptions options);

  /// The certificate that serves whoever names no server, in PEM: for clients that are to trust one that is
  /// self-signed.
  std::string certificate() const;

  /// For servers.
  SPATE_DECL std::unique_ptr<detail::SecureTransport> transport_on(detail::Loop& loop, detail::ByteTransport& sockets,
                                                                   const std::vector<std::string>& protocols) override;

 private:
  const std::shared_ptr<detail::TlsCore> core_;
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/tls/impl/tls_context.ipp>
#endif
