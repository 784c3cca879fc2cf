// The functions of sqlite_replay_store.hpp.
#pragma once

#include <utility>

#include <spate/config.hpp>
#include <spate/history/sqlite/detail/sqlite_history.hpp>
#include <spate/history/sqlite_replay_store.hpp>

namespace spate {

SPATE_DECL SqliteReplayStore::SqliteReplayStore(SqliteOptions options)
    : history_(std::make_unique<detail::SqliteHistory>(std::move(options))) {}

SPATE_DECL SqliteReplayStore::~SqliteReplayStore() {
  // In a child its threads do not run, and the file is not its own.
  if (history_->forked()) static_cast<void>(history_.release());
}

SPATE_DECL SqliteReplayStore::Status SqliteReplayStore::status() const {
  return history_->status();
}

SPATE_DECL std::string_view SqliteReplayStore::epoch() const {
  return history_->epoch();
}

SPATE_DECL std::uint64_t SqliteReplayStore::newest() const {
  return history_->newest();
}

SPATE_DECL std::uint64_t SqliteReplayStore::newest_given() const {
  return history_->newest_given();
}

SPATE_DECL bool SqliteReplayStore::has_given(std::uint64_t sequence) const {
  return history_->has_given(sequence);
}

SPATE_DECL void SqliteReplayStore::append(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event) {
  history_->append(sequence, audience, event);
}

SPATE_DECL bool SqliteReplayStore::keeps_later() const noexcept {
  return true;
}

SPATE_DECL bool SqliteReplayStore::delivers_first() const noexcept {
  return history_->delivers_first();
}

SPATE_DECL void SqliteReplayStore::on_settled(std::function<void()> settled) {
  history_->on_settled(std::move(settled));
}

SPATE_DECL void SqliteReplayStore::settle(std::vector<Settled>& settled) {
  history_->settle(settled);
}

SPATE_DECL bool SqliteReplayStore::at_hand(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                                           const Waiter& waiter) {
  return history_->at_hand(subscriber, after, max_bytes, waiter);
}

SPATE_DECL bool SqliteReplayStore::newest_at_hand(const Subscriber& subscriber, std::uint64_t before,
                                                  std::size_t max_bytes, const Waiter& waiter) {
  return history_->newest_at_hand(subscriber, before, max_bytes, waiter);
}

SPATE_DECL std::uint64_t SqliteReplayStore::fetch(std::string_view user, std::uint64_t after, std::size_t max_bytes,
                                                  std::vector<StoredEvent>& events) {
  return fetch(Subscriber(user), after, max_bytes, events);
}

SPATE_DECL std::uint64_t SqliteReplayStore::fetch(const Subscriber& subscriber, std::uint64_t after,
                                                  std::size_t max_bytes, std::vector<StoredEvent>& events) {
  return history_->fetch(subscriber, after, max_bytes, [&](const detail::TrackEvent& event, detail::TrackKind kind) {
    events.push_back({event.sequence, event.event, kind == detail::TrackKind::everybody});
  });
}

SPATE_DECL std::optional<std::uint64_t> SqliteReplayStore::fetch_sequences(const Subscriber& subscriber,
                                                                           std::uint64_t after, std::size_t max_bytes,
                                                                           std::vector<std::uint64_t>& sequences) {
  return history_->fetch(subscriber, after, max_bytes, [&](const detail::TrackEvent& event, detail::TrackKind) {
    sequences.push_back(event.sequence);
  });
}

SPATE_DECL void SqliteReplayStore::fetch_newest(const Subscriber& subscriber, std::uint64_t before,
                                                std::size_t max_bytes, std::vector<StoredEvent>& events) {
  history_->fetch_newest(subscriber, before, max_bytes, [&](const detail::TrackEvent& event, detail::TrackKind kind) {
    events.push_back({event.sequence, event.event, kind == detail::TrackKind::everybody});
  });
}

SPATE_DECL std::uint64_t SqliteReplayStore::discarded(const Subscriber& subscriber) {
  return history_->discarded(subscriber);
}

SPATE_DECL void SqliteReplayStore::skip(std::uint64_t sequence) {
  history_->skip(sequence);
}

}  // namespace spate
