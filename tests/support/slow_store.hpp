// A store that answers later: what is fetched from it has to be asked for first, and comes when the test says so.
//
//   const auto store = std::make_shared<SlowStore>();
//   ...                    // somebody resumes, and waits
//   store->answer();       // once for all who wait; what they ask for next waits again
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/history/memory_replay_store.hpp>
#include <spate/history/replay_store.hpp>

namespace spate::test {

class SlowStore final : public ReplayStore {
 public:
  explicit SlowStore(ReplayLimits limits = {}) : kept_(limits) {}

  /// Any thread. Returns how many were waiting.
  std::size_t answer() {
    std::vector<Question> asked;
    {
      const std::lock_guard lock(mutex_);
      asked.swap(asked_);
      for (const Question& question : asked) at_hand_.insert(question.what);
    }
    for (const Question& question : asked) question.ready();
    return asked.size();
  }
  std::size_t waiting() const {
    const std::lock_guard lock(mutex_);
    return asked_.size();
  }

  std::string_view epoch() const override { return kept_.epoch(); }
  std::uint64_t newest() const override { return kept_.newest(); }
  void append(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event) override {
    kept_.append(sequence, audience, event);
  }
  std::uint64_t discarded(const Subscriber& subscriber) override { return kept_.discarded(subscriber); }

  bool at_hand(const Subscriber& subscriber, std::uint64_t after, std::size_t, const Waiter& waiter) override {
    const std::lock_guard lock(mutex_);
    What what(subscriber.user, after);
    may_fetch_ = at_hand_.erase(what) > 0;
    if (!may_fetch_) asked_.push_back({std::move(what), waiter.when_ready()});
    return may_fetch_;
  }
  bool newest_at_hand(const Subscriber& subscriber, std::uint64_t before, std::size_t max_bytes,
                      const Waiter& waiter) override {
    return at_hand(subscriber, before, max_bytes, waiter);
  }
  std::uint64_t fetch(std::string_view user, std::uint64_t after, std::size_t max_bytes,
                      std::vector<StoredEvent>& events) override {
    return fetch(Subscriber(user), after, max_bytes, events);
  }
  std::uint64_t fetch(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                      std::vector<StoredEvent>& events) override {
    if (!may_fetch_) fetched_unasked = true;
    return kept_.fetch(subscriber, after, max_bytes, events);
  }

  std::atomic<bool> fetched_unasked{false};

 private:
  using What = std::pair<std::string, std::uint64_t>;
  struct Question {
    What what;
    std::function<void()> ready;
  };

  MemoryReplayStore kept_;
  bool may_fetch_ = false;  // guarded by the emitter's lock, like what is kept
  mutable std::mutex mutex_;
  std::vector<Question> asked_;
  std::set<What> at_hand_;
};

}  // namespace spate::test
