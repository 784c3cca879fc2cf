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

#include <spate/config.hpp>
#include <spate/history/detail/cursor.hpp>
#include <spate/history/detail/sole_use.hpp>
#include <spate/history/memory_replay_store.hpp>
#include <spate/registry/detail/feed.hpp>
#include <spate/registry/detail/hook_queue.hpp>
#include <spate/registry/detail/latecomers.hpp>
#include <spate/registry/detail/receipt.hpp>
#include <spate/registry/detail/shared_question.hpp>
#include <spate/registry/detail/start_search.hpp>
#include <spate/registry/detail/user_index.hpp>
#include <spate/registry/emitter_options.hpp>

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
  explicit EmitterCore(EmitterOptions options);

  const EmitterOptions& options() const noexcept { return options_; }

  SendReport send(const Audience& audience, const Event& event);

  /// What somebody awaits; without a bus there is no receipt.
  struct Sent {
    SendReport report;
    std::shared_ptr<Receipt> receipt;
  };
  Sent send_awaited(const Audience& audience, const Event& event);
  /// Completes `waiter`, which may be null, when the bus has the event and no shard is behind.
  template <typename Waiter>
  void await_sent(Ref<Waiter> waiter, Sent sent);

  SendReport send_here(const Audience& audience, const Event& event);

  std::error_code add(std::string user_id, const Ref<StreamCore>& stream, const SubscribeOptions& wanted);

  /// Ends every stream of `user` for `reason`, and the grace of every poll; returns how many.
  std::size_t close(std::string_view user_id, EndReason reason);

  /// Takes `stream` out of the registry and leaves it open.
  bool remove(std::string_view user_id, const StreamCore& stream);

  /// Shard only. The stream of `subscription` ends once it has got what was accepted for it before. Returns whether
  /// that has to be drawn yet.
  bool leave(Subscription& subscription);

  /// Shard only. `subscription`, which is out of the registry, has drawn all that was owed to it.
  void forget(Subscription& subscription);

  /// Any thread. The newest event there is.
  std::uint64_t newest() const;

  /// Takes every stream out of the registry, for good. No hook begins any more.
  void close_all();

  std::vector<std::string> users(std::string_view prefix) const;
  bool contains(std::string_view user) const;
  std::pair<std::size_t, std::size_t> counts() const;
  std::size_t user_count() const;
  std::size_t stream_count() const;
  std::uint64_t events() const;
  std::string position() const;

  /// Any thread. Whether no shard is behind.
  bool room() const;

  /// Any thread. Tells `waiter` as soon as no shard is behind.
  void await_room(Ref<SendWaiter> waiter);

  /// Shard only. A feed's backlog has become smaller.
  void backlog_released();

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
  Drawn draw(Subscription& subscription, std::uint64_t up_to, const ReplayPacker* packed,
             std::vector<StoredEvent>& batch);

  /// The stream of `subscription` has ended, for `reason`. Returns what stays registered in its place, if its client
  /// polls and is given the time to ask again.
  Ref<Poll> unregister(Subscription& subscription, EndReason reason);

  /// The client of `poll` did not ask again, or cannot.
  void expire(Poll& poll);

  /// It could not be said in time where it resumes: that is unknown, then.
  void stop_waiting(Subscription& subscription);

  /// One more step of the search for where `subscription` resumes.
  enum class Search : std::uint8_t {
    goes_on,
    over,   // what it has come to is on its way
    waits,  // the log is another one by now: it begins anew when this one is known
  };
  Search search_on(Subscription& subscription);

  // ---- for the bus ----

  void attach_bus();
  void relayed(const Audience& audience, const Event& event);
  void missed();
  void restarted(std::string_view epoch);
  void trimmed(std::uint64_t sequence);
  void appended(std::uint64_t sequence, const Audience& audience, const Event& event);
  void caught_up(std::uint64_t newest);
  std::vector<UserStreams> users_here(std::string_view after, std::size_t most) const;
  /// Asks for the users of all nodes, sorted, with how many streams each has.
  using UsersQuestion = SharedQuestion<std::vector<UserStreams>>;
  void ask_users(UsersQuestion::Done done);
  /// Asks how many users and streams there are on all nodes.
  using CountsQuestion = SharedQuestion<UserCounts>;
  void ask_counts(CountsQuestion::Done done);
  /// The ids that begin with `prefix`, of users who are sorted.
  static std::vector<std::string> ids_of(const std::vector<UserStreams>& users, std::string_view prefix);
  /// The id of the event that the log gave `sequence`.
  std::string id_for(std::uint64_t sequence) const;

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
  static EmitterOptions completed(EmitterOptions&& options);

  static void refuse_negative(const char* option, std::chrono::milliseconds value);

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

  static void refuse_nobody(const Audience& audience);

  static void refuse_filter(const std::vector<std::string>& names);

  // A log keeps what it carries, and what has no data is not to be kept.
  bool goes_by_bus(const Event& event) const noexcept { return bus_ != nullptr && (event.data() || !mirrors_); }

  SendReport send_by_bus(const Audience& audience, const Event& event, Bus::Published done);
  std::optional<std::uint64_t> ahead_of_mirror(const Cursor& cursor) const;
  void wait_to_resume(Places& places, std::uint64_t ahead, Latecomers::Latecomer&& latecomer);
  void asked_newest(Subscription& subscription, std::uint64_t newest);
  void resume_up_to(std::uint64_t newest);
  void resume(Latecomers::Latecomer&& latecomer);
  bool resume_or_search(Latecomers::Latecomer&& latecomer);
  template <typename Visit>
  void for_each_live(Visit&& visit);
  void tell_of_restart();
  void tell_of_gap(Subscription& subscription, const std::string& requested, GapReason reason);
  std::size_t matching(const Audience& audience, std::string_view name) const;
  EncodedEvent follow_restart(Subscription& subscription);

  std::vector<UserStreams> with_users_here(std::vector<UserStreams>&& others) const;

  /// Empty without a store, which is what gives ids.
  std::string id_of(std::uint64_t sequence) const {
    return store_ == nullptr ? std::string() : format_event_id(store_->epoch(), sequence);
  }

  void refuse_id(const Event& event) const;

  EventEncoder encoder_for(const Event& event) const;

  // Just before what follows.
  std::uint64_t position_before(std::uint64_t next) const { return next == 0 ? store_->newest() : next - 1; }

  std::optional<Start> start_of(std::string_view user, const Subscription& subscription, const Cursor& cursor,
                                StartSearch& search);
  std::uint64_t first_after(std::string_view user, std::uint64_t after);
  static std::uint64_t first_for(const Subscription& subscription, const std::vector<StoredEvent>& events);
  Opening open(Subscription& subscription, Greeting&& greeting, const Start& start);
  static void post(Places& places, const Ref<Subscription>& subscription, Opening&& opening) noexcept;
  static void post(const Ref<Subscription>& subscription, Opening&& opening);
  EncodedEvent gap_event(const Subscription& subscription, const std::string& requested, std::uint64_t next,
                         std::uint64_t position, GapReason reason);

  /// Those an event is for, found before it is kept, with a place for it in each inbox that it goes to: from then on
  /// nothing fails, so whoever has its id gets it.
  class Delivery {
   public:
    Delivery(EmitterCore& core, const Audience& audience, std::string_view name);
    Delivery(const Delivery&) = delete;
    Delivery& operator=(const Delivery&) = delete;
    ~Delivery() { give_back(); }

    /// Posts `event` to all of them; returns how many streams that are.
    std::size_t post(const EncodedEvent& event) noexcept;

   private:
    void find(const Audience& audience, std::string_view name);

    void give_back() noexcept {
      for (const Ref<Feed>& feed : core_.feeds_) feed->give_back_places();
    }

    EmitterCore& core_;
    std::size_t streams_ = 0;
    bool to_everybody_ = false;
  };

  Ref<Feed> feed_of(Shard& shard);

  std::optional<std::error_code> try_to_add(std::string& user_id, const Ref<StreamCore>& stream,
                                            const SubscribeOptions& wanted, Greeting& greeting,
                                            Ref<Subscription>& subscription, StartSearch& search, bool waits);
  void enter(std::string user_id, Latecomers::Latecomer&& comer, std::optional<std::uint64_t> ahead,
             const std::optional<Start>& start, const SubscribeOptions& wanted, HookQueue::Hooks& leave);
  void withdraw(const std::string& id, Subscription& subscription, HookQueue::Hooks&& leave) noexcept;

  Ref<Subscription> registered(const StreamCore& stream) const;
  static std::error_code refuse_twice(const StreamCore& stream, const std::string& user);
  void insert(std::string id, const Ref<Subscription>& subscription, HookQueue::Hooks& leave);
  void insert_poll(User& user, Subscription& subscription);
  void replace_oldest(User& user);
  void replace(const Ref<Subscription>& subscription, EndReason reason);
  static Poll* poll_of(const Subscription& subscription);
  void take_out(Subscription& subscription);
  void erase(Subscription& subscription);
  void erase(Poll& poll);
  void forget(Poll& poll);
  HookQueue::Hooks before_leaving(const User& user);
  void left(User& user, Shard& shard, HookQueue::Hooks&& leave) noexcept;

  /// Whose `subscription` is, or was until it left.
  const std::string& owner(const Subscription& subscription) const {
    return subscription.user != nullptr ? subscription.user->id : departures_.at(&subscription).user;
  }

  /// Takes `subscription` out of the registry. What was accepted for it goes on being drawn by its stream.
  void depart(Subscription& subscription);

  /// It has drawn everything, or will draw no more.
  void forget_departure(Subscription& subscription) {
    if (std::exchange(subscription.departed, false)) departures_.erase(&subscription);
  }

  /// Takes `subscription` out so that nothing accepted for it before is lost. A poll asks again for what it is owed.
  void part(const Ref<Subscription>& subscription);

  void detach(Ref<Subscription> subscription);

  // The hook `function`, which may be empty, for `user`: to be queued when all that may fail has been done.
  static HookQueue::Hooks hook(const std::function<void(const std::string&)>& function, const std::string& user);

  bool has_room() const noexcept;

  /// Not with the lock: each is told, once there is memory for it.
  static void tell(const std::vector<Ref<SendWaiter>>& waiters, std::error_code error);

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

template <typename Waiter>
void EmitterCore::await_sent(Ref<Waiter> waiter, Sent sent) {
  if (!waiter) return;  // it has nowhere to complete
  if (!sent.receipt) return await_room(waiter);
  if (sent.report.error) return waiter->done(sent.report.error, std::move(sent.report));
  sent.receipt->await([core = Ref<EmitterCore>(this), waiter, report = std::move(sent.report)](
                          std::error_code error, std::uint64_t sequence) mutable {
    if (sequence != 0) report.id = core->id_for(sequence);
    report.error = error;
    if (error) return waiter->done(error, std::move(report));
    core->await_room(
        make_ref<FunctionWaiter>([waiter, report](std::error_code no_room) { waiter->done(no_room, report); }));
  });
}

}  // namespace detail
}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/emitter_bus.ipp>
#include <spate/registry/impl/emitter_core.ipp>
#include <spate/registry/impl/emitter_members.ipp>
#include <spate/registry/impl/emitter_replay.ipp>
#include <spate/registry/impl/subscription_flow.ipp>
#endif
