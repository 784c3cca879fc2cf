// The functions of topics.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/registry/detail/topics.hpp>

namespace spate::detail {

SPATE_DECL void Topics::note(TopicMember& member, std::string_view name) {
  const auto known = [name](const JoinedTopic& each) { return each.name == name; };
  if (std::any_of(member.joined_.begin(), member.joined_.end(), known)) return;
  member.joined_.push_back({std::string(name), 0});
}

SPATE_DECL void Topics::enter(TopicMember& member, const std::string& user, const Told& came) {
  member.user_ = &user;
  try {
    member.places_.reserve(member.joined_.size());
    for (std::size_t index = 0; index < member.joined_.size(); ++index) {
      add(member, index, obtain(member.joined_[index].name), came);
    }
  } catch (...) {
    leave_all(member);
    throw;
  }
}

SPATE_DECL void Topics::before_leaving(const TopicMember& member, const Told& goes) const {
  if (!tells_users_) return;
  for (const TopicMember::Place& place : member.places_) {
    if (is_last(member, *place.topic)) goes(place.topic->id);
  }
}

SPATE_DECL void Topics::leave_all(TopicMember& member) noexcept {
  while (!member.places_.empty()) remove(member, member.places_.size() - 1);
}

SPATE_DECL bool Topics::join(TopicMember& member, const std::string& user, std::string_view name, std::uint64_t since,
                             const Told& came) {
  member.user_ = &user;
  if (find(member, name) != nowhere) return false;
  reserve_one(member.places_);
  member.joined_.push_back({std::string(name), since});
  try {
    add(member, member.joined_.size() - 1, obtain(name), came);
  } catch (...) {
    member.joined_.pop_back();
    throw;
  }
  return true;
}

SPATE_DECL bool Topics::leave(TopicMember& member, std::string_view name, const Told& goes) {
  const std::size_t index = find(member, name);
  if (index == nowhere) return false;
  if (tells_users_ && is_last(member, *member.places_[index].topic)) goes(member.places_[index].topic->id);
  remove(member, index);
  // The last one takes its place in both lists.
  const std::size_t last = member.joined_.size() - 1;
  if (index != last) member.joined_[index] = std::move(member.joined_[last]);
  member.joined_.pop_back();
  return true;
}

SPATE_DECL std::vector<std::string> Topics::users(std::string_view name) const {
  std::vector<std::string> users;
  if (const Topic* const topic = topics_.find(name)) {
    for (const Topic::Member& each : topic->members) users.push_back(each.member->user());
  }
  return users;
}

SPATE_DECL Topic& Topics::obtain(std::string_view name) {
  if (const Topic* const there = topics_.find(name)) return changeable(*there);
  return changeable(*topics_.emplace(name, std::string(name)));
}

// Where `name` is among the topics of `member`. Of the two lists in which that is to be seen the shorter one is read.
SPATE_DECL std::size_t Topics::find(const TopicMember& member, std::string_view name) const {
  const Topic* const topic = topics_.find(name);
  if (topic == nullptr) return nowhere;
  if (topic->members.size() < member.places_.size()) {
    for (const Topic::Member& each : topic->members) {
      if (each.member == &member) return each.index;
    }
    return nowhere;
  }
  for (std::size_t index = 0; index < member.places_.size(); ++index) {
    if (member.places_[index].topic == topic) return index;
  }
  return nowhere;
}

// Puts `member`, of whose places there is room for one more, into `topic`, which is the one at `index` of its own.
SPATE_DECL void Topics::add(TopicMember& member, std::size_t index, Topic& topic, const Told& came) {
  try {
    reserve_one(topic.members);
    if (tells_users_) {
      std::size_t& streams = streams_[{&topic, &member.user()}];
      if (streams == 0) came(topic.id);
      ++streams;
    }
  } catch (...) {
    if (tells_users_) {
      const auto found = streams_.find({&topic, &member.user()});
      if (found != streams_.end() && found->second == 0) streams_.erase(found);
    }
    erase_if_empty(topic);
    throw;
  }
  const auto place = static_cast<std::uint32_t>(topic.members.size());
  topic.members.push_back({&member, static_cast<std::uint32_t>(index)});
  member.places_.push_back({&topic, place});
}

// Takes `member` out of the topic at `index` of its own; the last of its places takes that one.
SPATE_DECL void Topics::remove(TopicMember& member, std::size_t index) noexcept {
  const TopicMember::Place place = member.places_[index];
  Topic& topic = *place.topic;
  if (tells_users_) {
    const auto found = streams_.find({&topic, &member.user()});
    if (--found->second == 0) streams_.erase(found);
  }
  const Topic::Member moved = topic.members.back();
  topic.members.pop_back();
  if (place.index < topic.members.size()) {
    topic.members[place.index] = moved;
    moved.member->places_[moved.index].index = place.index;
  }
  const std::size_t last = member.places_.size() - 1;
  if (index != last) {
    member.places_[index] = member.places_[last];
    member.places_[index].topic->members[member.places_[index].index].index = static_cast<std::uint32_t>(index);
  }
  member.places_.pop_back();
  erase_if_empty(topic);
}

SPATE_DECL void Topics::erase_if_empty(Topic& topic) noexcept {
  if (topic.members.empty()) topics_.erase(topic.id);
}

SPATE_DECL bool Topics::is_last(const TopicMember& member, const Topic& topic) const {
  const auto found = streams_.find({&topic, &member.user()});
  return found != streams_.end() && found->second == 1;
}

}  // namespace spate::detail
