// A client of TLS: OpenSSL on memory, and the same on a socket.
//
//   Client client = connect_by_tls(port, {.server_name = "localhost"});
//   client.get("/");
//   CHECK(client.read_reply().status == 200);
//
// `TlsEngine` alone has no socket: what it wants to send the test passes on, in pieces as it likes.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "support/client.hpp"

namespace spate::test {

/// What a client has got to come back with.
using TlsTicket = std::shared_ptr<SSL_SESSION>;

struct TlsClientOptions {
  int min_version = TLS1_2_VERSION;
  int max_version = TLS1_3_VERSION;
  std::string server_name = "localhost";
  std::vector<std::string> protocols = {};  // by ALPN
  std::string trusted = {};                 // the certificates it trusts, in PEM; empty: anybody's
  std::string certificate = {};             // its own, in PEM
  std::string key = {};
  TlsTicket ticket = {};
};

class TlsEngine {
 public:
  explicit TlsEngine(const TlsClientOptions& options = {})
      : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free), ssl_(nullptr, SSL_free) {
    SSL_CTX* const context = context_.get();
    SSL_CTX_set_security_level(context, 0);  // so that it can offer what nobody should take
    SSL_CTX_set_min_proto_version(context, options.min_version);
    SSL_CTX_set_max_proto_version(context, options.max_version);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, [](SSL* ssl, SSL_SESSION* session) {
      static_cast<TlsEngine*>(SSL_get_app_data(ssl))->tickets_.emplace_back(session, SSL_SESSION_free);
      return 1;
    });
    if (!options.trusted.empty()) {
      const auto pem = reading(options.trusted);
      while (X509* const next = PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr)) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(context), next);
        X509_free(next);
      }
      SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    }
    if (!options.certificate.empty()) {
      X509* const own = PEM_read_bio_X509(reading(options.certificate).get(), nullptr, nullptr, nullptr);
      EVP_PKEY* const key = PEM_read_bio_PrivateKey(reading(options.key).get(), nullptr, nullptr, nullptr);
      SSL_CTX_use_certificate(context, own);
      SSL_CTX_use_PrivateKey(context, key);
      X509_free(own);
      EVP_PKEY_free(key);
    }
    std::string protocols;
    for (const std::string& name : options.protocols) (protocols += static_cast<char>(name.size())) += name;
    if (!protocols.empty()) {
      SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(protocols.data()),
                              static_cast<unsigned>(protocols.size()));
    }
    ssl_.reset(SSL_new(context));
    SSL_set_app_data(ssl_.get(), this);
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    BIO_set_mem_eof_return(SSL_get_rbio(ssl_.get()), -1);
    if (!options.server_name.empty()) {
      SSL_set_tlsext_host_name(ssl_.get(), options.server_name.c_str());
      if (!options.trusted.empty()) SSL_set1_host(ssl_.get(), options.server_name.c_str());
    }
    if (options.ticket) {
      const TlsTicket copy(SSL_SESSION_dup(options.ticket.get()), SSL_SESSION_free);  // it would be good only once
      SSL_set_session(ssl_.get(), copy.get());
    }
    SSL_set_connect_state(ssl_.get());
    ERR_clear_error();
  }
  TlsEngine(const TlsEngine&) = delete;
  TlsEngine& operator=(const TlsEngine&) = delete;
  // Else its tickets would be good for nothing.
  ~TlsEngine() { SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); }

  /// Goes on with the handshake; returns whether it is done. Throws Failure with OpenSSL's reason.
  bool shake_hands() {
    return step([&] { return SSL_do_handshake(ssl_.get()); }) > 0;
  }

  /// What it wants to send. Takes it away.
  std::string output() {
    BIO* const bio = SSL_get_wbio(ssl_.get());
    std::string bytes(BIO_ctrl_pending(bio), '\0');
    if (!bytes.empty()) BIO_read(bio, bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }
  /// What the server has sent.
  void input(std::string_view bytes) {
    if (!bytes.empty()) BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
  }

  void write(std::string_view data) {
    if (!data.empty()) step([&] { return SSL_write(ssl_.get(), data.data(), static_cast<int>(data.size())); });
  }
  /// What there is to read; nothing at the end as well. Throws Failure with OpenSSL's reason.
  std::string read(std::size_t most = 16 * 1024) {
    std::string data(most, '\0');
    const int size = step([&] { return SSL_read(ssl_.get(), data.data(), static_cast<int>(data.size())); });
    data.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return data;
  }
  /// Whether the server has said that it sends no more.
  bool saw_close_notify() const { return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0; }
  void end() {
    step([&] { return SSL_shutdown(ssl_.get()); });
  }

  SSL* native() const noexcept { return ssl_.get(); }
  bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
  std::string version() const { return SSL_get_version(ssl_.get()); }
  std::string protocol() const {
    const unsigned char* name = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }
  /// Those that have come.
  const std::vector<TlsTicket>& tickets() const noexcept { return tickets_; }
  /// The one to come back with; null when none has come.
  TlsTicket ticket() const {
    if (SSL_version(ssl_.get()) == TLS1_3_VERSION) return tickets_.empty() ? TlsTicket() : tickets_.back();
    return {SSL_get1_session(ssl_.get()), SSL_SESSION_free};
  }

 private:
  static std::unique_ptr<BIO, int (*)(BIO*)> reading(const std::string& text) {
    return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free};
  }

  template <typename Call>
  int step(Call call) {
    ERR_clear_error();
    const int result = call();
    const int error = SSL_get_error(ssl_.get(), result);
    const unsigned long first = ERR_peek_error();
    ERR_clear_error();
    if (error == SSL_ERROR_SSL) {
      const char* const reason = ERR_reason_error_string(first);
      throw Failure(std::string("TLS: ") + (reason == nullptr ? "failed" : reason));
    }
    return result;
  }

  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
  std::vector<TlsTicket> tickets_;
};

/// A TlsEngine on the socket of a Client.
class TlsCover final : public Cover {
 public:
  explicit TlsCover(const TlsClientOptions& options) : engine_(std::make_shared<TlsEngine>(options)) {}

  const std::shared_ptr<TlsEngine>& engine() const noexcept { return engine_; }

  /// The whole handshake. Throws Failure when it fails or takes too long.
  void shake_hands(int socket) {
    while (!engine_->shake_hands()) {
      flush(socket);
      await(socket, POLLIN);
      if (feed(socket) == 0) throw Failure("TLS: the connection ended during the handshake");
    }
    flush(socket);
  }

  ssize_t recv(int socket, char* data, std::size_t size) override {
    for (;;) {
      const std::string read = engine_->read(size);
      flush(socket);
      if (!read.empty()) {
        read.copy(data, read.size());
        return static_cast<ssize_t>(read.size());
      }
      if (engine_->saw_close_notify()) return 0;
      const ssize_t fed = feed(socket);
      if (fed <= 0) return fed;
    }
  }
  ssize_t send(int socket, const char* data, std::size_t size) override {
    engine_->write({data, size});
    flush(socket);
    return static_cast<ssize_t>(size);
  }
  void end(int socket) override {
    engine_->end();
    flush(socket);
  }

 private:
  ssize_t feed(int socket) {
    char bytes[16 * 1024];
    const ssize_t size = ::recv(socket, bytes, sizeof bytes, 0);
    if (size > 0) engine_->input({bytes, static_cast<std::size_t>(size)});
    return size;
  }
  void flush(int socket) {
    const std::string bytes = engine_->output();
    for (std::size_t sent = 0; sent < bytes.size();) {
      const ssize_t size = ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (size >= 0) {
        sent += static_cast<std::size_t>(size);
      } else if (errno == EAGAIN) {
        await(socket, POLLOUT);
      } else if (errno != EINTR) {
        return;  // whoever reads learns why
      }
    }
  }
  static void await(int socket, short events) {
    pollfd ready{socket, events, 0};
    if (::poll(&ready, 1, static_cast<int>(std::chrono::milliseconds(patience).count())) == 0) {
      throw Failure("TLS: too late");
    }
  }

  std::shared_ptr<TlsEngine> engine_;
};

/// A client of TLS whose handshake is done, and what is known of it.
struct TlsClient {
  Client client;
  std::shared_ptr<TlsEngine> tls;
};
inline TlsClient tls_client(Client connected, const TlsClientOptions& options = {}) {
  const int on = 1;  // what follows the handshake does not wait for an acknowledgement
  ::setsockopt(connected.native(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  auto cover = std::make_unique<TlsCover>(options);
  const auto engine = cover->engine();
  cover->shake_hands(connected.native());
  connected.take_cover(std::move(cover));
  return {std::move(connected), engine};
}
inline TlsClient tls_client(std::uint16_t port, const TlsClientOptions& options = {}, int receive_buffer = 0) {
  return tls_client(Client(port, receive_buffer), options);
}
inline Client connect_by_tls(std::uint16_t port, const TlsClientOptions& options = {}, int receive_buffer = 0) {
  return std::move(tls_client(port, options, receive_buffer).client);
}

}  // namespace spate::test
