// TLS for the client, by OpenSSL: as browsers speak it, but nobody's certificate is verified.
//
// Without OpenSSL there are the same classes, and making a `TlsSettings` throws.
#pragma once

#include <sys/epoll.h>
#include <sys/types.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "client/socket.hpp"

#if SPATE_BENCHMARK_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

namespace bench {

#if SPATE_BENCHMARK_TLS

/// What a later connection may resume; empty before there is one.
class TlsTicket {
 public:
  TlsTicket() = default;
  explicit TlsTicket(SSL_SESSION* session) : session_(session) {}
  SSL_SESSION* get() const noexcept { return session_.get(); }

 private:
  struct Free {
    void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
  };
  std::unique_ptr<SSL_SESSION, Free> session_;
};

/// What all connections have in common.
class TlsSettings {
 public:
  explicit TlsSettings(bool http2) : context_(SSL_CTX_new(TLS_client_method())) {
    if (!context_) throw Failure("OpenSSL gives no context");
    // OpenSSL writes to sockets without MSG_NOSIGNAL.
    std::signal(SIGPIPE, SIG_IGN);
    // Without this OpenSSL would check the chain all the same, and only not mind what it found.
    SSL_CTX_set_cert_verify_callback(
        context_.get(), [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
    SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(context_.get(), 1);
    SSL_CTX_set_mode(context_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    const bool right = SSL_CTX_set_ciphersuites(context_.get(), "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384") == 1 &&
                       SSL_CTX_set1_groups_list(context_.get(), "X25519:P-256") == 1;
    const std::string_view protocol = http2 ? std::string_view("\x02h2") : std::string_view("\x08http/1.1");
    // This one function of OpenSSL returns 0 when all is well.
    const bool wrong = SSL_CTX_set_alpn_protos(context_.get(), reinterpret_cast<const unsigned char*>(protocol.data()),
                                               static_cast<unsigned>(protocol.size())) != 0;
    if (!right || wrong) throw Failure("OpenSSL refuses the settings");
  }
  SSL_CTX* get() const noexcept { return context_.get(); }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
  };
  std::unique_ptr<SSL_CTX, Free> context_;
};

/// TLS on one socket. Reading and writing make the handshake as well, and return -1 with EAGAIN as recv and send do.
class TlsLayer {
 public:
  TlsLayer() = default;
  TlsLayer(const TlsSettings& settings, int fd, const TlsTicket& ticket) : ssl_(SSL_new(settings.get())) {
    if (!ssl_ || SSL_set_fd(ssl_.get(), fd) != 1) throw Failure("OpenSSL gives no connection");
    if (ticket.get() != nullptr) SSL_set_session(ssl_.get(), ticket.get());
    SSL_set_connect_state(ssl_.get());
  }

  explicit operator bool() const noexcept { return ssl_ != nullptr; }
  ssize_t read(char* at, std::size_t size) { return result(SSL_read(ssl_.get(), at, static_cast<int>(size))); }
  ssize_t write(const char* at, std::size_t size) { return result(SSL_write(ssl_.get(), at, static_cast<int>(size))); }
  bool more() const noexcept { return SSL_has_pending(ssl_.get()) == 1; }
  std::uint32_t waits_for() const noexcept { return SSL_want_write(ssl_.get()) ? EPOLLOUT : EPOLLIN; }
  bool resumed() const noexcept { return ssl_ && SSL_session_reused(ssl_.get()) == 1; }
  /// The newest ticket that the server sent.
  TlsTicket ticket() const { return TlsTicket(SSL_get1_session(ssl_.get())); }
  std::string_view protocol() const noexcept {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }

 private:
  struct Free {
    void operator()(SSL* ssl) const noexcept {
      // As if both had said goodbye: a session that ends without it could not be resumed.
      SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
      SSL_free(ssl);
    }
  };

  ssize_t result(int n) {
    if (n > 0) return n;
    const int error = SSL_get_error(ssl_.get(), n);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
      errno = EAGAIN;
      return -1;
    }
    if (error == SSL_ERROR_ZERO_RETURN) return 0;
    // A connection that ends without close_notify has ended all the same.
    const unsigned long reason = ERR_peek_error();
    const bool ended = error == SSL_ERROR_SSL && ERR_GET_REASON(reason) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    if (error == SSL_ERROR_SSL && !ended) {
      throw Failure(std::string("TLS: ") + (reason == 0 ? "failed" : ERR_reason_error_string(reason)));
    }
    ERR_clear_error();
    return ended ? 0 : -1;
  }

  std::unique_ptr<SSL, Free> ssl_;
};

#else

class TlsTicket {
 public:
  const void* get() const noexcept { return nullptr; }
};

class TlsSettings {
 public:
  explicit TlsSettings(bool) { throw Failure("this client was built without OpenSSL"); }
};

class TlsLayer {
 public:
  TlsLayer() = default;
  TlsLayer(const TlsSettings&, int, const TlsTicket&) {}
  explicit operator bool() const noexcept { return false; }
  ssize_t read(char*, std::size_t) const noexcept { return 0; }
  ssize_t write(const char*, std::size_t) const noexcept { return 0; }
  bool more() const noexcept { return false; }
  std::uint32_t waits_for() const noexcept { return EPOLLIN; }
  bool resumed() const noexcept { return false; }
  TlsTicket ticket() const { return {}; }
  std::string_view protocol() const noexcept { return {}; }
};

#endif

/// A socket, perhaps with TLS on it. Closes it at the end.
class Transport {
 public:
  Transport() = default;
  /// Without `settings` the socket as it is.
  explicit Transport(int fd, const TlsSettings* settings = nullptr, const TlsTicket& ticket = {})
      : fd_(fd), tls_(settings == nullptr ? TlsLayer() : TlsLayer(*settings, fd, ticket)) {}
  Transport(Transport&& other) noexcept : fd_(std::exchange(other.fd_, -1)), tls_(std::move(other.tls_)) {}
  Transport& operator=(Transport&& other) noexcept {
    close();
    fd_ = std::exchange(other.fd_, -1);
    tls_ = std::move(other.tls_);
    return *this;
  }
  ~Transport() { close(); }

  int fd() const noexcept { return fd_; }
  const TlsLayer& tls() const noexcept { return tls_; }
  ssize_t read(char* at, std::size_t size) { return tls_ ? tls_.read(at, size) : ::recv(fd_, at, size, 0); }
  ssize_t write(const char* at, std::size_t size) {
    return tls_ ? tls_.write(at, size) : ::send(fd_, at, size, MSG_NOSIGNAL);
  }
  /// Whether something has been received already that no event of the socket will tell of.
  bool more() const noexcept { return tls_ && tls_.more(); }
  /// What a write that returned EAGAIN waits for.
  std::uint32_t waits_for() const noexcept { return tls_ ? tls_.waits_for() : std::uint32_t{EPOLLOUT}; }
  void close() noexcept {
    tls_ = TlsLayer();
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
  TlsLayer tls_;
};

}  // namespace bench
