// The functions of stream_host.hpp.
#pragma once

#include <system_error>
#include <utility>

#include <asio/strand.hpp>

#include <spate/config.hpp>
#include <spate/detail/access.hpp>
#include <spate/stream/detail/adopted_socket.hpp>
#include <spate/stream/detail/shard.hpp>
#include <spate/stream/detail/stream_core.hpp>
#include <spate/stream/detail/stream_fields.hpp>
#include <spate/stream/detail/transport_choice.hpp>
#include <spate/stream/stream_host.hpp>

namespace spate {

SPATE_DECL StreamHost::StreamHost(asio::any_io_executor executor, StreamOptions options,
                                  std::shared_ptr<const detail::Compression> compression)
    : shard_(detail::make_ref<detail::Shard>(asio::make_strand(executor))),
      settings_(detail::make_ref<detail::StreamSettings>(std::move(options))),
      draining_(std::make_shared<std::atomic<bool>>(false)) {
  if (compression) shard_->compress(std::move(compression));
}

SPATE_DECL StreamHost::~StreamHost() {
  shard_->stop();
}

template <typename TakeSocket>
EventStream StreamHost::open_on(Request request, HeaderFields fields, EstablishedTls tls, TakeSocket take_socket) {
  if (draining_->load()) {
    throw std::system_error(make_error_code(Errc::shut_down), "spate::StreamHost: it drains and takes no more");
  }
  for (const auto& [name, value] : fields) detail::check_stream_field(name, value);
  detail::TransportChoice choice = detail::choose_transport(request);
  choice.gzip = shard_->gzip() != nullptr && detail::admits_gzip(request);
  const auto framing = request.method() == "HEAD" ? detail::Framing::none : detail::framing_for(request);
  const auto expiry = request.expiry();
  auto sink = detail::make_ref<detail::AdoptedSocket>(*shard_, request, fields, settings_, choice.gzip);
  // The answer to a poll is given the field where it is compressed, but for a HEAD there is none.
  if (shard_->gzip() != nullptr && (choice.transport != Transport::poll || framing == detail::Framing::none)) {
    fields.emplace_back("Vary", "Accept-Encoding");
  }
  // In a frame it belongs to pages of its own origin.
  if (choice.transport == Transport::iframe) {
    detail::add_missing_fields(fields, {{"Content-Security-Policy", "frame-ancestors 'self'"}});
  }
  auto core = detail::make_ref<detail::StreamCore>(shard_, settings_, framing, sink,
                                                   std::make_shared<const Request>(std::move(request)),
                                                   std::move(fields), std::move(choice));
  std::error_code error;
  auto owned = take_socket(error);
  auto begin = [sink, core, owned = std::move(owned), tls = std::move(tls), error, draining = draining_]() mutable {
    sink->begin(std::move(owned), std::move(tls), core, error);
    core->handler_finished();
    if (draining->load()) core->end(EndReason::shutdown);  // the drain has passed already
  };
  shard_->run(std::move(begin), core);
  auto stream = detail::access::handle<EventStream>(std::move(core));
  if (expiry) stream.expire_at(*expiry);
  return stream;
}

SPATE_DECL EventStream StreamHost::open(asio::ip::tcp::socket&& socket, Request request, HeaderFields fields) {
  return open(std::forward<decltype(socket)>(socket), nullptr, std::move(request), std::move(fields));
}
SPATE_DECL EventStream StreamHost::open(asio::ip::tcp::socket&& socket, EstablishedTls tls, Request request,
                                        HeaderFields fields) {
  return open_on(std::move(request), std::move(fields), std::move(tls),
                 [&](std::error_code& error) { return detail::OwnedSocket::from(std::move(socket), error); });
}
#if defined(ASIO_HAS_LOCAL_SOCKETS)
SPATE_DECL EventStream StreamHost::open(asio::local::stream_protocol::socket&& socket, Request request,
                                        HeaderFields fields) {
  return open(std::forward<decltype(socket)>(socket), nullptr, std::move(request), std::move(fields));
}
SPATE_DECL EventStream StreamHost::open(asio::local::stream_protocol::socket&& socket, EstablishedTls tls,
                                        Request request, HeaderFields fields) {
  return open_on(std::move(request), std::move(fields), std::move(tls),
                 [&](std::error_code& error) { return detail::OwnedSocket::from(std::move(socket), error); });
}
#endif
SPATE_DECL EventStream StreamHost::open(asio::ip::tcp::socket::native_handle_type socket, Request request,
                                        HeaderFields fields) {
  return open(std::forward<decltype(socket)>(socket), nullptr, std::move(request), std::move(fields));
}
SPATE_DECL EventStream StreamHost::open(asio::ip::tcp::socket::native_handle_type socket, EstablishedTls tls,
                                        Request request, HeaderFields fields) {
  return open_on(std::move(request), std::move(fields), std::move(tls),
                 [&](std::error_code& error) { return detail::OwnedSocket::from(socket, error); });
}

SPATE_DECL void StreamHost::drain() {
  draining_->store(true);
  shard_->run([shard = shard_] { shard->drain(); });
}

}  // namespace spate
