// Events in the formats of the fallback transports. Both begin with the bytes of the event stream, so that every
// transport carries the same text.
#pragma once

#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/stream/detail/write_queue.hpp>
#include <spate/wire/decoder.hpp>
#include <spate/wire/detail/json.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

/// `{"id":"…","event":"…","data":"…","retry":N}`; an id that is absent, and a retry that is absent, are left out.
SPATE_DECL void append_json_event(std::string& out, const DecodedEvent& event, bool with_id);

/// The answer to a poll: what is queued, less what is only about the stream's beginning.
class PollAnswer {
 public:
  /// `cursor` is what the client presented: its position as long as no event moves it.
  explicit PollAnswer(std::string cursor) : position_(std::move(cursor)) {}

  void add(const QueueNode& node);

  bool empty() const noexcept { return events_.empty(); }
  std::size_t size() const noexcept { return events_.size(); }

  std::string body() const;
  /// Where its parts end: what is around the events, and each of these, as they may be for different audiences.
  std::vector<std::size_t> parts() const;

 private:
  EventDecoder decoder_;
  std::string events_;
  std::vector<std::size_t> ends_;  // of each of them there
  std::string position_;
};

/// The beginning of the endless page. Browsers render, and run scripts, only after the first kilobyte or so.
SPATE_DECL std::string iframe_prologue();

/// `event` as a script that calls `callback` in the parent. The text is JSON in which `<` and the line separators of
/// JavaScript are escaped, so no data can end the script or the string it stands in.
SPATE_DECL std::string iframe_script(const EncodedEvent& event, std::string_view callback);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/fallback_format.ipp>
#endif
