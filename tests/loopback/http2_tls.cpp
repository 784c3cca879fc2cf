// HTTP/2 over TLS, as browsers speak it.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <spate/http2/http2.hpp>
#include <spate/registry/emitter.hpp>
#include <spate/tls/tls_context.hpp>
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/http2_client.hpp"
#include "support/serving.hpp"
#include "support/texts.hpp"
#include "support/tls_certificates.hpp"
#include "support/tls_client.hpp"

using namespace spate;
using namespace spate::test;

namespace {

ServerOptions with_both(TlsOptions tls) {
  ServerOptions options;
  options.tls = std::make_shared<TlsContext>(std::move(tls));
  options.http2 = std::make_shared<Http2>();
  return options;
}

Http2Client connect_by_both(std::uint16_t port, TlsClientOptions options = {}) {
  options.protocols = {"h2", "http/1.1"};
  return Http2Client(std::make_unique<Client>(connect_by_tls(port, options)));
}

std::string framed(std::string_view data) {
  return "data: " + std::string(data) + "\n\n";
}

}  // namespace

TEST_CASE("who agrees on HTTP/2 while shaking hands speaks it, and who does not speaks HTTP/1.1",
          "[loopback][http2][tls]") {
  const TlsIdentity own = TlsAuthority().issue({"localhost"});
  Serving serving(
      [](Server& server) {
        server.get("/",
                   [](const Request& request) { return Response::text(200, std::to_string(request.version_major())); });
      },
      with_both({.certificate = own.certificate, .key = own.key}));
  Http2Client client = connect_by_both(serving.port());
  CHECK(client.read_body(client.get("/")) == "2");
  CHECK(serving.stats().open_connections.http2_tls == 1);
  Client other = connect_by_tls(serving.port(), {.protocols = {"http/1.1"}});
  other.get("/");
  CHECK(other.read_reply().body == "1");
  CHECK(serving.stats().open_connections.http1_tls == 1);
}

TEST_CASE("each request of a connection knows whose certificate it is", "[loopback][http2][tls]") {
  const TlsAuthority authority;
  const TlsIdentity own = authority.issue({"localhost"}), anna = authority.issue_client({{"CN", "anna"}});
  RouteOptions known;
  known.authorize = [](Request& request) -> std::optional<Response> {
    if (!request.client_subject()) return Response::text(403, "nobody");
    return std::nullopt;
  };
  Serving serving(
      [&](Server& server) {
        server.get(
            "/", [](const Request& request) { return Response::text(200, std::string(*request.client_subject())); },
            known);
      },
      with_both({.certificate = own.certificate,
                 .key = own.key,
                 .client_certificates = ClientCertificates::requested,
                 .client_ca = authority.certificate()}));
  Http2Client client = connect_by_both(serving.port(), {.certificate = anna.certificate, .key = anna.key});
  for (int i = 0; i < 2; ++i) CHECK(client.read_body(client.get("/")) == "CN=anna");
  Http2Client nobody = connect_by_both(serving.port());
  CHECK(nobody.read_head(nobody.get("/")).status == 403);
}

TEST_CASE("a hundred streams of a connection hear everything, in order", "[loopback][http2][tls]") {
  const TlsIdentity own = TlsAuthority().issue({"localhost"});
  Emitter emitter;
  Serving serving(
      [&](Server& server) {
        server.stream("/{user}",
                      [&](const EventStream& stream) { emitter.add(stream.request()->param("user"), stream); });
      },
      with_both({.certificate = own.certificate, .key = own.key}));
  Http2Client client = connect_by_both(serving.port());
  client.keep_windows_open();
  std::vector<std::uint32_t> streams;
  for (int i = 0; i < 100; ++i) streams.push_back(client.get("/user" + std::to_string(i)));
  for (const auto stream : streams) CHECK(client.read_head(stream).status == 200);
  CHECK(eventually([&] { return emitter.stream_count() == 100; }));
  const std::string large(100'000, 'x');
  for (int i = 0; i < 10; ++i) emitter.broadcast(Event(std::to_string(i)));
  emitter.send("user50", Event(large));
  for (const auto stream : streams) {
    for (int i = 0; i < 10; ++i) CHECK(client.read_data_until(stream, "\n\n").ends_with(framed(std::to_string(i))));
  }
  CHECK(client.read_data_until(streams[50], "\n\n").ends_with(framed(large)));
  CHECK(serving.stats().open_connections.http2_tls == 1);
}
