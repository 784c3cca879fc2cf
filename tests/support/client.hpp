// A client of HTTP that does no more than the test says: a plain socket with deadlines, and readers for what comes.
//
//   Client client(port);
//   client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
//   CHECK(client.read_reply().status == 200);
//
// Everything throws `Failure` when the other side does not do its part in time, or sends what is no HTTP.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/http/detail/tokens.hpp>
#include <spate/wire/detail/quote.hpp>
#include "support/eventually.hpp"
#include "support/sockets.hpp"

namespace spate::test {

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The head of an answer.
struct Head {
  int status = 0;
  std::string status_line;
  std::vector<std::pair<std::string, std::string>> fields;

  std::size_t count(std::string_view name) const {
    std::size_t found = 0;
    for (const auto& field : fields) found += detail::iequals(field.first, name) ? 1 : 0;
    return found;
  }
  /// The value of the only field `name`; empty when there is none.
  std::string field(std::string_view name) const {
    if (count(name) > 1) throw Failure("the field is repeated: " + std::string(name));
    for (const auto& field : fields) {
      if (detail::iequals(field.first, name)) return field.second;
    }
    return {};
  }
};

struct Reply : Head {
  std::string body;
};

/// How the bytes of a connection came to their end.
enum class End { open, closed, reset };

/// What encrypts the bytes of a client (`tls_client.hpp`): in place of the functions of the system of these names.
class Cover {
 public:
  Cover() = default;
  Cover(const Cover&) = delete;
  Cover& operator=(const Cover&) = delete;
  virtual ~Cover() = default;
  virtual sockets::Count recv(sockets::Handle socket, char* data, std::size_t size) = 0;
  virtual sockets::Count send(sockets::Handle socket, const char* data, std::size_t size) = 0;
  /// Says that no more is sent; the FIN is the client's to send.
  virtual void end(sockets::Handle socket) = 0;
};

class Client {
 public:
  /// A socket that is not connected. `receive_buffer` bytes is the most that the kernel takes for a reader who does not
  /// read, about; zero leaves it to the kernel.
  explicit Client(int receive_buffer = 0) : socket_(sockets::open()) {
    if (socket_ == sockets::none) fail("socket");
    if (receive_buffer > 0) sockets::set_option(socket_, SO_RCVBUF, receive_buffer);
  }
  /// Connects to 127.0.0.1.
  explicit Client(std::uint16_t port, int receive_buffer = 0) : Client(receive_buffer) { connect(port); }

  /// The client's end of a connection of any kind, which is there already.
  static Client on(sockets::Handle connected) {
    Client client(Connected{connected});
    sockets::unblock(connected);
    return client;
  }

  Client(Client&& other) noexcept
      : socket_(std::exchange(other.socket_, sockets::none)),
        buffer_(std::move(other.buffer_)),
        end_(other.end_),
        cover_(std::move(other.cover_)) {}
  Client& operator=(Client&&) = delete;
  ~Client() { close(); }

  void connect(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (sockets::connect(socket_, address) == 0) return;
    if (errno != EINPROGRESS) fail("connect");
    await(POLLOUT, "connect");
    errno = sockets::error_of(socket_);
    if (errno != 0) fail("connect");
  }

  /// From now on bytes go through `cover`.
  void take_cover(std::unique_ptr<Cover> cover) { cover_ = std::move(cover); }
  sockets::Handle native() const noexcept { return socket_; }
  /// The scheme of what is asked for here.
  std::string_view scheme() const noexcept { return cover_ ? "https" : "http"; }

  /// Sends all of `bytes`.
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      bytes.remove_prefix(send_some(bytes));
      if (!bytes.empty()) await(POLLOUT, "send");
    }
  }
  /// Sends what the kernel takes at once; returns how much that is.
  std::size_t send_some(std::string_view bytes) {
    const auto sent =
        cover_ ? cover_->send(socket_, bytes.data(), bytes.size()) : sockets::send(socket_, bytes.data(), bytes.size());
    if (sent < 0 && errno != EAGAIN && errno != EINTR) fail("send");
    return sent < 0 ? 0 : static_cast<std::size_t>(sent);
  }
  void get(std::string_view target, std::string_view fields = {}, std::string_view version = "HTTP/1.1") {
    std::string request("GET ");
    request.append(target).append(" ").append(version).append("\r\nHost: localhost\r\n").append(fields).append("\r\n");
    send(request);
  }

  /// Says that nothing more will be sent: a FIN.
  void end() {
    if (cover_) cover_->end(socket_);
    sockets::shutdown_send(socket_);
  }
  void close() {
    if (socket_ != sockets::none) sockets::close(std::exchange(socket_, sockets::none));
  }
  /// Breaks the connection: a RST.
  void reset() {
    sockets::set_option(socket_, SO_LINGER, linger{1, 0});
    close();
  }

  /// Waits for more bytes; returns false at the end, and then `how_ended` tells how.
  bool read_more() {
    char bytes[16 * 1024];
    while (end_ == End::open) {
      const auto size =
          cover_ ? cover_->recv(socket_, bytes, sizeof bytes) : sockets::recv(socket_, bytes, sizeof bytes);
      if (size > 0) {
        buffer_.append(bytes, static_cast<std::size_t>(size));
        return true;
      }
      if (size == 0) {
        end_ = End::closed;
      } else if (errno == ECONNRESET || errno == EPIPE) {
        end_ = End::reset;
      } else if (errno == EAGAIN) {
        await(POLLIN, "read");
      } else if (errno != EINTR) {
        fail("recv");
      }
    }
    return false;
  }
  /// The same for no longer than `wait`; returns false only at the end.
  bool read_within(std::chrono::milliseconds wait) {
    pollfd ready{socket_, POLLIN, 0};
    return sockets::poll(ready, static_cast<int>(wait.count())) <= 0 || read_more();
  }
  End how_ended() const noexcept { return end_; }
  /// What was read and not yet taken.
  const std::string& unread() const noexcept { return buffer_; }

  /// Everything up to `mark`, which is taken as well.
  std::string read_until(std::string_view mark) {
    std::size_t searched = 0;
    for (;;) {
      const std::size_t found = buffer_.find(mark, searched);
      if (found != std::string::npos) return take(found + mark.size());
      searched = buffer_.size() < mark.size() ? 0 : buffer_.size() - mark.size() + 1;
      require_more("read_until");
    }
  }
  std::string read_exactly(std::size_t size) {
    while (buffer_.size() < size) require_more("read_exactly");
    return take(size);
  }
  std::string read_to_end() {
    while (read_more()) continue;
    return take(buffer_.size());
  }
  /// Waits for the end and requires that nothing comes before.
  End read_end() {
    const std::string rest = read_to_end();
    if (!rest.empty()) throw Failure("more came: " + detail::quote(rest));
    return end_;
  }

  Head read_head() {
    Head head;
    read_head(head);
    return head;
  }

  enum class Method { other, head };

  /// A whole answer, with its body as its head says. (RFC 9112 6.3)
  Reply read_reply(Method method = Method::other) {
    Reply reply;
    read_head(reply);
    const bool bodiless = method == Method::head || reply.status < 200 || reply.status == 204 || reply.status == 304;
    if (bodiless) return reply;
    if (reply.field("Transfer-Encoding") == "chunked") {
      std::string chunk;
      while (read_chunk(chunk)) reply.body += chunk;
    } else if (reply.count("Content-Length") > 0) {
      reply.body = read_exactly(static_cast<std::size_t>(std::stoul(reply.field("Content-Length"))));
    } else {
      reply.body = read_to_end();
    }
    return reply;
  }

  /// The data of the next chunk; false for the last one.
  bool read_chunk(std::string& data) {
    const std::string line = read_until("\r\n");
    const std::size_t digits = line.size() - 2;
    if (digits == 0 || line.find_first_not_of("0123456789abcdefABCDEF") != digits) {
      throw Failure("no chunk size: " + detail::quote(line));
    }
    const std::size_t size = std::stoul(line, nullptr, 16);
    data = read_exactly(size);
    if (const std::string end = read_exactly(2); end != "\r\n") {
      throw Failure("a chunk does not end: " + detail::quote(end));
    }
    return size > 0;
  }

 private:
  struct Connected {
    sockets::Handle socket;
  };
  explicit Client(Connected connected) : socket_(connected.socket) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw Failure(what + ": " + std::strerror(errno) + ", after " + detail::quote(buffer_));
  }

  void await(short events, const char* what) const {
    pollfd ready{socket_, events, 0};
    const int count = sockets::poll(ready, static_cast<int>(std::chrono::milliseconds(patience).count()));
    if (count == 0) throw Failure(std::string(what) + ": too late, after " + detail::quote(buffer_));
    if (count < 0 && errno != EINTR) fail("poll");
  }

  void require_more(const char* what) {
    if (!read_more()) throw Failure(std::string(what) + ": the connection ended after " + detail::quote(buffer_));
  }

  std::string take(std::size_t size) {
    std::string taken = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return taken;
  }

  void read_head(Head& head) {
    head.status_line = read_until("\r\n");
    head.status_line.resize(head.status_line.size() - 2);
    if (head.status_line.rfind("HTTP/1.1 ", 0) != 0) {
      throw Failure("no status line: " + detail::quote(head.status_line));
    }
    head.status = std::stoi(head.status_line.substr(9));
    for (;;) {
      const std::string line = read_until("\r\n");
      if (line == "\r\n") return;
      const std::size_t colon = line.find(": ");
      if (colon == std::string::npos) throw Failure("no header field: " + detail::quote(line));
      head.fields.emplace_back(line.substr(0, colon), line.substr(colon + 2, line.size() - colon - 4));
    }
  }

  sockets::Handle socket_;
  std::string buffer_;
  End end_ = End::open;
  std::unique_ptr<Cover> cover_;
};

}  // namespace spate::test
