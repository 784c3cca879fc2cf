// RedisOptions: where Redis is, how nodes share it, and what happens while it is away.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace spate {

/// What Redis does for the nodes of a cluster, and what is lost when it fails.
enum class ClusterMode : std::uint8_t {
  /// A stream of Redis is the log of all events. Ids are the log's, so a client may drop from one node and resume on
  /// another; a node that lost Redis for a while catches up. Nothing lost, nothing twice, as long as Redis keeps its
  /// data; what it lost and the nodes cannot restore is told to every stream as a gap.
  durable,
  /// Redis pub/sub. A unicast goes only to the nodes that hold the user; the rest goes to all. At most once between
  /// nodes: what is sent while a node is away from Redis is lost to that node, and its streams are told of one gap when
  /// it is back. Ids are each node's own.
  directed,
  /// Redis pub/sub. Every event goes to every node, which drops what is not for its users. At most once, as above.
  broadcast,
};

constexpr std::string_view to_string(ClusterMode mode) noexcept {
  switch (mode) {
    case ClusterMode::durable: return "durable";
    case ClusterMode::directed: return "directed";
    case ClusterMode::broadcast: return "broadcast";
  }
  return "";
}

/// The mode of that name, if there is one.
constexpr std::optional<ClusterMode> parse_cluster_mode(std::string_view name) noexcept {
  for (const ClusterMode mode : {ClusterMode::durable, ClusterMode::directed, ClusterMode::broadcast}) {
    if (to_string(mode) == name) return mode;
  }
  return std::nullopt;
}

struct RedisOptions {
  /// `redis://[user:password@]host[:port][/database]`; `:password@` alone authenticates the default user. Percent
  /// escapes in user and password are decoded. `rediss://` is refused: there is no TLS here.
  std::string url = "redis://127.0.0.1:6379";

  ClusterMode mode = ClusterMode::durable;

  /// Tells this node from the others: 1 to 64 of letters, digits, '.', '_' and '-'. A second node of the same name says
  /// so in its status and waits until the first has stopped: the others do not see its users, and in directed mode it
  /// is not connected. The name of one that crashed is free when its lease is over; in the modes without a log as soon
  /// as Redis has noticed that its connection ended. Empty: a random name.
  std::string node;

  /// Begins every key and channel. Nodes with the same prefix are one cluster; applications with different ones share
  /// a Redis without meeting.
  std::string prefix = "spate:";

  /// Events that the log keeps, about; durable mode only. The log is what a node that was away catches up from, and
  /// what one that starts replays from. Redis holds them all in memory. The oldest go first, whoever they are for: fair
  /// limits (ReplayLimits) are each node's own, for the copy that it keeps of the log, and of no use to a node that
  /// starts after the log has lost what they would have kept.
  std::size_t log_events = 100'000;
  /// Bytes of events that it keeps, about, but always the newest event. Nodes count them; Redis needs some 64 bytes
  /// more for each event.
  std::size_t log_bytes = 256 * 1024 * 1024;
  /// How long it keeps an event, about. Zero: as long as the other limits allow.
  std::chrono::milliseconds log_age{0};

  /// Replicas that must have confirmed an event (WAIT) before an awaited send succeeds, and for how long they are
  /// waited for; durable mode only. Too few in time: Errc::bus_not_replicated, though the event is delivered. Zero:
  /// Redis itself is enough, and what it has confirmed is lost when a replica takes over that did not have it yet.
  std::size_t wait_replicas = 0;
  std::chrono::milliseconds wait_timeout = std::chrono::seconds(1);

  /// Events and bytes that may wait for Redis. Beyond either a send is refused with Errc::bus_queue_full.
  std::size_t max_queued_events = 100'000;
  std::size_t max_queued_bytes = 64 * 1024 * 1024;

  /// How long a node that died counts as alive, and its users as connected. A node renews it at a third of it, and at
  /// least every three seconds; when it cannot, that is a lost connection.
  std::chrono::milliseconds lease = std::chrono::seconds(10);

  /// Redis shows no sign of life for so long while an answer is due: the connection is given up and made again. A long
  /// answer over a slow link may take any time, as long as bytes of it come. In the modes without a log, where silence
  /// may be all there is to hear, Redis is asked twice a second.
  std::chrono::milliseconds reply_timeout = std::chrono::seconds(3);

  /// The wait before a lost connection is made again: from the first to the second, doubling, each between half and
  /// all of it at random, so that nodes do not come back all at once.
  std::chrono::milliseconds min_retry = std::chrono::milliseconds(100);
  std::chrono::milliseconds max_retry = std::chrono::seconds(5);

  /// Told of every fault: Errc::bus_lost, bus_refused or bus_garbled, and what happened in words, without passwords.
  /// Runs on the bus's executor, one call at a time; must not throw.
  std::function<void(std::error_code, const std::string& what)> on_bus_error;
};

}  // namespace spate
