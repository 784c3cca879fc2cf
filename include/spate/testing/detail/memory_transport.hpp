// A transport without sockets: what is written to a peer waits until the test reads it, what the test sends is there to
// be read, and writes split, stop and fail where the test says so.
//
//   MemoryTransport transport;
//   Peer peer = transport.connect();   // for the code under test
//   transport.client().take();         // all that has been written since the last take
//
// One thread, but for `count`.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/buffer.hpp>
#include <asio/error.hpp>

#include <spate/loop/detail/loop.hpp>
#include <spate/loop/detail/resident.hpp>
#include <spate/transport/detail/byte_transport.hpp>
#include <spate/transport/detail/peer.hpp>
#include <spate/wire/detail/ref.hpp>

namespace spate::detail {

class MemoryTransport final : public ByteTransport, public OtherResidents {
 public:
  static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

  /// The other end, which the test has.
  class Client {
   public:
    /// What has been written and not been taken yet.
    std::string_view waiting() const noexcept { return written_; }
    bool saw_end() const noexcept { return ended_; }
    bool saw_break() const noexcept { return broken_; }
    /// Whether nothing is left of the connection on the server's side.
    bool is_gone() const noexcept { return closed_; }

    /// How many writes have taken something.
    std::size_t writes() const noexcept { return writes_; }
    /// How much the largest had to give, whether or not all of it was taken.
    std::size_t largest_write() const noexcept { return largest_write_; }

    /// Reads everything, which makes room for more.
    std::string take() { return take(unlimited); }
    std::string take(std::size_t most) {
      std::string taken;
      if (most < written_.size()) {
        taken = written_.substr(0, most);
        written_.erase(0, most);
      } else {
        taken = std::exchange(written_, {});
      }
      look_for_room();
      look_for_reader();
      return taken;
    }

    void send(std::string_view bytes) {
      put(bytes);
      deliver();
    }
    /// Sends `bytes`, of which nobody is told before `deliver`.
    void put(std::string_view bytes) { sent_ += bytes; }
    void deliver() {
      if (const auto resident = resident_) resident->on_readable();
      look_for_reader();
    }
    /// The client ends its side.
    void end() {
      end_sent_ = true;
      if (const auto resident = resident_) resident->on_readable();
      tell(&Resident::on_hangup);
    }
    /// The client closes its end altogether. What it is sent from now on is lost, and breaks the connection: then
    /// `break_if_lost` is to be called, outside of every call of the transport.
    void leave() {
      left_ = true;
      end();
    }
    bool has_lost() const noexcept { return lost_ && !closed_; }
    void break_if_lost() {
      if (std::exchange(lost_, false)) reset();
    }
    /// The connection breaks.
    void reset() {
      reset_ = true;
      tell(&Resident::on_hangup);
    }

    /// So much may wait to be taken, and no more is written.
    void limit_room(std::size_t bytes) {
      room_ = bytes;
      look_for_room();
    }
    /// One write takes no more than so much, and is not full for that.
    void split_writes(std::size_t most) { split_ = most; }
    /// The write after `count` more fails.
    void fail_write(std::size_t count, std::error_code error) {
      writes_left_ = count;
      failure_ = error;
    }

   private:
    friend class MemoryTransport;

    void look_for_room() {
      if (written_.size() < room_ && std::exchange(awaits_writable_, false)) tell(&Resident::on_writable);
    }
    // Who has asked for it reads on where they stopped.
    void look_for_reader() {
      while (std::exchange(awaits_readable_, false)) {
        if (const auto resident = resident_) resident->on_readable();
      }
    }
    void tell(void (Resident::*what)()) {
      if (const auto resident = resident_) (resident.get()->*what)();
    }

    Ref<Resident> resident_;
    Ref<Resident> ticket_;
    std::string written_, sent_;
    std::size_t room_ = unlimited, split_ = unlimited, writes_left_ = unlimited;
    std::size_t writes_ = 0, largest_write_ = 0;
    std::error_code failure_;
    bool awaits_writable_ = false, awaits_readable_ = false;
    bool end_sent_ = false, reset_ = false, left_ = false, lost_ = false;
    bool ended_ = false, broken_ = false, closed_ = false;
  };

  Peer connect() {
    clients_.emplace_back();
    ++open_;
    return {*this, static_cast<int>(clients_.size()) - 1};
  }
  /// Of the last connection.
  Client& client() { return clients_.back(); }
  Client& client(std::size_t index) { return clients_.at(index); }

  /// Keeps `ticket` until the server has closed the connection.
  void hold(int peer, Ref<Resident> ticket) { at(peer).ticket_ = std::move(ticket); }
  /// From now on `watch` is shown each resident that a peer is given.
  void watch_residents(std::function<void(int peer, Resident& resident)> watch) { watch_ = std::move(watch); }
  /// All bytes that have been written, to whomever.
  std::size_t total_written() const noexcept { return total_written_; }

  std::vector<Ref<Resident>> residents() const override {
    std::vector<Ref<Resident>> all;
    for (const Client& client : clients_) {
      if (client.resident_) all.push_back(client.resident_);
    }
    return all;
  }
  std::size_t count() const override { return open_.load(std::memory_order_relaxed); }

  void set_resident(int peer, Ref<Resident> resident) override {
    if (watch_ && resident) watch_(peer, *resident);
    std::swap(at(peer).resident_, resident);
  }

  std::size_t read(int peer, char* data, std::size_t size, std::error_code& error) override {
    Client& client = at(peer);
    const std::size_t count = client.sent_.copy(data, size);
    client.sent_.erase(0, count);
    error.clear();
    if (count > 0) return count;
    if (client.reset_) {
      error = asio::error::connection_reset;
    } else {
      error = client.end_sent_ ? std::error_code(asio::error::eof) : std::error_code(asio::error::would_block);
    }
    return 0;
  }

  std::size_t write(int peer, const asio::const_buffer* buffers, std::size_t count, std::size_t size,
                    std::error_code& error) override {
    Client& client = at(peer);
    error.clear();
    if (client.reset_) error = asio::error::broken_pipe;
    if (client.writes_left_ == 0) error = client.failure_;
    if (error) return 0;
    if (client.left_) {
      client.lost_ = true;
      return size;
    }
    if (client.writes_left_ != unlimited) --client.writes_left_;
    std::size_t offered = 0;
    for (std::size_t i = 0; i < count; ++i) offered += buffers[i].size();
    if (offered != size) throw std::logic_error("the size of a write is not that of its buffers");
    client.largest_write_ = std::max(client.largest_write_, size);
    const std::size_t room = client.room_ - std::min(client.room_, client.written_.size());
    if (room < std::min(size, client.split_)) error = asio::error::would_block;
    const std::size_t taken = std::min({size, client.split_, room});
    for (std::size_t i = 0, left = taken; left > 0; ++i) {
      const std::size_t part = std::min(buffers[i].size(), left);
      client.written_.append(static_cast<const char*>(buffers[i].data()), part);
      left -= part;
    }
    total_written_ += taken;
    if (taken > 0) ++client.writes_;
    return taken;
  }

  void await_writable(int peer) override { at(peer).awaits_writable_ = true; }
  void await_readable(int peer) override { at(peer).awaits_readable_ = true; }
  std::size_t unacknowledged(int peer) const override {
    return clients_.at(static_cast<std::size_t>(peer)).written_.size();
  }
  std::error_code broken(int peer) override {
    return at(peer).reset_ ? std::error_code(asio::error::connection_reset) : std::error_code();
  }
  void shut_down(int peer) override { at(peer).ended_ = true; }
  void close(int peer) override {
    Client& client = at(peer);
    client.ended_ = client.closed_ = true;
    client.sent_ = {};
    --open_;
    const Ref<Resident> resident = std::move(client.resident_);
    const Ref<Resident> ticket = std::move(client.ticket_);
  }
  void abort(int peer) override {
    at(peer).broken_ = true;
    close(peer);
  }

 private:
  Client& at(int peer) {
    Client& client = clients_.at(static_cast<std::size_t>(peer));
    if (client.closed_) throw std::logic_error("a peer is used that has been closed");
    return client;
  }

  std::deque<Client> clients_;
  std::atomic<std::size_t> open_{0};
  std::size_t total_written_ = 0;
  std::function<void(int, Resident&)> watch_;
};

}  // namespace spate::detail
