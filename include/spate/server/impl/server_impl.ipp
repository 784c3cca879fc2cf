// The functions of server_impl.hpp.
#pragma once

#include <algorithm>
#include <exception>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>

#include <spate/config.hpp>
#include <spate/loop/detail/close_on_exec.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/loop/detail/post.hpp>
#include <spate/loop/detail/signals_blocked.hpp>
#include <spate/server/detail/connection_protocol.hpp>
#include <spate/server/detail/server_impl.hpp>
#include <spate/server/listen_address.hpp>
#include <spate/wire/detail/quote.hpp>
#include <spate/wire/detail/require.hpp>

namespace spate::detail {

struct ServerImpl::Drain : std::enable_shared_from_this<Drain> {
  Drain(std::vector<Ref<Shard>> all, Ref<SignalWait> awaited, Drained callback)
      : shards(std::move(all)),
        signals(std::move(awaited)),
        done(std::move(callback)),
        busy(shards.size()),
        timer(shards.front()->executor()) {}

  void begin(std::chrono::milliseconds deadline) {
    for (const auto& shard : shards) {
      shard->run([self = shared_from_this(), shard] {
        shard->drain();
        shard->when_idle([self] {
          if (self->busy.fetch_sub(1) == 1) self->finish();
        });
      });
    }
    if (const Ref<Shard>& first = shards.front(); !first->time_runs()) {
      until = make_ref<Until>(*this);
      first->run([self = shared_from_this(), at = first->clock_now() + deadline] {
        if (!self->finished) self->shards.front()->set_timer(*self->until, at);
      });
      return;
    }
    post_function(timer.get_executor(), [self = shared_from_this(), deadline] {
      if (self->finished) return;
      self->timer.expires_after(deadline);
      self->timer.async_wait(WaitHandler([self](const std::error_code& error) {
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
    post_function(timer.get_executor(), [self = shared_from_this()] {
      self->finished = true;
      self->timer.cancel();
      if (self->until) self->shards.front()->set_timer(*self->until, never);
    });
    signals->end();  // before anybody is told: who is told to end now is to end
    if (const Drained told = std::move(done)) (*told)(cut);
  }

  // The deadline by a clock that does not run by itself.
  struct Until final : Resident {
    explicit Until(Drain& of) : drain(of) {}
    void on_timer(TimePoint) override { drain.cut_rest(); }
    Drain& drain;  // whose `finish` takes the moment back
  };

  const std::vector<Ref<Shard>> shards;
  const Ref<SignalWait> signals;
  Drained done;
  std::atomic<std::size_t> busy;
  std::atomic<std::size_t> cut{0};
  asio::steady_timer timer;
  Ref<Until> until;
  bool finished = false;
};

SPATE_DECL ServerImpl::ServerImpl(const asio::any_io_executor& executor, ServerOptions options)
    : core_(make_ref<ServerCore>(options)) {
  if (!unix_path_of(options.address)) parse_listen_address(options.address);  // throws when it is none
  for (std::size_t i = 0; i < options.threads; ++i) loops_.push_back(std::make_unique<OwnLoop>());
  for (const auto& loop : loops_) {
    shards_.push_back(make_ref<Shard>(loop->context.get_executor()));
  }
  if (loops_.empty()) shards_.push_back(make_ref<Shard>(asio::make_strand(executor)));
  if (core_->options.compression) {
    for (const auto& shard : shards_) shard->compress(core_->options.compression);
  }
  if (!core_->options.tls) return;
  std::vector<std::string> protocols{"http/1.1", "http/1.0"};
  if (core_->options.http2) protocols.emplace(protocols.begin(), core_->options.http2->alpn());
  for (const auto& shard : shards_) shard->encrypt(*core_->options.tls, protocols);
}

SPATE_DECL void ServerImpl::add_route(std::vector<std::string> methods, std::string_view pattern, Handler handler,
                                      RouteOptions options) {
  require_not_serving(quote(pattern));
  core_->router.add({std::move(methods), PathPattern(pattern), std::move(handler), std::move(options), core_->options});
}

SPATE_DECL void ServerImpl::set_fallback(Handler handler, RouteOptions options) {
  require_not_serving("the fallback");
  core_->router.set_fallback({{}, PathPattern("/{path...}"), std::move(handler), std::move(options), core_->options});
}

SPATE_DECL void ServerImpl::require_not_serving(const std::string& what) const {
  if (!serving_.load(std::memory_order_relaxed)) return;
  throw std::invalid_argument("spate::Server: routes are added before it starts, this one came later: " + what);
}

SPATE_DECL void ServerImpl::begin(Beginning how) {
  constexpr std::string_view names[] = {"", "start()", "adopt_inherited()"};
  const auto name = [&](Beginning one) { return std::string(names[static_cast<std::size_t>(one)]); };
  const Lock lock(mutex_);
  if (begun_ != Beginning::none) {
    const std::string again = begun_ == how ? " for the second time" : " after " + name(begun_);
    throw std::invalid_argument("spate::Server: " + name(how) + again);
  }
  if (stopped_) throw std::invalid_argument("spate::Server: " + name(how) + " after stop()");
  begun_ = how;
}

SPATE_DECL void ServerImpl::give_up() noexcept {
  const Lock lock(mutex_);
  begun_ = Beginning::none;
}

SPATE_DECL void ServerImpl::start() {
  begin(Beginning::start);
  try {
    listen_where_told();
  } catch (...) {
    give_up();
    throw;
  }
}

SPATE_DECL void ServerImpl::listen_where_told() {
  if (!listens_) return serve();
  SocketAcceptor acceptor(shards_.front()->executor());
  SocketFile file;
  const auto path = unix_path_of(core_->options.address);
  try {
    if (path) file = listen_at(acceptor, *path);
    if (!path) listen_by_tcp(acceptor);
  } catch (const std::system_error& error) {
#if defined(_WIN32)
    const std::error_code code = error.code();  // whose equals the standard library may not know
#else
    const std::error_code code(error.code().value(), std::system_category());  // Asio's own equals no std::errc
#endif
    const std::string port = path ? "" : " port " + std::to_string(core_->options.port);
    throw std::system_error(code, "spate::Server: cannot listen on " + core_->options.address + port);
  }
  listen({listener_of(std::move(acceptor), std::move(file))});
}

SPATE_DECL std::size_t ServerImpl::adopt_inherited() {
  begin(Beginning::inherited);
  try {
    const std::vector<InheritedSocket> sockets = inherited_sockets();
    if (sockets.empty()) {
      give_up();
      return 0;
    }
    const auto found =
        std::find_if(sockets.begin(), sockets.end(), [](const auto& socket) { return socket.port != 0; });
    const InheritedSocket& told = found == sockets.end() ? sockets.front() : *found;
    std::vector<SocketAcceptor> acceptors = acceptors_on(sockets);
    const auto ip = ip_endpoint_of(acceptors[static_cast<std::size_t>(&told - sockets.data())].local_endpoint());
    std::vector<Ref<Listener>> listeners;
    listeners.reserve(acceptors.size());
    for (SocketAcceptor& acceptor : acceptors) listeners.push_back(listener_of(std::move(acceptor), {}));
    {
      const Lock lock(mutex_);
      if (ip) endpoint_ = *ip;
      if (!ip) unix_address_ = told.address;
    }
    listen(std::move(listeners));
    forget_inherited();
    return sockets.size();
  } catch (...) {
    give_up();
    throw;
  }
}

// The sockets as acceptors on the first loop; or, when one cannot be had, an exception, and all are as they were.
SPATE_DECL std::vector<SocketAcceptor> ServerImpl::acceptors_on(const std::vector<InheritedSocket>& sockets) {
  const asio::any_io_executor executor = shards_.front()->executor();
  if (!executor) throw std::invalid_argument("spate::Server: adopt_inherited() after stop()");
  std::vector<SocketAcceptor> acceptors;
  acceptors.reserve(sockets.size());
  try {
    for (const InheritedSocket& socket : sockets) {
      std::error_code error;
      const auto endpoint = endpoint_of(socket.descriptor, ::getsockname, error);
      if (error) throw std::system_error(error);
      acceptors.emplace_back(executor);
      acceptors.back().assign(endpoint.protocol(), socket.descriptor);
      acceptors.back().non_blocking(true);
    }
  } catch (...) {
    for (SocketAcceptor& acceptor : acceptors) {
      std::error_code ignored;
      if (acceptor.is_open()) acceptor.release(ignored);
    }
    throw;
  }
  return acceptors;
}

SPATE_DECL asio::ip::tcp::endpoint ServerImpl::endpoint() const {
  const Lock lock(mutex_);
  return endpoint_;
}

SPATE_DECL void ServerImpl::listen_by_tcp(SocketAcceptor& acceptor) {
  const asio::ip::tcp::endpoint wanted(parse_listen_address(core_->options.address), core_->options.port);
  std::error_code unopened;
  open_close_on_exec(acceptor, wanted.protocol(), unopened);
  if (unopened) throw std::system_error(unopened);
#if !defined(_WIN32)  // where it would let others take the port as well
  acceptor.set_option(asio::socket_base::reuse_address(true));
#endif
  acceptor.bind(wanted);
  acceptor.listen();
  const auto bound = ip_endpoint_of(acceptor.local_endpoint());
  const Lock lock(mutex_);
  endpoint_ = *bound;
}

SPATE_DECL std::string ServerImpl::listens_on() const {
  const bool encrypted = core_->options.tls != nullptr;
  const Lock lock(mutex_);
  std::string unix_address = unix_address_;
  if (begun_ != Beginning::inherited && unix_path_of(core_->options.address)) unix_address = core_->options.address;
  if (!unix_address.empty()) return unix_address + (encrypted ? " with TLS" : "");
  std::ostringstream text;
  text << (encrypted ? "https://" : "http://") << endpoint_;
  return text.str();
}

template <typename Acceptor>
void ServerImpl::adopt_acceptor(Acceptor acceptor) {
  const SocketProtocol protocol = acceptor.local_endpoint().protocol();
  const asio::any_io_executor executor = shards_.front()->executor();
  if (!executor) return;  // it has stopped
  const SocketAcceptor::native_handle_type native = static_cast<NativeSocket>(acceptor.release());
  listen({listener_of(SocketAcceptor(executor, protocol, native), {})});
}

SPATE_DECL Ref<Listener> ServerImpl::listener_of(SocketAcceptor acceptor, SocketFile file) {
  close_on_exec(acceptor.native_handle());
  return make_ref<Listener>(std::move(acceptor), std::move(file), core_, shards_);
}

// They are on a loop of this server, whose thread from now on is the only one that has to do with them.
SPATE_DECL void ServerImpl::listen(std::vector<Ref<Listener>> listeners) {
  const auto& shard = shards_.front();
  const Lock lock(mutex_);
  if (stopped_) return;
  serving_.store(true, std::memory_order_relaxed);
  listeners_.insert(listeners_.end(), listeners.begin(), listeners.end());
  start_threads();
  shard->run([listeners = std::move(listeners)] {
    for (const auto& listener : listeners) listener->start();
  });
}

template <typename Socket>
void ServerImpl::adopt_object(Socket socket, DoneBefore before) {
  std::error_code error;
  auto owned = OwnedSocket::from(std::move(socket), error);
  if (!error) take_over(std::move(owned), std::move(before));  // else its client has gone
}

SPATE_DECL void ServerImpl::adopt_native(OwnedSocket::Native socket, DoneBefore before) {
  std::error_code error;
  auto owned = OwnedSocket::from(socket, error);
  if (error) {
    throw std::system_error(error, "spate::Server: cannot adopt the descriptor " + std::to_string(socket));
  }
  take_over(std::move(owned), std::move(before));
}

SPATE_DECL void ServerImpl::take_over(OwnedSocket owned, DoneBefore before) {
  std::error_code unnamed, gone;
  const auto local = ip_address_of(endpoint_of(owned.native(), ::getsockname, unnamed));
  const auto remote = endpoint_of(owned.native(), ::getpeername, gone);
  if (unnamed || gone) return;  // its client has gone
  auto entry = let_in(*core_, owned, remote);
  if (!entry) return;
  const auto& shard = next_shard();
  shard->run([shard, core = core_, owned = std::move(owned), local, entry = std::move(*entry),
              before = std::move(before)]() mutable {
    begin_connection(shard, core, std::move(owned), core->hosts_of(local), std::move(entry), std::move(before));
  });
}

SPATE_DECL const Ref<Shard>& ServerImpl::next_shard() {
  {
    const Lock lock(mutex_);
    serving_.store(true, std::memory_order_relaxed);
    if (!stopped_) start_threads();
  }
  return shards_[next_.fetch_add(1, std::memory_order_relaxed) % shards_.size()];
}

SPATE_DECL void ServerImpl::start_threads() {
  // What was posted as the loop stopped; nobody who posts again and again may keep it from ending.
  static constexpr int max_left = 100'000;
  [[maybe_unused]] const SignalsBlocked blocked;
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
      int left = max_left;
      run([&] {
        while (left-- > 0 && context.poll_one() > 0) continue;
      });
    });
  }
}

SPATE_DECL ServerImpl::Drained ServerImpl::share(std::function<void(std::size_t cut)> done) {
  return done ? std::make_shared<const std::function<void(std::size_t)>>(std::move(done)) : nullptr;
}

SPATE_DECL void ServerImpl::shutdown(std::chrono::milliseconds deadline, std::function<void(std::size_t cut)> done) {
  require_not_negative("spate::Server::shutdown: the deadline", deadline);
  begin_drain(deadline, share(std::move(done)));
}

SPATE_DECL void ServerImpl::begin_drain(std::chrono::milliseconds deadline, Drained done) {
  const Lock lock(mutex_);
  if (drain_ || stopped_) return;
  start_threads();  // somebody has to call back
  core_->draining.store(true);
  shards_.front()->run([listeners = listeners_] {
    for (const auto& listener : listeners) listener->stop();
  });
  drain_ = std::make_shared<Drain>(shards_, signals_, done);  // `done` goes, if that fails, when the lock has gone
  drain_->begin(deadline);
}

SPATE_DECL void ServerImpl::cut_drain() {
  std::shared_ptr<Drain> drain;
  {
    const Lock lock(mutex_);
    drain = drain_;
  }
  if (drain) drain->cut_rest();
}

SPATE_DECL void ServerImpl::shutdown_on_signals(SignalOptions options) {
  require_not_negative("spate::SignalOptions::deadline", options.deadline);
  const asio::any_io_executor executor = options.executor ? options.executor : shards_.front()->executor();
  if (!executor) return;  // it has stopped
  auto first = [this, deadline = options.deadline, done = share(std::move(options.done))] {
    begin_drain(deadline, done);
  };
  signals_->begin(executor, std::move(options), {std::move(first), [this] { cut_drain(); }});
}

SPATE_DECL void ServerImpl::stop() {
  signals_->end();
  std::vector<Ref<Listener>> listeners;
  std::shared_ptr<Drain> drain;
  {
    const Lock lock(mutex_);
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
    insist([&] {
      post_function(shards_[i]->executor(), [&context = loops_[i]->context, end] {
        end();
        context.stop();
      });
    });
  }
  for (const auto& loop : loops_) {
    if (loop->thread.joinable()) loop->thread.join();
  }
}

// What is not read at one moment may not add up.
SPATE_DECL OpenConnections ServerImpl::open_connections() const {
  const auto less = [](std::uint64_t all, std::uint64_t some) { return all > some ? all - some : 0; };
  OpenConnections open;
  std::uint64_t all = 0, encrypted = 0;
  for (const auto& shard : shards_) {
    all += shard->connections();
    if (const SecureTransport* const secure = std::as_const(*shard).secure()) encrypted += secure->count();
  }
  const std::uint64_t http2 = core_->http2_connections.load(std::memory_order_relaxed);
  open.http2_tls = core_->encrypted_http2_connections.load(std::memory_order_relaxed);
  open.http2 = less(http2, open.http2_tls);
  open.http1_tls = less(encrypted, open.http2_tls);
  open.http1 = less(all, encrypted + open.http2);
  return open;
}

SPATE_DECL ServerStats ServerImpl::stats() const {
  ServerStats stats;
  stats.connections = core_->connections.load(std::memory_order_relaxed);
  stats.requests = core_->requests.load(std::memory_order_relaxed);
  stats.rejected = core_->rejected.load(std::memory_order_relaxed);
  stats.accept_errors = core_->accept_errors.load(std::memory_order_relaxed);
  stats.handshake_failures = core_->handshake_failures.load(std::memory_order_relaxed);
  stats.open_connections = open_connections();
  for (const auto& shard : shards_) {
    const ShardCounters& counters = std::as_const(*shard).counters();
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
    stats.compressed_bytes += counters.compressed_bytes.get();
    stats.dropped_events += counters.dropped.get();
    stats.replayed_events += counters.replayed.get();
    stats.gaps += counters.gaps.get();
    stats.queue_high_water_bytes = std::max(stats.queue_high_water_bytes, counters.queue_high_water.get());
  }
  return stats;
}

}  // namespace spate::detail
