// The functions of stream_core.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/stream/detail/stream_core.hpp>

namespace spate::detail {

SPATE_DECL StreamCore::StreamCore(Ref<Shard> shard, Ref<StreamSettings> settings, Framing framing, Ref<AnswerSink> sink,
                                  std::shared_ptr<const Request> request, HeaderFields inherited,
                                  TransportChoice choice)
    : shard_(std::move(shard)),
      framing_(framing),
      transport_(choice.transport),
      admits_gzip_(choice.gzip),
      settings_(std::move(settings)) {
  const std::string id = request->last_event_id();
  if (!id.empty()) last_event_id_ = std::make_unique<const std::string>(kept_cursor(id));
  if (choice.transport != Transport::sse) {
    PollAnswer answer(id.size() <= max_cursor_bytes ? id : std::string());
    seldom().fallback = std::make_unique<Fallback>(std::move(choice), std::move(answer));
    if (transport() == Transport::iframe) fallback().frames.emplace(framing_, fallback().choice.callback);
  }
  pending_head_ =
      std::make_unique<PendingHead>(PendingHead{std::move(request), {}, std::move(inherited), std::move(sink)});
}

SPATE_DECL bool StreamCore::in_handler() const {
  const Lock lock(shard_->shared_mutex());
  return pending_head_ && pending_head_->handler == std::this_thread::get_id();
}

SPATE_DECL std::shared_ptr<const Request> StreamCore::request() const {
  {
    const Lock lock(shard_->shared_mutex());
    if (pending_head_ && pending_head_->request) return pending_head_->request;
  }
  static const auto none = std::make_shared<const Request>();
  return none;
}

SPATE_DECL void StreamCore::open() {
  if (state_.load(std::memory_order_acquire) != State::pending) return;
  if (framing_ == Framing::none) return end(EndReason::completed);  // the head is all
  // In one step with the post: whoever finds the stream open posts after it, and so nothing goes before the head.
  shard_->post_if([this] { return advance(State::pending, State::open); },
                  call<&StreamCore::do_open>(Ref<StreamCore>(this)));
}

SPATE_DECL bool StreamCore::reject(Response response) {
  if (state_.load(std::memory_order_acquire) != State::pending) return false;
  // In one step with the post, like `end`.
  return shard_->run_if([this] { return advance(State::pending, State::rejected); },
                        [self = Ref<StreamCore>(this), response = std::move(response)]() mutable {
                          self->do_reject(std::move(response));
                        },
                        Ref<Resident>(this));
}

SPATE_DECL bool StreamCore::set_header(std::string_view name, std::string_view value, Beside beside) {
  check_stream_field(name, value);
  const Lock lock(shard_->shared_mutex());
  if (!pending_head_ || pending_head_->head_taken || state_.load(std::memory_order_acquire) != State::pending)
    return false;
  HeaderFields& fields = pending_head_->fields;
  if (beside == Beside::replaces) {
    std::erase_if(fields, [&](const auto& field) { return iequals(field.first, name); });
  }
  fields.emplace_back(name, trim(value));
  return true;
}

SPATE_DECL SendResult StreamCore::send(EncodedEvent event) {
  open();
  if (!is_open()) return SendResult::closed;
  const StreamOptions& limits = options();
  const std::size_t size = event.chunk().size();
  // Before it is known whether it fits.
  const std::size_t before = queue_.reserve(size);
  const bool full = before > 0 && before + size > limits.max_queued_bytes;
  if (full && (limits.overflow == Overflow::close || limits.overflow == Overflow::drop_newest)) {
    queue_.give_back(size);
    if (limits.overflow == Overflow::close) {
      shard_->post_if([this] { return advance(State::open, State::finishing); },
                      call<&StreamCore::overflow>(Ref<StreamCore>(this)));
      return SendResult::closed;
    }
    if (event.has_data()) shard_->post(call<&StreamCore::note_drop>(Ref<StreamCore>(this)));  // else nobody misses it
    return SendResult::dropped;
  }
  try {
    return post_event(std::move(event)) ? SendResult::queued : SendResult::closed;
  } catch (...) {
    queue_.give_back(size);
    throw;
  }
}

SPATE_DECL void StreamCore::send(EncodedEvent event, Ref<SendWaiter> waiter) {
  open();
  if (is_open() && post_in_order(std::move(event), waiter)) return;
  waiter->done(shard_->stopped() ? Errc::shut_down : Errc::stream_closed);
}

SPATE_DECL void StreamCore::end(EndReason reason, std::error_code error, EncodedEvent last) {
  if (!unended()) return;  // that of a HEAD ends too, though it is never open
  // In one step with the post, which may fail: then nobody has asked.
  shard_->run_if([this] { return advance(State::open, State::finishing) || advance(State::pending, State::finishing); },
                 [self = Ref<StreamCore>(this), reason, error, last = std::move(last)]() mutable {
                   self->do_finish(reason, error, std::move(last));
                 },
                 Ref<Resident>(this));
}

SPATE_DECL void StreamCore::on(Moment moment, StreamWatchers::Callback callback) {
  shard_->run(
      [self = Ref<StreamCore>(this), moment,
       callback = std::make_shared<const StreamWatchers::Callback>(std::move(callback))] {
        insist([&] { self->watchers().add(moment, callback); });
        if (self->fsm_.is_over()) self->watchers().call_back(*self->shard_, self->reason());
      },
      Ref<Resident>(this));
}

SPATE_DECL void StreamCore::when_ended(Ref<SendWaiter> waiter) {
  const bool posted = shard_->run(
      [self = Ref<StreamCore>(this), waiter] {
        if (self->fsm_.is_over()) return waiter->done({});
        insist([&] { self->watchers().add(waiter); });
      },
      Ref<Resident>(this));
  if (!posted) waiter->done(Errc::shut_down);
}

#if SPATE_HAS_STOP_TOKEN
SPATE_DECL std::stop_token StreamCore::stop_token() {
  const Lock lock(shard_->shared_mutex());
  if (!stop_) stop_ = std::make_unique<std::stop_source>();
  if (stopped_) stop_->request_stop();
  return stop_->get_token();
}
#endif

SPATE_DECL bool StreamCore::claim(Ref<StreamSource> registration) {
  const Lock lock(shard_->shared_mutex());
  if (registration_) return false;
  registration_ = std::move(registration);
  return true;
}

SPATE_DECL bool StreamCore::unclaim(const StreamSource& registration) {
  const Lock lock(shard_->shared_mutex());
  if (registration_.get() != &registration) return false;
  registration_ = nullptr;  // which its emitter holds as well
  return true;
}

SPATE_DECL Ref<StreamSource> StreamCore::registration() const {
  const Lock lock(shard_->shared_mutex());
  return registration_;
}

SPATE_DECL void StreamCore::handler_returned() {
  open();
  handler_finished();
}

SPATE_DECL void StreamCore::handler_finished() {
  handler_done_ = true;
  release_pending_head();
}

SPATE_DECL void StreamCore::deliver_range(const Ref<Block>& block, std::string_view data, std::uint32_t events) {
  queue_.push_range(*shard_, block, data, events);
  queue_changed();
}

SPATE_DECL void StreamCore::deliver_shared(Rendition::Piece piece, std::uint32_t events) {
  queue_.push_piece(*shard_, QueueNode::Kind::range, std::move(piece), {}, events);
  queue_changed();
}

SPATE_DECL void StreamCore::prefetch() const noexcept {
  detail::prefetch(&fsm_);
  detail::prefetch(&queue_);
}

SPATE_DECL void StreamCore::prefetch_peer() const noexcept {
  if (peer_) peer_.prefetch();
}

SPATE_DECL void StreamCore::push_gap(const EncodedEvent& gap) {
  shard_->counters().gaps.add(1);
  push(QueueNode::Kind::notice, gap, 0);
}

SPATE_DECL void StreamCore::mark_dirty() {
  if (dirty_ || (!peer_ && !polling())) return;
  dirty_ = true;
  shard_->mark_dirty(Ref<Resident>(this));
}

SPATE_DECL bool StreamCore::unended() const noexcept {
  const State state = state_.load(std::memory_order_acquire);
  return state == State::pending || state == State::open;
}

SPATE_DECL StreamCore::Seldom& StreamCore::seldom() {
  if (!seldom_) seldom_ = std::make_unique<Seldom>();
  return *seldom_;
}

}  // namespace spate::detail
