// Session: one connection while it speaks HTTP, from accept until it closes or becomes a stream.
//
// Reads a request, finds its route, answers, and goes on with the next one. A stream route gets an EventStream whose
// origin is the session: the socket leaves with the stream's head, and whatever the client had sent behind that request
// is dropped unread (H9). Shard only.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>

#include <spate/http/request_parser.hpp>
#include <spate/server/detail/server_core.hpp>
#include <spate/stream/detail/lingering_close.hpp>
#include <spate/stream/detail/stream_head.hpp>

namespace spate::detail {

class Session final : public StreamOrigin {
 public:
  Session(Ref<Shard> shard, Ref<ServerCore> server, SocketId socket)
      : shard_(std::move(shard)), server_(std::move(server)), socket_(socket) {}

  /// Begins to read. The poller holds the session from now on.
  void start() {
    shard_->poller().set_resident(socket_, Ref<Resident>(this));
    set_deadline(server_->options.request_timeout);
    read();
  }

  /// Begins with a request that was parsed elsewhere.
  void start(Request request) {
    shard_->poller().set_resident(socket_, Ref<Resident>(this));
    dispatch(std::move(request));
    advance();
  }

  bool on_readable() override {
    read();
    return socket_ != no_socket && !ended_ && !paused_;
  }

  void on_writable() override {
    if (socket_ == no_socket || state_ != State::answering) return;
    write();
    advance();
  }

  void on_hangup() override {
    read();
    // With too much read ahead the end was not reached; a stream that has not begun ends all the same. (Promise 5)
    if (state_ == State::handling && awaits_stream() && !ended_) end_of_input({});
  }

  void on_timer(TimePoint) override {
    switch (state_) {
      case State::reading:
        // Nothing of a request has come: there is nothing to answer. (H14)
        if (parser().started()) return fail(408, "the request took too long");
        return close();
      case State::answering: return close();  // the client does not take the answer
      default: return;
    }
  }

  void on_drain() override {
    closing_ = true;
    if (state_ == State::reading && !parser().started()) return close();
    if (stream_) stream_->end(EndReason::shutdown);  // a poll that waits, or a stream that has not begun
  }

  bool on_cut() override {
    const bool busy = state_ == State::handling || state_ == State::answering;
    const Ref<StreamCore> stream = stream_;
    const Ref<PendingCore> pending = pending_;
    close();
    if (stream) stream->on_cut();
    if (pending) pending->connection_lost(Errc::shut_down);
    return busy;
  }

  // ---- for a stream or a PendingResponse of this session ----

  SocketId surrender() override {
    // A client that has ended its side before its stream began has gone. (Promise 5)
    if (ended_) close();
    shard_->set_timer(*this, never);
    state_ = State::over;
    stream_ = nullptr;
    parser_.reset();
    input_ = {};
    return std::exchange(socket_, no_socket);
  }

  void answer(Response response) override {
    if (socket_ == no_socket || state_ != State::handling) return;
    stream_ = nullptr;
    try {
      respond(std::move(response));
      advance();
    } catch (...) {
      close();  // whoever answers has nothing to do with it any more
      throw;
    }
  }

 private:
  enum class State : std::uint8_t {
    reading,    // waiting for a request, or in the middle of one
    handling,   // a handler has it
    answering,  // bytes of the answer are left
    over,       // closed, or the socket has gone to a stream
  };

  /// A coroutine that decides whether a request may pass, and what it needs meanwhile.
  struct Asking {
    Request request;
    bool for_stream;
    asio::cancellation_signal client_left;
  };

  static constexpr std::size_t read_size = 16 * 1024;
  // What is read ahead while a request is handled, to see the client's end behind it.
  static constexpr std::size_t most_input = 64 * 1024;
  // Reads in a row, before other connections have their turn.
  static constexpr int most_reads = 16;

  RequestParser& parser() {
    if (!parser_) parser_ = std::make_unique<RequestParser>(server_->options.limits);
    return *parser_;
  }

  // Takes what the socket has. While a request is being handled it is kept for later.
  void read() {
    const Ref<Session> alive(this);
    char buffer[read_size];
    for (int reads = 0; socket_ != no_socket && !ended_; ++reads) {
      if (input_.size() >= most_input) {
        paused_ = true;
        return;
      }
      if (reads == most_reads) return shard_->poller().await_readable(socket_);
      std::error_code error;
      const std::size_t size = shard_->poller().read(socket_, buffer, sizeof buffer, error);
      if (error == asio::error::would_block) return;
      if (error) return end_of_input(error == asio::error::eof ? std::error_code() : error);
      if (state_ == State::reading && input_.empty()) {
        const std::string_view rest = consume({buffer, size});
        if (socket_ != no_socket) input_.append(rest);
      } else {
        input_.append(buffer, size);
      }
      advance();
      // A short read has emptied the socket; what comes later is a new edge, and an end behind it a hangup.
      if (size < sizeof buffer) return;
    }
  }

  // The client sends no more. An answer under way is still finished: it may have closed only its side.
  void end_of_input(std::error_code error) {
    ended_ = true;
    closing_ = true;
    switch (state_) {
      case State::reading: return close();
      case State::handling:
        if (stream_) {
          const Ref<StreamCore> stream = std::exchange(stream_, nullptr);
          close();
          stream->connection_lost(error);
        } else if (error || awaits_stream()) {
          const Ref<PendingCore> pending = pending_;
          close();
          if (pending) pending->connection_lost(error);
        }
        return;
      case State::answering:
        if (error) close();
        return;
      case State::over: return;
    }
  }

  // Goes on with what was read ahead.
  void advance() {
    while (state_ == State::reading && !input_.empty()) {
      const std::string input = std::exchange(input_, {});
      const std::string_view rest = consume(input);
      if (socket_ == no_socket) return;
      input_.assign(rest);
      if (rest.empty()) return;
    }
  }

  // Parses until a request is complete or `bytes` are used up; returns what belongs to the next request.
  std::string_view consume(std::string_view bytes) {
    bool fresh = !parser().started();
    while (state_ == State::reading) {
      const RequestParser::Step step = parser().parse(bytes);
      bytes.remove_prefix(step.consumed);
      switch (step.progress) {
        case RequestParser::Progress::need_more:
          if (fresh && parser().started() && served_) set_deadline(server_->options.request_timeout);
          return bytes;
        case RequestParser::Progress::head_complete:
          if (parser().expects_continue() && bytes.empty()) invite_body();
          break;
        case RequestParser::Progress::failed: fail(parser().status(), parser().reason()); return {};
        case RequestParser::Progress::complete:
          dispatch(parser().take());
          fresh = true;
          break;
      }
    }
    return bytes;
  }

  // The client waits for a word before it sends the body: refuse now what would be refused anyway. (H11)
  void invite_body() {
    const Request& request = parser().request();
    const Router::Match match = server_->router.match(request.method(), request.path());
    if (match.outcome != Router::Match::Outcome::found) {
      version_minor_ = request.version_minor();
      head_only_ = request.method() == "HEAD";
      cors_ = server_->cors.decide(request);
      closing_ = true;  // the body may come all the same
      respond(refusal(match));
      return;
    }
    constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    const asio::const_buffer buffer(go_on.data(), go_on.size());
    std::error_code error;
    // Every earlier answer has been taken, so there is room; a client with none for a line cannot be served.
    if (shard_->poller().write(socket_, &buffer, 1, error) != go_on.size()) close();
  }

  void dispatch(Request parsed) {
    server_->requests.fetch_add(1, std::memory_order_relaxed);
    shard_->set_timer(*this, never);
    state_ = State::handling;
    served_ = true;
    version_minor_ = parsed.version_minor();
    keep_alive_ = parsed.keep_alive();
    head_only_ = parsed.method() == "HEAD";
    or_fail([&] {
      cors_ = server_->cors.decide(parsed);
      route(std::move(parsed));
    });
  }

  // What user code throws while a request is handled is told, and answered with 500.
  template <typename Step>
  void or_fail(Step step) {
    try {
      step();
    } catch (...) {
      server_->report(std::current_exception());
      Response failure = Response::error(500, "the handler failed");
      if (pending_) {
        pending_->respond(std::move(failure));  // unless the handler had answered before it threw
      } else if (stream_) {
        stream_->reject(std::move(failure));
      } else {
        respond(std::move(failure));
      }
    }
  }

  void route(Request request) {
    if (!server_->hosts.allows(request))
      return respond(Response::error(403, "this server does not answer for that host"));
    if (cors_.verdict == CorsDecision::refused) return respond(Response::error(403, "this origin is not allowed"));
    Router::Match match = server_->router.match(request.method(), request.path());
    if (request.method() == "OPTIONS") {
      if (request.path() == "*") return respond(Response(204).header("Allow", server_->router.allow_all()));
      // A route may take OPTIONS itself, but a browser's preflight is not for it.
      if (match.outcome == Router::Match::Outcome::found && cors_.preflight) {
        match = server_->router.match({}, request.path());
      }
      if (match.outcome == Router::Match::Outcome::no_method) {
        Response response =
            cors_.preflight ? server_->cors.preflight(std::exchange(cors_, {}), match.allow) : Response(204);
        return respond(std::move(response.header("Allow", match.allow)));
      }
    }
    if (match.outcome != Router::Match::Outcome::found) return respond(refusal(match));
    if (!request.well_formed_query()) return respond(Response::error(400, "the query has a broken escape"));
    for (auto& [name, value] : match.params) request.set_param(std::move(name), std::move(value));
    authorize(*match.route, std::move(request));
  }

  void authorize(const Route& route, Request request) {
    const AuthorizeHook& hook = route.options.authorize;
    if (const auto* coroutine = std::get_if<AuthorizeCoroutine>(&hook)) return ask(route, *coroutine, request);
    if (const auto& function = std::get<AuthorizeFunction>(hook)) {
      if (std::optional<Response> refused = function(request)) return respond(std::move(*refused));
    }
    handle(route, std::move(request));
  }

  // Waits for a coroutine's verdict, as for a PendingResponse: what is read meanwhile is kept for later.
  void ask(const Route& route, const AuthorizeCoroutine& hook, Request& request) {
    asking_ = std::make_shared<Asking>();
    asking_->request = std::move(request);
    asking_->for_stream = std::holds_alternative<StreamHandler>(route.handler);
    auto decided = [self = Ref<Session>(this), asking = asking_, &route](std::exception_ptr failure,
                                                                         std::optional<Response> refused) {
      self->shard_->run(
          [self, asking, &route, failure, refused = std::move(refused)]() mutable {
            self->decided(route, *asking, failure, std::move(refused));
          },
          self);
    };
    asio::co_spawn(
        shard_->executor(), [asking = asking_, &hook] { return hook(asking->request); },
        asio::bind_cancellation_slot(asking_->client_left.slot(), std::move(decided)));
  }

  void decided(const Route& route, Asking& asking, const std::exception_ptr& failure, std::optional<Response> refused) {
    if (asking_.get() != &asking) {
      // The client has left; that its departure ended the coroutine is no failure.
      if (failure && !is_cancellation(failure)) server_->report(failure);
      return;
    }
    asking_ = nullptr;
    or_fail([&] {
      if (failure) std::rethrow_exception(failure);
      if (refused) return respond(std::move(*refused));
      handle(route, std::move(asking.request));
    });
    advance();
  }

  bool awaits_stream() const noexcept { return stream_ || (asking_ && asking_->for_stream); }

  void handle(const Route& route, Request request) {
    if (const auto* now = std::get_if<ValueHandler>(&route.handler)) return respond((*now)(request));
    if (const auto* later = std::get_if<RequestHandler>(&route.handler)) {
      auto core = make_ref<PendingCore>(shard_, Ref<StreamOrigin>(this));
      pending_ = core;
      return (*later)(std::make_shared<const Request>(std::move(request)), PendingResponse(core),
                      server_->options.on_exception);
    }
    open_stream(std::get<StreamHandler>(route.handler), std::move(request));
  }

  void open_stream(const StreamHandler& handler, Request request) {
    TransportChoice choice;
    try {
      choice = choose_transport(request);
    } catch (const std::invalid_argument& error) {
      return respond(Response::error(400, error.what()));
    }
    const Framing framing = framing_for(request);
    std::string fields;
    for (const auto& [name, value] : cors_.fields) fields.append(name).append(": ").append(value).append("\r\n");
    if (head_only_) {
      // The same head, and nobody is registered. The connection may go on, as nothing follows. (H4)
      if (choice.transport == Transport::poll) return respond(Response::json(200, {}));
      if (!keep_alive_ || version_minor_ == 0 || server_->draining.load(std::memory_order_relaxed)) closing_ = true;
      output_ += stream_head(framing, fields, choice.transport, request.method(),
                             closing_ ? AfterStream::close : AfterStream::keep);
      return write();
    }
    std::string head = stream_head(framing, fields, choice.transport, request.method());
    const auto expiry = request.expiry();
    stream_ =
        make_ref<StreamCore>(shard_, server_->stream_settings, framing, Ref<StreamOrigin>(this),
                             std::make_shared<const Request>(std::move(request)), std::move(head), std::move(choice));
    const EventStream stream(stream_);
    if (expiry) stream.expire_at(*expiry);
    handler(stream, server_->options.on_exception);
    // The drain has passed already; the client gets its farewell all the same.
    if (server_->draining.load(std::memory_order_relaxed)) stream.core()->end(EndReason::shutdown);
  }

  static Response refusal(const Router::Match& match) {
    switch (match.outcome) {
      case Router::Match::Outcome::malformed: return Response::error(400, "the path has a broken escape");
      case Router::Match::Outcome::no_method:
        return Response::error(405, "this resource does not take that method").header("Allow", match.allow);
      default: return Response::error(404, "there is nothing here");
    }
  }

  // The request cannot be understood, so neither can what follows it.
  void fail(int status, std::string_view reason) {
    version_minor_ = 1;
    head_only_ = false;
    cors_ = {};
    closing_ = true;
    respond(Response::error(status, reason));
  }

  void respond(Response response) {
    pending_ = nullptr;
    if (server_->draining.load(std::memory_order_relaxed)) closing_ = true;
    if (!keep_alive_ || response.closes()) closing_ = true;
    cors_.apply(response);
    serialize_head(output_, response, HeadContext{version_minor_, !closing_, head_only_});
    const bool bodiless = head_only_ || response.status() < 200 || response.status() == 204 ||
                          response.status() == 205 || response.status() == 304;
    if (!bodiless) output_ += response.body();
    write();
  }

  // Writes what is left; when all is written goes on reading or closes in stages.
  void write() {
    if (socket_ == no_socket) return;  // the server was stopped by the handler
    state_ = State::answering;
    while (sent_ < output_.size()) {
      const asio::const_buffer buffer(output_.data() + sent_, output_.size() - sent_);
      std::error_code error;
      const std::size_t written = shard_->poller().write(socket_, &buffer, 1, error);
      if (error == asio::error::would_block) {
        shard_->poller().await_writable(socket_);
        return set_deadline(server_->options.stream.write_timeout);
      }
      if (error) return close();
      sent_ += written;
    }
    sent_ = 0;
    if (output_.capacity() > read_size) output_ = {};
    output_.clear();
    if (closing_) {
      shard_->set_timer(*this, never);
      state_ = State::over;
      return linger(*shard_, std::exchange(socket_, no_socket));
    }
    state_ = State::reading;
    keep_alive_ = true;
    cors_ = {};
    parser().reset();
    set_deadline(server_->options.idle_timeout);
    if (std::exchange(paused_, false)) shard_->poller().await_readable(socket_);
  }

  void set_deadline(std::chrono::milliseconds wait) {
    shard_->set_timer(*this, wait.count() > 0 ? shard_->now() + wait : never);
  }

  void close() {
    state_ = State::over;
    stream_ = nullptr;
    pending_ = nullptr;
    if (asking_) {
      shard_->call_back(
          [left = std::exchange(asking_, nullptr)] { left->client_left.emit(asio::cancellation_type::terminal); });
    }
    if (socket_ == no_socket) return;
    const Ref<Session> alive(this);
    shard_->set_timer(*this, never);
    shard_->poller().close(std::exchange(socket_, no_socket));
  }

  const Ref<Shard> shard_;
  const Ref<ServerCore> server_;
  SocketId socket_;
  State state_ = State::reading;
  std::unique_ptr<RequestParser> parser_;
  std::string input_;   // read and not yet parsed
  std::string output_;  // of answers, not yet written
  std::size_t sent_ = 0;

  // Of the request being answered.
  CorsDecision cors_;
  Ref<StreamCore> stream_;          // until its head goes out
  Ref<PendingCore> pending_;        // until it answers
  std::shared_ptr<Asking> asking_;  // until it has decided
  int version_minor_ = 1;
  bool head_only_ = false;
  bool keep_alive_ = true;

  bool served_ = false;   // a request has been complete on this connection
  bool ended_ = false;    // the client has ended its side
  bool closing_ = false;  // close after the answer
  bool paused_ = false;   // there may be more to read than was read ahead
};

}  // namespace spate::detail
