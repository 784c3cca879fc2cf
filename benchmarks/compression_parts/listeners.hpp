// The clients of one server, in a process of their own: they read all that comes, and decode what a few of them get.
//
// Commands on standard input, each of which is answered with a line:
//   open N ENCODING    opens the streams of users 0 to N-1, which ask for ENCODING
//   close              closes all
//   await N            waits until N of them have got something since the command came, and then until nothing more
//   comes.
//                      It is answered twice: with "ready", then with the bytes that came
//   told               what was decoded: a sum of the data for each of the users in `watched`
#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "client/socket.hpp"
#include "compression_parts/inflater.hpp"
#include "compression_parts/wire.hpp"

namespace bench {

/// The users whose streams are decoded, of so many.
inline std::vector<std::size_t> watched(std::size_t streams) {
  constexpr std::size_t few = 8;
  std::vector<std::size_t> users;
  for (std::size_t i = 0; i < std::min(few, streams); ++i) users.push_back(i * streams / std::min(few, streams));
  return users;
}

/// A sum of the data of events, in their order.
class DataSum {
 public:
  void add(std::string_view data) {
    for (const char c : data) sum_ = (sum_ ^ static_cast<unsigned char>(c)) * 1099511628211U;
    sum_ = (sum_ ^ 0x100U) * 1099511628211U;
  }
  std::uint64_t value() const { return sum_; }

 private:
  std::uint64_t sum_ = 14695981039346656037U;
};

/// What is told to one client: the head, then chunks, perhaps compressed, then lines.
class Decoded {
 public:
  void feed(std::string_view bytes) {
    held_ += bytes;
    if (!headed_) {
      const std::size_t end = held_.find("\r\n\r\n");
      if (end == std::string::npos) return;
      std::string head = held_.substr(0, end);
      std::transform(head.begin(), head.end(), head.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      if (head.find("content-encoding: gzip") != std::string::npos)
        inflater_ = std::make_unique<Inflater>(Inflater::Format::gzip);
      headed_ = true;
      held_.erase(0, end + 4);
    }
    for (;;) {
      const std::size_t end = held_.find("\r\n");
      if (end == std::string::npos) return;
      const std::size_t size = std::stoul(held_, nullptr, 16);
      if (held_.size() < end + 2 + size + 2) return;
      const std::string_view body = std::string_view(held_).substr(end + 2, size);
      if (inflater_) {
        inflater_->feed(body, text_);
      } else {
        text_ += body;
      }
      held_.erase(0, end + 2 + size + 2);
      lines();
    }
  }
  std::uint64_t sum() const { return sum_.value(); }

 private:
  void lines() {
    std::size_t begin = 0;
    for (std::size_t end; (end = text_.find('\n', begin)) != std::string::npos; begin = end + 1) {
      const std::string_view line = std::string_view(text_).substr(begin, end - begin);
      if (line.substr(0, 6) == "data: ") sum_.add(line.substr(6));
    }
    text_.erase(0, begin);
  }

  bool headed_ = false;
  std::unique_ptr<Inflater> inflater_;
  std::string held_, text_;
  DataSum sum_;
};

class Listeners {
 public:
  explicit Listeners(std::uint16_t port) : port_(port), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

  void run() {
    LineReader commands(STDIN_FILENO);
    for (std::string line; commands.next(line);) {
      std::istringstream words(line);
      std::string verb, encoding;
      std::size_t count = 0;
      words >> verb >> count >> encoding;
      if (verb == "open") open(count, encoding);
      if (verb == "close") close_all();
      if (verb == "await") {
        ++round_;
        reached_ = 0;
        write_all(STDOUT_FILENO, "ready\n");
        await(count);
        write_all(STDOUT_FILENO, std::to_string(bytes_) + "\n");
      }
      if (verb == "told") {
        std::string sums;
        for (const std::size_t user : watched(streams_.size()))
          sums += std::to_string(streams_[user].decoded->sum()) + " ";
        write_all(STDOUT_FILENO, sums + "\n");
      }
      if (verb == "open" || verb == "close") write_all(STDOUT_FILENO, "done\n");
    }
    std::_Exit(0);
  }

 private:
  struct Stream {
    int fd = -1;
    std::uint64_t round = 0;  // when it last got something
    std::unique_ptr<Decoded> decoded;
  };

  void open(std::size_t count, const std::string& encoding) {
    Connector connector("127.0.0.1", {port_}, 1);
    streams_.resize(count);
    for (const std::size_t user : watched(count)) streams_[user].decoded = std::make_unique<Decoded>();
    constexpr std::size_t at_once = 64;
    for (std::size_t begin = 0; begin < count; begin += at_once) {
      const std::size_t end = std::min(count, begin + at_once);
      ++round_;
      reached_ = 0;
      for (std::size_t user = begin; user < end; ++user) {
        Stream& stream = streams_[user];
        stream.fd = connector.connect();
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = user;
        ::epoll_ctl(epoll_, EPOLL_CTL_ADD, stream.fd, &event);
        write_all(stream.fd, "GET /events/u" + std::to_string(user) + " HTTP/1.1\r\nHost: 127.0.0.1:" +
                                 std::to_string(port_) + "\r\nAccept-Encoding: " + encoding + "\r\n\r\n");
      }
      await(end - begin);
    }
  }

  void close_all() {
    for (const Stream& stream : streams_) ::close(stream.fd);
    streams_.clear();
  }

  void await(std::size_t count) {
    constexpr int quiet_ms = 3;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < deadline) {
      epoll_event events[256];
      const int ready = ::epoll_wait(epoll_, events, 256, quiet_ms);
      if (ready == 0 && reached_ >= count) return;
      for (int i = 0; i < ready; ++i) read(streams_[events[i].data.u64]);
    }
    throw std::runtime_error(std::to_string(reached_) + " of " + std::to_string(count) + " streams got something");
  }

  void read(Stream& stream) {
    char bytes[16 * 1024];
    const ssize_t got = ::recv(stream.fd, bytes, sizeof bytes, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) throw std::runtime_error("a stream has ended");
    bytes_ += static_cast<std::uint64_t>(got);
    if (stream.round != round_) ++reached_;
    stream.round = round_;
    if (stream.decoded) stream.decoded->feed({bytes, static_cast<std::size_t>(got)});
  }

  const std::uint16_t port_;
  const int epoll_;
  std::vector<Stream> streams_;
  std::uint64_t round_ = 0, bytes_ = 0;
  std::size_t reached_ = 0;
};

}  // namespace bench
