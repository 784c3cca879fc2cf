// The functions of replay_store.hpp.
#pragma once

#include <algorithm>
#include <deque>
#include <iterator>

#include <spate/config.hpp>
#include <spate/history/replay_store.hpp>

namespace spate {

SPATE_DECL std::uint64_t ReplayStore::fetch(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                                            std::vector<StoredEvent>& events) {
  const std::uint64_t discarded = subscriber.user.empty() ? 0 : fetch(subscriber.user, after, max_bytes, events);
  const auto is_owed = [newest = newest()](const JoinedTopic& joined) { return joined.since < newest; };
  const bool loses = std::any_of(subscriber.topics.begin(), subscriber.topics.end(), is_owed);
  return loses ? std::max(discarded, newest()) : discarded;
}

SPATE_DECL void ReplayStore::fetch_newest(const Subscriber& subscriber, std::uint64_t before, std::size_t max_bytes,
                                          std::vector<StoredEvent>& events) {
  std::deque<StoredEvent> newest;
  std::size_t bytes = 0;
  std::vector<StoredEvent> batch;
  for (std::uint64_t after = 0; after < before; after = batch.back().sequence) {
    batch.clear();
    fetch(subscriber, after, max_bytes, batch);
    if (batch.empty()) break;
    for (StoredEvent& stored : batch) {
      if (stored.sequence > before) break;
      bytes += stored.event.bytes().size();
      newest.push_back(std::move(stored));
      for (; newest.size() > 1 && bytes > max_bytes; newest.pop_front()) bytes -= newest.front().event.bytes().size();
    }
  }
  events.insert(events.end(), std::make_move_iterator(newest.rbegin()), std::make_move_iterator(newest.rend()));
}

SPATE_DECL bool ReplayStore::at_hand(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                                     const Waiter& waiter) {
  static_cast<void>(subscriber);
  static_cast<void>(after);
  static_cast<void>(max_bytes);
  static_cast<void>(waiter);
  return true;
}

SPATE_DECL bool ReplayStore::newest_at_hand(const Subscriber& subscriber, std::uint64_t before, std::size_t max_bytes,
                                            const Waiter& waiter) {
  static_cast<void>(subscriber);
  static_cast<void>(before);
  static_cast<void>(max_bytes);
  static_cast<void>(waiter);
  return true;
}

SPATE_DECL std::uint64_t ReplayStore::discarded(const Subscriber& subscriber) {
  std::vector<StoredEvent> none;
  return fetch(subscriber, newest(), 0, none);
}

SPATE_DECL std::optional<std::uint64_t> ReplayStore::fetch_sequences(const Subscriber& subscriber, std::uint64_t after,
                                                                     std::size_t max_bytes,
                                                                     std::vector<std::uint64_t>& sequences) {
  static_cast<void>(subscriber);
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
