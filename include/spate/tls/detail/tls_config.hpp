// TlsConfig: certificates and settings as they were read at one time. A connection keeps the one it began with; a
// reload makes another.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <spate/config.hpp>
#include <spate/tls/detail/openssl.hpp>
#include <spate/tls/detail/ticket_keys.hpp>
#include <spate/tls/tls_options.hpp>
#include <spate/wire/detail/ref.hpp>

namespace spate::detail {

class TlsConfig final : public RefCounted<TlsConfig> {
 public:
  /// Without `tickets` there are none. Throws like the constructor of TlsContext.
  TlsConfig(const TlsOptions& options, std::shared_ptr<TicketKeys> tickets);

  /// A connection of a server. What its client asks for decides which certificate it gets. While it shakes hands, its
  /// BIO is a TlsConnection's.
  OpensslOwned<SSL> new_connection() const { return made(SSL_new(contexts_.front().get())); }

  /// What serves `name`; null when no certificate is for it. (RFC 6125 6.4)
  SSL_CTX* context_for(std::string_view name) const;

  TicketKeys& tickets() const noexcept { return *tickets_; }
  const EVP_CIPHER* ticket_cipher() const noexcept { return ticket_cipher_.get(); }

  std::string certificate() const { return text_of_first_; }

 private:
  void add(const TlsCertificate& certificate, const TlsOptions& options);
  void ask_clients(SSL_CTX& context, const TlsOptions& options) const;

  const std::shared_ptr<TicketKeys> tickets_;
  const OpensslOwned<EVP_CIPHER> ticket_cipher_;          // looked up once, instead of for each ticket
  std::vector<OpensslOwned<SSL_CTX>> contexts_;           // the first serves whoever names nobody
  std::map<std::string, SSL_CTX*, std::less<>> by_name_;  // names in lower case
  std::string text_of_first_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/tls/impl/tls_config.ipp>
#endif
