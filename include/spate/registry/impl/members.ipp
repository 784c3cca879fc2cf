// The functions of members.hpp.
#pragma once

#include <new>
#include <utility>

#include <spate/config.hpp>
#include <spate/registry/detail/feed.hpp>
#include <spate/registry/detail/members.hpp>

namespace spate::detail {

// ---- who is there ----

SPATE_DECL std::vector<std::string> Members::ids(std::string_view prefix) const {
  std::vector<std::string> ids;
  index_.for_each(prefix, [&](const User& user) { ids.push_back(user.id); });
  return ids;
}

SPATE_DECL std::vector<UserStreams> Members::users_after(std::string_view after, std::size_t limit) const {
  std::vector<UserStreams> users;
  index_.for_each_after(after, limit, [&](const User& user) { users.emplace_back(user.id, user.streams()); });
  return users;
}

SPATE_DECL Ref<Subscription> Members::find(const StreamCore& stream) const {
  if (const Ref<StreamSource> first = stream.registration()) {
    Ref<Subscription> subscription(static_cast<Subscription*>(first.get()));
    if (&subscription->feed().emitter() == &emitter_) return subscription;
  }
  const auto found = shared_.find(&stream);
  return found == shared_.end() ? nullptr : found->second;
}

SPATE_DECL std::size_t Members::listeners(const Audience& audience, std::string_view name) const {
  if (audience.kind() == Audience::Kind::everybody) return listeners(name);
  std::size_t streams = 0;
  index_.for_each(audience, [&](const User& user) {
    streams += user.graced();
    user.for_each([&](const Subscription& each) { streams += each.accepts(name) ? 1U : 0U; });
  });
  return streams;
}

// ---- coming and going ----

SPATE_DECL void Members::insert(std::string id, const Ref<Subscription>& subscription, HookQueue::Hooks& leave,
                                const Replace& replace) {
  StreamCore& stream = subscription->stream();
  bool first = false;
  User& user = index_.obtain(std::move(id), first);
  index_.append(user, subscription);
  if (!stream.claim(Ref<StreamSource>(subscription))) shared_.emplace(&stream, subscription);
  if (stream.transport() == Transport::poll) insert_poll(user, *subscription, replace);
  if (options_.bus) options_.bus->changed(user.id, user.streams());
  if (first) {
    HookQueue::Hooks join = hook(on_join_, user.id);
    leave = hook(on_leave_, user.id);
    hooks_.push(Ref<Shard>(&subscription->shard()), std::move(join));
  }
  if (options_.max_streams_per_user == 0 || user.streams() <= options_.max_streams_per_user) return;
  // Of graced polls, where nobody waits, the one whose grace ends first; else the oldest stream.
  if (user.graced() > 0) {
    end_grace(*user.polls()->first_graced());
  } else {
    replace(Ref<Subscription>(user.first));
  }
}

// A new poll takes the place of the last one of the same client, answered or still waiting; or, when the user has too
// many, of the oldest of any client.
SPATE_DECL void Members::insert_poll(User& user, Subscription& subscription, const Replace& replace) {
  MultiStream& multi_stream = user.obtain_multi_stream();
  if (!multi_stream.polls) multi_stream.polls = std::make_unique<Polls>();
  Polls& polls = *multi_stream.polls;
  const auto poll = make_ref<Poll>(Ref<Feed>(&subscription.feed()), subscription.stream().poll_client());
  Polls::Nodes nodes = polls.prepare(poll);
  Poll* last = polls.find(poll->client());
  const std::size_t limit = options_.max_polls_per_user;
  if (last == nullptr && limit > 0 && polls.size() >= limit) {
    last = polls.first_graced() != nullptr ? polls.first_graced() : &polls.first_waiting();
  }
  if (last != nullptr) {
    if (last->waiting != nullptr) {
      replace(Ref<Subscription>(last->waiting));
    } else {
      end_grace(*last);
    }
  }
  poll->user = &user;
  poll->waiting = &subscription;
  polls.add(std::move(nodes));
}

SPATE_DECL void Members::undo_insert(const std::string& id, Subscription& subscription,
                                     HookQueue::Hooks&& leave) noexcept {
  User* const user = index_.find(id);
  if (user == nullptr) return;
  if (subscription.user != nullptr) remove_from_index(subscription);
  if (options_.bus) {
    try {
      options_.bus->changed(id, user->streams());
    } catch (const std::bad_alloc&) {
      // It may count one stream too many until the user's next change.
    }
  }
  after_leaving(*user, subscription.shard(), std::move(leave));
}

SPATE_DECL void Members::remove(Subscription& subscription) {
  User* const user = subscription.user;
  if (user == nullptr) return;
  HookQueue::Hooks leave = before_leaving(*user);
  remove_from_index(subscription);
  after_leaving(*user, subscription.shard(), std::move(leave));
}

SPATE_DECL void Members::remove(Poll& poll) {
  User* const user = poll.user;
  if (user == nullptr) return;
  HookQueue::Hooks leave = before_leaving(*user);
  poll.user = nullptr;
  user->polls()->remove(poll);
  index_.uncount_graced(*user);
  after_leaving(*user, poll.feed().shard(), std::move(leave));
}

SPATE_DECL Ref<Poll> Members::begin_grace(Subscription& subscription) {
  Ref<Poll> poll(poll_of(subscription));
  if (!poll) return nullptr;
  User& user = *subscription.user;
  user.polls()->grace(*poll);
  remove_from_index(subscription);
  index_.count_graced(user);
  return poll;
}

SPATE_DECL void Members::end_grace(Poll& poll) {
  const Ref<Poll> forgotten(&poll);
  remove(poll);
  try {
    poll.feed().shard().post(call<&Poll::forget>(forgotten));
  } catch (const std::bad_alloc&) {
    // It is out of the registry, and finds that out when its time comes.
  }
}

SPATE_DECL HookQueue::Hooks Members::hook(const SharedHook<const std::string&>& function, const std::string& user) {
  HookQueue::Hooks hooks;
  if (function) hooks.push_back([function, user] { (*function)(user); });
  return hooks;
}

// The poll that `subscription` is, or null.
SPATE_DECL Poll* Members::poll_of(const Subscription& subscription) {
  if (subscription.user == nullptr || subscription.user->polls() == nullptr) return nullptr;
  if (subscription.stream().transport() != Transport::poll) return nullptr;
  Poll* const poll = subscription.user->polls()->find(subscription.stream().poll_client());
  return poll != nullptr && poll->waiting == &subscription ? poll : nullptr;
}

// Removes what finds `subscription`, and the poll that it is, if it waits as one.
SPATE_DECL void Members::remove_from_index(Subscription& subscription) {
  if (Poll* const poll = poll_of(subscription)) {
    poll->user = nullptr;
    subscription.user->polls()->remove(*poll);
  }
  if (!subscription.stream().unclaim(subscription)) shared_.erase(&subscription.stream());
  index_.remove(subscription);
}

// What may fail when `user` is to have one stream less. Returns what is to be told then.
SPATE_DECL HookQueue::Hooks Members::before_leaving(const User& user) {
  if (closed_) return {};  // nobody listens any more
  HookQueue::Hooks leave;
  if (user.streams() == 1) leave = hook(on_leave_, user.id);
  if (options_.bus) options_.bus->changed(user.id, user.streams() - 1);
  return leave;
}

// `user` has one stream less, which was on `shard`.
SPATE_DECL void Members::after_leaving(User& user, Shard& shard, HookQueue::Hooks&& leave) noexcept {
  if (user.streams() > 0) return;
  index_.erase(user);
  hooks_.push(Ref<Shard>(&shard), std::move(leave));
}

}  // namespace spate::detail
