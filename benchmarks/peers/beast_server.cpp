// An event stream server in the ordinary way of Boost.Beast: one asynchronous write for each connection and event, and
// a queue of shared strings for each connection. It is a peer in the benchmarks and takes the hub's URLs.
#include <sys/resource.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;

namespace {

class Session;

// Users in order, so that a prefix is a range.
struct Registry {
  std::multimap<std::string, Session*> users;
  unsigned long long id = 0;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, Registry& registry) : stream_(std::move(socket)), registry_(registry) {}
  ~Session() {
    if (streaming_) registry_.users.erase(position_);
  }

  void read() {
    request_ = {};
    http::async_read(stream_, buffer_, request_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error) self->serve();
    });
  }

  void send(std::shared_ptr<const std::string> message) {
    queue_.push_back(std::move(message));
    if (queue_.size() == 1) write();
  }

 private:
  void serve() {
    const std::string target(request_.target());
    const std::string where = target.substr(0, target.rfind('/'));
    const std::string last = target.substr(target.rfind('/') + 1);
    if (request_.method() == http::verb::get && where == "/sse/subscribe") {
      subscribe(last);
    } else if (request_.method() == http::verb::post) {
      publish(where, last);
    } else {
      answer(http::status::not_found, "{\"error\":\"no such route\"}");
    }
  }

  void subscribe(const std::string& user) {
    streaming_ = true;
    position_ = registry_.users.emplace(user, this);
    send(std::make_shared<const std::string>(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"));
    watch();
  }

  // A pending read notices the client's departure.
  void watch() {
    stream_.async_read_some(asio::buffer(ignored_), [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error) {
        self->watch();
      } else {
        self->stream_.close();
      }
    });
  }

  void publish(const std::string& where, const std::string& last) {
    const std::string event = "id: " + std::to_string(++registry_.id) + "\ndata: " + request_.body() + "\n\n";
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", event.size());
    const auto message = std::make_shared<const std::string>(size + event + "\r\n");
    std::size_t reached = 0;
    const auto reach = [&](auto from, auto to) {
      for (; from != to; ++from, ++reached) from->second->send(message);
    };
    auto& users = registry_.users;
    if (where == "/sse/send") {
      const auto range = users.equal_range(last);
      reach(range.first, range.second);
    } else if (where == "/sse/group") {
      auto end = users.lower_bound(last);
      while (end != users.end() && end->first.compare(0, last.size(), last) == 0) ++end;
      reach(users.lower_bound(last), end);
    } else {
      reach(users.begin(), users.end());
    }
    answer(http::status::accepted,
           "{\"id\":\"" + std::to_string(registry_.id) + "\",\"streams\":" + std::to_string(reached) + "}");
  }

  void answer(http::status status, std::string body) {
    auto response = std::make_shared<http::response<http::string_body>>(status, request_.version());
    response->set(http::field::content_type, "application/json");
    response->keep_alive(request_.keep_alive());
    response->body() = std::move(body);
    response->prepare_payload();
    http::async_write(stream_, *response, [self = shared_from_this(), response](beast::error_code error, std::size_t) {
      if (!error && response->keep_alive()) self->read();
    });
  }

  void write() {
    asio::async_write(stream_, asio::buffer(*queue_.front()),
                      [self = shared_from_this()](beast::error_code error, std::size_t) {
                        if (error) {
                          self->stream_.close();
                          return;
                        }
                        self->queue_.pop_front();
                        if (!self->queue_.empty()) self->write();
                      });
  }

  beast::tcp_stream stream_;
  Registry& registry_;
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  std::deque<std::shared_ptr<const std::string>> queue_;
  std::multimap<std::string, Session*>::iterator position_;
  bool streaming_ = false;
  char ignored_[64];
};

void accept(tcp::acceptor& acceptor, Registry& registry) {
  acceptor.async_accept([&](beast::error_code error, tcp::socket socket) {
    if (!error) {
      beast::error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      std::make_shared<Session>(std::move(socket), registry)->read();
    }
    accept(acceptor, registry);
  });
}

}  // namespace

int main(int argc, char** argv) {
  const auto port =
      static_cast<unsigned short>(argc == 3 && std::strcmp(argv[1], "--port") == 0 ? std::atoi(argv[2]) : 0);
  rlimit limit;
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  asio::io_context io(1);
  Registry registry;
  tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::make_address("127.0.0.1"), port));
  std::printf("listening on http://127.0.0.1:%d\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  accept(acceptor, registry);
  io.run();
}
