// The functions of kept_entry.hpp.
#pragma once

#include <new>

#include <spate/config.hpp>
#include <spate/detail/prefetch.hpp>
#include <spate/history/detail/kept_entry.hpp>

namespace spate::detail {

SPATE_DECL void KeptEntry::hold(std::uint64_t sequence, const EncodedEvent& event) noexcept {
  sequence_ = sequence;
  size_ = static_cast<std::uint32_t>(event.bytes().size());
  own_ = event;
}

SPATE_DECL void KeptEntry::hold(std::uint64_t sequence, SharedEvent& event) noexcept {
  sequence_ = sequence;
  size_ = static_cast<std::uint32_t>(event.event.bytes().size());
  kind_ = Kind::shared;
  shared_ = &event;
  ++event.holders;
}

SPATE_DECL void KeptEntry::hold(std::uint64_t sequence, std::unique_ptr<ExpiringEvent> event) noexcept {
  sequence_ = sequence;
  kind_ = Kind::expiring;
  expiring_ = event.release();
  if (expiring_->shared != nullptr) ++expiring_->shared->holders;
  size_ = static_cast<std::uint32_t>(this->event().bytes().size());
}

SPATE_DECL const EncodedEvent& KeptEntry::event() const noexcept {
  if (kind_ == Kind::own) return own_;
  const SharedEvent* const others = shared();
  return others == nullptr ? expiring_->own : others->event;
}

SPATE_DECL void KeptEntry::prefetch() const noexcept {
  switch (kind_) {
    case Kind::own: detail::prefetch(own_.block().get()); break;
    case Kind::shared: detail::prefetch(shared_); break;
    case Kind::expiring: detail::prefetch(expiring_); break;
  }
}

SPATE_DECL void KeptEntry::take(KeptEntry& other) noexcept {
  sequence_ = other.sequence_;
  size_ = other.size_;
  kind_ = std::exchange(other.kind_, Kind::own);
  if (kind_ == Kind::own) {
    own_ = std::move(other.own_);
    return;
  }
  if (kind_ == Kind::shared) {
    shared_ = other.shared_;
  } else {
    expiring_ = other.expiring_;
  }
  new (&other.own_) EncodedEvent();
}

SPATE_DECL void KeptEntry::let_go() noexcept {
  if (kind_ == Kind::own) {
    own_ = EncodedEvent();
    return;
  }
  SharedEvent* const others = shared();
  if (others != nullptr && --others->holders == 0) delete others;
  if (kind_ == Kind::expiring) delete expiring_;
  kind_ = Kind::own;
  new (&own_) EncodedEvent();
}

}  // namespace spate::detail
