// What a client may have a server do for nothing, counted by the second.
#include <chrono>
#include <cstdint>

#include <spate/http2/detail/frame_watch.hpp>
#include "support/catch.hpp"

using namespace spate::detail;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint t0{1h};

/// How many idle frames pass at `now` before one is too many; so many are enough for any limit here.
std::uint32_t idle_frames(FrameWatch& watch, TimePoint now) {
  std::uint32_t count = 0;
  while (count < 100'000 && watch.idle_frame(now)) ++count;
  return count;
}

std::uint32_t window_updates(FrameWatch& watch, TimePoint now) {
  std::uint32_t count = 0;
  while (count < 100'000 && watch.window_update(now)) ++count;
  return count;
}

}  // namespace

TEST_CASE("a hundred idle frames pass within a second, and one more is a flood", "[http2][watch]") {
  FrameWatch watch;
  CHECK(idle_frames(watch, t0) == 100);
  CHECK_FALSE(watch.idle_frame(t0));
  // The second is not over.
  CHECK_FALSE(watch.idle_frame(t0 + 1s - 1ms));
  CHECK(idle_frames(watch, t0 + 1s) == 100);
}

TEST_CASE("frames that come slowly are no flood, however many", "[http2][watch]") {
  FrameWatch watch;
  for (int i = 0; i < 10'000; ++i) {
    CAPTURE(i);
    REQUIRE(watch.idle_frame(t0 + i * 10ms));
  }
}

TEST_CASE("each request explains one idle frame, in its own second and in the next", "[http2][watch]") {
  FrameWatch watch;
  for (int i = 0; i < 50; ++i) watch.asked(t0);
  CHECK(idle_frames(watch, t0 + 500ms) == 150);
  CHECK(idle_frames(watch, t0 + 1s) == 150);
  CHECK(idle_frames(watch, t0 + 2s) == 100);
  // Also one that comes after the frames.
  FrameWatch later;
  CHECK(idle_frames(later, t0) == 100);
  later.asked(t0);
  later.asked(t0);
  CHECK(later.idle_frame(t0));
  CHECK_FALSE(later.idle_frame(t0));
}

TEST_CASE("room may be given for each piece that was sent, and a thousand times besides", "[http2][watch]") {
  FrameWatch watch;
  CHECK(window_updates(watch, t0) == 1000);
  FrameWatch sending;
  for (int i = 0; i < 300; ++i) sending.sent_data(t0);
  // Of the stream, and of the connection.
  CHECK(window_updates(sending, t0) == 1600);
  CHECK(window_updates(sending, t0 + 1s) == 1600);
  CHECK(window_updates(sending, t0 + 2s) == 1000);
}

TEST_CASE("idle frames and room for the server are counted apart", "[http2][watch]") {
  FrameWatch watch;
  for (int i = 0; i < 200; ++i) watch.sent_data(t0);
  CHECK(idle_frames(watch, t0) == 100);
  for (int i = 0; i < 200; ++i) watch.asked(t0);
  CHECK(window_updates(watch, t0) == 1400);
}
