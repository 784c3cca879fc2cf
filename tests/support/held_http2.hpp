// A server with some routes, and one connection to it that speaks HTTP/2: on a loop that turns when the test says so,
// by a clock that stands, to a client in memory.
//
//   HeldHttp2 one;
//   one.say(HeldHttp2Client::get(1, "/hello"));
//   one.client.at(1).body;   // "hello"
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/ip/address_v4.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/detail/access.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/http2/detail/http2_connection.hpp>
#include <spate/stream/event_stream.hpp>

#include "support/held_http2_client.hpp"
#include "support/held_loop.hpp"
#include "support/memory_transport.hpp"
#include "support/texts.hpp"

namespace spate::test {

/// What the bytes of a connection go through on their way between the client and the memory: encryption, for example.
class HeldCover {
 public:
  HeldCover() = default;
  HeldCover(const HeldCover&) = delete;
  HeldCover& operator=(const HeldCover&) = delete;
  virtual ~HeldCover() = default;
  /// The server's end, over `below`. The client may say some of `first` on the way, which it takes away.
  virtual detail::Peer connect(detail::Shard& shard, MemoryTransport& below, std::string& first) = 0;
  /// What the client writes to say `bytes`, one piece after the other.
  virtual std::vector<std::string> to_server(std::string_view bytes) = 0;
  /// What the client hears when it reads `bytes`.
  virtual std::string to_client(std::string_view bytes) = 0;
  /// What the client writes to say that it sends no more.
  virtual std::string farewell() = 0;
  /// Whether something has happened on the way, so that from there on nobody is understood.
  virtual bool is_broken() const = 0;
  /// Whether the client was told that nothing more comes.
  virtual bool heard_end() const = 0;
};

class HeldHttp2 {
 public:
  /// What is like this about the connection, beside the server's options.
  struct Ways {
    std::uint32_t max_streams = 256;
    std::uint32_t window = 65535;  // that the client gives each of its streams
    detail::ConnectionFacts facts = {};
    std::string first = {};      // what the client says in place of its preface and settings
    HeldCover* cover = nullptr;  // if there is one; it outlives the connection
  };

  explicit HeldHttp2(ServerOptions options = {}) : HeldHttp2(std::move(options), Ways()) {}
  HeldHttp2(ServerOptions options, const Ways& ways)
      : server_(detail::make_ref<detail::ServerCore>(std::move(options))),
        verdict_(loop_.shard().executor()),
        cover_(ways.cover) {
    streams.reserve(64);  // so that no test loses what it was told for want of memory
    notes.reserve(64);
    verdict_.expires_at(asio::steady_timer::time_point::max());
    add_routes();
    connection_ = detail::make_ref<detail::Http2Connection>(
        loop_.shard_ref(), server_, server_->hosts_of(asio::ip::address_v4::loopback()), ways.facts, ways.max_streams);
    std::string first = ways.first.empty() ? HeldHttp2Client::hello(ways.window) : ways.first;
    if (cover_ == nullptr) {
      connection_->start(transport_.connect(), first);
    } else {
      connection_->start(cover_->connect(loop_.shard(), transport_, first), {});
      say(first);
    }
    turn();
  }
  HeldHttp2(const HeldHttp2&) = delete;
  HeldHttp2& operator=(const HeldHttp2&) = delete;
  ~HeldHttp2() {
    connection_->on_cut();
    pending.reset();
    pieces.reset();
    loop_.turn();
  }

  MemoryTransport::Client& peer() { return transport_.client(); }
  detail::ServerCore& server() { return *server_; }
  detail::Http2Connection& connection() { return *connection_; }
  detail::Shard& shard() { return loop_.shard(); }

  /// Whether the client reads what is there, whenever the loop has turned.
  bool reads = true;

  /// Sends `bytes`, and lets the loop do what there is to do.
  void say(std::string_view bytes) {
    if (cover_ == nullptr) return write(bytes);
    for (const std::string& piece : cover_->to_server(bytes)) write(piece);
  }
  /// The client ends its side.
  void end() {
    has_ended_ = true;
    if (cover_ != nullptr) write(cover_->farewell());
    peer().end();
  }
  /// The client reads what is there, at most so many bytes.
  void hear(std::size_t most = MemoryTransport::unlimited) {
    const std::string bytes = peer().take(most);
    client.hear(cover_ == nullptr ? bytes : cover_->to_client(bytes));
  }
  void turn() {
    loop_.turn();
    while (reads && !peer().waiting().empty()) {
      hear();
      loop_.turn();
    }
  }
  void let_pass(detail::Clock::duration time) {
    loop_.let_pass(time);
    turn();
  }
  void drain() {
    server_->draining = true;
    connection_->on_drain();
    turn();
  }
  std::size_t cut() {
    const std::size_t count = connection_->on_cut();
    turn();
    return count;
  }

  /// What the hook of /asked says: it lets the request pass, or refuses it.
  void decide(std::optional<Response> refused) {
    refusal_ = std::move(refused);
    verdict_.cancel();
    turn();
  }
  bool was_asked() const { return asked_; }

  /// Whether the connection is over for its client: it was told why, and nothing more comes.
  bool has_left(std::uint32_t code) { return client.goodbye == code && peer().saw_end(); }
  /// Whether the cover is broken, and whether the client was told of the end.
  bool is_broken() const { return cover_ != nullptr && cover_->is_broken(); }
  bool has_ended() const noexcept { return has_ended_; }  // the client
  bool heard_end() { return cover_ == nullptr ? peer().saw_end() : cover_->heard_end(); }

  HeldHttp2Client client;
  std::vector<EventStream> streams;        // of /events, in their order
  std::optional<PendingResponse> pending;  // of /later
  std::optional<StreamedResponse> pieces;  // of /pieces
  Texts notes;                             // what the program was told

 private:
  void write(std::string_view bytes) {
    peer().send(bytes);
    turn();
  }

  void add(const std::string& method, const char* pattern, detail::Handler handler, RouteOptions options = {}) {
    std::vector<std::string> methods{method};
    if (method == "GET") methods.emplace_back("HEAD");
    server_->router.add(
        {std::move(methods), PathPattern(pattern), std::move(handler), std::move(options), server_->options});
  }

  void add_routes() {
    using namespace detail;
    add("GET", "/hello", ValueHandler([](const Request&) { return Response::text(200, "hello"); }));
    add("GET", "/large", ValueHandler([](const Request&) { return Response::text(200, std::string(300'000, 'x')); }));
    add("GET", "/last", ValueHandler([](const Request&) { return Response::text(200, "last").close_connection(); }));
    add("GET", "/fails", ValueHandler([](const Request&) -> Response { throw std::runtime_error("no"); }));
    add("GET", "/cookie", ValueHandler([](const Request& request) {
          return Response::text(200, std::string(request.header("cookie").value_or("")));
        }));
    add("GET", "/subject", ValueHandler([](const Request& request) {
          return Response::text(200, std::string(request.client_subject().value_or("nobody")));
        }));
    add("POST", "/echo", echo());
    add("GET", "/later", RequestHandler([this](const auto&, PendingResponse answer, const auto&) {
          answer.on_error([this](std::error_code error) { notes.push_back("error: " + error.message()); });
          pending = std::move(answer);
        }));
    add("GET", "/pieces", PiecesHandler([this](const auto&, StreamedResponse answer, const auto&) {
          answer.on_error([this](std::error_code error) { notes.push_back("error: " + error.message()); });
          pieces = std::move(answer);
        }));
    add("GET", "/events", StreamHandler([this](const EventStream& opened, const auto&) {
          const std::string number = std::to_string(streams.size());
          opened.on_complete([this, number] { notes.push_back("complete " + number); });
          opened.on_timeout([this, number] { notes.push_back("timeout " + number); });
          opened.on_error(
              [this, number](std::error_code error) { notes.push_back("error " + number + ": " + error.message()); });
          streams.push_back(opened);
          access::core(opened)->handler_returned();
        }));
    RouteOptions refused;
    refused.authorize = [](Request&) -> std::optional<Response> { return Response::error(401, "who are you?"); };
    add("POST", "/refused", echo(), refused);
    RouteOptions asked;
    asked.authorize = [this](Request&) -> asio::awaitable<std::optional<Response>> {
      asked_ = true;
      std::error_code ignored;
      co_await verdict_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
      if (state.cancelled() != asio::cancellation_type::none) notes.emplace_back("cancelled");
      co_return refusal_;
    };
    add("POST", "/asked", echo(), asked);
  }
  static detail::Handler echo() {
    return detail::ValueHandler(
        [](const Request& request) { return Response::text(200, std::string(request.body())); });
  }

  MemoryTransport transport_;
  HeldLoop loop_;
  const detail::Ref<detail::ServerCore> server_;
  asio::steady_timer verdict_;
  std::optional<Response> refusal_;
  bool asked_ = false;
  bool has_ended_ = false;
  HeldCover* const cover_;
  detail::Ref<detail::Http2Connection> connection_;
};

}  // namespace spate::test
