// Built into fault_tests, and once more as a library for LD_PRELOAD, which reads its one fault from the environment:
// SPATE_FAULT=call:errno:skip:times, on any thread.
#include "fault/calls/failing_calls.hpp"

#include <dlfcn.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

namespace spate::test {
namespace {

// Plain data: the first call may come before any constructor has run.
struct Armed {
  char call[32] = {};
  int error = 0;
  std::size_t short_write = 0;
  std::atomic<int> skip{0};
  std::atomic<int> times{0};
  std::atomic<int> struck{0};
  std::atomic<bool> on{false};
};
constinit Armed armed;
constinit std::atomic<bool> every_thread{false};
thread_local bool marked;

std::atomic<bool> allocation_on;
std::atomic<long> allocation_skip;
std::atomic<long> allocation_times;
std::atomic<std::size_t> allocation_least_bytes;
std::atomic<bool> allocation_struck;
std::atomic<bool> allocation_of_asio;

void arm(std::string_view call, int error, int skip, int times, std::size_t short_write) noexcept {
  armed.on = false;
  const std::size_t size = std::min(call.size(), sizeof armed.call - 1);
  std::memcpy(armed.call, call.data(), size);
  armed.call[size] = '\0';
  armed.error = error;
  armed.short_write = short_write;
  armed.skip = skip;
  armed.times = times;
  armed.struck = 0;
  armed.on = true;
}

/// Whether this call fails. Sets errno.
bool strikes(const char* call) noexcept {
  if (!armed.on || !(marked || every_thread) || std::strcmp(call, armed.call) != 0) return false;
  if (armed.skip.fetch_sub(1) > 0) return false;
  if (armed.times.fetch_sub(1) <= 0) return false;
  ++armed.struck;
  errno = armed.error;
  return true;
}

template <typename Function>
Function real(const char* name) noexcept {
  void* const found = ::dlsym(RTLD_NEXT, name);
  Function function;
  static_assert(sizeof function == sizeof found);
  std::memcpy(&function, &found, sizeof function);
  return function;
}

/// Of the library: before main, from the environment.
[[gnu::constructor]] void read_environment() noexcept {
  const char* const text = std::getenv("SPATE_FAULT");
  if (text == nullptr) return;
  char call[32] = {};
  int error = 0, skip = 0, times = 1;
  if (std::sscanf(text, "%31[a-z0-9_]:%d:%d:%d", call, &error, &skip, &times) < 2) return;
  every_thread = true;
  arm(call, error, skip, times, 0);
}

}  // namespace

void mark_this_thread() noexcept {
  marked = true;
}

FailingCall::FailingCall(const Fault& fault) noexcept {
  arm(fault.call, fault.error, fault.skip, fault.times, fault.short_write);
}
FailingCall::~FailingCall() {
  armed.on = false;
}
int FailingCall::struck() const noexcept {
  return armed.struck;
}

FailingAllocation::FailingAllocation(long skip, long times, std::size_t least_bytes, Memory memory) noexcept {
  allocation_of_asio = memory == Memory::of_asio_too;
  allocation_least_bytes = least_bytes;
  allocation_struck = false;
  allocation_skip = skip;
  allocation_times = times;
  allocation_on = true;
}
FailingAllocation::~FailingAllocation() {
  allocation_on = false;
}
bool FailingAllocation::struck() const noexcept {
  return allocation_struck;
}

#ifndef SPATE_FAULT_PRELOAD
namespace {

bool allocation_strikes(std::size_t size) noexcept {
  if (!marked || !allocation_on || size < allocation_least_bytes) return false;
  const long left = allocation_skip.fetch_sub(1);
  if (left > 0 || left <= -allocation_times) return false;
  allocation_struck = true;
  return true;
}

}  // namespace
#endif
}  // namespace spate::test

using spate::test::real;
using spate::test::strikes;

// What fails without having been done. `name` as the C library has it.
#define SPATE_FAILING(result, name, parameters, arguments, specifier) \
  extern "C" result name parameters specifier {                       \
    using Function = result(*) parameters;                            \
    static const Function next = real<Function>(#name);               \
    if (strikes(#name)) return -1;                                    \
    return next arguments;                                            \
  }

SPATE_FAILING(int, accept4, (int fd, sockaddr* address, socklen_t* size, int flags), (fd, address, size, flags), )
SPATE_FAILING(int, epoll_create1, (int flags), (flags), noexcept)
SPATE_FAILING(int, epoll_wait, (int fd, epoll_event* events, int most, int wait), (fd, events, most, wait), )
SPATE_FAILING(int, eventfd, (unsigned int count, int flags), (count, flags), noexcept)
SPATE_FAILING(int, timerfd_create, (int clock, int flags), (clock, flags), noexcept)
SPATE_FAILING(int, socket, (int domain, int type, int protocol), (domain, type, protocol), noexcept)
SPATE_FAILING(int, bind, (int fd, const sockaddr* address, socklen_t size), (fd, address, size), noexcept)
SPATE_FAILING(int, listen, (int fd, int backlog), (fd, backlog), noexcept)
SPATE_FAILING(int, setsockopt, (int fd, int level, int name, const void* value, socklen_t size),
              (fd, level, name, value, size), noexcept)
SPATE_FAILING(int, getsockname, (int fd, sockaddr* address, socklen_t* size), (fd, address, size), noexcept)
SPATE_FAILING(int, getpeername, (int fd, sockaddr* address, socklen_t* size), (fd, address, size), noexcept)
SPATE_FAILING(int, shutdown, (int fd, int how), (fd, how), noexcept)
SPATE_FAILING(ssize_t, recv, (int fd, void* data, size_t size, int flags), (fd, data, size, flags), )

// Only those of Spate's own set, which alone asks for EPOLLRDHUP: Asio does not look at what this call returns.
extern "C" int epoll_ctl(int set, int operation, int fd, epoll_event* event) noexcept {
  using Function = int (*)(int, int, int, epoll_event*);
  static const Function next = real<Function>("epoll_ctl");
  const bool own = event != nullptr && (event->events & EPOLLRDHUP) != 0;
  if (own && strikes(operation == EPOLL_CTL_ADD ? "epoll_ctl_add" : "epoll_ctl_mod")) return -1;
  return next(set, operation, fd, event);
}

extern "C" ssize_t send(int fd, const void* data, size_t size, int flags) {
  using Function = ssize_t (*)(int, const void*, size_t, int);
  static const Function next = real<Function>("send");
  if (strikes("send")) {
    if (spate::test::armed.error != 0) return -1;
    size = std::min(size, spate::test::armed.short_write);
  }
  return next(fd, data, size, flags);
}

extern "C" ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  using Function = ssize_t (*)(int, const msghdr*, int);
  static const Function next = real<Function>("sendmsg");
  if (strikes("sendmsg")) {
    if (spate::test::armed.error != 0) return -1;
    iovec first = message->msg_iov[0];
    first.iov_len = std::min(first.iov_len, spate::test::armed.short_write);
    msghdr less = *message;
    less.msg_iov = &first;
    less.msg_iovlen = 1;
    return next(fd, &less, flags);
  }
  return next(fd, message, flags);
}

// Linux has closed the descriptor whatever it returns.
extern "C" int close(int fd) {
  using Function = int (*)(int);
  static const Function next = real<Function>("close");
  const int result = next(fd);
  return strikes("close") ? -1 : result;
}

#ifndef SPATE_FAULT_PRELOAD
void* operator new(std::size_t size) {
  if (spate::test::allocation_strikes(size)) throw std::bad_alloc();
  if (void* const memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return operator new(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
// A sanitizer has those for arrays itself, which would not come here.
void* operator new[](std::size_t size) {
  return operator new(size);
}
void operator delete[](void* memory) noexcept {
  operator delete(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  operator delete(memory);
}

// What Asio takes for its handlers.
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  if (spate::test::allocation_of_asio && spate::test::allocation_strikes(size)) return nullptr;
  void* memory = nullptr;
  return ::posix_memalign(&memory, std::max(alignment, sizeof(void*)), size) == 0 ? memory : nullptr;
}
#endif
