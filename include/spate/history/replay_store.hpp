// A ReplayStore keeps what was sent, so that a client that was away gets what it missed.
//
// Four functions make one (`epoch`, `newest`, `append`, `fetch`); the others are for stores that know topics, that
// answer later, or that keep later. The Emitter calls all of them under its own lock: one call at a time, and a store
// that blocks, blocks every publisher. The sequence numbers it is given grow from call to call: by one when the emitter
// gives them out, by any number when they are those of a log that it mirrors. What it discards it must remember well
// enough to say that something may be missing: a gap may be told once too often, never once too seldom. What has
// expired (`EncodedEvent::kept_for`) is no such thing.
//
// A store that has to wait for what it is asked answers later (`at_hand`). One whose promise to keep an event takes
// time keeps it later (`keeps_later`): the emitter delivers it when it is kept.
//
// A store serves one emitter at a time; when that emitter is gone, another may go on with it at once. Streams that were
// ending when the first one went still draw from it what they are owed, under the same lock as the second one's calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <spate/config.hpp>
#include <spate/detail/lock.hpp>
#include <spate/history/audience.hpp>
#include <spate/history/detail/sole_use.hpp>
#include <spate/history/subscriber.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate {

namespace detail {
class History;
}

/// An event as a store hands it out.
struct StoredEvent {
  std::uint64_t sequence = 0;
  EncodedEvent event;
  /// Whether it was sent to everybody. Such events are compressed together where several follow one another; others,
  /// and those of a store that does not say so, each by itself.
  bool for_everybody = false;
};

class ReplayStore {
 public:
  virtual ~ReplayStore() = default;

  /// What tells the ids of this history from those of every other: the first half of each id. Visible ASCII without
  /// '-', at most 32 bytes, never empty, and another one whenever earlier events are gone for good, after a restart
  /// for instance. (Fetch 2.2.2)
  virtual std::string_view epoch() const = 0;

  /// The newest sequence number given out in this epoch so far; 0 before the first. Of a store that keeps later, the
  /// newest whose fate has been told by `settle`.
  virtual std::uint64_t newest() const = 0;

  /// Keeps `event`, which was sent to `audience`, for `event.kept_for()` at the most. `sequence` is greater than any
  /// before it. An event without data comes from the log of a bus alone, and is not to be kept: its number is nobody's.
  virtual void append(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event) = 0;

  /// Appends to `events` what `user` was sent after `after` (their own, their groups', everybody's; no topic's), oldest
  /// first: at least one event if there is one, and no more than `max_bytes` of them otherwise. Theirs alone: replay is
  /// private.
  ///
  /// Returns the newest sequence number at or below which an event for `user` may have been discarded, 0 if none was:
  /// when it is greater than `after`, something may be missing after `after`, in front of `events` or among them.
  virtual std::uint64_t fetch(std::string_view user, std::uint64_t after, std::size_t max_bytes,
                              std::vector<StoredEvent>& events) = 0;

  // ---- for stores that know topics ----

  /// The same for a subscriber, with what their topics were sent. A store that does not define it says of every topic
  /// that its events have been discarded.
  SPATE_DECL virtual std::uint64_t fetch(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                                         std::vector<StoredEvent>& events);

  /// The other way: of what `subscriber` was sent up to `before`, the newest, newest first. A store that does not
  /// define it is read from its beginning.
  SPATE_DECL virtual void fetch_newest(const Subscriber& subscriber, std::uint64_t before, std::size_t max_bytes,
                                       std::vector<StoredEvent>& events);

  // ---- for stores that answer later ----

  /// Somebody who waits for the store.
  class Waiter {
   public:
    /// Returns what tells them to ask again. Any thread may call that, once, also when the emitter is gone; as long as
    /// nobody does, they wait. It owns neither emitter nor store.
    virtual std::function<void()> when_ready() const = 0;

   protected:
    ~Waiter() = default;
  };

  /// Whether what `fetch`, `fetch_sequences` or `discarded` is to be asked for next can be had without waiting.
  ///
  /// A store that keeps more than fits into memory answers false, begins to read, and calls what `waiter` gives it when
  /// it has what was asked for, or knows that it will not have it. Then it is asked again, and `fetch` follows, unless
  /// it answers false once more. Meanwhile that stream waits, and nobody else does. The same may be asked again
  /// meanwhile: then there is one more to be told. Who is asked for may have gone when it is there.
  ///
  /// Lifetime     `waiter` until this returns; what it gives, as long as the store likes
  SPATE_DECL virtual bool at_hand(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                                  const Waiter& waiter);
  /// The same of `fetch_newest`.
  SPATE_DECL virtual bool newest_at_hand(const Subscriber& subscriber, std::uint64_t before, std::size_t max_bytes,
                                         const Waiter& waiter);

  // ---- for stores that keep later ----

  /// Whether an event that was appended is kept only when `settle` says so. Until then it is not fetched, and the
  /// emitter neither delivers it nor tells whoever awaits it that it is sent.
  virtual bool keeps_later() const noexcept { return false; }
  /// Whether it is delivered at once all the same: it may be lost, then, though it was seen.
  virtual bool delivers_first() const noexcept { return false; }

  /// The newest sequence number that was appended.
  virtual std::uint64_t newest_given() const { return newest(); }

  /// `settled` is called from now on, from any thread and without a lock of the store's, when there is something to
  /// `settle`. Empty: no more; when this returns it is not being called.
  virtual void on_settled(std::function<void()> settled) { static_cast<void>(settled); }

  /// Of events that follow one another, up to where their fate is known, and what it is.
  struct Settled {
    std::uint64_t up_to = 0;
    std::error_code error;  // they are not kept
  };
  /// Appends to `settled` what is known since it was last called, oldest first. From then on what is kept is fetched.
  virtual void settle(std::vector<Settled>& settled) { static_cast<void>(settled); }

  // ---- what a store may know besides ----

  /// Whether it may have given out `sequence`, as far as it is not greater than `newest()`. A store that has lost what
  /// some numbers were given to denies them.
  virtual bool has_given(std::uint64_t sequence) const {
    static_cast<void>(sequence);
    return true;
  }

  /// What `fetch` returns at the same moment, whatever it is asked for: whether a client has a gap is found without its
  /// history being read.
  SPATE_DECL virtual std::uint64_t discarded(const Subscriber& subscriber);

  /// What `fetch` would do at the same moment, but appends sequence numbers alone: clients that return together are
  /// owed the same events, which are at hand already for all but the first. Nothing, as from a store that does not
  /// define it, means that `fetch` is to be called instead.
  SPATE_DECL virtual std::optional<std::uint64_t> fetch_sequences(const Subscriber& subscriber, std::uint64_t after,
                                                                  std::size_t max_bytes,
                                                                  std::vector<std::uint64_t>& sequences);

  /// Forgets everything, for the history `epoch` of a log that this store mirrors from now on. Returns false, and does
  /// nothing, when it cannot: it has a history of its own. Whoever waits for what is forgotten is to be told.
  SPATE_DECL virtual bool restart(std::string_view epoch);

  /// Up to `sequence`, which may be greater than `newest()` and then takes its place, something that was not appended
  /// may have been sent to any user: by other processes, over a bus.
  virtual void skip(std::uint64_t sequence) { static_cast<void>(sequence); }

 private:
  friend class detail::History;
  detail::SoleUse use_;  // of the emitter that it serves
  detail::Mutex mutex_;  // that emitter's lock, and the lock of earlier ones whose streams still draw from here
  std::uint32_t generation_ = 0;  // counts the logs that it mirrored
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/impl/replay_store.ipp>
#endif
