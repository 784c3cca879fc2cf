// ByteTransport: what carries bytes to and from peers, whatever lies below: sockets, an encrypted connection, a pipe in
// a test.
//
// One object may serve many peers, each under a number of its own; all plain sockets of a loop share one. Who talks to
// a peer holds a Peer. It holds each resident until `close` or `abort`, which may end the resident's life, and calls
// none of its functions inside a call of its own. All members run on the loop's executor.
//
// What has left is the peer's business: broken_pipe is told of a client that has gone, and timed_out of one whose host
// has acknowledged nothing for too long.
#pragma once

#include <cstddef>
#include <system_error>

#include <asio/buffer.hpp>

#include <spate/loop/detail/resident.hpp>
#include <spate/wire/detail/ref.hpp>

namespace spate::detail {

class ByteTransport {
 public:
  /// Buffers that one write takes at most.
  static constexpr std::size_t max_buffers = 64;

  /// What one unit of the budget pays for besides a write.
  static constexpr std::size_t bytes_per_budget = 4096;

  ByteTransport() = default;
  ByteTransport(const ByteTransport&) = delete;
  ByteTransport& operator=(const ByteTransport&) = delete;

  /// From now on `resident` is told what happens to `peer`: on_readable, on_writable, on_hangup.
  virtual void set_resident(int peer, Ref<Resident> resident) = 0;

  /// Reads what is there. would_block when nothing is, asio::error::eof at the end. Less than `size` means that nothing
  /// is left: what comes later is told by on_readable.
  virtual std::size_t read(int peer, char* data, std::size_t size, std::error_code& error) = 0;

  /// Takes as much of `buffers`, which are `size` bytes in all, as it can now, and returns how much that is.
  ///
  /// would_block means that it takes no more until the next on_writable, which has to be asked for with
  /// `await_writable`; it may have taken something nevertheless. Something, but less than `size`, without an error
  /// means that the rest may be offered again at once. What is offered next begins where it left off, and may go on
  /// otherwise: after the first buffer events may have been dropped.
  virtual std::size_t write(int peer, const asio::const_buffer* buffers, std::size_t count, std::size_t size,
                            std::error_code& error) = 0;

  /// What a write that took `size` bytes costs of a turn's budget: as a rule it was a system call.
  virtual int cost_of_write(std::size_t size) noexcept { return 1 + static_cast<int>(size / bytes_per_budget); }

  /// Asks the processor for what a write to the peer needs, while it does something else.
  virtual void prefetch(int) const noexcept {}

  /// Asks for one on_writable, after would_block.
  virtual void await_writable(int peer) = 0;

  /// Asks for on_readable though there may be no new input: after it returned false, or did not read everything.
  virtual void await_readable(int peer) = 0;

  /// Bytes that were taken and that the peer has not acknowledged; zero where that cannot be told.
  virtual std::size_t unacknowledged(int peer) const = 0;

  /// After the end was read: why the connection has broken since. Empty as long as the peer may still read.
  virtual std::error_code broken(int peer) = 0;

  /// Ends this side; what the peer sends can still be read.
  virtual void shut_down(int peer) = 0;

  /// Ends both. The number may be given to another peer at once.
  virtual void close(int peer) = 0;

  /// Closes so that the peer sees a broken connection instead of an end, where there is a difference; what was not sent
  /// yet is dropped.
  virtual void abort(int peer) = 0;

 protected:
  ~ByteTransport() = default;
};

}  // namespace spate::detail
