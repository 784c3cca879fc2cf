// Session: one connection while it speaks HTTP, from accept until it closes or becomes a stream.
//
// Reads a request, lets an Exchange find its answer, writes that, and goes on with the next one. A stream route gets an
// EventStream whose origin is the session: the socket leaves with the stream's head, and whatever the client had sent
// behind that request is dropped unread (H9).
//
// One request is served when its bytes are read. Those that were sent behind it wait until the shard asks for them with
// `flush`, where they count against the budget of its turn like what streams write. Shard only.
#pragma once

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
#include <vector>

#include <spate/http/request_parser.hpp>
#include <spate/server/detail/answer_buffer.hpp>
#include <spate/server/detail/exchange.hpp>
#include <spate/server/detail/server_core.hpp>
#include <spate/stream/detail/half_closed.hpp>
#include <spate/stream/detail/lingering_close.hpp>

namespace spate::detail {

class Session final : public RequestOrigin {
 public:
  /// `hosts` is one of `server`.
  Session(Ref<Shard> shard, Ref<ServerCore> server, const HostPolicy& hosts, SocketId socket)
      : shard_(std::move(shard)),
        server_(std::move(server)),
        socket_(socket),
        exchange_(*this, *shard_, *server_, hosts, answers_) {}

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
    if (!ended_ || socket_ == no_socket) return read();
    // Its client may have gone altogether now.
    if (const std::error_code error = shard_->poller().broken(socket_)) end_of_input(error);
  }

  /// Serves requests that were read ahead. Behind what is new: one client's long pipeline must not delay the others.
  Left flush(int& budget) override {
    if (has_next()) {
      std::string input = std::exchange(input_, {});  // a stream may take the connection meanwhile
      const std::size_t rest = consume(input, budget).size();
      if (socket_ != no_socket) {
        input.erase(0, input.size() - rest);
        input_ = std::move(input);
        if (paused_ && input_.size() < most_input / 2) {
          paused_ = false;
          shard_->poller().await_readable(socket_);
        }
      }
    }
    dirty_ = has_next();
    return dirty_ ? Left::bulk : Left::nothing;
  }

  void on_timer(TimePoint now) override {
    switch (state_) {
      case State::reading:
        if (has_next()) return;  // not idle: it is the server that has not come to it
        // Nothing of a request has come: there is nothing to answer. (H14)
        if (parser().started()) return fail(408, "the request took too long");
        return close();
      case State::handling: return probe();
      case State::answering:
        if (!writing_.keeps_up(now, shard_->poller().unacknowledged(socket_), write_limits())) return close();
        return shard_->set_timer(*this, writing_.next(write_limits()));
      default: return;
    }
  }

  void on_drain() override {
    answers_.close_after();
    if (state_ == State::reading && !parser().started()) return close();
    exchange_.respondent().drain();
  }

  bool on_cut() override {
    const bool busy = state_ == State::handling || state_ == State::answering;
    const Respondent left = exchange_.respondent();
    close();
    left.cut();
    return busy;
  }

  // ---- for the respondent ----

  bool input_ended() const noexcept override { return ended_; }

  SocketId surrender() override {
    // A client that has ended its side before its stream began has left it. (Promise 5)
    if (ended_) close();
    // There may be an end behind what was not read. The stream has to look for it.
    if (socket_ != no_socket && paused_) shard_->poller().await_readable(socket_);
    shard_->set_timer(*this, never);
    state_ = State::over;
    exchange_.let_go();
    parser_.reset();
    input_ = {};
    return std::exchange(socket_, no_socket);
  }

  void answer(Response response) override {
    if (socket_ == no_socket || state_ != State::handling) return;
    try {
      exchange_.put(std::move(response));
      write();
      advance();
    } catch (...) {
      close();  // whoever answers has nothing to do with it any more
      throw;
    }
  }

  // ---- for an answer in pieces ----

  void begin_pieces(Response head) override {
    if (socket_ == no_socket || state_ != State::handling) return;
    if (exchange_.put_head_of_pieces(std::move(head))) pieces_ = std::make_unique<PiecesUnderWay>();
    write();
    advance();
  }

  void write_piece(std::string piece, Ref<SendWaiter> waiter) override {
    if (socket_ == no_socket || !pieces_) return waiter->done(Errc::stream_closed);
    const bool blocked = !answers_.empty();
    pieces_->waiters.push_back(std::move(waiter));
    answers_.put_piece(piece);
    if (!blocked) write();  // else it is written when the socket takes bytes again, and its deadline runs
  }

  void end_pieces(Pieces pieces) override {
    if (socket_ == no_socket || !pieces_) return;
    if (pieces == Pieces::broken) return close();
    const bool blocked = !answers_.empty();
    answers_.put_last_piece();
    pieces_->whole = true;
    exchange_.let_go();
    if (!blocked) write();
    advance();
  }

  void decided(const Authorization& asked, const std::exception_ptr& failure,
               std::optional<Response> refused) override {
    if (exchange_.respondent().hook.get() != &asked) {
      // The client has left; that its departure ended the coroutine is no failure.
      if (failure && !is_cancellation(failure)) server_->report(failure);
      return;
    }
    if (std::optional<Request> head = exchange_.decided(failure, std::move(refused))) {
      take_body_of(std::move(*head));
    } else if (!answers_.empty()) {
      write();
    }
    advance();
  }

 private:
  enum class State : std::uint8_t {
    reading,    // waiting for a request, or in the middle of one
    handling,   // a handler has it
    answering,  // bytes of the answer are left
    over,       // closed, or the socket has gone to a stream
  };

  static constexpr std::size_t read_size = 16 * 1024;
  // What is read ahead while a request is handled, to see the client's end behind it.
  static constexpr std::size_t most_input = 64 * 1024;
  // Reads in a row, before other connections have their turn.
  static constexpr int most_reads = 16;
  // What one unit of a turn's budget pays for besides a request itself, like a piece that a stream writes.
  static constexpr std::size_t bytes_per_budget = 4096;

  RequestParser& parser() {
    if (!parser_) parser_ = std::make_unique<RequestParser>(server_->options.limits);
    return *parser_;
  }

  /// Whether something was read ahead that may be the next request.
  bool has_next() const noexcept { return state_ == State::reading && !input_.empty(); }

  // Takes what the socket has. What is not served now is kept for later.
  void read() {
    const Ref<Session> alive(this);
    char buffer[read_size];
    int budget = 1;
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
      std::string_view bytes(buffer, size);
      if (state_ == State::reading && input_.empty()) bytes = consume(bytes, budget);
      if (socket_ != no_socket) input_.append(bytes);
      advance();
      // A short read has emptied the socket; what comes later is a new edge, and an end behind it a hangup.
      if (size < sizeof buffer) return;
    }
  }

  // The client sends no more. Requests that it has sent are still answered, on the route of a stream as well: it may
  // have closed only its side.
  void end_of_input(std::error_code error) {
    const bool had_ended = std::exchange(ended_, true);
    if (input_.empty()) answers_.close_after();
    switch (state_) {
      case State::reading:
        if (error || input_.empty()) close();
        return;
      case State::handling: {
        const Respondent left = exchange_.respondent();
        if (!error) {
          left.input_ended();
          return await_departure();
        }
        close();
        // To leave is no error, and only afterwards the connection broke.
        return left.connection_lost(had_ended && left.stream ? std::error_code() : error);
      }
      case State::answering:
        if (error) close();
        return;
      case State::over: return;
    }
  }

  // Where a handler may take its time and then begin a stream, a client that has ended its side is looked for.
  void await_departure() {
    if (!ended_ || state_ != State::handling || !exchange_.respondent().awaits_stream()) return;
    if (!answers_.may_be_interim()) return;
    probe_wait_ = first_probe;
    set_deadline(probe_wait_);
  }
  void probe() {
    if (!exchange_.respondent().awaits_stream()) return;
    if (const std::error_code error = say_go_on(shard_->poller(), socket_)) return end_of_input(error);
    probe_wait_ *= 2;
    set_deadline(probe_wait_);
  }

  // Goes on with what was read ahead, in its turn.
  void advance() {
    if (dirty_ || !has_next()) return;
    dirty_ = true;
    shard_->mark_dirty(Ref<Resident>(this));
  }

  // Serves requests until one waits for its answer, `bytes` are used up, or the budget is; returns what belongs to the
  // next request.
  std::string_view consume(std::string_view bytes, int& budget) {
    bool fresh = !parser().started();
    while (state_ == State::reading && budget > 0) {
      const RequestParser::Step step = parser().parse(bytes);
      bytes.remove_prefix(step.consumed);
      switch (step.progress) {
        case RequestParser::Progress::need_more:
          if (ended_) {
            close();
          } else if (fresh && parser().started() && served_) {
            set_deadline(server_->options.request_timeout);
          }
          return bytes;
        case RequestParser::Progress::head_complete:
          if (parser().expects_continue() && bytes.empty()) look_at_head();
          break;
        case RequestParser::Progress::failed: fail(parser().status(), parser().reason()); return {};
        case RequestParser::Progress::complete:
          if (ended_ && bytes.empty()) answers_.close_after();
          budget -= 1 + static_cast<int>(dispatch(parser().take()) / bytes_per_budget);
          fresh = true;
          break;
      }
    }
    return bytes;
  }

  // The client waits for a word before it sends the body: answer now what the body cannot change. (H11)
  void look_at_head() {
    switch (exchange_.begin_with_head(parser().request())) {
      case Exchange::AfterHead::body: return invite_body();
      case Exchange::AfterHead::answer: return write();
      case Exchange::AfterHead::verdict:
        shard_->set_timer(*this, never);
        state_ = State::handling;
        return;
    }
  }

  // The hook has let `head` pass.
  void take_body_of(Request head) {
    parser().request() = std::move(head);
    state_ = State::reading;
    set_deadline(server_->options.request_timeout);
    if (!input_.empty()) return;  // it did not wait
    ended_ ? close() : invite_body();
  }

  void invite_body() {
    // Every earlier answer has been taken, so there is room; a client with none for a line cannot be served.
    if (say_go_on(shard_->poller(), socket_)) close();
  }

  // Returns the size of the answer, if there is one at once.
  std::size_t dispatch(Request request) {
    server_->requests.fetch_add(1, std::memory_order_relaxed);
    shard_->set_timer(*this, never);
    state_ = State::handling;
    served_ = true;
    exchange_.begin(std::move(request));
    const std::size_t size = answers_.unsent().size();
    if (size > 0) {
      write();
    } else {
      await_departure();
    }
    return size;
  }

  // The request cannot be understood, so neither can what follows it.
  void fail(int status, std::string_view reason) {
    exchange_.refuse(status, reason);
    write();
  }

  // Writes what is left; when all is written goes on reading or closes in stages.
  void write() {
    if (socket_ == no_socket) return;  // the server was stopped by the handler
    state_ = State::answering;
    while (!answers_.empty()) {
      const asio::const_buffer buffer = answers_.unsent();
      std::error_code error;
      const std::size_t written = shard_->poller().write(socket_, &buffer, 1, error);
      if (error && error != asio::error::would_block) return close();
      answers_.sent(written);
      if (error) {
        const bool anew = !writing_.blocked();
        writing_.stalled(shard_->now(), 0, anew ? shard_->poller().unacknowledged(socket_) : 0);
        if (anew) shard_->set_timer(*this, writing_.next(write_limits()));
        return shard_->poller().await_writable(socket_);
      }
      if (writing_.blocked()) writing_.stalled(shard_->now(), written, 0);
    }
    writing_.wrote(shard_->now());
    if (pieces_) {
      for (const Ref<SendWaiter>& waiter : std::exchange(pieces_->waiters, {})) waiter->done({});
      if (!pieces_->whole) return shard_->set_timer(*this, never);
      pieces_.reset();
    }
    if (answers_.closes()) {
      shard_->set_timer(*this, never);
      state_ = State::over;
      return linger(*shard_, std::exchange(socket_, no_socket));
    }
    state_ = State::reading;
    exchange_.end();
    parser().reset();
    set_deadline(server_->options.idle_timeout);
  }

  const StreamLimits& write_limits() const noexcept { return server_->stream_settings->limits; }

  void set_deadline(std::chrono::milliseconds wait) {
    shard_->set_timer(*this, wait.count() > 0 ? shard_->now() + wait : never);
  }

  void close() {
    state_ = State::over;
    const Ref<Session> alive(this);
    Respondent left = exchange_.let_go();
    if (left.hook) cancel(std::move(left.hook), *shard_);
    if (left.pieces) left.pieces->over(Errc::stream_closed);
    if (const auto pieces = std::move(pieces_)) {
      for (const Ref<SendWaiter>& waiter : pieces->waiters) waiter->done(Errc::stream_closed);
    }
    if (socket_ == no_socket) return;
    shard_->set_timer(*this, never);
    shard_->poller().close(std::exchange(socket_, no_socket));
  }

  const Ref<Shard> shard_;
  const Ref<ServerCore> server_;
  SocketId socket_;
  State state_ = State::reading;
  std::unique_ptr<RequestParser> parser_;
  std::string input_;  // read and not yet parsed
  AnswerBuffer answers_;
  StreamFsm writing_;  // how the client takes its answer
  Exchange exchange_;
  /// An answer whose pieces are still coming.
  struct PiecesUnderWay {
    std::vector<Ref<SendWaiter>> waiters;  // until what was put is with the kernel
    bool whole = false;
  };
  std::unique_ptr<PiecesUnderWay> pieces_;

  std::chrono::seconds probe_wait_{0};

  bool served_ = false;  // a request has been complete on this connection
  bool ended_ = false;   // the client has ended its side
  bool paused_ = false;  // there may be more to read than was read ahead
  bool dirty_ = false;   // the shard will ask for what was read ahead
};

}  // namespace spate::detail
