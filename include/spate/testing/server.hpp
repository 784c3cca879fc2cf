// A testing::Server is a server in memory, with which a program tests its own handlers: without sockets, without
// threads, and by a clock that stands until the test moves it.
//
//   #include <spate/testing/server.hpp>                      // link to spate::testing
//
//   spate::testing::Server server;
//   add_routes(server, emitter);                             // the program's own: it is a spate::Server
//   CHECK(server.handle("/healthz").status == 200);
//   spate::testing::Client client = server.subscribe("/notes");
//   emitter.broadcast(spate::Event("x"));
//   server.advance(15s);
//   CHECK(client.heartbeats() == 1);
//
// Routes, hooks that authorize, CORS, hosts, limits, streams and emitters are those of the library: only the bytes go
// to memory instead of to sockets, as HTTP/1.1 in the clear and not compressed, whatever `tls`, `http2`, `compression`
// and `threads` of the options say.
// Every request comes on a connection of its own, to `ServerOptions::address`.
//
// Everything runs in the calls of the test, one after the other, in the same order each time. When a call of the server
// or of one of its clients returns, all that was due has happened; what a test does in between (`Emitter::send`)
// happens at the next such call, looking at a client among them.
//
// The clock moves what the library waits for: heartbeats, lifetimes, reconnection times, the grace of polls, write
// deadlines, PendingResponse::expire_after, tokens (`Request::set_expiry`), the deadline of a shutdown. It does not
// move timers of Asio that a handler has of its own, nor what threads of the program do: `run_until` waits for those. A
// store or a verifier that asks for a clock can be given this one: `MemoryReplayStore(limits, [&] { return
// server.now(); })`. `Date` and what SQLite is asked to keep go by the system's.
//
// Threads: one, but emitters, streams and answers may be used from any, as always; what that causes happens in the
// test's next call. Calling a server from inside its own handler or callback throws std::logic_error: it would wait for
// itself. Lifetime: like any server; it is destroyed after the handles that its handlers keep have no more to do with
// it, and before what the handlers refer to.
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/http/request.hpp>
#include <spate/server/pending_response.hpp>
#include <spate/server/server.hpp>
#include <spate/server/streamed_response.hpp>
#include <spate/stream/event_stream.hpp>
#include <spate/testing/answer.hpp>
#include <spate/testing/client.hpp>
#include <spate/testing/detail/bench_holder.hpp>
#include <spate/testing/events.hpp>
#include <spate/testing/run_limits.hpp>

namespace spate {

namespace detail {
class ServerCore;
}  // namespace detail

namespace testing {

/// What a test made without a route, with the client at its other end.
struct MadeStream {
  EventStream stream;
  Client client;
};
/// The same for an answer that is given later.
struct MadePendingResponse {
  PendingResponse pending;
  Client client;
};
/// The same for one that is written in pieces.
struct MadeStreamedResponse {
  StreamedResponse response;
  Client client;
};

class Server : private detail::BenchHolder, public spate::Server {
 public:
  /// Of `options` all that does not concern sockets counts.
  ///
  /// Throws std::invalid_argument when an option cannot be understood.
  explicit Server(ServerOptions options = {});
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  /// Cuts what is open. What was thrown and nobody has asked about is said on standard error.
  ~Server();

  // ---- requests ----
  //
  // A request without `Host` is for localhost, so that it passes by default; one with a body gets its length. All throw
  // std::invalid_argument for a request without a method, and std::logic_error from inside a handler or a callback.

  /// Asks, and returns the answer. The handler may be of any kind, and need not answer at once, as long as it waits for
  /// nothing but what is due.
  ///
  /// Throws       std::logic_error when the answer is not whole by then (it waits for the time, for another thread, or
  ///              is a stream that stays open: `ask` and `subscribe` follow it), and when the connection was closed
  ///              without one
  Answer handle(Request request);
  /// The same for GET.
  Answer handle(std::string_view target) { return handle(Request("GET", target)); }

  /// Asks, and returns who did, to see when the answer comes, and how much of it.
  [[nodiscard]] Client ask(Request request, ClientOptions options = {});
  [[nodiscard]] Client ask(std::string_view target, ClientOptions options = {}) {
    return ask(Request("GET", target), std::move(options));
  }

  /// Asks for a stream of events as a browser does: with its `Accept`, or with `?transport=`. That it is refused is an
  /// answer like any other: `Client::status`.
  [[nodiscard]] Client subscribe(Request request, ClientOptions options = {});
  [[nodiscard]] Client subscribe(std::string_view target, ClientOptions options = {}) {
    return subscribe(Request("GET", target), std::move(options));
  }

  // ---- handles that a test makes ----
  //
  // For a function that takes one. No route and no hook is asked; the options hold, and so do the parameters and the
  // expiry that `request` has been given (`Request::set_param`, `set_expiry`). The handle is as its handler gets
  // it: the head of a stream goes out with `open`, the first `send`, or not at all after `reject`. Throw
  // std::invalid_argument when `request` cannot have such an answer, with the reason.

  MadeStream make_stream(Request request = Request("GET", "/"));
  MadePendingResponse make_pending_response(Request request = Request("GET", "/"));
  MadeStreamedResponse make_streamed_response(Request request = Request("GET", "/"));

  // ---- time ----

  /// Lets `time` pass, from one moment that something waits for to the next, and at each lets everything happen that is
  /// due. The heartbeats of many streams come together: up to a thirtieth of `StreamOptions::heartbeat` later.
  ///
  /// Throws       std::invalid_argument when `time` is negative or more than a hundred years, and what `run` throws
  void advance(std::chrono::nanoseconds time);

  /// Lets everything happen that is due.
  ///
  /// Throws       std::runtime_error when there is more than `RunLimits` allow: a handler that produces without an end
  ///              and awaits nothing but its client, for instance. What was left happens in the next call. A handler
  ///              that does not return is waited for for ever, as in any server
  void run();

  /// Waits in real time, `most` at the most, until `condition()` holds, and meanwhile lets happen what is due: for
  /// timers of a handler's own, and for other threads. Returns whether it holds. The clock of the server stands.
  bool run_until(const std::function<bool()>& condition, std::chrono::milliseconds most = std::chrono::seconds(10));

  /// The clock by which everything waits.
  std::chrono::steady_clock::time_point now() const;
  /// The clock on the wall, by which tokens expire: that of the system when the server was made, and what `advance` has
  /// added.
  std::chrono::system_clock::time_point wall_now() const;
  /// Somebody sets it.
  void set_wall_now(std::chrono::system_clock::time_point moment);

  void set_run_limits(RunLimits limits);

  // ---- what was thrown ----

  /// What handlers, hooks and callbacks have let out so far, in words, oldest first: clients got 500 for it, or lost
  /// their stream. `ServerOptions::on_exception` is told as well.
  std::vector<std::string> errors();
  /// The same as it was thrown.
  std::vector<std::exception_ptr> exceptions();

 private:
  Client begin(std::string_view what, detail::Ref<detail::ServerCore> server, const Request& request,
               ClientOptions options);
  template <typename Handle, typename Make>
  std::pair<Handle, Client> make(const char* what, const Request& request, Make make);
};

}  // namespace testing
}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/testing/impl/server.ipp>
#endif
