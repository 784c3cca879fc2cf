// OwnedSocket: a connected socket on its way from who accepted it to the shard that takes it over. Closed if none does.
//
// No object of Asio, so that it may travel between threads and outlive the io_context that it comes from.
#pragma once

#if !defined(_WIN32)
#include <sys/socket.h>
#include <unistd.h>
#endif

#include <optional>
#include <system_error>
#include <utility>

#include <asio/ip/tcp.hpp>

#include <spate/stream/detail/close_on_exec.hpp>

namespace spate::detail {

class OwnedSocket {
 public:
  using Native = asio::ip::tcp::socket::native_handle_type;

  OwnedSocket() = default;
  OwnedSocket(Native native, const asio::ip::tcp& protocol) : native_(native), protocol_(protocol) {}
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
  static OwnedSocket from(asio::ip::tcp::socket socket, std::error_code& error) {
    const auto protocol = socket.local_endpoint(error).protocol();
    if (!error) socket.non_blocking(true, error);
    if (error) return {};
    close_on_exec(socket.native_handle());
    std::error_code ignored;  // a peer that has reset the connection already: reading tells
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    const Native native = socket.release(error);
    return error ? OwnedSocket() : OwnedSocket(native, protocol);
  }

  /// Closes it at once, by a reset, so that the kernel keeps nothing of it either.
  void abort() noexcept {
    if (!native_) return;
    const ::linger at_once{1, 0};
    ::setsockopt(*native_, SOL_SOCKET, SO_LINGER, reinterpret_cast<const char*>(&at_once), sizeof at_once);
    const OwnedSocket closed = std::move(*this);
  }

  explicit operator bool() const noexcept { return native_.has_value(); }
  const asio::ip::tcp& protocol() const noexcept { return protocol_; }
  Native native() const noexcept { return *native_; }
  Native release() noexcept { return *std::exchange(native_, std::nullopt); }

 private:
  std::optional<Native> native_;
  asio::ip::tcp protocol_ = asio::ip::tcp::v4();
};

}  // namespace spate::detail
