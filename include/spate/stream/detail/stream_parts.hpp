// What a stream is made of besides its core: the options of its route, and what fills it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include <spate/config.hpp>
#include <spate/loop/detail/report.hpp>
#include <spate/loop/detail/resident.hpp>
#include <spate/stream/detail/stream_fsm.hpp>
#include <spate/stream/end_reason.hpp>
#include <spate/stream/stream_options.hpp>
#include <spate/wire/detail/require.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

/// Options of a route with what is derived from them, shared by its streams.
struct StreamSettings final : RefCounted<StreamSettings> {
  /// `told`, which may be empty, is given what the program's functions among the options throw.
  explicit StreamSettings(StreamOptions chosen, OnException told = {}, bool finishes = false);

  static std::uint64_t least_progress(const StreamOptions& options);

  StreamOptions options;
  OnException on_exception;
  bool finish_on_drain;
  StreamLimits limits;
  EncodedEvent heartbeat;
  EncodedEvent retry;

 private:
  static void check(const StreamOptions& options);
};

/// Something that fills a stream besides what is sent to it directly: a subscription. It has accepted events, which it
/// owes to the stream until it has queued them. Shard only, unless a member says otherwise.
class StreamSource : public Resident {
 public:
  static constexpr std::uint64_t everything = std::numeric_limits<std::uint64_t>::max();

  /// Any thread. The position of the newest event that it has accepted.
  virtual std::uint64_t accepted() const = 0;
  /// Whether it owes events up to `position`.
  virtual bool owes(std::uint64_t position) const = 0;
  /// The stream has nothing queued and its peer takes bytes. Queues more, nothing behind `position`; returns false
  /// when there is none.
  virtual bool pull(std::uint64_t position) = 0;
  /// Whether it is still looking for what it owes, and has paused only to let others have their turn.
  virtual bool busy() const = 0;
  /// Whether it waits for somebody else, who reads what it owes, and may be long about it.
  virtual bool reads() const = 0;
  /// Whether it goes on looking when it is pulled again; otherwise it does by itself.
  virtual bool rests() const = 0;
  /// The stream ends: accepts nothing more, and keeps what it owes to be pulled. Returns whether it owes anything.
  virtual bool leave() = 0;
  /// Something is about to be queued: queue first what has been waiting here.
  virtual void settle() = 0;
  /// The stream takes nothing any more.
  virtual void stream_ended(EndReason reason) = 0;

  Ref<StreamSource> next_source;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/stream_parts.ipp>
#endif
