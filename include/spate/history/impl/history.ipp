// The functions of history.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/history/detail/history.hpp>

namespace spate::detail {

SPATE_DECL std::uint64_t History::first_after(std::string_view user, std::uint64_t after) {
  sequences_.clear();
  if (store_->fetch_sequences(user, after, 0, sequences_)) return sequences_.empty() ? 0 : sequences_.front();
  events_.clear();
  store_->fetch(user, after, 0, events_);
  const std::uint64_t first = events_.empty() ? 0 : events_.front().sequence;
  events_.clear();
  return first;
}

}  // namespace spate::detail
