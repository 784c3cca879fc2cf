// History: what one emitter has sent, as its store keeps it. It gives the events their ids.
//
// Without a store there is none: then it is empty, and ids are too. Guarded by the emitter's lock, which is the
// store's: that may pass to the next emitter while streams of this one still draw from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <spate/config.hpp>
#include <spate/detail/lock.hpp>
#include <spate/history/audience.hpp>
#include <spate/history/detail/cursor.hpp>
#include <spate/history/detail/sole_use.hpp>
#include <spate/history/replay_store.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

class History {
 public:
  /// Claims `store`, which may be null. Throws std::invalid_argument when it serves another emitter.
  explicit History(ReplayStore* store)
      : store_(store), claim_(store == nullptr ? nullptr : &store->use_, "replay store") {}

  /// Whether there is a store.
  explicit operator bool() const noexcept { return store_ != nullptr; }

  /// The emitter's lock.
  Mutex& mutex() noexcept { return store_ == nullptr ? own_mutex_ : store_->mutex_; }

  /// Another emitter may have the store from now on.
  void release() noexcept { claim_.release(); }

  /// The newest sequence number; 0 before the first.
  std::uint64_t newest() const { return store_ == nullptr ? 0 : store_->newest(); }

  /// The newest sequence number that was given to an event; of one that is kept later it may be ahead of `newest`.
  std::uint64_t newest_given() const { return store_ == nullptr ? 0 : store_->newest_given(); }

  std::string id_of(std::uint64_t sequence) const {
    return store_ == nullptr ? std::string() : format_event_id(store_->epoch(), sequence);
  }

  // ---- with a store ----

  std::string_view epoch() const { return store_->epoch(); }

  /// Counts the logs that the store has mirrored: a sequence number means another event in each of them.
  std::uint32_t generation() const noexcept { return store_->generation_; }

  void append(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event) {
    store_->append(sequence, audience, event);
  }
  void skip(std::uint64_t sequence) { store_->skip(sequence); }

  /// Begins to mirror the log `epoch`. Returns false when the store cannot.
  bool restart(std::string_view epoch) {
    ++store_->generation_;
    return store_->restart(epoch);
  }

  /// The position just before `next`; that of the newest event when `next` is 0, as nothing follows.
  std::uint64_t position_before(std::uint64_t next) const { return next == 0 ? store_->newest() : next - 1; }

  /// The first event for `subscriber` after `after`; 0 when there is none.
  std::uint64_t first_after(const Subscriber& subscriber, std::uint64_t after);

  /// Where `cursor` is; nothing when the store has not given it out.
  std::optional<std::uint64_t> sequence_of(const Cursor& cursor) const;

  // The same as of the store.

  bool at_hand(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
               const ReplayStore::Waiter& waiter) {
    return store_->at_hand(subscriber, after, max_bytes, waiter);
  }
  std::uint64_t discarded(const Subscriber& subscriber) { return store_->discarded(subscriber); }
  std::uint64_t fetch(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                      std::vector<StoredEvent>& events) {
    return store_->fetch(subscriber, after, max_bytes, events);
  }
  std::optional<std::uint64_t> fetch_sequences(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                                               std::vector<std::uint64_t>& sequences) {
    return store_->fetch_sequences(subscriber, after, max_bytes, sequences);
  }
  bool newest_at_hand(const Subscriber& subscriber, std::uint64_t before, std::size_t max_bytes,
                      const ReplayStore::Waiter& waiter) {
    return store_->newest_at_hand(subscriber, before, max_bytes, waiter);
  }
  void fetch_newest(const Subscriber& subscriber, std::uint64_t before, std::size_t max_bytes,
                    std::vector<StoredEvent>& events) {
    store_->fetch_newest(subscriber, before, max_bytes, events);
  }
  bool keeps_later() const noexcept { return store_ != nullptr && store_->keeps_later(); }
  bool delivers_first() const noexcept { return store_->delivers_first(); }
  void on_settled(std::function<void()> settled) { store_->on_settled(std::move(settled)); }
  void settle(std::vector<ReplayStore::Settled>& settled) { store_->settle(settled); }

 private:
  ReplayStore* const store_;
  Claim claim_;
  Mutex own_mutex_;  // used without a store
  // Of one look-up; kept for their capacity.
  std::vector<StoredEvent> events_;
  std::vector<std::uint64_t> sequences_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/impl/history.ipp>
#endif
