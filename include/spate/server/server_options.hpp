// ServerOptions: where a server listens, what it takes in, and what its streams are like.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/cancellation_signal.hpp>

#include <spate/config.hpp>
#include <spate/http/cors.hpp>
#include <spate/http/cross_site.hpp>
#include <spate/http/limits.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/stream/access_record.hpp>
#include <spate/stream/detail/language.hpp>
#include <spate/stream/stream_options.hpp>

namespace spate {

namespace detail {
class Compression;
class ConnectionProtocol;
class TransportSecurity;
}  // namespace detail

struct ServerOptions {
  /// The address to listen on: IPv4 or IPv6. Everything beyond loopback can be reached by others. Or a Unix socket:
  /// "unix:/run/spate.sock". Who may connect is who may write to its file, which has the rights that the process's
  /// umask leaves; a folder that others cannot enter is safer. A socket that is there, and on which nobody listens, is
  /// replaced, anything else is not; a stop removes the file. Every host name may be asked for there unless
  /// `allow_hosts` lists some, and its connections count against `max_connections` only: they have no address.
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
  /// Then 408 and close, or just close when no byte came. Zero: for ever. (RFC 9110 15.5)
  std::chrono::milliseconds request_timeout = std::chrono::seconds(10);

  /// How long a connection may stay idle between two requests. Open streams are not idle. Zero: for ever.
  /// (RFC 9112 9.5) A proxy in front keeps connections as well, nginx for 60 s: let it be the first to close one.
  /// Otherwise it now and then sends a request on a connection that is just being closed, and its client gets 502.
  std::chrono::milliseconds idle_timeout = std::chrono::seconds(75);

  /// Encrypts every connection: a `TlsContext`, of <spate/tls/tls_context.hpp>. Several servers may share one. Null:
  /// all is said in the clear.
  std::shared_ptr<detail::TransportSecurity> tls;
  /// Handshakes under way at once; a connection for which there is no place is closed without a word. The time of
  /// `request_timeout` counts for them. Zero: no limit.
  std::size_t max_handshakes = 1024;

  /// Speaks HTTP/2 as well, with who asks for it: an `Http2`, of <spate/http2/http2.hpp>. Null: HTTP/1 alone.
  std::shared_ptr<detail::ConnectionProtocol> http2;

  /// Compresses streams and answers for the clients that ask for it: a `Gzip`, of <spate/zlib/gzip.hpp>. Several
  /// servers may share one. Null: nothing is compressed.
  std::shared_ptr<const detail::Compression> compression;

  /// Connections in all, and from one address; one more is answered with 503 and closed. A connection counts until its
  /// socket is closed, so also while the last bytes of an answer may be on their way. Of IPv6 the first 64 bits are
  /// what counts as one address; whoever comes by a Unix socket has none. At most 64 that are refused are open besides,
  /// until their clients have read why or 2 s have passed; more are closed without a word. Zero: no limit.
  std::size_t max_connections = 0;
  std::size_t max_connections_per_address = 0;

  /// Which pages of other origins may use this server. By default none: such requests are answered with 403.
  CorsOptions cors;

  /// Host names that this server answers for besides `localhost` and loopback addresses, on what listens on loopback
  /// only; "*" admits all. A page cannot then reach it under a name of its own (DNS rebinding; RFC 6454 7). Beyond
  /// loopback every name passes unless some are listed, and on a Unix socket too, where loopback then passes as well.
  /// What counts is where the socket of `start` or `adopt` is bound; of a connection that was adopted, its own end.
  std::vector<std::string> allow_hosts;

  /// Told of every exception that a handler lets out; the client gets 500, or the stream ends with an error. Runs on
  /// the thread of the handler, and must not throw itself. By default a line on standard error says it. Of what a
  /// callback throws it is told on threads of the server's own; on the program's loop that comes out of `run`, which
  /// may be called again.
  std::function<void(std::exception_ptr)> on_exception;

  /// Told of each answer, once, when its last byte has been handed to the transport, or when its connection was given
  /// up before that; of a stream when it has ended. Requests that got no answer are told with status 0, and those that
  /// were refused before there was a route with what is known of them. Connections on which nothing was asked are not
  /// told. Without it nothing is noted, and nothing costs anything. `to_json_line` of <spate/server/access_log.hpp>
  /// makes a line of it.
  ///
  /// Runs on the loop of the connection, later in the turn in which the answer ended, and for several loops at once: it
  /// must not block. `on_exception` is told of what it throws. When the server is stopped it is told of what was cut
  /// before `stop` returns, and of nothing afterwards.
  AccessLog access_log;
};

namespace detail {

struct Authorization;

/// Runs what `begin` returns on `executor`, until `cancelled` says so, then `done`.
template <typename Result>
void spawn_until(const asio::any_io_executor& executor, std::function<Awaitable<Result>()> begin,
                 const asio::cancellation_slot& cancelled, std::function<void(std::exception_ptr, Result)> done);

}  // namespace detail

/// Decides whether a request may reach its route's handler: a function, or a coroutine that asks others first.
///
///   route.authorize = [&](spate::Request& request) -> std::optional<spate::Response> {
///     const auto user = sessions.user_of(request.header("cookie"));
///     if (!user) return spate::Response::error(401, "who are you?").header("WWW-Authenticate", "Bearer");
///     request.set_param("user", *user);                    // whom the handler serves, whatever the path says
///     return std::nullopt;                                 // it may pass
///   };
///
/// Returns      an answer that refuses the request or redirects it, or nothing to let it pass. Request::set_param tells
///              the handler who was recognised; Request::set_expiry ends a stream with the credential
/// Order        after host, origin, route and query were found good; before the handler and before the head of a
///              stream, whatever the method and the transport. A preflight is answered without it. Once for a request;
///              `RouteOptions::authorize_on` says whether with its body
/// Exceptions   the client gets 500, and ServerOptions::on_exception is told
/// Threads      the loop of the connection. A function must not block. A coroutine has no deadline but its own, and
///              meanwhile other requests may be asked about
/// Lifetime     request and captures live as long as the coroutine
/// Cancellation a coroutine whose client has left is cancelled (terminal), and its verdict is not looked at. Who has
///              only ended their own side may still wait for an answer; a stream ends as it begins
using AuthorizeFunction = std::function<std::optional<Response>(Request&)>;
/// The same as a coroutine, which may ask others first.
class AuthorizeCoroutine : public std::function<detail::Awaitable<std::optional<Response>>(Request&)> {
 public:
  AuthorizeCoroutine() = default;
  AuthorizeCoroutine(std::nullptr_t) {}  // NOLINT(google-explicit-constructor): as for any function
  template <typename Hook>
    requires(!std::is_base_of_v<AuthorizeCoroutine, Hook> && std::is_constructible_v<function, Hook>)
  AuthorizeCoroutine(Hook hook)  // NOLINT(google-explicit-constructor): a coroutine is a hook
      : function(std::move(hook)), spawn_(&detail::spawn_until<std::optional<Response>>) {}

 private:
  friend struct detail::Authorization;
  // Comes with what is to run, so that only programs with coroutines compile it.
  decltype(&detail::spawn_until<std::optional<Response>>) spawn_ = nullptr;
};

/// Either of them; an empty function until it is set.
class AuthorizeHook {
 public:
  /// Asks nobody.
  AuthorizeHook() noexcept;
  AuthorizeHook(const AuthorizeHook& other);
  AuthorizeHook(AuthorizeHook&& other) noexcept;
  AuthorizeHook& operator=(const AuthorizeHook& other);
  AuthorizeHook& operator=(AuthorizeHook&& other) noexcept;
  ~AuthorizeHook();
  /// `hook` is a function or a coroutine as above; it may be one that can only be moved.
  template <typename Hook>
    requires(!std::is_base_of_v<AuthorizeHook, Hook>)
  AuthorizeHook(Hook hook) {  // NOLINT(google-explicit-constructor): a function is a hook
    take(std::move(hook));
  }

  /// What it is; the other one is null.
  const AuthorizeFunction* function() const noexcept { return is_coroutine_ ? nullptr : &function_; }
  const AuthorizeCoroutine* coroutine() const noexcept { return is_coroutine_ ? &coroutine_ : nullptr; }

 private:
  void set(AuthorizeFunction function) { function_ = std::move(function); }
  void set(AuthorizeCoroutine coroutine) {
    coroutine_ = std::move(coroutine);
    is_coroutine_ = true;
  }

  template <typename Hook>
  void take(Hook hook) {
    if constexpr (!std::is_invocable_v<Hook&, Request&>) {
      static_assert(detail::always_false<Hook>, "an authorize hook takes one argument, spate::Request&");
    } else {
      using Result = std::invoke_result_t<Hook&, Request&>;
      constexpr bool coroutine = std::is_same_v<Result, detail::Awaitable<std::optional<Response>>>;
      if constexpr (!coroutine && !std::is_convertible_v<Result, std::optional<Response>>) {
        static_assert(detail::always_false<Hook>,
                      "an authorize hook returns std::optional<spate::Response> or "
                      "asio::awaitable<std::optional<spate::Response>>");
      } else {
        using Function = std::conditional_t<coroutine, AuthorizeCoroutine, AuthorizeFunction>;
        if constexpr (std::is_copy_constructible_v<Hook>) {
          set(Function(std::move(hook)));
        } else {
          set(Function([shared = std::make_shared<Hook>(std::move(hook))](Request& request) -> Result {
            return (*shared)(request);
          }));
        }
      }
    }
  }

  // No variant, which takes a compiler longer than all the rest of this.
  AuthorizeFunction function_;
  AuthorizeCoroutine coroutine_;
  bool is_coroutine_ = false;
};

/// What of a request its hook is shown.
enum class AuthorizeOn {
  head,           // never the body: who waits to send it (`Expect: 100-continue`) is refused before
  whole_request,  // the body as well, and so not before it has come: what is signed, for instance
};

/// What can be said of one route.
struct RouteOptions {
  /// Whether something is done for this route that is done for every other.
  enum class Check { on, off };

  /// Asked before the handler. Without one every request passes; `all_of` makes one of several.
  AuthorizeHook authorize;
  /// Whether `authorize` needs the body. (RFC 9110 10.1.1)
  AuthorizeOn authorize_on = AuthorizeOn::head;

  /// What this route's streams are like, in place of `ServerOptions::stream`.
  std::optional<StreamOptions> stream;

  /// For streams that come to an end by themselves: a shutdown lets them go on until its deadline, instead of ending
  /// them at once.
  bool finish_on_drain = false;

  /// Which pages of other origins may use this route, in place of `ServerOptions::cors`. A preflight is answered by the
  /// options of the route that it asks about.
  std::optional<CorsOptions> cors;
  /// Off: every page may use this route, and nothing is added for CORS: its handler says what it wants, and OPTIONS is
  /// a method like any other. A field that a handler sets itself is never doubled, whatever stands here.
  Check origin_check = Check::on;

  /// The only host names under which this route is served, in place of the server's; "*" admits all.
  std::optional<std::vector<std::string>> allow_hosts;
  /// Off: served under every name.
  Check host_check = Check::on;

  /// Off: nothing of this route is compressed, where secrets stand beside text that others choose, in one event or
  /// answer: by their size together the text betrays the secret (BREACH).
  Check compress = Check::on;

  /// What pages of other sites may have without an `Origin`: a page may be linked to (`CrossSite::navigate`), a script
  /// for all be loaded (`CrossSite::allow`). Without it the server's rule holds, `CorsOptions::cross_site`.
  std::optional<CrossSite> cross_site;
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/server_options.ipp>
#endif
