// StartSearch: where a stream with a filter begins in its user's history, looked for in steps.
//
// A history of a million events may have none that passes. So the emitter's lock is held for the next few at a time,
// and their names are looked at without it. One per subscription that is being added. No lock of its own, no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/replay_store.hpp>
#include <spate/registry/detail/subscription.hpp>
#include <spate/registry/emitter_options.hpp>

namespace spate::detail {

struct StartSearch {
  /// Bytes of history that are taken at a time, in one hold of the lock: some hundred events at the most.
  static constexpr std::size_t step = 8 * 1024;

  /// Steps for which others on the same loop wait.
  static constexpr int max_steps_in_add = 8;

  /// Looks for the first event of `batch` that `subscription` takes; if there is none the search goes on after them. Of
  /// the newest it counts those that it takes, and goes on before them.
  void look(const Subscription& subscription);

  std::optional<std::uint32_t> generation;  // of the history that is searched
  std::optional<GapReason> gap;             // what is to be told, whatever is found
  std::uint64_t after = 0;                  // up to here nothing passes, or the client has it; the newest end here
  std::uint64_t found = 0;                  // the first that passes; 0 as long as there is none
  std::uint64_t before = 0;                 // of the newest: looked for up to there
  std::uint64_t left = 0;                   // so many
  bool begins = false;                      // nothing has been looked at
  bool waits = false;                       // for the store, which has nothing at hand to go on with
  std::vector<StoredEvent> batch;           // what is to be looked at next
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/start_search.ipp>
#endif
