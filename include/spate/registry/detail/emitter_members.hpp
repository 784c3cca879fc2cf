// The part of EmitterCore that has to do with who is there: how a stream comes into the registry and out of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <spate/registry/detail/emitter_core.hpp>

namespace spate::detail {

inline void EmitterCore::add(std::string user_id, const Ref<StreamCore>& stream, const SubscribeOptions& wanted) {
  // Made before the lock, for both outcomes: they are the program's code.
  const std::string requested = stream->last_event_id();
  Greeting greeting{requested, encoder_for(wanted.greeting ? wanted.greeting(false) : Event()), std::nullopt};
  if (!requested.empty()) greeting.resumed = encoder_for(wanted.greeting ? wanted.greeting(true) : Event());

  const std::lock_guard lock(mutex_);
  if (closed_ || stream->shard().stopped()) return;
  auto subscription = make_ref<Subscription>(feed_of(stream->own_shard()), stream, wanted.events);
  std::optional<std::uint64_t> ahead;
  if (mirrors_) ahead = ahead_of_mirror(requested);
  if (ahead) subscription->live = false;
  const std::string user = user_id;
  try {
    enter(std::move(user_id), subscription, ahead, std::move(greeting), wanted);
  } catch (...) {
    // As if it had never come.
    User* const left = index_.find(user);
    if (subscription->user != nullptr) {
      erase(*subscription);
    } else if (left != nullptr && !left->first) {
      index_.erase(*left);
    }
    throw;
  }
}

// The steps of `add` that change something, with the lock held.
inline void EmitterCore::enter(std::string user_id, const Ref<Subscription>& subscription,
                               std::optional<std::uint64_t> ahead, Greeting&& greeting,
                               const SubscribeOptions& wanted) {
  StreamCore& stream = subscription->stream();
  insert(std::move(user_id), subscription);
  if (stream.transport() == Transport::poll) replace_poll(*subscription);
  stream.open();
  if (ahead) return wait_to_resume(subscription, *ahead, std::move(greeting));
  Opening opening;
  if (store_ != nullptr) {
    opening = open(*subscription, std::move(greeting));
    subscription->replaying = !subscription->live;
  } else if (wanted.greeting) {
    opening.greeting = std::move(greeting.fresh).finish();
  }
  post(subscription, std::move(opening));
  if (!stream.own_shard().post(subscription, Subscription::what_join)) erase(*subscription);
}

inline void EmitterCore::insert(std::string id, const Ref<Subscription>& subscription) {
  bool first = false;
  User& user = index_.obtain(std::move(id), first);
  if (first && options_.on_join) hook(subscription->stream(), options_.on_join, user.id);
  const std::size_t count = index_.append(user, subscription);
  if (bus_ != nullptr) bus_->changed(user.id, count);
  if (options_.max_streams_per_user > 0 && count > options_.max_streams_per_user) {
    const Ref<Subscription> oldest = user.first;
    detach(oldest);
    oldest->stream().end(EndReason::replaced);
  }
}

// A new poll takes the place of the last one of the same client, answered or still waiting.
inline void EmitterCore::replace_poll(const Subscription& poll) {
  const Ref<Subscription> last = find(*poll.user, [&](const Subscription& each) {
    return &each != &poll && each.stream().transport() == Transport::poll &&
           each.stream().poll_client() == poll.stream().poll_client();
  });
  if (!last) return;
  detach(last);
  last->stream().end(EndReason::replaced);
}

inline bool EmitterCore::unregister(Subscription& subscription, EndReason reason) {
  const std::lock_guard lock(mutex_);
  latecomers_.take(subscription);
  const bool may_return = reason == EndReason::completed || reason == EndReason::client;
  if (subscription.user != nullptr && subscription.stream().transport() == Transport::poll && may_return &&
      options_.poll_grace.count() > 0) {
    subscription.live = false;
    return true;
  }
  erase(subscription);
  return false;
}

// The caller holds a reference to `subscription`.
inline void EmitterCore::erase(Subscription& subscription) {
  User* user = subscription.user;
  if (user == nullptr) return;
  latecomers_.take(subscription);
  index_.remove(subscription);
  if (bus_ != nullptr) bus_->changed(user->id, streams_of(*user));
  if (user->first) return;
  if (options_.on_leave) hook(subscription.stream(), options_.on_leave, user->id);
  index_.erase(*user);
}

}  // namespace spate::detail
