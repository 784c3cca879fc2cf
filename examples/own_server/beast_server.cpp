#include "own_server/beast_server.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <spate/http/cross_site.hpp>

#include "pages/own_server_index_html.hpp"
#include "pages/spate_js.hpp"

namespace own_server {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::asio::ip::tcp;

/// What Beast parsed, for Spate. Throws std::invalid_argument when there is something in it that Spate would refuse.
spate::Request spate_request(const http::request<http::string_body>& parsed) {
  const auto text = [](const auto& from) { return std::string(from.data(), from.size()); };
  spate::Request request(text(parsed.method_string()), text(parsed.target()));
  request.set_version(static_cast<int>(parsed.version() / 10), static_cast<int>(parsed.version() % 10));
  for (const auto& field : parsed) request.add_header(text(field.name_string()), text(field.value()));
  return request;
}

/// What pages of other sites may have: a link to the page, the script, and nothing else.
spate::CrossSite rule_of(std::string_view path) {
  if (path == "/") return spate::CrossSite::navigate;
  return path == "/spate.js" ? spate::CrossSite::allow : spate::CrossSite::refuse;
}

/// One connection while it is Beast's.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, const HandOver& hand_over) : stream_(std::move(socket)), hand_over_(hand_over) {}

  void read() {
    request_ = {};
    stream_.expires_after(std::chrono::seconds(10));
    http::async_read(stream_, buffer_, request_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error) self->answer();
    });
  }

 private:
  void answer() {
    const std::string_view target(request_.target().data(), request_.target().size());
    const std::string_view path = target.substr(0, target.find('?'));
    if (request_.method() != http::verb::get && request_.method() != http::verb::head) {
      return write(http::status::method_not_allowed, "text/plain", "only GET and HEAD\n");
    }
    spate::Request request;
    try {
      request = spate_request(request_);
    } catch (const std::invalid_argument&) {
      return write(http::status::bad_request, "text/plain", "this cannot be understood\n");
    }
    if (!spate::admits(rule_of(path), request)) {
      return write(http::status::forbidden, "text/plain", "pages of other sites may not ask for this\n");
    }
    if (path == "/") return write(http::status::ok, "text/html; charset=utf-8", pages::own_server_index_html);
    if (path == "/spate.js") return write(http::status::ok, "text/javascript; charset=utf-8", pages::spate_js);
    if (path != "/events") return write(http::status::not_found, "text/plain", "there is nothing here\n");
    const tcp::endpoint local = stream_.socket().local_endpoint();
    // From here on the connection is no longer Beast's. What the client sent after its request is not looked at.
    NativeSocket native(stream_.release_socket().release(), local.address().is_v6());
    hand_over_(std::move(native), std::move(request));
  }

  void write(http::status status, const char* type, std::string_view body) {
    response_ = {status, request_.version()};
    response_.set(http::field::content_type, type);
    response_.set("Content-Security-Policy", "frame-ancestors 'self'");
    if (status == http::status::method_not_allowed) response_.set(http::field::allow, "GET, HEAD");
    response_.keep_alive(request_.keep_alive());
    response_.content_length(body.size());
    if (request_.method() != http::verb::head) response_.body().assign(body);
    http::async_write(stream_, response_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (error) return;
      if (self->response_.keep_alive()) return self->read();
      self->stream_.socket().shutdown(tcp::socket::shutdown_send, error);
    });
  }

  beast::tcp_stream stream_;
  const HandOver& hand_over_;
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response<http::string_body> response_;
};

tcp::endpoint parse_endpoint(const std::string& address, std::uint16_t port) {
  beast::error_code error;
  const auto parsed = boost::asio::ip::make_address(address == "localhost" ? "127.0.0.1" : address, error);
  if (error) throw std::invalid_argument("not an IP address: \"" + address + "\"");
  return {parsed, port};
}

}  // namespace

struct BeastServer::Impl {
  void accept() {
    acceptor.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (error) return accept_later();
      std::make_shared<Connection>(std::move(socket), hand_over)->read();
      accept();
    });
  }

  // Out of descriptors, for instance: trying again at once would fail at once.
  void accept_later() {
    pause.expires_after(std::chrono::milliseconds(100));
    pause.async_wait([this](beast::error_code) { accept(); });
  }

  HandOver hand_over;
  tcp::endpoint endpoint;
  boost::asio::io_context io{};
  tcp::acceptor acceptor{io, endpoint};
  boost::asio::steady_timer pause{io};
  std::thread thread{};
};

BeastServer::BeastServer(const std::string& address, std::uint16_t port, HandOver hand_over)
    : impl_(new Impl{std::move(hand_over), parse_endpoint(address, port)}) {
  impl_->accept();
  impl_->thread = std::thread([this] { impl_->io.run(); });
}

BeastServer::~BeastServer() {
  impl_->io.stop();
  impl_->thread.join();
}

std::string BeastServer::local_endpoint() const {
  std::ostringstream text;
  text << impl_->acceptor.local_endpoint();
  return text.str();
}

}  // namespace own_server
