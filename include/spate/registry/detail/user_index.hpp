// UserIndex: who is registered, found by id, by prefix, and counted by the names of events they take. Guarded by the
// emitter's lock.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <spate/registry/audience.hpp>
#include <spate/registry/detail/ordered_index.hpp>
#include <spate/registry/detail/subscription.hpp>

namespace spate::detail {

class UserIndex {
 public:
  std::size_t users() const noexcept { return users_.size(); }
  std::size_t streams() const noexcept { return streams_; }
  bool contains(std::string_view id) const { return users_.contains(id); }

  /// Null when there is none.
  User* find(std::string_view id) const {
    const auto found = users_.find(id);
    return found == users_.end() ? nullptr : found->get();
  }

  /// Any user; there must be one.
  User& any() const { return **users_.begin(); }

  /// The user, who is there from now on; `first` becomes whether he was not.
  User& obtain(std::string&& id, bool& first) {
    if (User* user = find(id)) return *user;
    first = true;
    User* user = users_.insert(std::make_unique<User>(User{std::move(id), {}})).first->get();
    try {
      order_.insert(user);
    } catch (...) {
      users_.erase(users_.find(std::string_view(user->id)));
      throw;
    }
    return *user;
  }

  /// Puts `subscription` behind the others of `user`; returns how many he has now.
  std::size_t append(User& user, const Ref<Subscription>& subscription) {
    std::size_t count = 1;
    Ref<Subscription>* last = &user.first;
    for (; *last; last = &(*last)->next) ++count;
    count_filter(*subscription, 1);  // which may fail: before the rest
    subscription->user = &user;
    *last = subscription;
    ++streams_;
    return count;
  }

  /// Takes `subscription`, to which the caller holds a reference, out of the list of its user, who stays even without.
  void remove(Subscription& subscription) {
    Ref<Subscription>* at = &std::exchange(subscription.user, nullptr)->first;
    while (at->get() != &subscription) at = &(*at)->next;
    *at = Ref<Subscription>(std::exchange(subscription.next, nullptr));
    --streams_;
    count_filter(subscription, -1);
  }

  void erase(User& user) {
    order_.erase(&user);
    users_.erase(users_.find(std::string_view(user.id)));
  }

  /// Visits the users of a group, sorted by bytes.
  template <typename Visit>
  void for_each(std::string_view prefix, Visit&& visit) const {
    order_.for_each(prefix, visit);
  }

  /// Visits the users of `audience`, each once.
  template <typename Visit>
  void for_each(const Audience& audience, Visit&& visit) const {
    switch (audience.kind()) {
      case Audience::Kind::user:
        if (const User* user = find(audience.name())) visit(*user);
        break;
      case Audience::Kind::users: {
        std::vector<std::string_view> names(audience.names().begin(), audience.names().end());
        std::sort(names.begin(), names.end());
        names.erase(std::unique(names.begin(), names.end()), names.end());
        for (const std::string_view name : names) {
          if (const User* user = find(name)) visit(*user);
        }
        break;
      }
      case Audience::Kind::group: order_.for_each(audience.name(), visit); break;
      case Audience::Kind::everybody: order_.for_each({}, visit); break;
    }
  }

  /// How many streams take events of that name.
  std::size_t listeners(std::string_view name) const {
    if (filters_.empty()) return unfiltered_;
    const auto found = filters_.find(name.empty() ? std::string("message") : std::string(name));
    return unfiltered_ + (found == filters_.end() ? 0 : found->second);
  }

 private:
  // Not noexcept: then the common libraries keep each hash beside its user, and a look-up visits no other user.
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view id) const { return std::hash<std::string_view>()(id); }
    std::size_t operator()(const std::unique_ptr<User>& user) const { return (*this)(user->id); }
  };
  struct Equal {
    using is_transparent = void;
    static std::string_view key(std::string_view id) noexcept { return id; }
    static std::string_view key(const std::unique_ptr<User>& user) noexcept { return user->id; }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const noexcept {
      return key(a) == key(b);
    }
  };

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

  std::unordered_set<std::unique_ptr<User>, Hash, Equal> users_;
  OrderedIndex<User> order_;
  std::size_t streams_ = 0;
  std::size_t unfiltered_ = 0;                            // streams that take every event
  std::unordered_map<std::string, std::size_t> filters_;  // for each name, the filtered streams that take it
};

}  // namespace spate::detail
