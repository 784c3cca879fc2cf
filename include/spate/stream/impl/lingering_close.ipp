// The functions of lingering_close.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/stream/detail/lingering_close.hpp>

namespace spate::detail {

SPATE_DECL void LingeringClose::start() {
  shard_.poller().set_resident(socket_, Ref<Resident>(this));
  shard_.poller().shutdown_send(socket_);
  shard_.set_timer(*this, shard_.now() + patience);
  on_readable();
}

SPATE_DECL bool LingeringClose::on_readable() {
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

SPATE_DECL bool LingeringClose::on_cut() {
  close();
  return false;  // everything had been sent
}

SPATE_DECL void LingeringClose::close() {
  if (socket_ == no_socket) return;
  const Ref<Resident> alive(this);
  shard_.set_timer(*this, never);
  shard_.poller().close(std::exchange(socket_, no_socket));
}

SPATE_DECL void linger(Shard& shard, SocketId socket) {
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
