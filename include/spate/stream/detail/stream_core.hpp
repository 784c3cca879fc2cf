// StreamCore: what all handles to one stream share.
//
// The members under "any thread" decide by atomics and then post to the shard; everything else runs on the shard. The
// state only ever moves forward: pending, open or rejected, finishing, closed. What other threads may still ask for is
// told by it; how far the stream itself has come is with StreamFsm, which says what to do, and this does it.
//
// How a stream begins and ends is in impl/stream_life.ipp, how events reach its client in impl/stream_output.ipp.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/connection/detail/channel.hpp>
#include <spate/connection/detail/framing.hpp>
#include <spate/connection/detail/rendition.hpp>
#include <spate/detail/lock.hpp>
#include <spate/detail/prefetch.hpp>
#include <spate/error.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/stream/detail/access_entry.hpp>
#include <spate/stream/detail/fallback_format.hpp>
#include <spate/stream/detail/gzip_body.hpp>
#include <spate/stream/detail/held_sends.hpp>
#include <spate/stream/detail/iframe_rendition.hpp>
#include <spate/stream/detail/language.hpp>
#include <spate/stream/detail/shard.hpp>
#include <spate/stream/detail/stream_fields.hpp>
#include <spate/stream/detail/stream_queue.hpp>
#include <spate/stream/detail/stream_settings.hpp>
#include <spate/stream/detail/stream_source.hpp>
#include <spate/stream/detail/stream_sources.hpp>
#include <spate/stream/detail/stream_watchers.hpp>
#include <spate/stream/detail/transport_choice.hpp>
#include <spate/stream/send_result.hpp>
#include <spate/stream/stream_options.hpp>
#include <spate/transport/detail/discard_input.hpp>
#include <spate/transport/detail/lingering_close.hpp>
#include <spate/transport/detail/peer.hpp>
#include <spate/wire/detail/kept_cursor.hpp>

namespace spate::detail {

class StreamCore final : public Resident {
 public:
  enum class State : std::uint8_t { pending, open, rejected, finishing, closed };

  StreamCore(Ref<Shard> shard, Ref<StreamSettings> settings, Framing framing, Ref<AnswerSink> sink,
             std::shared_ptr<const Request> request, HeaderFields inherited = {}, TransportChoice choice = {});

  // ---- any thread ----

  const Shard& shard() const noexcept { return *shard_; }
  const Ref<Shard>& shard_ref() const noexcept { return shard_; }
  const StreamOptions& options() const noexcept { return settings_->options; }

  /// Whether the caller is on the thread of the stream's handler, and that has not returned.
  bool in_handler() const;

  std::shared_ptr<const Request> request() const;

  Transport transport() const noexcept { return transport_; }
  /// Of a poll: what tells apart the clients of one user.
  std::string_view poll_client() const noexcept {
    return transport_ == Transport::poll ? std::string_view(fallback().choice.client) : "";
  }

  std::string last_event_id() const { return last_event_id_ ? *last_event_id_ : std::string(); }

  bool is_open() const noexcept { return framing_ != Framing::none && unended(); }

  std::size_t queued_bytes() const noexcept { return queue_.waiting(); }

  void open();

  bool reject(Response response);

  enum class Beside : std::uint8_t { replaces, adds };

  /// Gives the head one more field, in place of those of that name or beside them. False when the head has gone.
  bool set_header(std::string_view name, std::string_view value, Beside beside);

  SendResult send(EncodedEvent event);

  /// Sends without regard to the overflow policy; `waiter` is told when the event is with the kernel.
  void send(EncodedEvent event, Ref<SendWaiter> waiter);

  /// Tells `waiter` when everything that has been accepted for this stream so far, by an emitter too, is with the
  /// kernel.
  void await_caught_up(Ref<SendWaiter> waiter) { send(EncodedEvent(), std::move(waiter)); }

  /// Ends the stream on purpose, for `reason`, after all that was sent before.
  void end(EndReason reason, std::error_code error = {}, EncodedEvent last = {});

  void expire_at(WallTime moment) {
    shard_->run([self = Ref<StreamCore>(this), moment] { self->set_expiry(moment); }, Ref<Resident>(this));
  }

  using Moment = StreamWatchers::Moment;

  /// Registers a callback, which runs at once (posted) when its moment has passed.
  void on(Moment moment, StreamWatchers::Callback callback);

  /// Tells `waiter` when the stream is over.
  void when_ended(Ref<SendWaiter> waiter);

#if SPATE_HAS_STOP_TOKEN
  std::stop_token stop_token();
#endif

  /// Where an emitter finds its subscription without a search. There is one place, for the first emitter that comes:
  /// false when it is taken.
  bool claim(Ref<StreamSource> registration);
  /// Gives the place up if `registration` has it.
  bool unclaim(const StreamSource& registration);
  Ref<StreamSource> registration() const;

  /// An emitter has accepted events for this stream that it does not post to it, but that the stream is to pull: what
  /// is sent directly from now on waits for them. To be taken back, on the shard, by `release_sends`.
  void hold_sends() noexcept { holding_sources_.fetch_add(1, std::memory_order_release); }

  // ---- shard only ----

  void release_sends() noexcept { holding_sources_.fetch_sub(1, std::memory_order_relaxed); }

  Shard& own_shard() noexcept { return *shard_; }
  bool is_over() const noexcept { return fsm_.is_over(); }
  /// Once it has ended: why.
  EndReason reason() const noexcept { return fsm_.reason(); }
  bool takes_events() const noexcept { return fsm_.takes_events(); }
  /// Whether it has been asked to end, and only what is still owed to it comes before that.
  bool ending() const noexcept { return fsm_.phase() == StreamFsm::Phase::owing; }
  bool blocked() const noexcept { return !peer_ || fsm_.blocked(); }
  bool queue_empty() const noexcept { return queue_.empty(); }
  Framing framing() const noexcept { return framing_; }
  /// Whether it is written the bytes of events as they are, and nothing around them but its framing.
  bool takes_events_as_they_are() const noexcept { return transport_ == Transport::sse; }
  /// Whether these are chunks: then it takes what is packed for many.
  bool takes_chunks() const noexcept { return framing_ == Framing::chunked && transport_ == Transport::sse && !gzip_; }
  /// Its compressed body; null if it has none. From the head on that does not change.
  GzipBody* gzip() const noexcept { return gzip_.get(); }
  /// Whether something was queued since the sharer of its body wrote last.
  bool has_others() const noexcept { return has_others_; }
  void forget_others() noexcept { has_others_ = false; }

  /// The handler has returned, so the stream goes live unless it was rejected, and its request is no longer needed.
  void handler_returned();

  /// The handler is done with the request, whatever it did.
  void handler_finished();

  /// Draws events from `source` whenever nothing else waits; tells it at once when the stream has ended.
  void add_source(Ref<StreamSource> source);
  void remove_source(StreamSource& source) { sources_.remove(source); }

  /// Queues `event` under the overflow policy; one with a waiter, or from a store, is exempt from it.
  void deliver(EncodedEvent event, QueueNode::Kind kind, Ref<SendWaiter> waiter = nullptr);

  /// Queues events drawn from a store, of which `first` is the first, in one piece. For event streams.
  void deliver_replay(Rendition::Piece piece, const EncodedEvent& first, std::uint32_t events);

  /// Queues neighbouring chunks of `block`: what several streams are owed alike. Only for Overflow::close.
  void deliver_range(const Ref<Block>& block, std::string_view data, std::uint32_t events);
  /// The same for a broadcast that is compressed. It is of the sharer of the body, which has settled.
  void deliver_shared(Rendition::Piece piece, std::uint32_t events);

  /// Writes `buffers` past the queue, which must be empty, and returns how many bytes the kernel took.
  std::size_t write_through(const asio::const_buffer* buffers, std::size_t count, std::size_t size, int& budget) {
    return write(buffers, count, size, budget);
  }

  /// That was so many events.
  void note_events(std::uint64_t count) noexcept {
    if (logged_) count_for_log(count);
  }

  /// Asks the processor for what write_through needs, while it does something else.
  void prefetch() const noexcept;
  /// And for what the peer needs then; the stream itself has to be there already.
  void prefetch_peer() const noexcept;

  /// Ends the stream with Errc::queue_overflow when more waits than it may. `newest` is the size of the event queued
  /// last: when no more than that waits, it found nothing waiting and is taken, whatever its size.
  void check_limits(std::size_t newest) {
    if (queue_.exceeds(options(), newest)) overflow();
  }

  /// Tells the client that events are missing.
  void push_gap(const EncodedEvent& gap);

  /// Queues a piece that the limits do not count: a greeting, a position.
  void push_raw(const EncodedEvent& event) { push(QueueNode::Kind::raw, event, 0); }

  void mark_dirty();

  /// The client has gone, or the connection to it.
  void connection_lost(std::error_code error);
  /// Shard only. An event that comes when its source has queued what it owes up to a position.
  void take_after(EncodedEvent&& event, SourcePosition after);
  /// A poll is answered with what there is once its sources have been asked, whatever its client said.
  void answer_poll_without_waiting();
  /// The client has ended its side before the head went out. A poll is answered soon.
  void input_ended();

  SPATE_DECL Remaining flush(int& budget) override;
  SPATE_DECL void on_writable() override;
  SPATE_DECL bool on_readable() override;
  SPATE_DECL void on_hangup() override;
  SPATE_DECL void on_timer(TimePoint now) override;
  void on_drain() override {
    if (!settings_->finish_on_drain) end(EndReason::shutdown);
  }
  SPATE_DECL std::size_t on_cut() override;
  SPATE_DECL void on_failure(std::error_code error) override;

 private:
  /// Needed until the head has gone out and the handler has returned.
  struct PendingHead {
    std::shared_ptr<const Request> request;
    HeaderFields fields;     // what the program has set
    HeaderFields inherited;  // of the server: sent unless the program has set them
    Ref<AnswerSink> sink;
    std::thread::id handler = std::this_thread::get_id();
    bool head_taken = false;
  };

  /// What a stream needs besides while it waits for what its sources owe.
  struct Held {
    HeldSends sends;
    EncodedEvent last;  // before the end, if it is to end
  };

  /// When a poll is answered.
  enum class PollEnd : std::uint8_t {
    when_there_is_something,
    due,     // with nothing as well, unless a source is still looking for it, or waits for it
    late,    // the same, but nobody is waited for who may be long about it
    at_once  // whatever there is
  };

  /// What a stream needs besides when its transport is not an event stream.
  struct Fallback {
    Fallback(TransportChoice chosen, PollAnswer begun) : choice(std::move(chosen)), answer(std::move(begun)) {}

    TransportChoice choice;
    std::optional<IframeRendition> frames;
    PollAnswer answer;  // so far
    PollEnd end = PollEnd::when_there_is_something;
  };

  /// What few streams need.
  struct Seldom {
    StreamWatchers watchers;
    std::unique_ptr<Held> held;
    std::shared_ptr<AccessEntry> access;  // null unless `logged_`
    std::unique_ptr<Fallback> fallback;   // null for Transport::sse
  };

  bool post_event(EncodedEvent&& event);
  void take_sent(EncodedEvent&& event);
  bool post_in_order(EncodedEvent&& event, Ref<SendWaiter> waiter);
  SourcePosition accepted_position() const;

  bool unended() const noexcept;

  bool advance(State from, State to) noexcept {
    return state_.compare_exchange_strong(from, to, std::memory_order_acq_rel);
  }

  Seldom& seldom();
  Fallback& fallback() const noexcept { return *seldom_->fallback; }
  StreamWatchers& watchers() { return seldom().watchers; }
  /// Null unless something is held, or an end waits.
  Held* held() const noexcept { return seldom_ ? seldom_->held.get() : nullptr; }
  std::unique_ptr<Held> let_go_of_held() noexcept { return seldom_ ? std::move(seldom_->held) : nullptr; }

  bool polling() const noexcept { return transport() == Transport::poll && fsm_.was_open() && !fsm_.is_over(); }
  /// Of a poll only its own moments count.
  const StreamLimits& limits() const noexcept;

  // The beginning and the end.

  /// The shard needs no lock to see whether it is there, as it alone lets go of it, nor for the request and the sink,
  /// which no other thread changes.
  PendingHead* pending_head() const noexcept SPATE_UNCHECKED { return pending_head_.get(); }

  void do_open();
  HeaderFields take_fields();
  void begin_compressing(HeaderFields& fields);
  void end_body();
  void begin_poll();
  void answer_poll_in_a_turn();
  void do_reject(Response response);
  void release_pending_head();
  void set_expiry(WallTime moment);
  void forget_expiry() noexcept;
  WallTime::duration until_expiry() const;
  TimePoint next_moment() const;
  void do_finish(EndReason reason, std::error_code error, EncodedEvent last);
  void finish(const EncodedEvent& last);
  void push_farewell(EndReason reason);
  void finished();
  void overflow();
  void note_drop();
  /// Does what the state machine says; `last` is the event before the end, if this is it.
  void perform(const StreamFsm::Action& action, const EncodedEvent& last = {});
  void stop(const StreamFsm::Action& action);
  void tell_end();
  void count_for_log(std::uint64_t events) noexcept;
  void log_end(EndReason reason);
  void request_stop();

  // From an event to the kernel.

  /// How events leave, unless they are put into the answer to a poll.
  const Rendition& rendition() const noexcept;
  QueueNode& push(QueueNode::Kind kind, const EncodedEvent& event, std::uint32_t count);
  void about_to_queue();
  bool make_room(const EncodedEvent& event);
  void queue_changed() noexcept;
  // What it costs that a source found nothing when it was pulled, and lets others have their turn.
  static constexpr int budget_of_empty_pull = 16;

  bool pull();
  Held& hold();
  bool in_debt() const;
  void take(EncodedEvent&& event, Ref<SendWaiter> waiter, SourcePosition after);
  bool make_room_to_hold(std::size_t size);
  bool release_held();
  bool write_out(int& budget);
  std::size_t write(const asio::const_buffer* buffers, std::size_t count, std::size_t size, int& budget);
  void answer_poll(PollEnd end = PollEnd::when_there_is_something);
  void wait_for_store();

  // How long a poll that is to be answered at once waits for a store that reads.
  static constexpr std::chrono::seconds max_wait_for_store{2};
  // How long a poll waits for a client that has ended its side: that may have gone, and then counts as reached.
  static constexpr std::chrono::seconds half_closed_wait{1};
  // Bytes of history in one answer to a poll; the client asks for the rest at once.
  static constexpr std::size_t max_per_poll = 1024 * 1024;
  static constexpr std::size_t max_per_write = 256 * 1024;

  // What each write needs lies together: with ten thousand streams none of it is in a cache.
  const Ref<Shard> shard_;
  StreamFsm fsm_;
  [[no_unique_address]] Peer peer_;  // this, and the queue, have room behind them that the next ones take
  std::atomic<State> state_{State::pending};
  std::atomic<std::uint8_t> holding_sources_{0};
  [[no_unique_address]] StreamQueue queue_;
  const Framing framing_;
  const Transport transport_;
  // In few bytes: there is one of these for each stream.
  bool expires_ = false;  // when is in Shard::expiries
  bool handler_done_ : 1 = false;
  bool dirty_ : 1 = false;
  bool admits_gzip_ : 1 = false;  // its client does
  bool has_others_ : 1 = false;
  bool logged_ : 1 = false;  // in an access log
  bool stopped_ SPATE_GUARDED_BY(shard_->shared_mutex()) = false;

  const Ref<StreamSettings> settings_;
  std::unique_ptr<GzipBody> gzip_;  // null unless it is compressed
  std::unique_ptr<const std::string> last_event_id_;
  std::unique_ptr<Seldom> seldom_;
  StreamSources sources_;

  // Any thread may ask for these.
  std::unique_ptr<PendingHead> pending_head_ SPATE_GUARDED_BY(shard_->shared_mutex());
#if SPATE_HAS_STOP_TOKEN
  std::unique_ptr<std::stop_source> stop_ SPATE_GUARDED_BY(shard_->shared_mutex());
#endif
  Ref<StreamSource> registration_ SPATE_GUARDED_BY(shard_->shared_mutex());
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/stream_core.ipp>
#include <spate/stream/impl/stream_life.ipp>
#include <spate/stream/impl/stream_output.ipp>
#endif
