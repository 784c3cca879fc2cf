// The functions of request.hpp.
#pragma once

#include <stdexcept>

#include <spate/config.hpp>
#include <spate/http/detail/percent.hpp>
#include <spate/http/detail/query.hpp>
#include <spate/http/detail/target.hpp>
#include <spate/http/detail/tokens.hpp>
#include <spate/http/request.hpp>
#include <spate/wire/detail/quote.hpp>

namespace spate {

SPATE_DECL Request::Request(std::string method, std::string_view target)
    : text_(std::move(method)), method_size_(text_.size()), target_end_(text_.size() + target.size()) {
  if (!detail::is_token(text_)) throw std::invalid_argument("spate::Request: bad method: " + detail::quote(text_));
  for (const char c : target) {
    if (c <= ' ' || c > '~') throw std::invalid_argument("spate::Request: bad target: " + detail::quote(target));
  }
  if (target.empty()) throw std::invalid_argument("spate::Request: the target is empty");
  text_ += target;
}

SPATE_DECL Request& Request::add_header(std::string_view name, std::string_view value) & {
  if (!detail::is_token(name) || !detail::is_field_text(value)) {
    throw std::invalid_argument("spate::Request: bad header field: " + detail::quote(name) + ": " +
                                detail::quote(value));
  }
  append_name(name);
  text_ += detail::trim(value);
  end_field();
  return *this;
}

SPATE_DECL Request& Request::set_body(std::string body) & {
  body_ = std::move(body);
  return *this;
}

SPATE_DECL Request& Request::set_param(std::string name, std::string value) & {
  for (auto& [known, old] : params_) {
    if (known == name) {
      old = std::move(value);
      return *this;
    }
  }
  params_.emplace_back(std::move(name), std::move(value));
  return *this;
}

SPATE_DECL Request& Request::set_expiry(std::chrono::system_clock::time_point moment) & noexcept {
  expiry_ = moment;
  return *this;
}

SPATE_DECL Request& Request::set_client_subject(std::shared_ptr<const std::string> subject) & noexcept {
  client_subject_ = std::move(subject);
  return *this;
}

SPATE_DECL std::optional<std::string_view> Request::client_subject() const noexcept {
  return client_subject_ ? std::optional<std::string_view>(*client_subject_) : std::nullopt;
}

SPATE_DECL Request& Request::set_version(int major, int minor) & {
  version_major_ = static_cast<std::uint8_t>(major);
  version_minor_ = static_cast<std::uint8_t>(minor);
  return *this;
}

SPATE_DECL std::string_view Request::path() const noexcept {
  const detail::Target parts = detail::split_target(target());
  if (!parts.path.empty() || target().empty()) return parts.path;
  // The absolute form of "*" has neither path nor query. (RFC 9112 3.2.4)
  return method() == "OPTIONS" && parts.query.empty() ? "*" : "/";
}

SPATE_DECL std::optional<std::string> Request::query(std::string_view name) const {
  std::optional<std::string> found;
  detail::visit_query(query_string(), [&](std::string_view key, std::string_view value) {
    if (detail::is_query_name(key, name)) found = detail::percent_decode(value, detail::Plus::space);
    return found.has_value();
  });
  return found;
}

SPATE_DECL std::vector<std::string> Request::query_all(std::string_view name) const {
  std::vector<std::string> values;
  detail::visit_query(query_string(), [&](std::string_view key, std::string_view value) {
    if (detail::is_query_name(key, name)) values.push_back(detail::percent_decode(value, detail::Plus::space));
    return false;
  });
  return values;
}

SPATE_DECL std::string_view Request::param(std::string_view name) const {
  for (const auto& [known, value] : params_) {
    if (known == name) return value;
  }
  if (target().empty()) return {};
  throw std::invalid_argument("spate::Request: the route has no parameter " + detail::quote(name));
}

SPATE_DECL bool Request::has_param(std::string_view name) const noexcept {
  for (const auto& [known, value] : params_) {
    if (known == name) return true;
  }
  return false;
}

SPATE_DECL std::optional<std::string_view> Request::authority() const noexcept {
  const std::string_view absolute = detail::split_target(target()).authority;
  return absolute.empty() ? header("host") : std::optional(absolute);
}

SPATE_DECL void Request::append_name(std::string_view name) {
  text_ += name;
  const auto end = static_cast<std::uint32_t>(text_.size());
  fields_.push_back(Field{end, end});
}

SPATE_DECL Request::Fields::iterator& Request::Fields::iterator::operator++() noexcept {
  ++index_;
  return *this;
}

SPATE_DECL Request::Fields::iterator Request::Fields::iterator::operator++(int) noexcept {
  iterator old = *this;
  ++index_;
  return old;
}

SPATE_DECL std::string_view Request::query_string() const noexcept {
  return detail::split_target(target()).query;
}

SPATE_DECL bool Request::well_formed_query() const noexcept {
  return detail::well_formed_percent(query_string());
}

SPATE_DECL std::string Request::take_body() noexcept {
  return std::exchange(body_, {});
}

SPATE_DECL Request::Fields Request::headers() const noexcept {
  return Fields(*this);
}

SPATE_DECL std::optional<std::string_view> Request::header(std::string_view name) const noexcept {
  for (const auto& [known, value] : headers()) {
    if (detail::iequals(known, name)) return value;
  }
  return std::nullopt;
}

SPATE_DECL std::vector<std::string_view> Request::header_all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [known, value] : headers()) {
    if (detail::iequals(known, name)) values.push_back(value);
  }
  return values;
}

SPATE_DECL std::optional<std::string> Request::header_list(std::string_view name) const {
  std::optional<std::string> list;
  for (const auto& [known, value] : headers()) {
    if (!detail::iequals(known, name)) continue;
    if (list) {
      list->append(", ").append(value);
    } else {
      list.emplace(value);
    }
  }
  return list;
}

SPATE_DECL std::size_t Request::header_count(std::string_view name) const noexcept {
  std::size_t count = 0;
  for (const auto& [known, value] : headers()) {
    if (detail::iequals(known, name)) ++count;
  }
  return count;
}

SPATE_DECL std::optional<std::string_view> Request::cookie(std::string_view name) const noexcept {
  // cookie-string = cookie-pair *( ";" SP cookie-pair ),  cookie-pair = cookie-name "=" cookie-value
  for (const auto& [known, list] : headers()) {
    if (!detail::iequals(known, "cookie")) continue;
    for (std::string_view rest = list; !rest.empty();) {
      const std::size_t end = rest.find(';');
      const std::string_view pair = rest.substr(0, end);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      const std::size_t equals = pair.find('=');
      if (equals == std::string_view::npos || detail::trim(pair.substr(0, equals)) != name) continue;
      std::string_view value = detail::trim(pair.substr(equals + 1));
      const bool quoted = value.size() >= 2 && value.front() == '"' && value.back() == '"';
      if (quoted) value = value.substr(1, value.size() - 2);
      return value;
    }
  }
  return std::nullopt;
}

SPATE_DECL std::string Request::last_event_id() const {
  if (auto field = header_list("last-event-id"); field && !field->empty()) return *std::move(field);
  for (const std::string_view name : {"last_event_id", "lastEventId"}) {
    if (auto value = query(name); value && !value->empty()) return *std::move(value);
  }
  return {};
}

SPATE_DECL bool Request::keep_alive() const noexcept {
  bool keep = version_major_ > 1 || (version_major_ == 1 && version_minor_ >= 1);
  for (const auto& [name, value] : headers()) {
    if (!detail::iequals(name, "connection")) continue;
    if (detail::has_token(value, "close")) return false;
    if (detail::has_token(value, "keep-alive")) keep = true;
  }
  return keep;
}

}  // namespace spate
