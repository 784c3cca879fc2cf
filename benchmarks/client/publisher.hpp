// One keep-alive connection that publishes: one request at a time, its answer read to the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "client/http2.hpp"
#include "client/payload.hpp"
#include "client/socket.hpp"
#include "client/tls.hpp"

namespace bench {

class Publisher {
 public:
  Publisher(Transport transport, std::size_t data_size, bool http2)
      : fd_(transport.fd()),
        transport_(std::move(transport)),
        http2_(http2 ? std::make_unique<Http2Connection>(std::move(transport_)) : nullptr),
        data_size_(data_size) {}

  int fd() const noexcept { return fd_; }
  /// The server ended the connection while it was idle, as it may.
  bool closed() const noexcept { return closed_; }
  bool idle() const noexcept { return idle_; }
  std::uint64_t sent_at() const noexcept { return payload_.sent_at; }

  void send(std::string_view path, std::uint16_t publisher, std::uint32_t sequence) {
    request_.clear();
    if (!http2_) {
      request_.append("POST ").append(path).append(
          " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: ");
      request_.append(std::to_string(data_size_)).append("\r\n\r\n");
    }
    const std::size_t data_at = request_.size();
    request_.append(data_size_, 'x');
    payload_ = {};
    payload_.publisher = publisher;
    payload_.sequence = sequence;
    payload_.sent_at = now_ns();
    payload_.encode(request_.data() + data_at);
    idle_ = false;
    sent_ = 0;
    if (http2_) request_id_ = http2_->post(path, request_);
    flush();
  }

  /// Sends what the socket did not take before.
  void flush() {
    if (http2_) {
      http2_->flush();
      return;
    }
    while (sent_ < request_.size()) {
      const ssize_t n = transport_.write(request_.data() + sent_, request_.size() - sent_);
      if (n < 0) {
        if (errno == EAGAIN || errno == ENOTCONN) return;
        throw system_failure("publishing");
      }
      sent_ += static_cast<std::size_t>(n);
    }
  }

  /// Reads; true when the answer is complete. Throws unless its status is 2xx.
  bool receive() {
    const bool was_idle = idle_;
    Transport& transport = http2_ ? http2_->transport() : transport_;
    do {
      char buffer[4096];
      const ssize_t n = http2_ ? http2_->receive(buffer, sizeof buffer, *this) : transport.read(buffer, sizeof buffer);
      if (n < 0) {
        if (errno == EAGAIN) break;
        throw system_failure("publishing");
      }
      if (n == 0) {
        if (idle_) return closed_ = true, false;
        throw Failure("the server closed a publisher's connection");
      }
      if (!http2_) answer_.append(buffer, static_cast<std::size_t>(n));
    } while (transport.more());
    return http2_ ? idle_ && !was_idle : answered();
  }

  // What an HTTP/2 connection tells.
  void head(std::uint32_t, int status) {
    if (status / 100 != 2) throw Failure("an answer to a publisher: status " + std::to_string(status));
    answer_ = "head";
  }
  void data(std::uint32_t, std::string_view) {}
  void end(std::uint32_t stream) {
    if (stream != request_id_) return;
    if (answer_.empty()) throw Failure("the server gave a publisher no answer");
    answer_.clear();
    idle_ = true;
  }

 private:
  bool answered() {
    const std::size_t blank = answer_.find("\r\n\r\n");
    if (blank == std::string::npos) return false;
    const std::size_t body = blank + 4;
    if (answer_.size() < 12 || answer_[9] != '2') throw Failure("an answer to a publisher: " + answer_);
    if (const std::size_t field = find_field("content-length:", blank); field != std::string::npos) {
      if (answer_.size() - body < std::strtoull(answer_.c_str() + field, nullptr, 10)) return false;
    } else if (find_field("transfer-encoding:", blank) != std::string::npos) {
      if (answer_.find("0\r\n\r\n", body) == std::string::npos) return false;
    }
    answer_.clear();
    idle_ = true;
    return true;
  }

  std::size_t find_field(std::string_view name, std::size_t end) const {
    for (std::size_t at = answer_.find("\r\n"); at < end; at = answer_.find("\r\n", at + 2)) {
      std::size_t i = 0;
      while (i < name.size() && (answer_[at + 2 + i] | 0x20) == (name[i] | 0x20)) ++i;
      if (i == name.size()) return at + 2 + i;
    }
    return std::string::npos;
  }

  int fd_;
  Transport transport_;  // without HTTP/2
  std::unique_ptr<Http2Connection> http2_;
  std::uint32_t request_id_ = 0;
  std::size_t data_size_;
  bool idle_ = true;
  bool closed_ = false;
  std::size_t sent_ = 0;
  std::string request_, answer_;
  Payload payload_;
};

}  // namespace bench
