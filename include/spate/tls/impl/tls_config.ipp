// The functions of tls_config.hpp.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <openssl/core_names.h>
#include <openssl/rand.h>

#include <spate/config.hpp>
#include <spate/http/detail/tokens.hpp>
#include <spate/tls/detail/certificates.hpp>
#include <spate/tls/detail/tls_config.hpp>
#include <spate/tls/detail/tls_connection.hpp>

namespace spate::detail {

/// Ciphers of TLS 1.2: forward secret, authenticated; all of those of HTTP/2. (RFC 9113 9.2.2) TLS 1.3 has no others.
inline constexpr const char* tls12_ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

// No chain of a client needs more, and it is read before anybody is believed.
inline constexpr long max_client_chain_bytes = 32 * 1024;

// Called by OpenSSL, so that nothing is thrown.

// By the name that the client asks for. (RFC 6066 3)
SPATE_DECL int choose_certificate(SSL* ssl, int*, void* config) noexcept {
  try {
    const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    SSL_CTX* const context = name == nullptr ? nullptr : static_cast<TlsConfig*>(config)->context_for(name);
    if (context != nullptr) SSL_set_SSL_CTX(ssl, context);
    return SSL_TLSEXT_ERR_OK;
  } catch (...) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;  // no memory
  }
}

// Who offers protocols and none of ours is told so, instead of being taken for something else. (RFC 7301 3.2)
SPATE_DECL int choose_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* size,
                               const unsigned char* offered, unsigned int offered_size, void*) noexcept {
  const std::string& own = TlsConnection::of(ssl).protocols();
  const int result = SSL_select_next_proto(const_cast<unsigned char**>(chosen), size,
                                           reinterpret_cast<const unsigned char*>(own.data()),
                                           static_cast<unsigned>(own.size()), offered, offered_size);
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

SPATE_DECL bool prepare(const TicketKey& key, const EVP_CIPHER* type, const unsigned char* iv, EVP_CIPHER_CTX* cipher,
                        EVP_MAC_CTX* mac, int seal) noexcept {
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, const_cast<unsigned char*>(key.mac.data()), key.mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  return EVP_CipherInit_ex(cipher, type, nullptr, key.cipher.data(), iv, seal) == 1 &&
         EVP_MAC_CTX_set_params(mac, params) == 1;
}

// Returns what SSL_CTX_set_tlsext_ticket_key_evp_cb(3) says: negative for a failure, 0 for an unknown key, 1 for a
// ticket that can be used, 2 for one in whose place the client gets a new one.
SPATE_DECL int use_ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                              EVP_MAC_CTX* mac, int seal) noexcept {
  try {
    const TlsConnection& connection = TlsConnection::of(ssl);
    TicketKeys& keys = connection.config().tickets();
    const EVP_CIPHER* const type = connection.config().ticket_cipher();
    if (seal != 0) {
      const TicketKey key = keys.sealing(connection.now());
      std::copy(key.name.begin(), key.name.end(), name);
      if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(type)) != 1) return -1;
      return prepare(key, type, iv, cipher, mac, seal) ? 1 : -1;
    }
    const auto found = keys.opening(name, connection.now());
    if (!found) return 0;
    if (!prepare(found->key, type, iv, cipher, mac, seal)) return -1;
    // A client of TLS 1.3 uses each only once. (RFC 8446 C.4)
    return found->is_newest && SSL_version(ssl) != TLS1_3_VERSION ? 1 : 2;
  } catch (...) {
    return -1;  // no memory, or no random bytes
  }
}

SPATE_DECL void set_up(SSL_CTX& context, TlsConfig& config, const TicketKeys* tickets) {
  SSL_CTX* const ctx = &context;
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION);
  // Of the ciphers, all of which are good, the client chooses: it knows which its processor is fast at.
  // A TCP connection that just ends is an end like any other for HTTP, whose messages say how long they are.
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                               SSL_OP_DONT_INSERT_EMPTY_FRAGMENTS);
  if (SSL_CTX_set_cipher_list(ctx, tls12_ciphers) != 1) {
    throw std::runtime_error("spate::TlsContext: no cipher for TLS 1.2: " + take_openssl_reason());
  }
  SSL_CTX_set_max_early_data(ctx, 0);
  SSL_CTX_set_max_cert_list(ctx, max_client_chain_bytes);
  TlsConnection::set_modes(context);
  // A ticket is all that there is of a session.
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  if (tickets == nullptr) {
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ctx, 0);
  } else {
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_timeout(
        ctx, static_cast<long>(std::chrono::duration_cast<std::chrono::seconds>(tickets->lifetime()).count()));
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, &use_ticket_key);
  }
  SSL_CTX_set_alpn_select_cb(ctx, &choose_protocol, nullptr);
  // As SSL_CTX_set_tlsext_servername_callback does it, but with a cast of C++.
  SSL_CTX_callback_ctrl(ctx, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB, reinterpret_cast<void (*)()>(&choose_certificate));
  SSL_CTX_set_tlsext_servername_arg(ctx, &config);
}

SPATE_DECL TlsConfig::TlsConfig(const TlsOptions& options, std::shared_ptr<TicketKeys> tickets)
    : tickets_(std::move(tickets)), ticket_cipher_(made(EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr))) {
  add({options.certificate_file, options.key_file, options.certificate, options.key}, options);
  for (const TlsCertificate& other : options.others) add(other, options);
}

SPATE_DECL SSL_CTX* TlsConfig::context_for(std::string_view name) const {
  std::string wanted(name.substr(0, name.find_last_not_of('.') + 1));  // "example.com." is the same
  for (char& c : wanted) c = ascii_lower(c);
  auto found = by_name_.find(wanted);
  // The wildcard stands for one label.
  if (const auto dot = wanted.find('.'); found == by_name_.end() && dot != std::string::npos) {
    found = by_name_.find("*" + wanted.substr(dot));
  }
  return found == by_name_.end() ? nullptr : found->second;
}

SPATE_DECL void TlsConfig::add(const TlsCertificate& certificate, const TlsOptions& options) {
  const PemText chain_pem = pem_of("the certificate", certificate.certificate_file, certificate.certificate);
  const PemText key_pem = pem_of("the key", certificate.key_file, certificate.key);
  std::vector<OpensslOwned<X509>> chain = read_certificates(chain_pem);
  const OpensslOwned<EVP_PKEY> key = read_key(key_pem);
  X509& own = *chain.front();
  ERR_clear_error();
  OpensslOwned<SSL_CTX> context = made(SSL_CTX_new(TLS_server_method()));
  set_up(*context, *this, tickets_.get());
  ask_clients(*context, options);
  ERR_clear_error();
  if (X509_check_private_key(&own, key.get()) != 1) {
    throw std::invalid_argument("spate::TlsContext: " + key_pem.called + " does not belong to " + chain_pem.called +
                                ", whose first certificate must be the one of the key (" + take_openssl_reason() + ")");
  }
  if (SSL_CTX_use_certificate(context.get(), &own) != 1 || SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1) {
    throw std::invalid_argument("spate::TlsContext: " + chain_pem.called + " cannot be used (" + take_openssl_reason() +
                                ")");
  }
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context.get(), chain[i].get()) != 1) {
      throw std::invalid_argument("spate::TlsContext: " + chain_pem.called + " has a chain that cannot be used (" +
                                  take_openssl_reason() + ")");
    }
  }
  for (std::string& name : names_of(own)) by_name_.emplace(std::move(name), context.get());
  if (contexts_.empty()) text_of_first_ = text_of(own);
  contexts_.push_back(std::move(context));
}

SPATE_DECL void TlsConfig::ask_clients(SSL_CTX& context, const TlsOptions& options) const {
  // A ticket is good only where the same clients are believed as where it was sealed.
  std::string believed = std::to_string(static_cast<int>(options.client_certificates));
  if (options.client_certificates != ClientCertificates::off) {
    const PemText pem = pem_of("the certificate of who vouches for clients", options.client_ca_file, options.client_ca);
    X509_STORE* const store = SSL_CTX_get_cert_store(&context);
    for (const auto& authority : read_certificates(pem)) {
      if (X509_STORE_add_cert(store, authority.get()) != 1 || SSL_CTX_add_client_CA(&context, authority.get()) != 1) {
        throw std::invalid_argument("spate::TlsContext: " + pem.called + " cannot be used (" + take_openssl_reason() +
                                    ")");
      }
    }
    believed += pem.text;
    const bool required = options.client_certificates == ClientCertificates::required;
    SSL_CTX_set_verify(&context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(believed.data(), believed.size(), digest, &size, EVP_sha256(), nullptr) != 1 ||
      SSL_CTX_set_session_id_context(&context, digest, std::min<unsigned>(size, SSL_MAX_SID_CTX_LENGTH)) != 1) {
    throw std::runtime_error("spate::TlsContext: no digest: " + take_openssl_reason());
  }
}

}  // namespace spate::detail
