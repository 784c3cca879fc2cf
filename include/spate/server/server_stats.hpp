// ServerStats: what a server has done so far, in all shards together.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <spate/stream/end_reason.hpp>

namespace spate {

/// Sockets that are open, by what is spoken on them. A connection in the middle of its handshake, or whose first bytes
/// have not come, counts as HTTP/1.
struct OpenConnections {
  std::uint64_t http1 = 0;
  std::uint64_t http1_tls = 0;
  std::uint64_t http2 = 0;
  std::uint64_t http2_tls = 0;
};

struct ServerStats {
  std::uint64_t connections = 0;                                // accepted and adopted
  std::uint64_t requests = 0;                                   // complete requests
  std::uint64_t streams = 0;                                    // open now
  std::uint64_t streams_opened = 0;                             // heads that went out
  std::uint64_t deliveries = 0;                                 // events queued for a stream, each stream counted
  std::uint64_t bytes_sent = 0;                                 // bytes of streams that the kernel took
  std::uint64_t compressed_bytes = 0;                           // those among them that were compressed
  std::uint64_t dropped_events = 0;                             // by an overflow policy
  std::uint64_t replayed_events = 0;                            // drawn from a replay store
  std::uint64_t gaps = 0;                                       // told to clients
  std::uint64_t queue_high_water_bytes = 0;                     // most that ever waited for one client
  std::uint64_t rejected = 0;                                   // connections refused by a limit
  std::uint64_t accept_errors = 0;                              // descriptors exhausted, for instance
  std::uint64_t handshake_failures = 0;                         // of TLS; also those that took too long
  OpenConnections open_connections;                             // now
  std::array<std::uint64_t, end_reason_count> streams_ended{};  // by EndReason
};

}  // namespace spate
