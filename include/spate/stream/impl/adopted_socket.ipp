// The functions of adopted_socket.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/stream/detail/adopted_socket.hpp>

namespace spate::detail {

SPATE_DECL AdoptedSocket::AdoptedSocket(Shard& shard, const Request& request, HeaderFields fields,
                                        Ref<StreamSettings> settings)
    : shard_(shard),
      context_{request.version_minor(), false, request.method() == "HEAD"},
      fields_(std::move(fields)),
      settings_(std::move(settings)) {}

SPATE_DECL void AdoptedSocket::begin(OwnedSocket socket, Ref<StreamCore> stream, std::error_code error) {
  if (!error) socket_ = shard_.poller().attach(std::move(socket), error);
  if (error) return stream->connection_lost(error);
  stream_ = std::move(stream);
  shard_.poller().set_resident(socket_, Ref<Resident>(this));
}

SPATE_DECL bool AdoptedSocket::on_readable() {
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

SPATE_DECL void AdoptedSocket::on_hangup() {
  if (socket_ == no_socket) return;
  if (!ended_) {
    on_readable();
  } else if (shard_.poller().broken(socket_)) {
    lose({});  // to leave is no error, and only afterwards the connection broke
  }
}

SPATE_DECL void AdoptedSocket::on_timer(TimePoint now) {
  if (stream_) return probe();
  if (!writing_.keeps_up(now, shard_.poller().unacknowledged(socket_), settings_->limits)) return lose({});
  shard_.set_timer(*this, writing_.next(settings_->limits));
}

SPATE_DECL bool AdoptedSocket::on_cut() {
  const Ref<StreamCore> stream = close();
  return stream ? stream->on_cut() : true;
}

SPATE_DECL SocketId AdoptedSocket::surrender() {
  // A client that has ended its side before its stream began has left it.
  if (ended_) {
    close();
    return no_socket;
  }
  stream_ = nullptr;
  return std::exchange(socket_, no_socket);
}

SPATE_DECL void AdoptedSocket::answer(Response response) {
  response.add_missing_headers(fields_);
  std::string bytes;
  serialize_head(bytes, response, context_);
  bytes += payload(response, context_);
  answer_head(std::move(bytes));
}

SPATE_DECL void AdoptedSocket::answer_head(std::string bytes) {
  if (socket_ == no_socket) return;
  stream_ = nullptr;
  shard_.set_timer(*this, never);
  answer_ = std::move(bytes);
  write();
}

SPATE_DECL void AdoptedSocket::await_departure() {
  ended_ = true;
  if (!stream_) return;
  stream_->input_ended();
  if (context_.http_minor_version >= 1) look_later(first_probe);
}

SPATE_DECL void AdoptedSocket::probe() {
  if (say_go_on(shard_.poller(), socket_)) return lose({});
  look_later(2 * probe_wait_);
}

SPATE_DECL void AdoptedSocket::look_later(std::chrono::seconds wait) {
  probe_wait_ = wait;
  shard_.set_timer(*this, shard_.now() + wait);
}

SPATE_DECL void AdoptedSocket::write() {
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

SPATE_DECL Ref<StreamCore> AdoptedSocket::close() {
  const Ref<Resident> alive(this);
  shard_.set_timer(*this, never);
  if (socket_ != no_socket) shard_.poller().close(std::exchange(socket_, no_socket));
  return std::exchange(stream_, nullptr);
}

}  // namespace spate::detail
