// AsioPoller: the sockets of one loop watched through Asio alone. Slower than EpollPoller and portable.
//
// The interface is EpollPoller's. All members run on the loop's executor.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/ip/tcp.hpp>

#include <spate/loop/detail/insist.hpp>
#include <spate/loop/detail/owned_socket.hpp>
#include <spate/loop/detail/resident.hpp>

namespace spate::detail {

/// Names a socket of one poller.
using SocketId = int;
inline constexpr SocketId no_socket = -1;

class AsioPoller {
 public:
  static constexpr std::size_t max_buffers = 64;

  AsioPoller(asio::any_io_executor executor, std::function<void()> ready)
      : executor_(std::move(executor)), ready_(std::move(ready)) {}
  AsioPoller(const AsioPoller&) = delete;
  AsioPoller& operator=(const AsioPoller&) = delete;
  ~AsioPoller() { stop(); }

  static void limit_silence(SocketAcceptor&, std::chrono::milliseconds) noexcept {}  // not portable

  static OwnedSocket accept(SocketAcceptor& acceptor, SocketProtocol::endpoint& remote, std::error_code& error) {
#if defined(_WIN32)
    // Not by Asio, which would bind it to a completion port that not every Windows lets it leave.
    auto size = static_cast<socklen_t>(remote.capacity());
    const NativeSocket native = ::accept(acceptor.native_handle(), remote.data(), &size);
    if (native == static_cast<NativeSocket>(-1)) {
      error = last_socket_error();
      return {};
    }
    remote.resize(static_cast<std::size_t>(size));
    ::WSAEventSelect(native, nullptr, 0);  // inherited from the acceptor
    return OwnedSocket::from(native, error);
#else
    SocketProtocol::socket socket(acceptor.get_executor());
    acceptor.accept(socket, remote, error);
    return error ? OwnedSocket() : OwnedSocket::from(std::move(socket), error);
#endif
  }

  SocketId attach(OwnedSocket owned, std::error_code& error) {
    SocketProtocol::socket socket(executor_);
    const auto native = owned.release();
    socket.assign(owned.protocol(), native, error);
    if (error) {
      owned = OwnedSocket(native, owned.protocol());  // whose end closes it
      return no_socket;
    }
    socket.non_blocking(true, error);
    if (error) return no_socket;
    while (slots_.contains(next_)) next_ = next_ == 0x7FFFFFFF ? 0 : next_ + 1;
    slots_.emplace(next_, std::make_shared<Slot>(std::move(socket)));
    count_.store(slots_.size(), std::memory_order_relaxed);
    return next_++;
  }

  void set_resident(SocketId socket, Ref<Resident> resident) {
    const auto slot = slots_.at(socket);
    std::swap(slot->resident, resident);
    await(slot, asio::socket_base::wait_read);
  }

  std::size_t read(SocketId socket, char* data, std::size_t size, std::error_code& error) {
    const auto& slot = slots_.at(socket);
    const std::size_t taken = slot->socket.read_some(asio::buffer(data, size), error);
    // On Windows a connection that broke may be told once, to whoever waits, and looks like one that ended after that.
    if (error == asio::error::eof && slot->broken) error = slot->broken;
    return taken;
  }

  std::size_t write(SocketId socket, const asio::const_buffer* buffers, std::size_t count, std::error_code& error) {
    return slots_.at(socket)->socket.write_some(Buffers{buffers, buffers + count}, error);
  }

  /// What a wait has told; else writing tells.
  std::error_code broken(SocketId socket) const { return slots_.at(socket)->broken; }

  /// Not to be had by portable means: zero, as if all were acknowledged that was written.
  std::size_t unacknowledged(SocketId) const noexcept { return 0; }

  void hold(SocketId socket, Ref<Resident> ticket) { slots_.at(socket)->ticket = std::move(ticket); }

  void await_writable(SocketId socket) { await(slots_.at(socket), asio::socket_base::wait_write); }
  void await_readable(SocketId socket) { await(slots_.at(socket), asio::socket_base::wait_read); }

  void shutdown_send(SocketId socket) {
    std::error_code ignored;  // the peer may be gone already, which the caller learns by on_hangup
    slots_.at(socket)->socket.shutdown(asio::socket_base::shutdown_send, ignored);
  }

  void close(SocketId socket) {
    const auto found = slots_.find(socket);
    const std::shared_ptr<Slot> slot = found->second;
    slots_.erase(found);
    count_.store(slots_.size(), std::memory_order_relaxed);
    const Ref<Resident> resident = std::move(slot->resident);
    slot->ticket = nullptr;
    std::error_code ignored;  // nothing can be done about a failed close
    slot->socket.close(ignored);
  }

  void abort(SocketId socket) {
    std::error_code ignored;
    slots_.at(socket)->socket.set_option(asio::socket_base::linger(true, 0), ignored);
    close(socket);
  }

  /// Any thread. Sockets that it watches.
  std::size_t count() const noexcept { return count_.load(std::memory_order_relaxed); }

  std::vector<Ref<Resident>> residents() const {
    std::vector<Ref<Resident>> all;
    for (const auto& [id, slot] : slots_) {
      if (slot->resident) all.push_back(slot->resident);
    }
    return all;
  }

  static constexpr int max_dispatch = 256;

  void dispatch(int most, std::exception_ptr& failure) {
    for (; most > 0 && !happened_.empty(); --most) {
      const Happening happening = std::move(happened_.front());
      happened_.pop_front();
      // Held: it may let go of the socket, and then nobody else may.
      if (const Ref<Resident> resident = happening.slot->resident) {
        run_for(*resident, failure, [&] { tell(happening, *resident); });
      }
    }
  }
  bool more() const noexcept { return !happened_.empty(); }

  void stop() {
    while (!slots_.empty()) close(slots_.begin()->first);
    happened_.clear();
    executor_ = {};
  }

 private:
  struct Slot {
    explicit Slot(SocketProtocol::socket own) : socket(std::move(own)) {}
    SocketProtocol::socket socket;
    Ref<Resident> resident;
    Ref<Resident> ticket;
    std::error_code broken;
    bool awaits_input = false;
    bool awaits_output = false;
  };
  // What Asio has told, kept for `dispatch`.
  struct Happening {
    std::shared_ptr<Slot> slot;
    asio::socket_base::wait_type type;
    bool failed;
  };
  // A buffer sequence over a plain array.
  struct Buffers {
    const asio::const_buffer* first;
    const asio::const_buffer* last;
    const asio::const_buffer* begin() const noexcept { return first; }
    const asio::const_buffer* end() const noexcept { return last; }
  };

  void await(const std::shared_ptr<Slot>& slot, asio::socket_base::wait_type type) {
    bool& awaits = type == asio::socket_base::wait_read ? slot->awaits_input : slot->awaits_output;
    if (awaits) return;
    slot->socket.async_wait(type, [this, slot, type](const std::error_code& error) {
      if (!slot->resident) return;  // closed meanwhile: `this` may be gone
      if (error) slot->broken = error;
      insist([&] { happened_.push_back({slot, type, static_cast<bool>(error)}); });  // nobody would tell it again
      ready_();
    });
    awaits = true;
  }

  void tell(const Happening& happening, Resident& resident) {
    const auto& [slot, type, failed] = happening;
    (type == asio::socket_base::wait_read ? slot->awaits_input : slot->awaits_output) = false;
    if (type == asio::socket_base::wait_write) {
      resident.on_writable();
    } else if (failed) {
      resident.on_hangup();
    } else if (resident.on_readable() && slot->resident) {
      await(slot, type);
    }
  }

  asio::any_io_executor executor_;
  std::function<void()> ready_;
  std::unordered_map<SocketId, std::shared_ptr<Slot>> slots_;
  std::atomic<std::size_t> count_{0};  // of slots
  std::deque<Happening> happened_;
  SocketId next_ = 0;
};

}  // namespace spate::detail
