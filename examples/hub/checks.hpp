// What the hub checks of a request before it does anything.
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/http/request.hpp>
#include <spate/registry/emitter_options.hpp>
#include <spate/wire/detail/quote.hpp>
#include <spate/wire/event.hpp>
#include <spate/wire/text.hpp>

namespace hub {

/// A request that cannot be served; `what()` goes to the client with status 400.
struct BadRequest : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws BadRequest unless `id` can be a user's id, a group's prefix or a topic.
inline void check_id(std::string_view id, const char* what) {
  constexpr std::size_t most = 256;
  if (id.empty()) throw BadRequest(std::string(what) + " is empty");
  const auto fail = [&](const char* why) { throw BadRequest(what + (" " + spate::quote(id)) + " " + why); };
  if (id.size() > most) fail("is longer than 256 bytes");
  if (!spate::is_valid_utf8(id)) fail("is not valid UTF-8");
  for (std::size_t at = 0; at < id.size(); ++at) {
    const auto byte = static_cast<unsigned char>(id[at]);
    // C0, DEL, and C1, which UTF-8 writes as C2 80 to C2 9F.
    const bool c1 = byte == 0xC2 && static_cast<unsigned char>(id[at + 1]) < 0xA0;
    if (byte < 0x20 || byte == 0x7F || c1) fail("has a control character");
  }
}

/// Throws BadRequest when the `?event=` of a subscription are more than a stream may name.
inline void check_filter(const spate::Request& request) {
  constexpr std::size_t most = spate::SubscribeOptions::max_event_names;
  constexpr std::size_t most_bytes = spate::SubscribeOptions::max_event_name_bytes;
  const std::vector<std::string> names = request.query_all("event");
  if (names.size() > most) throw BadRequest("event is given more than " + std::to_string(most) + " times");
  std::size_t bytes = 0;
  for (const std::string& name : names) bytes += name.size();
  if (bytes > most_bytes)
    throw BadRequest("the events are longer than " + std::to_string(most_bytes) + " bytes in all");
}

/// The topics that the parameters `name` of a request give, each checked.
inline std::vector<std::string> topics_of(const spate::Request& request, const char* name) {
  std::vector<std::string> topics = request.query_all(name);
  for (const std::string& topic : topics) check_id(topic, "the topic");
  return topics;
}

/// Throws BadRequest unless anybody may send to `topic`.
inline void check_topic(std::string_view topic) {
  check_id(topic, "the topic");
  if (topic.front() == '$') throw BadRequest("the topic " + spate::quote(topic) + " is the hub's own");
}

/// Throws BadRequest when the `?topic=` of a subscription are more than a stream may name.
inline void check_topics(const spate::Request& request) {
  constexpr std::size_t most = spate::SubscribeOptions::max_topics;
  constexpr std::size_t most_bytes = spate::SubscribeOptions::max_topic_bytes;
  const std::vector<std::string> topics = topics_of(request, "topic");
  if (topics.size() > most) throw BadRequest("topic is given more than " + std::to_string(most) + " times");
  std::size_t bytes = 0;
  for (const std::string& topic : topics) bytes += topic.size();
  if (bytes > most_bytes)
    throw BadRequest("the topics are longer than " + std::to_string(most_bytes) + " bytes in all");
}

/// The only query parameter `name`, if there is one.
inline std::optional<std::string> single(const spate::Request& request, const char* name) {
  std::vector<std::string> values = request.query_all(name);
  if (values.size() > 1) {
    throw BadRequest(std::string(name) + " is given more than once: " + spate::quote(values[0]) + " and " +
                     spate::quote(values[1]));
  }
  if (values.empty()) return std::nullopt;
  return std::move(values.front());
}

/// The name that `?event=` gives what is sent, if there is one.
inline std::optional<std::string> event_name(const spate::Request& request) {
  std::optional<std::string> name = single(request, "event");
  if (!name) return std::nullopt;
  const auto fail = [&](const char* why) { throw BadRequest("event " + spate::quote(*name) + " " + why); };
  if (!spate::is_valid_utf8(*name)) fail("is not valid UTF-8");
  if (name->find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) fail("has a line end or NUL");
  if (*name == "connected" || *name == "gap" || *name == "closing") fail("is reserved");
  return name;
}

/// The only query parameter `name`, if there is one: digits that are a number between `least` and `most`.
inline std::optional<std::uint64_t> number(const spate::Request& request, const char* name, std::uint64_t least,
                                           std::uint64_t most) {
  const std::optional<std::string> text = single(request, name);
  if (!text) return std::nullopt;
  std::uint64_t value = 0;
  const char* const text_end = text->data() + text->size();
  const auto [end, error] = std::from_chars(text->data(), text_end, value);
  const bool digits = !text->empty() && text->size() <= 10 && error == std::errc() && end == text_end;
  if (!digits || value < least || value > most) {
    throw BadRequest(std::string(name) + " must be 1 to 10 digits" +
                     (least > 0 ? ", at least " + std::to_string(least) : std::string()) + " and at most " +
                     std::to_string(most) + ", not " + spate::quote(*text));
  }
  return value;
}

inline std::optional<std::chrono::milliseconds> duration(const spate::Request& request, const char* name,
                                                         std::uint64_t least) {
  constexpr std::chrono::milliseconds a_day = std::chrono::hours(24);
  const auto milliseconds = number(request, name, least, static_cast<std::uint64_t>(a_day.count()));
  if (!milliseconds) return std::nullopt;
  return std::chrono::milliseconds(*milliseconds);
}

/// The reconnection time that `?retry=` tells the receivers, if there is one.
inline std::optional<std::chrono::milliseconds> reconnection_time(const spate::Request& request) {
  return duration(request, "retry", 0);
}

/// How long `?ttl=` lets an event be kept, if it says so.
inline std::optional<std::chrono::milliseconds> time_to_live(const spate::Request& request) {
  return duration(request, "ttl", 1);
}

/// Whether `?keep=` lets an event be kept for those who return.
inline bool is_to_be_kept(const spate::Request& request) {
  const std::optional<std::string> keep = single(request, "keep");
  if (keep && *keep != "0" && *keep != "1") throw BadRequest("keep must be 0 or 1, not " + spate::quote(*keep));
  return keep != "0";
}

/// How many of the newest events `?last=` asks for, if it does.
inline std::optional<std::size_t> newest_wanted(const spate::Request& request) {
  constexpr std::uint64_t most = 10'000;
  return number(request, "last", 0, most);
}

/// Throws BadRequest when the head of a request to send says what no event can be.
inline void check_event(const spate::Request& request) {
  event_name(request);
  reconnection_time(request);
  time_to_live(request);
  is_to_be_kept(request);
}

/// Throws BadRequest when a subscription cannot be as it is asked for.
inline void check_subscription(const spate::Request& request) {
  check_filter(request);
  check_topics(request);
  newest_wanted(request);
}

/// The topics that a request to join and to leave names.
struct TopicChange {
  std::vector<std::string> join, leave;
};

/// Throws BadRequest when there are none, or one is to be both joined and left.
inline TopicChange topic_change(const spate::Request& request) {
  TopicChange change{topics_of(request, "join"), topics_of(request, "leave")};
  if (change.join.empty() && change.leave.empty()) throw BadRequest("no topic is given, to join or to leave");
  for (const std::string& topic : change.join) {
    if (std::find(change.leave.begin(), change.leave.end(), topic) != change.leave.end()) {
      throw BadRequest("the topic " + spate::quote(topic) + " cannot be both joined and left");
    }
  }
  return change;
}

/// The event that a request to send describes: body, `?event=`, `?retry=`, `?keep=`, `?ttl=`.
inline spate::Event event_of(const spate::Request& request) {
  const std::string_view body = request.body();
  if (const std::size_t valid = spate::detail::valid_utf8_prefix(body); valid < body.size()) {
    throw BadRequest("the body is not valid UTF-8 at byte " + std::to_string(valid) + ": " +
                     spate::quote(body.substr(valid)));
  }
  spate::Event event(body);
  if (const auto name = event_name(request)) event.name(*name);
  if (const auto time = reconnection_time(request)) event.retry(*time);
  if (const auto time = time_to_live(request)) event.keep_for(*time);
  event.keep(is_to_be_kept(request));
  return event;
}

}  // namespace hub
