// Events in the formats of the fallback transports, read back: the answer to a poll, and the endless page of an iframe.
// No I/O.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <spate/config.hpp>
#include <spate/testing/events.hpp>
#include <spate/wire/decoder.hpp>

namespace spate::detail {

/// What a poll was answered with.
struct ReadPoll {
  testing::Events events;
  std::string last_event_id;
};

/// Nothing when `body` is no such answer. Events that bring no id have `last_event_id`, what the client had before,
/// or that of the last one that brought one.
SPATE_DECL std::optional<ReadPoll> read_poll(std::string_view body, std::string last_event_id);

/// The page of an iframe, in pieces.
class FrameReader {
 public:
  struct Read {
    testing::Events events;
    std::size_t heartbeats = 0;
  };
  Read take(std::string_view piece);

  const std::string& last_event_id() const noexcept { return last_event_id_; }

 private:
  std::string unread_;
  std::string last_event_id_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/testing/impl/fallback_reader.ipp>
#endif
