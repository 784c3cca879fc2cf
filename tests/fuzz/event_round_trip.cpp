// `name|id|retry|comment|data` as an event: it is refused, or decoded again as exactly one event of the same text, by
// every transport. (WHATWG 9.2)
#include <charconv>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#if __has_include(<nlohmann/json.hpp>)
#include <nlohmann/json.hpp>
#endif

#include <spate/connection/detail/framing.hpp>
#include <spate/stream/detail/fallback_format.hpp>
#include "fuzz/fuzz.hpp"
#include "support/decoded.hpp"

using namespace spate;
using test::Decoded;
using test::require;
using test::take_until;

namespace {

// Line ends as the standard has them, one LF each. (WHATWG 9.2.6)
std::string normalised(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\r' && text.substr(at + 1, 1) == "\n") continue;
    result += text[at] == '\r' ? '\n' : text[at];
  }
  return result;
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; at += part.size()) ++found;
  return found;
}

void check_json(std::string_view json, const DecodedEvent& event) {
  for (const char c : json) require(static_cast<unsigned char>(c) >= ' ', "JSON has no control characters", json);
#if __has_include(<nlohmann/json.hpp>)
  const auto parsed = nlohmann::json::parse(json, nullptr, false);
  require(parsed.is_object() && parsed.value("data", "?") == event.data, "JSON gives the data back", json);
  require(parsed.value("event", "?") == event.name, "JSON gives the name back", json);
  require(!event.id || parsed.value("id", "?") == *event.id, "JSON gives the id back", json);
#else
  (void)event;
#endif
}

}  // namespace

void fuzz(std::string_view input) {
  std::string_view rest = input;
  const std::string_view name = take_until(rest, '|'), id = take_until(rest, '|');
  const std::string_view retry = take_until(rest, '|'), comment = take_until(rest, '|');
  std::optional<Event> event;
  try {
    event.emplace(rest);
    event->name(name);
    if (!id.empty()) event->id(id);
    long long wait = 0;
    if (std::from_chars(retry.data(), retry.data() + retry.size(), wait).ec == std::errc() && !retry.empty()) {
      event->retry(std::chrono::milliseconds(wait));
    }
    if (!comment.empty()) event->comment(comment);
  } catch (const std::invalid_argument& refused) {
    require(std::string_view(refused.what()).starts_with("spate::Event: "), "a refusal says whose it is", input);
    return;
  }

  Decoded expected;
  DecodedEvent& only = expected.events.emplace_back();
  only.data = normalised(rest);
  only.name = name.empty() ? "message" : name;
  if (event->id()) expected.last_event_id = only.last_event_id = *(only.id = *event->id());
  expected.reconnection_time = only.retry = event->retry();

  const EncodedEvent encoded(*event);
  Decoded decoded = test::decode(encoded.bytes());
  require(decoded.comments.size() == (comment.empty() ? 0 : 1 + count(normalised(comment), "\n")),
          "each line of the comment is one", input);
  decoded.comments.clear();
  require(decoded == expected, "exactly this event comes back", input);
  const std::string chunk = detail::chunk_of(encoded.bytes());
  require(encoded.chunk() == chunk, "the chunk holds the bytes", input);
  const EncodedEvent back = EncodedEvent::from_bytes(encoded.bytes());
  require(back.bytes() == encoded.bytes() && back.chunk() == chunk, "it comes back from its bytes", input);
  require(back.id() == encoded.id() && back.name() == encoded.name() && back.has_data(), "as the same", input);
  // Whatever bytes are taken for an event give these bytes again.
  try {
    require(EncodedEvent::from_bytes(input).bytes() == input, "what is read is what there was", input);
  } catch (const std::invalid_argument& refused) {
    require(std::string_view(refused.what()).starts_with("spate::EncodedEvent: "), "a refusal says whose it is", input);
  }

  const std::string script = detail::iframe_script(encoded, "spate");
  require(script.starts_with("<script>parent.spate({") && script.ends_with("})</script>\n"), "one script", script);
  require(count(script, "<") == 2 && count(script, "\n") == 1, "nothing ends it early", script);
  require(count(script, "\u2028") == 0 && count(script, "\u2029") == 0, "no line ends of JavaScript", script);
  std::string json;
  detail::append_json_event(json, only, true);
  check_json(json, only);
}
