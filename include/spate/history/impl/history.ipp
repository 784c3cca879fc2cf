// The functions of history.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/history/detail/history.hpp>

namespace spate::detail {

SPATE_DECL std::uint64_t History::first_after(const Subscriber& subscriber, std::uint64_t after) {
  sequences_.clear();
  if (store_->fetch_sequences(subscriber, after, 0, sequences_)) return sequences_.empty() ? 0 : sequences_.front();
  events_.clear();
  store_->fetch(subscriber, after, 0, events_);
  const std::uint64_t first = events_.empty() ? 0 : events_.front().sequence;
  events_.clear();
  return first;
}

SPATE_DECL std::optional<std::uint64_t> History::sequence_of(const Cursor& cursor) const {
  if (store_ == nullptr) return std::nullopt;
  const std::optional<std::uint64_t> sequence = cursor.sequence_in(store_->epoch());
  return sequence && store_->has_given(*sequence) ? sequence : std::nullopt;
}

}  // namespace spate::detail
