// A ReplayStore keeps what was sent, so that a client that was away gets what it missed.
//
// The Emitter calls it under its own lock: one call at a time, and a store that blocks, blocks every publisher; one
// that would have to answers later (`at_hand`). The sequence numbers it is given grow from call to call: by one when
// the emitter gives them out, by any number when they are those of a log that it mirrors. What it discards it must
// remember well enough to say that something may be missing: a gap may be told once too often, never once too seldom.
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
#include <vector>

#include <spate/config.hpp>
#include <spate/detail/lock.hpp>
#include <spate/history/audience.hpp>
#include <spate/history/detail/sole_use.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate {

namespace detail {
class History;
}

struct StoredEvent {
  std::uint64_t sequence;
  EncodedEvent event;
};

class ReplayStore {
 public:
  virtual ~ReplayStore() = default;

  /// What tells the ids of this history from those of every other: the first half of each id. Visible ASCII without
  /// '-', at most 32 bytes, never empty, and another one whenever earlier events are gone for good, after a restart
  /// for instance. (Fetch 2.2.2)
  virtual std::string_view epoch() const = 0;

  /// The newest sequence number given out in this epoch so far; 0 before the first.
  virtual std::uint64_t newest() const = 0;

  /// Keeps `event`, which was sent to `audience`. `sequence` is greater than `newest()`. An event without data comes
  /// from the log of a bus alone, and is not to be kept: its number is nobody's.
  virtual void append(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event) = 0;

  /// Appends to `events` what `user` was sent after `after` (their own, their groups', everybody's), oldest first: at
  /// least one event if there is one, and no more than `max_bytes` of them otherwise. Theirs alone: replay is private.
  ///
  /// Returns the newest sequence number at or below which an event for `user` may have been discarded, 0 if none was:
  /// when it is greater than `after`, something may be missing after `after`, in front of `events` or among them.
  virtual std::uint64_t fetch(std::string_view user, std::uint64_t after, std::size_t max_bytes,
                              std::vector<StoredEvent>& events) = 0;

  /// Somebody who waits for the store.
  class Waiter {
   public:
    /// Returns what tells them to ask again. Any thread may call that, once, also when the emitter is gone; as long as
    /// nobody does, they wait. It owns neither emitter nor store.
    virtual std::function<void()> when_ready() const = 0;

   protected:
    ~Waiter() = default;
  };

  /// Whether what `fetch` or `fetch_sequences` is to be asked for next can be had without waiting.
  ///
  /// A store that keeps more than fits into memory answers false, begins to read, and calls what `waiter` gives it when
  /// it has what was asked for, or knows that it will not have it. Then it is asked again, and `fetch` follows, unless
  /// it answers false once more. Meanwhile that stream waits, and nobody else does. `discarded` is to be answered at
  /// once in any case. The same may be asked again meanwhile: then there is one more to be told. Who is asked for may
  /// have gone when it is there.
  ///
  /// Lifetime     `waiter` until this returns; what it gives, as long as the store likes
  SPATE_DECL virtual bool at_hand(std::string_view user, std::uint64_t after, std::size_t max_bytes,
                                  const Waiter& waiter);

  /// What `fetch` returns at the same moment, whatever it is asked for: whether a client has a gap is found without its
  /// history being read.
  SPATE_DECL virtual std::uint64_t discarded(std::string_view user);

  /// What `fetch` would do at the same moment, but appends sequence numbers alone: clients that return together are
  /// owed the same events, which are at hand already for all but the first. Nothing, as from a store that does not
  /// define it, means that `fetch` is to be called instead.
  SPATE_DECL virtual std::optional<std::uint64_t> fetch_sequences(std::string_view user, std::uint64_t after,
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
