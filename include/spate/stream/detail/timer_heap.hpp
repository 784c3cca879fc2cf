// TimerHeap: the moments of everything on a shard in one heap, so that one timer of the system serves them all.
//
// Each resident has at most one moment; setting it again moves it. A four-ary heap: half the levels of a binary one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <spate/stream/detail/resident.hpp>

namespace spate::detail {

class TimerHeap {
 public:
  /// Sets the moment of `resident`; `never` removes it. The resident must remove its moment before it dies.
  void set(Resident& resident, TimePoint at) {
    std::uint32_t index = resident.timer_index_;
    if (at == never) {
      if (index != Resident::no_timer) remove(index);
      return;
    }
    if (index == Resident::no_timer) {
      index = static_cast<std::uint32_t>(heap_.size());
      heap_.push_back({at, &resident});
      resident.timer_index_ = index;
      rise(index);
      return;
    }
    const TimePoint before = heap_[index].at;
    heap_[index].at = at;
    if (at < before) {
      rise(index);
    } else if (at > before) {
      sink(index);
    }
  }

  /// The moment set for `resident`, or `never`.
  TimePoint at(const Resident& resident) const noexcept {
    return resident.timer_index_ == Resident::no_timer ? never : heap_[resident.timer_index_].at;
  }

  /// The earliest moment, or `never`.
  TimePoint next() const noexcept { return heap_.empty() ? never : heap_.front().at; }

  /// Removes and returns a resident whose moment has come by `now`, or nullptr.
  Resident* take_due(TimePoint now) {
    if (heap_.empty() || heap_.front().at > now) return nullptr;
    Resident* due = heap_.front().resident;
    remove(0);
    return due;
  }

  /// Removes every moment.
  void clear() noexcept {
    for (const Entry& entry : heap_) entry.resident->timer_index_ = Resident::no_timer;
    heap_.clear();
  }

  std::size_t size() const noexcept { return heap_.size(); }

 private:
  struct Entry {
    TimePoint at;
    Resident* resident;
  };
  static constexpr std::uint32_t arity = 4;

  void place(std::uint32_t index, const Entry& entry) noexcept {
    heap_[index] = entry;
    entry.resident->timer_index_ = index;
  }

  void rise(std::uint32_t index) noexcept {
    const Entry entry = heap_[index];
    while (index > 0) {
      const std::uint32_t parent = (index - 1) / arity;
      if (heap_[parent].at <= entry.at) break;
      place(index, heap_[parent]);
      index = parent;
    }
    place(index, entry);
  }

  void sink(std::uint32_t index) noexcept {
    const Entry entry = heap_[index];
    const auto size = static_cast<std::uint32_t>(heap_.size());
    for (;;) {
      const std::uint32_t first = index * arity + 1;
      if (first >= size) break;
      std::uint32_t least = first;
      for (std::uint32_t child = first + 1; child < first + arity && child < size; ++child) {
        if (heap_[child].at < heap_[least].at) least = child;
      }
      if (heap_[least].at >= entry.at) break;
      place(index, heap_[least]);
      index = least;
    }
    place(index, entry);
  }

  void remove(std::uint32_t index) {
    heap_[index].resident->timer_index_ = Resident::no_timer;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (index == heap_.size()) return;
    const TimePoint before = heap_[index].at;
    place(index, last);
    if (last.at < before) {
      rise(index);
    } else {
      sink(index);
    }
  }

  std::vector<Entry> heap_;
};

}  // namespace spate::detail
