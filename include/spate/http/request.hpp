// A Request is what a client asked: method, target, header fields, body, and the parameters its route took from the
// path.
//
//   request.method();                      // "GET"
//   request.param("user");                 // "alice" of /sse/subscribe/{user}, decoded
//   request.query("event");                // the first ?event=, decoded, or nothing
//   request.header("content-type");        // the first such field, or nothing
//   request.header_list("accept");         // all of them as one list, or nothing
//
//   spate::Request("POST", "/jobs?id=7").add_header("Host", "example.org").set_body("{}");
//
// The server makes one for each request; a program that parsed a request by other means builds its own. A value type
// without threads of its own: one thread at a time may change it, any number may read it. A view that a getter returns
// lives until the request is changed, moved from or destroyed. Everything in it is the client's word: untrusted.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/config.hpp>

namespace spate {

class Request {
 public:
  class Fields;

  /// Empty, as a parser begins it; every getter is empty.
  Request() = default;

  /// A request for `target` as it stands in the request line, of HTTP/1.1 until `set_version`.
  /// Throws `std::invalid_argument` when `method` is no token, or `target` is empty or has a byte outside visible
  /// ASCII.
  Request(std::string method, std::string_view target);

  /// Adds a header field; a second one of a name stands beside the first.
  /// Throws `std::invalid_argument` when `name` is no token or `value` contains CR, LF, NUL or another control.
  Request& add_header(std::string_view name, std::string_view value) &;
  Request&& add_header(std::string_view name, std::string_view value) && {
    return std::move(this->add_header(name, value));
  }

  Request& set_body(std::string body) &;
  Request&& set_body(std::string body) && { return std::move(this->set_body(std::move(body))); }

  /// Sets a path parameter, decoded; routes do it for their handlers.
  Request& set_param(std::string name, std::string value) &;
  Request&& set_param(std::string name, std::string value) && {
    return std::move(this->set_param(std::move(name), std::move(value)));
  }

  /// Says until when the credential that admits this request is valid; an authorize hook does it. A stream that answers
  /// the request ends at that moment.
  Request& set_expiry(std::chrono::system_clock::time_point moment) & noexcept;
  Request&& set_expiry(std::chrono::system_clock::time_point moment) && noexcept {
    return std::move(this->set_expiry(moment));
  }

  /// Says who the client is, as the certificate has it that it has proved to hold; the server does it.
  Request& set_client_subject(std::shared_ptr<const std::string> subject) & noexcept;

  Request& set_version(int major, int minor) &;
  Request&& set_version(int major, int minor) && { return std::move(this->set_version(major, minor)); }

  std::string_view method() const noexcept { return view(0, method_size_); }
  /// The target as sent: "/users?id=7", "http://example.org/users", "*".
  std::string_view target() const noexcept { return view(method_size_, target_end_); }

  /// The target's path, still encoded and without the query: "/" when an absolute form has none, "*" for `OPTIONS *`.
  std::string_view path() const noexcept;

  /// What follows the first `?` of the target, still encoded.
  std::string_view query_string() const noexcept;

  /// The first query parameter `name`, decoded (`+` is a space); empty when it has no value, nothing when it is absent.
  /// A broken escape is left as it stands; `well_formed_query` tells.
  std::optional<std::string> query(std::string_view name) const;

  /// Every query parameter `name`, decoded, in the order of the target.
  std::vector<std::string> query_all(std::string_view name) const;

  /// False when the query has a `%` without two hexadecimal digits after it: answer 400.
  bool well_formed_query() const noexcept;

  /// The first header field `name`, in any case, without the blanks around it. Bytes beyond ASCII are left as they are.
  /// For fields that come once; one that is a list may be spread over several lines: `header_list`.
  std::optional<std::string_view> header(std::string_view name) const noexcept;
  /// The values of every header field `name`, in the order of the request.
  std::vector<std::string_view> header_all(std::string_view name) const;
  /// The same joined by ", " into the one list that they are, or nothing when there is none. (RFC 9110 5.2, 5.3)
  std::optional<std::string> header_list(std::string_view name) const;
  std::size_t header_count(std::string_view name) const noexcept;
  /// All header fields as pairs of name and value, in the order of the request.
  Fields headers() const noexcept;

  /// The path parameter `name`, decoded. Throws std::invalid_argument that quotes a name which the route does not have
  /// and no authorize hook has set; an empty request, as a stream has one later, has every parameter, and all are
  /// empty.
  std::string_view param(std::string_view name) const;
  bool has_param(std::string_view name) const noexcept;
  /// All of them, as pairs of name and value. They live no longer than the request.
  const std::vector<std::pair<std::string, std::string>>& params() const noexcept { return params_; }

  /// The value of the first cookie `name`, as sent but for quotes around it; names differ by case. Untrusted. (RFC 6265
  /// 4.2.1, 5.4)
  std::optional<std::string_view> cookie(std::string_view name) const noexcept;

  // Two names in braces would be taken for the two ends of one text.
  using Names = std::initializer_list<std::string_view>;
  void query(Names names) const = delete;
  void query_all(Names names) const = delete;
  void header(Names names) const = delete;
  void header_all(Names names) const = delete;
  void header_list(Names names) const = delete;
  void header_count(Names names) const = delete;
  void param(Names names) const = delete;
  void has_param(Names names) const = delete;
  void cookie(Names names) const = delete;
  void add_header(std::string_view name, Names values) = delete;

  std::string_view body() const noexcept { return body_; }
  /// Takes the body away, so that it is empty.
  std::string take_body() noexcept;

  /// What `set_expiry` said; nothing when there is no end.
  std::optional<std::chrono::system_clock::time_point> expiry() const noexcept { return expiry_; }

  /// Whom the client's certificate is for, in the form of RFC 2253: "CN=printer-7,O=Example". It was verified, and the
  /// client has proved to hold its key. Nothing without one, or where nobody asked for it.
  std::optional<std::string_view> client_subject() const noexcept;

  /// Where the client wants to resume: the header `Last-Event-ID`, else the query parameter `last_event_id`, else
  /// `lastEventId`; empty when there is none. Opaque bytes, as sent. A header that is repeated is one value with
  /// commas, which is nobody's position; a server refuses it. (WHATWG 9.2.4, 9.2.3)
  std::string last_event_id() const;

  /// Whom the request is for: the authority of an absolute target, else the `Host` field. (RFC 9112 3.2.2)
  std::optional<std::string_view> authority() const noexcept;

  int version_major() const noexcept { return version_major_; }
  int version_minor() const noexcept { return version_minor_; }

  /// Whether the client is ready to send another request on this connection. (RFC 9112 9.3)
  bool keep_alive() const noexcept;

 private:
  friend class RequestParser;

  // A field's name begins where the field before it ends, or the target.
  struct Field {
    std::uint32_t name_end;
    std::uint32_t value_end;
  };

  // Empty for a request that was moved from.
  std::string_view view(std::size_t from, std::size_t to) const noexcept {
    return to > text_.size() ? std::string_view() : std::string_view(text_.data() + from, to - from);
  }
  std::string_view name_of(std::size_t index) const noexcept {
    return view(index == 0 ? target_end_ : fields_[index - 1].value_end, fields_[index].name_end);
  }
  std::string_view value_of(std::size_t index) const noexcept {
    return view(fields_[index].name_end, fields_[index].value_end);
  }

  void append_name(std::string_view name);
  void end_field() noexcept { fields_.back().value_end = static_cast<std::uint32_t>(text_.size()); }

  // The head in one piece: method, target, then each field's name and value, nothing in between.
  std::string text_;
  std::vector<Field> fields_;
  std::size_t method_size_ = 0;
  std::size_t target_end_ = 0;
  std::vector<std::pair<std::string, std::string>> params_;
  std::string body_;
  std::optional<std::chrono::system_clock::time_point> expiry_;
  std::shared_ptr<const std::string> client_subject_;  // null without a certificate
  std::uint8_t version_major_ = 1;
  std::uint8_t version_minor_ = 1;
};

/// The header fields of a request: a range of pairs of views. Lives no longer than the request.
class Request::Fields {
 public:
  /// Goes over the fields in the order of the request.
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = std::pair<std::string_view, std::string_view>;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = value_type;

    iterator() = default;
    value_type operator*() const noexcept { return {request_->name_of(index_), request_->value_of(index_)}; }
    iterator& operator++() noexcept;
    iterator operator++(int) noexcept;
    friend bool operator==(const iterator&, const iterator&) = default;

   private:
    friend class Fields;
    iterator(const Request& request, std::size_t index) noexcept : request_(&request), index_(index) {}

    const Request* request_ = nullptr;
    std::size_t index_ = 0;
  };

  iterator begin() const noexcept { return {*request_, 0}; }
  iterator end() const noexcept { return {*request_, request_->fields_.size()}; }
  std::size_t size() const noexcept { return request_->fields_.size(); }

 private:
  friend class Request;
  explicit Fields(const Request& request) noexcept : request_(&request) {}

  const Request* request_;
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/http/impl/request.ipp>
#endif
