// Spate's error codes: what went wrong, who sees it, and what to do about it.
//
//   stream.on_error([](std::error_code error) {
//     if (error == spate::Errc::queue_overflow) { /* the client reads too slowly */ }
//   });
//
// Faults of the network arrive as the codes of the system (`std::errc::connection_reset`, ...). A mistake of the
// program while it builds a value throws `std::invalid_argument` with the offending text instead.
#pragma once

#include <string>
#include <system_error>

#include <spate/config.hpp>

namespace spate {

/// What can go wrong. Each says who sees it, and what to do.
enum class Errc {
  /// The stream is over. Seen by whoever awaits a send on it. Stop producing.
  stream_closed = 1,
  /// More waited for this client than `StreamOptions::max_queued_bytes` or `max_queued_events` allows, and the
  /// policy is to close. Seen by `on_error`. Raise the limit for bursts; choose another policy for slow clients.
  queue_overflow,
  /// The client acknowledged less than `StreamOptions::min_rate` asks for in `write_timeout`. Seen by `on_timeout`. It
  /// reads too slowly, or its host has vanished.
  write_timeout,
  /// The stream reached `StreamOptions::lifetime`. Seen by `on_timeout`. The client reconnects by itself.
  lifetime_reached,
  /// A handler or a coroutine threw. Seen by `on_error`; the exception goes to `ServerOptions::on_exception`.
  handler_failed,
  /// The program ended the stream with `complete_with_error` and gave no code of its own. Seen by `on_error`.
  completed_with_error,
  /// The server or the loop below it is gone or stopping. Seen by pending operations. Nothing more can be sent.
  shut_down,
  /// More waits for the bus than it may queue, because it is away or slow. Returned by sends; nobody gets the event
  /// from the bus. Send again later, and tell whoever publishes to wait. (HTTP: 503)
  bus_queue_full,
  /// The connection to the bus failed or broke. Seen by its error hook; in the modes that deliver at most once also by
  /// who awaits a send that was on its way: other nodes may or may not have it. The bus reconnects by itself.
  bus_lost,
  /// The bus answered with an error of its own: a wrong password, no memory. Seen by its error hook. Put it right
  /// there; the bus tries again by itself. Seen too by who awaits the send of a large event for which there is no
  /// memory: it is given up, so that smaller ones need not wait for it.
  bus_refused,
  /// A message on the bus is garbage or from a newer version, and was skipped. Seen by the bus's error hook. Look who
  /// else writes to its keys and channels.
  bus_garbled,
  /// The bus has the event and delivers it, but fewer replicas than RedisOptions::wait_replicas have confirmed it in
  /// time. Seen by who awaits the send. A failover now may lose it; sending it again would deliver it twice.
  bus_not_replicated,
  /// The stream is in the emitter already. Returned by `Emitter::add`. Remove it first, if it is to move.
  already_added,
  /// The stream is not in the emitter. Returned by `Emitter::join` and `leave`. Add it first, or it has just ended.
  not_added,
  /// More waits for the replay store than may, because what it writes to is slow or has failed. Returned by sends;
  /// nobody gets the event. Send again later, and look how the store is. (HTTP: 503)
  store_queue_full,
  /// The stream has joined EmitterOptions::max_topics_per_stream already. Returned by `Emitter::join`. Let it leave
  /// some, or send to fewer topics. (HTTP: 409)
  too_many_topics,
};

namespace detail {

class ErrorCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "spate"; }

  SPATE_DECL std::string message(int code) const override;
};

}  // namespace detail

/// The category of `Errc`. Threads: any. Lifetime: static.
SPATE_DECL const std::error_category& error_category() noexcept;

inline std::error_code make_error_code(Errc code) noexcept {
  return {static_cast<int>(code), error_category()};
}

}  // namespace spate

template <>
struct std::is_error_code_enum<spate::Errc> : std::true_type {};

#if defined(SPATE_HEADER_ONLY)
#include <spate/impl/error.ipp>
#endif
