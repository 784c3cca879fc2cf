// The part of EmitterCore that has to do with who is there: how a stream comes into the registry and out of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/registry/detail/emitter_core.hpp>

namespace spate::detail {

SPATE_DECL void EmitterCore::refuse_filter(const std::vector<std::string>& names) {
  constexpr std::size_t most = SubscribeOptions::max_event_names, most_bytes = SubscribeOptions::max_event_name_bytes;
  if (names.size() > most) {
    throw std::invalid_argument("spate::SubscribeOptions: " + std::to_string(names.size()) +
                                " names of events, of which there may be " + std::to_string(most));
  }
  std::size_t bytes = 0;
  for (const std::string& name : names) {
    bytes += name.size();
    if (bytes <= most_bytes) continue;
    throw std::invalid_argument("spate::SubscribeOptions: names of events longer than " + std::to_string(most_bytes) +
                                " bytes in all, with " + quote(name));
  }
}

SPATE_DECL std::error_code EmitterCore::add(std::string user_id, const Ref<StreamCore>& stream,
                                            const SubscribeOptions& wanted) {
  refuse_empty(user_id);
  refuse_filter(wanted.events);
  if (stream->framing() == Framing::none) {  // a HEAD: nobody listens
    stream->open();
    return {};
  }
  // Made before the lock, for both outcomes: they are the program's code.
  Greeting greeting{Cursor::parse(wanted.after ? *wanted.after : stream->last_event_id()),
                    encoder_for(wanted.greeting ? wanted.greeting(false) : Event()), std::nullopt};
  if (greeting.cursor) greeting.resumed = encoder_for(wanted.greeting ? wanted.greeting(true) : Event());

  Ref<Subscription> subscription;
  StartSearch search;
  for (int steps = 0;; ++steps) {
    const bool waits = steps < StartSearch::most_in_add;
    const auto outcome = try_to_add(user_id, stream, wanted, greeting, subscription, search, waits);
    if (outcome) return *outcome;
    search.look(*subscription);
  }
}

// What `add` does with the lock held. Returns nothing when it is to be called again, after `search` has looked at what
// it was given: meanwhile others have the lock. A search for which it no longer `waits` goes on behind `add`, so that
// the other streams of its loop have their turn as well.
SPATE_DECL std::optional<std::error_code> EmitterCore::try_to_add(std::string& user_id, const Ref<StreamCore>& stream,
                                                                  const SubscribeOptions& wanted, Greeting& greeting,
                                                                  Ref<Subscription>& subscription, StartSearch& search,
                                                                  bool waits) {
  const std::lock_guard lock(mutex_);
  if (closed_ || stream->shard().stopped()) return make_error_code(Errc::shut_down);
  if (const Ref<Subscription> there = registered(*stream)) return refuse_twice(*stream, there->user->id);
  if (!subscription) subscription = make_ref<Subscription>(feed_of(stream->own_shard()), stream, wanted.events);
  std::optional<std::uint64_t> ahead;
  if (mirrors_) ahead = ahead_of_mirror(greeting.cursor);
  std::optional<Start> start;
  if (!ahead && store_ != nullptr) {
    start = start_of(user_id, *subscription, greeting.cursor, search);
    if (!start && waits) return std::nullopt;
    if (!start) ahead = Latecomers::the_end;
  }
  if (ahead) subscription->live = false;
  const std::string user = user_id;
  HookQueue::Hooks leave;
  try {
    enter(std::move(user_id), {subscription, std::move(greeting), std::move(search)}, ahead, start, wanted, leave);
  } catch (...) {
    withdraw(user, *subscription, std::move(leave));
    throw;
  }
  return std::error_code();
}

// The steps of `add` that change something, with the lock held. `leave` becomes what is to be told if they fail after
// it was told that the user has come.
SPATE_DECL void EmitterCore::enter(std::string user_id, Latecomers::Latecomer&& comer,
                                   std::optional<std::uint64_t> ahead, const std::optional<Start>& start,
                                   const SubscribeOptions& wanted, HookQueue::Hooks& leave) {
  const Ref<Subscription> subscription = comer.subscription;
  StreamCore& stream = subscription->stream();
  Places places(stream.own_shard(), 3);
  insert(std::move(user_id), subscription, leave);
  stream.open();
  if (ahead) {
    subscription->behind = true;
    stream.fall_behind();
    return wait_to_resume(places, *ahead, std::move(comer));
  }
  Opening opening;
  if (start) {
    opening = open(*subscription, std::move(comer.greeting), *start);
    if (!subscription->live) {
      subscription->replaying = subscription->behind = true;
      stream.fall_behind();
    }
  } else if (wanted.greeting) {
    opening.greeting = std::move(comer.greeting.fresh).finish();
  }
  post(places, subscription, std::move(opening));
  if (!places.post(subscription, Subscription::what_join)) erase(*subscription);
}

// As if `subscription` had never come.
SPATE_DECL void EmitterCore::withdraw(const std::string& id, Subscription& subscription,
                                      HookQueue::Hooks&& leave) noexcept {
  if (std::exchange(subscription.behind, false)) subscription.stream().caught_up();
  User* const user = index_.find(id);
  if (user == nullptr) return;
  if (subscription.user != nullptr) {
    if (Poll* const poll = poll_of(subscription)) {
      poll->user = nullptr;
      user->polls()->remove(*poll);
    }
    take_out(subscription);
  }
  if (bus_ != nullptr) {
    try {
      bus_->changed(id, user->streams());
    } catch (const std::bad_alloc&) {
      // It may count one stream too many until the user's next change.
    }
  }
  if (user->streams() > 0) return;
  index_.erase(*user);
  hooks_->push(Ref<Shard>(&subscription.feed().shard()), std::move(leave));
}

// The subscription of `stream` here, or null.
SPATE_DECL Ref<Subscription> EmitterCore::registered(const StreamCore& stream) const {
  if (const Ref<StreamSource> first = stream.registration()) {
    Ref<Subscription> subscription(static_cast<Subscription*>(first.get()));
    if (&subscription->feed().emitter() == this) return subscription;
  }
  const auto found = shared_.find(&stream);
  return found == shared_.end() ? nullptr : found->second;
}

// A stream has one place in the order of events, so it is here once. Its handler, which is called once, is mistaken
// when it adds it again; elsewhere another thread may have been faster.
SPATE_DECL std::error_code EmitterCore::refuse_twice(const StreamCore& stream, const std::string& user) {
  if (stream.in_handler()) {
    throw std::invalid_argument("spate::Emitter: the stream has been added already, for the user " + quote(user));
  }
  return make_error_code(Errc::already_added);
}

SPATE_DECL void EmitterCore::insert(std::string id, const Ref<Subscription>& subscription, HookQueue::Hooks& leave) {
  StreamCore& stream = subscription->stream();
  bool first = false;
  User& user = index_.obtain(std::move(id), first);
  index_.append(user, subscription);
  if (!stream.claim(Ref<StreamSource>(subscription))) shared_.emplace(&stream, subscription);
  if (stream.transport() == Transport::poll) insert_poll(user, *subscription);
  if (bus_ != nullptr) bus_->changed(user.id, user.streams());
  if (first) {
    HookQueue::Hooks join = hook(options_.on_join, user.id);
    leave = hook(options_.on_leave, user.id);
    hooks_->push(Ref<Shard>(&subscription->feed().shard()), std::move(join));
  }
  if (options_.max_streams_per_user > 0 && user.streams() > options_.max_streams_per_user) replace_oldest(user);
}

// A new poll takes the place of the last one of the same client, answered or still waiting; or, when the user has too
// many, of the oldest of any client.
SPATE_DECL void EmitterCore::insert_poll(User& user, Subscription& subscription) {
  Crowd& crowd = user.obtain_crowd();
  if (!crowd.polls) crowd.polls = std::make_unique<Polls>();
  Polls& polls = *crowd.polls;
  const auto poll = make_ref<Poll>(Ref<Feed>(&subscription.feed()), subscription.stream().poll_client());
  Polls::Place place = polls.prepare(poll);
  Poll* last = polls.find(poll->client());
  const std::size_t most = options_.max_polls_per_user;
  if (last == nullptr && most > 0 && polls.size() >= most) {
    last = polls.first_graced() != nullptr ? polls.first_graced() : &polls.first_waiting();
  }
  if (last != nullptr) {
    if (last->waiting != nullptr) {
      replace(Ref<Subscription>(last->waiting), EndReason::replaced);
    } else {
      forget(*last);
    }
  }
  poll->user = &user;
  poll->waiting = &subscription;
  polls.add(std::move(place));
}

// Of graced polls, where nobody waits, the one whose grace ends first; else the oldest stream.
SPATE_DECL void EmitterCore::replace_oldest(User& user) {
  if (user.graced() > 0) {
    forget(*user.polls()->first_graced());
  } else {
    replace(Ref<Subscription>(user.first), EndReason::replaced);
  }
}

SPATE_DECL void EmitterCore::replace(const Ref<Subscription>& subscription, EndReason reason) {
  // Whichever of the two fails, nothing is left half done: a stream that ends leaves by itself.
  subscription->stream().end(reason);
  part(subscription);
}

SPATE_DECL Ref<Poll> EmitterCore::unregister(Subscription& subscription, EndReason reason) {
  const std::lock_guard lock(mutex_);
  latecomers_.take(subscription);
  forget_departure(subscription);
  Poll* const poll = poll_of(subscription);
  const bool may_return = reason == EndReason::completed || reason == EndReason::client;
  if (poll == nullptr || !may_return || options_.poll_grace.count() == 0) {
    erase(subscription);
    return nullptr;
  }
  User& user = *subscription.user;
  take_out(subscription);
  user.polls()->grace(*poll);
  index_.count_graced(user);
  return Ref<Poll>(poll);
}

// The poll that `subscription` is, or null.
SPATE_DECL Poll* EmitterCore::poll_of(const Subscription& subscription) {
  if (subscription.user == nullptr || subscription.user->polls() == nullptr) return nullptr;
  if (subscription.stream().transport() != Transport::poll) return nullptr;
  Poll* const poll = subscription.user->polls()->find(subscription.stream().poll_client());
  return poll != nullptr && poll->waiting == &subscription ? poll : nullptr;
}

// Takes out what finds `subscription`.
SPATE_DECL void EmitterCore::take_out(Subscription& subscription) {
  if (!subscription.departed) latecomers_.take(subscription);
  if (!subscription.stream().unclaim(subscription)) shared_.erase(&subscription.stream());
  index_.remove(subscription);
}

// The caller holds a reference to `subscription`. Throws before it changes anything.
SPATE_DECL void EmitterCore::erase(Subscription& subscription) {
  User* const user = subscription.user;
  if (user == nullptr) return;
  HookQueue::Hooks leave = before_leaving(*user);
  if (Poll* const poll = poll_of(subscription)) {
    poll->user = nullptr;
    user->polls()->remove(*poll);
  }
  take_out(subscription);
  left(*user, subscription.feed().shard(), std::move(leave));
}

// The same for `poll`, whose client does not wait.
SPATE_DECL void EmitterCore::erase(Poll& poll) {
  User* const user = poll.user;
  if (user == nullptr) return;
  HookQueue::Hooks leave = before_leaving(*user);
  poll.user = nullptr;
  user->polls()->remove(poll);
  index_.uncount_graced(*user);
  left(*user, poll.feed().shard(), std::move(leave));
}

// Ends the grace of `poll` before its time.
SPATE_DECL void EmitterCore::forget(Poll& poll) {
  const Ref<Poll> forgotten(&poll);
  erase(poll);
  try {
    poll.feed().shard().post(forgotten, Poll::what_forget);
  } catch (const std::bad_alloc&) {
    // It is out of the registry, and finds that out when its time comes.
  }
}

// What may fail when `user` is to have one stream less. Returns what is to be told then.
SPATE_DECL HookQueue::Hooks EmitterCore::before_leaving(const User& user) {
  if (closed_) return {};  // nobody listens any more
  HookQueue::Hooks leave;
  if (user.streams() == 1) leave = hook(options_.on_leave, user.id);
  if (bus_ != nullptr) bus_->changed(user.id, user.streams() - 1);
  return leave;
}

// `user` has one stream less, which was on `shard`.
SPATE_DECL void EmitterCore::left(User& user, Shard& shard, HookQueue::Hooks&& leave) noexcept {
  if (user.streams() > 0) return;
  index_.erase(user);
  hooks_->push(Ref<Shard>(&shard), std::move(leave));
}

}  // namespace spate::detail
