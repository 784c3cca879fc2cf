// The functions of answer_reader.hpp.
#pragma once

#include <algorithm>
#include <charconv>
#include <utility>

#include <spate/config.hpp>
#include <spate/testing/detail/answer_reader.hpp>

namespace spate::detail {

SPATE_DECL std::string AnswerReader::take(std::string_view bytes) {
  unread_.append(bytes);
  std::string body, line;
  for (bool more = true; more;) {
    switch (phase_) {
      case Phase::head: {
        const std::size_t end = unread_.find("\r\n\r\n");
        more = end != std::string::npos;
        if (more) take_head();
        break;
      }
      case Phase::chunk_size:
        more = take_line(line);
        if (more) take_chunk_size(line);
        break;
      case Phase::chunk_end:
        more = take_line(line);
        if (more) phase_ = line.empty() ? Phase::chunk_size : Phase::broken;
        break;
      case Phase::trailer:
        more = take_line(line);
        if (more && line.empty()) phase_ = Phase::whole;
        break;
      case Phase::counted:
        take_counted(body, Phase::whole);
        more = phase_ != Phase::counted;
        break;
      case Phase::chunk:
        take_counted(body, Phase::chunk_end);
        more = phase_ != Phase::chunk;
        break;
      case Phase::until_end:
        body += std::exchange(unread_, {});
        more = false;
        break;
      default: more = false;
    }
  }
  answer_.body += body;
  return body;
}

SPATE_DECL void AnswerReader::end() {
  if (phase_ == Phase::until_end) phase_ = Phase::whole;
  if (phase_ != Phase::whole) phase_ = Phase::broken;
}

SPATE_DECL bool AnswerReader::take_line(std::string& line) {
  const std::size_t end = unread_.find("\r\n");
  if (end == std::string::npos) return false;
  line = unread_.substr(0, end);
  unread_.erase(0, end + 2);
  return true;
}

// HTTP/1.1 200 OK
SPATE_DECL void AnswerReader::take_head() {
  constexpr std::size_t status_at = 9, status_size = 3;
  std::string line;
  take_line(line);
  answer_ = {};
  const char* const end = line.data() + std::min(line.size(), status_at + status_size);
  const auto [last, error] = std::from_chars(line.data() + std::min(line.size(), status_at), end, answer_.status);
  if (!line.starts_with("HTTP/1.") || error != std::errc() || last != end) {
    phase_ = Phase::broken;
    return;
  }
  while (take_line(line) && !line.empty()) {
    const std::size_t colon = std::min(line.find(':'), line.size());
    const std::size_t value = std::min(line.find_first_not_of(' ', std::min(colon + 1, line.size())), line.size());
    answer_.headers.emplace_back(line.substr(0, colon), line.substr(value));
  }
  constexpr int first_final = 200;
  if (answer_.status < first_final) {  // an interim answer; another one follows (RFC 9110 15.2)
    answer_ = {};
  } else {
    begin_body();
  }
}

// RFC 9112 6.3
SPATE_DECL void AnswerReader::begin_body() {
  constexpr int no_content = 204, not_modified = 304;
  const auto length = answer_.header("content-length");
  if (head_only_ || answer_.status == no_content || answer_.status == not_modified) {
    phase_ = Phase::whole;
  } else if (answer_.header("transfer-encoding") == "chunked") {
    phase_ = Phase::chunk_size;
  } else if (length) {
    const auto [last, error] = std::from_chars(length->data(), length->data() + length->size(), left_);
    const bool is_number = error == std::errc() && last == length->data() + length->size();
    phase_ = is_number ? Phase::counted : Phase::broken;
  } else {
    phase_ = Phase::until_end;
  }
}

SPATE_DECL void AnswerReader::take_chunk_size(const std::string& line) {
  constexpr int hexadecimal = 16;
  const auto [last, error] = std::from_chars(line.data(), line.data() + line.size(), left_, hexadecimal);
  if (error != std::errc() || last != line.data() + line.size()) {
    phase_ = Phase::broken;
  } else {
    phase_ = left_ == 0 ? Phase::trailer : Phase::chunk;
  }
}

SPATE_DECL void AnswerReader::take_counted(std::string& body, Phase next) {
  const std::size_t size = std::min(left_, unread_.size());
  body.append(unread_, 0, size);
  unread_.erase(0, size);
  left_ -= size;
  if (left_ == 0) phase_ = next;
}

}  // namespace spate::detail
