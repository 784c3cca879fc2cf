// The functions of start_search.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/registry/detail/start_search.hpp>

namespace spate::detail {

SPATE_DECL void StartSearch::look(const Subscription& subscription) {
  for (const StoredEvent& stored : batch) {
    if (!subscription.accepts(stored.event.name())) continue;
    found = stored.sequence;
    break;
  }
  if (found == 0 && !batch.empty()) after = batch.back().sequence;
  batch.clear();
}

}  // namespace spate::detail
