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

#include <spate/config.hpp>
#include <spate/http/detail/line_guard.hpp>
#include <spate/http/detail/target.hpp>
#include <spate/http/detail/tokens.hpp>
#include <spate/http/limits.hpp>
#include <spate/http/request.hpp>

namespace spate {

class RequestParser {
 public:
  /// How far it has come.
  enum class Progress {
    need_more,      // every byte was consumed and the request goes on
    head_complete,  // said once in a request: call again with the rest, even when there is none
    complete,       // the request is whole; the rest belongs to the next one
    failed,         // see `status`; nothing more can be parsed on this connection
  };

  /// Whether requests of `method` are understood: "GET", "M-SEARCH". Any other is answered with 501. Upper case, as
  /// methods are told apart by it.
  static bool knows_method(std::string_view method) noexcept;

  /// How far it has come with what it was given, and how many bytes of that it took.
  struct Step {
    Progress progress;
    std::size_t consumed;
  };

  explicit RequestParser(const RequestLimits& limits) : limits_(limits), guard_(limits) { reset(); }

  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  /// Consumes `bytes` up to the next thing to decide. Keeps copies only.
  Step parse(std::string_view bytes);

  /// The request as far as it was parsed: without its body after `head_complete`, whole after `complete`.
  Request& request() noexcept { return request_; }
  const Request& request() const noexcept { return request_; }
  Request take() { return std::exchange(request_, Request()); }

  /// Forgets all that was parsed and begins the next request.
  void reset();

  /// After `failed`: the status to answer with before closing (400, 413, 414, 417, 431, 501 or 505); otherwise 0.
  int status() const noexcept { return fault_.status; }
  /// After `failed`: why, for people. Static text that holds nothing of the request.
  std::string_view reason() const noexcept { return fault_.reason; }

  /// After `head_complete`: the client waits for a 100 before it sends the body. (RFC 9110 10.1.1)
  bool expects_continue() const noexcept { return expects_continue_; }
  /// Whether the connection may serve another request after this one. (RFC 9112 9.3)
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
  std::size_t feed(std::string_view bytes);

  // What of `bytes` belongs to the value of Content-Length or Transfer-Encoding, with its tabs made spaces in `spaced`.
  // Optional white space is both (RFC 9110 5.6.3), but a tab after a number or a coding is good to one llhttp and bad
  // to another.
  std::string_view framing_value(std::string_view bytes, std::string& spaced);

  // chunk-ext = *( ";" chunk-ext-name [ "=" chunk-ext-val ] ): ignored up to the line end (RFC 9112 7.1.1, 2.2)
  std::size_t skip_extension(std::string_view bytes);

  // Shows the guard what llhttp has taken up to `end`. Its verdict goes before that of a callback, which came later or
  // on the same byte.
  void guard(const char* end);

  // Always -1, by which a callback stops llhttp.
  int fail(int status, std::string_view reason);

  // llhttp stopped by itself, at the byte `at`.
  void explain(llhttp_errno_t error, char at);

  int on_message_begin();

  int on_method_complete();

  int on_url(std::string_view part);

  int on_url_complete();

  int on_version(std::string_view part);

  int on_version_complete();

  int on_header_field(std::string_view part);

  int on_header_field_complete();

  int on_header_value(std::string_view part);

  int on_header_value_complete();

  int on_headers_complete();

  // RFC 9112 6.1, 6.3
  int check_coding(bool http_1_1);

  // False when something else than a 100 is expected. (RFC 9110 10.1.1)
  bool check_expectation(bool body_announced);

  int on_chunk_header();

  int on_body(std::string_view part);

  // A pause, so that the next size line can be looked at before llhttp sees it.
  int on_chunk_complete();

  int on_message_complete();

  template <int (RequestParser::*handler)()>
  static int call(llhttp_t* parser) {
    return (static_cast<RequestParser*>(parser->data)->*handler)();
  }
  template <int (RequestParser::*handler)(std::string_view)>
  static int call(llhttp_t* parser, const char* at, std::size_t size) {
    return (static_cast<RequestParser*>(parser->data)->*handler)(std::string_view(at, size));
  }

  static const llhttp_settings_t& settings();

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

#if defined(SPATE_HEADER_ONLY)
#include <spate/http/impl/request_parser.ipp>
#endif
