// Mutex and Lock: std::mutex and std::lock_guard, with which clang proves that what a mutex guards is used under it
// alone (-Wthread-safety). For other compilers the marks mean nothing.
//
//   Mutex mutex_;
//   int count_ SPATE_GUARDED_BY(mutex_);
//   void add_one() SPATE_REQUIRES(mutex_) { ++count_; }
#pragma once

#include <mutex>

#if defined(__clang__)
#define SPATE_THREAD_SAFETY(attribute) __attribute__((attribute))
#else
#define SPATE_THREAD_SAFETY(attribute)
#endif

/// Used under `mutex` alone.
#define SPATE_GUARDED_BY(mutex) SPATE_THREAD_SAFETY(guarded_by(mutex))
/// Called with `mutex` held.
#define SPATE_REQUIRES(mutex) SPATE_THREAD_SAFETY(requires_capability(mutex))
/// Called without `mutex`, which it takes: so clang finds who would wait for themselves.
#define SPATE_EXCLUDES(mutex) SPATE_THREAD_SAFETY(locks_excluded(mutex))
/// Returns `mutex`.
#define SPATE_RETURNS(mutex) SPATE_THREAD_SAFETY(lock_returned(mutex))
/// Not looked at; a comment says why.
#define SPATE_UNCHECKED SPATE_THREAD_SAFETY(no_thread_safety_analysis)

namespace spate::detail {

class SPATE_THREAD_SAFETY(capability("mutex")) Mutex {
 public:
  void lock() SPATE_THREAD_SAFETY(acquire_capability()) { mutex_.lock(); }
  void unlock() SPATE_THREAD_SAFETY(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class SPATE_THREAD_SAFETY(scoped_lockable) Lock {
 public:
  explicit Lock(Mutex& mutex) SPATE_THREAD_SAFETY(acquire_capability(mutex)) : mutex_(mutex) { mutex_.lock(); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() SPATE_THREAD_SAFETY(release_capability()) { mutex_.unlock(); }

 private:
  Mutex& mutex_;
};

}  // namespace spate::detail
