// Counts the mutexes that a program locks, and how often it had to wait for one. Preloaded by profile.sh --locks; tells
// at the program's end.
#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <cstdio>

namespace {

std::atomic<unsigned long> locked{0};
std::atomic<unsigned long> contended{0};

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

struct Report {
  ~Report() { std::fprintf(stderr, "locked=%lu contended=%lu\n", locked.load(), contended.load()); }
} report;

}  // namespace

extern "C" int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  static const auto lock = next<int (*)(pthread_mutex_t*)>("pthread_mutex_lock");
  static const auto try_lock = next<int (*)(pthread_mutex_t*)>("pthread_mutex_trylock");
  locked.fetch_add(1, std::memory_order_relaxed);
  const int result = try_lock(mutex);
  if (result != EBUSY) return result;
  contended.fetch_add(1, std::memory_order_relaxed);
  return lock(mutex);
}
