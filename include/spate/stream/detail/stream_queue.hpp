// StreamQueue: what waits for one client, counted, and kept within its limits by the overflow policy of the stream.
// Decides and counts; writing is for others.
//
// What is on its way from another thread counts from the moment it is sent: so senders on several threads cannot all
// slip through. Shard only, unless a member says otherwise.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include <spate/config.hpp>
#include <spate/connection/detail/rendition.hpp>
#include <spate/stream/detail/gzip_body.hpp>
#include <spate/stream/detail/shard.hpp>
#include <spate/stream/detail/write_queue.hpp>
#include <spate/stream/stream_options.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

class StreamQueue {
 public:
  // ---- any thread ----

  /// Bytes that wait, or are on their way to it.
  std::size_t waiting() const noexcept { return waiting_.load(std::memory_order_relaxed); }

  /// Counts `size` bytes that are about to be sent; returns how many waited before them.
  std::size_t reserve(std::size_t size) noexcept { return waiting_.fetch_add(size, std::memory_order_relaxed); }
  /// They do not come, or are dropped.
  void give_back(std::size_t size) noexcept { waiting_.fetch_sub(size, std::memory_order_relaxed); }

  // ---- what it has ----

  bool empty() const noexcept { return queue_.empty(); }
  std::size_t bytes() const noexcept { return queue_.bytes(); }
  /// Whether more waits than may. `newest` is the size of the event queued last: when no more than that waits, it found
  /// nothing waiting and is taken, whatever its size.
  bool exceeds(const StreamOptions& limits, std::size_t newest) const noexcept {
    return queue_.bytes() > std::max(limits.max_queued_bytes, newest);
  }
  /// Whether `size` bytes more are too many. What finds nothing waiting is always taken.
  bool is_full(const StreamOptions& limits, std::size_t size) const noexcept;

  template <typename Visit>
  void for_each(Visit&& visit) const {
    queue_.for_each(visit);
  }

  // ---- into it ----

  /// `size` bytes that were reserved are queued next.
  void arrive(std::size_t size) noexcept { counted_ += size; }

  enum class Room : std::uint8_t {
    there,
    none,      // the event is dropped
    overflow,  // the policy is to end the stream
  };
  /// Makes room for `event`, which finds the queue full, as the policy says.
  Room make_room(Shard& shard, const StreamOptions& limits, const EncodedEvent& event);

  /// An event was dropped before it came here: the next one comes after a gap.
  void note_gap() noexcept { gap_due_ = true; }
  /// Whether what is queued next comes after a gap, which is told then.
  bool take_gap() noexcept { return std::exchange(gap_due_, false); }

  QueueNode& push(Shard& shard, QueueNode::Kind kind, const Rendition& rendition, const EncodedEvent& event,
                  std::uint32_t events);
  /// Bytes that are no event: neither counted nor dropped.
  void push_text(Shard& shard, std::string_view text);
  /// The same for bytes that live for ever.
  void push_constant(Shard& shard, std::string_view text);
  /// A piece of `events` events, of which `first` is the first, if it says how far the client is.
  void push_piece(Shard& shard, QueueNode::Kind kind, Rendition::Piece piece, const EncodedEvent& first,
                  std::uint32_t events) {
    queue_.push(shard.nodes(), kind, std::move(piece), first, events);
  }
  /// Neighbouring chunks of `block`.
  void push_range(Shard& shard, const Ref<Block>& block, std::string_view data, std::uint32_t events) {
    queue_.push_range(shard.nodes(), block, data, events);
  }

  // ---- out of it ----

  /// Gives the gaps that were left by what was dropped their bytes. Before `gather`, or `for_each`.
  void resolve_gaps(Shard& shard, const StreamOptions& limits, const Rendition& rendition);

  std::size_t gather(asio::const_buffer* buffers, std::size_t most, std::size_t max_bytes) const noexcept {
    return queue_.gather(buffers, most, max_bytes);
  }
  /// `written` bytes have left; `body`, which may be null, is the compressed one that they belong to.
  void consume(Shard& shard, std::size_t written, GzipBody* body) {
    queue_.consume(shard.nodes(), written, [&](const QueueNode& node) {
      if (body != nullptr) body->sum.add(shard.gzip()->compression(), node.sum);
    });
  }
  void clear(Shard& shard, std::error_code error) { queue_.clear(shard.nodes(), error); }

  /// Counts what has changed; to be called after whatever has. `blocked` when the client takes nothing just now.
  void changed(Shard& shard, const StreamOptions& limits, bool blocked) noexcept;

  /// What a client is told where events were dropped, the next being `oldest`; a comment where the program wants no
  /// event, so that the place has bytes all the same.
  static EncodedEvent gap(const StreamOptions& limits, std::string_view oldest);

 private:
  WriteQueue queue_;
  std::size_t counted_ = 0;              // bytes that are, or have just been, in the queue
  std::atomic<std::size_t> waiting_{0};  // these and what is on its way to it
  bool gap_due_ = false;
  bool lags_ = false;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/stream_queue.ipp>
#endif
