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
  const auto count = [&](const Subscription& each) { streams += each.accepts(name) ? 1U : 0U; };
  if (is_of_topics(audience)) {
    topics_.for_each(audience, Topics::not_kept, [&](const TopicMember& member) {
      if (member.subscription() == nullptr) {
        ++streams;
      } else {
        count(*member.subscription());
      }
    });
    return streams;
  }
  index_.for_each(audience, [&](const User& user) {
    streams += user.graced();
    user.for_each(count);
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
  HookQueue::Hooks joins, leaves;
  // Before a poll of the same client goes, so that its user does not leave a topic in between.
  if (TopicMember* const member = subscription->topic_member()) {
    topics_.enter(*member, user.id, came(user.id, joins));
    topics_.before_leaving(*member, goes(user.id, leaves));
  }
  if (!stream.claim(Ref<StreamSource>(subscription))) shared_.emplace(&stream, subscription);
  if (stream.transport() == Transport::poll) insert_poll(user, *subscription, replace);
  if (options_.bus) options_.bus->changed(user.id, user.streams());
  if (first) {
    joins.splice(joins.begin(), hook(on_join_, user.id));
    leaves.splice(leaves.end(), hook(on_leave_, user.id));
  }
  leave = std::move(leaves);
  hooks_.push(Ref<Shard>(&subscription->shard()), std::move(joins));
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
  HookQueue::Hooks leave = before_leaving(*user, subscription.topic_member());
  remove_from_index(subscription);
  after_leaving(*user, subscription.shard(), std::move(leave));
}

SPATE_DECL void Members::remove(Poll& poll) {
  User* const user = poll.user;
  if (user == nullptr) return;
  HookQueue::Hooks leave = before_leaving(*user, poll.topics.get());
  if (poll.topics) topics_.leave_all(*poll.topics);
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
  poll->topics = subscription.take_topic_member();
  if (poll->topics) poll->topics->pass_to(*poll);
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
  if (TopicMember* const member = subscription.topic_member()) topics_.leave_all(*member);
  if (!subscription.stream().unclaim(subscription)) shared_.erase(&subscription.stream());
  index_.remove(subscription);
}

// What may fail when `user` is to have one stream less. Returns what is to be told then.
SPATE_DECL HookQueue::Hooks Members::before_leaving(const User& user, const TopicMember* member) {
  if (closed_) return {};  // nobody listens any more
  HookQueue::Hooks leave;
  if (member != nullptr) topics_.before_leaving(*member, goes(user.id, leave));
  if (user.streams() == 1) leave.splice(leave.end(), hook(on_leave_, user.id));
  if (options_.bus) options_.bus->changed(user.id, user.streams() - 1);
  return leave;
}

// `user` has one stream less, which was on `shard`.
SPATE_DECL void Members::after_leaving(User& user, Shard& shard, HookQueue::Hooks&& leave) noexcept {
  if (user.streams() == 0) index_.erase(user);
  hooks_.push(Ref<Shard>(&shard), std::move(leave));
}

// ---- topics ----

SPATE_DECL void Members::begin_generation() noexcept {
  index_.for_each(std::string_view(), [](const User& user) {
    user.for_each([](Subscription& each) { each.begin_generation(); });
    if (user.polls() == nullptr) return;
    user.polls()->for_each_graced([](Poll& poll) {
      if (poll.topics) poll.topics->forget_since();
    });
  });
}

SPATE_DECL Topics::Told Members::teller(const SharedHook<const std::string&, const std::string&>& function,
                                        const std::string& user, HookQueue::Hooks& hooks) const {
  return [&hooks, &user, &function](const std::string& topic) {
    if (function) hooks.push_back([function, topic, user] { (*function)(topic, user); });
  };
}

SPATE_DECL bool Members::join(Subscription& subscription, std::string_view topic, std::uint64_t since) {
  return join(subscription.obtain_topic_member(), *subscription.user, subscription.shard(), topic, since);
}

SPATE_DECL bool Members::join(TopicMember& member, const User& user, Shard& shard, std::string_view topic,
                              std::uint64_t since) {
  HookQueue::Hooks hooks;
  if (!topics_.join(member, user.id, topic, since, came(user.id, hooks))) return false;
  hooks_.push(Ref<Shard>(&shard), std::move(hooks));
  return true;
}

SPATE_DECL bool Members::leave(Subscription& subscription, std::string_view topic) {
  TopicMember* const member = subscription.topic_member();
  if (member == nullptr || !leave(*member, subscription.shard(), topic)) return false;
  subscription.forget_topic_catch_up(topic);
  return true;
}

SPATE_DECL bool Members::leave(TopicMember& member, Shard& shard, std::string_view topic) {
  HookQueue::Hooks hooks;
  if (!topics_.leave(member, topic, goes(member.user(), hooks))) return false;
  hooks_.push(Ref<Shard>(&shard), std::move(hooks));
  return true;
}

SPATE_DECL bool Members::has_joined(const Subscription& subscription, std::string_view topic) const {
  const TopicMember* const member = subscription.topic_member();
  return member != nullptr && topics_.has(*member, topic);
}

SPATE_DECL bool Members::join(User& user, std::string_view topic, std::uint64_t since) {
  bool all = true;
  const auto join_one = [&](TopicMember& member, Shard& shard) {
    if (!may_join(&member) && !topics_.has(member, topic)) {
      all = false;
    } else {
      join(member, user, shard, topic, since);
    }
  };
  user.for_each([&](Subscription& each) { join_one(each.obtain_topic_member(), each.shard()); });
  if (user.polls() == nullptr) return all;
  user.polls()->for_each_graced([&](Poll& poll) { join_one(poll.obtain_topics(), poll.feed().shard()); });
  return all;
}

SPATE_DECL void Members::leave(User& user, std::string_view topic) {
  user.for_each([&](Subscription& each) { leave(each, topic); });
  if (user.polls() == nullptr) return;
  user.polls()->for_each_graced([&](Poll& poll) {
    if (poll.topics) leave(*poll.topics, poll.feed().shard(), topic);
  });
}

}  // namespace spate::detail
