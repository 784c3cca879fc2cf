// Shard: a loop and the streams that live on it, with what they share: the nodes of their queues, counts, and the
// moments at which they end by the wall clock.
//
// All members run on the shard's executor, unless they say "any thread".
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/connection/detail/gzip_pieces.hpp>
#include <spate/loop/detail/clock.hpp>
#include <spate/loop/detail/loop.hpp>
#include <spate/stream/detail/counters.hpp>
#include <spate/stream/detail/write_queue.hpp>
#include <spate/transport/detail/peer.hpp>
#include <spate/transport/detail/secure_transport.hpp>
#include <spate/transport/detail/socket_transport.hpp>

namespace spate::detail {

class Shard final : public Loop {
 public:
  using Loop::Loop;

  /// The one at the other end of `socket`, which is one of this loop's.
  Peer peer(SocketId socket) noexcept { return {sockets_, socket}; }

  /// Any thread. What encrypts connections of this loop; null as long as nothing has to.
  SecureTransport* secure() const noexcept { return secure_.load(std::memory_order_acquire); }

  /// Before connections come: encrypts them as `security` says.
  void encrypt(TransportSecurity& security, const std::vector<std::string>& protocols) {
    keep(security.transport_on(*this, sockets_, protocols));
  }

  /// The one at the other end of `socket`, which is encrypted already.
  Peer established(EstablishedSecurity& security, SocketId socket);

  /// Before connections come: compresses what streams and answers are compressed by. One of each shard.
  void compress(std::shared_ptr<const Compression> compression);
  /// Null where nothing is compressed.
  GzipPieces* gzip() const noexcept { return gzip_.get(); }

  NodePool& nodes() noexcept { return nodes_; }
  ShardCounters& counters() noexcept { return counters_; }
  /// Any thread.
  const ShardCounters& counters() const noexcept { return counters_; }

  /// Memory for whoever needs some for the length of a call.
  static constexpr std::size_t scratch_size = 20 * 1024;
  char* scratch() {
    if (!scratch_) scratch_ = std::make_unique<char[]>(scratch_size);
    return scratch_.get();
  }

  /// When residents end by the wall clock: those for which there is such a moment.
  std::unordered_map<const Resident*, WallTime>& expiries() noexcept { return expiries_; }

  /// A stream has come to lag, or lags no more.
  void count_lagging(int change) noexcept { lagging_ += change; }

  /// How much of all streams lags, from 0 to 1; nothing when it is a few, who are slow clients. When it is more, no
  /// client is to blame: all of them together are sent more than the network, or their host, can take.
  double overrun() const noexcept;

 private:
  // Fewer streams than these are some slow clients, even when there are no others.
  static constexpr int least_overrun = 16;

  void keep(std::unique_ptr<SecureTransport> transport) noexcept;

  SocketTransport sockets_{poller()};
  std::unique_ptr<SecureTransport> own_secure_;
  std::atomic<SecureTransport*> secure_{nullptr};  // the same; set once
  std::unique_ptr<GzipPieces> gzip_;
  std::unique_ptr<char[]> scratch_;
  NodePool nodes_;
  ShardCounters counters_;
  std::unordered_map<const Resident*, WallTime> expiries_;
  int lagging_ = 0;  // streams
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/shard.ipp>
#endif
