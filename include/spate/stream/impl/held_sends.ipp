// The functions of held_sends.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/stream/detail/held_sends.hpp>

namespace spate::detail {

SPATE_DECL void HeldSends::push(EncodedEvent event, Ref<SendWaiter> waiter, SourcePosition after) {
  entries_.push_back({std::move(event), std::move(waiter), std::move(after), std::exchange(gap_, false)});
  count(entries_.back(), 1);
}

SPATE_DECL HeldSends::Entry HeldSends::pop() {
  Entry entry = std::move(entries_.front());
  count(entry, -1);
  entries_.pop_front();
  return entry;
}

SPATE_DECL std::size_t HeldSends::drop_oldest() {
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (!entry->droppable()) continue;
    const std::size_t size = entry->size();
    count(*entry, -1);
    const auto next = entries_.erase(entry);
    (next == entries_.end() ? gap_ : next->after_gap) = true;
    return size;
  }
  return 0;
}

SPATE_DECL void HeldSends::clear(std::error_code error) {
  const std::list<Entry> entries = std::exchange(entries_, {});
  events_ = bytes_ = 0;
  insist_for_each(entries, [&](const Entry& entry) {
    if (entry.waiter) entry.waiter->done(error);
  });
}

SPATE_DECL void HeldSends::count(const Entry& entry, int by) noexcept {
  if (!entry.droppable()) return;
  events_ += static_cast<std::size_t>(by);
  bytes_ += static_cast<std::size_t>(by) * entry.size();
}

}  // namespace spate::detail
