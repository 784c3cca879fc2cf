// An Audience is whom an event is for: one user, several, a group, everybody, or who has joined a topic.
//
//   spate::Audience::user("alice");
//   spate::Audience::group("team-");      // every user whose id begins with these bytes
//   spate::Audience::topic("room 7");     // every stream that has joined it, whoever its user is
//   spate::Audience::everybody();
//
// It refers to the texts it was given and lives no longer than they do.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include <spate/config.hpp>
#include <spate/history/subscriber.hpp>

namespace spate {

class Audience {
 public:
  /// Which of them it is.
  enum class Kind : std::uint8_t { user, users, group, everybody, topic, topics };

  static Audience user(std::string_view id) noexcept { return {Kind::user, id, {}}; }
  /// Each user counts once, however often they are named.
  static Audience users(std::span<const std::string> ids) noexcept { return {Kind::users, {}, ids}; }
  static Audience group(std::string_view prefix) noexcept { return {Kind::group, prefix, {}}; }
  static Audience everybody() noexcept { return {Kind::everybody, {}, {}}; }
  static Audience topic(std::string_view name) noexcept { return {Kind::topic, name, {}}; }
  /// Who has joined several of them gets the event once.
  static Audience topics(std::span<const std::string> names) noexcept { return {Kind::topics, {}, names}; }

  /// One of any kind, of the names that it has: none for everybody.
  static Audience of(Kind kind, std::span<const std::string> names) noexcept {
    if (kind == Kind::users || kind == Kind::topics) return {kind, {}, names};
    return {kind, names.empty() ? std::string_view() : names.front(), {}};
  }

  // Two names in braces would be taken for the two ends of one text.
  static Audience user(std::initializer_list<std::string_view> ids) = delete;
  static Audience group(std::initializer_list<std::string_view> prefixes) = delete;
  static Audience topic(std::initializer_list<std::string_view> names) = delete;
  bool includes(std::initializer_list<std::string_view> users) const = delete;

  Kind kind() const noexcept { return kind_; }
  /// The user's id, the group's prefix, or the topic.
  std::string_view name() const noexcept { return name_; }
  /// The ids of Kind::users, the names of Kind::topics.
  std::span<const std::string> names() const noexcept { return names_; }

  /// Whether an event for it is for every stream of `user`; those for a topic are for some streams only.
  bool includes(std::string_view user) const noexcept;
  /// Whether the event `sequence` is owed to `subscriber`.
  bool includes(const Subscriber& subscriber, std::uint64_t sequence) const noexcept;

 private:
  Audience(Kind kind, std::string_view name, std::span<const std::string> names) noexcept
      : kind_(kind), name_(name), names_(names) {}

  Kind kind_;
  std::string_view name_;
  std::span<const std::string> names_;
};

namespace detail {

inline bool is_of_topics(const Audience& audience) noexcept {
  return audience.kind() == Audience::Kind::topic || audience.kind() == Audience::Kind::topics;
}

}  // namespace detail

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/impl/audience.ipp>
#endif
