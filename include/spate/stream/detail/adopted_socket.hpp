// AdoptedSocket: the origin of a stream whose connection another server accepted.
#pragma once

#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <asio/ip/tcp.hpp>

#include <spate/stream/detail/stream_core.hpp>

namespace spate::detail {

class AdoptedSocket final : public StreamOrigin {
 public:
  AdoptedSocket(Shard& shard, asio::ip::tcp::socket socket, std::shared_ptr<const Request> request)
      : shard_(shard), socket_(std::move(socket)), request_(std::move(request)) {}

  SocketId surrender() override {
    std::error_code error;
    socket_.set_option(asio::ip::tcp::no_delay(true), error);  // (C5) an unconnected socket fails below
    const SocketId adopted = shard_.poller().adopt(std::move(socket_), error);
    return error ? no_socket : adopted;
  }

  void answer(Response response) override {
    const SocketId socket = surrender();
    if (socket == no_socket) return;
    std::string head;
    serialize_head(head, response.close_connection(), HeadContext{request_->version_minor(), false});
    head += response.body();
    // A refusal is small and the socket's buffer empty: what the kernel does not take at once is lost with a client
    // that announced a window smaller than an error message.
    const asio::const_buffer buffer(head.data(), head.size());
    std::error_code error;
    shard_.poller().write(socket, &buffer, 1, error);
    linger(shard_, socket);
  }

 private:
  Shard& shard_;
  asio::ip::tcp::socket socket_;
  std::shared_ptr<const Request> request_;
};

/// Asks everything that has a socket on `shard` to finish.
inline void drain_all(Shard& shard) {
  for (const Ref<Resident>& resident : shard.poller().residents()) resident->on_drain();
}

/// Cuts everything that has a socket on `shard`; returns how many streams and answers that cost their end.
inline std::size_t cut_all(Shard& shard) {
  std::size_t cut = 0;
  for (const Ref<Resident>& resident : shard.poller().residents()) cut += resident->on_cut() ? 1 : 0;
  return cut;
}

}  // namespace spate::detail
