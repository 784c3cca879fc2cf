// The functions of start_search.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/registry/detail/start_search.hpp>

namespace spate::detail {

SPATE_DECL void StartSearch::look(const Subscription& subscription) {
  const bool of_newest = left > 0;
  for (const StoredEvent& stored : batch) {
    if (!subscription.accepts(stored.event.name())) continue;
    found = stored.sequence;
    if (!of_newest || --left == 0) break;
  }
  if (of_newest && !batch.empty()) before = batch.back().sequence - 1;
  if (!of_newest && found == 0 && !batch.empty()) after = batch.back().sequence;
  batch.clear();
}

}  // namespace spate::detail
