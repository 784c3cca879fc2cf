// Waiting for what another thread does, without a length of time in the test that passes.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace spate::test {

/// How long a test waits before it fails. Long enough for a sanitizer on a busy machine: a test that passes never
/// waits so long.
inline constexpr std::chrono::seconds patience{20};

/// Asks `condition()` again and again until it holds or `deadline` is over. Returns whether it came to hold. One that
/// throws std::system_error does not hold yet: what it asks may be away for a moment. At the deadline that goes on.
template <typename Condition>
bool eventually(Condition&& condition, std::chrono::milliseconds deadline = patience) {
  const auto until = std::chrono::steady_clock::now() + deadline;
  for (;;) {
    const bool last = std::chrono::steady_clock::now() >= until;
    try {
      if (condition()) return true;
    } catch (const std::system_error&) {
      if (last) throw;
    }
    if (last) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

/// What happened, in its order, as callbacks on other threads note it. Assertions stay on the thread of the test.
class Journal {
 public:
  void add(std::string entry) {
    const std::lock_guard lock(mutex_);
    entries_.push_back(std::move(entry));
  }
  std::vector<std::string> entries() const {
    const std::lock_guard lock(mutex_);
    return entries_;
  }
  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
  }
  /// The newest; empty as long as there is none.
  std::string last() const {
    const std::lock_guard lock(mutex_);
    return entries_.empty() ? std::string() : entries_.back();
  }
  /// Waits until there are at least `count`; returns all.
  std::vector<std::string> wait_for(std::size_t count) const {
    eventually([&] { return size() >= count; });
    return entries();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> entries_;
};

/// What another thread sets: as a rule one value, once.
template <typename T>
class Awaited {
 public:
  void set(T value) {
    const std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
  }
  /// The first value set. Throws when none comes.
  T get() const {
    if (!eventually([&] { return is_set(); })) throw std::runtime_error("nothing came");
    const std::lock_guard lock(mutex_);
    return values_.front();
  }
  /// Takes the first value away, so that the one set after it is the first. Throws when none comes.
  T take() {
    T value = get();
    const std::lock_guard lock(mutex_);
    values_.erase(values_.begin());
    return value;
  }
  bool is_set() const {
    const std::lock_guard lock(mutex_);
    return !values_.empty();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<T> values_;
};

}  // namespace spate::test
