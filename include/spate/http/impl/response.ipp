// The functions of response.hpp.
#pragma once

#include <stdexcept>

#include <spate/config.hpp>
#include <spate/http/detail/date.hpp>
#include <spate/http/detail/status.hpp>
#include <spate/http/detail/tokens.hpp>
#include <spate/http/response.hpp>
#include <spate/wire/detail/json.hpp>
#include <spate/wire/detail/quote.hpp>

namespace spate {

SPATE_DECL Response::Response(int status) : status_(status) {
  if (status < 100 || status > 599) {
    throw std::invalid_argument("spate::Response: status must be 100 to 599, not " + std::to_string(status));
  }
}

SPATE_DECL Response Response::error(int status, std::string_view message) {
  std::string body = "{\"error\":";
  detail::append_json_string(body, message);
  return json(status, body += '}');
}

SPATE_DECL Response& Response::header(std::string_view name, std::string_view value) & {
  check(name, value);
  std::erase_if(headers_, [&](const Field& field) { return detail::iequals(field.first, name); });
  if (headers_.empty()) headers_.reserve(usual_header_count);
  headers_.emplace_back(name, detail::trim(value));
  return *this;
}

SPATE_DECL Response& Response::add_header(std::string_view name, std::string_view value) & {
  check(name, value);
  headers_.emplace_back(name, detail::trim(value));
  return *this;
}

SPATE_DECL Response& Response::add_missing_headers(const HeaderFields& fields) & {
  for (const auto& [name, value] : fields) check(name, value);
  detail::add_missing_fields(headers_, fields);
  return *this;
}

SPATE_DECL Response& Response::body(std::string body) & {
  body_ = std::move(body);
  shared_body_.reset();
  return *this;
}

SPATE_DECL Response& Response::shared_body(std::shared_ptr<const std::string> body) & {
  body_.clear();
  shared_body_ = std::move(body);
  return *this;
}

SPATE_DECL Response& Response::compress_apart(std::vector<std::size_t> ends) & {
  parts_ = std::move(ends);
  return *this;
}

SPATE_DECL Response& Response::close_connection() & {
  closes_ = true;
  return *this;
}

SPATE_DECL std::string_view Response::header(std::string_view name) const noexcept {
  for (const Field& field : headers_) {
    if (detail::iequals(field.first, name)) return field.second;
  }
  return {};
}

SPATE_DECL void serialize_head(std::string& out, const Response& response, const HeadContext& context) {
  const int status = response.status();
  const bool informational = status < 200;
  detail::append_status_line(out, status);
  // (RFC 9110 6.6.1)
  if (!informational && response.header("Date").empty()) detail::append_field(out, "Date", detail::current_date());
  for (const auto& [name, value] : response.headers()) detail::append_field(out, name, value);
  if (detail::allows_body(status) && context.length == HeadContext::Length::known) {
    detail::append_field(out, "Content-Length", std::to_string(response.body().size()));
  } else if (status == 205) {
    detail::append_field(out, "Content-Length", "0");  // RFC 9110 15.3.6
  }
  if (!informational) {
    if (!context.keep_alive || response.closes()) {
      detail::append_field(out, "Connection", "close");
    } else if (context.http_minor_version == 0) {
      detail::append_field(out, "Connection", "keep-alive");
    }
  }
  out += "\r\n";
}

SPATE_DECL Response Response::text(int status, std::string body) {
  return Response(status).content_type("text/plain; charset=utf-8").body(std::move(body));
}

SPATE_DECL Response Response::html(int status, std::string body) {
  return Response(status).content_type("text/html; charset=utf-8").body(std::move(body));
}

SPATE_DECL Response Response::json(int status, std::string body) {
  return Response(status).content_type("application/json").header("Cache-Control", "no-store").body(std::move(body));
}

SPATE_DECL void Response::check(std::string_view name, std::string_view value) {
  detail::check_answer_field("spate::Response", name, value);
}

SPATE_DECL std::string_view payload(const Response& response, const HeadContext& context) noexcept {
  return context.head_only || !detail::allows_body(response.status()) ? std::string_view() : response.body();
}

}  // namespace spate
