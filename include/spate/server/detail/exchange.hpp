// Exchange: a request from the moment it is complete until its answer is known. One connection's, one after the other.
//
// Finds the route, asks its hook, and calls its handler. What is to be answered is put into the AnswerWriter, at once
// or when the respondent gives it; or a stream takes the connection. Neither reads nor writes. Shard only.
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <spate/config.hpp>
#include <spate/connection/detail/answer_writer.hpp>
#include <spate/server/detail/authorization.hpp>
#include <spate/server/detail/find_route.hpp>
#include <spate/server/detail/respondent.hpp>
#include <spate/server/detail/server_core.hpp>

namespace spate::detail {

class Exchange {
 public:
  using Remote = std::shared_ptr<const asio::ip::tcp::endpoint>;

  /// All of them outlive this, which is a part of `sink`. `hosts` is the server's policy for the connection; `remote`
  /// is for the access log.
  Exchange(VerdictSink& sink, Shard& shard, ServerCore& server, const HostPolicy& hosts, AnswerWriter& answers,
           Remote remote = nullptr)
      : sink_(sink), shard_(shard), server_(server), hosts_(hosts), answers_(answers), remote_(std::move(remote)) {}

  const Respondent& respondent() const noexcept { return respondent_; }

  /// Takes `request` to its handler. Afterwards its answer is put, or somebody has it.
  void begin(Request request);

  /// Goes on when the hook has decided about the respondent's request. Returns the request if it was let pass by its
  /// head, and its body is still to come; `begin` follows then.
  std::optional<Request> decided(const std::exception_ptr& failure, std::optional<Response> refused);

  /// What follows when the head of a request has come and its client waits to send the body.
  enum class AfterHead {
    body,     // may come
    answer,   // was put: the body could not change it
    verdict,  // of a hook, which has the request meanwhile
  };

  /// Decides about `request` what can be decided by its head. Where the body is to come `begin` follows, and does not
  /// ask again who has let the request pass.
  AfterHead begin_with_head(Request& request);

  /// Puts the answer to what is no request.
  void refuse(int status, std::string_view reason);

  /// Puts the answer, and nobody has the request any more.
  void put(Response response);

  /// Puts the head of an answer in pieces. Returns whether they follow: not after HEAD.
  bool put_head_of_pieces(Response response);

  /// The client has the answer.
  void end() { cors_ = {}; }

  // ---- for the access log, if there is one ----

  /// A request has begun to come.
  void note_request() {
    if (server_.access && !access_) begin_entry();
  }
  /// It is refused before it has come whole.
  void note_part(const Request& part);
  /// So many bytes more will be the answer's body, unless it has none.
  void note_body(std::size_t size) noexcept;
  /// All of the answer is with the transport; or that was given up, with so much of its body left.
  void log_answer(bool complete, std::size_t unsent = 0);
  /// Nothing was asked, after all.
  void forget_request() noexcept { access_.reset(); }
  /// The answer goes on as a stream.
  std::shared_ptr<AccessEntry> take_entry() noexcept { return std::move(access_); }

  /// The connection goes to the stream, or closes. Returns who had the request.
  Respondent let_go() { return std::exchange(respondent_, {}); }

 private:
  // What user code throws is told, and answered with 500.
  template <typename Step>
  void or_fail(Step step) {
    try {
      step();
    } catch (...) {
      server_.report(std::current_exception());
      Response failure = Response::error(500, "the handler failed");
      if (respondent_.pending) {
        respondent_.pending->respond(std::move(failure));  // unless the handler had answered before it threw
      } else if (respondent_.pieces) {
        respondent_.pieces->end(PieceSink::Pieces::broken);
      } else if (respondent_.stream) {
        respondent_.stream->reject(std::move(failure));
      } else {
        put(std::move(failure));
      }
    }
  }

  void begin_entry();
  void note(const Request& request, const Route* route);
  void note_status(int status) noexcept;

  void authorize(const Route& route, Request&& request);

  // The request may pass: it is not asked about again. False when it was refused all the same.
  bool admit(const Route& route, const Request& request);

  void handle(const Route& route, Request&& request);

  void open_stream(const Route& route, Request&& request);

  // The transport that `request` asks for; nothing when it was refused, because there is no such.
  std::optional<TransportChoice> choice_of(const Request& request);

  // Whether the answer may be compressed: what `route` says, and the client of `request`.
  void note_coding(const Route* route, const Request& request);

  bool draining() const noexcept { return server_.draining.load(std::memory_order_relaxed); }

  VerdictSink& sink_;
  Shard& shard_;
  ServerCore& server_;
  const HostPolicy& hosts_;
  AnswerWriter& answers_;
  const Remote remote_;
  std::shared_ptr<AccessEntry> access_;  // of the request that is answered; null without a log
  CorsDecision cors_;
  Respondent respondent_;
  const Route* admitted_ = nullptr;  // of the request whose head was looked at and whose body is awaited
  GzipPieces* gzip_ = nullptr;       // unless nothing is compressed, or not here
  bool admits_gzip_ = false;         // the client does
  bool body_awaited_ = false;        // by the client's word: what is put now goes before it
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/exchange.ipp>
#endif
