// The functions of bench.hpp.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <asio/executor_work_guard.hpp>
#include <asio/ip/address.hpp>
#include <asio/ip/tcp.hpp>

#include <spate/config.hpp>
#include <spate/server/detail/begin_connection.hpp>
#include <spate/testing/detail/bench.hpp>

namespace spate::detail {

SPATE_DECL void ThrownErrors::add(std::exception_ptr thrown) {
  const Lock lock(mutex_);
  thrown_.push_back(std::move(thrown));
}

SPATE_DECL std::vector<std::exception_ptr> ThrownErrors::all() {
  const Lock lock(mutex_);
  known_ = thrown_.size();
  return thrown_;
}

SPATE_DECL void ThrownErrors::say_unknown() {
  const Lock lock(mutex_);
  for (; known_ < thrown_.size(); ++known_) log_exception(thrown_[known_]);
}

SPATE_DECL std::unique_ptr<ServerImpl> Bench::make_server(ServerOptions options) {
  options.threads = 0;
  options.compression = nullptr;
  options.on_exception = [thrown = thrown_, told = std::move(options.on_exception)](const std::exception_ptr& error) {
    thrown->add(error);
    if (told) told(error);
  };
  auto server = std::make_unique<ServerImpl>(io_.get_executor(), std::move(options));
  server_ = server.get();
  server_->listen_nowhere();
  shard()->set_time(clock_);
  shard()->set_others(transport_);
  constexpr std::uint64_t seed = 1;
  shard()->jitter() = Jitter(seed);
  transport_.watch_residents([this](int connection, Resident& resident) {
    const auto owner = owners_.find(connection);
    if (owner == owners_.end()) return;
    if (auto* const stream = dynamic_cast<StreamCore*>(&resident)) owner->second->note_stream(*stream);
  });
  return server;
}

SPATE_DECL void Bench::close() {
  server_->stop();
  try {
    const Run run(*this, "the end");
    settle();
  } catch (const std::exception&) {  // what has no end is dropped
  }
  for (const Ref<ClientCore>& client : clients_) client->forget_host();
  clients_.clear();
  owners_.clear();
  thrown_->say_unknown();
}

SPATE_DECL Bench::Run::Run(Bench& bench, std::string_view what) : bench_(bench) {
  std::thread::id nobody;
  if (!bench_.runner_.compare_exchange_strong(nobody, std::this_thread::get_id())) {
    const bool inside = nobody == std::this_thread::get_id();
    throw std::logic_error("spate::testing::Server: " + std::string(what) +
                           (inside ? " is called from inside a handler or a callback, which it would wait for"
                                   : " is called while another thread runs the server"));
  }
  bench_.begin_count();
}

SPATE_DECL Bench::Run::~Run() {
  bench_.runner_.store(std::thread::id());
}

SPATE_DECL void Bench::settle_unless_running() {
  if (runner_.load() == std::this_thread::get_id()) return;
  const Run run(*this, "a look at what has come");
  settle();
}

SPATE_DECL void Bench::act(std::string_view what, std::function<void()> step) {
  const Run run(*this, what);
  settle();
  in_turn(std::move(step));
  settle();
}

SPATE_DECL void Bench::settle() {
  for (;;) {
    run_ready();
    if (let_clients_read()) continue;
    if (shard()->next_moment() > clock_->now()) return;
    shard()->run([] {});
  }
}

SPATE_DECL void Bench::advance(std::chrono::nanoseconds time) {
  if (time.count() < 0) throw std::invalid_argument("spate::testing::Server: advance() is given a negative time");
  if (time > longest_wait) throw std::invalid_argument("spate::testing::Server: advance() is given over 100 years");
  let_time_pass(*shard(), *clock_, std::chrono::duration_cast<Clock::duration>(time), [this] {
    begin_count();
    settle();
  });
  settle();
}

SPATE_DECL bool Bench::run_until(const std::function<bool()>& condition, std::chrono::milliseconds most) {
  constexpr std::chrono::milliseconds unlooked{20};  // what other threads do may be no more than that it holds
  const auto last = Clock::now() + most;
  const auto work = asio::make_work_guard(io_);
  for (;;) {
    {
      const Run run(*this, "run_until()");
      settle();
    }
    if (condition()) return true;
    const auto left = last - Clock::now();
    if (left.count() <= 0) return false;
    const Run run(*this, "run_until()");
    io_.restart();
    try {
      io_.run_one_for(std::min<Clock::duration>(left, unlooked));
    } catch (...) {
      thrown_->add(std::current_exception());
    }
  }
}

SPATE_DECL void Bench::in_turn(std::function<void()> step) {
  const auto shared = std::make_shared<std::function<void()>>(std::move(step));
  if (!shard()->run([shared] { (*shared)(); })) (*shared)();
}

SPATE_DECL void Bench::run_ready() {
  io_.restart();
  for (;;) {
    try {
      if (io_.poll_one() == 0) return;
    } catch (...) {  // of a callback, or of a turn in which something failed; the loop goes on
      thrown_->add(std::current_exception());
    }
    count_step();
  }
}

SPATE_DECL bool Bench::let_clients_read() {
  const auto news = [](const Ref<ClientCore>& client) { return client->has_news(); };
  const auto lost = [this](int connection) { return end_of(connection).has_lost(); };
  std::erase_if(left_, [this](int connection) { return end_of(connection).is_gone(); });
  if (std::none_of(clients_.begin(), clients_.end(), news) && std::none_of(left_.begin(), left_.end(), lost)) {
    return false;
  }
  in_turn([this] {
    const std::vector<int> left = left_;
    for (const int connection : left) end_of(connection).break_if_lost();
    const std::vector<Ref<ClientCore>> clients = clients_;
    for (const Ref<ClientCore>& client : clients) client->read();
  });
  count_step();
  return true;
}

SPATE_DECL void Bench::begin_count() {
  steps_ = 0;
  bytes_before_ = transport_.total_written();
}

SPATE_DECL void Bench::count_step() {
  const std::size_t bytes = transport_.total_written() - bytes_before_;
  if (++steps_ <= limits.steps && bytes <= limits.bytes) return;
  begin_count();
  throw std::runtime_error("spate::testing::Server: there is still something to do after " +
                           (bytes > limits.bytes ? std::to_string(limits.bytes) + " bytes to its clients"
                                                 : std::to_string(limits.steps) + " steps") +
                           ": does a handler produce without an end? (RunLimits)");
}

SPATE_DECL std::optional<int> Bench::connect(const Ref<ServerCore>& server, const std::string& address,
                                             const std::shared_ptr<const std::string>& subject, ClientCore& client) {
  server_->serve();
  const std::string& listens = server->options.address;
  const bool by_path = unix_path_of(listens).has_value();  // where nobody has an address
  std::optional<asio::ip::address> remote, local;
  if (!by_path) {
    remote = asio::ip::make_address(address);
    local = parse_listen_address(listens);
  }
  ConnectionLimits::Entry entry = server->limits->enter(remote);
  if (entry.verdict != ConnectionLimits::Verdict::serve) server->rejected.fetch_add(1, std::memory_order_relaxed);
  if (entry.verdict == ConnectionLimits::Verdict::turn_away) return std::nullopt;
  Peer peer = transport_.connect();
  const int connection = peer.number();
  if (core()->draining.load(std::memory_order_relaxed) || shard()->stopped()) {
    peer.close();
    return connection;
  }
  owners_.emplace(connection, &client);
  server->connections.fetch_add(1, std::memory_order_relaxed);
  if (entry.permit) transport_.hold(connection, std::move(entry.permit));
  ConnectionFacts facts;
  if (entry.verdict == ConnectionLimits::Verdict::refuse) facts.refusal = "too many connections";
  facts.client_subject = subject;
  if (server->access && remote) {
    constexpr int first_port = 49'152, ports = 16'384;  // RFC 6335 6: those of clients
    const auto port = static_cast<std::uint16_t>(first_port + connection % ports);
    facts.remote = std::make_shared<const asio::ip::tcp::endpoint>(*remote, port);
  }
  begin_http1(shard(), server, server->hosts_of(local), std::move(peer), std::move(facts));
  return connection;
}

SPATE_DECL void Bench::release(int connection) {
  owners_.erase(connection);
  left_.push_back(connection);
}

SPATE_DECL void Bench::remove(const ClientCore& client) {
  std::erase_if(clients_, [&](const Ref<ClientCore>& each) { return each.get() == &client; });
}

SPATE_DECL Ref<ServerCore> Bench::server_for(const Request& request, Handler handler) {
  auto server = make_ref<ServerCore>(core()->options);
  RouteOptions any;
  any.origin_check = RouteOptions::Check::off;
  any.host_check = RouteOptions::Check::off;
  any.authorize = [given = request](Request& asked) -> std::optional<Response> {
    for (const auto& [name, value] : given.params()) asked.set_param(name, value);
    if (given.expiry()) asked.set_expiry(*given.expiry());
    return std::nullopt;
  };
  server->router.set_fallback({{}, PathPattern("/{path...}"), std::move(handler), std::move(any), server->options});
  return server;
}

}  // namespace spate::detail
