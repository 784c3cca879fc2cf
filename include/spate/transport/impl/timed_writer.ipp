// The functions of timed_writer.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/transport/detail/timed_writer.hpp>

namespace spate::detail {

SPATE_DECL std::size_t TimedWriter::write(const Peer& peer, asio::const_buffer bytes, TimePoint now,
                                          std::error_code& error) {
  std::size_t taken = 0;
  error.clear();
  while (bytes.size() > 0) {
    const std::size_t written = peer.write(bytes, error);
    taken += written;
    bytes += written;
    if (error && error != asio::error::would_block) return taken;
    // The time before something was refused is no time of the peer's; what it takes from then on counts.
    if (deadline_.blocked()) {
      deadline_.stalled(now, written, 0);
    } else if (error) {
      deadline_.stalled(now, written, peer.unacknowledged());
    }
    if (error) {
      peer.await_writable();
      return taken;
    }
  }
  deadline_.wrote(now);
  return taken;
}

SPATE_DECL bool TimedWriter::keeps_up(const Peer& peer, TimePoint now, const WriteLimits& limits) {
  return deadline_.keeps_up(now, peer.unacknowledged(), limits);
}

}  // namespace spate::detail
