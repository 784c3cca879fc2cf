// The functions of audience.hpp.
#pragma once

#include <algorithm>

#include <spate/config.hpp>
#include <spate/history/audience.hpp>

namespace spate {

SPATE_DECL bool Audience::includes(std::string_view user) const noexcept {
  switch (kind_) {
    case Kind::user: return user == name_;
    case Kind::group: return user.substr(0, name_.size()) == name_;
    case Kind::everybody: return true;
    case Kind::users:
      for (const std::string& name : names_) {
        if (user == name) return true;
      }
      return false;
    case Kind::topic:
    case Kind::topics: return false;
  }
  return false;
}

SPATE_DECL bool Audience::includes(const Subscriber& subscriber, std::uint64_t sequence) const noexcept {
  if (kind_ != Kind::topic && kind_ != Kind::topics) return !subscriber.user.empty() && includes(subscriber.user);
  return std::any_of(subscriber.topics.begin(), subscriber.topics.end(), [&](const JoinedTopic& joined) {
    if (sequence <= joined.since) return false;
    return kind_ == Kind::topic ? joined.name == name_
                                : std::find(names_.begin(), names_.end(), joined.name) != names_.end();
  });
}

}  // namespace spate
