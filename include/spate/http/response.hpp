// A Response is a whole answer: status, header fields, body. (Streams are answered by an EventStream instead.)
//
//   return spate::Response::json(202, R"({"id":"7"})");
//   return spate::Response(204).header("Cache-Control", "max-age=60");
//   return spate::Response::error(404, "no such file");      // {"error":"no such file"}
//
// A value type without threads of its own: one thread at a time may change it, any number may read it. What would break
// the message, or forge a field in it, is refused when it is built, by `std::invalid_argument`. Length and
// connection fields are written by the server, and `Date` unless it is set.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/http/header_fields.hpp>

namespace spate {

class Response {
 public:
  using Field = std::pair<std::string, std::string>;

  /// An answer without fields and body. Throws `std::invalid_argument` unless `status` is 100 to 599.
  explicit Response(int status = 200);

  static Response text(int status, std::string body);
  static Response html(int status, std::string body);
  /// `body` is JSON text. `Cache-Control: no-store` unless that field is set to something else.
  static Response json(int status, std::string body);
  /// `{"error":"<message>"}`, as `json`.
  static Response error(int status, std::string_view message);

  /// Sets a header field, in place of any of that name.
  /// Throws `std::invalid_argument` when `name` is no token or belongs to the server (Connection, Content-Length,
  /// Transfer-Encoding), or `value` has CR, LF, NUL or another control.
  Response& header(std::string_view name, std::string_view value) &;
  Response&& header(std::string_view name, std::string_view value) && { return std::move(this->header(name, value)); }

  /// Adds a header field beside those of that name, as `Set-Cookie` needs. Throws as `header` does.
  Response& add_header(std::string_view name, std::string_view value) &;
  Response&& add_header(std::string_view name, std::string_view value) && {
    return std::move(this->add_header(name, value));
  }

  // Two values in braces would be taken for the two ends of one text.
  void header(std::string_view name, std::initializer_list<std::string_view> values) = delete;
  void add_header(std::string_view name, std::initializer_list<std::string_view> values) = delete;

  /// Adds those of `fields` that it lacks: a field that a handler has set is not doubled. `Vary` gets one more line.
  Response& add_missing_headers(const HeaderFields& fields) &;

  Response& content_type(std::string_view type) & { return header("Content-Type", type); }
  Response&& content_type(std::string_view type) && { return std::move(this->content_type(type)); }

  Response& body(std::string body) &;
  Response&& body(std::string body) && { return std::move(this->body(std::move(body))); }

  /// Sets a body that several answers share without copying it; it must not change any more.
  Response& shared_body(std::shared_ptr<const std::string> body) &;
  Response&& shared_body(std::shared_ptr<const std::string> body) && {
    return std::move(this->shared_body(std::move(body)));
  }

  /// Where the server compresses, these parts of the body refer to nothing outside of them: they end at `ends`, bytes
  /// from its beginning, in order. For texts of different audiences in one answer, of which a part that somebody chose
  /// would betray the others by the size of all (BREACH). Such an answer is compressed however short it is.
  Response& compress_apart(std::vector<std::size_t> ends) &;
  Response&& compress_apart(std::vector<std::size_t> ends) && {
    return std::move(this->compress_apart(std::move(ends)));
  }

  /// Closes the connection after this answer. (RFC 9110 6.6.1)
  Response& close_connection() &;
  Response&& close_connection() && { return std::move(this->close_connection()); }

  int status() const noexcept { return status_; }
  const std::vector<Field>& headers() const noexcept { return headers_; }
  /// The value of the first field `name`; empty when there is none.
  std::string_view header(std::string_view name) const noexcept;
  std::string_view content_type() const noexcept { return header("Content-Type"); }
  std::string_view body() const noexcept { return shared_body_ ? std::string_view(*shared_body_) : body_; }
  bool closes() const noexcept { return closes_; }
  /// Null unless the body is shared.
  const std::shared_ptr<const std::string>& shared_body() const noexcept { return shared_body_; }
  /// Of `compress_apart`; empty: the body is one.
  const std::vector<std::size_t>& parts() const noexcept { return parts_; }

 private:
  static void check(std::string_view name, std::string_view value);

  static constexpr std::size_t usual_header_count = 4;

  int status_;
  bool closes_ = false;
  std::vector<Field> headers_;
  std::string body_;
  std::shared_ptr<const std::string> shared_body_;
  std::vector<std::size_t> parts_;
};

/// What the head of a response depends on besides the response.
struct HeadContext {
  /// The request's minor version: what is understood about the connection depends on it. (RFC 9112 6.3)
  int http_minor_version = 1;
  /// Whether another request may follow on the connection.
  bool keep_alive = true;
  /// Whether the request was a HEAD: the same head, but no body follows. (RFC 9110 9.3.2)
  bool head_only = false;
  /// Whether the length that the body would have after a GET is known, and so written. (RFC 9110 8.6)
  enum class Length { known, unknown };
  Length length = Length::known;
};

/// The bytes to send after the head of `response`: its body, or nothing where none may follow. (RFC 9112 6.2;
/// RFC 9110 9.3.2)
SPATE_DECL std::string_view payload(const Response& response, const HeadContext& context) noexcept;

/// Appends the head of `response` to `out`, empty line included.
SPATE_DECL void serialize_head(std::string& out, const Response& response, const HeadContext& context);

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/http/impl/response.ipp>
#endif
