// A StreamHost opens streams on sockets that a server of another make accepted and parsed.
//
//   spate::StreamHost host(io.get_executor());
//   spate::Request request("GET", target);              // what the other server parsed
//   spate::EventStream stream = host.open(std::move(socket), std::move(request));
//   stream.send(spate::Event("hello"));
//
// Threads: any, except construction and destruction. The host's streams live on the executor given; when several
// threads run it, the host puts a strand around it. Lifetime: destroying the host cuts its streams; destroy it before
// the io_context, while nobody runs it or on its only thread.
#pragma once

#include <string>
#include <system_error>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/strand.hpp>

#include <spate/stream/detail/adopted_socket.hpp>
#include <spate/stream/detail/stream_head.hpp>
#include <spate/stream/event_stream.hpp>

namespace spate {

class StreamHost {
 public:
  explicit StreamHost(asio::any_io_executor executor, StreamOptions options = {})
      : shard_(detail::make_ref<detail::Shard>(asio::make_strand(executor))),
        settings_(detail::make_ref<detail::StreamSettings>(std::move(options))) {}

  StreamHost(const StreamHost&) = delete;
  StreamHost& operator=(const StreamHost&) = delete;
  ~StreamHost() { shard_->stop(); }

  /// Makes a stream of `socket`, on which `request` has been read and nothing answered. The head goes out as for every
  /// stream: with `open`, the first `send`, or not at all after `reject`.
  ///
  /// `fields` are complete header lines to add, each ended by CRLF.
  /// Throws       std::invalid_argument when the query asks for a transport that cannot be had: answer 400. The socket
  ///              is still the caller's then
  /// Lifetime     the socket is the stream's from now on, also when it fails: `on_error` tells
  EventStream open(asio::ip::tcp::socket&& socket, Request request, std::string fields = {}) {
    const detail::Framing framing = detail::framing_for(request);
    detail::TransportChoice choice = detail::choose_transport(request);
    // In a frame it belongs to pages of its own origin.
    if (choice.transport == Transport::iframe) fields += "Content-Security-Policy: frame-ancestors 'self'\r\n";
    auto origin = detail::make_ref<detail::AdoptedSocket>(*shard_, request);
    std::string head = detail::stream_head(framing, fields, choice.transport, detail::after_stream(request));
    auto core = detail::make_ref<detail::StreamCore>(shard_, settings_, framing, origin,
                                                     std::make_shared<const Request>(std::move(request)),
                                                     std::move(head), std::move(choice));
    std::error_code error;
    auto owned = detail::OwnedSocket::from(std::move(socket), error);
    shard_->run([origin, core, owned = std::move(owned), error]() mutable {
      origin->begin(std::move(owned), core, error);
      core->handler_finished();
    });
    return EventStream(std::move(core));
  }

  /// Ends every stream with EndReason::shutdown, its farewell included.
  void drain() {
    shard_->run([shard = shard_] { shard->drain(); });
  }

 private:
  detail::Ref<detail::Shard> shard_;
  detail::Ref<detail::StreamSettings> settings_;
};

}  // namespace spate
