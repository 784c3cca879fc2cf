// The functions of shard.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/stream/detail/shard.hpp>

namespace spate::detail {

SPATE_DECL Peer Shard::established(EstablishedSecurity& security, SocketId socket) {
  if (secure() == nullptr) keep(security.transport_on(*this, sockets_));
  return security.begin_on(*secure(), socket);
}

SPATE_DECL void Shard::compress(std::shared_ptr<const Compression> compression) {
  gzip_ = std::make_unique<GzipPieces>(std::move(compression));
}

SPATE_DECL void Shard::keep(std::unique_ptr<SecureTransport> transport) noexcept {
  own_secure_ = std::move(transport);
  secure_.store(own_secure_.get(), std::memory_order_release);
}

SPATE_DECL double Shard::overrun() const noexcept {
  if (lagging_ < least_overrun) return 0;
  std::uint64_t open = counters_.opened.get();
  for (const Counter& ended : counters_.ended) open -= ended.get();
  return std::min(1.0, lagging_ / static_cast<double>(std::max<std::uint64_t>(open, 1)));
}

}  // namespace spate::detail
