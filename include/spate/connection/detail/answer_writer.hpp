// AnswerWriter: where the answer to one request after the other is put, whatever protocol the connection speaks. No
// I/O.
#pragma once

#include <string_view>

#include <spate/config.hpp>
#include <spate/connection/detail/framing.hpp>
#include <spate/http/header_fields.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>

namespace spate::detail {

class AnswerWriter {
 public:
  AnswerWriter() = default;
  AnswerWriter(const AnswerWriter&) = delete;
  AnswerWriter& operator=(const AnswerWriter&) = delete;

  /// What is put next answers `request`.
  virtual void begin(const Request& request) = 0;

  /// What is put next answers something that is no request. It is the last answer: who knows where another would begin?
  virtual void begin_refusal() = 0;

  /// Whether the request was a HEAD: the same head, but no body follows. (RFC 9110 9.3.2)
  virtual bool head_only() const noexcept = 0;

  /// Lets nothing follow on the connection, whatever is still answered. (RFC 9110 6.6.1)
  virtual void close_after() noexcept = 0;

  virtual void put(const Response& response) = 0;

  /// Puts the head that a stream would begin with, which is the whole answer to a HEAD.
  virtual void put_stream_head(const HeaderFields& fields, Framing framing) = 0;

  /// Puts the head of `response` alone, without Content-Length: for a HEAD, where the length of GET's body is not
  /// known. (RFC 9110 8.6)
  virtual void put_head(const Response& response) = 0;

  /// Puts the head of an answer whose body follows in pieces.
  virtual void put_head_of_pieces(const Response& response) = 0;

  /// Puts a piece of that body; an empty one is nothing.
  virtual void put_piece(std::string_view piece) = 0;

  /// Whether nothing was put that has not been sent.
  virtual bool empty() const noexcept = 0;

 protected:
  ~AnswerWriter() = default;
};

}  // namespace spate::detail
