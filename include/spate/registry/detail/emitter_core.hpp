// EmitterCore: the registry behind an Emitter, shared with its feeds and subscriptions.
//
// One lock orders everything: ids, the store, who is registered, and what is posted to which shard. A publisher holds
// it for a look-up and a post per shard or receiver; a delivery never takes it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <spate/registry/detail/event_id.hpp>
#include <spate/registry/detail/feed.hpp>
#include <spate/registry/detail/hook_queue.hpp>
#include <spate/registry/detail/ordered_index.hpp>
#include <spate/registry/emitter_options.hpp>

namespace spate {

/// What a send came to.
struct SendReport {
  std::string id;           // the event's id; empty when it has none
  std::size_t streams = 0;  // streams it was queued for, after filters
};

namespace detail {

class EmitterCore final : public RefCounted<EmitterCore> {
 public:
  explicit EmitterCore(EmitterOptions options)
      : options_(std::move(options)), store_(options_.replay.get()), hooks_(std::make_shared<HookQueue>()) {}

  const EmitterOptions& options() const noexcept { return options_; }

  SendReport send(const Audience& audience, const Event& event) {
    EventEncoder encoder = encoder_for(event);  // the costly part, before the lock
    SendReport report;
    const std::lock_guard lock(mutex_);
    EncodedEvent encoded;
    if (store_ != nullptr) {
      const std::uint64_t sequence = store_->newest() + 1;
      report.id = format_event_id(store_->epoch(), sequence);
      encoded = std::move(encoder).finish(report.id);
      store_->append(sequence, audience, encoded);
    } else {
      encoded = std::move(encoder).finish();
      report.id = encoded.id();
    }
    ++events_;
    switch (audience.kind()) {
      case Audience::Kind::user: report.streams = reach(audience.name(), encoded); break;
      case Audience::Kind::users: {
        std::vector<std::string_view> names(audience.names().begin(), audience.names().end());
        std::sort(names.begin(), names.end());
        names.erase(std::unique(names.begin(), names.end()), names.end());
        for (const std::string_view name : names) report.streams += reach(name, encoded);
        break;
      }
      case Audience::Kind::group:
        order_.for_each(audience.name(), [&](const User& user) { report.streams += reach(user, encoded); });
        break;
      case Audience::Kind::everybody:
        for (const Ref<Feed>& feed : feeds_) feed->post(feed, 0, encoded);
        report.streams = listeners(encoded.name());
        break;
    }
    return report;
  }

  void add(std::string user_id, const Ref<StreamCore>& stream, const SubscribeOptions& wanted) {
    // Made before the lock, for both outcomes: they are the program's code.
    std::optional<EventEncoder> fresh, resumed;
    const std::string requested = stream->last_event_id();
    fresh = encoder_for(wanted.greeting ? wanted.greeting(false) : Event());
    if (!requested.empty()) resumed = encoder_for(wanted.greeting ? wanted.greeting(true) : Event());

    const std::lock_guard lock(mutex_);
    if (closed_ || stream->shard().stopped()) return;
    auto subscription = make_ref<Subscription>(feed_of(stream->own_shard()), stream, wanted.events);
    EncodedEvent greeting, gap;
    if (store_ != nullptr) {
      const Start start = start_of(user_id, *subscription, requested);
      const std::string position = id_of(start.position);
      greeting = std::move(resumed && !start.gap ? *resumed : *fresh).finish(position);
      subscription->cursor = start.position;
      subscription->replaying = start.next != 0;
      subscription->live = start.next == 0;
      insert(std::move(user_id), subscription);
      if (start.gap) gap = gap_event(*subscription, requested, start.next, start.position, *start.gap);
    } else {
      if (wanted.greeting) greeting = std::move(*fresh).finish();
      insert(std::move(user_id), subscription);
    }
    if (stream->transport() == Transport::poll) replace_poll(*subscription);
    stream->open();
    Shard& shard = stream->own_shard();
    if (greeting) shard.post(subscription, Subscription::what_greet, std::move(greeting));
    if (gap) shard.post(subscription, Subscription::what_gap, std::move(gap));
    if (!shard.post(subscription, Subscription::what_join)) erase(*subscription);
  }

  /// Ends every stream of `user` for `reason`; returns how many.
  std::size_t close(std::string_view user_id, EndReason reason) {
    const std::lock_guard lock(mutex_);
    const auto found = users_.find(user_id);
    if (found == users_.end()) return 0;
    std::size_t closed = 0;
    // The user goes with his last subscription.
    for (Ref<Subscription> subscription = (*found)->first, next; subscription; subscription = next, ++closed) {
      next = subscription->next;
      detach(subscription);
      subscription->stream().end(reason);
    }
    return closed;
  }

  /// Takes `stream` out of the registry and leaves it open.
  bool remove(std::string_view user_id, const StreamCore& stream) {
    const std::lock_guard lock(mutex_);
    const auto found = users_.find(user_id);
    if (found == users_.end()) return false;
    const Ref<Subscription> subscription =
        find(**found, [&](const Subscription& each) { return &each.stream() == &stream; });
    if (subscription) detach(subscription);
    return static_cast<bool>(subscription);
  }

  /// Takes every stream out of the registry, for good. No hook begins any more.
  void close_all() {
    hooks_->close();
    const std::lock_guard lock(mutex_);
    closed_ = true;
    while (!users_.empty()) detach((*users_.begin())->first);
    feeds_.clear();
    release_waiters(Errc::shut_down);
  }

  std::vector<std::string> users(std::string_view prefix) const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> ids;
    order_.for_each(prefix, [&](const User& user) { ids.push_back(user.id); });
    return ids;
  }
  bool contains(std::string_view user) const {
    const std::lock_guard lock(mutex_);
    return users_.contains(user);
  }
  std::pair<std::size_t, std::size_t> counts() const {
    const std::lock_guard lock(mutex_);
    return {users_.size(), streams_};
  }
  std::size_t user_count() const {
    const std::lock_guard lock(mutex_);
    return users_.size();
  }
  std::size_t stream_count() const {
    const std::lock_guard lock(mutex_);
    return streams_;
  }
  std::uint64_t events() const {
    const std::lock_guard lock(mutex_);
    return events_;
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

  /// Draws what `subscription` has to get next into `batch`. When there is nothing more it becomes live, in order with
  /// all that is published. Returns the gap to tell first when the store has meanwhile lost what was next.
  EncodedEvent draw(Subscription& subscription, std::vector<StoredEvent>& batch) {
    const std::lock_guard lock(mutex_);
    if (subscription.user == nullptr) return {};
    const std::string& user = subscription.user->id;
    const std::uint64_t discarded = store_->fetch(user, subscription.cursor, most_per_draw, batch);
    if (batch.empty()) {
      subscription.live = true;
      subscription.feed().shard().post(Ref<Subscription>(&subscription), Subscription::what_live);
    }
    if (discarded <= subscription.cursor) return {};
    std::uint64_t next = first_for(subscription, batch);
    if (next == 0 && !batch.empty()) next = next_for(user, subscription, batch.back().sequence).sequence;
    return gap_event(subscription, id_of(subscription.cursor), next, position_before(next), GapReason::trimmed);
  }

  /// The stream of `subscription` has ended, for `reason`. Returns whether it stays registered all the same, because
  /// its client polls and is given the time to ask again.
  bool unregister(Subscription& subscription, EndReason reason) {
    const std::lock_guard lock(mutex_);
    const bool may_return = reason == EndReason::completed || reason == EndReason::client;
    if (subscription.user != nullptr && subscription.stream().transport() == Transport::poll && may_return &&
        options_.poll_grace.count() > 0) {
      subscription.live = false;
      return true;
    }
    erase(subscription);
    return false;
  }

  /// Its client did not ask again.
  void expire(Subscription& subscription) {
    const std::lock_guard lock(mutex_);
    erase(subscription);
  }

 private:
  /// Where a stream begins.
  struct Start {
    std::uint64_t position = 0;    // the newest event that the client has, or needs not have
    std::uint64_t next = 0;        // the first kept event for it behind that; 0 when there is none
    std::optional<GapReason> gap;  // something before it is missing
  };

  /// What the store has for a subscription behind some position.
  struct Next {
    std::uint64_t sequence = 0;  // the first event, 0 when there is none
    bool complete = true;        // nothing for the user has been discarded before it
  };

  struct UserHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view id) const noexcept { return std::hash<std::string_view>()(id); }
    std::size_t operator()(const std::unique_ptr<User>& user) const noexcept { return (*this)(user->id); }
  };
  struct UserEqual {
    using is_transparent = void;
    static std::string_view key(std::string_view id) noexcept { return id; }
    static std::string_view key(const std::unique_ptr<User>& user) noexcept { return user->id; }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const noexcept {
      return key(a) == key(b);
    }
  };

  // What one stream holds of its history at a time: enough for few system calls, little enough for many slow clients.
  static constexpr std::size_t most_per_draw = 32 * 1024;

  std::string id_of(std::uint64_t sequence) const { return format_event_id(store_->epoch(), sequence); }

  EventEncoder encoder_for(const Event& event) const {
    if (store_ != nullptr && event.id()) {
      throw std::invalid_argument("spate::Emitter: the emitter gives the ids, the event has one: " +
                                  quote(*event.id()));
    }
    return EventEncoder(event);
  }

  // Tells the program of a gap and makes the event that tells the client, if there is to be one.
  EncodedEvent gap_event(const Subscription& subscription, const std::string& requested, std::uint64_t next,
                         std::uint64_t position, GapReason reason) {
    const StreamCore& stream = subscription.stream();
    const std::string oldest = next == 0 ? std::string() : id_of(next);
    if (options_.on_gap) {
      hooks_->push(stream.shard(), [function = options_.on_gap,
                                    gap = Gap{subscription.user->id, requested, oldest, reason}] { function(gap); });
    }
    const std::string& name = stream.options().gap_event;
    return name.empty() ? EncodedEvent() : encode_gap(name, requested, oldest, to_string(reason), id_of(position));
  }

  // Just before what follows.
  std::uint64_t position_before(std::uint64_t next) const { return next == 0 ? store_->newest() : next - 1; }

  // The first of `events` that passes the filter; 0 when none does.
  static std::uint64_t first_for(const Subscription& subscription, const std::vector<StoredEvent>& events) {
    for (const StoredEvent& stored : events) {
      if (subscription.accepts(stored.event.name())) return stored.sequence;
    }
    return 0;
  }

  // Looks as far as the first event that passes the filter, as the replay itself will.
  Next next_for(std::string_view user, const Subscription& subscription, std::uint64_t after) {
    Next next;
    const std::size_t most_bytes = subscription.filter() == nullptr ? 0 : most_per_draw;
    std::uint64_t position = after;
    do {
      probe_.clear();
      next.complete = store_->fetch(user, position, most_bytes, probe_) <= after;
      next.sequence = first_for(subscription, probe_);
      if (!probe_.empty()) position = probe_.back().sequence;
    } while (next.sequence == 0 && !probe_.empty());
    probe_.clear();
    return next;
  }

  Start start_of(std::string_view user, const Subscription& subscription, std::string_view requested) {
    const std::uint64_t newest = store_->newest();
    if (requested.empty()) return {newest, 0, std::nullopt};
    const std::optional<std::uint64_t> cursor = parse_event_id(store_->epoch(), requested);
    if (cursor && *cursor <= newest) {
      const Next next = next_for(user, subscription, *cursor);
      if (next.complete) return {*cursor, next.sequence, std::nullopt};
      return {position_before(next.sequence), next.sequence, GapReason::trimmed};
    }
    const std::uint64_t next = next_for(user, subscription, 0).sequence;
    Start start{position_before(next), next, std::nullopt};
    if (requested != "earliest") start.gap = GapReason::unknown;
    return start;
  }

  std::size_t reach(std::string_view name, const EncodedEvent& event) {
    const auto found = users_.find(name);
    return found == users_.end() ? 0 : reach(**found, event);
  }

  std::size_t reach(const User& user, const EncodedEvent& event) {
    std::size_t reached = 0;
    for (const Subscription* each = user.first.get(); each != nullptr; each = each->next.get()) {
      const Ref<Subscription> subscription(const_cast<Subscription*>(each));
      if (!subscription->accepts(event.name())) continue;
      ++reached;
      // One that is not live will draw the event from the store.
      if (subscription->live) subscription->feed().post(subscription, Subscription::what_event, event);
    }
    return reached;
  }

  template <typename Predicate>
  static Ref<Subscription> find(const User& user, Predicate&& matches) {
    Subscription* each = user.first.get();
    while (each != nullptr && !matches(*each)) each = each->next.get();
    return Ref<Subscription>(each);
  }

  std::size_t listeners(std::string_view name) const {
    if (filters_.empty()) return unfiltered_;
    const auto found = filters_.find(name.empty() ? std::string("message") : std::string(name));
    return unfiltered_ + (found == filters_.end() ? 0 : found->second);
  }

  Ref<Feed> feed_of(Shard& shard) {
    for (const Ref<Feed>& feed : feeds_) {
      if (&feed->shard() == &shard) return feed;
    }
    std::erase_if(feeds_, [](const Ref<Feed>& feed) { return feed->shard().stopped(); });
    feeds_.push_back(make_ref<Feed>(Ref<Shard>(&shard), Ref<EmitterCore>(this)));
    return feeds_.back();
  }

  void insert(std::string id, const Ref<Subscription>& subscription) {
    auto found = users_.find(std::string_view(id));
    if (found == users_.end()) {
      found = users_.insert(std::make_unique<User>(User{std::move(id), {}})).first;
      order_.insert(found->get());
      if (options_.on_join) hook(subscription->stream(), options_.on_join, (*found)->id);
    }
    User& user = **found;
    subscription->user = &user;
    Ref<Subscription>* last = &user.first;
    std::size_t count = 1;
    for (; *last; last = &(*last)->next) ++count;
    *last = subscription;
    ++streams_;
    count_filter(*subscription, 1);
    if (options_.max_streams_per_user > 0 && count > options_.max_streams_per_user) {
      const Ref<Subscription> oldest = user.first;
      detach(oldest);
      oldest->stream().end(EndReason::replaced);
    }
  }

  // A new poll takes the place of the last one of the same client, answered or still waiting.
  void replace_poll(const Subscription& poll) {
    const Ref<Subscription> last = find(*poll.user, [&](const Subscription& each) {
      return &each != &poll && each.stream().transport() == Transport::poll &&
             each.stream().poll_client() == poll.stream().poll_client();
    });
    if (!last) return;
    detach(last);
    last->stream().end(EndReason::replaced);
  }

  // The caller holds a reference to `subscription`.
  void erase(Subscription& subscription) {
    User* user = std::exchange(subscription.user, nullptr);
    if (user == nullptr) return;
    Ref<Subscription>* at = &user->first;
    while (at->get() != &subscription) at = &(*at)->next;
    *at = Ref<Subscription>(std::exchange(subscription.next, nullptr));
    --streams_;
    count_filter(subscription, -1);
    if (user->first) return;
    if (options_.on_leave) hook(subscription.stream(), options_.on_leave, user->id);
    order_.erase(user);
    users_.erase(users_.find(std::string_view(user->id)));
  }

  void detach(Ref<Subscription> subscription) {
    erase(*subscription);
    subscription->feed().shard().post(subscription, Subscription::what_detach);
  }

  void count_filter(const Subscription& subscription, int by) {
    if (subscription.filter() == nullptr) {
      unfiltered_ += static_cast<std::size_t>(by);
      return;
    }
    std::vector<std::string_view> names(subscription.filter()->begin(), subscription.filter()->end());
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    for (const std::string_view name : names) {
      const auto found = filters_.try_emplace(std::string(name)).first;
      found->second += static_cast<std::size_t>(by);
      if (found->second == 0) filters_.erase(found);
    }
  }

  void hook(const StreamCore& stream, const std::function<void(const std::string&)>& function, std::string user) {
    hooks_->push(stream.shard(), [function, user = std::move(user)] { function(user); });
  }

  bool has_room() const noexcept {
    return std::all_of(feeds_.begin(), feeds_.end(),
                       [&](const Ref<Feed>& feed) { return feed->backlog() <= options_.max_backlog_bytes; });
  }

  void release_waiters(std::error_code error) {
    waiting_.store(false);
    for (const Ref<SendWaiter>& waiter : std::exchange(waiters_, {})) waiter->done(error);
  }

  const EmitterOptions options_;
  ReplayStore* const store_;
  const std::shared_ptr<HookQueue> hooks_;
  std::atomic<bool> waiting_{false};

  mutable std::mutex mutex_;
  std::unordered_set<std::unique_ptr<User>, UserHash, UserEqual> users_;
  OrderedIndex<User> order_;
  std::vector<Ref<Feed>> feeds_;
  std::size_t streams_ = 0;
  std::size_t unfiltered_ = 0;                            // streams that take every event
  std::unordered_map<std::string, std::size_t> filters_;  // for each name, the filtered streams that take it
  std::uint64_t events_ = 0;
  std::vector<Ref<SendWaiter>> waiters_;
  std::vector<StoredEvent> probe_;
  bool closed_ = false;
};

inline Feed::Feed(Ref<Shard> shard, Ref<EmitterCore> emitter)
    : shard_(std::move(shard)), emitter_(std::move(emitter)) {}
inline Feed::~Feed() = default;

inline void Feed::release_backlog(std::size_t bytes) {
  backlog_.fetch_sub(bytes);
  emitter_->backlog_released();
}

inline void Subscription::receive(std::uint32_t what, EncodedEvent&& event) {
  switch (what) {
    case what_greet:
      if (stream_->takes_events()) stream_->push_raw(event);
      return;
    case what_gap:
      if (stream_->takes_events()) stream_->push_gap(event);
      return;
    case what_join:
      attached_ = true;
      stream_->add_source(Ref<Subscription>(this));  // which tells at once when the stream has ended
      if (attached_ && !replaying) feed_->join(*this);
      return;
    case what_live:
      if (attached_) feed_->join(*this);
      return;
    case what_event: {
      const std::size_t size = event.chunk().size();
      if (attached_) stream_->deliver(std::move(event), QueueNode::Kind::event);
      feed_->release_backlog(size);
      return;
    }
    case what_detach:
      feed_->shard().set_timer(*this, never);
      if (!attached_) return;
      settle();
      stream_->mark_dirty();
      if (joined) feed_->leave(*this);
      attached_ = false;
      stream_->remove_source(*this);
      return;
  }
}

inline bool Subscription::pull() {
  if (joined) {
    if (!reads_log || position.byte == feed_->end().byte) return false;
    settle();
    return true;
  }
  std::vector<StoredEvent>& batch = feed_->batch();
  while (replaying) {
    batch.clear();
    const EncodedEvent gap = feed_->emitter().draw(*this, batch);
    replaying = !batch.empty();
    if (gap) stream_->push_gap(gap);
    if (!batch.empty()) cursor = batch.back().sequence;
    std::erase_if(batch, [&](const StoredEvent& stored) { return !accepts(stored.event.name()); });
    if (stream_->transport() == Transport::sse && stream_->framing() == Framing::chunked && batch.size() > 1) {
      stream_->deliver_replay(feed_->pack(batch), batch.front().event, static_cast<std::uint32_t>(batch.size()));
    } else {
      for (StoredEvent& stored : batch) stream_->deliver(std::move(stored.event), QueueNode::Kind::replay);
    }
    if (gap || !batch.empty()) return true;
  }
  return false;
}

inline void Subscription::settle() {
  if (joined && reads_log) feed_->settle(*this);
}

inline void Subscription::stream_ended(EndReason reason) {
  if (joined) feed_->leave(*this);
  attached_ = false;
  replaying = false;
  EmitterCore& emitter = feed_->emitter();
  if (emitter.unregister(*this, reason)) {
    feed_->shard().set_timer(*this, feed_->shard().now() + emitter.options().poll_grace);
  }
}

inline void Subscription::on_timer(TimePoint) {
  feed_->emitter().expire(*this);
}

inline bool Subscription::on_cut() {
  feed_->emitter().expire(*this);  // its client cannot ask again
  return false;
}

}  // namespace detail
}  // namespace spate
