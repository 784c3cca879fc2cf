// What the floors have in common: their options, their loop, who is subscribed, and the faults that they make on
// purpose.
//
//   class Floor : public Server<Floor, Connection> { ... };    // one thread, one epoll set
//
// A floor forgives nothing and checks nothing: it is a yardstick, not a server.
#pragma once

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
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace floors {

[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "floor: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

struct Options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;
  bool history = false;       // keep every broadcast, and send all of them to who comes with a Last-Event-ID
  bool keep_buffers = false;  // TLS: connections keep the buffers of their records
  bool no_tickets = false;    // TLS: no session can be resumed
  bool plain = false;         // HTTP/2 without TLS, by prior knowledge
  std::size_t max_pending = 1 << 20;
  std::uint64_t drop_every = 0, double_every = 0, swap_every = 0;
  std::size_t split = 0;
};

/// The part of every floor's help that is the same.
inline constexpr char common_usage[] = R"(
  --address A --port P   where to listen (127.0.0.1, 8080; port 0: any free one)
  --max-pending BYTES    what may wait for one connection; more closes it (1048576)
Faults, so that the client can be tested; each counts deliveries:
  --drop-every N         leaves out every Nth
  --double-every N       sends every Nth twice
  --swap-every N         sends every Nth after the one that follows it on the same stream
  --split BYTES          sends in pieces of so many bytes, each a packet
)";

/// Reads the command line; `flags` are the options without a value that this floor has.
inline Options parse_options(int argc, char** argv, const char* usage,
                             std::initializer_list<std::pair<std::string_view, bool Options::*>> flags) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--help") {
      std::printf("%s%s", usage, common_usage);
      std::exit(0);
    }
    const auto flag = std::find_if(flags.begin(), flags.end(), [&](const auto& entry) { return entry.first == name; });
    if (flag != flags.end()) {
      options.*flag->second = true;
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
      std::fprintf(stderr, "floor: unknown option \"%.*s\"\n", static_cast<int>(name.size()), name.data());
      std::exit(2);
    }
  }
  return options;
}

/// A socket as it is. Like recv and send, `read` and `write` return -1 with EAGAIN in errno when they would have to
/// wait.
class PlainTransport {
 public:
  explicit PlainTransport(int fd) : fd_(fd) {}

  int fd() const noexcept { return fd_; }
  ssize_t read(char* at, std::size_t size) noexcept { return ::recv(fd_, at, size, 0); }
  ssize_t write(const char* at, std::size_t size) noexcept { return ::send(fd_, at, size, MSG_NOSIGNAL); }
  /// Whether something has been received already that no event of the socket will tell of.
  bool more() const noexcept { return false; }
  void close() noexcept {
    ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

/// Who is subscribed: all, by user, and by group, the first part of the user's name. A `Stream` has `user`, and `slot`
/// for its place among all.
template <typename Stream>
class Registry {
 public:
  const std::vector<Stream*>& all() const noexcept { return all_; }

  void add(Stream& stream) {
    stream.slot = all_.size();
    all_.push_back(&stream);
    users_[stream.user] = &stream;
    groups_[group_of(stream.user)].push_back(&stream);
  }

  void remove(Stream& stream) {
    all_[stream.slot] = all_.back();
    all_[stream.slot]->slot = stream.slot;
    all_.pop_back();
    const auto user = users_.find(stream.user);
    if (user != users_.end() && user->second == &stream) users_.erase(user);
    const auto group = groups_.find(group_of(stream.user));
    auto& members = group->second;
    members.erase(std::find(members.begin(), members.end(), &stream));
    if (members.empty()) groups_.erase(group);
  }

  /// Delivers to the user or the group that `path` names and says to how many; to all by `broadcast`. A delivery may
  /// remove the stream that it is for.
  template <typename Deliver, typename Broadcast>
  std::size_t publish(std::string_view path, Deliver&& deliver, Broadcast&& broadcast) {
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
      const std::size_t count = found->second.size();
      for (std::size_t i = count; i-- > 0;) deliver(*found->second[i]);
      return count;
    }
    broadcast();
    return all_.size();
  }

 private:
  static std::string group_of(std::string_view user) { return std::string(user.substr(0, user.find('-') + 1)); }

  std::vector<Stream*> all_;
  std::unordered_map<std::string, Stream*> users_;
  std::unordered_map<std::string, std::vector<Stream*>> groups_;
};

/// The faults that were asked for, counted over all deliveries.
class Faults {
 public:
  explicit Faults(const Options& options) : options_(options) {}

  bool any() const noexcept { return any_; }

  /// Sends `event` once, not at all, twice, or in pieces; or keeps it in `held`, to follow the stream's next one.
  template <typename Send>
  void deliver(const std::string& event, std::string& held, Send&& send) {
    ++deliveries_;
    const auto every = [&](std::uint64_t n) { return n != 0 && deliveries_ % n == 0; };
    if (every(options_.drop_every)) return;
    if (held.empty() && every(options_.swap_every)) {
      held = event;
      return;
    }
    const std::size_t piece = options_.split == 0 ? event.size() : options_.split;
    for (std::size_t at = 0; at < event.size(); at += piece) send(std::string_view(event).substr(at, piece));
    if (every(options_.double_every)) send(event);
    if (!held.empty()) {
      send(held);
      held.clear();
    }
  }

 private:
  const Options& options_;
  std::uint64_t deliveries_ = 0;
  bool any_ = options_.drop_every + options_.double_every + options_.swap_every + options_.split != 0;
};

/// Accepts connections and tells `Floor` what happens to them. A `Connection` is made of a descriptor; `Floor` has
/// `read(connection)` and `flush(connection)`, and gives what it has closed to `bury`.
template <typename Floor, typename Connection>
class Server {
 public:
  Server(const Options& options, const char* scheme) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    rlimit limit;
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
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
    std::printf("listening on %s://%s:%d\n", scheme, options.address.c_str(), ntohs(address.sin_port));
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
          if ((events[i].events & EPOLLOUT) != 0) floor().flush(*connection);
          if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) floor().read(*connection);
        }
      }
      for (Connection* connection : dead_) delete connection;
      dead_.clear();
    }
  }

 protected:
  /// Whether to be told when there is room in the connection's socket.
  void wait_for_room(Connection& connection, bool waiting) {
    if (connection.waiting == waiting) return;
    connection.waiting = waiting;
    watch(connection.transport.fd(), waiting ? EPOLLIN | EPOLLOUT : EPOLLIN, &connection, EPOLL_CTL_MOD);
  }

  /// Deletes the connection when no event can refer to it any more.
  void bury(Connection& connection) { dead_.push_back(&connection); }

 private:
  Floor& floor() noexcept { return static_cast<Floor&>(*this); }

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
      watch(fd, EPOLLIN, new Connection(fd), EPOLL_CTL_ADD);
    }
  }

  int epoll_, listener_ = -1;
  std::vector<Connection*> dead_;
};

}  // namespace floors
