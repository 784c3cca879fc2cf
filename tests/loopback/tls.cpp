// A server that encrypts, and clients by OpenSSL.
#include "support/catch.hpp"

#include <spate/server/server.hpp>
#include <spate/tls/tls_context.hpp>
#include "support/event_client.hpp"
#include "support/serving.hpp"
#include "support/tls_certificates.hpp"
#include "support/tls_client.hpp"

using namespace spate;
using namespace spate::test;

namespace {

ServerOptions encrypted(std::shared_ptr<TlsContext> tls) {
  ServerOptions options;
  options.tls = std::move(tls);
  return options;
}

void hello(Server& server) {
  server.get("/", [](const Request&) { return Response::text(200, "hello"); });
}

}  // namespace

TEST_CASE("a server with a certificate answers over TLS 1.2 and 1.3") {
  const auto tls = TlsContext::self_signed();
  Serving serving(hello, encrypted(tls));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client =
        tls_client(serving.port(), {.min_version = version, .max_version = version, .trusted = tls->certificate()});
    CHECK(client.tls->version() == (version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3"));
    for (int i = 0; i < 2; ++i) {
      client.client.get("/");
      CHECK(client.client.read_reply().body == "hello");
    }
  }
  CHECK(serving.stats().handshake_failures == 0);
}
