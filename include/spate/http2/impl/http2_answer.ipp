// The functions of http2_answer.hpp.
#pragma once

#include <utility>

#include <spate/config.hpp>
#include <spate/http/detail/date.hpp>
#include <spate/http/detail/status.hpp>
#include <spate/http2/detail/http2_answer.hpp>

namespace spate::detail {

SPATE_DECL void Http2Answer::put_fields(const Response& response) {
  HeaderFields all(response.headers());
  if (response.header("Date").empty()) all.emplace_back("Date", current_date());  // (RFC 9110 6.6.1)
  fields = std::move(all);
  status = response.status();
  closes_ = closes_ || response.closes();
}

SPATE_DECL void Http2Answer::put(const Response& response) {
  const bool may_have_body = allows_body(response.status());
  if (may_have_body && !head_only_) whole_body_.emplace(response);  // which many answers may share
  put_fields(response);
  if (may_have_body) fields.emplace_back("Content-Length", std::to_string(response.body().size()));
  whole_ = true;
}

SPATE_DECL void Http2Answer::put_stream_head(const HeaderFields& of_stream, Framing) {
  HeaderFields all(of_stream);
  all.emplace_back("Date", current_date());
  fields = std::move(all);
  status = 200;
  whole_ = true;
}

SPATE_DECL void Http2Answer::put_head(const Response& response) {
  put_fields(response);
  whole_ = true;
}

SPATE_DECL void Http2Answer::put_head_of_pieces(const Response& response) {
  put_fields(response);
  whole_ = head_only_;
}

SPATE_DECL void Http2Answer::put_piece(std::string_view piece) {
  if (!head_only_) body_ += piece;
}

SPATE_DECL void Http2Answer::sent(std::size_t size) {
  sent_ += size;
  if (sent_ < body().size()) {
    if (whole_body_ || sent_ < body_.size() - sent_) return;
    body_.erase(0, std::exchange(sent_, 0));  // paid for by as much that was sent
    return;
  }
  sent_ = 0;
  body_ = {};
  whole_body_.reset();
}

}  // namespace spate::detail
