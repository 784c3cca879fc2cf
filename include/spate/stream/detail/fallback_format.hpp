// Events in the formats of the fallback transports. Both begin with the bytes of the event stream, so that every
// transport carries the same text.
#pragma once

#include <charconv>
#include <string>
#include <string_view>
#include <utility>

#include <spate/stream/detail/write_queue.hpp>
#include <spate/wire/decoder.hpp>
#include <spate/wire/detail/json.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

/// `{"id":"…","event":"…","data":"…","retry":N}`; an id that is absent, and a retry that is absent, are left out.
inline void append_json_event(std::string& out, const DecodedEvent& event, bool with_id) {
  out += '{';
  if (with_id && event.id) {
    out += "\"id\":";
    append_json_string(out, *event.id);
    out += ',';
  }
  out += "\"event\":";
  append_json_string(out, event.name);
  out += ",\"data\":";
  append_json_string(out, event.data);
  if (event.retry) out.append(",\"retry\":").append(std::to_string(event.retry->count()));
  out += '}';
}

/// The answer to a poll: what is queued, less what is only about the stream's beginning.
class PollAnswer {
 public:
  /// `cursor` is what the client presented: its position as long as no event moves it.
  explicit PollAnswer(std::string cursor) : position_(std::move(cursor)) {}

  void add(const QueueNode& node) {
    const bool listed = node.kind != QueueNode::Kind::raw;
    // A gap carries the position as its id; it is no event that a client could resume after.
    const bool with_id = node.kind != QueueNode::Kind::notice && node.kind != QueueNode::Kind::gap;
    decoder_.feed(node.event.bytes(), [&](const DecodedEvent& event) {
      if (!listed) return;
      if (!events_.empty()) events_ += ',';
      append_json_event(events_, event, with_id);
    });
    if (!decoder_.last_event_id().empty()) position_ = decoder_.last_event_id();
  }

  bool empty() const noexcept { return events_.empty(); }
  std::size_t size() const noexcept { return events_.size(); }

  std::string body() const {
    std::string json = "{\"events\":[" + events_ + "],\"last_event_id\":";
    append_json_string(json, position_);
    return json += '}';
  }

 private:
  EventDecoder decoder_;
  std::string events_;
  std::string position_;
};

/// The beginning of the endless page. Browsers render, and run scripts, only after the first kilobyte or so.
inline std::string iframe_prologue() {
  constexpr std::size_t padding = 4096;
  return "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<title>events</title>\n<!--" + std::string(padding, ' ') + "-->\n";
}

/// `event` as a script that calls `callback` in the parent. The text is JSON in which `<` and the line separators of
/// JavaScript are escaped, so no data can end the script or the string it stands in.
inline std::string iframe_script(const EncodedEvent& event, std::string_view callback) {
  std::string script;
  EventDecoder decoder;
  decoder.feed(event.bytes(), [&](const DecodedEvent& decoded) {
    script.append("<script>parent.").append(callback).append("(");
    append_json_event(script, decoded, true);
    script.append(")</script>\n");
  });
  // Without data there is nothing to dispatch: a comment of the page keeps the connection busy.
  return script.empty() ? "<!---->\n" : script;
}

/// `bytes` as one HTTP/1.1 chunk. (H2)
inline std::string chunk_of(std::string_view bytes) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, bytes.size(), 16).ptr;
  std::string chunk(digits, end);
  return chunk.append("\r\n").append(bytes).append("\r\n");
}

}  // namespace spate::detail
