// A MemoryReplayStore keeps the latest events in memory, bounded by count, bytes and age.
//
//   spate::ReplayLimits limits;
//   limits.max_events = 100'000;
//   spate::EmitterOptions options;
//   options.replay = std::make_shared<spate::MemoryReplayStore>(limits);
//
// Appending costs the same whatever is kept; a replay costs what it replays, not what others were sent. What is over
// the limits goes some hundred events at a time, with what is called next, so that no call takes long. Threads: the
// Emitter's lock; `size` and `bytes` any. Lifetime: history dies with the process, and its epoch with it. A process
// that is forked begins a history of its own at its first use of the store: it gives none of the ids that the other one
// gives.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/replay_limits.hpp>
#include <spate/history/replay_store.hpp>

namespace spate {

namespace detail {
class MemoryHistory;
}

class MemoryReplayStore final : public ReplayStore {
 public:
  using Clock = std::chrono::steady_clock;

  /// `now` is for tests; by default the steady clock. Throws std::invalid_argument when `max_age` is negative.
  explicit MemoryReplayStore(ReplayLimits limits = {}, std::function<Clock::time_point()> now = &Clock::now);

  SPATE_DECL ~MemoryReplayStore() override;

  SPATE_DECL std::string_view epoch() const override;
  SPATE_DECL std::uint64_t newest() const override;

  SPATE_DECL void append(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event) override;

  SPATE_DECL std::uint64_t fetch(std::string_view user, std::uint64_t after, std::size_t max_bytes,
                                 std::vector<StoredEvent>& events) override;
  SPATE_DECL std::uint64_t fetch(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                                 std::vector<StoredEvent>& events) override;

  SPATE_DECL void fetch_newest(const Subscriber& subscriber, std::uint64_t before, std::size_t max_bytes,
                               std::vector<StoredEvent>& events) override;

  SPATE_DECL std::uint64_t discarded(const Subscriber& subscriber) override;
  SPATE_DECL std::optional<std::uint64_t> fetch_sequences(const Subscriber& subscriber, std::uint64_t after,
                                                          std::size_t max_bytes,
                                                          std::vector<std::uint64_t>& sequences) override;

  SPATE_DECL bool restart(std::string_view epoch) override;

  SPATE_DECL void skip(std::uint64_t sequence) override;

  /// Events that are kept, as the latest call of the emitter left them.
  ///
  /// Threads      any, at any time: for metrics
  std::size_t size() const noexcept;
  /// What they cost, index included. Threads and moment as with `size`.
  std::size_t bytes() const noexcept;

 private:
  const std::unique_ptr<detail::MemoryHistory> history_;
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/impl/memory_replay_store.ipp>
#endif
