// floor: the least that a server can do, and so the reference for every ratio.
//
// One thread, one epoll set, one prebuilt buffer and one send() for each connection and event; requests are looked at
// just far enough to tell what they want. It is driven by `load` exactly like the hub. It forgives nothing and checks
// nothing: it is a yardstick, not a server.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

constexpr char usage[] = R"(floor: the least an event stream server can do

  --address A --port P   where to listen (127.0.0.1, 8080; port 0: any free one)
  --history              keep every broadcast, and send all of them to who comes with a Last-Event-ID
  --max-pending BYTES    what may wait for one connection; more closes it (1048576)
Faults, so that the client can be tested; each counts deliveries:
  --drop-every N         leaves out every Nth
  --double-every N       sends every Nth twice
  --swap-every N         sends every Nth after the one that follows it on the same connection
  --split BYTES          sends in pieces of so many bytes, each a packet
)";

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "floor: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

struct Connection {
  int fd = -1;
  bool streaming = false;
  bool waiting = false;        // for room in its socket: EPOLLOUT is armed
  std::size_t history_at = 0;  // how much of the history it has been sent; all of it once it is live
  std::size_t slot = 0;        // its place among all streams
  std::string in;
  std::string pending;  // what the socket did not take
  std::string held;     // an event held back by --swap-every
  std::string user;
};

struct Options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;
  bool history = false;
  std::size_t max_pending = 1 << 20;
  std::uint64_t drop_every = 0, double_every = 0, swap_every = 0;
  std::size_t split = 0;
};

class Floor {
 public:
  explicit Floor(const Options& options) : options_(options), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // Accepted sockets inherit it.
    ::setsockopt(listener_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options.port);
    if (::inet_pton(AF_INET, options.address.c_str(), &address.sin_addr) != 1) fail("not an address");
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("bind");
    if (::listen(listener_, 4096) != 0) fail("listen");
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    watch(listener_, EPOLLIN, nullptr, EPOLL_CTL_ADD);
    std::printf("listening on http://%s:%d\n", options.address.c_str(), ntohs(address.sin_port));
    std::fflush(stdout);
  }

  [[noreturn]] void run() {
    epoll_event events[256];
    for (;;) {
      const int count = ::epoll_wait(epoll_, events, 256, -1);
      for (int i = 0; i < count; ++i) {
        auto* connection = static_cast<Connection*>(events[i].data.ptr);
        if (connection == nullptr) {
          accept_all();
        } else {
          if ((events[i].events & EPOLLOUT) != 0) flush(*connection);
          if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read(*connection);
        }
      }
      for (Connection* connection : dead_) delete connection;
      dead_.clear();
    }
  }

 private:
  void watch(int fd, std::uint32_t events, Connection* connection, int operation) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = connection;
    if (::epoll_ctl(epoll_, operation, fd, &event) != 0) fail("epoll_ctl");
  }

  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      auto* connection = new Connection;
      connection->fd = fd;
      watch(fd, EPOLLIN, connection, EPOLL_CTL_ADD);
    }
  }

  void read(Connection& connection) {
    if (connection.fd < 0) return;
    char buffer[16384];
    const ssize_t n = ::recv(connection.fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      close(connection);
      return;
    }
    if (connection.streaming) return;
    std::string_view request(buffer, static_cast<std::size_t>(n));
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
    if (::send(connection.fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) close(connection);
    return blank + 4 + length;
  }

  void subscribe(Connection& connection, std::string_view path, std::uint64_t seen) {
    connection.streaming = true;
    std::string().swap(connection.in);
    connection.user = path.substr(path.rfind('/') + 1);
    connection.slot = streams_.size();
    streams_.push_back(&connection);
    users_[connection.user] = &connection;
    groups_[group_of(connection.user)].push_back(&connection);
    connection.history_at = seen < history_from_.size() ? history_from_[seen] : history_.size();
    char head[256];
    const int size = std::snprintf(head, sizeof head,
                                   "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
                                   "Transfer-Encoding: chunked\r\n\r\n12\r\nid: 1-%010llu\n\n\r\n",
                                   static_cast<unsigned long long>(seen));
    if (::send(connection.fd, head, static_cast<std::size_t>(size), MSG_NOSIGNAL) < 0) {
      close(connection);
      return;
    }
    if (connection.history_at != history_.size()) flush(connection);
  }

  static std::string group_of(std::string_view user) { return std::string(user.substr(0, user.find('-') + 1)); }

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

    const std::string_view where = path.substr(0, path.rfind('/'));
    const std::string_view last = path.substr(path.rfind('/') + 1);
    if (where == "/sse/send") {
      const auto found = users_.find(std::string(last));
      if (found == users_.end()) return 0;
      deliver(*found->second);
      return 1;
    }
    if (where == "/sse/group") {
      const auto found = groups_.find(std::string(last));
      if (found == groups_.end()) return 0;
      for (std::size_t i = found->second.size(); i-- > 0;) deliver(*found->second[i]);
      return found->second.size();
    }
    // Who is still being sent the history gets the event as part of it.
    const std::size_t history_before = history_.size();
    if (options_.history) {
      history_ += event_;
      history_from_.resize(id_ + 1, history_.size());
    }
    for (std::size_t i = streams_.size(); i-- > 0;) {
      Connection& connection = *streams_[i];
      if (connection.history_at == history_before) {
        connection.history_at = history_.size();
        deliver(connection);
      }
    }
    return streams_.size();
  }

  void deliver(Connection& connection) {
    if (faulty_) {
      deliver_with_faults(connection);
    } else {
      send(connection, event_);
    }
  }

  void deliver_with_faults(Connection& connection) {
    ++deliveries_;
    const auto every = [&](std::uint64_t n) { return n != 0 && deliveries_ % n == 0; };
    if (every(options_.drop_every)) return;
    if (connection.held.empty() && every(options_.swap_every)) {
      connection.held = event_;
      return;
    }
    if (options_.split != 0) {
      for (std::size_t at = 0; at < event_.size(); at += options_.split) {
        send(connection, std::string_view(event_).substr(at, options_.split));
      }
    } else {
      send(connection, event_);
    }
    if (every(options_.double_every)) send(connection, event_);
    if (!connection.held.empty()) {
      send(connection, connection.held);
      connection.held.clear();
    }
  }

  void send(Connection& connection, std::string_view bytes) {
    if (connection.fd < 0) return;
    if (!connection.pending.empty()) {
      connection.pending.append(bytes);
      if (connection.pending.size() > options_.max_pending) close(connection);
      return;
    }
    const ssize_t n = ::send(connection.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n == static_cast<ssize_t>(bytes.size())) [[likely]]
      return;
    if (n < 0 && errno != EAGAIN) {
      close(connection);
      return;
    }
    connection.pending.assign(bytes.substr(n < 0 ? 0 : static_cast<std::size_t>(n)));
    wait_for_room(connection, true);
  }

  // Sends what is pending and what is left of the history, as far as the socket takes it.
  void flush(Connection& connection) {
    if (connection.fd < 0) return;
    if (!connection.pending.empty()) {
      const ssize_t n = ::send(connection.fd, connection.pending.data(), connection.pending.size(), MSG_NOSIGNAL);
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
      const ssize_t n = ::send(connection.fd, history_.data() + connection.history_at,
                               history_.size() - connection.history_at, MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN) {
        close(connection);
        return;
      }
      if (n > 0) connection.history_at += static_cast<std::size_t>(n);
    }
    wait_for_room(connection, connection.history_at != history_.size());
  }

  void wait_for_room(Connection& connection, bool waiting) {
    if (connection.waiting == waiting) return;
    connection.waiting = waiting;
    watch(connection.fd, waiting ? EPOLLIN | EPOLLOUT : EPOLLIN, &connection, EPOLL_CTL_MOD);
  }

  void close(Connection& connection) {
    if (connection.fd < 0) return;
    ::close(connection.fd);
    connection.fd = -1;
    dead_.push_back(&connection);
    if (!connection.streaming) return;
    streams_[connection.slot] = streams_.back();
    streams_[connection.slot]->slot = connection.slot;
    streams_.pop_back();
    const auto user = users_.find(connection.user);
    if (user != users_.end() && user->second == &connection) users_.erase(user);
    const auto group = groups_.find(group_of(connection.user));
    auto& members = group->second;
    members.erase(std::find(members.begin(), members.end(), &connection));
    if (members.empty()) groups_.erase(group);
  }

  Options options_;
  int epoll_, listener_ = -1;
  std::vector<Connection*> streams_;
  std::unordered_map<std::string, Connection*> users_;
  std::unordered_map<std::string, std::vector<Connection*>> groups_;
  std::vector<Connection*> dead_;
  std::string event_, history_;
  std::vector<std::size_t> history_from_{0};  // where in the history what follows each id begins
  std::uint64_t id_ = 0, deliveries_ = 0;
  bool faulty_ = options_.drop_every + options_.double_every + options_.swap_every + options_.split != 0;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--help") {
      std::fputs(usage, stdout);
      std::exit(0);
    }
    if (name == "--history") {
      options.history = true;
      continue;
    }
    const char* value = i + 1 < argc ? argv[++i] : "";
    if (name == "--address")
      options.address = value;
    else if (name == "--port")
      options.port = static_cast<std::uint16_t>(std::atoi(value));
    else if (name == "--max-pending")
      options.max_pending = std::strtoull(value, nullptr, 10);
    else if (name == "--drop-every")
      options.drop_every = std::strtoull(value, nullptr, 10);
    else if (name == "--double-every")
      options.double_every = std::strtoull(value, nullptr, 10);
    else if (name == "--swap-every")
      options.swap_every = std::strtoull(value, nullptr, 10);
    else if (name == "--split")
      options.split = std::strtoull(value, nullptr, 10);
    else {
      std::fprintf(stderr, "floor: unknown option \"%s\"\n", argv[i]);
      std::exit(2);
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  rlimit limit;
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  Floor(options).run();
}
