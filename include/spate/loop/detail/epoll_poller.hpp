// EpollPoller: the sockets of one loop in an epoll set of Spate's own, itself one descriptor watched by Asio.
//
// An idle stream then costs Asio nothing, readiness for writing is asked of the kernel only after it refused bytes, and
// nothing changes for the program that owns the io_context. Linux only; AsioPoller does the same through Asio alone.
// All members run on the loop's executor.
#pragma once

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include <spate/config.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/loop/detail/owned_socket.hpp>
#include <spate/loop/detail/resident.hpp>

namespace spate::detail {

/// Names a socket of one poller. On Linux it is the descriptor.
using SocketId = int;
inline constexpr SocketId no_socket = -1;

class EpollPoller {
 public:
  /// Buffers that one write takes at most.
  static constexpr std::size_t max_buffers = 64;

  EpollPoller(const asio::any_io_executor& executor, std::function<void()> ready);

  EpollPoller(const EpollPoller&) = delete;
  EpollPoller& operator=(const EpollPoller&) = delete;
  ~EpollPoller() { stop(); }

  /// What `acceptor` accepts breaks (timed_out) when the peer's host has acknowledged nothing for `wait`. For a host
  /// that vanished the kernel takes small writes as long as it has room, so that none of them ever stalls. Zero leaves
  /// it to the system, which waits for a quarter of an hour.
  static void limit_silence(SocketAcceptor& acceptor, std::chrono::milliseconds wait) noexcept;

  /// Any thread. Takes one pending connection of `acceptor`, to `attach` to this poller or another. Sets `error` when
  /// there is none (would_block) or it cannot be had.
  static OwnedSocket accept(SocketAcceptor& acceptor, SocketProtocol::endpoint& remote, std::error_code& error);

  /// Watches a connection, which is the poller's from now on, also when it fails.
  SocketId attach(OwnedSocket owned, std::error_code& error);

  /// From now on `resident` is told what happens to `socket`.
  void set_resident(SocketId socket, Ref<Resident> resident) {
    std::swap(slots_[static_cast<std::size_t>(socket)].resident, resident);
  }

  /// Reads what is there. would_block when nothing is, asio::error::eof at the end.
  std::size_t read(SocketId socket, char* data, std::size_t size, std::error_code& error) noexcept;

  /// Writes what the kernel takes now; would_block when it takes nothing.
  std::size_t write(SocketId socket, const asio::const_buffer* buffers, std::size_t count,
                    std::error_code& error) noexcept;

  /// Why a connection has broken at whose end there is nothing more to read; empty when it has not.
  std::error_code broken(SocketId socket) noexcept;

  /// Bytes that were written and that the peer's host has not acknowledged.
  std::size_t unacknowledged(SocketId socket) const noexcept;

  /// Keeps `ticket` until the socket is closed, also when its resident changes.
  void hold(SocketId socket, Ref<Resident> ticket) { tickets_[socket] = std::move(ticket); }

  /// Asks for one on_writable, after a write was refused.
  void await_writable(SocketId socket);

  /// Asks for on_readable though there may be no new input: after it returned false, or did not read everything.
  void await_readable(SocketId socket) {
    look_again(socket, slots_[static_cast<std::size_t>(socket)].watches_output ? EPOLLOUT : 0u);
  }

  void shutdown_send(SocketId socket) noexcept { ::shutdown(socket, SHUT_WR); }

  void close(SocketId socket);

  /// Closes so that the peer sees a broken connection instead of an end; what was not sent yet is dropped. On a Unix
  /// socket, which cannot be broken, the same as `close`.
  void abort(SocketId socket);

  /// Any thread. Sockets that it watches.
  std::size_t count() const noexcept { return count_.load(std::memory_order_relaxed); }

  /// Every resident that has a socket now.
  std::vector<Ref<Resident>> residents() const;

  /// The most that one dispatch tells.
  static constexpr int max_dispatch = 256;

  /// Tells residents what happened to `most` sockets since the last call, without waiting, and lets Asio watch again.
  /// What a resident throws ends that one; the first of it is left in `failure`.
  void dispatch(int most, std::exception_ptr& failure);

  /// Whether the last dispatch may have left something.
  bool more() const noexcept { return more_ || !unwatched_.empty(); }

  /// Closes everything and lets go of Asio.
  void stop();

 private:
  struct Slot {
    Ref<Resident> resident;
    std::uint32_t generation = 0;
    bool watches_output = false;
  };

  static void set(std::error_code& error) noexcept;

  epoll_event event_of(int socket, std::uint32_t more) const noexcept;

  // Asks for an edge. If the kernel has no memory for it the next turn looks by itself.
  bool look_again(int socket, std::uint32_t more);

  void tell(const epoll_event& event, std::exception_ptr& failure);

  // Asio watches the set only while there is something in it, so that io_context::run can return.
  void watch();

  std::function<void()> ready_;
  std::optional<asio::posix::stream_descriptor> descriptor_;
  int epoll_ = -1;
  std::vector<Slot> slots_;
  std::unordered_map<SocketId, Ref<Resident>> tickets_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();  // until stop(); handlers may still come then
  std::atomic<std::size_t> count_{0};                       // changed by the loop alone
  bool watching_ = false;
  bool more_ = false;
  std::vector<epoll_event> unwatched_;  // of sockets for which the kernel would not watch
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/loop/impl/epoll_poller.ipp>
#endif
