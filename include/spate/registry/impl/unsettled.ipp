// The functions of unsettled.hpp.
#pragma once

#include <utility>

#include <spate/config.hpp>
#include <spate/registry/detail/unsettled.hpp>

namespace spate::detail {

SPATE_DECL void Unsettled::push(Item&& item, const Audience& audience) {
  item.kind = audience.kind();
  item.names.assign(audience.names().begin(), audience.names().end());
  const bool one =
      item.kind == Audience::Kind::user || item.kind == Audience::Kind::group || item.kind == Audience::Kind::topic;
  if (one) item.names.emplace_back(audience.name());
  const std::size_t size = size_of(item);
  items_.push_back(std::move(item));
  bytes_ += size;
}

SPATE_DECL std::size_t Unsettled::size_of(const Item& item) noexcept {
  std::size_t size = sizeof item + item.event.footprint();
  for (const std::string& name : item.names) size += sizeof(std::string) + name.size();
  return size;
}

SPATE_DECL void Unsettled::pop_front() noexcept {
  bytes_ -= size_of(items_.front());
  items_.pop_front();
}

SPATE_DECL void Unsettled::pop_back() noexcept {
  bytes_ -= size_of(items_.back());
  items_.pop_back();
}

SPATE_DECL void Unsettled::note_relayed(std::uint64_t sequence) noexcept {
  if (!items_.empty() && items_.back().sequence == sequence) items_.back().relayed = true;
}

SPATE_DECL void Unsettled::push_lost(std::uint64_t after) {
  if (!items_.empty() && items_.back().is_lost()) return;
  Item item;
  item.after = after;
  item.relayed = true;
  items_.push_back(std::move(item));
  bytes_ += size_of(items_.back());
}

SPATE_DECL std::list<Unsettled::Item> Unsettled::close() noexcept {
  bytes_ = 0;
  waiting_.clear();
  return std::exchange(items_, {});
}

}  // namespace spate::detail
