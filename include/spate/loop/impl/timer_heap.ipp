// The functions of timer_heap.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/loop/detail/timer_heap.hpp>

namespace spate::detail {

SPATE_DECL void TimerHeap::set(Resident& resident, TimePoint at) {
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

SPATE_DECL Resident* TimerHeap::take_due(TimePoint now) {
  if (heap_.empty() || heap_.front().at > now) return nullptr;
  Resident* due = heap_.front().resident;
  remove(0);
  return due;
}

SPATE_DECL void TimerHeap::clear() noexcept {
  for (const Entry& entry : heap_) entry.resident->timer_index_ = Resident::no_timer;
  heap_.clear();
}

SPATE_DECL void TimerHeap::place(std::uint32_t index, const Entry& entry) noexcept {
  heap_[index] = entry;
  entry.resident->timer_index_ = index;
}

SPATE_DECL void TimerHeap::rise(std::uint32_t index) noexcept {
  const Entry entry = heap_[index];
  while (index > 0) {
    const std::uint32_t parent = (index - 1) / arity;
    if (heap_[parent].at <= entry.at) break;
    place(index, heap_[parent]);
    index = parent;
  }
  place(index, entry);
}

SPATE_DECL void TimerHeap::sink(std::uint32_t index) noexcept {
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

SPATE_DECL void TimerHeap::remove(std::uint32_t index) {
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

}  // namespace spate::detail
