// The functions of subscription.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/registry/detail/subscription.hpp>

namespace spate::detail {

SPATE_DECL bool Subscription::accepts(std::string_view name) const noexcept {
  if (!filters()) return true;
  if (name.empty()) name = "message";
  return std::binary_search(seldom_->names.begin(), seldom_->names.end(), name);
}

SPATE_DECL void Subscription::prefetch() const noexcept {
  detail::prefetch(&stream_);
  detail::prefetch(&position);
}

}  // namespace spate::detail
