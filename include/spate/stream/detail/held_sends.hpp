// HeldSends: what was sent to a stream directly while its history was still being replayed, and so comes after that.
// Shard only. No I/O.
//
// Each entry waits until a source of the stream, a subscription, owes nothing up to a position: the newest that it had
// accepted when the entry was sent. So events of one caller keep the order of the calls, whether they go to the stream
// or through an emitter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <system_error>
#include <utility>

#include <spate/config.hpp>
#include <spate/stream/detail/stream_source.hpp>
#include <spate/stream/detail/write_queue.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

/// How far a source had accepted events for its stream at some moment: nothing after that is waited for.
struct SourcePosition {
  Ref<StreamSource> source;    // null: any source of the stream
  std::uint64_t position = 0;  // of `source`; of another one everything that it owes comes first
};

class HeldSends {
 public:
  struct Entry {
    EncodedEvent event;      // empty: only somebody who waits for `after` itself
    Ref<SendWaiter> waiter;  // exempt from the overflow policy
    SourcePosition after;    // what comes before it
    bool after_gap = false;  // events before it were dropped

    std::size_t size() const noexcept { return event ? event.chunk().size() : 0; }
    bool droppable() const noexcept { return event && !waiter; }
  };

  bool empty() const noexcept { return entries_.empty(); }
  std::size_t events() const noexcept { return events_; }
  /// Of those that may be dropped.
  std::size_t bytes() const noexcept { return bytes_; }

  void push(EncodedEvent event, Ref<SendWaiter> waiter, SourcePosition after);

  const Entry& front() const noexcept { return entries_.front(); }

  Entry pop();

  /// What is dropped now leaves a gap before the entry that is pushed next.
  void gap() noexcept { gap_ = true; }
  /// Whether something was dropped after the last entry.
  bool gap_at_end() const noexcept { return gap_; }

  /// Drops the oldest event that may be dropped, leaving a gap where it stood; returns its size, 0 when there is none.
  std::size_t drop_oldest();

  /// Tells everybody who waits `error`.
  void clear(std::error_code error);

 private:
  void count(const Entry& entry, int by) noexcept;

  std::list<Entry> entries_;
  std::size_t events_ = 0;
  std::size_t bytes_ = 0;
  bool gap_ = false;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/held_sends.ipp>
#endif
