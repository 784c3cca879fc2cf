// TimedWriter: writes to a peer that has to take its bytes in time. No clock of its own.
//
//   sent += writer.write(peer, {bytes.data() + sent, bytes.size() - sent}, loop.now(), error);
//   if (error == asio::error::would_block) loop.set_timer(*this, writer.next(limits));   // the rest on_writable
//
// What a deadline asks of a peer, WriteDeadline says. All members run on the loop's executor.
#pragma once

#include <cstddef>
#include <system_error>

#include <asio/buffer.hpp>
#include <asio/error.hpp>

#include <spate/config.hpp>
#include <spate/loop/detail/clock.hpp>
#include <spate/transport/detail/peer.hpp>
#include <spate/transport/detail/write_deadline.hpp>

namespace spate::detail {

class TimedWriter {
 public:
  /// Writes as much of `bytes`, which are all that there are, as `peer` takes now, and returns how much that is.
  ///
  /// Without an error it has taken all. would_block means that the rest is to be written on the next on_writable, which
  /// has been asked for, and that the peer has a deadline until then. After any other error it takes nothing more.
  std::size_t write(const Peer& peer, asio::const_buffer bytes, TimePoint now, std::error_code& error);

  /// Whether `peer`, whose deadline this is, has acknowledged enough; if so, its next deadline begins.
  bool keeps_up(const Peer& peer, TimePoint now, const WriteLimits& limits);

  /// The deadline of a peer that has not taken all, or `never`. Writing in between does not move it.
  TimePoint next(const WriteLimits& limits) const noexcept { return deadline_.next(limits); }

 private:
  WriteDeadline deadline_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/transport/impl/timed_writer.ipp>
#endif
