// The functions of memory_replay_store.hpp.
#pragma once

#include <utility>

#include <spate/config.hpp>
#include <spate/history/detail/memory_history.hpp>
#include <spate/history/memory_replay_store.hpp>

namespace spate {

SPATE_DECL MemoryReplayStore::MemoryReplayStore(ReplayLimits limits, std::function<Clock::time_point()> now)
    : history_(std::make_unique<detail::MemoryHistory>(limits, std::move(now))) {}

SPATE_DECL MemoryReplayStore::~MemoryReplayStore() = default;

SPATE_DECL std::string_view MemoryReplayStore::epoch() const {
  return history_->epoch();
}

SPATE_DECL std::uint64_t MemoryReplayStore::newest() const {
  return history_->newest();
}

SPATE_DECL void MemoryReplayStore::append(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event) {
  history_->append(sequence, audience, event);
}

SPATE_DECL std::uint64_t MemoryReplayStore::fetch(std::string_view user, std::uint64_t after, std::size_t max_bytes,
                                                  std::vector<StoredEvent>& events) {
  return fetch(Subscriber(user), after, max_bytes, events);
}

SPATE_DECL std::uint64_t MemoryReplayStore::fetch(const Subscriber& subscriber, std::uint64_t after,
                                                  std::size_t max_bytes, std::vector<StoredEvent>& events) {
  return history_->fetch(subscriber, after, max_bytes, events);
}

SPATE_DECL std::optional<std::uint64_t> MemoryReplayStore::fetch_sequences(const Subscriber& subscriber,
                                                                           std::uint64_t after, std::size_t max_bytes,
                                                                           std::vector<std::uint64_t>& sequences) {
  return history_->fetch_sequences(subscriber, after, max_bytes, sequences);
}

SPATE_DECL void MemoryReplayStore::fetch_newest(const Subscriber& subscriber, std::uint64_t before,
                                                std::size_t max_bytes, std::vector<StoredEvent>& events) {
  history_->fetch_newest(subscriber, before, max_bytes, events);
}

SPATE_DECL std::uint64_t MemoryReplayStore::discarded(const Subscriber& subscriber) {
  return history_->discarded(subscriber);
}

SPATE_DECL bool MemoryReplayStore::restart(std::string_view epoch) {
  return history_->restart(epoch);
}

SPATE_DECL void MemoryReplayStore::skip(std::uint64_t sequence) {
  history_->skip(sequence);
}

SPATE_DECL std::size_t MemoryReplayStore::size() const noexcept {
  return history_->size();
}

SPATE_DECL std::size_t MemoryReplayStore::bytes() const noexcept {
  return history_->bytes();
}

}  // namespace spate
