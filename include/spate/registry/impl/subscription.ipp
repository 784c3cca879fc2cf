// The functions of subscription.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/registry/detail/subscription.hpp>

namespace spate::detail {

SPATE_DECL bool Subscription::accepts(std::string_view name) const noexcept {
  if (!filters_) return true;
  if (name.empty()) name = "message";
  return std::binary_search(seldom_->names.begin(), seldom_->names.end(), name);
}

SPATE_DECL Subscription::Seldom& Subscription::obtain_seldom() {
  if (!seldom_) seldom_ = std::make_unique<Seldom>();
  return *seldom_;
}

SPATE_DECL void Subscription::forget_topic_catch_up(std::string_view topic) noexcept {
  std::erase_if(seldom_->catch_ups, [topic](const TopicCatchUp& each) { return each.topic.name == topic; });
}

SPATE_DECL TopicMember& Subscription::obtain_topic_member() {
  std::unique_ptr<TopicMember>& member = obtain_seldom().member;
  if (!member) member = std::make_unique<TopicMember>(*this);
  return *member;
}

SPATE_DECL std::unique_ptr<TopicMember> Subscription::take_topic_member() noexcept {
  return seldom_ ? std::move(seldom_->member) : nullptr;
}

SPATE_DECL void Subscription::prefetch() const noexcept {
  detail::prefetch(&stream_);
  detail::prefetch(&position);
}

}  // namespace spate::detail
