// Polls: the clients of one user who poll, each from its first poll until it has not asked again for the grace period.
//
// While a poll waits it is an ordinary subscription. Once it is answered nothing is kept of it but its client's name,
// so that a client which asks a thousand times under a thousand names holds some hundred bytes for each, and no answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <spate/stream/detail/resident.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

class Feed;
class Subscription;
struct User;

/// One of them. It lives on the shard of its last poll, which ends its grace.
class Poll final : public Resident {
 public:
  enum : std::uint32_t { what_forget };

  // Both where Feed is complete.
  inline Poll(Ref<Feed> feed, std::string_view name);
  inline ~Poll() override;

  const std::string& client() const noexcept { return client_; }
  Feed& feed() const noexcept { return *feed_; }

  // ---- under the emitter's lock ----

  User* user = nullptr;             // null once it is out of the registry
  Subscription* waiting = nullptr;  // null while it is graced

  // ---- shard only ----

  /// The grace begins.
  inline void begin_grace();
  inline void receive(std::uint32_t what, EncodedEvent&& event) override;
  inline void on_timer(TimePoint now) override;
  inline bool on_cut() override;

 private:
  friend class Polls;
  inline void end_grace();

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
  Poll* find(std::string_view client) const {
    const auto found = clients_.find(client);
    return found == clients_.end() ? nullptr : found->second;
  }

  /// What keeping a poll needs, so that nothing can fail once the one is gone whose place it takes.
  struct Place {
    std::list<Ref<Poll>> poll;
    std::unordered_map<std::string_view, Poll*>::node_type client;
  };
  Place prepare(Ref<Poll> poll) {
    Place place;
    std::unordered_map<std::string_view, Poll*> client;
    client.emplace(poll->client(), poll.get());
    place.client = client.extract(client.begin());
    place.poll.push_back(std::move(poll));
    clients_.reserve(clients_.size() + 1);
    return place;
  }

  /// Adds one that waits, whose client has no other.
  void add(Place&& place) noexcept {
    place.poll.front()->place_ = place.poll.begin();
    waiting_.splice(waiting_.end(), place.poll);
    clients_.insert(std::move(place.client));
  }

  /// `poll` has its answer.
  void grace(Poll& poll) noexcept {
    graced_.splice(graced_.end(), waiting_, poll.place_);
    poll.waiting = nullptr;
  }

  /// Takes out `poll`; it is gone with the call unless the caller holds a reference.
  void remove(Poll& poll) noexcept {
    const Ref<Poll> held(&poll);  // the list's may be the last
    clients_.erase(poll.client());
    (poll.waiting == nullptr ? graced_ : waiting_).erase(poll.place_);
    poll.waiting = nullptr;
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
