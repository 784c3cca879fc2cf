// Session: one connection while it speaks HTTP, from accept until it closes or becomes a stream.
//
// Reads a request, lets an Exchange find its answer, writes that, and goes on with the next one. A stream route gets an
// EventStream whose sink is the session: the socket leaves with the stream's head, and whatever the client had sent
// after that request is dropped unread (RFC 9112 9.3.2).
//
// One request is served when its bytes are read. Those that were sent after it wait until the shard asks for them with
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

#include <spate/config.hpp>
#include <spate/connection/detail/answer_buffer.hpp>
#include <spate/connection/detail/channel.hpp>
#include <spate/connection/detail/half_closed.hpp>
#include <spate/connection/detail/http1_head.hpp>
#include <spate/http/request_parser.hpp>
#include <spate/server/detail/exchange.hpp>
#include <spate/server/detail/server_core.hpp>
#include <spate/transport/detail/lingering_close.hpp>
#include <spate/transport/detail/peer.hpp>
#include <spate/transport/detail/timed_writer.hpp>
#include <spate/transport/detail/write_deadline.hpp>

namespace spate::detail {

class Session final : public VerdictSink {
 public:
  /// `hosts` is one of `server`; `client_subject` is of the client's certificate, null without one; `remote` is for the
  /// access log.
  Session(Ref<Shard> shard, Ref<ServerCore> server, const HostPolicy& hosts, Peer&& peer,
          std::shared_ptr<const std::string> client_subject = nullptr, Exchange::Remote remote = nullptr);

  /// Begins, with what was `read` already: all that there is, or more is told of; without it, reads by itself. The
  /// transport holds the session from now on.
  void start(std::string_view read = {});

  /// Begins with a request that was parsed elsewhere.
  void start(Request request);

  SPATE_DECL bool on_readable() override;

  SPATE_DECL void on_writable() override;

  SPATE_DECL void on_hangup() override;

  /// Serves requests that were read ahead. Behind what is new: one client's long pipeline must not delay the others.
  SPATE_DECL Remaining flush(int& budget) override;

  SPATE_DECL void on_timer(TimePoint now) override;

  SPATE_DECL void on_drain() override;

  SPATE_DECL std::size_t on_cut() override;

  // ---- for the respondent ----

  bool input_ended() const noexcept override { return ended_ || end_ahead_; }

  SPATE_DECL Channel open_channel(const Request& request, const HeaderFields& fields) override;

  SPATE_DECL void answer(Response response) override;

  // ---- for an answer in pieces ----

  SPATE_DECL void begin_pieces(Response head) override;

  SPATE_DECL void write_piece(std::string piece, Ref<SendWaiter> waiter) override;

  SPATE_DECL void end_pieces(Pieces pieces) override;

  SPATE_DECL void decided(const Authorization& asked, const std::exception_ptr& failure,
                          std::optional<Response> refused) override;

 private:
  enum class State : std::uint8_t {
    reading,    // waiting for a request, or in the middle of one
    handling,   // a handler has it
    answering,  // bytes of the answer are left
    over,       // closed, or the socket has gone to a stream
  };

  static constexpr std::size_t read_size = 16 * 1024;
  // What is read ahead while a request is handled, to see the client's end after it.
  static constexpr std::size_t max_input = 64 * 1024;
  // Reads in a row, before other connections have their turn.
  static constexpr int max_reads = 16;
  // How long a request whose time is over may wait for the server to come to what was read of it.
  static constexpr std::chrono::milliseconds overdue_wait{100};
  // What one unit of a turn's budget pays for besides a request itself, like a piece that a stream writes.
  static constexpr std::size_t bytes_per_budget = 4096;

  RequestParser& parser();

  /// Whether something was read ahead that may be the next request.
  bool has_next() const noexcept { return state_ == State::reading && !input_.empty(); }

  // Takes what the socket has. What is not served now is kept for later.
  void read();
  void take(std::string_view bytes, int& budget);

  // The client sends no more. Requests that it has sent are still answered, on the route of a stream as well: it may
  // have closed only its side.
  void end_of_input(std::error_code error);

  // Where a handler may take its time and then begin a stream, a client that has ended its side is looked for.
  void await_departure();
  void probe();

  // Goes on with what was read ahead, in its turn.
  void advance();

  // Serves requests until one waits for its answer, `bytes` are used up, or the budget is; returns what belongs to the
  // next request.
  std::string_view consume(std::string_view bytes, int& budget);

  // The client waits for a word before it sends the body: answer now what the body cannot change. (RFC 9110 10.1.1)
  void look_at_head();

  // The hook has let `head` pass.
  void take_body_of(Request head);

  void invite_body();

  // Returns the size of the answer, if there is one at once.
  std::size_t dispatch(Request request);

  // The request cannot be understood, so neither can what follows it.
  void fail(int status, std::string_view reason);

  // Writes what is left; when all is written goes on reading or closes in stages.
  void write();

  const WriteLimits& write_limits() const noexcept { return server_->stream_settings->limits.write; }

  void set_deadline(std::chrono::milliseconds wait) {
    shard_->set_timer(*this, wait.count() > 0 ? shard_->now() + wait : never);
  }

  void close();

  const Ref<Shard> shard_;
  const Ref<ServerCore> server_;
  Peer peer_;
  State state_ = State::reading;
  std::unique_ptr<RequestParser> parser_;
  std::string input_;  // read and not yet parsed
  AnswerBuffer answers_;
  TimedWriter writer_;  // of answers
  Exchange exchange_;
  /// An answer whose pieces are still coming.
  struct PiecesUnderWay {
    std::vector<Ref<SendWaiter>> waiters;  // until what was put is with the kernel
    bool whole = false;
  };
  std::unique_ptr<PiecesUnderWay> pieces_;
  const std::shared_ptr<const std::string> client_subject_;  // null without a certificate

  std::chrono::seconds probe_wait_{0};

  bool served_ = false;     // a request has been complete on this connection
  bool ended_ = false;      // the client has ended its side, and all that it sent was read
  bool end_ahead_ = false;  // it has ended its side, but not all was read
  bool paused_ = false;     // there may be more to read than was read ahead
  bool dirty_ = false;      // the shard will ask for what was read ahead
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/session.ipp>
#endif
