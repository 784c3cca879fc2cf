// A proxy before a redis-server that fails as networks and starting servers do: it cuts connections in the middle of an
// answer, answers like a Redis that still loads its data, is slow, or leads to another server from now on.
//
//   RedisProxy proxy(redis.port());
//   proxy.cut_after({1, 17, 100});   // so many bytes of answers for each of the next connections
//   proxy.lead_to(replica.port());   // new connections only
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

namespace spate::test {

class RedisProxy {
 public:
  explicit RedisProxy(std::uint16_t to) : to_(to), acceptor_(io_, {asio::ip::address_v4::loopback(), 0}) {
    asio::co_spawn(io_, accept(), asio::detached);
    thread_ = std::thread([this] { io_.run(); });
  }
  RedisProxy(const RedisProxy&) = delete;
  RedisProxy& operator=(const RedisProxy&) = delete;
  ~RedisProxy() {
    io_.stop();
    thread_.join();
  }

  std::string url() const { return "redis://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }

  /// Each of the next connections is cut after so many bytes of answers; those after them are left alone.
  void cut_after(const std::vector<std::size_t>& answers) {
    const std::lock_guard lock(mutex_);
    answers_.assign(answers.begin(), answers.end());
  }
  std::size_t cuts() const { return cuts_; }

  /// From now on what goes over connections that listen to channels vanishes on its way, and they stay open, as where a
  /// network forgot them; or no longer.
  void set_half_open(bool half_open) { half_open_ = half_open; }

  /// From now on new connections lead to this port.
  void lead_to(std::uint16_t port) { to_ = port; }

  /// From now on answers come no faster than so many bytes in a millisecond; 0: as fast as they can.
  void slow_down(std::size_t bytes_in_a_millisecond) { rate_ = bytes_in_a_millisecond; }

  /// From now on answers are lost on the connections that there are.
  void lose_answers() { silent_before_ = ++connections_; }

  /// From now on new connections hear from a Redis that loads its data, or no longer.
  void set_loading(bool loading) { loading_ = loading; }

 private:
  using Socket = asio::ip::tcp::socket;
  struct Pair {
    Pair(Socket accepted, Socket connected, std::size_t as_number)
        : client(std::move(accepted)), server(std::move(connected)), number(as_number) {}
    void close() {
      std::error_code ignored;  // the other direction may have closed it
      client.close(ignored);
      server.close(ignored);
    }
    Socket client;
    Socket server;
    const std::size_t number;
    bool listens = false;
  };

  asio::awaitable<void> accept() {
    for (;;) {
      Socket client = co_await acceptor_.async_accept(asio::use_awaitable);
      auto pair = std::make_shared<Pair>(std::move(client), Socket(io_), ++connections_);
      if (loading_) {
        asio::co_spawn(io_, refuse(pair), asio::detached);
      } else {
        asio::co_spawn(io_, connect(pair, next_budget()), asio::detached);
      }
    }
  }

  std::size_t next_budget() {
    const std::lock_guard lock(mutex_);
    if (answers_.empty()) return std::numeric_limits<std::size_t>::max();
    const std::size_t budget = answers_.front();
    answers_.pop_front();
    return budget;
  }

  asio::awaitable<void> connect(std::shared_ptr<Pair> pair, std::size_t budget) {
    try {
      const asio::ip::tcp::endpoint to(asio::ip::address_v4::loopback(), to_);
      co_await pair->server.async_connect(to, asio::use_awaitable);
      asio::co_spawn(io_, forward(pair, pair->client, pair->server, std::numeric_limits<std::size_t>::max()),
                     asio::detached);
      co_await forward(pair, pair->server, pair->client, budget);
    } catch (const std::exception&) {  // Redis is away, so the connection ends
      pair->close();
    }
  }

  asio::awaitable<void> forward(std::shared_ptr<Pair> pair, Socket& from, Socket& to, std::size_t budget) {
    std::array<char, 16 * 1024> piece;
    try {
      while (budget > 0) {
        const asio::mutable_buffer room(piece.data(), std::min(piece.size(), budget));
        const std::size_t size = co_await from.async_read_some(room, asio::use_awaitable);
        const asio::const_buffer bytes(piece.data(), size);
        if (std::string_view(piece.data(), size).find("SUBSCRIBE") != std::string_view::npos) pair->listens = true;
        if (half_open_ && pair->listens) continue;
        if (&from == &pair->server && pair->number < silent_before_) continue;
        co_await asio::async_write(to, bytes, asio::use_awaitable);
        if (const std::size_t rate = rate_; &from == &pair->server && rate > 0) {
          co_await pause(std::chrono::milliseconds(size / rate));
        }
        budget -= size;
      }
      ++cuts_;
    } catch (const std::exception&) {  // either end has closed: so does the other
    }
    pair->close();
  }

  asio::awaitable<void> pause(std::chrono::milliseconds how_long) {
    asio::steady_timer timer(io_, how_long);
    co_await timer.async_wait(asio::use_awaitable);
  }

  asio::awaitable<void> refuse(std::shared_ptr<Pair> pair) {
    std::array<char, 16 * 1024> piece;
    try {
      for (;;) {
        const asio::mutable_buffer room(piece.data(), piece.size());
        const std::size_t size = co_await pair->client.async_read_some(room, asio::use_awaitable);
        std::string answer;
        for (std::size_t i = 0; i < size; ++i) {
          // A command is an array, and begins a line.
          if (piece[i] == '*' && (i == 0 || piece[i - 1] == '\n')) {
            answer += "-LOADING Redis is loading the dataset in memory\r\n";
          }
        }
        const asio::const_buffer bytes(answer.data(), answer.size());
        co_await asio::async_write(pair->client, bytes, asio::use_awaitable);
      }
    } catch (const std::exception&) {  // the client has given up
    }
  }

  asio::io_context io_{1};
  std::atomic<std::uint16_t> to_;
  std::atomic<std::size_t> rate_{0};
  std::atomic<std::size_t> connections_{0};
  std::atomic<std::size_t> silent_before_{0};  // connections with lower numbers
  asio::ip::tcp::acceptor acceptor_;
  std::atomic<bool> loading_{false};
  std::atomic<bool> half_open_{false};
  std::atomic<std::size_t> cuts_{0};
  std::mutex mutex_;
  std::deque<std::size_t> answers_;
  std::thread thread_;
};

}  // namespace spate::test
