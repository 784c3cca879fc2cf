// AnswerBuffer: the answers of one connection of HTTP/1, from the response to the last byte that the kernel takes. No
// I/O.
//
//   answers.begin(request);
//   answers.put(response);
//   while (!answers.empty()) answers.sent(write(socket, answers.unsent()));
//   if (answers.closes()) close(socket);
//
// It belongs to one connection, and is used on its shard only. It keeps nothing of requests and responses.
//
// It knows what an answer depends on besides the response: the request's version and method, and whether the connection
// goes on.
#pragma once

#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>

#include <asio/buffer.hpp>

#include <spate/config.hpp>
#include <spate/connection/detail/answer_writer.hpp>
#include <spate/connection/detail/framing.hpp>
#include <spate/connection/detail/http1_head.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>

namespace spate::detail {

class AnswerBuffer final : public AnswerWriter {
 public:
  SPATE_DECL void begin(const Request& request) override;
  void begin_refusal() override { context_ = HeadContext{1, false}; }
  bool head_only() const noexcept override { return context_.head_only; }
  void close_after() noexcept override { context_.keep_alive = false; }
  SPATE_DECL void put(const Response& response) override;
  SPATE_DECL void put_stream_head(const HeaderFields& fields, Framing framing) override;
  SPATE_DECL void put_head(const Response& response) override;
  SPATE_DECL void put_head_of_pieces(const Response& response) override;
  /// An empty chunk would be the end. (RFC 9112 7.1)
  SPATE_DECL void put_piece(std::string_view piece) override;
  bool empty() const noexcept override { return bytes_.empty(); }

  /// Whether the client skips an interim answer that it has not asked for. (RFC 9110 15.2)
  bool may_be_interim() const noexcept { return context_.http_minor_version >= 1; }

  /// Whether the connection closes when everything has been sent.
  bool closes() const noexcept { return !context_.keep_alive; }

  /// Whether nothing but the end of the connection is the end of an answer in pieces. (RFC 9112 6.3)
  bool pieces_end_with_connection() const noexcept { return !chunks(); }

  void put_last_piece() {
    if (chunks() && !context_.head_only) bytes_ += last_chunk;
  }

  asio::const_buffer unsent() const noexcept { return {bytes_.data() + sent_, bytes_.size() - sent_}; }

  /// Bytes of memory for what is unsent: a few times as many, at most, and some 32 KiB.
  std::size_t held() const noexcept { return bytes_.capacity(); }

  /// The kernel has taken so much of `unsent`.
  void sent(std::size_t size);

 private:
  static constexpr std::size_t max_kept = 16 * 1024;

  bool chunks() const noexcept { return context_.http_minor_version > 0; }

  // The line of a chunk's size.
  static void append_hex(std::string& out, std::size_t size);

  // There a message without a length ends with its connection.
  void close_after_http_1_0() noexcept {
    if (context_.http_minor_version == 0) close_after();
  }

  HeadContext context_;
  std::string bytes_;
  std::size_t sent_ = 0;  // of `bytes_`
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/connection/impl/answer_buffer.ipp>
#endif
