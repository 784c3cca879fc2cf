// The floor of HTTP/1.1 over any transport: one prebuilt buffer and one write for each connection and event; requests
// are looked at just far enough to tell what they want.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "floor_parts/common.hpp"

namespace floors {

template <typename Transport>
struct Http1Connection {
  explicit Http1Connection(int fd) : transport(fd) {}

  Transport transport;
  bool streaming = false;
  bool waiting = false;        // for room in its socket: EPOLLOUT is armed
  std::size_t history_at = 0;  // how much of the history it has been sent; all of it once it is live
  std::size_t slot = 0;        // its place among all streams
  std::string in;
  std::string pending;  // what the socket did not take
  std::string held;     // an event held back by --swap-every
  std::string user;
};

template <typename Transport>
class Http1Floor : public Server<Http1Floor<Transport>, Http1Connection<Transport>> {
  using Connection = Http1Connection<Transport>;
  using Base = Server<Http1Floor, Connection>;
  friend Base;

 public:
  Http1Floor(const Options& options, const char* scheme) : Base(options, scheme), options_(options), faults_(options) {}

 private:
  void read(Connection& connection) {
    do {
      if (connection.transport.fd() < 0) return;
      char buffer[16384];
      const ssize_t n = connection.transport.read(buffer, sizeof buffer);
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) {
        close(connection);
        return;
      }
      if (!connection.streaming) take(connection, std::string_view(buffer, static_cast<std::size_t>(n)));
    } while (connection.transport.more());
  }

  void take(Connection& connection, std::string_view request) {
    if (!connection.in.empty()) {
      connection.in.append(request);
      request = connection.in;
    }
    const std::size_t used = serve(connection, request);
    if (used == 0 && connection.in.empty()) connection.in = request;
    if (used != 0) connection.in.clear();
  }

  // Serves one request when it is complete and says how long it was.
  std::size_t serve(Connection& connection, std::string_view request) {
    const std::size_t blank = request.find("\r\n\r\n");
    if (blank == request.npos) return 0;
    const std::size_t path_at = request.find(' ') + 1;
    const std::string_view path = request.substr(path_at, request.find(' ', path_at) - path_at);
    if (request[0] == 'G') {
      const std::size_t cursor = request.find("Last-Event-ID: 1-");
      subscribe(connection, path, cursor < blank ? std::strtoull(request.data() + cursor + 17, nullptr, 10) : id_);
      return blank + 4;
    }
    std::size_t length = 0;
    if (const std::size_t field = request.find("Content-Length:"); field < blank) {
      length = std::strtoull(request.data() + field + 15, nullptr, 10);
    }
    if (request.size() < blank + 4 + length) return 0;
    const std::size_t reached = publish(path, request.substr(blank + 4, length));
    const std::string body = "{\"id\":\"" + std::to_string(id_) + "\",\"streams\":" + std::to_string(reached) + "}";
    const std::string answer =
        "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\n\r\n" + body;
    if (connection.transport.write(answer.data(), answer.size()) < 0) close(connection);
    return blank + 4 + length;
  }

  void subscribe(Connection& connection, std::string_view path, std::uint64_t seen) {
    connection.streaming = true;
    std::string().swap(connection.in);
    connection.user = path.substr(path.rfind('/') + 1);
    registry_.add(connection);
    connection.history_at = seen < history_from_.size() ? history_from_[seen] : history_.size();
    char head[256];
    const int size = std::snprintf(head, sizeof head,
                                   "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
                                   "Transfer-Encoding: chunked\r\n\r\n12\r\nid: 1-%010llu\n\n\r\n",
                                   static_cast<unsigned long long>(seen));
    if (connection.transport.write(head, static_cast<std::size_t>(size)) < 0) {
      close(connection);
      return;
    }
    if (connection.history_at != history_.size()) flush(connection);
  }

  std::size_t publish(std::string_view path, std::string_view data) {
    // chunk = size CRLF "id: " id LF "data: " data LF LF CRLF
    char head[64];
    char id[24];
    const int id_size = std::snprintf(id, sizeof id, "%llu", static_cast<unsigned long long>(++id_));
    const int head_size =
        std::snprintf(head, sizeof head,
                      "%zx\r\nid: 1-%s\ndata: ", static_cast<std::size_t>(id_size) + 6 + 1 + 6 + data.size() + 2, id);
    event_.assign(head, static_cast<std::size_t>(head_size));
    event_.append(data).append("\n\n\r\n");
    return registry_.publish(
        path, [this](Connection& connection) { deliver(connection); }, [this] { broadcast(); });
  }

  // Who is still being sent the history gets the event as part of it.
  void broadcast() {
    const std::size_t history_before = history_.size();
    if (options_.history) {
      history_ += event_;
      history_from_.resize(id_ + 1, history_.size());
    }
    const auto& streams = registry_.all();
    for (std::size_t i = streams.size(); i-- > 0;) {
      Connection& connection = *streams[i];
      if (connection.history_at == history_before) {
        connection.history_at = history_.size();
        deliver(connection);
      }
    }
  }

  void deliver(Connection& connection) {
    if (faults_.any()) {
      faults_.deliver(event_, connection.held, [&](std::string_view bytes) { send(connection, bytes); });
    } else {
      send(connection, event_);
    }
  }

  void send(Connection& connection, std::string_view bytes) {
    if (connection.transport.fd() < 0) return;
    if (!connection.pending.empty()) {
      connection.pending.append(bytes);
      if (connection.pending.size() > options_.max_pending) close(connection);
      return;
    }
    const ssize_t n = connection.transport.write(bytes.data(), bytes.size());
    if (n == static_cast<ssize_t>(bytes.size())) [[likely]]
      return;
    if (n < 0 && errno != EAGAIN) {
      close(connection);
      return;
    }
    connection.pending.assign(bytes.substr(n < 0 ? 0 : static_cast<std::size_t>(n)));
    this->wait_for_room(connection, true);
  }

  // Sends what is pending and what is left of the history, as far as the socket takes it.
  void flush(Connection& connection) {
    if (connection.transport.fd() < 0) return;
    if (!connection.pending.empty()) {
      const ssize_t n = connection.transport.write(connection.pending.data(), connection.pending.size());
      if (n < 0 && errno == EAGAIN) return;
      if (n < 0) {
        close(connection);
        return;
      }
      connection.pending.erase(0, static_cast<std::size_t>(n));
      if (!connection.pending.empty()) return;
      std::string().swap(connection.pending);
    }
    if (connection.history_at != history_.size()) {
      const ssize_t n =
          connection.transport.write(history_.data() + connection.history_at, history_.size() - connection.history_at);
      if (n < 0 && errno != EAGAIN) {
        close(connection);
        return;
      }
      if (n > 0) connection.history_at += static_cast<std::size_t>(n);
    }
    this->wait_for_room(connection, connection.history_at != history_.size());
  }

  void close(Connection& connection) {
    if (connection.transport.fd() < 0) return;
    connection.transport.close();
    this->bury(connection);
    if (connection.streaming) registry_.remove(connection);
  }

  const Options options_;
  Registry<Connection> registry_;
  Faults faults_;
  std::string event_, history_;
  std::vector<std::size_t> history_from_{0};  // where in the history what follows each id begins
  std::uint64_t id_ = 0;
};

}  // namespace floors
