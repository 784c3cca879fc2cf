// StreamCore: what all handles to one stream share.
//
// The members under "any thread" decide by atomics and then post to the shard; everything else runs on the shard. The
// state only ever moves forward: pending, open or rejected, finishing, closed.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/error.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/stream/detail/discard_input.hpp>
#include <spate/stream/detail/fallback_format.hpp>
#include <spate/stream/detail/gap_event.hpp>
#include <spate/stream/detail/lingering_close.hpp>
#include <spate/stream/detail/shard.hpp>
#include <spate/stream/detail/stream_parts.hpp>
#include <spate/stream/detail/stream_watchers.hpp>
#include <spate/stream/detail/transport_choice.hpp>
#include <spate/stream/stream_options.hpp>

namespace spate::detail {

class StreamCore final : public Resident {
 public:
  enum class State : std::uint8_t { pending, open, rejected, finishing, closed };

  StreamCore(Ref<Shard> shard, Ref<StreamSettings> settings, Framing framing, Ref<StreamOrigin> origin,
             std::shared_ptr<const Request> request, std::string head, TransportChoice choice = {})
      : shard_(std::move(shard)), settings_(std::move(settings)), framing_(framing) {
    if (std::string id = request->last_event_id(); !id.empty()) {
      last_event_id_ = std::make_unique<const std::string>(std::move(id));
    }
    if (choice.transport != Transport::sse) {
      fallback_ = std::make_unique<Fallback>(Fallback{std::move(choice), PollAnswer(last_event_id())});
    }
    opening_ = std::make_unique<Opening>(Opening{std::move(request), std::move(head), std::move(origin)});
  }

  // ---- any thread ----

  const Shard& shard() const noexcept { return *shard_; }
  const StreamOptions& options() const noexcept { return settings_->options; }

  std::shared_ptr<const Request> request() const {
    {
      const std::lock_guard lock(shard_->shared_mutex());
      if (opening_ && opening_->request) return opening_->request;
    }
    static const auto none = std::make_shared<const Request>();
    return none;
  }

  Transport transport() const noexcept { return fallback_ ? fallback_->choice.transport : Transport::sse; }
  /// Of a poll: what tells apart the clients of one user.
  std::string_view poll_client() const noexcept { return fallback_ ? std::string_view(fallback_->choice.client) : ""; }

  std::string last_event_id() const { return last_event_id_ ? *last_event_id_ : std::string(); }

  bool is_open() const noexcept {
    const State state = state_.load(std::memory_order_acquire);
    return state == State::pending || state == State::open;
  }

  std::size_t queued_bytes() const noexcept { return waiting_.load(std::memory_order_relaxed); }

  void open() {
    if (state_.load(std::memory_order_acquire) != State::pending) return;
    // In one step with the post: whoever finds the stream open posts behind it, and so nothing goes before the head.
    shard_->post_if([this] { return advance(State::pending, State::open); }, Ref<StreamCore>(this), what_open);
  }

  bool reject(Response response) {
    if (!advance(State::pending, State::rejected)) return false;
    return shard_->run([self = Ref<StreamCore>(this),
                        response = std::move(response)]() mutable { self->do_reject(std::move(response)); },
                       Ref<Resident>(this));
  }

  SendResult send(EncodedEvent event) {
    open();
    if (!is_open()) return SendResult::closed;
    const StreamOptions& limits = options();
    const std::size_t size = event.chunk().size();
    // Reserved before it is known whether it fits, so that senders on several threads cannot all slip through.
    const std::size_t before = waiting_.fetch_add(size, std::memory_order_relaxed);
    const bool full = before > 0 && before + size > limits.max_queued_bytes;
    if (full && (limits.overflow == Overflow::close || limits.overflow == Overflow::drop_newest)) {
      waiting_.fetch_sub(size, std::memory_order_relaxed);
      if (limits.overflow == Overflow::close) {
        if (advance(State::open, State::finishing)) post(what_overflow);
        return SendResult::closed;
      }
      post(what_dropped);
      return SendResult::dropped;
    }
    try {
      return post(what_send, std::move(event)) ? SendResult::queued : SendResult::closed;
    } catch (...) {
      waiting_.fetch_sub(size, std::memory_order_relaxed);
      throw;
    }
  }

  /// Sends without regard to the overflow policy; `waiter` is told when the event is with the kernel.
  void send(EncodedEvent event, Ref<SendWaiter> waiter) {
    open();
    auto self = Ref<StreamCore>(this);
    const bool posted = is_open() && shard_->run(
                                         [self, event = std::move(event), waiter]() mutable {
                                           self->deliver(std::move(event), QueueNode::Kind::event, std::move(waiter));
                                         },
                                         Ref<Resident>(this));
    if (!posted) waiter->done(shard_->stopped() ? Errc::shut_down : Errc::stream_closed);
  }

  /// Ends the stream on purpose, for `reason`, after all that was sent before.
  void end(EndReason reason, std::error_code error = {}, EncodedEvent last = {}) {
    State state = state_.load(std::memory_order_acquire);
    while (state == State::pending || state == State::open) {
      if (!state_.compare_exchange_weak(state, State::finishing, std::memory_order_acq_rel)) continue;
      try {
        shard_->run([self = Ref<StreamCore>(this), reason, error,
                     last = std::move(last)]() mutable { self->do_finish(reason, error, std::move(last)); },
                    Ref<Resident>(this));
      } catch (...) {
        state_.store(state, std::memory_order_release);  // as if nobody had asked
        throw;
      }
      return;
    }
  }

  void expire_at(TimePoint moment) {
    shard_->run([self = Ref<StreamCore>(this), moment] { self->live_until(moment, EndReason::expired); },
                Ref<Resident>(this));
  }

  using Moment = StreamWatchers::Moment;

  /// Registers a callback, which runs at once (posted) when its moment has passed.
  void on(Moment moment, StreamWatchers::Callback callback) {
    shard_->run(
        [self = Ref<StreamCore>(this), moment, callback = std::move(callback)]() mutable {
          self->watchers().add(moment, std::move(callback));
          if (self->ended_) self->watchers().call_back(*self->shard_, self->reason_);
        },
        Ref<Resident>(this));
  }

  std::stop_token stop_token() {
    const std::lock_guard lock(shard_->shared_mutex());
    if (!stop_) stop_ = std::make_shared<std::stop_source>();
    if (stopped_) stop_->request_stop();
    return stop_->get_token();
  }

  // ---- shard only ----

  Shard& own_shard() noexcept { return *shard_; }
  bool takes_events() const noexcept { return !ended_ && !finishing_; }
  bool blocked() const noexcept { return socket_ == no_socket || fsm_.blocked(); }
  bool queue_empty() const noexcept { return queue_.empty(); }
  Framing framing() const noexcept { return framing_; }

  /// The handler has returned, so the stream goes live unless it was rejected, and its request is no longer needed.
  void handler_returned() {
    open();
    handler_finished();
  }

  /// The handler is done with the request, whatever it did.
  void handler_finished() {
    handler_done_ = true;
    release_opening();
  }

  void add_source(Ref<StreamSource> source) {
    if (!takes_events()) {
      source->stream_ended(reason_);
      return;
    }
    source->next_source = std::move(sources_);
    sources_ = std::move(source);
    mark_dirty();
  }

  void remove_source(StreamSource& source) {
    for (Ref<StreamSource>* at = &sources_; *at; at = &(*at)->next_source) {
      if (at->get() != &source) continue;
      Ref<StreamSource> next = std::move(source.next_source);
      *at = std::move(next);
      return;
    }
  }

  /// Queues `event` under the overflow policy; one with a waiter, or from a store, is exempt from it.
  void deliver(EncodedEvent event, QueueNode::Kind kind, Ref<SendWaiter> waiter = nullptr) {
    if (!takes_events()) {
      if (waiter) waiter->done(Errc::stream_closed);
      return;
    }
    if (kind != QueueNode::Kind::replay) settle();
    if (kind == QueueNode::Kind::event && !waiter && !make_room(event)) return;
    if (std::exchange(gap_due_, false)) push_gap(overflow_gap(event.id()));
    const std::uint32_t count = event.has_data() ? 1 : 0;
    shard_->counters().deliveries.add(count);
    if (kind == QueueNode::Kind::replay) shard_->counters().replayed.add(count);
    push(kind, event, 1).waiter = std::move(waiter);
    queue_changed();
    mark_dirty();
  }

  /// Queues events drawn from a store, of which `first` is the first, in one piece. For chunked event streams.
  void deliver_replay(const PackedChunks& chunks, const EncodedEvent& first, std::uint32_t events) {
    if (!takes_events()) return;
    if (std::exchange(gap_due_, false)) push_gap(overflow_gap(first.id()));
    shard_->counters().deliveries.add(events);
    shard_->counters().replayed.add(events);
    queue_.push(shard_->nodes(), QueueNode::Kind::replay, chunks.bytes(), first, chunks.block, events);
    mark_dirty();
  }

  /// Queues neighbouring chunks of `block`: what several streams are owed alike. Only for Overflow::close.
  void deliver_range(const Ref<Block>& block, std::string_view data, std::uint32_t events) {
    queue_.push_range(shard_->nodes(), block, data, events);
    queue_changed();
  }

  /// Writes `buffers` past the queue, which must be empty, and returns how many bytes the kernel took.
  std::size_t write_through(const asio::const_buffer* buffers, std::size_t count, std::size_t size, int& budget) {
    return write(buffers, count, size, budget);
  }

  /// Ends the stream with Errc::queue_overflow when more waits than it may. `newest` is the size of the event queued
  /// last: when no more than that waits, it found nothing waiting and is taken, whatever its size.
  void check_limits(std::size_t newest) {
    if (queue_.bytes() > std::max(options().max_queued_bytes, newest)) overflow();
  }

  /// Tells the client that events are missing.
  void push_gap(const EncodedEvent& gap) {
    shard_->counters().gaps.add(1);
    push(QueueNode::Kind::notice, gap, 0);
  }

  /// Queues a piece that the limits do not count: a greeting, a position.
  void push_raw(const EncodedEvent& event) { push(QueueNode::Kind::raw, event, 0); }

  void mark_dirty() {
    if (dirty_ || (socket_ == no_socket && !polling())) return;
    dirty_ = true;
    shard_->mark_dirty(Ref<Resident>(this));
  }

  void receive(std::uint32_t what, EncodedEvent&& event) override {
    switch (what) {
      case what_open: return do_open();
      case what_send:
        // It has been counted when it was posted: a sender neither counts it twice nor, meanwhile, not at all.
        counted_ += event.chunk().size();
        deliver(std::move(event), QueueNode::Kind::event);
        return queue_changed();
      case what_dropped:
        if (!takes_events()) return;
        shard_->counters().dropped.add(1);
        gap_due_ = true;
        return;
      case what_overflow:
        if (takes_events()) overflow();
        return;
    }
  }

  // Dirty until it is done, so that what is pulled meanwhile does not ask again.
  Left flush(int& budget) override {
    if (polling()) {
      --budget;
      answer_poll();
    } else if (!fsm_.blocked() && write_out(budget)) {
      return Left::bulk;
    }
    dirty_ = false;
    return Left::nothing;
  }

  void on_writable() override {
    if (socket_ == no_socket || !fsm_.blocked()) return;
    int budget = 16;
    if (write_out(budget)) mark_dirty();
  }

  // What a client sends behind its request is never looked at; it is taken so that the end behind it is seen, and so
  // that closing does not turn into a reset. (H9)
  bool on_readable() override {
    if (socket_ == no_socket) return false;
    std::error_code error;
    if (discard_input(shard_->poller(), socket_, error)) return true;
    connection_lost(error);
    return false;
  }

  void on_hangup() override {
    if (socket_ == no_socket) return;
    std::error_code error;  // FIN or RST? Only the socket knows.
    discard_input(shard_->poller(), socket_, error);
    connection_lost(error);
  }

  void on_timer(TimePoint now) override {
    if (polling()) return answer_poll(PollEnd::due);
    switch (fsm_.timer_fired(now, settings_->limits)) {
      case StreamFsm::Due::nothing: break;
      case StreamFsm::Due::heartbeat:
        if (queue_.empty()) {
          push_raw(settings_->heartbeat);
          mark_dirty();
        }
        break;
      case StreamFsm::Due::write_timeout: return ended(EndReason::write_timeout, Errc::write_timeout);
      case StreamFsm::Due::end_of_life:
        fsm_.forget_end_of_life();
        end(life_reason_,
            life_reason_ == EndReason::lifetime ? make_error_code(Errc::lifetime_reached) : std::error_code());
        break;
    }
    // A heartbeat in the queue moves its own moment once it is written.
    const TimePoint next = fsm_.next(settings_->limits);
    if (!ended_) shard_->set_timer(*this, next > now ? next : now + settings_->limits.heartbeat);
  }

  void on_drain() override { end(EndReason::shutdown); }

  bool on_cut() override {
    if (ended_) return false;
    broken(EndReason::shutdown, {});
    return true;
  }

  // The client comes back, and hears again what it may have missed.
  void on_failure(std::error_code error) override {
    const Ref<StreamOrigin> origin = opening_ ? opening_->origin : nullptr;
    broken(EndReason::error, error);
    if (origin) origin->answer(Response::error(500, "the server failed"));
  }

  /// The client has gone, or the connection to it.
  void connection_lost(std::error_code error) {
    // The kernel has waited as long as this stream would, for its host to acknowledge something.
    if (error == std::errc::timed_out) return broken(EndReason::write_timeout, Errc::write_timeout);
    broken(EndReason::client, error);
  }

 private:
  enum : std::uint32_t { what_open, what_send, what_dropped, what_overflow };

  /// Needed until the head has gone out and the handler has returned.
  struct Opening {
    std::shared_ptr<const Request> request;
    std::string head;
    Ref<StreamOrigin> origin;
  };

  /// What a stream needs besides when its transport is not an event stream.
  struct Fallback {
    TransportChoice choice;
    PollAnswer answer;  // so far
  };

  bool post(std::uint32_t what, EncodedEvent event = {}) {
    return shard_->post(Ref<StreamCore>(this), what, std::move(event));
  }

  // Over before its time. A stream that was being ended has its cause already.
  void broken(EndReason reason, std::error_code error) {
    if (finishing_) return ended(reason_, {});
    ended(reason, error);
  }

  bool advance(State from, State to) noexcept {
    return state_.compare_exchange_strong(from, to, std::memory_order_acq_rel);
  }

  /// What of `event` goes over the wire, and what keeps it alive if not the event itself.
  std::pair<std::string_view, Ref<Block>> framed(const EncodedEvent& event) const {
    if (transport() == Transport::iframe) {
      const std::string script = iframe_script(event, fallback_->choice.callback);
      const std::string bytes = framing_ == Framing::chunked ? chunk_of(script) : script;
      Ref<Block> block = make_block(bytes);
      return {std::string_view(block->data(), bytes.size()), std::move(block)};
    }
    return {framing_ == Framing::chunked ? event.chunk() : event.bytes(), nullptr};
  }

  QueueNode& push(QueueNode::Kind kind, const EncodedEvent& event, std::uint32_t count) {
    auto [data, block] = framed(event);
    return queue_.push(shard_->nodes(), kind, data, event, std::move(block), count);
  }

  void push_text(std::string_view text) {
    const Ref<Block> block = make_block(text);
    queue_.push(shard_->nodes(), QueueNode::Kind::raw, {block->data(), text.size()}, {}, block, 0);
  }

  bool polling() const noexcept { return transport() == Transport::poll && opened_ && !ended_; }

  StreamWatchers& watchers() {
    if (!watchers_) watchers_ = std::make_unique<StreamWatchers>();
    return *watchers_;
  }

  void live_until(TimePoint moment, EndReason reason) {
    if (moment >= fsm_.end_of_life()) return;
    fsm_.live_until(moment);
    life_reason_ = reason;
    if (polling()) shard_->set_timer(*this, std::min(moment, shard_->timer_at(*this)));
    if (socket_ != no_socket) shard_->set_timer(*this, fsm_.next(settings_->limits));
  }

  void do_open() {
    if (ended_ || opened_ || !opening_) return;
    if (transport() == Transport::poll) return begin_poll();
    socket_ = opening_->origin->surrender();
    if (socket_ == no_socket) return connection_lost({});
    shard_->poller().set_resident(socket_, Ref<Resident>(this));
    push_text(std::exchange(opening_->head, {}));
    opening_->origin = nullptr;  // a coroutine's request stays, but not what has read it
    if (transport() == Transport::iframe) {
      push_text(framing_ == Framing::chunked ? chunk_of(iframe_prologue()) : iframe_prologue());
    }
    if (settings_->retry) push_raw(settings_->retry);
    const TimePoint now = shard_->now();
    fsm_.start(now);
    if (options().lifetime.count() > 0) {
      // 80 to 100 %, so that those who came together do not return together. (L4)
      const std::chrono::milliseconds full = options().lifetime;
      live_until(now + shard_->jitter().between(full - full / 5, full), EndReason::lifetime);
    }
    shard_->counters().opened.add(1);
    opened_ = true;
    shard_->set_timer(*this, fsm_.next(settings_->limits));
    mark_dirty();
    release_opening();
  }

  // A poll sends no head: it waits until there is something to answer with, and no longer than its client said.
  void begin_poll() {
    opened_ = true;
    shard_->counters().opened.add(1);
    if (fallback_->choice.timeout.count() > 0) {
      shard_->set_timer(*this, std::min(shard_->now() + fallback_->choice.timeout, fsm_.end_of_life()));
    } else {
      // Not at once, but when what the handler has started had a turn.
      shard_->call_back(
          [self = Ref<StreamCore>(this)] { self->shard_->run([self] { self->answer_poll(PollEnd::due); }); });
    }
    mark_dirty();
  }

  enum class PollEnd : std::uint8_t { when_there_is_something, due };

  void answer_poll(PollEnd end = PollEnd::when_there_is_something) {
    if (ended_) return;
    do {
      resolve_gaps();
      queue_.for_each([&](const QueueNode& node) { fallback_->answer.add(node); });
      queue_.clear(shard_->nodes(), {});
    } while (fallback_->answer.size() < most_per_poll && pull());
    queue_changed();
    if (fallback_->answer.empty() && end == PollEnd::when_there_is_something) return;
    const Ref<StreamOrigin> origin = opening_->origin;
    Response response = Response::json(200, fallback_->answer.body());
    ended(finishing_ ? reason_ : EndReason::completed, {});
    origin->answer(std::move(response));
  }

  void release_opening() {
    if (!handler_done_ || (socket_ == no_socket && !ended_) || !opening_) return;
    const std::unique_ptr<Opening> released = [&] {
      const std::lock_guard lock(shard_->shared_mutex());
      return std::move(opening_);
    }();
  }

  void do_reject(Response response) {
    if (ended_) return;
    const Ref<StreamOrigin> origin = opening_->origin;
    ended(EndReason::completed, {});
    origin->answer(std::move(response));
  }

  // Everything that was sent before has been queued by now; a farewell and the last chunk follow it.
  void do_finish(EndReason reason, std::error_code error, EncodedEvent last) {
    if (ended_ || finishing_) return;
    do_open();
    if (ended_) return;
    settle();
    reason_ = reason;
    if (error) watchers().blame(error);
    finishing_ = true;
    if (polling()) {
      // Nothing is said about the end: the client asks again. (And its last event is like any other.)
      if (last) push(QueueNode::Kind::replay, last, 0);
      return answer_poll(PollEnd::due);
    }
    detach_sources();
    if (std::exchange(gap_due_, false)) push_gap(overflow_gap({}));
    if (last) push_raw(last);
    push_farewell(reason);
    if (ended_) return;  // cut by what the program did there
    if (framing_ == Framing::chunked) {
      static constexpr std::string_view last_chunk = "0\r\n\r\n";
      queue_.push(shard_->nodes(), QueueNode::Kind::raw, last_chunk, {}, nullptr, 0);
    }
    mark_dirty();
    if (queue_.empty()) finished();
  }

  void push_farewell(EndReason reason) {
    std::optional<Event> farewell;
    try {
      if (options().farewell) farewell = options().farewell(reason);
    } catch (...) {
      watchers().blame(Errc::handler_failed);
    }
    const auto least = options().shutdown_retry_min, most = options().shutdown_retry_max;
    if (reason == EndReason::shutdown && most.count() > 0 && !(farewell && farewell->retry())) {
      if (!farewell) farewell.emplace();
      farewell->retry(shard_->jitter().between(std::min(least, most), most));
    }
    if (farewell && !ended_) push_raw(EncodedEvent(*farewell));
  }

  void finished() {
    // Closed in stages, so that the last bytes are not lost to a reset. (H13)
    linger(*shard_, std::exchange(socket_, no_socket));
    ended(reason_, {});
  }

  void settle() {
    for (StreamSource* source = sources_.get(); source != nullptr; source = source->next_source.get()) source->settle();
  }

  void detach_sources() {
    while (sources_) {
      const Ref<StreamSource> source = std::move(sources_);
      sources_ = std::move(source->next_source);
      source->stream_ended(reason_);
    }
  }

  // The end, reached once, whatever came first.
  void ended(EndReason reason, std::error_code error) {
    if (ended_) return;
    ended_ = true;
    const Ref<StreamCore> alive(this);
    state_.store(State::closed, std::memory_order_release);
    reason_ = reason;
    shard_->set_timer(*this, never);
    if (socket_ != no_socket) shard_->poller().close(std::exchange(socket_, no_socket));
    if (opened_) shard_->counters().ended[static_cast<std::size_t>(reason)].add(1);
    // From here on memory may be needed.
    detach_sources();
    queue_.clear(shard_->nodes(), Errc::stream_closed);
    queue_changed();
    if (error) watchers().blame(error);
    if (watchers_) watchers_->call_back(*shard_, reason_);
    stop();
    release_opening();
  }

  void stop() {
    std::shared_ptr<std::stop_source> source;
    {
      const std::lock_guard lock(shard_->shared_mutex());
      stopped_ = true;
      source = std::move(stop_);
    }
    if (source) shard_->call_back([source] { source->request_stop(); });
  }

  void overflow() {
    if (polling()) return answer_poll(PollEnd::due);  // its client asks for the rest at once
    ended(EndReason::overflow, Errc::queue_overflow);
  }

  bool over(std::size_t size) const noexcept {
    const StreamOptions& limits = options();
    // What finds nothing waiting is always taken, whatever its size.
    return queue_.events() > 0 && (queue_.bytes() + size > limits.max_queued_bytes ||
                                   (limits.max_queued_events > 0 && queue_.events() >= limits.max_queued_events));
  }

  // Whether `event` may be queued, after the policy did what it does.
  bool make_room(const EncodedEvent& event) {
    const std::size_t size = event.chunk().size();
    if (!over(size)) return true;
    // What has not been offered to the kernel yet does not wait for the client.
    if (!fsm_.blocked() && socket_ != no_socket) {
      int budget = 16;
      write_out(budget);
      if (ended_) return false;
      if (!over(size)) return true;
    }
    std::size_t dropped = 0;
    switch (options().overflow) {
      case Overflow::close: overflow(); return false;
      case Overflow::drop_newest: break;
      case Overflow::coalesce: dropped = queue_.drop_superseded(shard_->nodes(), event.name()); [[fallthrough]];
      case Overflow::drop_oldest:
        while (over(size) && queue_.drop_oldest(shard_->nodes())) ++dropped;
        break;
    }
    const bool room = !over(size);
    if (!room) {
      ++dropped;
      gap_due_ = true;
      queue_.drop_last_gap(shard_->nodes());
    }
    shard_->counters().dropped.add(dropped);
    return room;
  }

  // A comment where the program wants no event, so that the place in the queue has bytes all the same.
  EncodedEvent overflow_gap(std::string_view oldest) const {
    if (options().gap_event.empty()) return EncodedEvent(Event().comment("gap"));
    return encode_gap(options().gap_event, {}, oldest, "overflow", {});
  }

  void resolve_gaps() {
    shard_->counters().gaps.add(queue_.resolve_gaps([this](std::string_view id) {
      EncodedEvent gap = overflow_gap(id);
      auto [data, block] = framed(gap);
      return std::tuple(std::move(gap), data, std::move(block));
    }));
  }

  void queue_changed() noexcept {
    const std::size_t before = std::exchange(counted_, queue_.bytes());
    if (counted_ != before) waiting_.fetch_add(counted_ - before, std::memory_order_relaxed);
    if (fsm_.blocked()) shard_->counters().queue_high_water.raise_to(queue_.bytes());
  }

  // Writes until nothing is left, the kernel refuses, or the budget is spent. Returns whether more can be done now.
  bool write_out(int& budget) {
    while (socket_ != no_socket) {
      if (queue_.empty()) {
        if (finishing_) {
          finished();
          return false;
        }
        if (!pull()) return false;
        continue;
      }
      if (budget <= 0) return true;
      resolve_gaps();
      asio::const_buffer buffers[Poller::max_buffers];
      const std::size_t count = queue_.gather(buffers, Poller::max_buffers, most_per_write);
      std::size_t size = 0;
      for (std::size_t i = 0; i < count; ++i) size += buffers[i].size();
      const std::size_t written = write(buffers, count, size, budget);
      if (socket_ == no_socket) return false;
      queue_.consume(shard_->nodes(), written);
      queue_changed();
      if (written < size) return false;
    }
    return false;
  }

  bool pull() {
    for (StreamSource* source = sources_.get(); source != nullptr; source = source->next_source.get()) source->pull();
    return !queue_.empty();
  }

  // One system call. Less than all means that the socket is full: nothing more until on_writable.
  std::size_t write(const asio::const_buffer* buffers, std::size_t count, std::size_t size, int& budget) {
    std::error_code error;
    const std::size_t written = shard_->poller().write(socket_, buffers, count, error);
    budget -= 1 + static_cast<int>(written / bytes_per_budget);
    if (error && error != asio::error::would_block) {
      connection_lost(error == std::errc::broken_pipe ? std::error_code() : error);
      return 0;
    }
    const TimePoint now = shard_->now();
    const bool was_blocked = fsm_.blocked();
    if (written > 0) {
      shard_->counters().bytes_sent.add(written);
      fsm_.wrote(now, false);
    }
    if (written < size) {
      fsm_.stalled(now);
      shard_->poller().await_writable(socket_);
    }
    // The write deadline begins, or the heartbeat takes over from it. Otherwise a timer that is early is cheaper.
    if (fsm_.blocked() || was_blocked) shard_->set_timer(*this, fsm_.next(settings_->limits));
    return written;
  }

  // Bytes of history in one answer to a poll; the client asks for the rest at once.
  static constexpr std::size_t most_per_poll = 1024 * 1024;
  static constexpr std::size_t most_per_write = 256 * 1024;
  static constexpr std::size_t bytes_per_budget = 4096;

  const Ref<Shard> shard_;
  const Ref<StreamSettings> settings_;
  std::unique_ptr<Fallback> fallback_;  // null for Transport::sse
  std::unique_ptr<const std::string> last_event_id_;
  std::atomic<std::size_t> waiting_{0};  // bytes in the queue and on their way to it
  std::size_t counted_ = 0;              // those of them that are, or have just been, the queue's

  // Guarded by Shard::shared_mutex, as any thread may ask for them.
  std::unique_ptr<Opening> opening_;
  std::shared_ptr<std::stop_source> stop_;

  std::unique_ptr<StreamWatchers> watchers_;
  Ref<StreamSource> sources_;
  WriteQueue queue_;
  StreamFsm fsm_;
  SocketId socket_ = no_socket;
  std::atomic<State> state_{State::pending};
  const Framing framing_;
  EndReason reason_ = EndReason::client;
  EndReason life_reason_ = EndReason::lifetime;
  bool handler_done_ = false;
  bool opened_ = false;
  bool dirty_ = false;
  bool finishing_ = false;
  bool ended_ = false;
  bool gap_due_ = false;
  bool stopped_ = false;  // guarded like stop_
};

}  // namespace spate::detail
