// The functions of owned_socket.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/loop/detail/owned_socket.hpp>

namespace spate::detail {

SPATE_DECL OwnedSocket& OwnedSocket::operator=(OwnedSocket&& other) noexcept {
  std::swap(native_, other.native_);
  std::swap(protocol_, other.protocol_);
  return *this;
}

SPATE_DECL OwnedSocket::~OwnedSocket() {
  if (native_ == none) return;
#if defined(_WIN32)
  ::closesocket(native_);
#else
  ::close(native_);
#endif
}

SPATE_DECL OwnedSocket OwnedSocket::from(Native native, std::error_code& error) {
  OwnedSocket owned(native, SocketProtocol(AF_UNSPEC, 0));
  int type = 0, listens = 0;
  error = option_of(native, SO_TYPE, type);
  if (error == std::errc::bad_file_descriptor) owned.release();  // another thread may open it now
  if (!error && type != SOCK_STREAM) error = std::make_error_code(std::errc::wrong_protocol_type);
  if (!error) error = option_of(native, SO_ACCEPTCONN, listens);
  if (!error && listens != 0) error = std::make_error_code(std::errc::not_connected);
  if (error) return {};
  const SocketProtocol::endpoint local = endpoint_of(native, ::getsockname, error);
  if (error) return {};
  owned.protocol_ = local.protocol();
  if (const int family = owned.protocol_.family(); family != AF_INET && family != AF_INET6 && family != AF_UNIX) {
    error = std::make_error_code(std::errc::address_family_not_supported);
    return {};
  }
  close_on_exec(native);
#if defined(_WIN32)
  unsigned long yes = 1;
  ::ioctlsocket(native, static_cast<long>(FIONBIO), &yes);
#else
  ::fcntl(native, F_SETFL, ::fcntl(native, F_GETFL) | O_NONBLOCK);
#endif
  const int at_once = 1;
  ::setsockopt(native, IPPROTO_TCP, TCP_NODELAY, reinterpret_cast<const char*>(&at_once), sizeof at_once);
  return owned;
}

SPATE_DECL void OwnedSocket::abort() noexcept {
  if (native_ == none) return;
  const ::linger at_once{1, 0};
  ::setsockopt(native_, SOL_SOCKET, SO_LINGER, reinterpret_cast<const char*>(&at_once), sizeof at_once);
  const OwnedSocket closed = std::move(*this);
}

SPATE_DECL std::error_code OwnedSocket::option_of(Native native, int name, int& value) noexcept {
  auto size = static_cast<socklen_t>(sizeof value);
  if (::getsockopt(native, SOL_SOCKET, name, reinterpret_cast<char*>(&value), &size) == 0) return {};
  return last_socket_error();
}

}  // namespace spate::detail
