// Members: who is registered with one emitter, and what their coming and going brings with it: the hooks, what the bus
// is told, polls that are given time to ask again, and the limits for each user.
//
// What else there is of a subscription that goes (what it is owed, where it waits) is for others to see to. Guarded by
// the emitter's lock.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/audience.hpp>
#include <spate/registry/bus.hpp>
#include <spate/registry/detail/hook_queue.hpp>
#include <spate/registry/detail/polls.hpp>
#include <spate/registry/detail/subscription.hpp>
#include <spate/registry/detail/topics.hpp>
#include <spate/registry/detail/user.hpp>
#include <spate/registry/detail/user_index.hpp>
#include <spate/registry/emitter_options.hpp>

namespace spate::detail {

class EmitterCore;

class Members {
 public:
  /// Those of `emitter`, which serves as an identity only.
  Members(const EmitterOptions& options, HookQueue& hooks, const EmitterCore& emitter)
      : options_(options),
        on_join_(share(options.on_join)),
        on_leave_(share(options.on_leave)),
        on_topic_join_(share(options.on_topic_join)),
        on_topic_leave_(share(options.on_topic_leave)),
        hooks_(hooks),
        emitter_(emitter),
        topics_(options.on_topic_join != nullptr || options.on_topic_leave != nullptr) {}

  // ---- who is there ----

  UserCounts counts() const noexcept { return {index_.users(), index_.streams()}; }
  bool contains(std::string_view id) const { return index_.contains(id); }

  /// The users of a group, sorted by bytes.
  std::vector<std::string> ids(std::string_view prefix) const;
  /// The first `limit` users after `after`, sorted by bytes.
  std::vector<UserStreams> users_after(std::string_view after, std::size_t limit) const;

  /// Null when there is none.
  User* find(std::string_view id) const { return index_.find(id); }
  /// Any user; null when there is none.
  User* any() const { return index_.users() == 0 ? nullptr : &index_.any(); }
  /// The subscription of `stream` here, or null.
  Ref<Subscription> find(const StreamCore& stream) const;

  /// Visits the users of `audience`, each once.
  template <typename Visit>
  void for_each(const Audience& audience, Visit&& visit) const {
    index_.for_each(audience, visit);
  }
  /// Visits the subscriptions that are live.
  template <typename Visit>
  void for_each_live(Visit&& visit) const {
    index_.for_each(std::string_view(), [&](const User& user) {
      user.for_each([&](Subscription& each) {
        if (each.live) visit(each);
      });
    });
  }

  const Topics& topics() const noexcept { return topics_; }

  /// How many streams take events of that name.
  std::size_t listeners(std::string_view name) const { return index_.listeners(name); }
  /// How many streams an event of that name for `audience` is for.
  std::size_t listeners(const Audience& audience, std::string_view name) const;

  // ---- coming and going ----

  /// Ends a stream for which there is no room any more, and removes it.
  using Replace = std::function<void(const Ref<Subscription>&)>;

  /// Registers `subscription` under the user `id`. `leave` becomes what is to be told by `undo_insert`, if something
  /// fails after it was told that the user has come.
  void insert(std::string id, const Ref<Subscription>& subscription, HookQueue::Hooks& leave, const Replace& replace);

  /// Undoes `insert`, after it or what follows it has failed.
  void undo_insert(const std::string& id, Subscription& subscription, HookQueue::Hooks&& leave) noexcept;

  /// Removes `subscription`, to which the caller holds a reference, if it is there. Throws before it changes
  /// anything.
  void remove(Subscription& subscription);
  /// The same for `poll`, whose client does not wait.
  void remove(Poll& poll);

  /// Removes `subscription`, a poll that has its answer, and leaves its client registered. Returns null, and does
  /// nothing, when it is no poll, or another one has its place.
  Ref<Poll> begin_grace(Subscription& subscription);

  /// `subscription`, which is registered, joins `topic`, and is not owed what that was sent up to `since`. Returns
  /// false when it has joined it already. Throws before it changes anything.
  bool join(Subscription& subscription, std::string_view topic, std::uint64_t since);
  bool has_joined(const Subscription& subscription, std::string_view topic) const;
  /// Whether it may join one more.
  bool may_join(const Subscription& subscription) const noexcept { return may_join(subscription.topic_member()); }
  bool leave(Subscription& subscription, std::string_view topic);
  /// The same for all that is registered of `user`. Returns false when one of them has joined too many already.
  bool join(User& user, std::string_view topic, std::uint64_t since);
  void leave(User& user, std::string_view topic);

  /// Another log begins, in which all is newer than what anybody has joined.
  void begin_generation() noexcept;

  /// Ends the grace of `poll` before its time.
  void end_grace(Poll& poll);

  /// Nobody is told of anything any more.
  void close() noexcept { closed_ = true; }
  bool closed() const noexcept { return closed_; }

 private:
  // The hook `function`, which may be empty, for `user`: to be queued when all that may fail has been done.
  static HookQueue::Hooks hook(const SharedHook<const std::string&>& function, const std::string& user);

  // Tells, once it is queued, that `user` has come into a topic, or goes from one.
  Topics::Told teller(const SharedHook<const std::string&, const std::string&>& function, const std::string& user,
                      HookQueue::Hooks& hooks) const;
  Topics::Told came(const std::string& user, HookQueue::Hooks& hooks) const {
    return teller(on_topic_join_, user, hooks);
  }
  Topics::Told goes(const std::string& user, HookQueue::Hooks& hooks) const {
    return teller(on_topic_leave_, user, hooks);
  }
  bool may_join(const TopicMember* member) const noexcept {
    const std::size_t most = options_.max_topics_per_stream;
    return member == nullptr || most == 0 || member->joined().size() < most;
  }
  bool join(TopicMember& member, const User& user, Shard& shard, std::string_view topic, std::uint64_t since);
  bool leave(TopicMember& member, Shard& shard, std::string_view topic);

  void insert_poll(User& user, Subscription& subscription, const Replace& replace);
  static Poll* poll_of(const Subscription& subscription);
  void remove_from_index(Subscription& subscription);
  HookQueue::Hooks before_leaving(const User& user, const TopicMember* member);
  void after_leaving(User& user, Shard& shard, HookQueue::Hooks&& leave) noexcept;

  const EmitterOptions& options_;
  const SharedHook<const std::string&> on_join_, on_leave_;
  const SharedHook<const std::string&, const std::string&> on_topic_join_, on_topic_leave_;
  HookQueue& hooks_;
  const EmitterCore& emitter_;
  UserIndex index_;
  Topics topics_;
  // Of streams that another emitter came to first.
  std::unordered_map<const StreamCore*, Ref<Subscription>> shared_;
  bool closed_ = false;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/members.ipp>
#endif
