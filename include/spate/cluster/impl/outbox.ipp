// The functions of outbox.hpp.
#pragma once

#include <spate/cluster/detail/outbox.hpp>
#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL void Outbox::push(std::string message, std::string user, Bus::Published done) {
  const std::size_t size = message.size();
  items_.push_back({next_counter(), std::move(message), std::move(user), std::move(done)});
  ++counter_;
  bytes_ += size;
}

SPATE_DECL Outbox::Item* Outbox::next() {
  if (sent_ == items_.size()) return nullptr;
  if (put_back_ > 0) --put_back_;
  return &items_[sent_++];
}

SPATE_DECL Outbox::Item* Outbox::find(std::uint64_t counter) {
  const std::uint64_t first = counter_ + 1 - items_.size();
  return counter < first || counter > counter_ ? nullptr : &items_[static_cast<std::size_t>(counter - first)];
}

SPATE_DECL Outbox::Item Outbox::pop() {
  Item item = std::move(items_.front());
  items_.pop_front();
  bytes_ -= item.message.size();
  if (sent_ > 0) --sent_;
  return item;
}

SPATE_DECL void Outbox::put_back() {
  const auto oldest = items_.begin();
  std::rotate(oldest, oldest + 1, oldest + static_cast<std::ptrdiff_t>(sent_ + put_back_));
  --sent_;
  ++put_back_;
}

}  // namespace spate::detail
