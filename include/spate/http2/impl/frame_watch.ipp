// The functions of frame_watch.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/http2/detail/frame_watch.hpp>

namespace spate::detail {

SPATE_DECL FrameWatch& FrameWatch::at(TimePoint now) noexcept {
  constexpr std::chrono::seconds second{1};
  if (now - since_ < second) return *this;
  const bool next = now - since_ < 2 * second;
  asked_before_ = next ? asked_ : 0;
  sent_before_ = next ? sent_ : 0;
  since_ = now;
  idle_ = updates_ = asked_ = sent_ = 0;
  return *this;
}

SPATE_DECL bool FrameWatch::idle_frame(TimePoint now) noexcept {
  at(now);
  return ++idle_ <= max_idle_frames + asked_ + asked_before_;
}

SPATE_DECL bool FrameWatch::window_update(TimePoint now) noexcept {
  at(now);
  return ++updates_ <= max_window_updates + 2 * (sent_ + sent_before_);
}

}  // namespace spate::detail
