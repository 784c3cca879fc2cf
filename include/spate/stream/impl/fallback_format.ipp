// The functions of fallback_format.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/stream/detail/fallback_format.hpp>

namespace spate::detail {

SPATE_DECL void append_json_event(std::string& out, const DecodedEvent& event, bool with_id) {
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

SPATE_DECL void PollAnswer::add(const QueueNode& node) {
  const bool listed = node.kind != QueueNode::Kind::raw;
  // A gap carries the position as its id; it is no event that a client could resume after.
  const bool with_id = node.kind != QueueNode::Kind::notice && node.kind != QueueNode::Kind::gap;
  decoder_.feed(node.event.bytes(), [&](const DecodedEvent& event) {
    if (!listed) return;
    if (!events_.empty()) events_ += ',';
    append_json_event(events_, event, with_id);
    ends_.push_back(events_.size());
  });
  if (!decoder_.last_event_id().empty()) position_ = decoder_.last_event_id();
}

inline constexpr std::string_view poll_beginning = "{\"events\":[";

SPATE_DECL std::vector<std::size_t> PollAnswer::parts() const {
  std::vector<std::size_t> parts{poll_beginning.size()};
  parts.reserve(1 + ends_.size());
  for (const std::size_t end : ends_) parts.push_back(poll_beginning.size() + end);
  return parts;
}

SPATE_DECL std::string PollAnswer::body() const {
  std::string json(poll_beginning);
  json.append(events_).append("],\"last_event_id\":");
  append_json_string(json, position_);
  return json += '}';
}

SPATE_DECL std::string iframe_prologue() {
  constexpr std::size_t padding = 4096;
  return "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<title>events</title>\n<!--" + std::string(padding, ' ') + "-->\n";
}

SPATE_DECL std::string iframe_script(const EncodedEvent& event, std::string_view callback) {
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

}  // namespace spate::detail
