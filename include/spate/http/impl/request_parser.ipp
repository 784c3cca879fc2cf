// The functions of request_parser.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/http/request_parser.hpp>

namespace spate {

SPATE_DECL bool RequestParser::knows_method(std::string_view method) noexcept {
  for (int known = 0; known < HTTP_SOURCE; ++known) {
    if (known != HTTP_CONNECT && method == llhttp_method_name(static_cast<llhttp_method_t>(known))) return true;
  }
  return false;
}

SPATE_DECL RequestParser::Step RequestParser::parse(std::string_view bytes) {
  std::size_t consumed = 0;
  for (;;) {
    if (state_ == State::complete) return {Progress::complete, consumed};
    if (state_ == State::failed) return {Progress::failed, consumed};
    const bool in_head = state_ == State::head;
    const std::string_view rest = bytes.substr(consumed);
    consumed += state_ == State::extension ? skip_extension(rest) : feed(rest);
    if (state_ == State::complete || state_ == State::failed) continue;
    if (in_head && state_ != State::head) return {Progress::head_complete, consumed};
    if (consumed == bytes.size()) return {Progress::need_more, consumed};
  }
}

SPATE_DECL void RequestParser::reset() {
  llhttp_init(&llhttp_, HTTP_REQUEST, &settings());
  llhttp_.data = this;
  guard_ = detail::LineGuard(limits_);
  request_ = {};
  word_.clear();
  state_ = State::head;
  started_ = has_length_ = has_coding_ = in_framing_value_ = expects_continue_ = false;
  extension_bytes_ = 0;
  fault_ = {};
}

SPATE_DECL std::size_t RequestParser::feed(std::string_view bytes) {
  bool extended = false;
  if (state_ == State::size) {
    const std::size_t end = bytes.find_first_of(";\n");
    extended = end != std::string_view::npos && bytes[end] == ';';
    if (end != std::string_view::npos) bytes = bytes.substr(0, extended ? end : end + 1);
  }
  std::string spaced;
  if (in_framing_value_) bytes = framing_value(bytes, spaced);
  const State before = state_;
  const char* const data = bytes.empty() ? "" : bytes.data();
  unguarded_ = data;
  fed_end_ = data + bytes.size();
  llhttp_resume(&llhttp_);
  const llhttp_errno_t error = llhttp_execute(&llhttp_, data, bytes.size());
  const char* const end = error == HPE_OK ? fed_end_ : std::min(llhttp_get_error_pos(&llhttp_), fed_end_);
  const auto taken = static_cast<std::size_t>(end - data);
  if (before != State::body) guard(end);
  if (error != HPE_OK && error != HPE_PAUSED && state_ != State::failed) explain(error, end == fed_end_ ? '\0' : *end);
  if (state_ == State::size && extended) {
    state_ = State::extension;
    return taken + 1;
  }
  if (state_ != before && state_ == State::size) guard_.enter(detail::LineGuard::Section::chunk_size);
  if (state_ != before && state_ == State::trailers) guard_.enter(detail::LineGuard::Section::trailers);
  return taken;
}

SPATE_DECL std::string_view RequestParser::framing_value(std::string_view bytes, std::string& spaced) {
  const std::size_t end = bytes.find_first_of("\r\n");
  if (end == 0) in_framing_value_ = false;
  if (end == 0 || bytes.substr(0, end).find('\t') == std::string_view::npos) return bytes;
  spaced = bytes.substr(0, end);
  std::replace(spaced.begin(), spaced.end(), '\t', ' ');
  return spaced;
}

SPATE_DECL std::size_t RequestParser::skip_extension(std::string_view bytes) {
  const std::size_t end = std::min(bytes.find('\r'), bytes.size());
  const std::size_t room = limits_.max_header_bytes - extension_bytes_;
  // The first byte that is wrong decides, however they were cut.
  if (!detail::is_field_text(bytes.substr(0, std::min(end, room)))) {
    fail(400, "a chunk extension contains a control character");
  } else if (end > room) {
    fail(400, "the chunk extensions are too long");
  } else {
    extension_bytes_ += end;
    if (end < bytes.size()) state_ = State::size;
  }
  return end;
}

SPATE_DECL void RequestParser::guard(const char* end) {
  if (end <= unguarded_) return;
  guard_.take({unguarded_, static_cast<std::size_t>(end - unguarded_)});
  unguarded_ = end;
  if (guard_.fault()) fail(guard_.fault().status, guard_.fault().reason);
}

SPATE_DECL int RequestParser::fail(int status, std::string_view reason) {
  state_ = State::failed;
  fault_ = {status, reason};
  return -1;
}

SPATE_DECL void RequestParser::explain(llhttp_errno_t error, char at) {
  switch (error) {
    case HPE_INVALID_METHOD:
      // It compares with the methods it knows and stops at the first difference. (RFC 9110 9.1)
      if (detail::is_token_char(at) || (at == ' ' && guard_.in_method())) {
        fail(501, "the method is not known");
      } else {
        fail(400, "the method is malformed");
      }
      return;
    case HPE_INVALID_VERSION: {
      const bool proper =
          word_.size() == 3 && detail::is_digit(word_[0]) && word_[1] == '.' && detail::is_digit(word_[2]);
      if (proper && word_ != "1.0" && word_ != "1.1") {
        fail(505, "the HTTP version is not supported");
      } else {
        fail(400, "the HTTP version is malformed");
      }
      return;
    }
    case HPE_INVALID_URL: fail(400, bad_target); return;
    case HPE_INVALID_HEADER_TOKEN: fail(400, "a header field is malformed"); return;
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
    case HPE_INVALID_TRANSFER_ENCODING: fail(400, bad_framing); return;
    case HPE_INVALID_CHUNK_SIZE: fail(400, "the size of a chunk is malformed"); return;
    default: fail(400, "the request is malformed"); return;
  }
}

SPATE_DECL int RequestParser::on_message_begin() {
  started_ = true;
  // The head needs no more than what stands on the wire, and has most often come whole.
  request_.text_.reserve(std::min<std::size_t>(static_cast<std::size_t>(fed_end_ - unguarded_), 1024));
  request_.fields_.reserve(8);
  return 0;
}

SPATE_DECL int RequestParser::on_method_complete() {
  // The methods of HTTP up to HTTP_UNLINK are those that every llhttp knows. Behind them stand those of ICE, HTTP/2
  // and RTSP, and later additions.
  if (llhttp_.method >= HTTP_SOURCE || llhttp_.method == HTTP_CONNECT) return fail(501, "the method is not known");
  request_.text_ += llhttp_method_name(static_cast<llhttp_method_t>(llhttp_.method));
  request_.method_size_ = request_.target_end_ = request_.text_.size();
  return 0;
}

SPATE_DECL int RequestParser::on_url(std::string_view part) {
  request_.text_ += part;
  request_.target_end_ = request_.text_.size();
  return 0;
}

SPATE_DECL int RequestParser::on_url_complete() {
  const std::string_view text = request_.target();
  const detail::Target target = detail::split_target(text);
  const bool absolute = (detail::iequals(target.scheme, "http") || detail::iequals(target.scheme, "https")) &&
                        detail::parse_host(target.authority);
  const bool asterisk = text == "*" && request_.method() == "OPTIONS";
  return absolute || asterisk || text.front() == '/' ? 0 : fail(400, bad_target);
}

SPATE_DECL int RequestParser::on_version(std::string_view part) {
  word_ += part;
  return 0;
}

SPATE_DECL int RequestParser::on_version_complete() {
  if (llhttp_.http_major != 1) return fail(505, "the HTTP version is not supported");
  request_.set_version(llhttp_.http_major, llhttp_.http_minor);
  word_.clear();
  return 0;
}

SPATE_DECL int RequestParser::on_header_field(std::string_view part) {
  word_ += part;
  return 0;
}

SPATE_DECL int RequestParser::on_header_field_complete() {
  const bool length = detail::iequals(word_, "content-length");
  const bool coding = detail::iequals(word_, "transfer-encoding");
  if (state_ == State::trailers) return length || coding ? fail(400, bad_framing) : 0;
  // One length or any number of codings. (RFC 9112 6.3)
  if ((length && (has_length_ || has_coding_)) || (coding && has_length_)) return fail(400, bad_framing);
  has_length_ = has_length_ || length;
  has_coding_ = has_coding_ || coding;
  request_.append_name(word_);
  in_framing_value_ = length || coding;
  return in_framing_value_ ? HPE_PAUSED : 0;
}

SPATE_DECL int RequestParser::on_header_value(std::string_view part) {
  if (state_ != State::trailers) request_.text_ += part;
  return 0;
}

SPATE_DECL int RequestParser::on_header_value_complete() {
  word_.clear();
  in_framing_value_ = false;
  if (state_ == State::trailers) return 0;
  const std::size_t from = request_.fields_.back().name_end;
  const std::string_view value = std::string_view(request_.text_).substr(from);
  request_.text_.resize(from + detail::trim(value).size());
  request_.end_field();
  return 0;
}

SPATE_DECL int RequestParser::on_headers_complete() {
  const bool http_1_1 = request_.version_minor() >= 1;
  if (const int refused = check_coding(http_1_1); refused != 0) return refused;

  const std::size_t hosts = request_.header_count("host");
  if (hosts > 1) return fail(400, "Host is repeated");
  if (hosts == 0 && http_1_1) return fail(400, "Host is missing");
  if (hosts == 1 && !detail::parse_host(*request_.header("host"))) return fail(400, "Host is malformed");

  const bool chunked = (llhttp_.flags & F_CHUNKED) != 0;
  if (!chunked && llhttp_.content_length > limits_.max_body_bytes) return fail(413, body_too_large);
  if (http_1_1 && !check_expectation(chunked || llhttp_.content_length > 0)) {
    return fail(417, "the expectation is not known");
  }
  state_ = chunked ? State::size : State::body;
  return HPE_PAUSED;
}

SPATE_DECL int RequestParser::check_coding(bool http_1_1) {
  std::string_view last;
  std::size_t codings = 0, chunked = 0;
  for (const auto& [name, value] : request_.headers()) {
    if (!detail::iequals(name, "transfer-encoding")) continue;
    std::string_view list = value;
    do {
      last = detail::take_element(list, ',');
      ++codings;
      if (detail::iequals(last, "chunked")) ++chunked;
    } while (!list.empty());
  }
  if (codings == 0) return 0;
  if (!http_1_1) return fail(400, "Transfer-Encoding does not exist in HTTP/1.0");
  if (chunked != 1 || !detail::iequals(last, "chunked")) return fail(400, "Transfer-Encoding does not end in chunked");
  if (codings > 1) return fail(501, "the transfer coding is not known");
  // What llhttp does not take for chunked must not pass for a request without a body.
  return (llhttp_.flags & F_CHUNKED) != 0 ? 0 : fail(400, bad_framing);
}

SPATE_DECL bool RequestParser::check_expectation(bool body_announced) {
  for (const auto& [name, value] : request_.headers()) {
    if (!detail::iequals(name, "expect")) continue;
    for (std::string_view list = value; !list.empty();) {
      if (!detail::iequals(detail::take_element(list, ','), "100-continue")) return false;
      expects_continue_ = body_announced;
    }
  }
  return true;
}

SPATE_DECL int RequestParser::on_chunk_header() {
  if (llhttp_.content_length > limits_.max_body_bytes - request_.body_.size()) return fail(413, body_too_large);
  state_ = llhttp_.content_length == 0 ? State::trailers : State::chunk;
  return 0;
}

SPATE_DECL int RequestParser::on_body(std::string_view part) {
  if (state_ == State::chunk) {
    // Some builds of llhttp take any byte for the LF of the size line: the data may begin too early.
    guard(part.data());
    if (state_ == State::failed) return -1;
    guard_.skip_data();
    unguarded_ = part.data() + part.size();
  }
  request_.body_ += part;
  return 0;
}

SPATE_DECL int RequestParser::on_chunk_complete() {
  if (state_ != State::chunk) return 0;
  state_ = State::size;
  return HPE_PAUSED;
}

SPATE_DECL int RequestParser::on_message_complete() {
  state_ = State::complete;
  return HPE_PAUSED;
}

SPATE_DECL const llhttp_settings_t& RequestParser::settings() {
  static const llhttp_settings_t settings = [] {
    llhttp_settings_t callbacks;
    llhttp_settings_init(&callbacks);
    callbacks.on_message_begin = call<&RequestParser::on_message_begin>;
    callbacks.on_method_complete = call<&RequestParser::on_method_complete>;
    callbacks.on_url = call<&RequestParser::on_url>;
    callbacks.on_url_complete = call<&RequestParser::on_url_complete>;
    callbacks.on_version = call<&RequestParser::on_version>;
    callbacks.on_version_complete = call<&RequestParser::on_version_complete>;
    callbacks.on_header_field = call<&RequestParser::on_header_field>;
    callbacks.on_header_field_complete = call<&RequestParser::on_header_field_complete>;
    callbacks.on_header_value = call<&RequestParser::on_header_value>;
    callbacks.on_header_value_complete = call<&RequestParser::on_header_value_complete>;
    callbacks.on_headers_complete = call<&RequestParser::on_headers_complete>;
    callbacks.on_chunk_header = call<&RequestParser::on_chunk_header>;
    callbacks.on_body = call<&RequestParser::on_body>;
    callbacks.on_chunk_complete = call<&RequestParser::on_chunk_complete>;
    callbacks.on_message_complete = call<&RequestParser::on_message_complete>;
    return callbacks;
  }();
  return settings;
}

}  // namespace spate
