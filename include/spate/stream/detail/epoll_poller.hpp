// EpollPoller: the sockets of one shard in an epoll set of Spate's own, itself one descriptor watched by Asio.
//
// An idle stream then costs Asio nothing, readiness for writing is asked of the kernel only after it refused bytes, and
// nothing changes for the program that owns the io_context. Linux only; AsioPoller does the same through Asio alone.
// All members run on the shard's executor.
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

#include <spate/stream/detail/insist.hpp>
#include <spate/stream/detail/owned_socket.hpp>
#include <spate/stream/detail/resident.hpp>

namespace spate::detail {

/// Names a socket of one poller. On Linux it is the descriptor.
using SocketId = int;
inline constexpr SocketId no_socket = -1;

class EpollPoller {
 public:
  /// Buffers that one write takes at most.
  static constexpr std::size_t max_buffers = 64;

  EpollPoller(const asio::any_io_executor& executor, std::function<void()> ready)
      : ready_(std::move(ready)), descriptor_(executor) {
    const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
    if (descriptor < 0) throw std::system_error(errno, std::system_category(), "spate: epoll_create1");
    descriptor_->assign(descriptor);
    epoll_ = descriptor;
  }

  EpollPoller(const EpollPoller&) = delete;
  EpollPoller& operator=(const EpollPoller&) = delete;
  ~EpollPoller() { stop(); }

  /// What `acceptor` accepts breaks (timed_out) when the peer's host has acknowledged nothing for `wait`. For a host
  /// that vanished the kernel takes small writes as long as it has room, so that none of them ever stalls. Zero leaves
  /// it to the system, which waits for a quarter of an hour.
  static void limit_silence(AnyAcceptor& acceptor, std::chrono::milliseconds wait) noexcept {
    constexpr std::chrono::milliseconds most = std::chrono::hours(24);
    const auto limit = static_cast<unsigned>(std::min(wait, most).count());
    // Inherited by what it accepts. A kind of socket that has no such option does without.
    ::setsockopt(acceptor.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof limit);
  }

  /// Any thread. Takes one pending connection of `acceptor`, to `attach` to this poller or another. Sets `error` when
  /// there is none (would_block) or it cannot be had.
  static OwnedSocket accept(AnyAcceptor& acceptor, AnyStream::endpoint& remote, std::error_code& error) {
    auto size = static_cast<socklen_t>(remote.capacity());
    for (;;) {
      const int socket = ::accept4(acceptor.native_handle(), remote.data(), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (socket >= 0) {
        error.clear();
        remote.resize(size);
        return {socket, remote.protocol()};
      }
      if (errno == EINTR) continue;
      set(error);
      return {};
    }
  }

  /// Watches a connection, which is the poller's from now on, also when it fails.
  SocketId attach(OwnedSocket owned, std::error_code& error) {
    const int socket = owned.native();
    const auto index = static_cast<std::size_t>(socket);
    if (index >= slots_.size()) slots_.resize(index + 1);
    epoll_event event = event_of(socket, 0);
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) != 0) {
      error.assign(errno, std::system_category());
      return no_socket;
    }
    ++count_;
    insist([&] { watch(); });
    error.clear();
    return owned.release();
  }

  /// From now on `resident` is told what happens to `socket`.
  void set_resident(SocketId socket, Ref<Resident> resident) {
    std::swap(slots_[static_cast<std::size_t>(socket)].resident, resident);
  }

  /// Reads what is there. would_block when nothing is, asio::error::eof at the end.
  std::size_t read(SocketId socket, char* data, std::size_t size, std::error_code& error) noexcept {
    for (;;) {
      const ssize_t count = ::recv(socket, data, size, 0);
      if (count > 0) {
        error.clear();
        return static_cast<std::size_t>(count);
      }
      if (count == 0) {
        error = asio::error::eof;
        return 0;
      }
      if (errno == EINTR) continue;
      set(error);
      return 0;
    }
  }

  /// Writes what the kernel takes now; would_block when it takes nothing.
  std::size_t write(SocketId socket, const asio::const_buffer* buffers, std::size_t count,
                    std::error_code& error) noexcept {
    for (;;) {
      ssize_t written;
      if (count == 1) {
        written = ::send(socket, buffers->data(), buffers->size(), MSG_NOSIGNAL);
      } else {
        iovec parts[max_buffers];
        for (std::size_t i = 0; i < count; ++i) {
          parts[i] = {const_cast<void*>(buffers[i].data()), buffers[i].size()};
        }
        msghdr message{};
        message.msg_iov = parts;
        message.msg_iovlen = count;
        written = ::sendmsg(socket, &message, MSG_NOSIGNAL);
      }
      if (written >= 0) {
        error.clear();
        return static_cast<std::size_t>(written);
      }
      if (errno == EINTR) continue;
      set(error);
      return 0;
    }
  }

  /// Why a connection has broken at whose end there is nothing more to read; empty when it has not.
  std::error_code broken(SocketId socket) noexcept {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
    // A Unix socket has no error when its peer has just closed it, and tells that in another way.
    pollfd look{socket, 0, 0};
    if (error == 0 && ::poll(&look, 1, 0) > 0 && (look.revents & POLLHUP) != 0) error = EPIPE;
    return {error, std::system_category()};
  }

  /// Bytes that were written and that the peer's host has not acknowledged.
  std::size_t unacknowledged(SocketId socket) const noexcept {
    int size = 0;
    return ::ioctl(socket, SIOCOUTQ, &size) == 0 && size > 0 ? static_cast<std::size_t>(size) : 0;
  }

  /// Holds `ticket` until the socket closes, whoever has it then.
  void hold(SocketId socket, Ref<Resident> ticket) { tickets_[socket] = std::move(ticket); }

  /// Asks for one on_writable, after a write was refused.
  void await_writable(SocketId socket) {
    Slot& slot = slots_[static_cast<std::size_t>(socket)];
    if (slot.watches_output) return;  // edge-triggered: once armed, every refusal is followed by an edge
    slot.watches_output = look_again(socket, EPOLLOUT);
  }

  /// Asks for on_readable though there may be no new input: after it returned false, or did not read everything.
  void await_readable(SocketId socket) {
    look_again(socket, slots_[static_cast<std::size_t>(socket)].watches_output ? EPOLLOUT : 0u);
  }

  void shutdown_send(SocketId socket) noexcept { ::shutdown(socket, SHUT_WR); }

  void close(SocketId socket) {
    Slot& slot = slots_[static_cast<std::size_t>(socket)];
    const Ref<Resident> resident = std::move(slot.resident);
    if (!tickets_.empty()) tickets_.erase(socket);
    slot.watches_output = false;
    ++slot.generation;
    --count_;
    ::close(socket);  // which also takes it out of the set
    if (count_ == 0 && watching_) {
      std::error_code ignored;  // then io_context::run returns later
      descriptor_->cancel(ignored);
    }
  }

  std::size_t count() const noexcept { return count_; }

  /// Every resident that has a socket now.
  std::vector<Ref<Resident>> residents() const {
    std::vector<Ref<Resident>> all;
    for (const Slot& slot : slots_) {
      if (slot.resident) all.push_back(slot.resident);
    }
    return all;
  }

  /// The most that one dispatch tells.
  static constexpr int max_dispatch = 256;

  /// Tells residents what happened to `most` sockets since the last call, without waiting, and lets Asio watch again.
  /// What a resident throws ends that one; the first of it is left in `failure`.
  void dispatch(int most, std::exception_ptr& failure) {
    epoll_event events[max_dispatch];
    const int ready = ::epoll_wait(epoll_, events, most, 0);
    for (int i = 0; i < ready; ++i) tell(events[i], failure);
    for (const epoll_event& event : std::exchange(unwatched_, {})) tell(event, failure);
    more_ = ready == most;
    insist([&] { watch(); });
  }

  /// Whether the last dispatch may have left something.
  bool more() const noexcept { return more_ || !unwatched_.empty(); }

  /// Closes everything and lets go of Asio.
  void stop() {
    for (std::size_t socket = 0; socket < slots_.size(); ++socket) {
      if (slots_[socket].resident) close(static_cast<SocketId>(socket));
    }
    alive_.reset();
    descriptor_.reset();
    epoll_ = -1;
  }

 private:
  struct Slot {
    Ref<Resident> resident;
    std::uint32_t generation = 0;
    bool watches_output = false;
  };

  static void set(std::error_code& error) noexcept {
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      error = asio::error::would_block;
    } else {
      error.assign(errno, std::system_category());
    }
  }

  epoll_event event_of(int socket, std::uint32_t more) const noexcept {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP | EPOLLET | more;
    // The generation tells an event of a closed socket from one of its successor under the same number.
    event.data.u64 =
        (std::uint64_t{slots_[static_cast<std::size_t>(socket)].generation} << 32) | static_cast<std::uint32_t>(socket);
    return event;
  }

  // Asks for an edge. If the kernel has no memory for it the next turn looks by itself.
  bool look_again(int socket, std::uint32_t more) {
    epoll_event event = event_of(socket, more);
    if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, socket, &event) == 0) return true;
    event.events = EPOLLIN | EPOLLOUT;
    unwatched_.push_back(event);
    return false;
  }

  void tell(const epoll_event& event, std::exception_ptr& failure) {
    const auto index = static_cast<std::size_t>(event.data.u64 & 0xFFFFFFFF);
    const auto generation = static_cast<std::uint32_t>(event.data.u64 >> 32);
    // Looked up anew each time: the resident may have closed the socket or handed it on meanwhile. And held, because
    // then nobody else may hold it.
    const auto resident = [&]() -> Ref<Resident> {
      const Slot& slot = slots_[index];
      return slot.generation == generation ? slot.resident : nullptr;
    };
    if ((event.events & EPOLLOUT) != 0) {
      if (const Ref<Resident> found = resident()) run_for(*found, failure, [&] { found->on_writable(); });
    }
    if ((event.events & EPOLLIN) != 0) {
      if (const Ref<Resident> found = resident()) run_for(*found, failure, [&] { found->on_readable(); });
    }
    if ((event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
      if (const Ref<Resident> found = resident()) run_for(*found, failure, [&] { found->on_hangup(); });
    }
  }

  // Asio watches the set only while there is something in it, so that io_context::run can return.
  void watch() {
    if (watching_ || count_ == 0 || !descriptor_) return;
    const auto told = [this, alive = std::weak_ptr<char>(alive_)](const std::error_code& error) {
      if (alive.expired()) return;  // stop() was called: `this` may be gone
      watching_ = false;
      if (error) return watch();
      ready_();
    };
    descriptor_->async_wait(asio::posix::stream_descriptor::wait_read, told);
    watching_ = true;
  }

  std::function<void()> ready_;
  std::optional<asio::posix::stream_descriptor> descriptor_;
  int epoll_ = -1;
  std::vector<Slot> slots_;
  std::unordered_map<SocketId, Ref<Resident>> tickets_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();  // until stop(); handlers may still come then
  std::size_t count_ = 0;
  bool watching_ = false;
  bool more_ = false;
  std::vector<epoll_event> unwatched_;  // of sockets for which the kernel would not watch
};

}  // namespace spate::detail
