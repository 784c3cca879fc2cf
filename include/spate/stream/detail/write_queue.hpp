// WriteQueue: what waits for one client, in the order in which it goes out.
//
// A list of ranges of shared blocks. Its nodes come from a pool of the shard, so that queueing an event allocates
// nothing once the shard has warmed up, and the queue of an idle stream is a few words.
//
// Shard only. It keeps alive what its bytes are in. Its end frees the nodes that it still has and tells nobody: whoever
// waits is told by `clear`. No I/O.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

#include <asio/buffer.hpp>

#include <spate/config.hpp>
#include <spate/connection/detail/rendition.hpp>
#include <spate/stream/detail/send_waiter.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

struct QueueNode {
  enum class Kind : std::uint8_t {
    event,   // one event, which the overflow policy may drop
    range,   // neighbouring events of a block, as one piece
    raw,     // head, greeting, heartbeat or last chunk: neither counted nor dropped
    notice,  // an event about the stream itself, that earlier ones are missing: neither counted nor dropped
    replay,  // an event drawn from a store: neither counted nor dropped
    gap,     // the place where events were dropped; bytes come when it is about to go out
  };

  QueueNode* next = nullptr;
  EncodedEvent event;          // what `data` is the encoding of, where it is one event
  Ref<Block> block;            // what keeps `data` alive, where `event` does not
  Ref<SendWaiter> waiter;      // who is told when the last byte is written
  const char* data = nullptr;  // what is still to be written
  std::uint32_t size = 0;
  std::uint32_t events = 0;
  std::uint32_t weight = 0;  // what it counts against the limits, in bytes: uncompressed
  Kind kind = Kind::raw;
  GzipSum sum;  // of its text, if it is compressed

  bool counted() const noexcept { return kind == Kind::event || kind == Kind::range; }
  /// Whether it is one event of the program's own, whose id says how far the client is.
  bool has_position() const noexcept { return kind == Kind::event || kind == Kind::replay; }
};

/// Recycles nodes. One per shard.
class NodePool {
 public:
  NodePool() = default;
  NodePool(const NodePool&) = delete;
  NodePool& operator=(const NodePool&) = delete;
  ~NodePool() {
    while (free_ != nullptr) delete std::exchange(free_, free_->next);
  }

  QueueNode* take();

  void give(QueueNode* node) noexcept;

 private:
  // Half a mebibyte of nodes: enough for a burst to every stream of a full shard, little enough to keep.
  static constexpr std::size_t max_kept = 8192;
  QueueNode* free_ = nullptr;
  std::size_t kept_ = 0;
};

class WriteQueue {
 public:
  WriteQueue() = default;
  WriteQueue(const WriteQueue&) = delete;
  WriteQueue& operator=(const WriteQueue&) = delete;
  ~WriteQueue() {
    while (head_ != nullptr) delete std::exchange(head_, head_->next);
  }

  bool empty() const noexcept { return head_ == nullptr; }
  /// Bytes and events that count against the stream's limits.
  std::size_t bytes() const noexcept { return bytes_; }
  std::size_t events() const noexcept { return events_; }

  /// Queues one piece. Its block or `event` keeps its bytes alive.
  QueueNode& push(NodePool& pool, QueueNode::Kind kind, Rendition::Piece piece, EncodedEvent event,
                  std::uint32_t events);

  /// Queues neighbouring events of `block`, growing the last range where they follow it.
  void push_range(NodePool& pool, const Ref<Block>& block, std::string_view data, std::uint32_t events);

  /// Fills `buffers` with what goes out next; returns how many it filled.
  std::size_t gather(asio::const_buffer* buffers, std::size_t most, std::size_t max_bytes) const noexcept;

  /// Takes `written` bytes off the front and tells those who waited for them; `left(node)` is told of each that has
  /// left as a whole.
  template <typename Left>
  void consume(NodePool& pool, std::size_t written, Left&& left) {
    while (head_ != nullptr && written >= head_->size) {
      written -= head_->size;
      front_started_ = false;
      left(std::as_const(*head_));
      const Ref<SendWaiter> waiter = std::move(head_->waiter);
      drop_front(pool);
      if (waiter) waiter->done({});
    }
    if (written > 0) shorten_front(written);
  }

  /// Drops the oldest event that may be dropped, leaving a gap where it stood. Returns whether there was one.
  bool drop_oldest(NodePool& pool) {
    return drop(pool, 1, [](const QueueNode&) { return true; }) > 0;
  }

  /// Drops what has no data, as nobody misses it. Returns whether there was anything of the kind.
  bool drop_comments(NodePool& pool);

  /// Drops every event that a later one of the same name supersedes, `coming` being the name of the one about to be
  /// queued. Returns how many it dropped.
  std::size_t drop_superseded(NodePool& pool, std::string_view coming);

  /// Takes back a gap at the very end: what was dropped there and what is dropped next are one gap.
  void drop_last_gap(NodePool& pool);

  /// Gives the gaps that drops have left their bytes: `encode(id of the event after)` returns an EncodedEvent and the
  /// piece to write. To be called before `gather`. Returns how many gaps got bytes for the first time.
  template <typename Encode>
  std::size_t resolve_gaps(Encode&& encode) {
    std::size_t fresh = 0;
    for (QueueNode* node = head_; node != nullptr && unresolved_ > 0; node = node->next) {
      if (node->kind != QueueNode::Kind::gap || node->size > 0) continue;
      const QueueNode* after = node->next;
      while (after != nullptr && !after->has_position()) after = after->next;
      auto [event, piece] = encode(after == nullptr ? std::string_view() : after->event.id());
      node->block = std::move(piece.block);
      node->event = std::move(event);
      node->data = piece.bytes.data();
      node->size = static_cast<std::uint32_t>(piece.bytes.size());
      node->sum = piece.sum;
      if (node->events++ == 0) ++fresh;  // a gap counts no events: here it remembers that it was told
      --unresolved_;
    }
    return fresh;
  }

  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (const QueueNode* node = head_; node != nullptr; node = node->next) visit(*node);
  }

  /// Empties the queue and tells everybody who waited `error`, or nothing but that it is done.
  void clear(NodePool& pool, std::error_code error);

 private:
  void count(const QueueNode& node) noexcept;

  void uncount(const QueueNode& node) noexcept;

  void drop_front(NodePool& pool) noexcept;

  void shorten_front(std::size_t written) noexcept;

  bool started(const QueueNode* node) const noexcept { return node == head_ && front_started_; }

  // An event that has begun to go out is never dropped: half an event would corrupt the stream. Nor is one that
  // somebody awaits. The node of a dropped event becomes a gap, and neighbouring gaps become one.
  template <typename Matches>
  std::size_t drop(NodePool& pool, std::size_t most, Matches&& matches) {
    std::size_t dropped = 0;
    QueueNode* before = nullptr;
    for (QueueNode *node = head_, *next; node != nullptr; node = next) {
      next = node->next;
      if (dropped < most && node->kind == QueueNode::Kind::event && !node->waiter && !started(node) && matches(*node)) {
        ++dropped;
        uncount(*node);
        node->event = EncodedEvent();
        node->block = nullptr;
        node->size = node->events = node->weight = 0;
        node->sum = {};
        node->kind = QueueNode::Kind::gap;
        ++unresolved_;
      }
      const auto open_gap = [&](const QueueNode* each) {
        return each != nullptr && each->kind == QueueNode::Kind::gap && !started(each);
      };
      if (!open_gap(before) || !open_gap(node)) {
        if (dropped == most && !open_gap(node)) return dropped;
        before = node;
        continue;
      }
      if (node->size == 0) --unresolved_;
      if (std::exchange(before->size, 0) > 0) ++unresolved_;
      before->sum = {};
      before->events = std::max(before->events, node->events);
      before->next = next;
      if (tail_ == node) tail_ = before;
      pool.give(node);
    }
    return dropped;
  }

  QueueNode* head_ = nullptr;
  QueueNode* tail_ = nullptr;
  std::size_t bytes_ = 0;
  std::uint32_t events_ = 0;
  std::uint32_t unresolved_ : 30 = 0;
  std::uint32_t may_have_comments_ : 1 = 0;
  std::uint32_t front_started_ : 1 = 0;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/write_queue.ipp>
#endif
