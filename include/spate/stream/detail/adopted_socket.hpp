// AdoptedSocket: the origin of a stream whose connection another server accepted.
//
// Until the head goes out it watches over the socket, so that a client that leaves is noticed then, too.
#pragma once

#include <string>
#include <system_error>
#include <utility>

#include <asio/buffer.hpp>

#include <spate/stream/detail/stream_core.hpp>

namespace spate::detail {

class AdoptedSocket final : public StreamOrigin {
 public:
  AdoptedSocket(Shard& shard, const Request& request)
      : shard_(shard), context_{request.version_minor(), false, request.method() == "HEAD"} {}

  /// Begins to watch, on behalf of `stream`.
  void begin(OwnedSocket socket, Ref<StreamCore> stream, std::error_code error) {
    if (!error) socket_ = shard_.poller().attach(std::move(socket), error);
    if (error) return stream->connection_lost(error);
    stream_ = std::move(stream);
    shard_.poller().set_resident(socket_, Ref<Resident>(this));
  }

  bool on_readable() override {
    std::error_code error;
    if (discard_input(shard_.poller(), socket_, error)) return true;
    lose(error);
    return false;
  }
  void on_hangup() override {
    std::error_code error;
    discard_input(shard_.poller(), socket_, error);
    lose(error);
  }
  void on_drain() override { stream_->end(EndReason::shutdown); }
  bool on_cut() override { return close()->on_cut(); }

  SocketId surrender() override {
    stream_ = nullptr;
    return std::exchange(socket_, no_socket);
  }

  void answer(Response response) override {
    const SocketId socket = surrender();
    if (socket == no_socket) return;
    std::string head;
    serialize_head(head, response, context_);
    head += payload(response, context_);
    // A refusal is small and the socket's buffer empty: what the kernel does not take at once is lost with a client
    // that announced a window smaller than an error message.
    const asio::const_buffer buffer(head.data(), head.size());
    std::error_code error;
    shard_.poller().write(socket, &buffer, 1, error);
    linger(shard_, socket);
  }

 private:
  void lose(std::error_code error) { close()->connection_lost(error); }

  Ref<StreamCore> close() {
    shard_.poller().close(std::exchange(socket_, no_socket));
    return std::exchange(stream_, nullptr);
  }

  Shard& shard_;  // outlives its sockets, and with them what is told of them
  const HeadContext context_;
  SocketId socket_ = no_socket;
  Ref<StreamCore> stream_;  // until its head goes out
};

}  // namespace spate::detail
