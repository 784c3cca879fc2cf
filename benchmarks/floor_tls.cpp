// floor_tls: the least that a server can do over TLS 1.3, and so the reference for the cases that have TLS: `floor`,
// with one record for each event.
#include "floor_parts/http1.hpp"
#include "floor_parts/tls.hpp"

namespace {

constexpr char usage[] = R"(floor_tls: the least an event stream server can do over TLS

  --keep-buffers         connections keep the buffers of their records, instead of freeing them after each
  --no-tickets           no session can be resumed)";

}  // namespace

int main(int argc, char** argv) {
  const auto options = floors::parse_options(
      argc, argv, usage,
      {{"--keep-buffers", &floors::Options::keep_buffers}, {"--no-tickets", &floors::Options::no_tickets}});
  floors::TlsTransport::context = floors::make_tls_context(options, "\x08http/1.1");
  floors::Http1Floor<floors::TlsTransport>(options, "https").run();
}
