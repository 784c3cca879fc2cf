// A RequestParser turns bytes of HTTP/1.x into a Request, strictly and within limits. It does no I/O.
//
//   spate::RequestParser parser(limits);
//   const auto step = parser.parse(bytes);        // bytes.substr(step.consumed) are still to be parsed
//   if (step.progress == spate::RequestParser::Progress::failed) answer(parser.status(), parser.reason());
//
// It stops twice in a request: after the head, so that the caller can refuse the request or say 100 before the body,
// and at its end. What follows on the connection stays with the caller until `reset`.
//
// llhttp reads the syntax. What it lets pass, which depends on its version and on how it was built, is refused here, so
// that the answers are the same with all of them. One thread at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <llhttp.h>

#include <spate/http/detail/line_guard.hpp>
#include <spate/http/detail/target.hpp>
#include <spate/http/detail/tokens.hpp>
#include <spate/http/limits.hpp>
#include <spate/http/request.hpp>

namespace spate {

class RequestParser {
 public:
  enum class Progress {
    need_more,      // every byte was consumed and the request goes on
    head_complete,  // said once in a request: call again with the rest, even when there is none
    complete,       // the request is whole; the rest belongs to the next one
    failed,         // see `status`; nothing more can be parsed on this connection
  };

  /// Whether requests of `method` are understood: "GET", "M-SEARCH". Any other is answered with 501. Upper case, as
  /// methods are told apart by it.
  static bool knows_method(std::string_view method) noexcept {
    for (int known = 0; known < HTTP_SOURCE; ++known) {
      if (known != HTTP_CONNECT && method == llhttp_method_name(static_cast<llhttp_method_t>(known))) return true;
    }
    return false;
  }

  struct Step {
    Progress progress;
    std::size_t consumed;
  };

  explicit RequestParser(const RequestLimits& limits) : limits_(limits), guard_(limits) { reset(); }

  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  /// Consumes `bytes` up to the next thing to decide. Keeps copies only.
  Step parse(std::string_view bytes) {
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

  /// The request as far as it was parsed: without its body after `head_complete`, whole after `complete`.
  Request& request() noexcept { return request_; }
  const Request& request() const noexcept { return request_; }
  Request take() { return std::exchange(request_, Request()); }

  /// Forgets all that was parsed and begins the next request.
  void reset() {
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

  /// After `failed`: the status to answer with before closing (400, 413, 414, 417, 431, 501 or 505); otherwise 0.
  int status() const noexcept { return fault_.status; }
  /// After `failed`: why, for people. Static text that holds nothing of the request.
  std::string_view reason() const noexcept { return fault_.reason; }

  /// After `head_complete`: the client waits for a 100 before it sends the body. (H11)
  bool expects_continue() const noexcept { return expects_continue_; }
  /// Whether the connection may serve another request after this one. (H10)
  bool keep_alive() const noexcept { return state_ != State::failed && request_.keep_alive(); }
  /// Whether a byte of the request has come; an empty line before it does not count.
  bool started() const noexcept { return started_; }

 private:
  enum class State : std::uint8_t {
    head,
    body,       // of a known length, or none
    size,       // in the line that gives a chunk's size
    extension,  // further on in that line; llhttp never sees these bytes
    chunk,      // in its data, or the line end after them
    trailers,
    complete,
    failed,
  };

  static constexpr std::string_view bad_target = "the request target is malformed";
  static constexpr std::string_view bad_framing =
      "Content-Length or Transfer-Encoding is malformed, repeated or out of place";
  static constexpr std::string_view body_too_large = "the body is too large";

  // Gives `bytes` to llhttp, in the size line of a chunk no more than the rest of it, and returns how many it took.
  std::size_t feed(std::string_view bytes) {
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
    if (error != HPE_OK && error != HPE_PAUSED && state_ != State::failed)
      explain(error, end == fed_end_ ? '\0' : *end);
    if (state_ == State::size && extended) {
      state_ = State::extension;
      return taken + 1;
    }
    if (state_ != before && state_ == State::size) guard_.enter(detail::LineGuard::Section::chunk_size);
    if (state_ != before && state_ == State::trailers) guard_.enter(detail::LineGuard::Section::trailers);
    return taken;
  }

  // What of `bytes` belongs to the value of Content-Length or Transfer-Encoding, with its tabs made spaces in `spaced`.
  // Optional white space is both (RFC 9110 5.6.3), but a tab behind a number or a coding is good to one llhttp and bad
  // to another.
  std::string_view framing_value(std::string_view bytes, std::string& spaced) {
    const std::size_t end = bytes.find_first_of("\r\n");
    if (end == 0) in_framing_value_ = false;
    if (end == 0 || bytes.substr(0, end).find('\t') == std::string_view::npos) return bytes;
    spaced = bytes.substr(0, end);
    std::replace(spaced.begin(), spaced.end(), '\t', ' ');
    return spaced;
  }

  // chunk-ext = *( ";" chunk-ext-name [ "=" chunk-ext-val ] ): ignored up to the line end (RFC 9112 7.1.1; H16)
  std::size_t skip_extension(std::string_view bytes) {
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

  // Shows the guard what llhttp has taken up to `end`. Its verdict goes before that of a callback, which came later or
  // on the same byte.
  void guard(const char* end) {
    if (end <= unguarded_) return;
    guard_.take({unguarded_, static_cast<std::size_t>(end - unguarded_)});
    unguarded_ = end;
    if (guard_.fault()) fail(guard_.fault().status, guard_.fault().reason);
  }

  // Always -1, by which a callback stops llhttp.
  int fail(int status, std::string_view reason) {
    state_ = State::failed;
    fault_ = {status, reason};
    return -1;
  }

  // llhttp stopped by itself, at the byte `at`.
  void explain(llhttp_errno_t error, char at) {
    switch (error) {
      case HPE_INVALID_METHOD:
        // It compares with the methods it knows and stops at the first difference. (H5)
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

  int on_message_begin() {
    started_ = true;
    // The head needs no more than what stands on the wire, and has most often come whole.
    request_.text_.reserve(std::min<std::size_t>(static_cast<std::size_t>(fed_end_ - unguarded_), 1024));
    request_.fields_.reserve(8);
    return 0;
  }

  int on_method_complete() {
    // The methods of HTTP up to HTTP_UNLINK are those that every llhttp knows. Behind them stand those of ICE, HTTP/2
    // and RTSP, and later additions.
    if (llhttp_.method >= HTTP_SOURCE || llhttp_.method == HTTP_CONNECT) return fail(501, "the method is not known");
    request_.text_ += llhttp_method_name(static_cast<llhttp_method_t>(llhttp_.method));
    request_.method_size_ = request_.target_end_ = request_.text_.size();
    return 0;
  }

  int on_url(std::string_view part) {
    request_.text_ += part;
    request_.target_end_ = request_.text_.size();
    return 0;
  }

  int on_url_complete() {
    const std::string_view text = request_.target();
    const detail::Target target = detail::split_target(text);
    const bool absolute = (detail::iequals(target.scheme, "http") || detail::iequals(target.scheme, "https")) &&
                          detail::parse_host(target.authority);
    const bool asterisk = text == "*" && request_.method() == "OPTIONS";
    return absolute || asterisk || text.front() == '/' ? 0 : fail(400, bad_target);
  }

  int on_version(std::string_view part) {
    word_ += part;
    return 0;
  }

  int on_version_complete() {
    if (llhttp_.http_major != 1) return fail(505, "the HTTP version is not supported");
    request_.set_version(llhttp_.http_major, llhttp_.http_minor);
    word_.clear();
    return 0;
  }

  int on_header_field(std::string_view part) {
    word_ += part;
    return 0;
  }

  int on_header_field_complete() {
    const bool length = detail::iequals(word_, "content-length");
    const bool coding = detail::iequals(word_, "transfer-encoding");
    if (state_ == State::trailers) return length || coding ? fail(400, bad_framing) : 0;
    // One length or any number of codings. (H8)
    if ((length && (has_length_ || has_coding_)) || (coding && has_length_)) return fail(400, bad_framing);
    has_length_ = has_length_ || length;
    has_coding_ = has_coding_ || coding;
    request_.append_name(word_);
    in_framing_value_ = length || coding;
    return in_framing_value_ ? HPE_PAUSED : 0;
  }

  int on_header_value(std::string_view part) {
    if (state_ != State::trailers) request_.text_ += part;
    return 0;
  }

  int on_header_value_complete() {
    word_.clear();
    in_framing_value_ = false;
    if (state_ == State::trailers) return 0;
    const std::size_t from = request_.fields_.back().name_end;
    const std::string_view value = std::string_view(request_.text_).substr(from);
    request_.text_.resize(from + detail::trim(value).size());
    request_.end_field();
    return 0;
  }

  int on_headers_complete() {
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

  // RFC 9112 6.1, 6.3; H8
  int check_coding(bool http_1_1) {
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
    if (chunked != 1 || !detail::iequals(last, "chunked"))
      return fail(400, "Transfer-Encoding does not end in chunked");
    if (codings > 1) return fail(501, "the transfer coding is not known");
    // What llhttp does not take for chunked must not pass for a request without a body.
    return (llhttp_.flags & F_CHUNKED) != 0 ? 0 : fail(400, bad_framing);
  }

  // False when something else than a 100 is expected. (H11)
  bool check_expectation(bool body_announced) {
    for (const auto& [name, value] : request_.headers()) {
      if (!detail::iequals(name, "expect")) continue;
      for (std::string_view list = value; !list.empty();) {
        if (!detail::iequals(detail::take_element(list, ','), "100-continue")) return false;
        expects_continue_ = body_announced;
      }
    }
    return true;
  }

  int on_chunk_header() {
    if (llhttp_.content_length > limits_.max_body_bytes - request_.body_.size()) return fail(413, body_too_large);
    state_ = llhttp_.content_length == 0 ? State::trailers : State::chunk;
    return 0;
  }

  int on_body(std::string_view part) {
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

  // A pause, so that the next size line can be looked at before llhttp sees it.
  int on_chunk_complete() {
    if (state_ != State::chunk) return 0;
    state_ = State::size;
    return HPE_PAUSED;
  }

  int on_message_complete() {
    state_ = State::complete;
    return HPE_PAUSED;
  }

  template <int (RequestParser::*handler)()>
  static int call(llhttp_t* parser) {
    return (static_cast<RequestParser*>(parser->data)->*handler)();
  }
  template <int (RequestParser::*handler)(std::string_view)>
  static int call(llhttp_t* parser, const char* at, std::size_t size) {
    return (static_cast<RequestParser*>(parser->data)->*handler)(std::string_view(at, size));
  }

  static const llhttp_settings_t& settings() {
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

  RequestLimits limits_;
  Request request_;
  llhttp_t llhttp_;
  detail::LineGuard guard_;
  const char* unguarded_ = nullptr;  // of the bytes being fed: the first that the guard has not seen
  const char* fed_end_ = nullptr;    // and the end
  std::string word_;                 // the version, then the name of the field being read
  std::size_t extension_bytes_ = 0;
  detail::Fault fault_;
  State state_ = State::head;
  bool started_ = false;
  bool has_length_ = false;
  bool has_coding_ = false;
  bool in_framing_value_ = false;  // of Content-Length or Transfer-Encoding
  bool expects_continue_ = false;
};

}  // namespace spate
