// EmitterCore: what an Emitter, its feeds and its subscriptions share. It has the lock, and lets its parts work
// together:
//
//   History       what was sent, and the ids              Resume     where a stream begins, and who waits for that
//   LogMirror     the copy of the log of a bus            CatchUp    what a stream draws until it is live
//   Members       who is registered                       Gaps       telling of what is missing
//   Backlog       the feeds, and who waits for room       Delivery   one event on its way
//   Departures    who has left and is owed something      Census     who listens on all nodes
//   Unsettled     events that the store has yet to keep
//
// One lock orders everything: ids, the store, who is registered, and what is posted to which shard. A publisher holds
// it for a look-up and a post per shard or receiver; a delivery takes it only for events that are not kept, which have
// their place among those that are, once a shard. It is the store's, if there is one. Of
// the parts only Census, which does not need it, is used without it. All members may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/detail/lock.hpp>
#include <spate/history/audience.hpp>
#include <spate/history/detail/history.hpp>
#include <spate/history/detail/sole_use.hpp>
#include <spate/registry/bus.hpp>
#include <spate/registry/detail/backlog.hpp>
#include <spate/registry/detail/catch_up.hpp>
#include <spate/registry/detail/census.hpp>
#include <spate/registry/detail/delivery.hpp>
#include <spate/registry/detail/departures.hpp>
#include <spate/registry/detail/gaps.hpp>
#include <spate/registry/detail/hook_queue.hpp>
#include <spate/registry/detail/log_mirror.hpp>
#include <spate/registry/detail/members.hpp>
#include <spate/registry/detail/receipt.hpp>
#include <spate/registry/detail/resume.hpp>
#include <spate/registry/detail/sent_event.hpp>
#include <spate/registry/detail/unsettled.hpp>
#include <spate/registry/emitter_options.hpp>
#include <spate/registry/emitter_stats.hpp>
#include <spate/registry/send_report.hpp>
#include <spate/stream/detail/handler_waiter.hpp>

namespace spate::detail {

class EmitterCore final : public RefCounted<EmitterCore> {
 public:
  explicit EmitterCore(EmitterOptions options);

  const EmitterOptions& options() const noexcept { return options_; }

  // ---- for the program: sending ----

  SendReport send(const Audience& audience, const Event& event);
  SendReport send_to_node(const Audience& audience, const Event& event);

  SentEvent send_awaited(const Audience& audience, const Event& event);
  /// Completes `waiter`, which may be null, when the bus has the event and no shard is behind.
  void await_sent(const Ref<ResultWaiter<SendReport>>& waiter, SentEvent sent);

  /// Whether no shard is behind.
  bool has_room() const;
  /// Tells `waiter` as soon as no shard is behind.
  void await_room(Ref<SendWaiter> waiter);

  /// Events sent so far.
  std::uint64_t events() const;
  /// The newest id; empty when there is none, or it is not known yet.
  std::string position() const;

  // ---- for the program: who is there ----

  std::error_code add(std::string user_id, const Ref<StreamCore>& stream, const SubscribeOptions& wanted);

  /// Ends every stream of `user` with EndReason::closed, and the grace of every poll; returns how many.
  std::size_t remove(std::string_view user_id);
  /// Takes `stream` out of the registry and leaves it open.
  bool remove(std::string_view user_id, const StreamCore& stream);
  /// Takes every stream out of the registry, for good. No hook begins any more.
  void close();

  /// `stream` joins `topic`, or leaves it.
  std::error_code join(const StreamCore& stream, std::string_view topic, const JoinOptions& wanted);
  std::error_code leave(const StreamCore& stream, std::string_view topic);
  /// The same for the streams of a user, or ends them.
  ChangeReport change(const UserCommand& command, Scope scope);
  std::vector<std::string> topic_users(std::string_view topic) const;

  std::vector<std::string> users(std::string_view prefix) const;
  bool contains(std::string_view user) const;
  UserCounts counts() const;
  EmitterStats stats() const;

  void ask_users(Census::Users::Done done) { census_.ask_users(link(), std::move(done)); }
  void ask_counts(Census::Counts::Done done) { census_.ask_counts(link(), std::move(done)); }

  // ---- for feeds and subscriptions, on their shards ----

  /// A feed's backlog has become smaller.
  void backlog_released();

  /// The newest event there is.
  std::uint64_t newest() const;

  /// Feed::take_unkept_position.
  std::uint64_t take_unkept_position(Feed& feed);

  /// CatchUp::draw.
  CatchUp::Drawn draw(Subscription& subscription, std::uint64_t up_to, ReplayPacker* packed,
                      std::vector<StoredEvent>& batch);

  /// One more step of the search for where `subscription` begins.
  Resume::Step search(Subscription& subscription);
  /// It could not be said in time where `subscription` begins: that is unknown, then.
  void stop_waiting(Subscription& subscription);

  /// Whether the store keeps later, so that one that is live may be owed something all the same.
  bool keeps_later() const noexcept { return keeps_later_; }
  /// The stream of `subscription` ends once it has got what was accepted for it before. One that has to draw that yet
  /// departs; one that is live and waits for the store falls behind, then. Returns whether it has departed, by now or
  /// before.
  bool depart_unless_live(Subscription& subscription);
  /// `subscription`, which has departed, has drawn all that was owed to it.
  void end_departure(Subscription& subscription);
  /// Removes `subscription`, whose stream has ended, for `reason`. Returns what stays registered in its place, if its
  /// client polls and is given the time to ask again.
  Ref<Poll> remove_ended(Subscription& subscription, EndReason reason);
  /// Removes `poll`, whose client did not ask again, or cannot.
  void remove(Poll& poll);

  // ---- for the store ----

  /// The fate of some events is known: those that are kept are delivered, and who awaits one is told.
  void settled();

  // ---- for the bus ----

  void attach();
  void relayed(const Audience& audience, const Event& event);
  void missed();
  void restarted(std::string_view epoch);
  void trimmed(std::uint64_t sequence);
  void appended(std::uint64_t sequence, const Audience& audience, const Event& event);
  void reached_end(std::uint64_t newest);
  void commanded(const UserCommand& command);
  std::vector<UserStreams> users_here(std::string_view after, std::size_t limit) const;

 private:
  // Sending.

  // A log keeps what it carries, and what has no data is not to be kept.
  // Whether who awaits `event` waits for the bus.
  bool awaits_bus(const Event& event) const noexcept {
    return goes_by_bus(event) && (mirrors_ || options_.await_relay);
  }
  bool goes_by_bus(const Event& event) const noexcept { return bus_ != nullptr && (event.data() || !mirrors_); }
  void refuse_id(const Event& event) const;
  EventEncoder encoder_for(const Event& event) const;
  using Awaited = std::shared_ptr<Receipt>;  // null when nobody awaits it

  // Whether the store takes its time to keep `event`.
  bool keeps_later(const Event& event) const noexcept { return keeps_later_ && is_kept(event); }
  bool is_kept(const Event& event) const noexcept { return gives_ids_ && event.kept() && event.data(); }
  SendReport send_here(const Audience& audience, const Event& event, const Awaited& awaited);
  SendReport send_by_bus(const Audience& audience, const Event& event, const Awaited& awaited);
  SendReport publish(const Audience& audience, const Event& event, EventEncoder&& encoder, bool keep,
                     const Awaited& awaited) SPATE_REQUIRES(mutex_);
  SendReport publish_later(const Audience& audience, const Event& event, EventEncoder&& encoder, bool keep,
                           const Awaited& awaited) SPATE_REQUIRES(mutex_);
  Delivery delivery_to(const Audience& audience, std::string_view name, std::uint64_t sequence) SPATE_REQUIRES(mutex_) {
    return Delivery(members_, backlog_.feeds(), receivers_, audience, name, sequence, unkept_after(sequence));
  }
  std::optional<std::uint64_t> unkept_after(std::uint64_t sequence) const SPATE_REQUIRES(mutex_) {
    return gives_ids_ && sequence == Topics::not_kept ? std::optional(history_.newest()) : std::nullopt;
  }
  // Returns whether an event of another process is lost.
  bool settle(const ReplayStore::Settled& settled, std::vector<Unsettled::Item>& answered) SPATE_REQUIRES(mutex_);
  void tell_of_settled() SPATE_REQUIRES(mutex_);
  std::string id_of(std::uint64_t sequence) const;
  bool backlog_awaited() const noexcept SPATE_UNCHECKED { return backlog_.awaited(); }  // any thread may ask that

  // Coming and going. Whoever is removed is out of the registry. Whoever departs is, too, but their stream goes on
  // drawing what is owed to it.

  Ref<Feed> feed_on(Shard& shard) SPATE_REQUIRES(mutex_);
  std::optional<std::error_code> try_to_add(std::string& user_id, const Ref<StreamCore>& stream,
                                            const SubscribeOptions& wanted, PendingResume& comer, bool patient);
  void enter(std::string user_id, PendingResume&& comer, const Resume::Plan& plan, const SubscribeOptions& wanted,
             HookQueue::Hooks& leave) SPATE_REQUIRES(mutex_);
  void wait_to_resume(InboxReservation& reservation, std::uint64_t for_event, PendingResume&& comer)
      SPATE_REQUIRES(mutex_);
  void asked_newest(Subscription& subscription, std::uint64_t newest);
  void end_and_remove(const Ref<Subscription>& subscription, EndReason reason) SPATE_REQUIRES(mutex_);
  void owe_unsettled(const Ref<Subscription>& subscription) SPATE_REQUIRES(mutex_);
  void remove_or_depart(const Ref<Subscription>& subscription) SPATE_REQUIRES(mutex_);
  void depart(Subscription& subscription) SPATE_REQUIRES(mutex_);
  void remove(Subscription& subscription) SPATE_REQUIRES(mutex_);

  // The bus.

  std::shared_ptr<BusListener> link();
  void tell_missed() SPATE_REQUIRES(mutex_);

  // Topics.

  ChangeReport carry_out(const UserCommand& command);
  bool wants_earlier(const JoinOptions& wanted, TopicCatchUp& late) const SPATE_REQUIRES(mutex_);
  void fall_behind(Subscription& subscription) SPATE_REQUIRES(mutex_);

  /// What may wait for the store until publishers wait, and until they are refused.
  static constexpr std::size_t max_unsettled_bytes = 16 * 1024 * 1024;
  static constexpr std::size_t most_unsettled_bytes = 256 * 1024 * 1024;

  const EmitterOptions options_;
  Bus* const bus_;
  const Ref<HookQueue> hooks_;
  Census census_;
  const bool gives_ids_;    // there is a store
  const bool mirrors_;      // the log of the bus
  const bool keeps_later_;  // the store does

  History history_ SPATE_GUARDED_BY(mutex_);
  Claim bus_claim_;
  Mutex& mutex_;
  LogMirror mirror_ SPATE_GUARDED_BY(mutex_);
  Members members_ SPATE_GUARDED_BY(mutex_);
  Backlog backlog_ SPATE_GUARDED_BY(mutex_);
  Departures departures_ SPATE_GUARDED_BY(mutex_);
  Gaps gaps_ SPATE_GUARDED_BY(mutex_);
  Resume resume_ SPATE_GUARDED_BY(mutex_);
  CatchUp catch_up_ SPATE_GUARDED_BY(mutex_);
  Unsettled unsettled_ SPATE_GUARDED_BY(mutex_);
  std::vector<ReplayStore::Settled> settled_ SPATE_GUARDED_BY(mutex_);  // of one call; kept for its capacity
  std::uint64_t events_ SPATE_GUARDED_BY(mutex_) = 0;
  std::vector<Subscription*> receivers_ SPATE_GUARDED_BY(mutex_);  // of one delivery; kept for its capacity
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/emitter_bus.ipp>
#include <spate/registry/impl/emitter_core.ipp>
#include <spate/registry/impl/emitter_members.ipp>
#include <spate/registry/impl/subscription_flow.ipp>
#endif
