// AdoptedSocket: the origin of a stream whose connection another server accepted.
//
// Until the head goes out it watches over the socket, so that a client that leaves is noticed then, too. What is
// answered instead of a stream, it writes to its last byte, and then closes.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <asio/buffer.hpp>

#include <spate/stream/detail/stream_core.hpp>

namespace spate::detail {

class AdoptedSocket final : public StreamOrigin {
 public:
  /// `fields` are added to every answer.
  AdoptedSocket(Shard& shard, const Request& request, HeaderFields fields, std::chrono::milliseconds write_timeout)
      : shard_(shard),
        context_{request.version_minor(), false, request.method() == "HEAD"},
        fields_(std::move(fields)),
        write_timeout_(write_timeout) {}

  /// Begins to watch, on behalf of `stream`.
  void begin(OwnedSocket socket, Ref<StreamCore> stream, std::error_code error) {
    if (!error) socket_ = shard_.poller().attach(std::move(socket), error);
    if (error) return stream->connection_lost(error);
    stream_ = std::move(stream);
    shard_.poller().set_resident(socket_, Ref<Resident>(this));
  }

  bool on_readable() override {
    if (socket_ == no_socket) return false;
    std::error_code error;
    if (discard_input(shard_.poller(), socket_, error)) return true;
    // Who has ended only his own side still reads his answer, but has left a stream.
    if (stream_ || error) lose(error);
    return false;
  }
  void on_hangup() override {
    if (socket_ != no_socket) on_readable();
  }
  void on_writable() override {
    if (socket_ != no_socket && !stream_) write();
  }
  void on_timer(TimePoint) override { lose({}); }  // the client does not take the answer
  void on_drain() override {
    if (stream_) stream_->end(EndReason::shutdown);
  }
  bool on_cut() override {
    const Ref<StreamCore> stream = close();
    return stream ? stream->on_cut() : true;
  }

  SocketId surrender() override {
    stream_ = nullptr;
    return std::exchange(socket_, no_socket);
  }

  void answer(Response response) override {
    response.add_missing_headers(fields_);
    std::string bytes;
    serialize_head(bytes, response, context_);
    bytes += payload(response, context_);
    answer_head(std::move(bytes));
  }

  void answer_head(std::string bytes) override {
    if (socket_ == no_socket) return;
    stream_ = nullptr;
    answer_ = std::move(bytes);
    write();
  }

 private:
  void write() {
    while (sent_ < answer_.size()) {
      const asio::const_buffer buffer(answer_.data() + sent_, answer_.size() - sent_);
      std::error_code error;
      sent_ += shard_.poller().write(socket_, &buffer, 1, error);
      if (error == asio::error::would_block) {
        shard_.poller().await_writable(socket_);
        return shard_.set_timer(*this, write_timeout_.count() > 0 ? shard_.now() + write_timeout_ : never);
      }
      if (error) return lose(error);
    }
    const Ref<Resident> alive(this);
    shard_.set_timer(*this, never);
    linger(shard_, std::exchange(socket_, no_socket));
  }

  void lose(std::error_code error) {
    if (const Ref<StreamCore> stream = close()) stream->connection_lost(error);
  }

  Ref<StreamCore> close() {
    const Ref<Resident> alive(this);
    shard_.set_timer(*this, never);
    if (socket_ != no_socket) shard_.poller().close(std::exchange(socket_, no_socket));
    return std::exchange(stream_, nullptr);
  }

  Shard& shard_;  // outlives its sockets, and with them what is told of them
  const HeadContext context_;
  const HeaderFields fields_;
  const std::chrono::milliseconds write_timeout_;
  SocketId socket_ = no_socket;
  Ref<StreamCore> stream_;  // until its head goes out, or what is answered instead
  std::string answer_;
  std::size_t sent_ = 0;  // of `answer_`
};

}  // namespace spate::detail
