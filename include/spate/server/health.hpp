// Handlers that tell a load balancer, an orchestrator or a person how a server is.
//
//   server.get("/healthz", spate::health(server, {.checks = {
//       [&] { return bus->status().reason; },
//       [&]() -> std::optional<std::string> {
//         if (orders.backlog() < 1'000) return std::nullopt;
//         return "too many orders wait";
//       }}}));
//   server.get("/livez", spate::liveness());
//
// Whether to be sent requests, and whether to be restarted, are two questions. `health` answers the first: a server
// that drains, or whose database is away, would not come back sooner for a restart. `liveness` answers the second: that
// it answers at all is all there is to say, and none of the program's checks may get it killed.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <spate/config.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/server/server.hpp>

namespace spate {

/// Something of the program's that ought to be well: says what is wrong, or nothing; an empty text is nothing as well.
/// The text is shown to whoever asks, so that it had better name no host and no file.
///
/// Threads      the loop of the connection that asks, several at once if there are several. It must not block
/// Exceptions   as of any handler: the client gets 500, and ServerOptions::on_exception is told
using HealthCheck = std::function<std::optional<std::string>()>;

/// What a health check looks at besides, and how it answers.
struct HealthOptions {
  /// All of them are asked each time, in their order.
  std::vector<HealthCheck> checks = {};
  /// The status of the answer while one complains. 200: it serves all the same, as well as it can. 503 tells a load
  /// balancer to ask another one.
  int degraded_status = 200;
};

/// A handler that answers `ok`, with 200; `degraded: why; why` while checks complain; and `draining`, with 503, from
/// the moment at which `server` is told to shut down. No cache keeps it.
///
/// `server` may be another one than that which has the route: one that drains does not accept connections any more, so
/// that whoever asks anew is told by another.
///
/// Throws       std::invalid_argument when a check is an empty function, or `degraded_status` is not 200 to 599
/// Lifetime     `server` lives as long as the handler
SPATE_DECL std::function<Response(const Request&)> health(const Server& server, HealthOptions options = {});

/// A handler that answers `ok`, with 200, as long as there is somebody who answers.
SPATE_DECL std::function<Response(const Request&)> liveness();

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/health.ipp>
#endif
