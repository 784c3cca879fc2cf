// Closing in stages: end our side, take what the client still sends, close when it has closed or has had its time. A
// plain close with unread input resets the connection, and the client loses the last bytes. (RFC 9112 9.6)
#pragma once

#include <chrono>
#include <cstddef>
#include <system_error>
#include <utility>

#include <spate/config.hpp>
#include <spate/loop/detail/loop.hpp>
#include <spate/transport/detail/peer.hpp>

namespace spate::detail {

class LingeringClose final : public Resident {
 public:
  LingeringClose(Loop& loop, Peer peer) : loop_(loop), peer_(std::move(peer)) {}

  void start();

  SPATE_DECL bool on_readable() override;

  // The client has ended its side too: only what it sent before may be left to take.
  void on_hangup() override { on_readable(); }
  void on_timer(TimePoint) override { close(); }
  SPATE_DECL std::size_t on_cut() override;

 private:
  static constexpr std::chrono::seconds patience{2};
  // Far more than a body that was refused for its size usually has.
  static constexpr std::size_t max_taken = 64 * 1024 * 1024;
  // Reads in a row, before other connections have their turn.
  static constexpr int max_reads = 16;

  void close();

  Loop& loop_;  // outlives its sockets, and with them this object
  Peer peer_;
  std::size_t taken_ = 0;
};

SPATE_DECL void linger(Loop& loop, Peer peer);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/transport/impl/lingering_close.ipp>
#endif
