// The functions of server.hpp.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include <spate/config.hpp>
#include <spate/server/detail/server_impl.hpp>
#include <spate/server/server.hpp>

namespace spate {

SPATE_DECL Server::Server(asio::any_io_executor executor, ServerOptions options)
    : impl_(std::make_unique<detail::ServerImpl>(executor, std::move(options))) {}

SPATE_DECL Server::Server(asio::io_context& context, ServerOptions options)
    : Server(context.get_executor(), std::move(options)) {}

SPATE_DECL Server::Server(ServerOptions options)
    : Server(asio::any_io_executor(), [&] {
        options.threads = std::max<std::size_t>(options.threads, 1);
        return std::move(options);
      }()) {}

SPATE_DECL Server::Server(std::unique_ptr<detail::ServerImpl> impl) noexcept : impl_(std::move(impl)) {}

SPATE_DECL Server::~Server() {
  stop();
}

SPATE_DECL void Server::add_route(std::vector<std::string> methods, std::string_view pattern, detail::Handler handler,
                                  RouteOptions options) {
  impl_->add_route(std::move(methods), pattern, std::move(handler), std::move(options));
}

SPATE_DECL void Server::set_fallback(detail::Handler handler, RouteOptions options) {
  impl_->set_fallback(std::move(handler), std::move(options));
}

SPATE_DECL void Server::start() {
  impl_->start();
}

SPATE_DECL std::uint16_t Server::port() const {
  return impl_->endpoint().port();
}
SPATE_DECL asio::ip::tcp::endpoint Server::local_endpoint() const {
  return impl_->endpoint();
}
SPATE_DECL std::string Server::listens_on() const {
  return impl_->listens_on();
}
SPATE_DECL asio::any_io_executor Server::get_executor() const {
  return impl_->executor();
}

SPATE_DECL void Server::adopt(asio::ip::tcp::acceptor acceptor) {
  impl_->adopt_acceptor(std::move(acceptor));
}
SPATE_DECL void Server::adopt(asio::local::stream_protocol::acceptor acceptor) {
  impl_->adopt_acceptor(std::move(acceptor));
}
SPATE_DECL void Server::adopt(asio::ip::tcp::socket socket) {
  impl_->adopt_object(std::move(socket), {});
}
SPATE_DECL void Server::adopt(asio::ip::tcp::socket socket, Request request) {
  impl_->adopt_object(std::move(socket), {nullptr, std::move(request)});
}
SPATE_DECL void Server::adopt(asio::ip::tcp::socket socket, EstablishedTls tls) {
  impl_->adopt_object(std::move(socket), {std::move(tls), std::nullopt});
}
SPATE_DECL void Server::adopt(asio::ip::tcp::socket socket, EstablishedTls tls, Request request) {
  impl_->adopt_object(std::move(socket), {std::move(tls), std::move(request)});
}
SPATE_DECL void Server::adopt(asio::local::stream_protocol::socket socket) {
  impl_->adopt_object(std::move(socket), {});
}
SPATE_DECL void Server::adopt(asio::local::stream_protocol::socket socket, Request request) {
  impl_->adopt_object(std::move(socket), {nullptr, std::move(request)});
}
SPATE_DECL void Server::adopt(asio::local::stream_protocol::socket socket, EstablishedTls tls) {
  impl_->adopt_object(std::move(socket), {std::move(tls), std::nullopt});
}
SPATE_DECL void Server::adopt(asio::local::stream_protocol::socket socket, EstablishedTls tls, Request request) {
  impl_->adopt_object(std::move(socket), {std::move(tls), std::move(request)});
}
SPATE_DECL void Server::adopt(NativeSocket socket) {
  impl_->adopt_native(socket, {});
}
SPATE_DECL void Server::adopt(NativeSocket socket, Request request) {
  impl_->adopt_native(socket, {nullptr, std::move(request)});
}
SPATE_DECL void Server::adopt(NativeSocket socket, EstablishedTls tls) {
  impl_->adopt_native(socket, {std::move(tls), std::nullopt});
}
SPATE_DECL void Server::adopt(NativeSocket socket, EstablishedTls tls, Request request) {
  impl_->adopt_native(socket, {std::move(tls), std::move(request)});
}

SPATE_DECL void Server::shutdown(std::chrono::milliseconds deadline, std::function<void(std::size_t cut)> done) {
  impl_->shutdown(deadline, std::move(done));
}

SPATE_DECL void Server::stop() {
  impl_->stop();
}

SPATE_DECL ServerStats Server::stats() const {
  return impl_->stats();
}

}  // namespace spate
