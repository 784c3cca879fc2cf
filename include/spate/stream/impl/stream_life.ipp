// How a stream begins and how it ends: its head, its timers, the signs that its client has gone, its farewell.
#pragma once

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <spate/config.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/stream/detail/stream_core.hpp>

namespace spate::detail {

SPATE_DECL void StreamCore::do_open() {
  if (fsm_.phase() != StreamFsm::Phase::opening || !pending_head()) return;
  if (framing_ == Framing::none) {
    const Ref<AnswerSink> sink = pending_head()->sink;
    const std::shared_ptr<const Request> request = pending_head()->request;
    HeaderFields fields = stream_fields(take_fields(), transport());
    begin_compressing(fields);
    perform(fsm_.break_off(EndReason::completed, {}));
    return sink->answer_head(*request, fields, transport() == Transport::poll ? Framing::plain : framing_for(*request));
  }
  if (transport() == Transport::poll) return begin_poll();
  HeaderFields fields = stream_fields(take_fields(), transport());
  begin_compressing(fields);
  Channel channel = pending_head()->sink->open_channel(*pending_head()->request, fields);
  peer_ = std::move(channel.peer);
  if (!peer_) return connection_lost({});
  if (channel.access) {
    channel.access->head_left = channel.head.size();
    insist([&] { seldom(); });
    seldom_->access = std::move(channel.access);
    logged_ = true;
  }
  peer_.set_resident(Ref<Resident>(this));
  queue_.push_text(*shard_, channel.head);
  pending_head()->sink = nullptr;  // a coroutine's request stays, but not what has read it
  if (gzip_ && transport() == Transport::iframe) {
    Rendition::Piece prologue = fallback().frames->prologue();
    queue_.push_text(*shard_, shard_->gzip()->rendition(framing_).beginning());
    queue_.push_piece(*shard_, QueueNode::Kind::raw, std::move(prologue), {}, 0);
  } else {
    queue_.push_text(*shard_, rendition().beginning());
  }
  if (settings_->retry) {
    push_raw(settings_->retry);
  } else if (options().retry_max.count() > 0) {
    push_raw(EncodedEvent(Event().retry(shard_->jitter().between(options().retry_min, options().retry_max))));
  }
  const TimePoint now = shard_->now();
  fsm_.open(now);
  if (options().lifetime.count() > 0) {
    // 80 to 100 %, so that those who came together do not return together. (WHATWG 9.2.3)
    const std::chrono::milliseconds full = options().lifetime;
    fsm_.live_until(now + shard_->jitter().between(full - full / 5, full));
  }
  shard_->counters().opened.add(1);
  shard_->set_timer(*this, next_moment());
  mark_dirty();
  release_pending_head();
}

// Unless the program has said itself how the body is coded. The answer to a poll is compressed as a whole; that to its
// HEAD only says so.
SPATE_DECL void StreamCore::begin_compressing(HeaderFields& fields) {
  if (!admits_gzip_ || find_field(fields, "Content-Encoding") != nullptr) return;
  fields.emplace_back("Content-Encoding", "gzip");
  if (framing_ == Framing::none) return;
  gzip_ = std::make_unique<GzipBody>();
  if (transport() == Transport::iframe) fallback().frames->compress(*shard_->gzip());
}

// Nothing is dropped any more: what waits is what leaves.
SPATE_DECL void StreamCore::end_body() {
  if (!gzip_) return queue_.push_constant(*shard_, rendition().end());
  queue_.resolve_gaps(*shard_, options(), rendition());
  GzipSum sum = gzip_->sum;
  queue_.for_each([&](const QueueNode& node) { sum.add(shard_->gzip()->compression(), node.sum); });
  const std::string end = gzip_end(sum);
  queue_.push_text(*shard_, framing_ == Framing::chunked ? chunk_of(end) : end);
  queue_.push_constant(*shard_, rendition_of(framing_).end());
}

// The fields of the head, which now goes out.
SPATE_DECL HeaderFields StreamCore::take_fields() {
  const Lock lock(shard_->shared_mutex());
  pending_head_->head_taken = true;
  HeaderFields fields = std::move(pending_head_->fields);
  add_missing_fields(fields, std::exchange(pending_head_->inherited, {}));
  return fields;
}

// A poll sends no head: it waits until there is something to answer with, and no longer than its client said.
SPATE_DECL void StreamCore::begin_poll() {
  fsm_.open(shard_->now());
  shard_->counters().opened.add(1);
  if (fallback().choice.timeout.count() > 0) {
    std::chrono::milliseconds wait = fallback().choice.timeout;
    if (pending_head()->sink->input_ended()) wait = std::min<std::chrono::milliseconds>(wait, half_closed_wait);
    fsm_.live_until(shard_->now() + wait);
    shard_->set_timer(*this, next_moment());
  } else {
    answer_poll_in_a_turn();
  }
  mark_dirty();
}

// Not at once, but when what the handler has started had a turn.
SPATE_DECL void StreamCore::answer_poll_in_a_turn() {
  shard_->call_back([self = Ref<StreamCore>(this)] {
    insist([&] { self->shard_->run([self] { self->answer_poll(PollEnd::due); }, Ref<Resident>(self)); });
  });
}

SPATE_DECL void StreamCore::answer_poll_without_waiting() {
  if (transport() != Transport::poll || fsm_.is_over()) return;
  fallback().choice.timeout = std::chrono::milliseconds(0);
  if (polling()) answer_poll_in_a_turn();
}

SPATE_DECL void StreamCore::do_reject(Response response) {
  if (fsm_.is_over()) return;
  const Ref<AnswerSink> sink = pending_head()->sink;
  perform(fsm_.break_off(EndReason::completed, {}));
  sink->answer(std::move(response));
}

SPATE_DECL void StreamCore::release_pending_head() {
  if (!handler_done_ || (!peer_ && !fsm_.is_over()) || !pending_head()) return;
  const std::unique_ptr<PendingHead> released = [&] {
    const Lock lock(shard_->shared_mutex());
    return std::move(pending_head_);
  }();
}

// Kept beside the streams, as few have one. The earliest counts.
SPATE_DECL void StreamCore::set_expiry(WallTime moment) {
  if (fsm_.is_over()) return;
  WallTime& expiry = shard_->expiries()[this];
  if (!expires_ || moment < expiry) expiry = moment;
  expires_ = true;
  if (peer_ || polling()) shard_->set_timer(*this, next_moment());
}

SPATE_DECL void StreamCore::forget_expiry() noexcept {
  if (std::exchange(expires_, false)) shard_->expiries().erase(this);
}

/// What is left of the credential, by the wall clock: it may be set, and goes on while the machine sleeps.
SPATE_DECL WallTime::duration StreamCore::until_expiry() const {
  const WallTime now = shard_->wall_now(), expiry = shard_->expiries().find(this)->second;
  return expiry > now ? expiry - now : WallTime::duration(0);
}

SPATE_DECL TimePoint StreamCore::next_moment() const {
  const TimePoint at = fsm_.next(limits());
  return expires_ ? std::min(at, StreamFsm::look_at_wall(shard_->now(), until_expiry(), limits())) : at;
}

SPATE_DECL const StreamLimits& StreamCore::limits() const noexcept {
  static constexpr StreamLimits none{};
  return polling() ? none : settings_->limits;
}

SPATE_DECL void StreamCore::on_timer(TimePoint now) {
  const Ref<StreamCore> alive(this);
  const bool expired = expires_ && until_expiry().count() == 0;
  if (expired && polling()) return answer_poll(PollEnd::at_once);
  if (expired) forget_expiry();
  for (;;) {
    const StreamFsm::Action action = fsm_.timer_fired(now, expired, limits());
    if (action == StreamFsm::Action::nothing()) break;
    perform(action);
    if (action.kind == StreamFsm::Action::Kind::end) break;  // it is posted, after what was sent before
  }
  if (!fsm_.is_over()) shard_->set_timer(*this, next_moment());
}

SPATE_DECL void StreamCore::perform(const StreamFsm::Action& action, const EncodedEvent& last) {
  switch (action.kind) {
    case StreamFsm::Action::Kind::nothing: return;
    case StreamFsm::Action::Kind::write_heartbeat:
      if (!queue_.empty()) return;
      push_raw(settings_->heartbeat);
      return mark_dirty();
    case StreamFsm::Action::Kind::look_at_progress:
      return perform(fsm_.looked(shard_->now(), peer_.unacknowledged(), limits()));
    case StreamFsm::Action::Kind::end:
      if (polling()) return answer_poll(PollEnd::late);
      return end(action.reason, action.error);
    case StreamFsm::Action::Kind::wait: return mark_dirty();
    case StreamFsm::Action::Kind::finish: return finish(last);
    case StreamFsm::Action::Kind::stop: return stop(action);
  }
}

// What a client sends after its request is never looked at; it is taken so that the end after it is seen, and so
// that closing does not turn into a reset. (RFC 9112 9.3.2)
SPATE_DECL bool StreamCore::on_readable() {
  if (!peer_) return false;
  std::error_code error;
  if (discard_input(peer_, error)) return true;
  connection_lost(error);
  return false;
}

SPATE_DECL void StreamCore::on_hangup() {
  if (!peer_) return;
  std::error_code error;  // FIN or RST? Only the socket knows.
  discard_input(peer_, error);
  connection_lost(error);
}

SPATE_DECL void StreamCore::connection_lost(std::error_code error) {
  // The kernel has waited as long as this stream would, for its host to acknowledge something.
  const bool timed_out = error == std::errc::timed_out;
  perform(timed_out ? fsm_.break_off(EndReason::write_timeout, Errc::write_timeout)
                    : fsm_.break_off(EndReason::client, error));
}

SPATE_DECL void StreamCore::input_ended() {
  if (!polling()) return;
  fsm_.live_until(shard_->now() + half_closed_wait);
  shard_->set_timer(*this, next_moment());
}

SPATE_DECL std::size_t StreamCore::on_cut() {
  if (fsm_.is_over()) return 0;
  perform(fsm_.break_off(EndReason::shutdown, {}));
  return 1;
}

// The client comes back, and hears again what it may have missed.
SPATE_DECL void StreamCore::on_failure(std::error_code error) {
  const Ref<StreamCore> alive(this);
  const Ref<AnswerSink> sink = pending_head() ? pending_head()->sink : nullptr;
  perform(fsm_.break_off(EndReason::error, error));
  if (fsm_.phase() != StreamFsm::Phase::told) tell_end();
  if (sink) sink->answer(Response::error(500, "the server failed"));
}

SPATE_DECL void StreamCore::overflow() {
  if (!takes_events()) return;
  if (polling()) return answer_poll(PollEnd::at_once);  // its client asks for the rest at once
  perform(fsm_.overflowed());
}

// Everything that was sent before has been queued by now, or is held or owed: that is waited for, except when the
// client's credential has run out.
SPATE_DECL void StreamCore::do_finish(EndReason reason, std::error_code error, EncodedEvent last) {
  if (!fsm_.takes_end()) return;
  do_open();
  if (fsm_.is_over()) return;
  sources_.queue_unread();
  if (error) watchers().blame(error);
  const bool owes = polling() || (reason != EndReason::expired && [&] {
                      const bool sources_owe = sources_.leave();
                      return sources_owe || (held() != nullptr && !held()->sends.empty());
                    }());
  if (owes) hold().last = last;
  const StreamFsm::Action action = fsm_.end(reason, owes);
  // Nothing is said about the end to a poll: its client asks again, for what is owed as well.
  polling() ? answer_poll(PollEnd::due) : perform(action, last);
}

// Nothing more is waited for: a last event, a farewell and the last chunk follow what is queued.
SPATE_DECL void StreamCore::finish(const EncodedEvent& last) {
  if (const std::unique_ptr<Held> held = let_go_of_held()) held->sends.clear(Errc::stream_closed);
  sources_.detach(reason());
  if (queue_.take_gap()) push_gap(StreamQueue::gap(options(), {}));
  if (last) push_raw(last);
  push_farewell(reason());
  if (fsm_.is_over()) return;  // cut by what the program did there
  end_body();
  mark_dirty();
  if (queue_.empty()) finished();
}

SPATE_DECL void StreamCore::push_farewell(EndReason reason) {
  std::optional<Event> farewell;
  try {
    if (options().farewell) farewell = options().farewell(reason);
  } catch (...) {
    watchers().blame(Errc::handler_failed);
    report(settings_->on_exception, std::current_exception());
  }
  const auto least = options().shutdown_retry_min, most = options().shutdown_retry_max;
  if (reason == EndReason::shutdown && most.count() > 0 && !(farewell && farewell->retry())) {
    if (!farewell) farewell.emplace();
    farewell->retry(shard_->jitter().between(std::min(least, most), most));
  }
  if (farewell && !fsm_.is_over()) push_raw(EncodedEvent(*farewell));
}

SPATE_DECL void StreamCore::finished() {
  // Closed in stages, so that the last bytes are not lost to a reset. (RFC 9112 9.6)
  linger(*shard_, std::move(peer_));
  if (logged_) seldom_->access->whole = true;
  perform(fsm_.finished());
}

// The end, reached once, whatever came first. Nobody would do later what is left undone here, so it waits for memory
// where it must.
SPATE_DECL void StreamCore::stop(const StreamFsm::Action& action) {
  const Ref<StreamCore> alive(this);
  if (action.error) insist([&] { watchers().blame(action.error); });
  state_.store(State::closed, std::memory_order_release);
  if (fsm_.was_open()) shard_->counters().ended[static_cast<std::size_t>(action.reason)].add(1);
  if (logged_) log_end(action.reason);
  insist([&] { tell_end(); });
}

SPATE_DECL void StreamCore::log_end(EndReason reason) {
  logged_ = false;
  const std::shared_ptr<AccessEntry> entry = std::move(seldom_->access);
  entry->record.status = 200;
  entry->record.stream_end = reason;
  entry->end(*shard_, entry->whole);
}

// Every step does what is left of it, so that all can be done again.
SPATE_DECL void StreamCore::tell_end() {
  const Ref<StreamCore> alive(this);
  shard_->set_timer(*this, never);
  forget_expiry();
  peer_.close();
  sources_.detach(reason());
  queue_.clear(*shard_, Errc::stream_closed);
  queue_changed();
  if (const std::unique_ptr<Held> held = let_go_of_held()) held->sends.clear(Errc::stream_closed);
  if (seldom_) seldom_->watchers.call_back(*shard_, reason());
  request_stop();
  fsm_.told();
  release_pending_head();
}

SPATE_DECL void StreamCore::request_stop() {
#if SPATE_HAS_STOP_TOKEN
  std::shared_ptr<std::stop_source> source;
  insist([&] {  // outside of the lock
    const Lock lock(shard_->shared_mutex());
    stopped_ = true;
    source = std::move(stop_);
  });
  if (source) insist([&] { shard_->call_back([source] { source->request_stop(); }); });
#endif
}

}  // namespace spate::detail
