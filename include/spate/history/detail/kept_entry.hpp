// KeptEntry: an event in the history of one audience.
//
// An event to several users or topics stands in the history of each. They share it, as a SharedEvent.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <spate/config.hpp>
#include <spate/history/detail/allocated.hpp>
#include <spate/history/detail/indexed_heap.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

using HistoryClock = std::chrono::steady_clock;

struct MemoryTrack;

struct SharedEvent {
  EncodedEvent event;
  std::uint32_t part = 0;     // of the bytes that it costs: each holder's
  std::uint32_t holders = 0;  // entries that there are of it
};

/// The event of an entry that expires at a time of its own.
struct ExpiringEvent {
  HistoryClock::time_point due;
  MemoryTrack* track = nullptr;  // where the entry stands
  std::uint64_t sequence = 0;
  EncodedEvent own;
  SharedEvent* shared = nullptr;  // or this
  std::uint32_t place = no_place;
};

class KeptEntry {
 public:
  KeptEntry() noexcept : own_() {}
  KeptEntry(KeptEntry&& other) noexcept : own_() { take(other); }
  KeptEntry& operator=(KeptEntry&& other) noexcept {
    let_go();
    take(other);
    return *this;
  }
  ~KeptEntry() { let_go(); }

  /// Fills one that is empty with the event `sequence`.
  void hold(std::uint64_t sequence, const EncodedEvent& event) noexcept;
  /// The same with one that others hold as well.
  void hold(std::uint64_t sequence, SharedEvent& event) noexcept;
  /// The same with one that expires.
  void hold(std::uint64_t sequence, std::unique_ptr<ExpiringEvent> event) noexcept;

  std::uint64_t sequence() const noexcept { return sequence_; }
  const EncodedEvent& event() const noexcept;
  /// Of the event's bytes; kept here, where it is asked for without reading the event.
  std::size_t size() const noexcept { return size_; }

  /// Null unless it expires at a time of its own.
  ExpiringEvent* expiring() const noexcept { return kind_ == Kind::expiring ? expiring_ : nullptr; }
  /// The end of time if it does not.
  HistoryClock::time_point due() const noexcept {
    return kind_ == Kind::expiring ? expiring_->due : HistoryClock::time_point::max();
  }

  /// Asks for the memory that is needed to let it go.
  void prefetch() const noexcept;
  /// Whether the event goes with it.
  bool is_last_holder() const noexcept { return shared() == nullptr || shared()->holders == 1; }
  /// What keeping the event costs, which others may hold as well; and how much of it this one is charged with.
  std::size_t cost_of_event() const noexcept { return cost_of(event(), shared() != nullptr); }
  std::size_t part_of_cost() const noexcept { return shared() == nullptr ? cost_of_event() : shared()->part; }

  static std::size_t cost_of(const EncodedEvent& event, bool shared) noexcept {
    return allocated(event.footprint()) + (shared ? allocated(sizeof(SharedEvent)) : 0);
  }

 private:
  enum class Kind : std::uint8_t { own, shared, expiring };

  SharedEvent* shared() const noexcept {
    return kind_ == Kind::own ? nullptr : kind_ == Kind::shared ? shared_ : expiring_->shared;
  }
  // Of one that is empty.
  void take(KeptEntry& other) noexcept;
  // It is empty then.
  void let_go() noexcept;

  std::uint64_t sequence_ = 0;
  union {
    EncodedEvent own_;
    SharedEvent* shared_;
    ExpiringEvent* expiring_;
  };
  std::uint32_t size_ = 0;
  Kind kind_ = Kind::own;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/impl/kept_entry.ipp>
#endif
