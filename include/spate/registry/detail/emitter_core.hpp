// EmitterCore: the registry behind an Emitter, shared with its feeds and subscriptions.
//
// One lock orders everything: ids, the store, who is registered, and what is posted to which shard. A publisher holds
// it for a look-up and a post per shard or receiver; a delivery never takes it. It is the store's, if there is one: the
// store may pass to the next emitter while streams of this one still draw from it.
//
// Who comes and goes is in emitter_members.hpp, history in emitter_replay.hpp, other processes in emitter_bus.hpp.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <spate/registry/detail/event_id.hpp>
#include <spate/registry/detail/feed.hpp>
#include <spate/registry/detail/hook_queue.hpp>
#include <spate/registry/detail/latecomers.hpp>
#include <spate/registry/detail/receipt.hpp>
#include <spate/registry/detail/shared_question.hpp>
#include <spate/registry/detail/sole_use.hpp>
#include <spate/registry/detail/start_search.hpp>
#include <spate/registry/detail/user_index.hpp>
#include <spate/registry/emitter_options.hpp>
#include <spate/registry/memory_replay_store.hpp>

namespace spate {

/// What a send came to.
struct SendReport {
  /// The event's id; empty when it has none, as one without data, or when the log of a bus is yet to give it one:
  /// `async_send` has it.
  std::string id;
  /// Streams of this process that it was queued for, after filters; with the log of a bus, those it will reach.
  std::size_t streams = 0;
  /// With a bus: why it refused the event. Of a log nobody gets it then; else only the streams of this process do.
  std::error_code error;
};

namespace detail {

class EmitterCore final : public RefCounted<EmitterCore> {
 public:
  explicit EmitterCore(EmitterOptions options)
      : options_(completed(std::move(options))),
        store_(options_.replay.get()),
        bus_(options_.bus.get()),
        mirrors_(bus_ != nullptr && bus_->keeps_log()),
        hooks_(std::make_shared<HookQueue>()),
        store_claim_(claimed(store_, "replay store")),
        bus_claim_(claimed(bus_, "bus")),
        mutex_(store_ == nullptr ? own_mutex_ : store_->mutex_),
        history_(store_ == nullptr ? own_history_ : store_->history_) {
    if (!mirrors_) return;
    const std::lock_guard lock(mutex_);
    if (!store_->restart(std::string(store_->epoch()))) {
      throw std::invalid_argument("spate::Emitter: this replay store cannot mirror the log of a bus");
    }
    ++history_;
  }

  const EmitterOptions& options() const noexcept { return options_; }

  SendReport send(const Audience& audience, const Event& event) {
    refuse_nobody(audience);
    return goes_by_bus(event) ? send_by_bus(audience, event, {}) : send_here(audience, event);
  }

  /// What somebody awaits; without a bus there is no receipt.
  struct Sent {
    SendReport report;
    std::shared_ptr<Receipt> receipt;
  };
  inline Sent send_awaited(const Audience& audience, const Event& event);
  /// Completes `waiter`, which may be null, when the bus has the event and no shard is behind.
  template <typename Waiter>
  void await_sent(Ref<Waiter> waiter, Sent sent);

  SendReport send_here(const Audience& audience, const Event& event) {
    EventEncoder encoder = encoder_for(event);  // the costly part, before the lock
    SendReport report;
    const std::lock_guard lock(mutex_);
    Delivery delivery(*this, audience, event.name());
    EncodedEvent encoded;
    if (store_ != nullptr && event.data()) {
      const std::uint64_t sequence = store_->newest() + 1;
      report.id = format_event_id(store_->epoch(), sequence);
      encoded = std::move(encoder).finish(report.id);
      store_->append(sequence, audience, encoded);
    } else {
      encoded = std::move(encoder).finish();
      report.id = encoded.id();
    }
    ++events_;
    report.streams = delivery.post(encoded);
    return report;
  }

  inline std::error_code add(std::string user_id, const Ref<StreamCore>& stream, const SubscribeOptions& wanted);

  /// Ends every stream of `user` for `reason`, and the grace of every poll; returns how many.
  std::size_t close(std::string_view user_id, EndReason reason) {
    const std::lock_guard lock(mutex_);
    User* user = index_.find(user_id);
    if (user == nullptr) return 0;
    // The user goes with the last of them.
    const std::size_t streams = user->streams;
    for (std::size_t closed = 0; closed < streams; ++closed) {
      if (user->first) {
        replace(Ref<Subscription>(user->first), reason);
      } else {
        forget(*user->polls->first_graced());
      }
    }
    return streams;
  }

  /// Takes `stream` out of the registry and leaves it open.
  bool remove(std::string_view user_id, const StreamCore& stream) {
    const std::lock_guard lock(mutex_);
    const Ref<Subscription> subscription = registered(stream);
    if (!subscription || subscription->user->id != user_id) return false;
    part(subscription);
    return true;
  }

  /// Shard only. The stream of `subscription` ends once it has got what was accepted for it before. Returns whether
  /// that has to be drawn yet.
  bool leave(Subscription& subscription) {
    const std::lock_guard lock(mutex_);
    if (subscription.user != nullptr && !subscription.live) depart(subscription);
    return subscription.departed;
  }

  /// Shard only. `subscription`, which is out of the registry, has drawn all that was owed to it.
  void forget(Subscription& subscription) {
    const std::lock_guard lock(mutex_);
    forget_departure(subscription);
  }

  /// Any thread. The newest event there is.
  std::uint64_t newest() const {
    const std::lock_guard lock(mutex_);
    return store_ == nullptr ? 0 : store_->newest();
  }

  /// Takes every stream out of the registry, for good. No hook begins any more.
  void close_all() {
    hooks_->close();
    if (bus_ != nullptr) bus_->detach();
    bus_claim_.release();
    const std::lock_guard lock(mutex_);
    closed_ = true;
    store_claim_.release();
    while (index_.users() > 0) {
      const User& user = index_.any();
      if (!user.first) {
        forget(*user.polls->first_graced());
        continue;
      }
      const Ref<Subscription> subscription = user.first;
      erase(*subscription);
      try {
        subscription->feed().shard().post(subscription, Subscription::what_detach);
      } catch (const std::bad_alloc&) {
        // It gets nothing more all the same, and goes with its stream.
      }
    }
    feeds_.clear();
    release_waiters(Errc::shut_down);
  }

  std::vector<std::string> users(std::string_view prefix) const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> ids;
    index_.for_each(prefix, [&](const User& user) { ids.push_back(user.id); });
    return ids;
  }
  bool contains(std::string_view user) const {
    const std::lock_guard lock(mutex_);
    return index_.contains(user);
  }
  std::pair<std::size_t, std::size_t> counts() const {
    const std::lock_guard lock(mutex_);
    return {index_.users(), index_.streams()};
  }
  std::size_t user_count() const {
    const std::lock_guard lock(mutex_);
    return index_.users();
  }
  std::size_t stream_count() const {
    const std::lock_guard lock(mutex_);
    return index_.streams();
  }
  std::uint64_t events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  std::string position() const {
    const std::lock_guard lock(mutex_);
    if (store_ == nullptr || (mirrors_ && mirror_ != Mirror::complete)) return {};
    return id_of(store_->newest());
  }

  /// Any thread. Whether no shard is behind.
  bool room() const {
    const std::lock_guard lock(mutex_);
    return has_room();
  }

  /// Any thread. Tells `waiter` as soon as no shard is behind.
  void await_room(Ref<SendWaiter> waiter) {
    {
      const std::lock_guard lock(mutex_);
      // Announced before the backlogs are looked at, while a feed lowers its backlog before it looks for waiters: so
      // one of the two sees the other. Hence the sequentially consistent order, here and in Feed.
      waiting_.store(true);
      if (!has_room()) {
        waiters_.push_back(std::move(waiter));
        return;
      }
      waiting_.store(!waiters_.empty());
    }
    waiter->done({});
  }

  /// Shard only. A feed's backlog has become smaller.
  void backlog_released() {
    if (!waiting_.load()) return;
    const std::lock_guard lock(mutex_);
    if (has_room()) release_waiters({});
  }

  // ---- for subscriptions, on their shards ----

  struct Drawn {
    EncodedEvent gap;                            // to tell first: the store has meanwhile lost what was next
    const ReplayPacker::Piece* piece = nullptr;  // all that was drawn
    std::uint32_t history = 0;
    std::uint64_t cursor = 0;  // everything up to there has been drawn
    bool more = false;         // there may be more
    bool departed = false;     // there is not, and nothing will follow
  };
  /// Draws what `subscription` has to get next, up to the event `up_to`: a piece of `packed`, which may be null, or
  /// else into `batch`. When there is nothing more it becomes live, in order with all that is published.
  inline Drawn draw(Subscription& subscription, std::uint64_t up_to, const ReplayPacker* packed,
                    std::vector<StoredEvent>& batch);

  /// The stream of `subscription` has ended, for `reason`. Returns what stays registered in its place, if its client
  /// polls and is given the time to ask again.
  inline Ref<Poll> unregister(Subscription& subscription, EndReason reason);

  /// The client of `poll` did not ask again, or cannot.
  void expire(Poll& poll) {
    const std::lock_guard lock(mutex_);
    erase(poll);
  }

  /// It could not be said in time where it resumes: that is unknown, then.
  inline void stop_waiting(Subscription& subscription);

  // ---- for the bus ----

  inline void attach_bus();
  inline void relayed(const Audience& audience, const Event& event);
  inline void missed();
  inline void restarted(std::string_view epoch);
  inline void trimmed(std::uint64_t sequence);
  inline void appended(std::uint64_t sequence, const Audience& audience, const Event& event);
  inline void caught_up(std::uint64_t newest);
  inline std::vector<UserStreams> users_here(std::string_view after, std::size_t most) const;
  /// Asks for the users of all nodes, sorted, with how many streams each has.
  using UsersQuestion = SharedQuestion<std::vector<UserStreams>>;
  inline void ask_users(UsersQuestion::Done done);
  /// Asks how many users and streams there are on all nodes.
  using CountsQuestion = SharedQuestion<UserCounts>;
  inline void ask_counts(CountsQuestion::Done done);
  /// The ids that begin with `prefix`, of users who are sorted.
  static inline std::vector<std::string> ids_of(const std::vector<UserStreams>& users, std::string_view prefix);
  /// The id of the event that the log gave `sequence`.
  std::string id_for(std::uint64_t sequence) const {
    const std::lock_guard lock(mutex_);
    return closed_ ? std::string() : id_of(sequence);  // the store may be another emitter's by then
  }

 private:
  /// What a stream begins with.
  struct Opening {
    EncodedEvent greeting;
    EncodedEvent gap;
  };

  /// Where a stream begins.
  struct Start {
    std::uint64_t position = 0;    // the newest event that the client has, or needs not have
    std::uint64_t next = 0;        // where the events for it may begin behind that; 0 when there is none
    std::optional<GapReason> gap;  // something is missing that the client has not had
    std::uint64_t told = 0;        // up to where that is told, or needs not be
  };

  // What one stream holds of its history at a time: enough for few system calls, little enough for many slow clients.
  static constexpr std::size_t most_per_draw = 32 * 1024;

  // Beside a bus that keeps a log there is a store that mirrors it.
  static EmitterOptions completed(EmitterOptions&& options) {
    refuse_negative("resume_wait", options.resume_wait);
    refuse_negative("poll_grace", options.poll_grace);
    if (!options.replay && options.bus && options.bus->keeps_log()) {
      options.replay = std::make_shared<MemoryReplayStore>();
    }
    return std::move(options);
  }

  static void refuse_negative(const char* option, std::chrono::milliseconds value) {
    if (value.count() >= 0) return;
    throw std::invalid_argument(std::string("spate::EmitterOptions: ") + option +
                                " must not be negative: " + std::to_string(value.count()) + " ms");
  }

  template <typename Used>
  static SoleUse* claimed(Used* used, const char* what) {
    if (used == nullptr) return nullptr;
    if (!used->use_.claim()) {
      throw std::invalid_argument(std::string("spate::Emitter: this ") + what +
                                  " serves another emitter; make one for each emitter");
    }
    return &used->use_;
  }

  static void refuse_empty(std::string_view user) {
    if (user.empty()) throw std::invalid_argument("spate::Emitter: the user is empty (\"\"); name one, or broadcast");
  }

  static void refuse_nobody(const Audience& audience) {
    if (audience.kind() == Audience::Kind::user) refuse_empty(audience.name());
    for (const std::string& name : audience.names()) refuse_empty(name);
  }

  static inline void refuse_filter(const std::vector<std::string>& names);

  // A log keeps what it carries, and what has no data is not to be kept.
  bool goes_by_bus(const Event& event) const noexcept { return bus_ != nullptr && (event.data() || !mirrors_); }

  inline SendReport send_by_bus(const Audience& audience, const Event& event, Bus::Published done);
  inline std::optional<std::uint64_t> ahead_of_mirror(std::string_view requested) const;
  inline void wait_to_resume(const Ref<Subscription>& subscription, std::uint64_t ahead, Greeting&& greeting);
  inline void asked_newest(Subscription& subscription, std::uint64_t newest);
  inline void resume_up_to(std::uint64_t newest);
  inline void resume(Latecomers::Latecomer&& latecomer);
  template <typename Visit>
  void for_each_live(Visit&& visit);
  inline void tell_of_restart();
  inline void tell_of_gap(Subscription& subscription, const std::string& requested, GapReason reason);
  inline std::size_t matching(const Audience& audience, std::string_view name) const;
  inline EncodedEvent follow_restart(Subscription& subscription);

  inline std::vector<UserStreams> with_users_here(std::vector<UserStreams>&& others) const;

  /// Empty without a store, which is what gives ids.
  std::string id_of(std::uint64_t sequence) const {
    return store_ == nullptr ? std::string() : format_event_id(store_->epoch(), sequence);
  }

  void refuse_id(const Event& event) const {
    if (store_ != nullptr && event.id()) {
      throw std::invalid_argument("spate::Emitter: the emitter gives the ids, the event has one: " +
                                  quote(*event.id()));
    }
  }

  EventEncoder encoder_for(const Event& event) const {
    refuse_id(event);
    return EventEncoder(event);
  }

  // Just before what follows.
  std::uint64_t position_before(std::uint64_t next) const { return next == 0 ? store_->newest() : next - 1; }

  inline std::optional<Start> start_of(std::string_view user, const Subscription& subscription,
                                       std::string_view requested, StartSearch& search);
  inline std::uint64_t first_after(std::string_view user, std::uint64_t after);
  static inline std::uint64_t first_for(const Subscription& subscription, const std::vector<StoredEvent>& events);
  inline Opening open(Subscription& subscription, Greeting&& greeting, const Start& start);
  static inline void post(Places& places, const Ref<Subscription>& subscription, Opening&& opening) noexcept;
  static inline void post(const Ref<Subscription>& subscription, Opening&& opening);
  inline EncodedEvent gap_event(const Subscription& subscription, const std::string& requested, std::uint64_t next,
                                std::uint64_t position, GapReason reason);

  /// Those an event is for, found before it is kept, with a place for it in each inbox that it goes to: from then on
  /// nothing fails, so whoever has its id gets it.
  class Delivery {
   public:
    Delivery(EmitterCore& core, const Audience& audience, std::string_view name) : core_(core) {
      core.receivers_.clear();
      try {
        find(audience, name);
        for (const Ref<Feed>& feed : core.feeds_) feed->keep_places();
      } catch (...) {
        give_back();
        throw;
      }
    }
    Delivery(const Delivery&) = delete;
    Delivery& operator=(const Delivery&) = delete;
    ~Delivery() { give_back(); }

    /// Posts `event` to all of them; returns how many streams that are.
    std::size_t post(const EncodedEvent& event) noexcept {
      if (to_everybody_) {
        for (const Ref<Feed>& feed : core_.feeds_) feed->post(feed, 0, event);
      }
      for (Subscription* each : core_.receivers_) {
        each->feed().post(Ref<Subscription>(each), Subscription::what_event, event);
      }
      return streams_;
    }

   private:
    void find(const Audience& audience, std::string_view name) {
      to_everybody_ = audience.kind() == Audience::Kind::everybody;
      if (to_everybody_) {
        for (const Ref<Feed>& feed : core_.feeds_) feed->want_place();
        streams_ = core_.index_.listeners(name);
        return;
      }
      core_.index_.for_each(audience, [&](const User& user) {
        streams_ += user.graced();  // they will ask the store for it
        user.for_each([&](Subscription& each) {
          if (!each.accepts(name)) return;
          ++streams_;
          if (!each.live) return;  // it will draw the event from the store
          core_.receivers_.push_back(&each);
          each.feed().want_place();
        });
      });
    }

    void give_back() noexcept {
      for (const Ref<Feed>& feed : core_.feeds_) feed->give_back_places();
    }

    EmitterCore& core_;
    std::size_t streams_ = 0;
    bool to_everybody_ = false;
  };

  Ref<Feed> feed_of(Shard& shard) {
    for (const Ref<Feed>& feed : feeds_) {
      if (&feed->shard() == &shard) return feed;
    }
    std::erase_if(feeds_, [](const Ref<Feed>& feed) { return feed->shard().stopped(); });
    feeds_.push_back(make_ref<Feed>(Ref<Shard>(&shard), Ref<EmitterCore>(this)));
    return feeds_.back();
  }

  inline std::optional<std::error_code> try_to_add(std::string& user_id, const Ref<StreamCore>& stream,
                                                   const SubscribeOptions& wanted, Greeting& greeting,
                                                   Ref<Subscription>& subscription, StartSearch& search);
  inline void enter(std::string user_id, const Ref<Subscription>& subscription, std::optional<std::uint64_t> ahead,
                    Greeting&& greeting, const std::optional<Start>& start, const SubscribeOptions& wanted,
                    HookQueue::Hooks& leave);
  inline void withdraw(const std::string& id, Subscription& subscription, HookQueue::Hooks&& leave) noexcept;

  inline Ref<Subscription> registered(const StreamCore& stream) const;
  static inline std::error_code refuse_twice(const StreamCore& stream, const std::string& user);
  inline void insert(std::string id, const Ref<Subscription>& subscription, HookQueue::Hooks& leave);
  inline void insert_poll(User& user, Subscription& subscription);
  inline void replace_oldest(User& user);
  inline void replace(const Ref<Subscription>& subscription, EndReason reason);
  static inline Poll* poll_of(const Subscription& subscription);
  inline void take_out(Subscription& subscription);
  inline void erase(Subscription& subscription);
  inline void erase(Poll& poll);
  inline void forget(Poll& poll);
  inline HookQueue::Hooks before_leaving(const User& user);
  inline void left(User& user, Shard& shard, HookQueue::Hooks&& leave) noexcept;

  /// Whose `subscription` is, or was until it left.
  const std::string& owner(const Subscription& subscription) const {
    return subscription.user != nullptr ? subscription.user->id : departures_.at(&subscription).user;
  }

  /// Takes `subscription` out of the registry. What was accepted for it goes on being drawn by its stream.
  void depart(Subscription& subscription) {
    departures_.try_emplace(&subscription, Departure{subscription.user->id, store_->newest()});
    subscription.departed = true;
    try {
      erase(subscription);
    } catch (...) {
      forget_departure(subscription);
      throw;
    }
  }

  /// It has drawn everything, or will draw no more.
  void forget_departure(Subscription& subscription) {
    if (std::exchange(subscription.departed, false)) departures_.erase(&subscription);
  }

  /// Takes `subscription` out so that nothing accepted for it before is lost. A poll asks again for what it is owed.
  void part(const Ref<Subscription>& subscription) {
    if (subscription->live || subscription->stream().transport() == Transport::poll) {
      detach(subscription);
    } else {
      depart(*subscription);
    }
  }

  void detach(Ref<Subscription> subscription) {
    Shard& shard = subscription->feed().shard();
    Places places(shard, 1);
    erase(*subscription);
    places.post(subscription, Subscription::what_detach);
  }

  // The hook `function`, which may be empty, for `user`: to be queued when all that may fail has been done.
  static HookQueue::Hooks hook(const std::function<void(const std::string&)>& function, const std::string& user) {
    HookQueue::Hooks hooks;
    if (function) hooks.push_back([function, user] { function(user); });
    return hooks;
  }

  bool has_room() const noexcept {
    return std::all_of(feeds_.begin(), feeds_.end(),
                       [&](const Ref<Feed>& feed) { return feed->has_room(options_.max_backlog_bytes); });
  }

  void release_waiters(std::error_code error) {
    waiting_.store(false);
    for (const Ref<SendWaiter>& waiter : std::exchange(waiters_, {})) waiter->done(error);
  }

  const EmitterOptions options_;
  ReplayStore* const store_;
  Bus* const bus_;
  const bool mirrors_;  // its log
  const std::shared_ptr<HookQueue> hooks_;
  Claim store_claim_;
  Claim bus_claim_;
  std::atomic<bool> waiting_{false};
  UsersQuestion users_question_;
  CountsQuestion counts_question_;

  mutable std::mutex own_mutex_;  // used without a store
  std::mutex& mutex_;
  UserIndex index_;
  /// What is kept of a subscription that has left the registry before it had drawn all that was accepted for it.
  struct Departure {
    std::string user;
    std::uint64_t last;  // what was accepted last: it draws up to there
  };
  std::unordered_map<const Subscription*, Departure> departures_;
  // Of streams that another emitter came to first.
  std::unordered_map<const StreamCore*, Ref<Subscription>> shared_;
  std::vector<Ref<Feed>> feeds_;
  std::uint64_t events_ = 0;
  std::vector<Ref<SendWaiter>> waiters_;
  std::vector<Subscription*> receivers_;  // of one delivery; kept for its capacity
  std::vector<StoredEvent> probe_;
  std::vector<std::uint64_t> sequences_;  // of one draw; kept for its capacity
  bool closed_ = false;

  // Of a mirror.
  enum class Mirror : std::uint8_t { blank, filling, complete };
  Mirror mirror_ = Mirror::blank;
  std::uint32_t own_history_ = 0;  // used without a store
  std::uint32_t& history_;         // counts the logs that the store mirrored
  bool first_log_ = true;          // there was none before: what it has is older than the streams that are here
  std::uint64_t begins_at_ = 0;    // where in the log streams go on that were here before it
  std::string position_before_restart_;
  Latecomers latecomers_;
};

}  // namespace detail
}  // namespace spate

// The members declared inline, and those of feeds and subscriptions that call the emitter.
#include <spate/registry/detail/emitter_bus.hpp>
#include <spate/registry/detail/emitter_members.hpp>
#include <spate/registry/detail/emitter_replay.hpp>
#include <spate/registry/detail/subscription_flow.hpp>
