// StreamSettings: the options of a route with what is derived from them.
//
// Made once, with the route or the host, and shared by its streams, of which each holds a reference. Nothing of it
// changes, so any thread may read it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include <spate/config.hpp>
#include <spate/loop/detail/report.hpp>
#include <spate/stream/detail/stream_fsm.hpp>
#include <spate/stream/stream_options.hpp>
#include <spate/wire/detail/require.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

struct StreamSettings final : RefCounted<StreamSettings> {
  /// `told`, which may be empty, is given what the program's functions among the options throw.
  explicit StreamSettings(StreamOptions chosen, OnException told = {}, bool finishes = false);

  static std::uint64_t least_progress(const StreamOptions& options);

  StreamOptions options;
  OnException on_exception;
  bool finish_on_drain;
  StreamLimits limits;
  EncodedEvent heartbeat;
  EncodedEvent retry;

 private:
  static void check(const StreamOptions& options);
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/stream_settings.ipp>
#endif
