// ReplayLimits: how much a replay store keeps.
#pragma once

#include <chrono>
#include <cstddef>

namespace spate {

/// How much a store keeps. Zero keeps nothing, where nothing else is said.
///
/// An event that is kept is made room for at once, by as many others as it takes, up to some hundred. One that is so
/// large that it displaces more, and many that become too old together, leave the store above its limits for the next
/// calls, each of which takes out some hundred more. What is too old is never replayed.
///
/// When there is too much in all, the audience that holds most loses its oldest event first (a user, a group, a topic,
/// everybody): whoever is sent much costs nobody else their history.
struct ReplayLimits {
  /// Events kept for all users together. Zero keeps none: ids are given out, and every missed event is told as a gap.
  std::size_t max_events = 10'000;

  /// Bytes of memory that history takes, index included: an event to many users costs some 16 bytes for each besides
  /// its own, and the first one to a user some 150. An event that is larger than all of it is not kept, which is a gap
  /// to those whom it was for and costs nobody else anything.
  std::size_t max_bytes = 256 * 1024 * 1024;

  /// How long an event is kept. Zero: as long as the other limits allow.
  std::chrono::milliseconds max_age{0};

  /// Users and groups without kept events for which the newest discarded event is remembered, some 150 bytes each, and
  /// no more of them than fit into an eighth of `max_bytes`. Beyond it a client that was away may be told of a gap
  /// where nothing of its own is missing.
  std::size_t max_remembered = 65'536;

  /// Events kept for each audience: the newest of each user, group, topic, and of everybody. Zero: no limit.
  std::size_t max_events_per_audience = 0;
};

}  // namespace spate
