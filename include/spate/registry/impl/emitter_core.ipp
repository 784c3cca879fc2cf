// The functions of emitter_core.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/registry/detail/emitter_core.hpp>

namespace spate::detail {

SPATE_DECL EmitterCore::EmitterCore(EmitterOptions options)
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

SPATE_DECL SendReport EmitterCore::send(const Audience& audience, const Event& event) {
  refuse_nobody(audience);
  return goes_by_bus(event) ? send_by_bus(audience, event, {}) : send_here(audience, event);
}

SPATE_DECL SendReport EmitterCore::send_here(const Audience& audience, const Event& event) {
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

SPATE_DECL std::size_t EmitterCore::close(std::string_view user_id, EndReason reason) {
  const std::lock_guard lock(mutex_);
  User* user = index_.find(user_id);
  if (user == nullptr) return 0;
  // The user goes with the last of them.
  const std::size_t streams = user->streams();
  for (std::size_t closed = 0; closed < streams; ++closed) {
    if (user->first) {
      replace(Ref<Subscription>(user->first), reason);
    } else {
      forget(*user->polls()->first_graced());
    }
  }
  return streams;
}

SPATE_DECL bool EmitterCore::remove(std::string_view user_id, const StreamCore& stream) {
  const std::lock_guard lock(mutex_);
  const Ref<Subscription> subscription = registered(stream);
  if (!subscription || subscription->user->id != user_id) return false;
  part(subscription);
  return true;
}

SPATE_DECL bool EmitterCore::leave(Subscription& subscription) {
  const std::lock_guard lock(mutex_);
  if (subscription.user != nullptr && !subscription.live) depart(subscription);
  return subscription.departed;
}

SPATE_DECL void EmitterCore::forget(Subscription& subscription) {
  const std::lock_guard lock(mutex_);
  forget_departure(subscription);
}

SPATE_DECL std::uint64_t EmitterCore::newest() const {
  const std::lock_guard lock(mutex_);
  return store_ == nullptr ? 0 : store_->newest();
}

SPATE_DECL void EmitterCore::close_all() {
  hooks_->close();
  if (bus_ != nullptr) bus_->detach();
  bus_claim_.release();
  std::vector<Ref<SendWaiter>> waiters;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    store_claim_.release();
    while (index_.users() > 0) {
      const User& user = index_.any();
      if (!user.first) {
        forget(*user.polls()->first_graced());
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
    waiting_.store(false);
    waiters.swap(waiters_);
  }
  tell(waiters, Errc::shut_down);
}

SPATE_DECL std::vector<std::string> EmitterCore::users(std::string_view prefix) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  index_.for_each(prefix, [&](const User& user) { ids.push_back(user.id); });
  return ids;
}

SPATE_DECL bool EmitterCore::contains(std::string_view user) const {
  const std::lock_guard lock(mutex_);
  return index_.contains(user);
}

SPATE_DECL std::pair<std::size_t, std::size_t> EmitterCore::counts() const {
  const std::lock_guard lock(mutex_);
  return {index_.users(), index_.streams()};
}

SPATE_DECL std::size_t EmitterCore::user_count() const {
  const std::lock_guard lock(mutex_);
  return index_.users();
}

SPATE_DECL std::size_t EmitterCore::stream_count() const {
  const std::lock_guard lock(mutex_);
  return index_.streams();
}

SPATE_DECL std::uint64_t EmitterCore::events() const {
  const std::lock_guard lock(mutex_);
  return events_;
}

SPATE_DECL std::string EmitterCore::position() const {
  const std::lock_guard lock(mutex_);
  if (store_ == nullptr || (mirrors_ && mirror_ != Mirror::complete)) return {};
  return id_of(store_->newest());
}

SPATE_DECL bool EmitterCore::room() const {
  const std::lock_guard lock(mutex_);
  return has_room();
}

SPATE_DECL void EmitterCore::await_room(Ref<SendWaiter> waiter) {
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

SPATE_DECL void EmitterCore::backlog_released() {
  if (!waiting_.load()) return;
  std::vector<Ref<SendWaiter>> waiters;
  {
    const std::lock_guard lock(mutex_);
    if (!has_room()) return;
    waiting_.store(false);
    waiters.swap(waiters_);
  }
  tell(waiters, {});
}

SPATE_DECL void EmitterCore::expire(Poll& poll) {
  const std::lock_guard lock(mutex_);
  erase(poll);
}

SPATE_DECL std::string EmitterCore::id_for(std::uint64_t sequence) const {
  const std::lock_guard lock(mutex_);
  return closed_ ? std::string() : id_of(sequence);  // the store may be another emitter's by then
}

SPATE_DECL EmitterOptions EmitterCore::completed(EmitterOptions&& options) {
  refuse_negative("resume_wait", options.resume_wait);
  refuse_negative("poll_grace", options.poll_grace);
  if (!options.replay && options.bus && options.bus->keeps_log()) {
    options.replay = std::make_shared<MemoryReplayStore>();
  }
  return std::move(options);
}

SPATE_DECL void EmitterCore::refuse_negative(const char* option, std::chrono::milliseconds value) {
  if (value.count() >= 0) return;
  throw std::invalid_argument(std::string("spate::EmitterOptions: ") + option +
                              " must not be negative: " + std::to_string(value.count()) + " ms");
}

SPATE_DECL void EmitterCore::refuse_nobody(const Audience& audience) {
  if (audience.kind() == Audience::Kind::user) refuse_empty(audience.name());
  for (const std::string& name : audience.names()) refuse_empty(name);
}

SPATE_DECL void EmitterCore::refuse_id(const Event& event) const {
  if (store_ != nullptr && event.id()) {
    throw std::invalid_argument("spate::Emitter: the emitter gives the ids, the event has one: " + quote(*event.id()));
  }
}

SPATE_DECL EventEncoder EmitterCore::encoder_for(const Event& event) const {
  refuse_id(event);
  return EventEncoder(event);
}

SPATE_DECL EmitterCore::Delivery::Delivery(EmitterCore& core, const Audience& audience, std::string_view name)
    : core_(core) {
  core.receivers_.clear();
  try {
    find(audience, name);
    for (const Ref<Feed>& feed : core.feeds_) feed->keep_places();
  } catch (...) {
    give_back();
    throw;
  }
}

SPATE_DECL std::size_t EmitterCore::Delivery::post(const EncodedEvent& event) noexcept {
  if (to_everybody_) {
    for (const Ref<Feed>& feed : core_.feeds_) feed->post(feed, 0, event);
  }
  for (Subscription* each : core_.receivers_) {
    each->feed().post(Ref<Subscription>(each), Subscription::what_event, event);
  }
  return streams_;
}

SPATE_DECL void EmitterCore::Delivery::find(const Audience& audience, std::string_view name) {
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

SPATE_DECL Ref<Feed> EmitterCore::feed_of(Shard& shard) {
  for (const Ref<Feed>& feed : feeds_) {
    if (&feed->shard() == &shard) return feed;
  }
  std::erase_if(feeds_, [](const Ref<Feed>& feed) { return feed->shard().stopped(); });
  feeds_.push_back(make_ref<Feed>(Ref<Shard>(&shard), Ref<EmitterCore>(this)));
  return feeds_.back();
}

SPATE_DECL void EmitterCore::depart(Subscription& subscription) {
  departures_.try_emplace(&subscription, Departure{subscription.user->id, store_->newest()});
  subscription.departed = true;
  try {
    erase(subscription);
  } catch (...) {
    forget_departure(subscription);
    throw;
  }
}

SPATE_DECL void EmitterCore::part(const Ref<Subscription>& subscription) {
  if (subscription->live || subscription->stream().transport() == Transport::poll) {
    detach(subscription);
  } else {
    depart(*subscription);
  }
}

SPATE_DECL void EmitterCore::detach(Ref<Subscription> subscription) {
  Shard& shard = subscription->feed().shard();
  Places places(shard, 1);
  erase(*subscription);
  places.post(subscription, Subscription::what_detach);
}

SPATE_DECL HookQueue::Hooks EmitterCore::hook(const std::function<void(const std::string&)>& function,
                                              const std::string& user) {
  HookQueue::Hooks hooks;
  if (function) hooks.push_back([function, user] { function(user); });
  return hooks;
}

SPATE_DECL bool EmitterCore::has_room() const noexcept {
  return std::all_of(feeds_.begin(), feeds_.end(),
                     [&](const Ref<Feed>& feed) { return feed->has_room(options_.max_backlog_bytes); });
}

SPATE_DECL void EmitterCore::tell(const std::vector<Ref<SendWaiter>>& waiters, std::error_code error) {
  insist_for_each(waiters, [&](const Ref<SendWaiter>& waiter) { waiter->done(error); });
}

}  // namespace spate::detail
