// StreamSource: something that fills a stream besides what is sent to it directly: a subscription.
//
// It has accepted events, which it owes to the stream until it has queued them. Its stream holds a reference to it from
// StreamCore::add_source until it is removed or told that the stream has ended. Shard only, unless a member says
// otherwise.
#pragma once

#include <cstdint>
#include <limits>

#include <spate/loop/detail/resident.hpp>
#include <spate/stream/end_reason.hpp>
#include <spate/wire/detail/ref.hpp>

namespace spate::detail {

class GzipBody;

class StreamSource : public Resident {
 public:
  static constexpr std::uint64_t everything = std::numeric_limits<std::uint64_t>::max();

  /// Any thread. The position of the newest event that it has accepted.
  virtual std::uint64_t accepted() const = 0;
  /// Whether it owes events up to `position`.
  virtual bool owes(std::uint64_t position) const = 0;
  /// The stream has nothing queued and its peer takes bytes. Queues more, nothing after `position`; returns false
  /// when there is none.
  virtual bool pull(std::uint64_t position) = 0;
  /// Whether it is still looking for what it owes, and has paused only to let others have their turn.
  virtual bool busy() const = 0;
  /// Whether it waits for somebody else, who reads what it owes, and may be long about it.
  virtual bool reads() const = 0;
  /// Whether it has paused, and goes on looking when it is pulled again.
  virtual bool awaits_pull() const = 0;
  /// The stream ends: accepts nothing more, and keeps what it owes to be pulled. Returns whether it owes anything.
  virtual bool leave() = 0;
  /// Something is about to be queued: queues first what has been accepted and not yet read.
  virtual void queue_unread() = 0;
  /// Its stream is compressed, and `body` is its place: adds to the sum what it has written past the queue.
  virtual void settle(GzipBody& body) = 0;
  /// The same, and the place is lost: another source writes to the stream past the queue, too.
  virtual void lose_place(GzipBody& body) noexcept = 0;
  /// The stream takes nothing any more.
  virtual void stream_ended(EndReason reason) = 0;

  Ref<StreamSource> next_source;
};

}  // namespace spate::detail
