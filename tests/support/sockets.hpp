// Sockets of the system, as the tests' own clients use them. Windows has the functions of POSIX, with handles of
// another type and its errors elsewhere; here it looks the same: what fails returns less than zero and sets `errno`.
#pragma once

#include <cerrno>
#include <cstddef>

#if defined(_WIN32)
#include <asio/ip/tcp.hpp>  // which includes the system's headers as it wants them, and starts its sockets
#else
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#endif

namespace spate::test::sockets {

#if defined(_WIN32)

using Handle = SOCKET;
using Count = std::ptrdiff_t;
inline constexpr Handle none = INVALID_SOCKET;

inline int errno_of(int error) noexcept {
  switch (error) {
    case WSAEWOULDBLOCK: return EAGAIN;
    case WSAECONNRESET:
    case WSAECONNABORTED: return ECONNRESET;
    case WSAECONNREFUSED: return ECONNREFUSED;
    case WSAESHUTDOWN: return EPIPE;
    case WSAEINTR: return EINTR;
    default: return error == 0 ? 0 : EIO;
  }
}
inline int told(int result) noexcept {
  if (result < 0) errno = errno_of(::WSAGetLastError());
  return result;
}

inline void unblock(Handle socket) noexcept {
  unsigned long yes = 1;
  ::ioctlsocket(socket, static_cast<long>(FIONBIO), &yes);
}
inline Handle open() noexcept {
  const Handle socket = ::WSASocketW(AF_INET, SOCK_STREAM, 0, nullptr, 0, WSA_FLAG_NO_HANDLE_INHERIT);
  if (socket == none) {
    told(-1);
  } else {
    unblock(socket);
  }
  return socket;
}
inline int connect(Handle socket, const sockaddr_in& address) noexcept {
  const int result = told(::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  if (result < 0 && errno == EAGAIN) errno = EINPROGRESS;
  return result;
}
inline int error_of(Handle socket) noexcept {
  int error = 0, size = sizeof error;
  ::getsockopt(socket, SOL_SOCKET, SO_ERROR, reinterpret_cast<char*>(&error), &size);
  return errno_of(error);
}
inline Count recv(Handle socket, char* data, std::size_t size) noexcept {
  return told(::recv(socket, data, static_cast<int>(size), 0));
}
inline Count send(Handle socket, const char* data, std::size_t size) noexcept {
  return told(::send(socket, data, static_cast<int>(size), 0));
}
inline int poll(pollfd& one, int milliseconds) noexcept {
  return told(::WSAPoll(&one, 1, milliseconds));
}
inline void shutdown_send(Handle socket) noexcept {
  ::shutdown(socket, SD_SEND);
}
inline void close(Handle socket) noexcept {
  ::closesocket(socket);
}

#else

using Handle = int;
using Count = ssize_t;
inline constexpr Handle none = -1;

inline void unblock(Handle socket) noexcept {
  ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
}
inline Handle open() noexcept {
  return ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}
inline int connect(Handle socket, const sockaddr_in& address) noexcept {
  return ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}
inline int error_of(Handle socket) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}
inline Count recv(Handle socket, char* data, std::size_t size) noexcept {
  return ::recv(socket, data, size, 0);
}
inline Count send(Handle socket, const char* data, std::size_t size) noexcept {
  return ::send(socket, data, size, MSG_NOSIGNAL);
}
inline int poll(pollfd& one, int milliseconds) noexcept {
  return ::poll(&one, 1, milliseconds);
}
inline void shutdown_send(Handle socket) noexcept {
  ::shutdown(socket, SHUT_WR);
}
inline void close(Handle socket) noexcept {
  ::close(socket);
}

#endif

template <typename Value>
void set_option(Handle socket, int name, const Value& value) noexcept {
  ::setsockopt(socket, SOL_SOCKET, name, reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace spate::test::sockets
