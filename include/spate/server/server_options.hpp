// ServerOptions: where a server listens, what it takes in, and what its streams are like.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <spate/http/cors.hpp>
#include <spate/http/limits.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/stream/stream_options.hpp>

namespace spate {

struct ServerOptions {
  /// The address to listen on: IPv4 or IPv6. Everything beyond loopback can be reached by others.
  std::string address = "127.0.0.1";
  /// Zero takes any free port; `Server::port` tells which.
  std::uint16_t port = 8080;

  /// Threads of the server's own, each with a loop and its share of the connections. Zero: none, everything runs on the
  /// executor given to the server.
  std::size_t threads = 0;

  /// What every stream is like.
  StreamOptions stream;

  /// How much of a request is read before it is refused.
  RequestLimits limits;

  /// How long a request may take from the connection's first moment, or from its own first byte, until it is complete.
  /// Then 408 and close, or just close when no byte came. Zero: for ever. (H14)
  std::chrono::milliseconds request_timeout = std::chrono::seconds(10);

  /// How long a connection may stay idle between two requests. Open streams are not idle. Zero: for ever. (H15)
  std::chrono::milliseconds idle_timeout = std::chrono::seconds(60);

  /// Connections in all, and from one address; one more is answered with 503 and closed. Zero: no limit.
  std::size_t max_connections = 0;
  std::size_t max_connections_per_address = 0;

  /// Which pages of other origins may use this server. By default none: such requests are answered with 403.
  CorsOptions cors;

  /// Host names that this server answers for besides `localhost` and loopback addresses, while it listens on loopback
  /// only; "*" admits all. A page cannot then reach it under a name of its own (DNS rebinding, S3). Beyond loopback
  /// every name passes unless some are listed.
  std::vector<std::string> allow_hosts;

  /// Told of every exception that a handler lets out; the client gets 500, or the stream ends with an error. Runs on
  /// the thread of the handler, and must not throw itself. By default nobody is told.
  std::function<void(std::exception_ptr)> on_exception;
};

/// What can be said of one route.
struct RouteOptions {
  /// Asked before the handler, for HEAD too, and before a stream's head: returns an answer that refuses or redirects
  /// the request, or nothing to let it pass. May set path parameters, so that the handler sees who was recognised.
  std::function<std::optional<Response>(Request&)> authorize;
};

}  // namespace spate
