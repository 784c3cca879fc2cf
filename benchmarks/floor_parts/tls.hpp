// TLS 1.3 by OpenSSL for the floors: a certificate made at the start, tickets that OpenSSL seals by itself, one record
// for each write.
#pragma once

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "floor_parts/common.hpp"

namespace floors {

[[noreturn]] inline void fail_by_openssl() {
  ERR_print_errors_fp(stderr);
  std::exit(1);
}

// A P-256 certificate for localhost that signs itself.
inline void make_certificate(SSL_CTX* context) {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  if (key == nullptr || certificate == nullptr) fail_by_openssl();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 24L * 3600);
  X509_NAME* const name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_set_pubkey(certificate, key);
  if (X509_sign(certificate, key, EVP_sha256()) == 0 || SSL_CTX_use_certificate(context, certificate) != 1 ||
      SSL_CTX_use_PrivateKey(context, key) != 1) {
    fail_by_openssl();
  }
  X509_free(certificate);
  EVP_PKEY_free(key);
}

/// The settings of all connections; `protocol` is the one that ALPN takes, with its length before it.
inline SSL_CTX* make_tls_context(const Options& options, const char* protocol) {
  SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
  if (context == nullptr) fail_by_openssl();
  // OpenSSL writes to sockets without MSG_NOSIGNAL.
  std::signal(SIGPIPE, SIG_IGN);
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // One ticket is what a client needs to come back, and the ticket is all that there is of a session. Whoever comes
  // back gets another, as OpenSSL does by itself with TLS 1.3: a client uses each only once. (RFC 8446 C.4)
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, options.no_tickets ? 0 : 1);
  // One read takes all records that have come, instead of two reads for each.
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (!options.keep_buffers) SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  const auto select = [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in,
                         unsigned int in_size, void* wanted) -> int {
    const auto* own = static_cast<const unsigned char*>(wanted);
    const bool agreed = SSL_select_next_proto(const_cast<unsigned char**>(out), size, own, own[0] + 1u, in, in_size) ==
                        OPENSSL_NPN_NEGOTIATED;
    return agreed ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
  };
  SSL_CTX_set_alpn_select_cb(context, select, const_cast<char*>(protocol));
  make_certificate(context);
  return context;
}

/// A socket with TLS on it. Reading makes the handshake as well.
class TlsTransport {
 public:
  static inline SSL_CTX* context = nullptr;

  explicit TlsTransport(int fd) : fd_(fd), ssl_(SSL_new(context)) {
    if (ssl_ == nullptr || SSL_set_fd(ssl_, fd) != 1) fail_by_openssl();
    SSL_set_accept_state(ssl_);
  }

  int fd() const noexcept { return fd_; }
  ssize_t read(char* at, std::size_t size) noexcept { return result(SSL_read(ssl_, at, most(size))); }
  ssize_t write(const char* at, std::size_t size) noexcept { return result(SSL_write(ssl_, at, most(size))); }
  bool more() const noexcept { return ssl_ != nullptr && SSL_has_pending(ssl_) == 1; }
  void close() noexcept {
    SSL_free(ssl_);
    ssl_ = nullptr;
    ::close(fd_);
    fd_ = -1;
  }

 private:
  static int most(std::size_t size) noexcept {
    return static_cast<int>(std::min<std::size_t>(size, std::numeric_limits<int>::max()));
  }

  ssize_t result(int n) noexcept {
    if (n > 0) return n;
    const int error = SSL_get_error(ssl_, n);
    if (error == SSL_ERROR_ZERO_RETURN) return 0;
    // What one connection leaves in the thread's queue would be taken for a fault of the next.
    ERR_clear_error();
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return -1;
  }

  int fd_;
  SSL* ssl_;
};

}  // namespace floors
