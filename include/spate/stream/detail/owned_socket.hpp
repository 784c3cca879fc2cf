// OwnedSocket: a connected socket on its way from who accepted it to the shard that takes it over. Closed if none does.
//
// No object of Asio, so that it may travel between threads and outlive the io_context that it comes from.
#pragma once

#if !defined(_WIN32)
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#endif

#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include <asio/basic_stream_socket.hpp>
#include <asio/ip/tcp.hpp>

#include <spate/stream/detail/any_stream.hpp>
#include <spate/stream/detail/close_on_exec.hpp>

namespace spate::detail {

class OwnedSocket {
 public:
  using Native = asio::ip::tcp::socket::native_handle_type;

  OwnedSocket() = default;
  OwnedSocket(Native native, const AnyStream& protocol) : native_(native), protocol_(protocol) {}
  OwnedSocket(OwnedSocket&& other) noexcept
      : native_(std::exchange(other.native_, std::nullopt)), protocol_(other.protocol_) {}
  OwnedSocket& operator=(OwnedSocket&& other) noexcept {
    std::swap(native_, other.native_);
    std::swap(protocol_, other.protocol_);
    return *this;
  }
  ~OwnedSocket() {
    if (!native_) return;
#if defined(_WIN32)
    ::closesocket(*native_);
#else
    ::close(*native_);
#endif
  }

  /// Takes a socket over from the program. It holds nothing when that fails.
  template <typename Protocol, typename Executor>
  static OwnedSocket from(asio::basic_stream_socket<Protocol, Executor> socket, std::error_code& error) {
    const auto protocol = socket.local_endpoint(error).protocol();
    if (!error) socket.non_blocking(true, error);
    if (error) return {};
    close_on_exec(socket.native_handle());
    std::error_code ignored;  // a peer that has reset the connection already: reading tells; or no TCP
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    const Native native = socket.release(error);
    return error ? OwnedSocket() : OwnedSocket(native, protocol);
  }

  /// Takes a connected socket over by its descriptor, which is this object's from now on. It is closed when that fails.
  static OwnedSocket from(Native native, std::error_code& error) {
    OwnedSocket owned(native, AnyStream(AF_UNSPEC, 0));
    int type = 0, listens = 0;
    error = option_of(native, SO_TYPE, type);
    if (error == std::errc::bad_file_descriptor) owned.release();  // another thread may open it now
    if (!error && type != SOCK_STREAM) error = std::make_error_code(std::errc::wrong_protocol_type);
    if (!error) error = option_of(native, SO_ACCEPTCONN, listens);
    if (!error && listens != 0) error = std::make_error_code(std::errc::not_connected);
    if (error) return {};
    const AnyStream::endpoint local = endpoint_of(native, ::getsockname, error);
    if (error) return {};
    owned.protocol_ = local.protocol();
    if (const int family = owned.protocol_.family(); family != AF_INET && family != AF_INET6 && family != AF_UNIX) {
      error = std::make_error_code(std::errc::address_family_not_supported);
      return {};
    }
    close_on_exec(native);
    ::fcntl(native, F_SETFL, ::fcntl(native, F_GETFL) | O_NONBLOCK);
    const int at_once = 1;
    ::setsockopt(native, IPPROTO_TCP, TCP_NODELAY, reinterpret_cast<const char*>(&at_once), sizeof at_once);
    return owned;
  }

  /// Closes it at once, by a reset, so that the kernel keeps nothing of it either.
  void abort() noexcept {
    if (!native_) return;
    const ::linger at_once{1, 0};
    ::setsockopt(*native_, SOL_SOCKET, SO_LINGER, reinterpret_cast<const char*>(&at_once), sizeof at_once);
    const OwnedSocket closed = std::move(*this);
  }

  explicit operator bool() const noexcept { return native_.has_value(); }
  const AnyStream& protocol() const noexcept { return protocol_; }
  Native native() const noexcept { return *native_; }
  Native release() noexcept { return *std::exchange(native_, std::nullopt); }

 private:
  static std::error_code option_of(Native native, int name, int& value) noexcept {
    auto size = static_cast<socklen_t>(sizeof value);
    if (::getsockopt(native, SOL_SOCKET, name, reinterpret_cast<char*>(&value), &size) == 0) return {};
    return {errno, std::system_category()};
  }

  std::optional<Native> native_;
  AnyStream protocol_ = asio::ip::tcp::v4();
};

}  // namespace spate::detail
