// SocketTransport: plain sockets, as the loop's poller watches them. A peer's number is its socket's.
#pragma once

#include <cstddef>
#include <system_error>
#include <utility>

#include <asio/buffer.hpp>
#include <asio/error.hpp>

#include <spate/config.hpp>
#include <spate/loop/detail/poller.hpp>
#include <spate/transport/detail/byte_transport.hpp>

namespace spate::detail {

static_assert(ByteTransport::max_buffers <= Poller::max_buffers);

class SocketTransport final : public ByteTransport {
 public:
  explicit SocketTransport(Poller& poller) noexcept : poller_(poller) {}

  void set_resident(int peer, Ref<Resident> resident) override { poller_.set_resident(peer, std::move(resident)); }
  std::size_t read(int peer, char* data, std::size_t size, std::error_code& error) override {
    return poller_.read(peer, data, size, error);
  }
  SPATE_DECL std::size_t write(int peer, const asio::const_buffer* buffers, std::size_t count, std::size_t size,
                               std::error_code& error) override;
  void await_writable(int peer) override { poller_.await_writable(peer); }
  void await_readable(int peer) override { poller_.await_readable(peer); }
  std::size_t unacknowledged(int peer) const override { return poller_.unacknowledged(peer); }
  std::error_code broken(int peer) override { return poller_.broken(peer); }
  void shut_down(int peer) override { poller_.shutdown_send(peer); }
  void close(int peer) override { poller_.close(peer); }
  void abort(int peer) override { poller_.abort(peer); }

 private:
  Poller& poller_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/transport/impl/socket_transport.ipp>
#endif
