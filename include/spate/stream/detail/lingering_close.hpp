// Closing in stages: end our side, take what the client still sends, close when it has closed or has had its time. A
// plain close with unread input resets the connection, and the client loses the last bytes. (H13, RFC 9112 9.6)
#pragma once

#include <chrono>
#include <cstddef>
#include <system_error>
#include <utility>

#include <spate/stream/detail/shard.hpp>

namespace spate::detail {

class LingeringClose final : public Resident {
 public:
  LingeringClose(Shard& shard, SocketId socket) : shard_(shard), socket_(socket) {}

  void start() {
    shard_.poller().set_resident(socket_, Ref<Resident>(this));
    shard_.poller().shutdown_send(socket_);
    shard_.set_timer(*this, shard_.now() + patience);
    on_readable();
  }

  bool on_readable() override {
    for (int reads = 0; socket_ != no_socket && taken_ < most_taken; ++reads) {
      if (reads == most_reads) {
        shard_.poller().await_readable(socket_);
        return true;
      }
      char ignored[16 * 1024];
      std::error_code error;
      taken_ += shard_.poller().read(socket_, ignored, sizeof ignored, error);
      if (error == asio::error::would_block) return true;
      if (error) break;
    }
    close();
    return false;
  }

  // The client has ended its side too: only what it sent before may be left to take.
  void on_hangup() override { on_readable(); }
  void on_timer(TimePoint) override { close(); }
  bool on_cut() override {
    close();
    return false;  // everything had been sent
  }

 private:
  static constexpr std::chrono::seconds patience{2};
  // Far more than a body that was refused for its size usually has.
  static constexpr std::size_t most_taken = 64 * 1024 * 1024;
  // Reads in a row, before other connections have their turn.
  static constexpr int most_reads = 16;

  void close() {
    if (socket_ == no_socket) return;
    const Ref<Resident> alive(this);
    shard_.set_timer(*this, never);
    shard_.poller().close(std::exchange(socket_, no_socket));
  }

  Shard& shard_;  // outlives its sockets, and with them this object
  SocketId socket_;
  std::size_t taken_ = 0;
};

inline void linger(Shard& shard, SocketId socket) {
  Ref<LingeringClose> closing;
  try {
    closing = make_ref<LingeringClose>(shard, socket);
    closing->start();
  } catch (const std::bad_alloc&) {
    // Then without stages.
    if (closing) {
      closing->on_cut();
    } else {
      shard.poller().close(socket);
    }
  }
}

}  // namespace spate::detail
