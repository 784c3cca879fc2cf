// The members of Server.
#pragma once

#include <algorithm>
#include <cstring>
#include <sstream>

#include <spate/config.hpp>
#include <spate/loop/detail/close_on_exec.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/loop/detail/signals_blocked.hpp>
#include <spate/server/server.hpp>

namespace spate {

struct Server::Drain : std::enable_shared_from_this<Drain> {
  Drain(std::vector<detail::Ref<detail::Shard>> all, std::function<void(std::size_t)> callback)
      : shards(std::move(all)), done(std::move(callback)), busy(shards.size()), timer(shards.front()->executor()) {}

  void begin(std::chrono::milliseconds deadline) {
    for (const auto& shard : shards) {
      shard->run([self = shared_from_this(), shard] {
        shard->drain();
        shard->when_idle([self] {
          if (self->busy.fetch_sub(1) == 1) self->finish();
        });
      });
    }
    detail::post_function(timer.get_executor(), [self = shared_from_this(), deadline] {
      if (self->finished) return;
      self->timer.expires_after(deadline);
      self->timer.async_wait(detail::WaitHandler([self](const std::error_code& error) {
        if (!error) self->cut_rest();
      }));
    });
  }

  void cut_rest() {
    for (const auto& shard : shards) {
      shard->run([self = shared_from_this(), shard] {
        std::exception_ptr failure;
        self->cut += shard->cut(failure);
        if (failure) std::rethrow_exception(failure);  // for whoever runs the loop
      });
    }
  }

  // Every shard has become idle, by itself, by the cut, or because the server was stopped.
  void finish() {
    detail::post_function(timer.get_executor(), [self = shared_from_this()] {
      self->finished = true;
      self->timer.cancel();
    });
    if (done) std::exchange(done, nullptr)(cut);
  }

  const std::vector<detail::Ref<detail::Shard>> shards;
  std::function<void(std::size_t)> done;
  std::atomic<std::size_t> busy;
  std::atomic<std::size_t> cut{0};
  asio::steady_timer timer;
  bool finished = false;
};

SPATE_DECL Server::Server(asio::any_io_executor executor, ServerOptions options)
    : core_(detail::make_ref<detail::ServerCore>(options)) {
  if (!unix_path_of(options.address)) parse_listen_address(options.address);  // throws when it is none
  for (std::size_t i = 0; i < options.threads; ++i) loops_.push_back(std::make_unique<Loop>());
  for (const auto& loop : loops_) {
    shards_.push_back(detail::make_ref<detail::Shard>(loop->context.get_executor()));
  }
  if (loops_.empty()) shards_.push_back(detail::make_ref<detail::Shard>(asio::make_strand(executor)));
}

SPATE_DECL Server::Server(ServerOptions options)
    : Server(asio::any_io_executor(), [&] {
        options.threads = std::max<std::size_t>(options.threads, 1);
        return std::move(options);
      }()) {}

SPATE_DECL void Server::start() {
  {
    const detail::Lock lock(mutex_);
    if (started_) throw std::invalid_argument("spate::Server: start() for the second time");
    if (stopped_) throw std::invalid_argument("spate::Server: start() after stop()");
  }
  detail::AnyAcceptor acceptor(shards_.front()->executor());
  detail::SocketFile file;
  const auto path = unix_path_of(core_->options.address);
  try {
    if (path) file = detail::listen_at(acceptor, *path);
    if (!path) listen_by_tcp(acceptor);
  } catch (const std::system_error& error) {
    const std::error_code code(error.code().value(), std::system_category());  // Asio's own equals no std::errc
    const std::string port = path ? "" : " port " + std::to_string(core_->options.port);
    throw std::system_error(code, "spate::Server: cannot listen on " + core_->options.address + port);
  }
  listen(std::move(acceptor), std::move(file));
  const detail::Lock lock(mutex_);
  started_ = true;
}

SPATE_DECL void Server::listen_by_tcp(detail::AnyAcceptor& acceptor) {
  const asio::ip::tcp::endpoint wanted(parse_listen_address(core_->options.address), core_->options.port);
  std::error_code no_socket;
  detail::open_close_on_exec(acceptor, wanted.protocol(), no_socket);
  if (no_socket) throw std::system_error(no_socket);
  acceptor.set_option(asio::socket_base::reuse_address(true));
  acceptor.bind(wanted);
  acceptor.listen();
  const auto bound = acceptor.local_endpoint();
  endpoint_.resize(bound.size());
  std::memcpy(endpoint_.data(), bound.data(), bound.size());
}

SPATE_DECL std::string Server::listens_on() const {
  if (unix_path_of(core_->options.address)) return core_->options.address;
  std::ostringstream text;
  text << "http://" << endpoint_;
  return text.str();
}

SPATE_DECL void Server::adopt(asio::ip::tcp::acceptor acceptor) {
  adopt_acceptor(std::move(acceptor));
}

SPATE_DECL void Server::adopt(asio::local::stream_protocol::acceptor acceptor) {
  adopt_acceptor(std::move(acceptor));
}

template <typename Acceptor>
void Server::adopt_acceptor(Acceptor acceptor) {
  const auto protocol = acceptor.local_endpoint().protocol();
  const asio::any_io_executor executor = shards_.front()->executor();
  if (!executor) return;  // it has stopped
  listen(detail::AnyAcceptor(executor, protocol, acceptor.release()), {});
}

SPATE_DECL void Server::listen(detail::AnyAcceptor acceptor, detail::SocketFile file) {
  const auto& shard = shards_.front();
  const detail::Lock lock(mutex_);
  if (stopped_) return;
  detail::close_on_exec(acceptor.native_handle());
  serving_.store(true, std::memory_order_relaxed);
  // It is on a loop of this server, whose thread from now on is the only one that has to do with it.
  auto listener = detail::make_ref<detail::Listener>(std::move(acceptor), std::move(file), core_, shards_);
  listeners_.push_back(listener);
  start_threads();
  shard->run([listener] { listener->start(); });
}

SPATE_DECL void Server::adopt(asio::ip::tcp::socket socket) {
  adopt_object(std::move(socket), std::nullopt);
}
SPATE_DECL void Server::adopt(asio::ip::tcp::socket socket, Request request) {
  adopt_object(std::move(socket), std::move(request));
}
SPATE_DECL void Server::adopt(asio::local::stream_protocol::socket socket) {
  adopt_object(std::move(socket), std::nullopt);
}
SPATE_DECL void Server::adopt(asio::local::stream_protocol::socket socket, Request request) {
  adopt_object(std::move(socket), std::move(request));
}
SPATE_DECL void Server::adopt(NativeSocket socket) {
  adopt_native(socket, std::nullopt);
}
SPATE_DECL void Server::adopt(NativeSocket socket, Request request) {
  adopt_native(socket, std::move(request));
}

template <typename Socket>
void Server::adopt_object(Socket socket, std::optional<Request> read) {
  std::error_code error;
  auto owned = detail::OwnedSocket::from(std::move(socket), error);
  if (!error) take_over(std::move(owned), std::move(read));  // else its client has gone
}

SPATE_DECL void Server::adopt_native(NativeSocket socket, std::optional<Request> read) {
  std::error_code error;
  auto owned = detail::OwnedSocket::from(socket, error);
  if (error) {
    throw std::system_error(error, "spate::Server: cannot adopt the descriptor " + std::to_string(socket));
  }
  take_over(std::move(owned), std::move(read));
}

SPATE_DECL void Server::take_over(detail::OwnedSocket owned, std::optional<Request> read) {
  std::error_code unnamed, gone;
  const auto local = detail::ip_address_of(detail::endpoint_of(owned.native(), ::getsockname, unnamed));
  const auto remote = detail::endpoint_of(owned.native(), ::getpeername, gone);
  if (unnamed || gone) return;  // its client has gone
  auto entry = detail::let_in(*core_, owned, remote);
  if (!entry) return;
  const auto& shard = next_shard();
  shard->run([shard, core = core_, owned = std::move(owned), local, entry = std::move(*entry),
              read = std::move(read)]() mutable {
    detail::begin_session(shard, core, std::move(owned), core->hosts_of(local), std::move(entry), std::move(read));
  });
}

SPATE_DECL const detail::Ref<detail::Shard>& Server::next_shard() {
  {
    const detail::Lock lock(mutex_);
    serving_.store(true, std::memory_order_relaxed);
    if (!stopped_) start_threads();
  }
  return shards_[next_.fetch_add(1, std::memory_order_relaxed) % shards_.size()];
}

SPATE_DECL void Server::start_threads() {
  // What was posted as the loop stopped; nobody who posts again and again may keep it from ending.
  static constexpr int most_left = 100'000;
  const detail::SignalsBlocked blocked;
  for (const auto& loop : loops_) {
    if (loop->thread.joinable()) continue;
    loop->thread = std::thread([&context = loop->context, core = core_] {
      const auto run = [&](const auto& some) {
        for (;;) {
          try {
            return some();
          } catch (...) {
            core->report(std::current_exception());  // of a callback; the loop goes on
          }
        }
      };
      run([&] { context.run(); });
      context.restart();
      int left = most_left;
      run([&] {
        while (left-- > 0 && context.poll_one() > 0) continue;
      });
    });
  }
}

SPATE_DECL void Server::shutdown(std::chrono::milliseconds deadline, std::function<void(std::size_t cut)> done) {
  detail::require_not_negative("spate::Server::shutdown: the deadline", deadline);
  const detail::Lock lock(mutex_);
  if (drain_ || stopped_) return;
  start_threads();  // somebody has to call back
  core_->draining.store(true);
  shards_.front()->run([listeners = listeners_] {
    for (const auto& listener : listeners) listener->stop();
  });
  drain_ = std::make_shared<Drain>(shards_, std::move(done));
  drain_->begin(deadline);
}

SPATE_DECL void Server::stop() {
  std::vector<detail::Ref<detail::Listener>> listeners;
  std::shared_ptr<Drain> drain;
  {
    const detail::Lock lock(mutex_);
    if (std::exchange(stopped_, true)) return;
    core_->draining.store(true);
    listeners.swap(listeners_);
    drain.swap(drain_);
  }
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    const auto end = [core = core_, shard = shards_[i], drain, own = std::exchange(listeners, {})] {
      for (const auto& listener : own) listener->stop();
      const std::size_t cut = shard->stop(core->options.on_exception);
      if (drain) drain->cut += cut;
    };
    if (i >= loops_.size() || !loops_[i]->thread.joinable()) {
      end();
      continue;
    }
    detail::insist([&] {
      detail::post_function(shards_[i]->executor(), [&context = loops_[i]->context, end] {
        end();
        context.stop();
      });
    });
  }
  for (const auto& loop : loops_) {
    if (loop->thread.joinable()) loop->thread.join();
  }
}

SPATE_DECL ServerStats Server::stats() const {
  ServerStats stats;
  stats.connections = core_->connections.load(std::memory_order_relaxed);
  stats.requests = core_->requests.load(std::memory_order_relaxed);
  stats.rejected = core_->rejected.load(std::memory_order_relaxed);
  stats.accept_errors = core_->accept_errors.load(std::memory_order_relaxed);
  for (const auto& shard : shards_) {
    const detail::ShardCounters& counters = std::as_const(*shard).counters();
    std::uint64_t ended = 0;
    for (std::size_t reason = 0; reason < end_reason_count; ++reason) {
      const std::uint64_t count = counters.ended[reason].get();
      stats.streams_ended[reason] += count;
      ended += count;
    }
    const std::uint64_t opened = counters.opened.get();
    stats.streams_opened += opened;
    stats.streams += opened > ended ? opened - ended : 0;  // the two are not read at one moment
    stats.deliveries += counters.deliveries.get();
    stats.bytes_sent += counters.bytes_sent.get();
    stats.dropped_events += counters.dropped.get();
    stats.replayed_events += counters.replayed.get();
    stats.gaps += counters.gaps.get();
    stats.queue_high_water_bytes = std::max(stats.queue_high_water_bytes, counters.queue_high_water.get());
  }
  return stats;
}

}  // namespace spate
