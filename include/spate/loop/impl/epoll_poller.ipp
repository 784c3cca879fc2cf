// The functions of epoll_poller.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/loop/detail/epoll_poller.hpp>

namespace spate::detail {

SPATE_DECL EpollPoller::EpollPoller(const asio::any_io_executor& executor, std::function<void()> ready)
    : ready_(std::move(ready)), descriptor_(executor) {
  const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0) throw std::system_error(errno, std::system_category(), "spate: epoll_create1");
  descriptor_->assign(descriptor);
  epoll_ = descriptor;
}

SPATE_DECL void EpollPoller::limit_silence(SocketAcceptor& acceptor, std::chrono::milliseconds wait) noexcept {
  constexpr std::chrono::milliseconds most = std::chrono::hours(24);
  const auto limit = static_cast<unsigned>(std::min(wait, most).count());
  // Inherited by what it accepts. A kind of socket that has no such option does without.
  ::setsockopt(acceptor.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof limit);
}

SPATE_DECL OwnedSocket EpollPoller::accept(SocketAcceptor& acceptor, SocketProtocol::endpoint& remote,
                                           std::error_code& error) {
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

SPATE_DECL SocketId EpollPoller::attach(OwnedSocket owned, std::error_code& error) {
  const int socket = owned.native();
  const auto index = static_cast<std::size_t>(socket);
  if (index >= slots_.size()) slots_.resize(index + 1);
  epoll_event event = event_of(socket, 0);
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) != 0) {
    error.assign(errno, std::system_category());
    return no_socket;
  }
  count_.store(count() + 1, std::memory_order_relaxed);
  insist([&] { watch(); });
  error.clear();
  return owned.release();
}

SPATE_DECL std::size_t EpollPoller::read(SocketId socket, char* data, std::size_t size,
                                         std::error_code& error) noexcept {
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

SPATE_DECL std::size_t EpollPoller::write(SocketId socket, const asio::const_buffer* buffers, std::size_t count,
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

SPATE_DECL std::error_code EpollPoller::broken(SocketId socket) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
  // A Unix socket has no error when its peer has just closed it, and tells that in another way.
  pollfd look{socket, 0, 0};
  if (error == 0 && ::poll(&look, 1, 0) > 0 && (look.revents & POLLHUP) != 0) error = EPIPE;
  return {error, std::system_category()};
}

SPATE_DECL std::size_t EpollPoller::unacknowledged(SocketId socket) const noexcept {
  int size = 0;
  return ::ioctl(socket, SIOCOUTQ, &size) == 0 && size > 0 ? static_cast<std::size_t>(size) : 0;
}

SPATE_DECL void EpollPoller::await_writable(SocketId socket) {
  Slot& slot = slots_[static_cast<std::size_t>(socket)];
  if (slot.watches_output) return;  // edge-triggered: once armed, every refusal is followed by an edge
  slot.watches_output = look_again(socket, EPOLLOUT);
}

SPATE_DECL void EpollPoller::close(SocketId socket) {
  Slot& slot = slots_[static_cast<std::size_t>(socket)];
  const Ref<Resident> resident = std::move(slot.resident);
  if (!tickets_.empty()) tickets_.erase(socket);
  slot.watches_output = false;
  ++slot.generation;
  count_.store(count() - 1, std::memory_order_relaxed);
  ::close(socket);  // which also takes it out of the set
  if (count() == 0 && watching_) {
    std::error_code ignored;  // then io_context::run returns later
    descriptor_->cancel(ignored);
  }
}

SPATE_DECL void EpollPoller::abort(SocketId socket) {
  const ::linger at_once{1, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(socket);
}

SPATE_DECL std::vector<Ref<Resident>> EpollPoller::residents() const {
  std::vector<Ref<Resident>> all;
  for (const Slot& slot : slots_) {
    if (slot.resident) all.push_back(slot.resident);
  }
  return all;
}

SPATE_DECL void EpollPoller::dispatch(int most, std::exception_ptr& failure) {
  epoll_event events[max_dispatch];
  const int ready = ::epoll_wait(epoll_, events, most, 0);
  for (int i = 0; i < ready; ++i) tell(events[i], failure);
  for (const epoll_event& event : std::exchange(unwatched_, {})) tell(event, failure);
  more_ = ready == most;
  insist([&] { watch(); });
}

SPATE_DECL void EpollPoller::stop() {
  for (std::size_t socket = 0; socket < slots_.size(); ++socket) {
    if (slots_[socket].resident) close(static_cast<SocketId>(socket));
  }
  alive_.reset();
  descriptor_.reset();
  epoll_ = -1;
}

SPATE_DECL void EpollPoller::set(std::error_code& error) noexcept {
  if (errno == EAGAIN || errno == EWOULDBLOCK) {
    error = asio::error::would_block;
  } else {
    error.assign(errno, std::system_category());
  }
}

SPATE_DECL epoll_event EpollPoller::event_of(int socket, std::uint32_t more) const noexcept {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLET | more;
  // The generation tells an event of a closed socket from one of its successor under the same number.
  event.data.u64 =
      (std::uint64_t{slots_[static_cast<std::size_t>(socket)].generation} << 32) | static_cast<std::uint32_t>(socket);
  return event;
}

SPATE_DECL bool EpollPoller::look_again(int socket, std::uint32_t more) {
  epoll_event event = event_of(socket, more);
  if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, socket, &event) == 0) return true;
  event.events = EPOLLIN | EPOLLOUT;
  unwatched_.push_back(event);
  return false;
}

SPATE_DECL void EpollPoller::tell(const epoll_event& event, std::exception_ptr& failure) {
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

SPATE_DECL void EpollPoller::watch() {
  if (watching_ || count() == 0 || !descriptor_) return;
  const auto told = [this, alive = std::weak_ptr<char>(alive_)](const std::error_code& error) {
    if (alive.expired()) return;  // stop() was called: `this` may be gone
    watching_ = false;
    if (error) return watch();
    ready_();
  };
  descriptor_->async_wait(asio::posix::stream_descriptor::wait_read, told);
  watching_ = true;
}

}  // namespace spate::detail
