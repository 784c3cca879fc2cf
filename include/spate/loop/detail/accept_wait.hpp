// AcceptWait: tells when an acceptor has a connection to accept.
//
// On Windows Asio waits for input by receiving nothing, which a socket that listens refuses; the system signals an
// event there. On the loop's executor.
#pragma once

#include <utility>

#if defined(_WIN32)
#include <system_error>

#include <asio/windows/object_handle.hpp>
#endif

#include <spate/loop/detail/socket_protocol.hpp>

namespace spate::detail {

#if defined(_WIN32)

class AcceptWait {
 public:
  /// Throws std::system_error.
  explicit AcceptWait(SocketAcceptor& acceptor) : event_(acceptor.get_executor()) {
    const ::HANDLE event = ::CreateEventW(nullptr, FALSE, FALSE, nullptr);
    if (event == nullptr) throw std::system_error(static_cast<int>(::GetLastError()), std::system_category());
    event_.assign(event);
    if (::WSAEventSelect(acceptor.native_handle(), event, FD_ACCEPT) != 0) throw std::system_error(last_socket_error());
  }

  /// `handler` is called once, with an error when it was cancelled.
  template <typename Handler>
  void async_wait(SocketAcceptor&, Handler&& handler) {
    event_.async_wait(std::forward<Handler>(handler));
  }
  void cancel() {
    std::error_code ignored;  // nothing waits then
    event_.cancel(ignored);
  }

 private:
  asio::windows::object_handle event_;
};

#else

class AcceptWait {
 public:
  explicit AcceptWait(SocketAcceptor&) noexcept {}

  /// `handler` is called once, with an error when the acceptor was closed.
  template <typename Handler>
  void async_wait(SocketAcceptor& acceptor, Handler&& handler) {
    acceptor.async_wait(asio::socket_base::wait_read, std::forward<Handler>(handler));
  }
  void cancel() noexcept {}
};

#endif

}  // namespace spate::detail
