// Http2 lets a server speak HTTP/2 as well: on the same port, with the same routes.
//
//   #include <spate/http2/http2.hpp>          // link to spate::http2
//
//   spate::ServerOptions options;
//   options.tls = std::make_shared<spate::TlsContext>(...);   // browsers ask for HTTP/2 over TLS only
//   options.http2 = std::make_shared<spate::Http2>();
//
// Clients choose it while they shake hands (ALPN), or begin with it in the clear where they know that the server speaks
// it; there is no `Upgrade` (RFC 9113 3). Every stream of events is a stream of the connection, with a queue, a policy,
// a heartbeat and an end of its own, and all of them leave together: what one turn of the loop has for a connection is
// one write.
//
// What the limits of a server and of its streams say holds here as well, but that a connection carries many requests:
// `ServerOptions::request_timeout` is for each of them, `idle_timeout` for a connection without any. A client that
// breaks the rules, or has the server work for nothing, is told GOAWAY and loses its connection.
//
// Threads and lifetime: may be shared by several servers, which hold it.
#pragma once

#include <cstdint>
#include <string_view>

#include <spate/config.hpp>
#include <spate/server/detail/connection_protocol.hpp>

namespace spate {

/// What one connection may have.
struct Http2Options {
  /// Requests and streams that one connection may have open at once; one more is refused, and may be asked again
  /// (REFUSED_STREAM). At least one. (RFC 9113 5.1.2)
  std::uint32_t max_streams_per_connection = 256;
};

class Http2 final : public detail::ConnectionProtocol {
 public:
  /// Throws std::invalid_argument when an option is out of its range.
  explicit Http2(Http2Options options = {});

  const Http2Options& options() const noexcept { return options_; }

  // ---- for the server ----

  std::string_view alpn() const noexcept override { return "h2"; }
  std::string_view preface() const noexcept override { return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"; }
  SPATE_DECL void begin(const detail::Ref<detail::Shard>& shard, const detail::Ref<detail::ServerCore>& server,
                        const HostPolicy& hosts, detail::Peer&& peer, detail::ConnectionFacts facts,
                        std::string_view read) override;

 private:
  const Http2Options options_;
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/http2/impl/http2.ipp>
#endif
