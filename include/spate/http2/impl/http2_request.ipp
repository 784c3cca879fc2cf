// The functions of http2_request.hpp.
#pragma once

#include <charconv>
#include <stdexcept>
#include <utility>

#include <spate/config.hpp>
#include <spate/http/detail/target.hpp>
#include <spate/http/detail/tokens.hpp>
#include <spate/http/request_parser.hpp>
#include <spate/http2/detail/http2_request.hpp>

namespace spate::detail {

SPATE_DECL void Http2Request::refuse(int status, std::string_view reason) noexcept {
  if (status_ != 0) return;
  status_ = status;
  reason_ = reason;
}

SPATE_DECL void Http2Request::add_field(std::string_view name, std::string_view value) {
  if (status_ != 0) return;
  if (!name.empty() && name.front() == ':') return add_pseudo(name, value);
  // What a client has split, so that it packs well, is one field. (RFC 9113 8.2.3)
  if (name == "cookie" && !cookies_.empty()) --count_;
  if (!has_room_for(name, value)) return;
  if (!request_) make_request();
  if (status_ != 0) return;
  if (name == "cookie") {
    if (!cookies_.empty()) cookies_ += "; ";
    cookies_ += value;
    return;
  }
  if (name == "host") {
    if (std::exchange(has_host_, true)) return refuse(400, "Host is repeated");
    if (authority_.empty()) {
      authority_ = value;
    } else {
      // Who is in front may have decided by one of them, and this server would by the other. (RFC 9113 8.3.1)
      if (!iequals(authority_, value)) refuse(400, "Host is not the authority");
      return;
    }
  }
  if (name == "expect") {
    for (std::string_view list = value; !list.empty();) {
      if (!iequals(take_element(list, ','), "100-continue")) {
        return refuse(417, "nothing but 100-continue can be expected");
      }
      expects_continue_ = true;
    }
  }
  // Of its parameters only the urgency matters here. (RFC 9218 5)
  if (name == "priority") {
    for (std::string_view list = value; !list.empty();) {
      const std::string_view parameter = take_element(list, ',');
      if (parameter.size() == 3 && parameter.substr(0, 2) == "u=" && parameter[2] >= '0' && parameter[2] <= '7') {
        urgency_ = static_cast<std::uint32_t>(parameter[2] - '0');
      }
    }
  }
  try {
    request_->add_header(name, value);
  } catch (const std::invalid_argument&) {
    refuse(400, "a header field is malformed");
  }
}

SPATE_DECL bool Http2Request::has_room_for(std::string_view name, std::string_view value) noexcept {
  head_size_ += name.size() + value.size() + field_overhead;
  if (head_size_ > limits_.max_header_bytes) refuse(431, "the header fields are too large");
  if (++count_ > limits_.max_header_count) refuse(431, "there are too many header fields");
  return status_ == 0;
}

SPATE_DECL void Http2Request::add_pseudo(std::string_view name, std::string_view value) {
  if (name == ":method") {
    method_ = value;
    is_head_ = value == "HEAD";
  }
  if (name == ":authority" && has_room_for(name, value)) authority_ = value;  // becomes a field like any other
  if (name == ":scheme" && !iequals(value, "http") && !iequals(value, "https")) {
    return refuse(400, "the scheme is neither http nor https");
  }
  if (name != ":path") return;
  if (value.size() > limits_.max_target_bytes) return refuse(414, "the request target is too long");
  target_ = value;
}

SPATE_DECL void Http2Request::make_request() {
  // There are no tunnels, and with them no path.
  if (!RequestParser::knows_method(method_) || method_ == "CONNECT") {
    return refuse(501, "the method is not known");
  }
  try {
    request_.emplace(std::move(method_), target_);
    request_->set_version(2, 0);
    if (!authority_.empty()) request_->add_header("host", authority_);
  } catch (const std::invalid_argument&) {
    refuse(400, "the request target or its authority is malformed");
  }
}

SPATE_DECL void Http2Request::end_head() {
  if (status_ != 0) return;
  if (!request_) make_request();
  if (status_ != 0) return;
  if (authority_.empty()) return refuse(400, "Host is missing");
  if (!parse_host(authority_)) return refuse(400, "Host is malformed");
  if (!cookies_.empty()) request_->add_header("cookie", std::exchange(cookies_, {}));
  if (const auto announced = request_->header("content-length")) {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(announced->data(), announced->data() + announced->size(), length);
    const bool too_large = error == std::errc::result_out_of_range || length > limits_.max_body_bytes;
    if (too_large) return refuse(413, "the body is too large");
  }
  const std::string_view target = request_->target();
  const bool asterisk = target == "*" && request_->method() == "OPTIONS";
  if ((target.front() != '/' && !asterisk) || target.find('#') != std::string_view::npos) {
    refuse(400, "the request target is malformed");
  }
}

SPATE_DECL void Http2Request::add_body(std::string_view bytes) {
  if (status_ != 0) return;
  if (bytes.size() > limits_.max_body_bytes - body_.size()) {
    body_ = {};
    return refuse(413, "the body is too large");
  }
  body_ += bytes;
}

SPATE_DECL Request Http2Request::take() {
  Request whole = std::move(*request_);
  request_.reset();
  whole.set_body(std::exchange(body_, {}));
  return whole;
}

}  // namespace spate::detail
