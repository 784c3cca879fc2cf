// The functions of event.hpp.
#pragma once

#include <stdexcept>

#include <spate/config.hpp>
#include <spate/wire/detail/quote.hpp>
#include <spate/wire/detail/utf8.hpp>
#include <spate/wire/event.hpp>

namespace spate {

SPATE_DECL Event::Event(std::string data) : data_(checked(normalised(std::move(data)), "data")) {}
SPATE_DECL Event::Event(std::string_view data) : Event(std::string(data)) {}
SPATE_DECL Event::Event(const char* data) : Event(std::string(data)) {}

SPATE_DECL Event Event::repaired(std::string_view data) {
  return Event(detail::repair_utf8(data));
}

SPATE_DECL bool Event::operator==(const Event& other) const = default;

SPATE_DECL Event& Event::name(std::string_view name) & {
  refuse(name, "\r\n", "name");
  name_ = checked(std::string(name), "name");
  return *this;
}

SPATE_DECL Event& Event::id(std::string_view id) & {
  refuse(id, std::string_view("\r\n\0", 3), "id");
  id_ = checked(std::string(id), "id");
  return *this;
}

SPATE_DECL Event& Event::retry(std::chrono::milliseconds retry) & {
  if (retry.count() < 0 || retry > max_retry) {
    throw std::invalid_argument("spate::Event: retry must be 0 to 86400000 ms, not " + std::to_string(retry.count()));
  }
  retry_ = retry;
  return *this;
}

SPATE_DECL Event& Event::comment(std::string_view comment) & {
  comment_ = checked(normalised(std::string(comment)), "comment");
  return *this;
}

SPATE_DECL Event& Event::keep(bool keep) & noexcept {
  kept_ = keep;
  return *this;
}

SPATE_DECL Event& Event::keep_for(std::chrono::milliseconds time) & {
  if (time.count() <= 0 || time > max_keep_for) {
    throw std::invalid_argument("spate::Event: an event is kept for one millisecond to a hundred years, not for " +
                                std::to_string(time.count()) + " ms");
  }
  kept_for_ = time;
  return *this;
}

SPATE_DECL void Event::refuse(std::string_view text, std::string_view forbidden, const char* field) {
  if (text.find_first_of(forbidden) != std::string_view::npos) {
    throw std::invalid_argument(std::string("spate::Event: ") + field + " must not contain a line end" +
                                (forbidden.size() > 2 ? " or NUL" : "") + ": " + detail::quote(text));
  }
}

SPATE_DECL std::string Event::checked(std::string&& text, const char* field) {
  if (text.size() > max_bytes) {
    throw std::invalid_argument(std::string("spate::Event: ") + field +
                                " is larger than 256 MiB: " + detail::quote(text));
  }
  const std::size_t valid = detail::valid_utf8_prefix(text);
  if (valid != text.size()) {
    throw std::invalid_argument(std::string("spate::Event: ") + field + " is not valid UTF-8 at byte " +
                                std::to_string(valid) + ": " + detail::quote(text));
  }
  return std::move(text);
}

SPATE_DECL std::string Event::normalised(std::string&& text) {
  std::size_t from = text.find('\r');
  if (from == std::string::npos) return std::move(text);
  std::size_t to = from;
  for (; from < text.size(); ++from) {
    if (text[from] != '\r') {
      text[to++] = text[from];
    } else if (from + 1 == text.size() || text[from + 1] != '\n') {
      text[to++] = '\n';
    }
  }
  text.resize(to);
  return std::move(text);
}

}  // namespace spate
