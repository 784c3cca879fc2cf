// The functions of answer_buffer.hpp.
#pragma once

#include <utility>

#include <spate/config.hpp>
#include <spate/connection/detail/answer_buffer.hpp>

namespace spate::detail {

SPATE_DECL void AnswerBuffer::begin(const Request& request) {
  context_.http_minor_version = request.version_minor();
  context_.head_only = request.method() == "HEAD";
  if (!request.keep_alive()) close_after();
}

SPATE_DECL void AnswerBuffer::put(const Response& response) {
  if (response.closes()) close_after();
  const std::size_t before = bytes_.size();
  try {
    serialize_head(bytes_, response, context_);
    bytes_ += payload(response, context_);
  } catch (...) {
    bytes_.resize(before);  // no answer follows half of another
    throw;
  }
}

SPATE_DECL void AnswerBuffer::put_stream_head(const HeaderFields& fields, Framing framing) {
  close_after_http_1_0();
  bytes_ += http1_head(fields, framing, closes() ? AfterStream::close : AfterStream::keep);
}

SPATE_DECL void AnswerBuffer::put_head(const Response& response) {
  close_after_http_1_0();
  HeadContext context = context_;
  context.length = HeadContext::Length::unknown;
  serialize_head(bytes_, response, context);
}

SPATE_DECL void AnswerBuffer::put_head_of_pieces(const Response& response) {
  if (response.closes()) close_after();
  put_head(response);
  if (!chunks()) return;
  constexpr std::string_view end = "\r\n";
  bytes_.insert(bytes_.size() - end.size(), "Transfer-Encoding: chunked\r\n");
}

SPATE_DECL void AnswerBuffer::put_piece(std::string_view piece) {
  if (piece.empty() || context_.head_only) return;
  if (chunks()) append_hex(bytes_, piece.size());
  bytes_ += piece;
  if (chunks()) bytes_ += "\r\n";
}

SPATE_DECL void AnswerBuffer::sent(std::size_t size) {
  sent_ += size;
  const std::size_t left = bytes_.size() - sent_;
  if (left > 0) {
    // Who always puts a little more before everything is sent keeps no more than that for it. What is moved has been
    // paid for by as much that was sent.
    if (sent_ < max_kept || sent_ < left) return;
    bytes_.erase(0, std::exchange(sent_, 0));
    if (bytes_.capacity() > max_kept + 4 * left) bytes_.shrink_to_fit();
    return;
  }
  sent_ = 0;
  // An idle connection keeps room for an ordinary answer, but not what a large one took.
  if (bytes_.capacity() > max_kept) bytes_ = {};
  bytes_.clear();
}

SPATE_DECL void AnswerBuffer::append_hex(std::string& out, std::size_t size) {
  char digits[2 * sizeof size];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, size, 16);
  static_cast<void>(error);  // there is room for every size
  out.append(digits, end).append("\r\n");
}

}  // namespace spate::detail
