// Descriptors that programs started by a handler do not inherit: neither a port that stays taken nor a connection that
// stays open after the server has gone.
#pragma once

#if !defined(_WIN32)
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#endif

#include <cerrno>
#include <system_error>

namespace spate::detail {

/// Makes a descriptor close-on-exec that somebody else has opened. Who starts a program between the two passes it on.
template <typename Native>
void close_on_exec(Native native) noexcept {
#if defined(FD_CLOEXEC)
  const int flags = ::fcntl(native, F_GETFD);
  if (flags >= 0 && (flags & FD_CLOEXEC) == 0) ::fcntl(native, F_SETFD, flags | FD_CLOEXEC);
#else
  static_cast<void>(native);
#endif
}

/// Opens a socket or an acceptor of Asio close-on-exec: in one step where the system can, else right after, which Asio
/// itself never does.
template <typename Socket>
void open_close_on_exec(Socket& socket, const typename Socket::protocol_type& protocol, std::error_code& error) {
#if defined(SOCK_CLOEXEC)
  const int native = ::socket(protocol.family(), protocol.type() | SOCK_CLOEXEC, protocol.protocol());
  if (native < 0) {
    error.assign(errno, std::system_category());
    return;
  }
  socket.assign(protocol, native, error);
  if (error) ::close(native);
#else
  socket.open(protocol, error);
  if (!error) close_on_exec(socket.native_handle());
#endif
}

}  // namespace spate::detail
