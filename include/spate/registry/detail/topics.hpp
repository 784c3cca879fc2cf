// Topics: which streams have joined which topics. Guarded by the emitter's lock.
//
// A topic is there as long as somebody has joined it. Joining and leaving cost the same however many have, and a topic
// with one stream in it takes some 250 bytes, those of its stream included.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/audience.hpp>
#include <spate/history/detail/split_table.hpp>
#include <spate/history/subscriber.hpp>

namespace spate::detail {

class Poll;
class Subscription;
struct Topic;

/// What has joined topics: a stream, or a poll that has its answer and is given the time to ask again.
class TopicMember {
 public:
  explicit TopicMember(Subscription& subscription) noexcept : subscription_(&subscription) {}
  explicit TopicMember(Poll& poll) noexcept : poll_(&poll) {}
  TopicMember(const TopicMember&) = delete;
  TopicMember& operator=(const TopicMember&) = delete;

  /// The topics, each once. They are known before it is registered, and when it has left as well.
  std::span<const JoinedTopic> joined() const noexcept { return joined_; }
  /// The numbers of another history begin: whatever they are, everything in it is newer than the joining.
  void forget_since() noexcept {
    for (JoinedTopic& topic : joined_) topic.since = 0;
  }

  /// Null when it is a poll that is graced.
  Subscription* subscription() const noexcept { return subscription_; }
  /// `poll` goes on in its place.
  void pass_to(Poll& poll) noexcept {
    subscription_ = nullptr;
    poll_ = &poll;
  }
  /// Whose it is, while it is registered.
  const std::string& user() const noexcept { return *user_; }

 private:
  friend class Topics;

  struct Place {
    Topic* topic = nullptr;
    std::uint32_t index = 0;  // in its list
  };

  std::vector<JoinedTopic> joined_;
  std::vector<Place> places_;  // of each of them, while it is registered
  Subscription* subscription_ = nullptr;
  Poll* poll_ = nullptr;
  const std::string* user_ = nullptr;
  std::uint64_t found_by_ = 0;  // the last search for many topics that has found it
};

struct Topic {
  struct Member {
    TopicMember* member = nullptr;
    std::uint32_t index = 0;  // of this topic among those of the member
  };

  explicit Topic(std::string name) : id(std::move(name)) {}

  const std::string id;
  std::vector<Member> members;
};

class Topics {
 public:
  /// `tells_users` says whether anybody wants to know which users come into a topic and go.
  explicit Topics(bool tells_users) noexcept : tells_users_(tells_users) {}

  /// Notes that `member`, which is not registered yet, is to join `name`.
  static void note(TopicMember& member, std::string_view name);

  /// In place of the sequence number of an event that is not kept.
  static constexpr std::uint64_t not_kept = std::numeric_limits<std::uint64_t>::max();

  /// Called with the name of a topic into which the first stream of a user has come, or the last has gone.
  using Told = std::function<void(const std::string& topic)>;

  /// Registers `member`, which is one of `user`, with its topics. Throws before it changes anything.
  void enter(TopicMember& member, const std::string& user, const Told& came);
  /// Visits the topics that the user of `member` will have left when it has gone.
  void before_leaving(const TopicMember& member, const Told& goes) const;
  /// Takes `member` out of its topics; it still knows which they were.
  void leave_all(TopicMember& member) noexcept;

  /// `member`, which is one of `user`, joins `name`, and is not owed what the topic was sent up to `since`. Returns
  /// false when it has joined it already. Throws before it changes anything.
  bool join(TopicMember& member, const std::string& user, std::string_view name, std::uint64_t since, const Told& came);
  /// Returns false when it has not joined it. `goes` is called before anything changes.
  bool leave(TopicMember& member, std::string_view name, const Told& goes);

  bool has(const TopicMember& member, std::string_view name) const { return find(member, name) != nowhere; }

  /// Visits those who have joined a topic of `audience` before the event `sequence`, each once.
  template <typename Visit>
  void for_each(const Audience& audience, std::uint64_t sequence, Visit&& visit) const {
    const bool several = audience.kind() == Audience::Kind::topics;
    const std::uint64_t search = several ? ++searches_ : 0;
    const auto visit_members = [&](std::string_view name) {
      const Topic* const topic = topics_.find(name);
      if (topic == nullptr) return;
      for (const Topic::Member& each : topic->members) {
        if (each.member->joined_[each.index].since >= sequence) continue;
        if (several && std::exchange(each.member->found_by_, search) == search) continue;
        visit(*each.member);
      }
    };
    if (!several) return visit_members(audience.name());
    for (const std::string& name : audience.names()) visit_members(name);
  }

  /// The users who have joined, each as often as with streams.
  std::vector<std::string> users(std::string_view name) const;

  std::size_t size() const noexcept { return topics_.size(); }

 private:
  using UserInTopic = std::pair<const Topic*, const std::string*>;
  struct HashUserInTopic {
    std::size_t operator()(const UserInTopic& both) const noexcept {
      return std::hash<const void*>()(both.first) * 31 + std::hash<const void*>()(both.second);
    }
  };

  static Topic& changeable(const Topic& topic) noexcept { return const_cast<Topic&>(topic); }
  // Makes room for one more, so that adding it does not fail.
  template <typename T>
  static void reserve_one(std::vector<T>& list) {
    if (list.size() == list.capacity()) list.reserve(std::max<std::size_t>(1, 2 * list.size()));
  }
  static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

  Topic& obtain(std::string_view name);
  std::size_t find(const TopicMember& member, std::string_view name) const;
  void add(TopicMember& member, std::size_t index, Topic& topic, const Told& came);
  void remove(TopicMember& member, std::size_t index) noexcept;
  void erase_if_empty(Topic& topic) noexcept;
  bool is_last(const TopicMember& member, const Topic& topic) const;

  const bool tells_users_;
  // By `id`, which is constant in itself.
  SplitTable<std::unordered_set<Topic, NameHash, SameName>> topics_;
  std::unordered_map<UserInTopic, std::size_t, HashUserInTopic> streams_;  // of a user in a topic, if anybody is told
  mutable std::uint64_t searches_ = 0;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/topics.ipp>
#endif
