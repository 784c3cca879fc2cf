// Polls: the clients of one user who poll, each from its first poll until it has not asked again for the grace period.
//
// While a poll waits it is an ordinary subscription. Once it is answered nothing is kept of it but its client's name,
// so that a client which asks a thousand times under a thousand names holds some hundred bytes for each, and no answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <spate/config.hpp>
#include <spate/loop/detail/resident.hpp>
#include <spate/registry/detail/topics.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

class Feed;
class Subscription;
struct User;

/// One of them. It lives on the shard of its last poll, which ends its grace.
class Poll final : public Resident {
 public:
  // Both where Feed is complete.
  Poll(Ref<Feed> feed, std::string_view name);
  SPATE_DECL ~Poll() override;

  const std::string& client() const noexcept { return client_; }
  Feed& feed() const noexcept { return *feed_; }

  // ---- under the emitter's lock ----

  User* user = nullptr;                 // null once it is out of the registry
  Subscription* waiting = nullptr;      // null while it is graced
  std::unique_ptr<TopicMember> topics;  // of one that is graced, if it has joined any
  TopicMember& obtain_topics();

  // ---- shard only ----

  /// The grace begins.
  void begin_grace();
  /// Its client has asked again, or its user has gone: there is no grace to end any more.
  void forget();
  SPATE_DECL void on_timer(TimePoint now) override;
  SPATE_DECL std::size_t on_cut() override;

 private:
  friend class Polls;
  void end_grace();

  const Ref<Feed> feed_;
  const std::string client_;
  std::list<Ref<Poll>>::iterator place_;  // in one of the lists of Polls
  Ref<Poll> self_;                        // while the timer is set, as it must not outlive this
};

/// Those of one user. Guarded by the emitter's lock.
class Polls {
 public:
  std::size_t size() const noexcept { return clients_.size(); }
  std::size_t graced() const noexcept { return graced_.size(); }

  /// Null when there is none of that name.
  Poll* find(std::string_view client) const;

  /// What keeping a poll needs, so that nothing can fail once the one is gone that it replaces.
  struct Nodes {
    std::list<Ref<Poll>> poll;
    std::unordered_map<std::string_view, Poll*>::node_type client;
  };
  Nodes prepare(Ref<Poll> poll);

  /// Adds one that waits, whose client has no other.
  void add(Nodes&& nodes) noexcept;

  /// `poll` has its answer.
  void grace(Poll& poll) noexcept;

  /// Takes out `poll`; it is gone with the call unless the caller holds a reference.
  void remove(Poll& poll) noexcept;

  template <typename Visit>
  void for_each_graced(Visit&& visit) const {
    for (const Ref<Poll>& poll : graced_) visit(*poll);
  }

  /// The one whose grace ends first, or null.
  Poll* first_graced() const noexcept { return graced_.empty() ? nullptr : graced_.front().get(); }
  /// The one that waits longest; there must be one.
  Poll& first_waiting() const noexcept { return *waiting_.front(); }

 private:
  std::unordered_map<std::string_view, Poll*> clients_;
  std::list<Ref<Poll>> waiting_;  // both in the order in which they came to be so
  std::list<Ref<Poll>> graced_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/polls.ipp>
#endif
