// The functions of replay_store.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/history/replay_store.hpp>

namespace spate {

SPATE_DECL bool ReplayStore::at_hand(std::string_view user, std::uint64_t after, std::size_t max_bytes,
                                     const Waiter& waiter) {
  static_cast<void>(user);
  static_cast<void>(after);
  static_cast<void>(max_bytes);
  static_cast<void>(waiter);
  return true;
}

SPATE_DECL std::uint64_t ReplayStore::discarded(std::string_view user) {
  std::vector<StoredEvent> none;
  return fetch(user, newest(), 0, none);
}

SPATE_DECL std::optional<std::uint64_t> ReplayStore::fetch_sequences(std::string_view user, std::uint64_t after,
                                                                     std::size_t max_bytes,
                                                                     std::vector<std::uint64_t>& sequences) {
  static_cast<void>(user);
  static_cast<void>(after);
  static_cast<void>(max_bytes);
  static_cast<void>(sequences);
  return std::nullopt;
}

SPATE_DECL bool ReplayStore::restart(std::string_view epoch) {
  static_cast<void>(epoch);
  return false;
}

}  // namespace spate
