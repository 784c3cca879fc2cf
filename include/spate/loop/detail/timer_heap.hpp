// TimerHeap: the moments of everything on a loop in one heap, so that one timer of the system serves them all.
//
// Each resident has at most one moment; setting it again moves it. A four-ary heap: half the levels of a binary one.
//
// On the loop's executor. It holds no references: a resident takes its moment back before it is destroyed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/loop/detail/resident.hpp>

namespace spate::detail {

class TimerHeap {
 public:
  /// Sets the moment of `resident`; `never` removes it. The resident must remove its moment before it dies.
  void set(Resident& resident, TimePoint at);

  /// The moment set for `resident`, or `never`.
  TimePoint at(const Resident& resident) const noexcept {
    return resident.timer_index_ == Resident::no_timer ? never : heap_[resident.timer_index_].at;
  }

  /// The earliest moment, or `never`.
  TimePoint next() const noexcept { return heap_.empty() ? never : heap_.front().at; }

  /// Removes and returns a resident whose moment has come by `now`, or nullptr.
  Resident* take_due(TimePoint now);

  /// Removes every moment.
  void clear() noexcept;

  std::size_t size() const noexcept { return heap_.size(); }

 private:
  struct Entry {
    TimePoint at;
    Resident* resident;
  };
  static constexpr std::uint32_t arity = 4;

  void place(std::uint32_t index, const Entry& entry) noexcept;

  void rise(std::uint32_t index) noexcept;

  void sink(std::uint32_t index) noexcept;

  void remove(std::uint32_t index);

  std::vector<Entry> heap_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/loop/impl/timer_heap.ipp>
#endif
