// The functions of session.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/server/detail/session.hpp>

namespace spate::detail {

SPATE_DECL Session::Session(Ref<Shard> shard, Ref<ServerCore> server, const HostPolicy& hosts, Peer&& peer,
                            std::shared_ptr<const std::string> client_subject, Exchange::Remote remote)
    : shard_(std::move(shard)),
      server_(std::move(server)),
      exchange_(*this, *shard_, *server_, hosts, answers_, std::move(remote)),
      client_subject_(std::move(client_subject)) {
  peer_ = std::move(peer);  // when nothing can fail any more: until then it is the caller's
}

SPATE_DECL void Session::start(std::string_view read_already) {
  const Ref<Session> alive(this);
  peer_.set_resident(alive);
  set_deadline(server_->options.request_timeout);
  int budget = 1;
  read_already.empty() ? read() : take(read_already, budget);
}

SPATE_DECL void Session::start(Request request) {
  peer_.set_resident(Ref<Resident>(this));
  dispatch(std::move(request));
  advance();
}

SPATE_DECL bool Session::on_readable() {
  read();
  return peer_ && !ended_ && !paused_;
}

SPATE_DECL void Session::on_writable() {
  if (!peer_ || state_ != State::answering) return;
  write();
  advance();
}

SPATE_DECL void Session::on_hangup() {
  if (!ended_ && !paused_) {
    read();
    if (!paused_) return;
  }
  if (!peer_) return;
  // Nothing more is read, so no read tells whether the client has gone altogether now.
  if (const std::error_code error = peer_.broken()) return end_of_input(error);
  // It has ended its side, perhaps after what is still to be read: it may wait for its answers, but has left a stream.
  if (ended_ || std::exchange(end_ahead_, true) || state_ != State::handling) return;
  exchange_.respondent().input_ended();
  await_departure();
}

SPATE_DECL Remaining Session::flush(int& budget) {
  if (has_next()) {
    std::string input = std::exchange(input_, {});  // a stream may take the connection meanwhile
    const std::size_t rest = consume(input, budget).size();
    if (peer_) {
      input.erase(0, input.size() - rest);
      input_ = std::move(input);
      if (paused_ && input_.size() < max_input / 2) {
        paused_ = false;
        peer_.await_readable();
      }
    }
  }
  dirty_ = has_next();
  return dirty_ ? Remaining::bulk : Remaining::nothing;
}

SPATE_DECL void Session::on_timer(TimePoint now) {
  switch (state_) {
    case State::reading:
      // Not idle: it is the server that has not come to it. But it may be no more than a part of a request.
      if (has_next()) return set_deadline(overdue_wait);
      // Nothing of a request has come: there is nothing to answer. (RFC 9110 15.5)
      if (parser().started()) return fail(408, "the request took too long");
      return close();
    case State::handling: return probe();
    case State::answering:
      if (!writer_.keeps_up(peer_, now, write_limits())) return close();
      return shard_->set_timer(*this, writer_.next(write_limits()));
    default: return;
  }
}

SPATE_DECL void Session::on_drain() {
  answers_.close_after();
  if (state_ == State::reading && !parser().started()) return close();
  exchange_.respondent().drain();
}

SPATE_DECL std::size_t Session::on_cut() {
  const bool busy = state_ == State::handling || state_ == State::answering;
  const Respondent left = exchange_.respondent();
  close();
  left.cut();
  return busy ? 1 : 0;
}

SPATE_DECL Channel Session::open_channel(const Request& request, const HeaderFields& fields) {
  std::string head = http1_head(fields, framing_for(request), after_stream(request));
  // A client that has ended its side before its stream began has left it.
  if (input_ended()) close();
  // There may be an end after what was not read. The stream has to look for it.
  if (peer_ && paused_) peer_.await_readable();
  shard_->set_timer(*this, never);
  state_ = State::over;
  exchange_.let_go();
  parser_.reset();
  input_ = {};
  return {std::move(peer_), std::move(head), exchange_.take_entry()};
}

SPATE_DECL void Session::answer(Response response) {
  if (!peer_ || state_ != State::handling) return;
  try {
    exchange_.put(std::move(response));
    write();
    advance();
  } catch (...) {
    close();  // whoever answers has nothing to do with it any more
    throw;
  }
}

SPATE_DECL void Session::begin_pieces(Response head) {
  if (!peer_ || state_ != State::handling) return;
  pieces_ = std::make_unique<PiecesUnderWay>();
  if (!exchange_.put_head_of_pieces(std::move(head))) pieces_.reset();
  write();
  advance();
}

SPATE_DECL void Session::write_piece(std::string piece, Ref<SendWaiter> waiter) {
  if (!peer_ || !pieces_) return waiter->done(Errc::stream_closed);
  const bool blocked = !answers_.empty();
  try {
    pieces_->waiters.push_back(waiter);
    answers_.put_piece(piece);
    exchange_.note_body(piece.size());
  } catch (...) {
    waiter->done(std::make_error_code(std::errc::not_enough_memory));
    close();  // a piece is missing
    throw;
  }
  if (!blocked) write();  // else it is written when the socket takes bytes again, and its deadline runs
}

SPATE_DECL void Session::end_pieces(Pieces pieces) {
  if (!peer_) return;
  // There are none under way yet if memory was lacking for the head.
  if (pieces == Pieces::broken) return close();
  if (!pieces_) return;
  const bool blocked = !answers_.empty();
  try {
    answers_.put_last_piece();
  } catch (...) {
    close();  // whoever ends the answer has nothing to do with it any more
    throw;
  }
  pieces_->whole = true;
  exchange_.let_go();
  if (!blocked) write();
  advance();
}

SPATE_DECL void Session::decided(const Authorization& asked, const std::exception_ptr& failure,
                                 std::optional<Response> refused) {
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

SPATE_DECL RequestParser& Session::parser() {
  if (!parser_) parser_ = std::make_unique<RequestParser>(server_->options.limits);
  return *parser_;
}

SPATE_DECL void Session::read() {
  const Ref<Session> alive(this);
  char buffer[read_size];
  int budget = 1;
  for (int reads = 0; peer_ && !ended_; ++reads) {
    if (input_.size() >= max_input) {
      paused_ = true;
      return;
    }
    if (reads == max_reads) return peer_.await_readable();
    std::error_code error;
    const std::size_t size = peer_.read(buffer, sizeof buffer, error);
    if (error == asio::error::would_block) return;
    if (error) return end_of_input(error == asio::error::eof ? std::error_code() : error);
    take({buffer, size}, budget);
    // A short read has emptied the socket; what comes later is a new edge, and an end after it a hangup.
    if (size < sizeof buffer) return;
  }
}

SPATE_DECL void Session::take(std::string_view bytes, int& budget) {
  if (state_ == State::reading && input_.empty()) bytes = consume(bytes, budget);
  if (peer_) input_.append(bytes);
  advance();
}

SPATE_DECL void Session::end_of_input(std::error_code error) {
  const bool had_ended = input_ended();
  ended_ = true;
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

SPATE_DECL void Session::await_departure() {
  if (!input_ended() || state_ != State::handling || !exchange_.respondent().awaits_stream()) return;
  if (!answers_.may_be_interim()) return;
  probe_wait_ = first_probe;
  set_deadline(probe_wait_);
}

SPATE_DECL void Session::probe() {
  if (!exchange_.respondent().awaits_stream()) return;
  if (const std::error_code error = say_go_on(peer_)) return end_of_input(error);
  probe_wait_ *= 2;
  set_deadline(probe_wait_);
}

SPATE_DECL void Session::advance() {
  if (dirty_ || !has_next()) return;
  dirty_ = true;
  shard_->mark_dirty(Ref<Resident>(this));
}

SPATE_DECL std::string_view Session::consume(std::string_view bytes, int& budget) {
  bool fresh = !parser().started();
  while (state_ == State::reading && budget > 0) {
    const RequestParser::Step step = parser().parse(bytes);
    bytes.remove_prefix(step.consumed);
    if (parser().started()) exchange_.note_request();
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

SPATE_DECL void Session::look_at_head() {
  if (client_subject_) parser().request().set_client_subject(client_subject_);
  switch (exchange_.begin_with_head(parser().request())) {
    case Exchange::AfterHead::body: return invite_body();
    case Exchange::AfterHead::answer: return write();
    case Exchange::AfterHead::verdict:
      shard_->set_timer(*this, never);
      state_ = State::handling;
      return;
  }
}

SPATE_DECL void Session::take_body_of(Request head) {
  parser().request() = std::move(head);
  state_ = State::reading;
  set_deadline(server_->options.request_timeout);
  if (!input_.empty()) return;  // it did not wait
  ended_ ? close() : invite_body();
}

SPATE_DECL void Session::invite_body() {
  // Every earlier answer has been taken, so there is room; a client with none for a line cannot be served.
  if (say_go_on(peer_)) close();
}

SPATE_DECL std::size_t Session::dispatch(Request request) {
  server_->requests.fetch_add(1, std::memory_order_relaxed);
  shard_->set_timer(*this, never);
  state_ = State::handling;
  served_ = true;
  if (client_subject_) request.set_client_subject(client_subject_);
  exchange_.begin(std::move(request));
  const std::size_t size = answers_.unsent().size();
  if (size > 0) {
    write();
  } else {
    await_departure();
  }
  return size;
}

SPATE_DECL void Session::fail(int status, std::string_view reason) {
  exchange_.note_part(parser().request());
  exchange_.refuse(status, reason);
  write();
}

SPATE_DECL void Session::write() {
  if (!peer_) return;  // the server was stopped by the handler
  state_ = State::answering;
  std::error_code error;
  answers_.sent(writer_.write(peer_, answers_.unsent(), shard_->now(), error));
  if (error == asio::error::would_block) return shard_->set_timer(*this, writer_.next(write_limits()));
  if (error) return close();
  if (pieces_) {
    for (const Ref<SendWaiter>& waiter : std::exchange(pieces_->waiters, {})) waiter->done({});
    if (!pieces_->whole) return shard_->set_timer(*this, never);
    pieces_.reset();
  }
  exchange_.log_answer(true);
  if (answers_.closes()) {
    shard_->set_timer(*this, never);
    state_ = State::over;
    return linger(*shard_, std::move(peer_));
  }
  state_ = State::reading;
  exchange_.end();
  parser().reset();
  set_deadline(server_->options.idle_timeout);
}

SPATE_DECL void Session::close() {
  const bool asked = state_ == State::handling || state_ == State::answering;
  state_ = State::over;
  const Ref<Session> alive(this);
  // A plain end of the connection would make an answer whole whose end has not been sent.
  const bool part_looks_whole = pieces_ && answers_.pieces_end_with_connection();
  if (peer_) {
    shard_->set_timer(*this, never);
    part_looks_whole ? peer_.abort() : peer_.close();
  }
  // From here on memory may be needed.
  asked ? exchange_.log_answer(false, answers_.unsent().size()) : exchange_.forget_request();
  const Respondent left = exchange_.let_go();
  const auto pieces = std::move(pieces_);
  if (left.hook) insist([&] { cancel(left.hook, *shard_); });
  if (left.pieces) left.pieces->over(Errc::stream_closed);
  if (pieces) insist_for_each(pieces->waiters, [](const auto& waiter) { waiter->done(Errc::stream_closed); });
}

}  // namespace spate::detail
