// Peer: the one at the other end of a connection, as whoever talks to it sees it. Empty once it has been closed.
//
//   if (peer) peer.write(&buffer, 1, buffer.size(), error);
//
// One owner at a time; it moves from the one that reads a request to the one that answers. The owner closes it, and the
// transport outlives it. All members run on the loop's executor.
#pragma once

#include <cstddef>
#include <system_error>
#include <utility>

#include <asio/buffer.hpp>

#include <spate/loop/detail/resident.hpp>
#include <spate/transport/detail/byte_transport.hpp>
#include <spate/wire/detail/ref.hpp>

namespace spate::detail {

class Peer {
 public:
  Peer() = default;
  Peer(ByteTransport& transport, int number) noexcept : transport_(&transport), number_(number) {}
  Peer(Peer&& other) noexcept : transport_(std::exchange(other.transport_, nullptr)), number_(other.number_) {}
  Peer& operator=(Peer&& other) noexcept {
    transport_ = std::exchange(other.transport_, nullptr);
    number_ = other.number_;
    return *this;
  }
  ~Peer() = default;

  explicit operator bool() const noexcept { return transport_ != nullptr; }

  /// By which its transport knows it: a socket's, where that is one of sockets.
  int number() const noexcept { return number_; }

  // What these do is said at ByteTransport.

  void set_resident(Ref<Resident> resident) const { transport_->set_resident(number_, std::move(resident)); }
  std::size_t read(char* data, std::size_t size, std::error_code& error) const {
    return transport_->read(number_, data, size, error);
  }
  std::size_t write(const asio::const_buffer* buffers, std::size_t count, std::size_t size,
                    std::error_code& error) const {
    return transport_->write(number_, buffers, count, size, error);
  }
  std::size_t write(const asio::const_buffer& buffer, std::error_code& error) const {
    return write(&buffer, 1, buffer.size(), error);
  }
  int cost_of_write(std::size_t size) const noexcept { return transport_->cost_of_write(size); }
  void prefetch() const noexcept { transport_->prefetch(number_); }
  void await_writable() const { transport_->await_writable(number_); }
  void await_readable() const { transport_->await_readable(number_); }
  std::size_t unacknowledged() const { return transport_->unacknowledged(number_); }
  std::error_code broken() const { return transport_->broken(number_); }
  void shut_down() const { transport_->shut_down(number_); }

  /// Closes it unless it is empty, which it is from then on.
  void close() {
    if (ByteTransport* const transport = std::exchange(transport_, nullptr)) transport->close(number_);
  }
  void abort() {
    if (ByteTransport* const transport = std::exchange(transport_, nullptr)) transport->abort(number_);
  }

 private:
  ByteTransport* transport_ = nullptr;  // null when there is nobody
  int number_ = 0;                      // by which the transport knows it
};

}  // namespace spate::detail
