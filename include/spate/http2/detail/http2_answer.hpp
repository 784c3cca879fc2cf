// Http2Answer: the answer to one request over HTTP/2: a head, and the bytes of its body that were not sent yet. No I/O.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <asio/buffer.hpp>

#include <spate/config.hpp>
#include <spate/connection/detail/answer_writer.hpp>
#include <spate/http/header_fields.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>

namespace spate::detail {

class Http2Answer final : public AnswerWriter {
 public:
  void begin(const Request& request) override { head_only_ = request.method() == "HEAD"; }
  void begin_refusal() override {}
  /// Of a refusal, which is begun without a request.
  void set_head_only(bool is_head) noexcept { head_only_ = is_head; }
  bool head_only() const noexcept override { return head_only_; }
  /// Other requests on the connection have nothing to do with this one.
  void close_after() noexcept override {}
  SPATE_DECL void put(const Response& response) override;
  SPATE_DECL void put_stream_head(const HeaderFields& fields, Framing framing) override;
  SPATE_DECL void put_head(const Response& response) override;
  SPATE_DECL void put_head_of_pieces(const Response& response) override;
  SPATE_DECL void put_piece(std::string_view piece) override;
  bool empty() const noexcept override { return status == 0 && body().empty(); }

  void put_last_piece() noexcept { whole_ = true; }

  /// The head, until it is taken; status 0 when there is none.
  int status = 0;
  HeaderFields fields;

  /// Whether all that there will be has been put, and nothing of it is left.
  bool is_sent() const noexcept { return whole_ && body().empty(); }
  bool has_body() const noexcept { return !is_sent(); }
  /// Whether the program wants its connection to end with it.
  bool closes() const noexcept { return closes_; }

  asio::const_buffer unsent() const noexcept { return {body().data() + sent_, body().size() - sent_}; }
  /// So much of `unsent` was taken.
  void sent(std::size_t size);

 private:
  void put_fields(const Response& response);

  std::string_view body() const noexcept { return whole_body_ ? whole_body_->body() : body_; }

  std::optional<Response> whole_body_;  // of which nothing else is sent; otherwise there are pieces
  std::string body_;
  std::size_t sent_ = 0;  // of them
  bool head_only_ = false;
  bool whole_ = false;
  bool closes_ = false;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/http2/impl/http2_answer.ipp>
#endif
