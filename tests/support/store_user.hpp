// Uses a replay store as an emitter does: one call at a time, events that are kept later, and answers that come later.
//
//   StoreUser user(store);
//   user.send(Audience::user("alice"), Event("hello"));
//   user.settle_all();
//   user.fetch(Subscriber("alice"), 0);     // waits for the store where it has to
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/history/replay_store.hpp>
#include "support/eventually.hpp"

namespace spate::test {

class StoreUser {
 public:
  struct Got {
    std::vector<StoredEvent> events;
    std::uint64_t discarded = 0;  // 0 unless something may be missing

    std::vector<std::uint64_t> sequences() const {
      std::vector<std::uint64_t> all;
      all.reserve(events.size());
      for (const StoredEvent& each : events) all.push_back(each.sequence);
      return all;
    }
  };

  explicit StoreUser(ReplayStore& store) : store_(store), told_(std::make_shared<Told>()) {
    store_.on_settled([told = told_] { told->tell(); });
  }
  StoreUser(const StoreUser&) = delete;
  StoreUser& operator=(const StoreUser&) = delete;
  ~StoreUser() { store_.on_settled({}); }

  /// Appends it under the next number, with an id that says it. Returns the number.
  std::uint64_t send(const Audience& audience, Event event) {
    const std::lock_guard lock(mutex_);
    const std::uint64_t sequence = sent_ = store_.newest_given() + 1;
    store_.append(sequence, audience, EncodedEvent(std::move(event).id(std::to_string(sequence))));
    return sequence;
  }

  /// Waits until the fate of all that was appended is known. Returns what has been settled since it was last called.
  std::vector<ReplayStore::Settled> settle_all() {
    std::vector<ReplayStore::Settled> settled;
    const auto until = std::chrono::steady_clock::now() + patience;
    for (;;) {
      const std::size_t before = told_->count();
      {
        const std::lock_guard lock(mutex_);
        store_.settle(settled);
        for (const ReplayStore::Settled& each : settled) settled_up_to_ = std::max(settled_up_to_, each.up_to);
        if (settled_up_to_ >= sent_) return settled;
      }
      if (!told_->wait_beyond(before, until)) throw std::runtime_error("nothing was settled");
    }
  }

  /// What `subscriber` is owed after `after`, all of it, a step at a time.
  Got fetch(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes = 1000) {
    Got got;
    for (;;) {
      std::vector<StoredEvent> batch;
      const std::uint64_t discarded = fetch_once(subscriber, after, max_bytes, batch);
      if (discarded > after) got.discarded = std::max(got.discarded, discarded);
      if (batch.empty()) return got;
      after = batch.back().sequence;
      got.events.insert(got.events.end(), batch.begin(), batch.end());
    }
  }

  std::uint64_t fetch_once(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                           std::vector<StoredEvent>& batch) {
    std::uint64_t discarded = 0;
    when_at_hand(
        [&](const ReplayStore::Waiter& waiter) { return store_.at_hand(subscriber, after, max_bytes, waiter); },
        [&] { discarded = store_.fetch(subscriber, after, max_bytes, batch); });
    return discarded;
  }

  std::uint64_t discarded(const Subscriber& subscriber, std::uint64_t after = 0) {
    std::uint64_t discarded = 0;
    when_at_hand([&](const ReplayStore::Waiter& waiter) { return store_.at_hand(subscriber, after, 0, waiter); },
                 [&] { discarded = store_.discarded(subscriber); });
    return discarded;
  }

  /// The newest up to `before`, newest first, no more than `count`.
  std::vector<std::uint64_t> fetch_newest(const Subscriber& subscriber, std::uint64_t before, std::size_t count,
                                          std::size_t max_bytes = 1000) {
    std::vector<std::uint64_t> sequences;
    while (before > 0 && sequences.size() < count) {
      std::vector<StoredEvent> batch;
      when_at_hand(
          [&](const ReplayStore::Waiter& waiter) {
            return store_.newest_at_hand(subscriber, before, max_bytes, waiter);
          },
          [&] { store_.fetch_newest(subscriber, before, max_bytes, batch); });
      if (batch.empty()) break;
      for (const StoredEvent& each : batch) sequences.push_back(each.sequence);
      before = sequences.back() - 1;
    }
    sequences.resize(std::min(sequences.size(), count));
    return sequences;
  }

  std::uint64_t newest() {
    const std::lock_guard lock(mutex_);
    return store_.newest();
  }

  /// How often something had to be waited for.
  std::size_t waits() const noexcept { return waits_; }

  /// The emitter's lock.
  std::mutex& mutex() noexcept { return mutex_; }

 private:
  // What a store tells, which may be when nobody listens any more.
  class Told {
   public:
    void tell() {
      const std::lock_guard lock(mutex_);
      ++count_;
      changed_.notify_all();
    }
    std::size_t count() const {
      const std::lock_guard lock(mutex_);
      return count_;
    }
    bool wait_beyond(std::size_t count, std::chrono::steady_clock::time_point until) {
      std::unique_lock lock(mutex_);
      return changed_.wait_until(lock, until, [&] { return count_ > count; });
    }

   private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t count_ = 0;
  };

  class Waiter final : public ReplayStore::Waiter {
   public:
    explicit Waiter(std::shared_ptr<Told> told) : told_(std::move(told)) {}
    std::function<void()> when_ready() const override {
      return [told = told_] { told->tell(); };
    }

   private:
    const std::shared_ptr<Told> told_;
  };

  template <typename Ask, typename Then>
  void when_at_hand(Ask&& ask, Then&& then) {
    const auto until = std::chrono::steady_clock::now() + patience;
    for (;;) {
      const auto ready = std::make_shared<Told>();
      {
        const std::lock_guard lock(mutex_);
        if (ask(Waiter(ready))) return then();
        ++waits_;
      }
      if (!ready->wait_beyond(0, until)) throw std::runtime_error("the store did not answer");
    }
  }

  ReplayStore& store_;
  const std::shared_ptr<Told> told_;
  std::mutex mutex_;
  std::uint64_t sent_ = 0;
  std::uint64_t settled_up_to_ = 0;
  std::size_t waits_ = 0;
};

}  // namespace spate::test
