// AdoptedSocket: the origin of a stream whose connection another server accepted.
//
// Until the head goes out it watches over the socket, so that a client that leaves is noticed then, too. One that has
// ended only its own side may wait for another answer than a stream, as with a server's own connections. What is
// answered instead of a stream, it writes to its last byte, and then closes.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <asio/buffer.hpp>

#include <spate/stream/detail/discard_input.hpp>
#include <spate/stream/detail/half_closed.hpp>
#include <spate/stream/detail/lingering_close.hpp>
#include <spate/stream/detail/stream_core.hpp>
#include <spate/stream/detail/stream_fsm.hpp>

namespace spate::detail {

class AdoptedSocket final : public StreamOrigin {
 public:
  /// `fields` are added to every answer.
  AdoptedSocket(Shard& shard, const Request& request, HeaderFields fields, Ref<StreamSettings> settings)
      : shard_(shard),
        context_{request.version_minor(), false, request.method() == "HEAD"},
        fields_(std::move(fields)),
        settings_(std::move(settings)) {}

  /// Begins to watch, on behalf of `stream`.
  void begin(OwnedSocket socket, Ref<StreamCore> stream, std::error_code error) {
    if (!error) socket_ = shard_.poller().attach(std::move(socket), error);
    if (error) return stream->connection_lost(error);
    stream_ = std::move(stream);
    shard_.poller().set_resident(socket_, Ref<Resident>(this));
  }

  bool on_readable() override {
    if (socket_ == no_socket || ended_) return false;
    std::error_code error;
    if (discard_input(shard_.poller(), socket_, error)) return true;
    if (error) {
      lose(error);
    } else {
      await_departure();
    }
    return false;
  }
  void on_hangup() override {
    if (socket_ == no_socket) return;
    if (!ended_) {
      on_readable();
    } else if (shard_.poller().broken(socket_)) {
      lose({});  // to leave is no error, and only afterwards the connection broke
    }
  }
  void on_writable() override {
    if (socket_ != no_socket && !stream_) write();
  }
  void on_timer(TimePoint now) override {
    if (stream_) return probe();
    if (!writing_.keeps_up(now, shard_.poller().unacknowledged(socket_), settings_->limits)) return lose({});
    shard_.set_timer(*this, writing_.next(settings_->limits));
  }
  void on_drain() override {
    if (stream_) stream_->end(EndReason::shutdown);
  }
  bool on_cut() override {
    const Ref<StreamCore> stream = close();
    return stream ? stream->on_cut() : true;
  }

  bool input_ended() const noexcept override { return ended_; }

  SocketId surrender() override {
    // A client that has ended its side before its stream began has left it. (Promise 5)
    if (ended_) {
      close();
      return no_socket;
    }
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
    shard_.set_timer(*this, never);
    answer_ = std::move(bytes);
    write();
  }

 private:
  // The client has ended its side. It may wait for another answer than a stream.
  void await_departure() {
    ended_ = true;
    if (!stream_) return;
    stream_->input_ended();
    if (context_.http_minor_version >= 1) look_later(first_probe);
  }
  void probe() {
    if (say_go_on(shard_.poller(), socket_)) return lose({});
    look_later(2 * probe_wait_);
  }
  void look_later(std::chrono::seconds wait) {
    probe_wait_ = wait;
    shard_.set_timer(*this, shard_.now() + wait);
  }

  // The deadline is like that of a server's own answers: what the client acknowledges counts.
  void write() {
    while (sent_ < answer_.size()) {
      const asio::const_buffer buffer(answer_.data() + sent_, answer_.size() - sent_);
      std::error_code error;
      const std::size_t written = shard_.poller().write(socket_, &buffer, 1, error);
      if (error && error != asio::error::would_block) return lose(error);
      sent_ += written;
      if (error) {
        const bool anew = !writing_.blocked();
        writing_.stalled(shard_.now(), 0, anew ? shard_.poller().unacknowledged(socket_) : 0);
        if (anew) shard_.set_timer(*this, writing_.next(settings_->limits));
        return shard_.poller().await_writable(socket_);
      }
      if (writing_.blocked()) writing_.stalled(shard_.now(), written, 0);
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
  const Ref<StreamSettings> settings_;
  SocketId socket_ = no_socket;
  Ref<StreamCore> stream_;  // until its head goes out, or what is answered instead
  std::string answer_;
  std::size_t sent_ = 0;  // of `answer_`
  StreamFsm writing_;     // how the client takes it
  std::chrono::seconds probe_wait_{0};
  bool ended_ = false;  // the client has ended its side
};

}  // namespace spate::detail
