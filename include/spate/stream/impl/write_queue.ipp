// The functions of write_queue.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/stream/detail/write_queue.hpp>

namespace spate::detail {

SPATE_DECL QueueNode* NodePool::take() {
  if (free_ == nullptr) return new QueueNode;
  --kept_;
  QueueNode* node = std::exchange(free_, free_->next);
  node->next = nullptr;
  return node;
}

SPATE_DECL void NodePool::give(QueueNode* node) noexcept {
  if (kept_ == max_kept) {
    delete node;
    return;
  }
  node->event = EncodedEvent();
  node->block = nullptr;
  node->waiter = nullptr;
  node->next = std::exchange(free_, node);
  ++kept_;
}

SPATE_DECL QueueNode& WriteQueue::push(NodePool& pool, QueueNode::Kind kind, Rendition::Piece piece, EncodedEvent event,
                                       std::uint32_t events) {
  QueueNode* node = pool.take();
  node->event = std::move(event);
  node->block = std::move(piece.block);
  node->data = piece.bytes.data();
  node->size = static_cast<std::uint32_t>(piece.bytes.size());
  node->events = events;
  node->weight = piece.weight;
  node->sum = piece.sum;
  node->kind = kind;
  (tail_ == nullptr ? head_ : tail_->next) = node;
  tail_ = node;
  count(*node);
  if (kind == QueueNode::Kind::event && !node->event.has_data()) may_have_comments_ = 1;
  return *node;
}

SPATE_DECL void WriteQueue::push_range(NodePool& pool, const Ref<Block>& block, std::string_view data,
                                       std::uint32_t events) {
  if (tail_ != nullptr && tail_->kind == QueueNode::Kind::range && tail_->block == block &&
      tail_->data + tail_->size == data.data()) {
    tail_->size += static_cast<std::uint32_t>(data.size());
    tail_->weight += static_cast<std::uint32_t>(data.size());
    tail_->events += events;
    bytes_ += data.size();
    events_ += events;
    return;
  }
  push(pool, QueueNode::Kind::range, Rendition::uncompressed(data, block), EncodedEvent(), events);
}

SPATE_DECL std::size_t WriteQueue::gather(asio::const_buffer* buffers, std::size_t most,
                                          std::size_t max_bytes) const noexcept {
  std::size_t filled = 0, bytes = 0;
  for (const QueueNode* node = head_; node != nullptr && filled < most && bytes < max_bytes; node = node->next) {
    if (node->size == 0) continue;  // a gap whose end is not known yet
    buffers[filled++] = asio::const_buffer(node->data, node->size);
    bytes += node->size;
  }
  return filled;
}

SPATE_DECL void WriteQueue::shorten_front(std::size_t written) noexcept {
  // What is left of it counts as much less as there is less of it.
  const std::size_t size = head_->size, left = size - written;
  const auto weight = static_cast<std::uint32_t>(std::uint64_t{head_->weight} * left / size);
  if (head_->counted()) bytes_ -= head_->weight - weight;
  head_->data += written;
  head_->size = static_cast<std::uint32_t>(left);
  head_->weight = weight;
  front_started_ = true;
}

SPATE_DECL bool WriteQueue::drop_comments(NodePool& pool) {
  if (may_have_comments_ == 0) return false;
  may_have_comments_ = 0;
  bool dropped = false;
  QueueNode* before = nullptr;
  for (QueueNode *node = head_, *next; node != nullptr; node = next) {
    next = node->next;
    if (node->kind != QueueNode::Kind::event || node->event.has_data() || node->waiter || started(node)) {
      before = node;
      continue;
    }
    dropped = true;
    uncount(*node);
    (before == nullptr ? head_ : before->next) = next;
    if (tail_ == node) tail_ = before;
    pool.give(node);
  }
  return dropped;
}

SPATE_DECL std::size_t WriteQueue::drop_superseded(NodePool& pool, std::string_view coming) {
  // Owned keys: a name lies in its event, which may go in between.
  std::unordered_map<std::string, const QueueNode*> newest;
  for (const QueueNode* node = head_; node != nullptr; node = node->next) {
    if (node->kind == QueueNode::Kind::event) newest[std::string(node->event.name())] = node;
  }
  return drop(pool, events_, [&](const QueueNode& node) {
    const std::string_view name = node.event.name();
    return name == coming || newest[std::string(name)] != &node;
  });
}

SPATE_DECL void WriteQueue::drop_last_gap(NodePool& pool) {
  QueueNode* before = nullptr;
  for (QueueNode* node = head_; node != nullptr; before = node, node = node->next) {
    if (node->next != nullptr || node->kind != QueueNode::Kind::gap || started(node)) continue;
    (before == nullptr ? head_ : before->next) = nullptr;
    tail_ = before;
    if (node->size == 0) --unresolved_;
    pool.give(node);
    return;
  }
}

SPATE_DECL void WriteQueue::clear(NodePool& pool, std::error_code error) {
  while (head_ != nullptr) {
    const Ref<SendWaiter> waiter = std::move(head_->waiter);
    drop_front(pool);
    if (waiter) waiter->done(error);
  }
  front_started_ = false;
}

SPATE_DECL void WriteQueue::count(const QueueNode& node) noexcept {
  if (!node.counted()) return;
  bytes_ += node.weight;
  events_ += node.events;
}

SPATE_DECL void WriteQueue::uncount(const QueueNode& node) noexcept {
  if (!node.counted()) return;
  bytes_ -= node.weight;
  events_ -= node.events;
}

SPATE_DECL void WriteQueue::drop_front(NodePool& pool) noexcept {
  QueueNode* node = head_;
  head_ = node->next;
  if (head_ == nullptr) tail_ = nullptr;
  uncount(*node);
  pool.give(node);
}

}  // namespace spate::detail
