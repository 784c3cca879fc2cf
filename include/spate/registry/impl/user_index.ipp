// The functions of user_index.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/registry/detail/user_index.hpp>

namespace spate::detail {

SPATE_DECL User* UserIndex::find(std::string_view id) const {
  const User* const found = users_.find(id);
  return found == nullptr ? nullptr : &changeable(*found);
}

SPATE_DECL User& UserIndex::obtain(std::string&& id, bool& first) {
  if (User* user = find(id)) return *user;
  first = true;
  const std::string_view name(id);  // is read before `id` is moved from
  User& user = changeable(*users_.emplace(name, std::move(id)));
  try {
    order_.insert(&user);
  } catch (...) {
    users_.erase(user.id);
    throw;
  }
  return user;
}

SPATE_DECL void UserIndex::append(User& user, const Ref<Subscription>& subscription) {
  if (user.first) user.obtain_multi_stream();
  count_filter(*subscription);
  subscription->user = &user;
  if (user.first) {
    Subscription& last = *std::exchange(user.first->previous, subscription.get());
    subscription->previous = &last;
    last.next = subscription;
  } else {
    subscription->previous = subscription.get();
    user.first = subscription;
  }
  if (user.multi_stream) ++user.multi_stream->streams;
  ++streams_;
}

SPATE_DECL void UserIndex::remove(Subscription& subscription) noexcept {
  User& user = *std::exchange(subscription.user, nullptr);
  Subscription* const previous = std::exchange(subscription.previous, nullptr);
  Ref<Subscription> next = std::exchange(subscription.next, nullptr);
  const bool was_first = user.first.get() == &subscription;
  if (next) {
    next->previous = previous;
  } else if (!was_first) {
    user.first->previous = previous;  // the last one now
  }
  (was_first ? user.first : previous->next) = std::move(next);
  if (user.multi_stream) --user.multi_stream->streams;
  --streams_;
  uncount_filter(subscription);
}

SPATE_DECL void UserIndex::count_graced(User& user) noexcept {
  ++user.multi_stream->streams;
  ++streams_;
  ++unfiltered_;
}

SPATE_DECL void UserIndex::uncount_graced(User& user) noexcept {
  --user.multi_stream->streams;
  --streams_;
  --unfiltered_;
}

SPATE_DECL void UserIndex::erase(User& user) {
  order_.erase(&user);
  users_.erase(user.id);
}

SPATE_DECL std::size_t UserIndex::listeners(std::string_view name) const {
  const auto found = filters_.find(name.empty() ? std::string_view("message") : name);
  return unfiltered_ + (found == filters_.end() ? 0 : found->second);
}

SPATE_DECL void UserIndex::count_filter(const Subscription& subscription) {
  if (subscription.filter() == nullptr) {
    ++unfiltered_;
    return;
  }
  const std::vector<std::string>& names = *subscription.filter();
  std::size_t counted = 0;
  try {
    for (; counted < names.size(); ++counted) ++filters_[names[counted]];
  } catch (...) {
    uncount({names.data(), counted});
    throw;
  }
}

SPATE_DECL void UserIndex::uncount_filter(const Subscription& subscription) noexcept {
  if (subscription.filter() == nullptr) {
    --unfiltered_;
  } else {
    uncount(*subscription.filter());
  }
}

SPATE_DECL void UserIndex::uncount(std::span<const std::string> names) noexcept {
  for (const std::string& name : names) {
    const auto found = filters_.find(name);
    if (--found->second == 0) filters_.erase(found);
  }
}

}  // namespace spate::detail
