// OwnedSocket: a connected socket on its way from who accepted it to the loop that takes it over. Closed if none does.
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

#include <system_error>
#include <utility>

#include <asio/basic_stream_socket.hpp>
#include <asio/ip/tcp.hpp>

#include <spate/config.hpp>
#include <spate/loop/detail/close_on_exec.hpp>
#include <spate/loop/detail/socket_protocol.hpp>

namespace spate::detail {

class OwnedSocket {
 public:
  using Native = NativeSocket;

  OwnedSocket() = default;
  OwnedSocket(Native native, const SocketProtocol& protocol) : native_(native), protocol_(protocol) {}
  OwnedSocket(OwnedSocket&& other) noexcept : native_(std::exchange(other.native_, none)), protocol_(other.protocol_) {}
  OwnedSocket& operator=(OwnedSocket&& other) noexcept;
  ~OwnedSocket();

  /// Takes a socket over from the program. It holds nothing when that fails.
  template <typename Protocol, typename Executor>
  static OwnedSocket from(asio::basic_stream_socket<Protocol, Executor> socket, std::error_code& error) {
    const auto protocol = socket.local_endpoint(error).protocol();
    if (!error) socket.non_blocking(true, error);
    if (error) return {};
    close_on_exec(socket.native_handle());
    std::error_code ignored;  // a peer that has reset the connection already: reading tells; or no TCP
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    const auto native = static_cast<Native>(socket.release(error));
    return error ? OwnedSocket() : OwnedSocket(native, protocol);
  }

  /// Takes a connected socket over by its descriptor, which is this object's from now on. It is closed when that fails.
  static OwnedSocket from(Native native, std::error_code& error);

  /// Closes it at once, by a reset, so that the kernel keeps nothing of it either.
  void abort() noexcept;

  explicit operator bool() const noexcept { return native_ != none; }
  const SocketProtocol& protocol() const noexcept { return protocol_; }
  Native native() const noexcept { return native_; }
  Native release() noexcept { return std::exchange(native_, none); }

 private:
  static std::error_code option_of(Native native, int name, int& value) noexcept;

  static constexpr Native none = static_cast<Native>(-1);

  Native native_ = none;
  SocketProtocol protocol_ = asio::ip::tcp::v4();
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/loop/impl/owned_socket.ipp>
#endif
