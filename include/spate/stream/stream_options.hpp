// StreamOptions: how long a stream may live, how much may wait for its client, and what keeps it awake.
//
//   spate::StreamOptions options;
//   options.heartbeat = 15s;
//   options.overflow = spate::Overflow::drop_oldest;
//
// A plain struct, copied once when it is given to a server, a route or a StreamHost: changing it later changes nothing.
// Zero means off, where nothing else is said.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include <spate/stream/end_reason.hpp>
#include <spate/wire/event.hpp>

namespace spate {

/// What happens to an event that finds the queue of its stream full.
enum class Overflow : std::uint8_t {
  close,        // the stream ends with Errc::queue_overflow; the client reconnects and resumes
  drop_oldest,  // the oldest waiting events make room
  drop_newest,  // the event itself is dropped
  coalesce,     // a waiting event of the same name makes room, else the oldest ones
};

struct StreamOptions {
  /// Quiet time after which a heartbeat is written, so that proxies and the client's host see life. Fifteen seconds
  /// pass every common idle limit (WHATWG 9.2.7). Up to a thirtieth later, so that a loop serves many streams at a
  /// time. Costs one small write per stream and interval.
  std::chrono::milliseconds heartbeat = std::chrono::seconds(15);

  /// Name of the heartbeat event. Empty sends a bare comment, which programs in a browser cannot see; a name sends an
  /// event of that name with empty data, for pages that watch over their connection themselves.
  std::string heartbeat_event;

  /// Age at which the stream ends and the client reconnects, which spreads clients over new servers. Each stream gets
  /// a random 80 to 100 % of it, so that those who came together do not return together. Off by default.
  std::chrono::milliseconds lifetime{0};

  /// How long the client may acknowledge less than `min_rate` asks for while the kernel takes no more of what waits for
  /// it. Looked at once in each such time, so that who stops is given up within two. A host that vanished is noticed by
  /// it, from the first heartbeat or event on that it does not acknowledge; on a socket that the program accepted
  /// itself, and where the system has no TCP_USER_TIMEOUT, only when the kernel takes no more.
  std::chrono::milliseconds write_timeout = std::chrono::seconds(20);

  /// Bytes a second that the client has to acknowledge, on average over each `write_timeout`, while some wait for it.
  /// What its host has taken counts, not what is in this one's buffers: a client on a slow link stays, one that takes a
  /// byte now and then to keep its place does not. A host takes bytes in pieces of up to its own buffer, so that a much
  /// higher rate asks for a longer `write_timeout` too. Zero: any byte will do. The same holds for ordinary answers.
  /// Only Linux tells what was acknowledged; elsewhere what the kernel takes counts, which comes in larger pieces. On a
  /// Unix socket what the client has read counts, in pieces of up to 48 KiB.
  std::size_t min_rate = 1024;

  /// Encoded bytes that may wait for a client which reads slowly. Reaching it triggers `overflow`; an event that finds
  /// the queue empty is always taken. Costs at most this much per stream. Raise it for bursts, not for slow clients.
  /// Zero is no "off": then no second event may wait.
  std::size_t max_queued_bytes = 256 * 1024;

  /// Events that may wait, in addition to the limit in bytes. Off by default.
  std::size_t max_queued_events = 0;

  /// What happens at either limit.
  Overflow overflow = Overflow::close;

  /// Reconnection time told to the client at the start, if any. (WHATWG 9.2.6)
  std::optional<std::chrono::milliseconds> retry;
  /// Or a random one between these for each stream, so that after a crash clients do not all return at once
  /// (WHATWG 9.2.3). Zero for both: none. Not together with `retry`.
  std::chrono::milliseconds retry_min{0};
  std::chrono::milliseconds retry_max{0};

  /// When the server drains, each client is told a random reconnection time between these, so that clients do not all
  /// return at once (WHATWG 9.2.3): in the farewell, unless that has one of its own, else by itself. Zero for both:
  /// none is told.
  std::chrono::milliseconds shutdown_retry_min = std::chrono::seconds(1);
  std::chrono::milliseconds shutdown_retry_max = std::chrono::seconds(5);

  /// Name of the event that tells a client which events it will never get: data is JSON
  /// `{"requested":cursor or null,"oldest":id or null,"reason":"trimmed"|"unknown"|"overflow"}`. Empty tells nobody
  /// but the program.
  std::string gap_event = "gap";

  /// Called on the stream's executor when the server ends the stream on purpose (completed, closed, replaced,
  /// lifetime, expired, shutdown, error); what it returns is the last event. Must not block. An exception counts as
  /// "no event": `on_error` sees Errc::handler_failed, and ServerOptions::on_exception is told; of a StreamHost's
  /// stream a line on standard error says it.
  std::function<std::optional<Event>(EndReason)> farewell;
};

}  // namespace spate
