// Resident: something that lives on a loop and is told, on the loop's thread only, what happens to it.
//
// One base for streams, HTTP sessions and the registry's parts, so that a stream pays for one virtual table pointer.
#pragma once

#include <cstdint>
#include <system_error>

#include <spate/config.hpp>
#include <spate/loop/detail/clock.hpp>
#include <spate/wire/detail/ref.hpp>

namespace spate::detail {

/// What remains after a flush and can be done now.
enum class Remaining : std::uint8_t {
  nothing,
  some,  // in its turn among what is new
  bulk,  // after what is new: one client's long queue or replay, which is not to delay the others
};

class Resident : public RefCounted<Resident> {
 public:
  virtual ~Resident() = default;

  /// The socket has bytes, or an end, to read. Returns whether to be told of more.
  virtual bool on_readable() { return true; }
  /// The socket takes bytes again after it had refused some.
  virtual void on_writable() {}
  /// The peer closed its side or the connection broke.
  virtual void on_hangup() {}
  /// The server drains: finish what is going on, then close.
  virtual void on_drain() {}
  /// The drain's deadline has passed: close now. Returns how many streams and answers were cut short.
  virtual std::size_t on_cut() { return 0; }
  /// What was done for it has thrown, and may be half done: it is over. May be called again when it throws itself.
  SPATE_DECL virtual void on_failure(std::error_code error);
  /// The work asked for with Loop::mark_dirty: write what waits, at the cost of `budget`.
  SPATE_DECL virtual Remaining flush(int& budget);
  /// The moment set with Loop::set_timer has come.
  virtual void on_timer(TimePoint now) { static_cast<void>(now); }

 private:
  friend class TimerHeap;
  static constexpr std::uint32_t no_timer = 0xFFFFFFFF;
  std::uint32_t timer_index_ = no_timer;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/loop/impl/resident.ipp>
#endif
