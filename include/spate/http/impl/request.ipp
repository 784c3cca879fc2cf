// The functions of request.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/http/request.hpp>

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

}  // namespace spate
