// The functions of frame_watch.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/http2/detail/frame_watch.hpp>

namespace spate::detail {

SPATE_DECL FrameWatch& FrameWatch::at(TimePoint now) noexcept {
  if (now - since_ < std::chrono::seconds(1)) return *this;
  since_ = now;
  idle_ = updates_ = asked_ = sent_ = 0;
  return *this;
}

SPATE_DECL bool FrameWatch::idle_frame(TimePoint now) noexcept {
  at(now);
  return ++idle_ <= max_idle_frames + asked_;
}

SPATE_DECL bool FrameWatch::window_update(TimePoint now) noexcept {
  at(now);
  return ++updates_ <= max_window_updates + 2 * sent_;
}

}  // namespace spate::detail
