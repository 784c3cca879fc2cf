// FrameWatch: whether a client has the server work for nothing. Frames and moments in, a verdict out; no I/O, no clock
// of its own.
//
// Requests explain some of the frames that cost a server more than their sender: who asks much may say more. What is
// beyond that, and beyond what any client may send for its own reasons, is a flood. (RFC 9113 10.5)
#pragma once

#include <chrono>
#include <cstdint>

#include <spate/config.hpp>
#include <spate/loop/detail/clock.hpp>

namespace spate::detail {

class FrameWatch {
 public:
  /// Within a second, beyond what is explained.
  static constexpr std::uint32_t max_idle_frames = 100;
  /// Room that a client gives to its streams: one frame for each that it was sent would be many.
  static constexpr std::uint32_t max_window_updates = 1000;

  /// A request was answered, or a frame of data was sent: each explains one frame, in this second or the next.
  void asked(TimePoint now) noexcept { ++at(now).asked_; }
  void sent_data(TimePoint now) noexcept { ++at(now).sent_; }

  /// A frame that asks for an answer, or for nothing: RST_STREAM of what was not answered yet, SETTINGS, PING, empty
  /// DATA, PRIORITY, a stream beyond those allowed; or a fault for which a stream was reset. Returns false when it is
  /// one too many.
  bool idle_frame(TimePoint now) noexcept;
  bool window_update(TimePoint now) noexcept;

 private:
  // The second that `now` lies in.
  FrameWatch& at(TimePoint now) noexcept;

  TimePoint since_{};
  std::uint32_t idle_ = 0;
  std::uint32_t updates_ = 0;
  std::uint32_t asked_ = 0;
  std::uint32_t sent_ = 0;
  std::uint32_t asked_before_ = 0;  // in the second before
  std::uint32_t sent_before_ = 0;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/http2/impl/frame_watch.ipp>
#endif
