// Http2Request: a request over HTTP/2 as it comes in, field by field, into a Request like any other, or why it is
// refused. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <spate/config.hpp>
#include <spate/http/limits.hpp>
#include <spate/http/request.hpp>

namespace spate::detail {

class Http2Request {
 public:
  explicit Http2Request(const RequestLimits& limits) noexcept : limits_(limits) {}

  /// A field of the head. Its syntax was looked at, and so was the order of pseudo-header fields. (RFC 9113 8.2, 8.3)
  void add_field(std::string_view name, std::string_view value);
  void end_head();
  void add_body(std::string_view bytes);

  /// Bytes of the body so far; they are the request's until it is taken.
  std::size_t body_size() const noexcept { return body_.size(); }

  /// How much it matters to the client, from 0, the most urgent, to 7. (RFC 9218 4.1)
  std::uint32_t urgency() const noexcept { return urgency_; }

  bool is_head() const noexcept { return is_head_; }
  /// Whether the client waits for a word before it sends the body. (RFC 9110 10.1.1)
  bool expects_continue() const noexcept { return expects_continue_; }

  /// The status to refuse it with, or 0, and why.
  int status() const noexcept { return status_; }
  std::string_view reason() const noexcept { return reason_; }
  void refuse(int status, std::string_view reason) noexcept;

  /// Whether its head has come whole, and is good.
  bool has_head() const noexcept { return request_.has_value(); }
  /// The request, without its body until that has come.
  Request& head() noexcept { return *request_; }
  Request take();
  /// Goes on with a head that was taken.
  void put_back(Request head) { request_ = std::move(head); }

 private:
  // RFC 7541 4.1: what the client counts against the limit that it was told.
  static constexpr std::size_t field_overhead = 32;

  // Counts a field. Returns false when the head is refused because of it, or was before.
  bool has_room_for(std::string_view name, std::string_view value) noexcept;
  void make_request();
  void add_pseudo(std::string_view name, std::string_view value);

  const RequestLimits& limits_;
  std::string method_;
  std::string target_;
  std::string authority_;
  std::string cookies_;
  std::optional<Request> request_;
  std::string body_;
  std::size_t head_size_ = 0;
  std::size_t count_ = 0;
  int status_ = 0;
  std::string_view reason_;  // lives for ever
  std::uint32_t urgency_ = 3;
  bool is_head_ = false;  // the method
  bool has_host_ = false;
  bool expects_continue_ = false;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/http2/impl/http2_request.ipp>
#endif
