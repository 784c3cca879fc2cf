// UserIndex: who is registered, found by id, by prefix, and counted by the names of events they take. Guarded by the
// emitter's lock.
#pragma once

#include <algorithm>
#include <cstddef>
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
#include <spate/registry/detail/ordered_index.hpp>
#include <spate/registry/detail/user.hpp>

namespace spate::detail {

class UserIndex {
 public:
  std::size_t users() const noexcept { return users_.size(); }
  std::size_t streams() const noexcept { return streams_; }
  bool contains(std::string_view id) const { return users_.find(id) != nullptr; }

  /// Null when there is none.
  User* find(std::string_view id) const;

  /// Any user; there must be one.
  User& any() const { return changeable(users_.any()); }

  /// The user, who is there from now on; `first` becomes whether they were not. Throws before it changes anything.
  User& obtain(std::string&& id, bool& first);

  /// Puts `subscription` after the others of `user`. Throws before it changes anything.
  void append(User& user, const Ref<Subscription>& subscription);

  /// Takes `subscription`, to which the caller holds a reference, out of the list of its user, who stays even without.
  void remove(Subscription& subscription) noexcept;

  /// The poll of a subscription that was taken out goes on counting, as one stream that takes every event.
  void count_graced(User& user) noexcept;
  void uncount_graced(User& user) noexcept;

  void erase(User& user);

  /// Visits the users of a group, sorted by bytes.
  template <typename Visit>
  void for_each(std::string_view prefix, Visit&& visit) const {
    order_.for_each(prefix, visit);
  }

  /// Visits the first `limit` users after `after`, sorted by bytes.
  template <typename Visit>
  void for_each_after(std::string_view after, std::size_t limit, Visit&& visit) const {
    order_.for_each_after(after, limit, visit);
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
      case Audience::Kind::topic:
      case Audience::Kind::topics: break;  // those of the topics themselves
    }
  }

  /// How many streams take events of that name.
  std::size_t listeners(std::string_view name) const;

 private:
  // The set goes by the id alone, which is constant in itself.
  static User& changeable(const User& user) noexcept { return const_cast<User&>(user); }

  void count_filter(const Subscription& subscription);

  void uncount_filter(const Subscription& subscription) noexcept;

  void uncount(std::span<const std::string> names) noexcept;

  SplitTable<std::unordered_set<User, NameHash, SameName>> users_;
  OrderedIndex<User> order_;
  std::size_t streams_ = 0;
  std::size_t unfiltered_ = 0;  // streams that take every event
  // For each name, the filtered streams that take it.
  std::unordered_map<std::string, std::size_t, NameHash, SameName> filters_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/user_index.ipp>
#endif
