// System calls and allocations that fail when a test says so.
//
//   FailingCall fault({"accept4", EMFILE});            // the next one, on the threads that are marked
//   FailingCall fault({"epoll_ctl", ENOMEM, 3});       // the fourth one
//   FailingCall fault({"sendmsg", 0, 0, 1, 5});        // takes five bytes only
//
// The program's own definitions stand before those of the C library, which they call. A thread's calls fail only when
// it is marked: that of the server, not that of the test. One fault at a time.
#pragma once

#include <cstddef>
#include <string_view>

namespace spate::test {

struct Fault {
  std::string_view call;
  int error = 0;                // errno; zero for a short write
  int skip = 0;                 // calls that succeed before
  int times = 1;                // calls that fail then
  std::size_t short_write = 0;  // bytes that a short write takes
};

/// From now on calls of this thread may fail.
void mark_this_thread() noexcept;

/// Arms `fault` as long as it lives.
class FailingCall {
 public:
  explicit FailingCall(const Fault& fault) noexcept;
  FailingCall(const FailingCall&) = delete;
  FailingCall& operator=(const FailingCall&) = delete;
  ~FailingCall();

  /// How often it struck.
  int struck() const noexcept;
};

/// Whose allocations fail.
enum class Memory {
  taken_with_new,
  of_asio_too,  // for its handlers. Not on a strand: Asio lets none run any more that could not be started once
};

/// Fails allocations of marked threads, of so many bytes or more: `times` of them, after `skip` others.
class FailingAllocation {
 public:
  explicit FailingAllocation(long skip, long times = 1, std::size_t least_bytes = 0,
                             Memory memory = Memory::taken_with_new) noexcept;
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;
  ~FailingAllocation();
  bool struck() const noexcept;
};

}  // namespace spate::test
