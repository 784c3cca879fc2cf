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
// Threads: routes are added before `start`; after it every member but `stop` may be called from any thread. Handlers
// and callbacks of one connection run on one loop, one at a time. A handler must not block: everybody on its loop would
// wait.
// Lifetime: destroying the server does what `stop` does, on a thread that may call that. A server on the caller's
// io_context is destroyed before it.
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
#include <spate/server/inherited_sockets.hpp>
#include <spate/server/listen_address.hpp>
#include <spate/server/server_options.hpp>
#include <spate/server/server_stats.hpp>
#include <spate/server/signal_options.hpp>
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

  /// In place of `start`: accepts from the sockets that were passed to this process, by systemd for instance. Returns
  /// how many there are; with none nothing has happened, and `start` may follow.
  ///
  ///   if (server.adopt_inherited() == 0) server.start();
  ///
  /// All of them are looked at before the first is adopted. From then on they are the server's, which closes them when
  /// it shuts down; whoever passed them keeps theirs, and so do clients that connect meanwhile. The file of a Unix
  /// socket stays. The variables of the environment that tell of them are unset, and the descriptors made
  /// close-on-exec, so that programs which this one starts do not take them for theirs; hence it is called once in a
  /// process, for one server. `port` and its neighbours tell about the first that is one of TCP, or else about the
  /// first.
  ///
  /// Throws       std::system_error as `inherited_sockets` does; then none is adopted, and all is as it was.
  ///              std::invalid_argument when it has started, or was stopped, before
  /// Threads      while no other asks for the environment: at the beginning of main
  std::size_t adopt_inherited();

  /// Where it listens. Port 0 and an endpoint of zeros before `start`, for a Unix socket, and when all that it has are
  /// acceptors that it was given (`adopt`).
  std::uint16_t port() const;
  asio::ip::tcp::endpoint local_endpoint() const;
  /// The same for people: "http://127.0.0.1:8080" or "unix:/run/spate.sock"; where it encrypts,
  /// "https://127.0.0.1:8080" or "unix:/run/spate.sock with TLS". One that was passed to it may be in the abstract
  /// namespace: "unix:@name".
  std::string listens_on() const;

  /// One of its loops; empty once it has stopped.
  asio::any_io_executor get_executor() const;

  /// Accepts from a socket that listens already, besides its own or in place of `start`. Throws std::system_error when
  /// it does not listen, or cannot be taken from its executor.
  void adopt(asio::ip::tcp::acceptor acceptor);
#if defined(ASIO_HAS_LOCAL_SOCKETS)
  /// The same for a Unix socket, whose file stays the program's.
  void adopt(asio::local::stream_protocol::acceptor acceptor);
#endif
  /// Serves a connection that somebody else accepted, like those that it accepts itself: it counts against the limits,
  /// and one that comes after `shutdown` is closed.
  void adopt(asio::ip::tcp::socket socket);
  /// The same for one on which `request` has been read and not answered. Where there is no place for it, and after
  /// `shutdown`, the answer is 503.
  void adopt(asio::ip::tcp::socket socket, Request request);
#if defined(ASIO_HAS_LOCAL_SOCKETS)
  /// The same for a connection over a Unix socket.
  void adopt(asio::local::stream_protocol::socket socket);
  void adopt(asio::local::stream_protocol::socket socket, Request request);
#endif
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
#if defined(ASIO_HAS_LOCAL_SOCKETS)
  void adopt(asio::local::stream_protocol::socket socket, EstablishedTls tls);
  void adopt(asio::local::stream_protocol::socket socket, EstablishedTls tls, Request request);
#endif
  void adopt(NativeSocket socket, EstablishedTls tls);
  void adopt(NativeSocket socket, EstablishedTls tls, Request request);

  /// Stops accepting, ends every stream with its farewell (EndReason::shutdown), finishes what is being answered, and
  /// cuts what is left after `deadline`. Then calls `done` with the number of streams and answers that were cut.
  ///
  /// Callbacks    `done`, which may be empty, runs once on one of the server's loops, never inside the call, also when
  ///              `stop` comes first; a second call is ignored, and so is one after `stop`
  /// Throws       std::invalid_argument when `deadline` is negative
  void shutdown(std::chrono::milliseconds deadline, std::function<void(std::size_t cut)> done);

  /// Shuts down when the process is told to end: on the first SIGTERM or SIGINT as `shutdown` does, with the deadline
  /// and `done` of `options`; another signal cuts what is left at once.
  ///
  ///   server.shutdown_on_signals({.deadline = 10s});
  ///   io.run();                       // returns when the server has drained, if there is nothing else to do
  ///
  /// From now on these signals do not end the process by themselves, until the server has drained or stopped, whoever
  /// told it to: then they do again what they do by default. Nothing of the wait keeps an io_context running after
  /// that. A signal that finds the server shutting down already, because the program has called `shutdown`, changes
  /// nothing; the next one cuts. Several servers of a process may wait for the same signals. After `stop`, or when it
  /// has drained, this does nothing.
  ///
  /// Callbacks    `done` as that of `shutdown`, and only if a signal came first; `again` on `SignalOptions::executor`.
  ///              Neither runs in a signal handler of the system, so that each may do what it likes
  /// Throws       std::invalid_argument the second time, or when the deadline is negative; std::system_error when a
  ///              signal cannot be waited for
  /// Threads      one at least must not block these signals: those of the server's own do
  void shutdown_on_signals(SignalOptions options = {});

  /// Cuts everything at once; on threads of its own also ends these, when the callbacks that are due have run.
  /// Idempotent.
  ///
  /// Threads      with threads of its own: any but these. On the caller's executor: the only thread that runs it, or
  ///              any when none does; elsewhere post it to `get_executor`, or use `shutdown`
  void stop();

  /// Whether it has been told to end, by `shutdown` or `stop`: it answers what it has, and accepts nobody any more.
  bool is_draining() const;

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
