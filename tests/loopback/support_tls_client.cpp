// The tests' own client of TLS, against OpenSSL's server on a thread of its own.
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "support/catch.hpp"
#include "support/tls_client.hpp"

using namespace spate::test;

namespace {

/// A server's context with a certificate of its own. It agrees to the protocol `h2` alone.
class TlsServerContext {
 public:
  explicit TlsServerContext(int newest_version = TLS1_3_VERSION) : context_(::SSL_CTX_new(::TLS_server_method())) {
    const std::unique_ptr<EVP_PKEY, FreeTls> key(::EVP_EC_gen("P-256"));
    const std::unique_ptr<X509, FreeTls> certificate(::X509_new());
    ::X509_gmtime_adj(::X509_getm_notBefore(certificate.get()), 0);
    ::X509_gmtime_adj(::X509_getm_notAfter(certificate.get()), 3600);
    ::X509_set_pubkey(certificate.get(), key.get());
    X509_NAME* name = ::X509_get_subject_name(certificate.get());
    ::X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1,
                                 0);
    ::X509_set_issuer_name(certificate.get(), name);
    ::X509_sign(certificate.get(), key.get(), ::EVP_sha256());
    ::SSL_CTX_use_certificate(context_.get(), certificate.get());
    ::SSL_CTX_use_PrivateKey(context_.get(), key.get());
    ::SSL_CTX_set_max_proto_version(context_.get(), newest_version);
    ::SSL_CTX_set_alpn_select_cb(
        context_.get(),
        [](SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
           unsigned int offered_size, void*) {
          static const unsigned char known[] = {2, 'h', '2'};
          unsigned char* found = nullptr;
          const int result = ::SSL_select_next_proto(&found, size, known, sizeof known, offered, offered_size);
          *chosen = found;
          return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
        },
        nullptr);
  }
  SSL_CTX* get() const { return context_.get(); }

 private:
  std::unique_ptr<SSL_CTX, FreeTls> context_;
};

enum class Leaves { with_close_notify, without };

/// One connection: shakes hands, sends back up to 100 bytes, once, and leaves.
class TlsEcho {
 public:
  explicit TlsEcho(const TlsServerContext& context, Leaves leaves = Leaves::with_close_notify) {
    ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets_);
    thread_ = std::thread([this, leaves, ssl = ::SSL_new(context.get())] {
      ::SSL_set_fd(ssl, sockets_[0]);
      char bytes[100];
      int size = 0;
      if (::SSL_accept(ssl) == 1 && (size = ::SSL_read(ssl, bytes, sizeof bytes)) > 0) ::SSL_write(ssl, bytes, size);
      if (leaves == Leaves::with_close_notify) ::SSL_shutdown(ssl);
      ::SSL_free(ssl);
      ::shutdown(sockets_[0], SHUT_WR);
    });
  }
  ~TlsEcho() {
    ::shutdown(sockets_[0], SHUT_RDWR);
    thread_.join();
    ::close(sockets_[0]);
  }
  /// The client's end, which has said nothing.
  TlsClient client(const TlsOptions& options = {}) { return TlsClient(Client::on(sockets_[1]), options); }

 private:
  int sockets_[2] = {-1, -1};
  std::thread thread_;
};

}  // namespace

TEST_CASE("a TLS client shakes hands, sends and reads", "[support]") {
  const TlsServerContext context;
  TlsEcho server(context);
  TlsClient client = server.client();
  client.shake_hands();
  CHECK(client.protocol() == "h2");
  CHECK(client.version() == TLS1_3_VERSION);
  CHECK_FALSE(client.resumed());
  CHECK(client.certificate().rfind("-----BEGIN CERTIFICATE-----", 0) == 0);
  client.send("hello");
  CHECK(client.read_exactly(5) == "hello");
  CHECK(client.read_end() == End::closed);
  CHECK(client.close_notified());
}

TEST_CASE("a TLS client tells a cut from an end", "[support]") {
  const TlsServerContext context;
  TlsEcho server(context, Leaves::without);
  TlsClient client = server.client();
  client.shake_hands();
  client.send("hello");
  CHECK(client.read_to_end() == "hello");
  CHECK(client.how_ended() == End::closed);
  CHECK_FALSE(client.close_notified());
}

TEST_CASE("a TLS client resumes what it was", "[support]") {
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  const TlsServerContext context(version);
  TlsOptions options;
  for (const bool resumes : {false, true}) {
    TlsEcho server(context);
    TlsClient client = server.client(options);
    client.shake_hands();
    CHECK(client.version() == version);
    client.send("hello");
    CHECK(client.read_to_end() == "hello");
    CHECK(client.resumed() == resumes);
    options.session = client.session();
  }
}

TEST_CASE("a TLS client goes step by step where the test says so", "[support]") {
  const TlsServerContext context;
  TlsEcho server(context);
  TlsClient client = server.client();
  CHECK_FALSE(client.advance());
  const std::string hello = client.due();
  // A record of the handshake. (RFC 8446 5.1)
  REQUIRE(hello.size() > 100);
  CHECK(hello[0] == 22);
  CHECK(client.due().empty());
  client.plain().send(hello.substr(0, 3));
  client.plain().send(hello.substr(3));
  while (!client.advance()) {
    client.plain().send(client.due());
    REQUIRE(client.take_in());
  }
  client.plain().send(client.due());
  const std::string record = client.encrypted("hello");
  client.plain().send(record.substr(0, 10));
  client.plain().send(record.substr(10));
  CHECK(client.read_to_end() == "hello");
}

TEST_CASE("a TLS client tells why it was refused", "[support]") {
  const TlsServerContext context;
  TlsEcho server(context);
  TlsClient client = server.client(TlsOptions{.protocols = {"spdy/3"}});
  CHECK_THROWS_WITH(client.shake_hands(), Catch::Matchers::ContainsSubstring("no application protocol"));
  // RFC 7301 3.2
  CHECK(client.alert() == 120);
}

TEST_CASE("a TLS client refuses a certificate that nobody it trusts has signed", "[support]") {
  const TlsServerContext context;
  TlsEcho server(context);
  TlsClient client = server.client();
  ::SSL_set_verify(client.ssl(), SSL_VERIFY_PEER, nullptr);
  CHECK_THROWS_WITH(client.shake_hands(), Catch::Matchers::ContainsSubstring("certificate verify failed"));
}
