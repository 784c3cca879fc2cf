// The functions of http2_exchange.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/http2/detail/http2_connection.hpp>
#include <spate/http2/detail/http2_exchange.hpp>

namespace spate::detail {

SPATE_DECL Http2Exchange::Http2Exchange(Ref<Http2Connection> connection, Http2Framing::Channel channel)
    : connection_(std::move(connection)),
      channel_(channel),
      peer_(*connection_, channel),
      request_(std::make_unique<Http2Request>(connection_->server().options.limits)),
      exchange_(*this, connection_->shard(), connection_->server(), connection_->hosts(), answer_,
                connection_->facts().remote) {
  exchange_.note_request();
  set_deadline(connection_->server().options.request_timeout);
}

SPATE_DECL Http2Exchange::~Http2Exchange() = default;

SPATE_DECL void Http2Exchange::set_deadline(std::chrono::milliseconds wait) {
  Shard& shard = connection_->shard();
  shard.set_timer(*this, wait.count() > 0 ? shard.now() + wait : never);
}

SPATE_DECL void Http2Exchange::give_back_window() {
  connection_->consume(std::exchange(received_, 0));
}

SPATE_DECL void Http2Exchange::add_field(std::string_view name, std::string_view value) noexcept {
  try {
    if (request_) request_->add_field(name, value);
  } catch (const std::bad_alloc&) {
    failed_ = true;
  }
}

SPATE_DECL void Http2Exchange::end_head(bool body_follows) noexcept {
  try {
    head_done_ = true;
    if (request_) request_->end_head();
    if (request_) urgency_ = request_->urgency();
    if (!body_follows) whole_ = true;
  } catch (const std::bad_alloc&) {
    failed_ = true;
  }
}

SPATE_DECL void Http2Exchange::add_body(std::string_view bytes) noexcept {
  try {
    if (!request_) return connection_->consume(bytes.size());
    received_ += bytes.size();
    request_->add_body(bytes);
  } catch (const std::bad_alloc&) {
    failed_ = true;
  }
}

SPATE_DECL bool Http2Exchange::advance() {
  if (state_ != State::collecting || !peer_ || !head_done_) return false;
  if (!connection_->facts().refusal.empty()) {
    refuse(503, connection_->facts().refusal);
    connection_->retire();
    return true;
  }
  if (failed_) {
    refuse(503, "the server has no memory for this");
    return true;
  }
  if (request_->status() != 0) {
    refuse(request_->status(), request_->reason());
    return true;
  }
  if (whole_) {
    begin(request_->take());
    return true;
  }
  return request_->expects_continue() && !std::exchange(judged_, true) && judge_head();
}

SPATE_DECL void Http2Exchange::begin(Request request) {
  ServerCore& server = connection_->server();
  server.requests.fetch_add(1, std::memory_order_relaxed);
  connection_->shard().set_timer(*this, never);
  give_back_window();
  request_.reset();
  state_ = State::handling;
  if (connection_->facts().client_subject) request.set_client_subject(connection_->facts().client_subject);
  exchange_.begin(std::move(request));
  if (!answer_.empty()) write();
}

// The client waits for a word before it sends the body. Returns whether it was answered. (RFC 9110 10.1.1)
SPATE_DECL bool Http2Exchange::judge_head() {
  Request& head = request_->head();
  if (connection_->facts().client_subject) head.set_client_subject(connection_->facts().client_subject);
  switch (exchange_.begin_with_head(head)) {
    case Exchange::AfterHead::body:
      connection_->put_head(channel_, 100, {}, Http2Framing::Body::follows, urgency_);
      return false;
    case Exchange::AfterHead::answer: write(); return true;
    case Exchange::AfterHead::verdict:
      connection_->shard().set_timer(*this, never);
      state_ = State::handling;
      return true;
  }
  return false;
}

SPATE_DECL void Http2Exchange::refuse(int status, std::string_view reason) {
  connection_->shard().set_timer(*this, never);
  answer_.set_head_only(request_ && request_->is_head());
  if (request_ && request_->has_head()) exchange_.note_part(request_->head());
  give_back_window();
  request_.reset();
  state_ = State::handling;
  exchange_.refuse(status, reason);
  write();
}

SPATE_DECL void Http2Exchange::refuse_body() {
  refuse(503, "too many bodies come at once");
}

SPATE_DECL void Http2Exchange::on_writable() {
  if (peer_ && state_ == State::answering) write();
}

SPATE_DECL void Http2Exchange::on_hangup() {
  if (!peer_) return;
  const std::error_code error = peer_.broken();
  const Respondent left = exchange_.respondent();
  close();
  left.connection_lost(error);
}

SPATE_DECL void Http2Exchange::on_timer(TimePoint now) {
  if (!peer_) return;
  if (state_ == State::collecting) {
    // Where the head itself does not come to its end nothing can be answered.
    if (!head_done_) return connection_->end(NGHTTP2_ENHANCE_YOUR_CALM);
    return refuse(408, "the request took too long");
  }
  if (state_ != State::answering) return;
  const WriteLimits& limits = connection_->server().stream_settings->limits.write;
  if (!writer_.keeps_up(peer_, now, limits)) return close();
  connection_->shard().set_timer(*this, writer_.next(limits));
}

SPATE_DECL void Http2Exchange::on_drain() {
  exchange_.respondent().drain();
}

SPATE_DECL std::size_t Http2Exchange::on_cut() {
  const bool busy = state_ == State::handling || state_ == State::answering;
  const Respondent left = exchange_.respondent();
  close();
  left.cut();
  return busy ? 1 : 0;
}

SPATE_DECL void Http2Exchange::on_failure(std::error_code error) {
  const Respondent left = exchange_.respondent();
  close();
  left.connection_lost(error);
}

SPATE_DECL Channel Http2Exchange::open_channel(const Request&, const HeaderFields& fields) {
  if (!peer_) return {};
  answer_.put_stream_head(fields, Framing::plain);
  connection_->put_head(channel_, answer_.status, answer_.fields, Http2Framing::Body::follows, urgency_);
  state_ = State::over;
  connection_->shard().set_timer(*this, never);
  exchange_.let_go();
  return {std::move(peer_), {}, exchange_.take_entry()};
}

SPATE_DECL void Http2Exchange::answer(Response response) {
  if (!peer_ || state_ != State::handling) return;
  try {
    exchange_.put(std::move(response));
    write();
  } catch (...) {
    close();  // whoever answers has nothing to do with it any more
    throw;
  }
}

SPATE_DECL void Http2Exchange::begin_pieces(Response head) {
  if (!peer_ || state_ != State::handling) return;
  in_pieces_ = true;
  if (!exchange_.put_head_of_pieces(std::move(head))) in_pieces_ = false;
  write();
}

SPATE_DECL void Http2Exchange::write_piece(std::string piece, Ref<SendWaiter> waiter) {
  if (!peer_ || !in_pieces_) return waiter->done(Errc::stream_closed);
  const bool blocked = answer_.unsent().size() > 0;
  try {
    waiters_.push_back(waiter);
    answer_.put_piece(piece);
    exchange_.note_body(piece.size());
  } catch (...) {
    waiter->done(std::make_error_code(std::errc::not_enough_memory));
    close();  // a piece is missing
    throw;
  }
  if (!blocked) write();  // else it is written when there is room again, and its deadline runs
}

SPATE_DECL void Http2Exchange::end_pieces(Pieces pieces) {
  if (!peer_) return;
  if (pieces == Pieces::broken) return close();
  if (!in_pieces_) return;
  const bool blocked = answer_.unsent().size() > 0;
  answer_.put_last_piece();
  in_pieces_ = false;
  exchange_.let_go();
  if (!blocked) write();
}

SPATE_DECL void Http2Exchange::decided(const Authorization& asked, const std::exception_ptr& failure,
                                       std::optional<Response> refused) {
  if (exchange_.respondent().hook.get() != &asked) {
    // The client has left; that its departure ended the coroutine is no failure.
    if (failure && !is_cancellation(failure)) connection_->server().report(failure);
    return;
  }
  if (std::optional<Request> head = exchange_.decided(failure, std::move(refused))) {
    state_ = State::collecting;
    request_->put_back(std::move(*head));
    set_deadline(connection_->server().options.request_timeout);
    if (!whole_) connection_->put_head(channel_, 100, {}, Http2Framing::Body::follows, urgency_);
    advance();
  } else if (!answer_.empty()) {
    write();
  }
}

SPATE_DECL void Http2Exchange::write() {
  if (!peer_) return;
  const Ref<Http2Exchange> alive(this);
  Shard& shard = connection_->shard();
  const WriteLimits& limits = connection_->server().stream_settings->limits.write;
  state_ = State::answering;
  if (received_ > 0) give_back_window();  // of a body that need not come any more
  request_.reset();
  if (answer_.status != 0) {
    connection_->put_head(channel_, std::exchange(answer_.status, 0), std::exchange(answer_.fields, {}),
                          answer_.has_body() ? Http2Framing::Body::follows : Http2Framing::Body::none, urgency_);
  }
  // The end goes with the last bytes: behind a window that they have used up it would wait. (RFC 9113 6.9)
  if (!in_pieces_) connection_->expect_last(channel_);
  std::error_code error;
  answer_.sent(writer_.write(peer_, answer_.unsent(), shard.now(), error));
  if (error == asio::error::would_block) return shard.set_timer(*this, writer_.next(limits));
  if (error) return on_hangup();
  shard.set_timer(*this, never);
  for (const Ref<SendWaiter>& waiter : std::exchange(waiters_, {})) waiter->done({});
  if (in_pieces_) return;
  exchange_.log_answer(true);
  if (answer_.closes()) connection_->retire();
  state_ = State::over;
  exchange_.end();
  peer_.shut_down();
  peer_.close();
}

SPATE_DECL void Http2Exchange::close() {
  const Ref<Http2Exchange> alive(this);
  Shard& shard = connection_->shard();
  shard.set_timer(*this, never);
  const bool asked = state_ == State::handling || state_ == State::answering;
  state_ = State::over;
  if (received_ > 0) give_back_window();
  peer_.close();
  // From here on memory may be needed.
  asked ? exchange_.log_answer(false, answer_.unsent().size()) : exchange_.forget_request();
  const Respondent left = exchange_.let_go();
  const auto waiters = std::exchange(waiters_, {});
  if (left.hook) insist([&] { cancel(left.hook, shard); });
  if (left.pieces) left.pieces->over(Errc::stream_closed);
  insist_for_each(waiters, [](const auto& waiter) { waiter->done(Errc::stream_closed); });
}

}  // namespace spate::detail
