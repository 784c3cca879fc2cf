// The servers of `compression serve` that are part of this program: Spate, and one zlib state for each stream.
// Streams are at /events/USER; events come by commands on standard input.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include <zlib.h>

#include <spate/registry/emitter.hpp>
#include <spate/server/server.hpp>
#include <spate/zlib/gzip.hpp>
#include "compression_parts/wire.hpp"

namespace bench {

inline void say_port(std::uint16_t port) {
  std::printf("listening on http://127.0.0.1:%u\n", static_cast<unsigned>(port));
  std::fflush(stdout);
}

/// One loop on a thread of its own. Who asks for gzip gets it.
inline void serve_spate() {
  spate::ServerOptions options;
  options.port = 0;
  options.threads = 1;
  options.compression = std::make_shared<spate::Gzip>();
  spate::Server server(options);
  spate::EmitterOptions emitter_options;
  emitter_options.executor = server.get_executor();
  spate::Emitter emitter(emitter_options);
  server.stream("/events/{user}",
                [&](const spate::EventStream& stream) { emitter.add(stream.request()->param("user"), stream); });
  server.start();
  say_port(server.port());
  LineReader commands(STDIN_FILENO);
  for (std::string line; commands.next(line);) {
    const Command command = parse_command(line);
    spate::Event event(command.data);
    if (!command.name.empty()) event.name(command.name);
    command.for_everybody() ? emitter.broadcast(event) : emitter.send(command.to, event);
  }
  std::_Exit(0);
}

/// The least that a server can do which compresses for each stream by itself: one thread, epoll, one `send` for each
/// connection and event, and a zlib state for each, with zlib's own sizes.
class StatesServer {
 public:
  void run() {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0) throw system_failure("bind");
    ::listen(listener_, 4096);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    say_port(ntohs(address.sin_port));
    watch(listener_);
    watch(STDIN_FILENO);
    for (;;) {
      epoll_event events[64];
      const int count = ::epoll_wait(epoll_, events, 64, -1);
      for (int i = 0; i < count; ++i) {
        const int fd = events[i].data.fd;
        if (fd == listener_) {
          accept_all();
        } else if (fd == STDIN_FILENO) {
          if (!commands_.fill()) std::_Exit(0);
          for (std::string line; commands_.take(line);) obey(parse_command(line));
        } else {
          read(fd);
        }
      }
    }
  }

 private:
  struct Stream {
    int fd = -1;
    std::string user;
    z_stream deflater{};
  };

  void watch(int fd) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0) return;
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      watch(fd);
    }
  }

  // The client sends its request at once, as a whole.
  void read(int fd) {
    char bytes[2048];
    const ssize_t got = ::recv(fd, bytes, sizeof bytes, 0);
    if (got <= 0) return close(fd);
    const std::string_view request(bytes, static_cast<std::size_t>(got));
    const std::size_t begin = std::string_view("GET /events/").size(), end = request.find(' ', begin);
    auto stream = std::make_unique<Stream>();
    stream->fd = fd;
    stream->user = request.substr(begin, end - begin);
    constexpr int gzip = 16;
    if (deflateInit2(&stream->deflater, 6, Z_DEFLATED, gzip + 15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
      throw std::bad_alloc();
    constexpr std::string_view head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store, no-transform\r\n"
        "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n";
    ::send(fd, head.data(), head.size(), MSG_NOSIGNAL);
    by_user_[stream->user] = stream.get();
    streams_[fd] = std::move(stream);
  }

  void close(int fd) {
    const auto found = streams_.find(fd);
    if (found != streams_.end()) {
      by_user_.erase(found->second->user);
      deflateEnd(&found->second->deflater);
      streams_.erase(found);
    }
    ::close(fd);
  }

  void obey(const Command& command) {
    std::string text = command.name.empty() ? "" : "event: " + command.name + "\n";
    std::size_t begin = 0;
    for (std::size_t end = 0; end != std::string::npos; begin = end + 1) {
      end = command.data.find('\n', begin);
      text += "data: " + command.data.substr(begin, end - begin) + "\n";
    }
    text += "\n";
    if (command.for_everybody()) {
      for (auto& [fd, stream] : streams_) give(*stream, text);
    } else if (const auto found = by_user_.find(command.to); found != by_user_.end()) {
      give(*found->second, text);
    }
  }

  void give(Stream& stream, std::string_view text) {
    constexpr std::size_t head_room = 10;
    out_.resize(head_room + text.size() + 128);
    stream.deflater.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.deflater.avail_in = static_cast<uInt>(text.size());
    stream.deflater.next_out = reinterpret_cast<Bytef*>(out_.data() + head_room);
    stream.deflater.avail_out = static_cast<uInt>(out_.size() - head_room - 2);
    deflate(&stream.deflater, Z_SYNC_FLUSH);
    const std::size_t end = out_.size() - 2 - stream.deflater.avail_out;
    char head[head_room + 1];
    const auto head_size = static_cast<std::size_t>(std::snprintf(head, sizeof head, "%zx\r\n", end - head_room));
    const std::size_t begin = head_room - head_size;
    out_.replace(begin, head_size, head, head_size);
    out_.replace(end, 2, "\r\n");
    ::send(stream.fd, out_.data() + begin, end + 2 - begin, MSG_NOSIGNAL);
  }

  int epoll_ = -1, listener_ = -1;
  LineReader commands_{STDIN_FILENO};
  std::map<int, std::unique_ptr<Stream>> streams_;
  std::map<std::string, Stream*> by_user_;
  std::string out_;
};

}  // namespace bench
