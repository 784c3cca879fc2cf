// The functions of entry_merge.hpp.
#pragma once

#include <algorithm>

#include <spate/config.hpp>
#include <spate/history/detail/entry_merge.hpp>

namespace spate::detail {

SPATE_DECL void EntryMerge::begin(Order order, std::optional<HistoryClock::time_point> now) {
  order_ = order;
  now_ = now;
  runs_.clear();
}

SPATE_DECL void EntryMerge::add(const Entries& entries, Entries::Position first, Entries::Position last) {
  Run run{&entries, first, last, nullptr};
  if (!find(run)) return;
  runs_.push_back(run);
  std::push_heap(runs_.begin(), runs_.end(), [this](const Run& a, const Run& b) { return later(a, b); });
}

SPATE_DECL void EntryMerge::next() noexcept {
  const std::uint64_t sequence = runs_.front().entry->sequence();
  const auto order = [this](const Run& a, const Run& b) { return later(a, b); };
  // An event to several topics may stand in several runs.
  while (!runs_.empty() && runs_.front().entry->sequence() == sequence) {
    if (runs_.size() == 1) {
      if (!advance(runs_.front())) runs_.clear();
      return;
    }
    std::pop_heap(runs_.begin(), runs_.end(), order);
    if (advance(runs_.back())) {
      std::push_heap(runs_.begin(), runs_.end(), order);
    } else {
      runs_.pop_back();
    }
  }
}

SPATE_DECL bool EntryMerge::find(Run& run) const noexcept {
  const Entries& entries = *run.entries;
  if (now_) {
    for (;;) {
      if (const auto* expired = entries.mark(run.at); expired != nullptr && *expired <= *now_) {
        if (run.at.block == run.last.block) return false;
        run.at =
            order_ == Order::oldest_first ? entries.block_after(run.at) : entries.before(entries.block_begin(run.at));
      } else if (entries[run.at].due() > *now_) {
        break;
      } else if (!step(run)) {
        return false;
      }
    }
  }
  run.entry = &entries[run.at];
  return true;
}

SPATE_DECL bool EntryMerge::step(Run& run) const noexcept {
  if (run.at == run.last) return false;
  run.at = order_ == Order::oldest_first ? run.entries->after(run.at) : run.entries->before(run.at);
  return true;
}

}  // namespace spate::detail
