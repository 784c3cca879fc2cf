// A Server accepts connections, reads requests, and gives each to the handler of its route.
//
//   asio::io_context io;
//   spate::ServerOptions options;
//   options.port = 8080;
//   spate::Server server(io, options);
//   server.stream("/time", [](spate::EventStream stream) { stream.send(spate::Event("now")); });
//   server.get("/healthz", [](const spate::Request&) { return spate::Response::text(200, "ok"); });
//   server.start();
//   io.run();
//
// It runs on the io_context it was given, beside whatever else runs there, or, with `ServerOptions::threads`, on
// threads of its own with one loop each; a connection stays on its loop for life. It owns no global state. Threads of
// its own block all signals, so that the program may wait for them with sigwait. Programs that a handler starts inherit
// no descriptor of the server: every one is close-on-exec, from its beginning on Linux, elsewhere and when the program
// opened it from the moment at which the server has it.
//
// Threads: routes are added before `start`; after it every member may be called from any thread. Handlers and callbacks
// of one connection run on one loop, one at a time. A handler must not block: everybody on its loop would wait.
// Lifetime: destroying the server cuts what is open. A server on the caller's io_context is destroyed before it, on the
// thread that runs it or when none does.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>

#include <spate/config.hpp>
#include <spate/http/request.hpp>
#include <spate/server/detail/handlers.hpp>
#include <spate/server/listen_address.hpp>
#include <spate/server/server_options.hpp>
#include <spate/server/server_stats.hpp>
#include <spate/wire/detail/quote.hpp>
#include <spate/wire/detail/require.hpp>

namespace spate {

namespace detail {
class EstablishedSecurity;
class ServerImpl;
}  // namespace detail

class Server {
 public:
  /// Serves on `executor`; when several threads run it, the server puts a strand around it. With
  /// `ServerOptions::threads` the executor is not used.
  ///
  /// Throws std::invalid_argument when an option cannot be understood.
  explicit Server(asio::any_io_executor executor, ServerOptions options = {});
  explicit Server(asio::io_context& context, ServerOptions options = {});
  /// Serves on threads of its own: `ServerOptions::threads`, at least one.
  explicit Server(ServerOptions options);

  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  // ---- routes, before `start` ----

  /// GET and HEAD of `pattern` answer with a stream. `handler` is `void(EventStream)`, and the head goes out when it
  /// returns, or `asio::awaitable<void>(EventStream)`, and the stream completes when it returns; that it may let out
  /// the Errc::stream_closed of a send is how it ends when its client leaves. In a pattern `{name}` stands for one
  /// segment, decoded, which `Request::param` gives.
  ///
  /// Where several patterns match, a literal segment beats a parameter, and that `{rest...}`, whatever the order in
  /// which they were added. A coroutine whose client leaves is cancelled (terminal): what it waits for ends.
  ///
  /// Throws std::invalid_argument, for all kinds of routes, when the pattern cannot be understood, no request can have
  /// the method, the route is there already, the handler is an empty function, or the server serves already.
  template <typename Handler>
  void stream(std::string_view pattern, Handler handler, RouteOptions options = {}) {
    route_stream({"GET", "HEAD"}, pattern, std::move(handler), std::move(options));
  }
  /// The same for one method: POST, as clients of language models do.
  template <typename Handler>
  void stream(std::string_view method, std::string_view pattern, Handler handler, RouteOptions options = {}) {
    route_stream({std::string(method)}, pattern, std::move(handler), std::move(options));
  }

  /// Ordinary routes. `handler` takes `const Request&` and returns `Response` or `asio::awaitable<Response>`, or takes
  /// `(const Request&, PendingResponse)` and answers later; then the request is gone when it returns; or takes `(const
  /// Request&, StreamedResponse)`, which writes the answer in pieces, and returns nothing or `asio::awaitable<void>`.
  template <typename Handler>
  void get(std::string_view pattern, Handler handler, RouteOptions options = {}) {
    route({"GET", "HEAD"}, pattern, std::move(handler), std::move(options));
  }
  template <typename Handler>
  void post(std::string_view pattern, Handler handler, RouteOptions options = {}) {
    route({"POST"}, pattern, std::move(handler), std::move(options));
  }
  template <typename Handler>
  void route(std::vector<std::string> methods, std::string_view pattern, Handler handler, RouteOptions options = {}) {
    detail::require_callable("spate::Server: the handler of " + detail::quote(pattern), handler);
    add_route(std::move(methods), pattern, detail::make_handler(std::move(handler)), std::move(options));
  }

  // Two texts in braces would be taken for the two ends of one: only `route` takes several methods, none several
  // patterns.
  using Texts = std::initializer_list<std::string_view>;
  template <typename Handler>
  void stream(Texts patterns, Handler handler, RouteOptions options = {}) = delete;
  template <typename Handler>
  void stream(Texts methods, std::string_view pattern, Handler handler, RouteOptions options = {}) = delete;
  template <typename Handler>
  void stream(std::string_view method, Texts patterns, Handler handler, RouteOptions options = {}) = delete;
  template <typename Handler>
  void get(Texts patterns, Handler handler, RouteOptions options = {}) = delete;
  template <typename Handler>
  void post(Texts patterns, Handler handler, RouteOptions options = {}) = delete;
  template <typename Handler>
  void route(std::vector<std::string> methods, Texts patterns, Handler handler, RouteOptions options = {}) = delete;

  /// Takes every request whose path no route matches, whatever its method; without it they are answered with 404.
  /// `handler` is one of an ordinary route; `Request::param("path")` is what comes after the path's first slash.
  template <typename Handler>
  void fallback(Handler handler, RouteOptions options = {}) {
    detail::require_callable("spate::Server: the handler of the fallback", handler);
    set_fallback(detail::make_handler(std::move(handler)), std::move(options));
  }

  // ---- life ----

  /// Binds, listens, and begins to accept. Nobody is answered before the io_context runs.
  ///
  /// Throws std::system_error that names address and port when they cannot be had, std::invalid_argument when it has
  /// started, or was stopped, before.
  void start();

  /// Where it listens; after `start`. A Unix socket has neither.
  std::uint16_t port() const;
  asio::ip::tcp::endpoint local_endpoint() const;
  /// The same for people: "http://127.0.0.1:8080" or "unix:/run/spate.sock"; where it encrypts,
  /// "https://127.0.0.1:8080" or "unix:/run/spate.sock with TLS".
  std::string listens_on() const;

  /// One of its loops; empty once it has stopped.
  asio::any_io_executor get_executor() const;

  /// Accepts from a socket that listens already, besides its own or in place of `start`. Throws std::system_error when
  /// it does not listen, or cannot be taken from its executor.
  void adopt(asio::ip::tcp::acceptor acceptor);
  /// The same for a Unix socket, whose file stays the program's.
  void adopt(asio::local::stream_protocol::acceptor acceptor);
  /// Serves a connection that somebody else accepted, like those that it accepts itself: it counts against the limits,
  /// and one that comes after `shutdown` is closed.
  void adopt(asio::ip::tcp::socket socket);
  /// The same for one on which `request` has been read and not answered. Where there is no place for it, and after
  /// `shutdown`, the answer is 503.
  void adopt(asio::ip::tcp::socket socket, Request request);
  /// The same for a connection over a Unix socket.
  void adopt(asio::local::stream_protocol::socket socket);
  void adopt(asio::local::stream_protocol::socket socket, Request request);
  /// The same for a connected socket of the system, of either kind, as another library knows it. It is the server's
  /// from now on. Throws std::system_error that names the descriptor when that is none, or no connection of such a
  /// kind; it is closed then.
  using NativeSocket = asio::ip::tcp::socket::native_handle_type;
  void adopt(NativeSocket socket);
  void adopt(NativeSocket socket, Request request);

  /// The same for a connection whose TLS handshake the program has done, as HTTP/1 or HTTP/2, as was agreed on then:
  /// `tls` is a `TlsSession`, of <spate/tls/tls_session.hpp>. The server need not encrypt what it accepts itself.
  /// A socket of which nothing was read yet needs none: the server shakes hands if `ServerOptions::tls` is set.
  using EstablishedTls = std::unique_ptr<detail::EstablishedSecurity>;
  void adopt(asio::ip::tcp::socket socket, EstablishedTls tls);
  void adopt(asio::ip::tcp::socket socket, EstablishedTls tls, Request request);
  void adopt(asio::local::stream_protocol::socket socket, EstablishedTls tls);
  void adopt(asio::local::stream_protocol::socket socket, EstablishedTls tls, Request request);
  void adopt(NativeSocket socket, EstablishedTls tls);
  void adopt(NativeSocket socket, EstablishedTls tls, Request request);

  /// Stops accepting, ends every stream with its farewell (EndReason::shutdown), finishes what is being answered, and
  /// cuts what is left after `deadline`. Then calls `done` with the number of streams and answers that were cut.
  ///
  /// Callbacks    `done` runs once on one of the server's loops, never inside the call, also when `stop` comes first; a
  ///              second call is ignored, and so is one after `stop`
  void shutdown(std::chrono::milliseconds deadline, std::function<void(std::size_t cut)> done);

  /// Cuts everything at once; on threads of its own also ends these, when the callbacks that are due have run.
  /// Idempotent. Not from one of those threads.
  void stop();

  /// What it has done so far. Counters of several loops are read one after the other.
  ServerStats stats() const;

 protected:
  /// One that is there already: for <spate/testing/server.hpp>.
  explicit Server(std::unique_ptr<detail::ServerImpl> impl) noexcept;

 private:
  template <typename Handler>
  void route_stream(std::vector<std::string> methods, std::string_view pattern, Handler handler, RouteOptions options) {
    detail::require_callable("spate::Server: the handler of " + detail::quote(pattern), handler);
    add_route(std::move(methods), pattern, detail::make_stream_handler(std::move(handler)), std::move(options));
  }

  void add_route(std::vector<std::string> methods, std::string_view pattern, detail::Handler handler,
                 RouteOptions options);

  void set_fallback(detail::Handler handler, RouteOptions options);

  const std::unique_ptr<detail::ServerImpl> impl_;
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/server.ipp>
#endif
