// SharedQuestion: one whose answer costs something. It is asked once for all who have it at the same time, and its
// answer serves those who come within a second.
//
// Threads: any. Callbacks: `done` runs in the call that brings the answer, or in its own when there is one, and without
// a lock.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/detail/lock.hpp>
#include <spate/loop/detail/insist.hpp>

namespace spate::detail {

template <typename Answer>
class SharedQuestion {
 public:
  using Clock = std::chrono::steady_clock;
  /// The answer is null when there is an error.
  using Done = std::function<void(std::error_code, const std::shared_ptr<const Answer>&)>;

  /// How long an answer serves.
  static constexpr std::chrono::seconds kept_for{1};

  /// Sees to it that `done` is called once. Returns whether the caller has to ask, and then to `answer`.
  [[nodiscard]] bool add(Done done, Clock::time_point now) {
    std::shared_ptr<const Answer> kept;
    {
      const Lock lock(mutex_);
      if (answer_ == nullptr || now - answered_at_ >= kept_for) {
        waiting_.push_back(std::move(done));
        answer_ = nullptr;
        return !std::exchange(asked_, true);
      }
      kept = answer_;
    }
    done({}, kept);
    return false;
  }

  /// Gives the answer to all who wait. An error is not kept. Nobody would do it later: it waits for memory, if it must.
  void answer(std::error_code error, Answer given, Clock::time_point now) {
    std::shared_ptr<Answer> kept;
    if (!error) {
      insist([&] { kept = std::make_shared<Answer>(); });
      *kept = std::move(given);
    }
    std::vector<Done> waiting;
    {
      const Lock lock(mutex_);
      waiting.swap(waiting_);
      answer_ = kept;
      answered_at_ = now;
      asked_ = false;
    }
    insist_for_each(waiting, [&](const Done& done) { done(error, kept); });
  }

 private:
  Mutex mutex_;
  std::vector<Done> waiting_ SPATE_GUARDED_BY(mutex_);
  std::shared_ptr<const Answer> answer_ SPATE_GUARDED_BY(mutex_);  // null when none is fresh
  Clock::time_point answered_at_ SPATE_GUARDED_BY(mutex_);
  bool asked_ SPATE_GUARDED_BY(mutex_) = false;
};

}  // namespace spate::detail
