// A client of TLS that does no more than the test says: OpenSSL between the test and a plain Client, of which the test
// may take every step itself.
//
//   TlsClient client(port, TlsOptions{.protocols = {"http/1.1"}});
//   client.get("/healthz");
//   CHECK(client.read_reply().body == "ok");
//
//   TlsClient stalled = TlsClient::connected(port);     // has said nothing
//   stalled.advance();
//   stalled.plain().send(stalled.due().substr(0, 100)); // a part of its hello, and no more
//
// Throws `Failure` as Client does, and with OpenSSL's words where TLS fails.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/client.hpp"

namespace spate::test {

/// Frees what OpenSSL has made.
struct FreeTls {
  void operator()(SSL_CTX* context) const { ::SSL_CTX_free(context); }
  void operator()(SSL* connection) const { ::SSL_free(connection); }
  void operator()(SSL_SESSION* session) const { ::SSL_SESSION_free(session); }
  void operator()(X509* certificate) const { ::X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { ::EVP_PKEY_free(key); }
  void operator()(BIO* bytes) const { ::BIO_free(bytes); }
};

/// What a client keeps of a connection to resume it; empty for none.
using TlsSession = std::shared_ptr<SSL_SESSION>;

struct TlsOptions {
  /// ALPN, the first is preferred; none is said when empty.
  std::vector<std::string> protocols{"h2"};
  /// SNI; none is said when empty.
  std::string server_name = "localhost";
  int oldest_version = TLS1_2_VERSION;
  int newest_version = TLS1_3_VERSION;
  /// The client's own certificate and key, PEM; none when empty.
  std::string certificate_file = {};
  std::string key_file = {};
  /// Who may have signed the server's certificate, PEM; anybody when empty.
  std::string trusted_file = {};
  TlsSession session = {};
};

class TlsClient : public ByteClient {
 public:
  /// Connects to 127.0.0.1 and shakes hands.
  explicit TlsClient(std::uint16_t port, const TlsOptions& options = {}) : TlsClient(Client(port), options) {
    shake_hands();
  }
  /// Connects, and says nothing yet.
  static TlsClient connected(std::uint16_t port, const TlsOptions& options = {}) {
    return TlsClient(Client(port), options);
  }
  /// Over a connection that is there, and says nothing yet.
  TlsClient(Client plain, const TlsOptions& options) : plain_(std::move(plain)), alert_(std::make_unique<int>(-1)) {
    context_.reset(require(::SSL_CTX_new(::TLS_client_method())));
    ::SSL_CTX_set_min_proto_version(context_.get(), options.oldest_version);
    ::SSL_CTX_set_max_proto_version(context_.get(), options.newest_version);
    ::SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    if (!options.certificate_file.empty()) {
      require(::SSL_CTX_use_certificate_chain_file(context_.get(), options.certificate_file.c_str()) == 1);
      require(::SSL_CTX_use_PrivateKey_file(context_.get(), options.key_file.c_str(), SSL_FILETYPE_PEM) == 1);
    }
    if (!options.trusted_file.empty()) {
      require(::SSL_CTX_load_verify_locations(context_.get(), options.trusted_file.c_str(), nullptr) == 1);
      ::SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    }
    ssl_.reset(require(::SSL_new(context_.get())));
    ::SSL_set_bio(ssl_.get(), ::BIO_new(::BIO_s_mem()), ::BIO_new(::BIO_s_mem()));
    ::SSL_set_connect_state(ssl_.get());
    std::string protocols;
    for (const std::string& protocol : options.protocols) {
      protocols.append(1, static_cast<char>(protocol.size())).append(protocol);
    }
    // Unlike the others it returns 0 when all is well.
    require(::SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                                  static_cast<unsigned int>(protocols.size())) == 0);
    if (!options.server_name.empty()) {
      require(::SSL_set_tlsext_host_name(ssl_.get(), options.server_name.c_str()) == 1);
      ::SSL_set1_host(ssl_.get(), options.server_name.c_str());
    }
    if (options.session) require(::SSL_set_session(ssl_.get(), options.session.get()) == 1);
    SSL_set_app_data(ssl_.get(), alert_.get());
    ::SSL_set_info_callback(ssl_.get(), [](const SSL* ssl, int where, int value) {
      if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT) *static_cast<int*>(SSL_get_app_data(ssl)) = value & 0xff;
    });
  }
  TlsClient(TlsClient&&) noexcept = default;

  /// Takes the handshake to its end.
  void shake_hands() {
    while (!advance()) {
      plain_.send(due());
      if (!take_in()) fail("the server ended the handshake");
    }
    plain_.send(due());
  }
  /// Takes the handshake as far as what was received allows; returns whether it is done. What is to be sent is `due`.
  bool advance() {
    ::ERR_clear_error();
    const int result = ::SSL_do_handshake(ssl_.get());
    if (result == 1) return true;
    if (::SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) return false;
    // What it has to say of that is an alert.
    try {
      plain_.send(due());
    } catch (const Failure&) {
    }
    fail("the handshake failed");
  }
  /// Waits for more bytes of the server and hands them to OpenSSL; false at the end of the connection.
  bool take_in() {
    if (plain_.unread().empty() && !plain_.read_more()) return false;
    const std::string bytes = plain_.read_exactly(plain_.unread().size());
    ::BIO_write(::SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
    return true;
  }
  /// Takes what OpenSSL wants to be sent.
  std::string due() {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(::SSL_get_wbio(ssl_.get()), &bytes);
    std::string taken(bytes, static_cast<std::size_t>(size));
    (void)BIO_reset(::SSL_get_wbio(ssl_.get()));
    return taken;
  }

  std::string_view scheme() const override { return "https"; }

  void send(std::string_view bytes) override { plain_.send(encrypted(bytes)); }
  /// `bytes` as records, not sent.
  std::string encrypted(std::string_view bytes) {
    ::ERR_clear_error();
    if (!bytes.empty() && ::SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) <= 0) fail("SSL_write");
    return due();
  }

  bool read_more() override {
    char bytes[16 * 1024];
    while (end_ == End::open) {
      ::ERR_clear_error();
      const int size = ::SSL_read(ssl_.get(), bytes, sizeof bytes);
      if (size > 0) {
        buffer_.append(bytes, static_cast<std::size_t>(size));
        return true;
      }
      const int error = ::SSL_get_error(ssl_.get(), size);
      if (error == SSL_ERROR_ZERO_RETURN) {
        end_ = End::closed;
        close_notified_ = true;
      } else if (error != SSL_ERROR_WANT_READ) {
        fail("SSL_read");
      } else if (!take_in()) {
        end_ = plain_.how_ended();
      } else if (std::string answer = due(); !answer.empty()) {
        plain_.send(answer);  // to an update of keys, for one
      }
    }
    return false;
  }

  /// At the end: whether the server has said so. What ends otherwise may have been cut.
  bool close_notified() const noexcept { return close_notified_; }
  /// The last alert of the server (RFC 8446 6), -1 for none.
  int alert() const noexcept { return *alert_; }
  /// The protocol that was agreed upon; empty for none.
  std::string protocol() const {
    const unsigned char* name = nullptr;
    unsigned int size = 0;
    ::SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }
  int version() const { return ::SSL_version(ssl_.get()); }
  bool resumed() const { return ::SSL_session_reused(ssl_.get()) == 1; }
  /// To resume this connection with. With TLS 1.3 it comes behind the handshake: read something before. It is a copy,
  /// as OpenSSL forbids to resume its own when the connection goes without close_notify.
  TlsSession session() const {
    const std::unique_ptr<SSL_SESSION, FreeTls> own(require(::SSL_get1_session(ssl_.get())));
    return {require(::SSL_SESSION_dup(own.get())), FreeTls()};
  }
  /// The server's certificate, PEM.
  std::string certificate() const {
    const std::unique_ptr<X509, FreeTls> certificate(require(::SSL_get1_peer_certificate(ssl_.get())));
    const std::unique_ptr<BIO, FreeTls> memory(require(::BIO_new(::BIO_s_mem())));
    require(::PEM_write_bio_X509(memory.get(), certificate.get()) == 1);
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(memory.get(), &bytes);
    return {bytes, static_cast<std::size_t>(size)};
  }

  /// Says that nothing more will be sent: close_notify.
  void end() {
    ::SSL_shutdown(ssl_.get());
    plain_.send(due());
  }
  /// Closes the connection without a word.
  void close() { plain_.close(); }
  void reset() { plain_.reset(); }
  /// What carries the records, for tests that send their own.
  Client& plain() noexcept { return plain_; }
  SSL* ssl() noexcept { return ssl_.get(); }

 private:
  [[noreturn]] static void fail(const std::string& what) {
    char words[256] = "no error";
    if (const unsigned long error = ::ERR_peek_last_error(); error != 0) {
      ::ERR_error_string_n(error, words, sizeof words);
    }
    ::ERR_clear_error();
    throw Failure(what + ": " + words);
  }
  static void require(bool done) {
    if (!done) fail("OpenSSL");
  }
  template <typename T>
  static T* require(T* made) {
    require(made != nullptr);
    return made;
  }

  Client plain_;
  std::unique_ptr<int> alert_;  // where the callback of OpenSSL finds it, also when this client is moved
  std::unique_ptr<SSL_CTX, FreeTls> context_;
  std::unique_ptr<SSL, FreeTls> ssl_;
  bool close_notified_ = false;
};

}  // namespace spate::test
