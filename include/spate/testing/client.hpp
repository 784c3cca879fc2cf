// A Client is one client of a testing::Server, in memory: a browser that listens, a program that polls, or whoever
// asked for something that is answered later.
//
//   spate::testing::Client client = server.subscribe("/events");
//   emitter.broadcast(spate::Event("x").name("note"));
//   client.events().front().data;                        // "x"
//   client.stall();                                      // reads no more: the queue of its stream fills
//   client.leave();
//
// What it has received is values. Before it tells of them everything happens that is due, so that a test sends, and
// then looks; from inside a handler or a callback it tells what has come so far. What a client does (`stall`, `leave`
// and the like) happens before the call returns, and so does what follows from it; from inside a handler or a callback
// that throws std::logic_error.
//
// A handle, which can be moved: when it goes, the client leaves. Threads: that of the server's test. Lifetime: it may
// outlive its server; then it still tells what it has received.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <spate/config.hpp>
#include <spate/stream/end_reason.hpp>
#include <spate/stream/transport.hpp>
#include <spate/testing/answer.hpp>
#include <spate/testing/events.hpp>
#include <spate/wire/detail/core_ref.hpp>

namespace spate {

namespace detail {
class ClientCore;
}  // namespace detail

namespace testing {

/// What a client of a testing::Server is like.
struct ClientOptions {
  /// How it wants its events. A poll is one answer: `reconnect` asks for the next.
  Transport transport = Transport::sse;
  /// Where it comes from, for `ServerOptions::max_connections_per_address` and the access log: an IPv4 or IPv6 address.
  /// Of no account where the server listens on a Unix socket.
  std::string address = "127.0.0.1";
};

class Client {
 public:
  // ---- what it has received ----

  /// The status of the answer; zero as long as its head has not come, and when the connection was closed without one.
  int status() const;
  /// The value of the answer's first field `name`, in any case; nothing when there is none.
  std::optional<std::string> header(std::string_view name) const;
  /// The body so far, as it came: also that of a stream of events.
  std::string body() const;
  /// All of it.
  Answer answer() const;

  /// The events of all its connections since `take_events`, oldest first. What the server writes without data
  /// (a comment, a reconnection time, a position) is none. (WHATWG 9.2.6)
  Events events() const;
  /// The same, and forgets them, so that the next call tells of those that came after this one.
  Events take_events();
  /// The data of `events()` alone.
  std::vector<std::string> data() const;
  /// Comments other than heartbeats; those of an iframe cannot be told from them.
  std::vector<std::string> comments() const;
  /// How many bare comments have come: `StreamOptions::heartbeat`, unless that is an event with a name.
  std::size_t heartbeats() const;
  /// What it presents when it comes back: the newest id that it has seen.
  std::string last_event_id() const;
  /// The reconnection time that it was told last.
  std::optional<std::chrono::milliseconds> retry() const;

  /// Whether the server may still send something: an answer that has not come, or the rest of one.
  bool is_open() const;
  /// Whether the connection ended before the answer did, by whichever side.
  bool was_cut() const;
  /// Why its stream has ended on the server; nothing while it is open, and for a poll or an ordinary answer.
  std::optional<EndReason> end_reason() const;

  // ---- what it does ----

  /// Reads nothing from now on. The server may write `room` bytes more, as into the buffers of a network; then its
  /// stream's queue fills, and `StreamOptions::overflow` and `write_timeout` have their say.
  void stall(std::size_t room = 0);
  /// Reads `bytes` more, or what there is, and then stalls again. Throws std::logic_error when it does not stall.
  void read(std::size_t bytes);
  /// Reads everything again.
  void read_on();

  /// Closes its connection, as a browser whose tab is closed. Nothing happens when it has none.
  void leave();
  /// Its connection breaks: the server sees an error.
  void reset();
  /// Asks again, with the `Last-Event-ID` of the newest id that it has seen: what a browser does that comes back. One
  /// whose connection is open leaves that first.
  void reconnect();
  /// From now on comes back by itself as a browser does: when its stream has ended, by whichever side but `leave`,
  /// after the reconnection time that the server has told it, else after `wait`. It stops when it is answered with
  /// anything but 200 (WHATWG 9.2.3). One that polls asks again as soon as it has its answer. Time is the server's, so
  /// `advance` brings it back.
  void keep_reconnecting(std::chrono::milliseconds wait = std::chrono::seconds(3));
  /// How many times it has connected.
  std::size_t connections() const;

  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  Client(Client&& other) noexcept;
  Client& operator=(Client&& other) noexcept;
  ~Client();

 private:
  friend class Server;
  explicit Client(detail::Ref<detail::ClientCore> core) noexcept;

  // After everything that is due has happened.
  detail::ClientCore& seen() const;
  void act(std::string_view what, std::function<void(detail::ClientCore&)> step);

  detail::CoreRef<detail::ClientCore> core_;  // null once it has been moved from
};

}  // namespace testing
}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/testing/impl/client.ipp>
#endif
