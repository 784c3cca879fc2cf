// A Subscriber is what a stream is owed events for: a user, and the topics that the stream has joined.
//
// It refers to the texts it was given and lives no longer than they do.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace spate {

/// A topic that a stream has joined.
struct JoinedTopic {
  std::string name;
  /// What the topic was sent up to this sequence number is not owed to it: it came later. Zero: everything is.
  std::uint64_t since = 0;
};

struct Subscriber {
  /// Who is owed what is sent to their id, to every prefix of it, and to everybody. Empty: nobody; then there are only
  /// the topics.
  std::string_view user;
  /// Each once.
  std::span<const JoinedTopic> topics;

  explicit Subscriber(std::string_view id, std::span<const JoinedTopic> joined = {}) noexcept
      : user(id), topics(joined) {}
};

}  // namespace spate
