// load: the client of the benchmarks. `load --help` says what it does; README.md how its figures are to be read.
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "client/options.hpp"
#include "client/process.hpp"
#include "client/report.hpp"
#include "client/self_test.hpp"
#include "client/swarm.hpp"

namespace bench {
namespace {

struct Moment {
  ServerSample server;
  double client_cpu = 0;
  std::uint64_t time = 0;
};

Moment take_moment(const Server& server) {
  Moment moment;
  moment.server = server.sample();
  moment.client_cpu = own_cpu();
  moment.time = now_ns();
  return moment;
}

double seconds_between(std::uint64_t from, std::uint64_t to) {
  return to > from ? static_cast<double>(to - from) / 1e9 : 0;
}

void report_cost(Report& report, const Moment& from, const Moment& to, double units) {
  const double elapsed = seconds_between(from.time, to.time);
  const double client = to.client_cpu - from.client_cpu;
  const double ran = to.server.ran - from.server.ran;
  const double user = to.server.user - from.server.user, system = to.server.system - from.server.system;
  report.add("server_cpu_us", 1e6 * ran / units);
  report.add("server_ticks_us", 1e6 * (user + system) / units);
  report.add("server_core_us", 1e6 * (to.server.core_busy - from.server.core_busy) / units);
  report.add("client_cpu_us", 1e6 * client / units);
  report.add("server_cpu_percent", 100 * ran / elapsed);
  report.add("server_user_percent", user + system == 0 ? 0 : 100 * user / (user + system));
  report.add("server_core_percent", 100 * (to.server.core_busy - from.server.core_busy) / elapsed);
  report.add("server_core_stolen_percent", 100 * (to.server.stolen - from.server.stolen) / elapsed);
  report.add("client_cpu_percent", 100 * client / elapsed);
  report.add("server_switches", static_cast<double>(to.server.switches - from.server.switches));
}

void report_memory(Report& report, const ServerSample& empty, const ServerSample& open, const ServerSample& after,
                   std::size_t streams) {
  report.add("rss_empty_kib", empty.resident / 1024);
  report.add("rss_open_kib", open.resident / 1024);
  report.add("rss_after_kib", after.resident / 1024);
  report.add("rss_per_stream", (open.resident - empty.resident) / static_cast<double>(streams));
  report.add("anon_per_stream", (open.anonymous - empty.anonymous) / static_cast<double>(streams));
}

void report_times(Report& report, const char* name, const Histogram& times) {
  const std::string prefix = name;
  report.add(prefix + "_mean_us", times.mean() / 1e3);
  report.add(prefix + "_p50_us", static_cast<double>(times.percentile(0.5)) / 1e3);
  report.add(prefix + "_p90_us", static_cast<double>(times.percentile(0.9)) / 1e3);
  report.add(prefix + "_p99_us", static_cast<double>(times.percentile(0.99)) / 1e3);
  report.add(prefix + "_max_us", static_cast<double>(times.max()) / 1e3);
}

// A few streams come and go and a few events are published before the server counts as empty, so that code which is
// loaded on first use, and the first pages of its heap, are not taken for the cost of streams.
void prime(const Options& options) {
  Options few = options;
  few.streams = 16;
  few.targets = 1;
  Swarm swarm(few, 16, 1, Destination::everybody);
  swarm.open(0, 16, {});
  Plan plan;
  plan.last = 1;
  plan.events = 8;
  swarm.start_publishing(plan);
  swarm.turn_until([&] { return swarm.published(); });
  swarm.wait(0.05);
}

bool report_deliveries(Report& report, const Swarm& swarm) {
  const std::uint64_t missing = swarm.missing(), doubled = swarm.check().doubled();
  const std::uint64_t out_of_order = swarm.check().out_of_order();
  report.add("publications", static_cast<double>(swarm.publications()));
  report.add("expected", static_cast<double>(swarm.expected()));
  report.add("received", static_cast<double>(swarm.received()));
  report.add("missing", static_cast<double>(missing));
  report.add("doubled", static_cast<double>(doubled));
  report.add("out_of_order", static_cast<double>(out_of_order));
  report.add("streams_ended", static_cast<double>(swarm.ended()));
  report.add("foreign", static_cast<double>(swarm.foreign()));
  report.add("gaps_told", static_cast<double>(swarm.gaps_told()));
  return missing == 0 && doubled == 0 && out_of_order == 0 && swarm.ended() == 0 && swarm.foreign() == 0 &&
         swarm.gaps_told() == 0 && swarm.expected() == swarm.received();
}

bool publish_mode(const Options& options, const Server& server, Report& report) {
  const Destination destination = options.mode == "unicast" ? Destination::user
                                  : options.mode == "group" ? Destination::group
                                                            : Destination::everybody;
  prime(options);
  Swarm swarm(options, options.streams + options.stalled, options.publishers, destination);
  const ServerSample empty = server.sample();
  swarm.open(0, options.streams, {});
  Swarm::Opening stalled;
  stalled.stalled = true;
  if (options.stalled != 0) swarm.open(options.streams, options.streams + options.stalled, stalled);
  swarm.wait(options.settle);
  const ServerSample open = server.sample();

  // The events before the measurement also show that every stream has been registered.
  Plan plan;
  plan.last = options.publishers;
  if (options.warm_up != 0) {
    const std::size_t places = destination == Destination::everybody ? 1
                               : options.targets != 0                ? options.targets
                               : destination == Destination::user    ? options.streams
                                                                     : (options.streams - 1) / options.group_size + 1;
    plan.events = options.warm_up * places;
    plan.rate = destination == Destination::everybody ? options.rate : 0;
    swarm.start_publishing(plan);
    if (!swarm.turn_until([&] { return swarm.settled(); })) {
      report.add("warm_up_missing", static_cast<double>(swarm.expected() - swarm.received()));
    }
  }

  swarm.begin_measurement();
  plan.rate = options.rate;
  plan.events = options.events == 0 ? ~std::size_t{0} : options.events;
  const Moment from = take_moment(server);
  plan.stop_at = options.seconds == 0 ? 0 : from.time + static_cast<std::uint64_t>(options.seconds * 1e9);
  swarm.start_publishing(plan);
  swarm.turn_until([&] { return swarm.settled(); });
  const Moment to = take_moment(server);
  // What comes now would be a double.
  swarm.wait(0.05);

  const bool correct = report_deliveries(report, swarm);
  if (destination == Destination::everybody) report.add("orders", static_cast<double>(swarm.orders()));
  const double elapsed = seconds_between(swarm.first_publication(), swarm.last_delivery());
  const double received = std::max(1.0, static_cast<double>(swarm.received()));
  report.add("seconds", elapsed);
  report.add("deliveries_per_second", static_cast<double>(swarm.received()) / elapsed);
  report.add("publications_per_second", static_cast<double>(swarm.publications()) / elapsed);
  report_times(report, "latency", swarm.latency());
  report_times(report, "answer", swarm.answer());
  report_cost(report, from, to, received);
  report.add("publisher_late_max_us", static_cast<double>(swarm.latest()) / 1e3);
  report.add("bytes_per_delivery", static_cast<double>(swarm.bytes()) / received);
  report.add("deliveries_per_read", received / std::max(1.0, static_cast<double>(swarm.reads())));
  report_memory(report, empty, open, to.server, options.streams);
  return correct && swarm.orders() <= (destination == Destination::everybody ? 1 : swarm.orders());
}

bool idle_mode(const Options& options, const Server& server, Report& report) {
  prime(options);
  Swarm swarm(options, options.streams, 1, Destination::everybody);
  const ServerSample empty = server.sample();
  swarm.open(0, options.streams, {});
  swarm.wait(std::max(0.5, options.settle));
  const ServerSample open = server.sample();
  const std::uint64_t comments_before = swarm.comments();
  const Moment from = take_moment(server);
  swarm.wait(options.seconds);
  const Moment to = take_moment(server);
  report.add("streams", static_cast<double>(options.streams));
  report.add("streams_ended", static_cast<double>(swarm.ended()));
  report.add("heartbeats", static_cast<double>(swarm.comments() - comments_before));
  report_cost(report, from, to, static_cast<double>(options.streams) * seconds_between(from.time, to.time));
  report_memory(report, empty, open, to.server, options.streams);
  report.add("rss_per_stream_after", (to.server.resident - empty.resident) / static_cast<double>(options.streams));
  return swarm.ended() == 0;
}

bool replay_mode(const Options& options, const Server& server, Report& report) {
  prime(options);
  // Publisher 0 makes the history, publisher 1 is live meanwhile.
  Swarm swarm(options, options.streams + options.listeners, 2, Destination::everybody);
  swarm.open(0, 1, {});
  swarm.run_until([&] { return !swarm.last_id().empty(); }, "the id of a first stream's position");
  const std::string position = swarm.last_id();
  swarm.close_stream(0);
  swarm.wait(0.02);
  swarm.begin_measurement();

  Plan history;
  history.last = 1;
  history.events = options.owed;
  swarm.start_publishing(history);
  swarm.run_until([&] { return swarm.published(); }, "the history to be published");
  // Read first: their latency is to be the server's and not that of this program, which is busy with the storm.
  Swarm::Opening listener;
  listener.prompt = true;
  swarm.open(options.streams, options.streams + options.listeners, listener);

  Plan live;
  live.first = 1;
  live.last = 2;
  live.events = ~std::size_t{0};
  live.rate = options.rate == 0 ? 5 : options.rate;
  swarm.time_from(1);
  const ServerSample before = server.sample();
  const Moment from = take_moment(server);
  swarm.start_publishing(live);
  Swarm::Opening returning;
  returning.last_event_id = position;
  returning.timed = false;
  returning.from_start = true;
  swarm.start_opening(0, options.streams, returning);
  const std::uint64_t owed = std::uint64_t{options.streams} * options.owed;
  // Live events go on all the time: progress of the storm itself is what must not stop.
  std::uint64_t replayed = 0, progress_at = now_ns();
  while (swarm.from_first_publisher() < owed) {
    swarm.turn(50'000'000);
    if (swarm.from_first_publisher() != replayed) {
      replayed = swarm.from_first_publisher();
      progress_at = swarm.now();
    } else if (seconds_between(progress_at, swarm.now()) > options.grace) {
      break;
    }
  }
  const std::uint64_t storm_end = now_ns();
  swarm.end_plan();
  swarm.turn_until([&] { return swarm.settled(); });
  const Moment to = take_moment(server);
  swarm.wait(0.05);

  const bool correct = report_deliveries(report, swarm);
  const double elapsed = seconds_between(from.time, storm_end);
  report.add("seconds", elapsed);
  report.add("deliveries_per_second", static_cast<double>(swarm.from_first_publisher()) / elapsed);
  report_times(report, "latency", swarm.latency());
  report_times(report, "answer", swarm.answer());
  report_cost(report, from, to, static_cast<double>(swarm.received()));
  report.add("publisher_late_max_us", static_cast<double>(swarm.latest()) / 1e3);
  report.add("bytes_per_delivery", static_cast<double>(swarm.bytes()) / static_cast<double>(swarm.received()));
  report.add("deliveries_per_read", static_cast<double>(swarm.received()) / static_cast<double>(swarm.reads()));
  report_memory(report, before, to.server, to.server, options.streams);
  return correct;
}

// Each slot connects, subscribes, waits for the head, closes and begins again.
class Churn {
 public:
  explicit Churn(const Options& options)
      : options_(options),
        names_(options.group_size),
        connector_(options.address, options.ports, 200),
        tls_(options.tls ? std::make_unique<TlsSettings>(options.http2) : nullptr),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)),
        slots_(options.streams) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      slots_[i].path = names_.fill(options.subscribe, i, names_.group_of(i));
      slots_[i].request = "GET " + slots_[i].path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n";
    }
  }
  ~Churn() { ::close(epoll_); }
  Churn(const Churn&) = delete;
  Churn& operator=(const Churn&) = delete;

  std::uint64_t run(std::size_t most, double seconds, Histogram& times) {
    const std::uint64_t start = now_ns();
    const std::uint64_t end = seconds == 0 ? ~std::uint64_t{0} : start + static_cast<std::uint64_t>(seconds * 1e9);
    std::uint64_t begun = 0, done = 0;
    for (std::size_t i = 0; i < slots_.size() && begun < most; ++i, ++begun) begin(i);
    std::size_t open = static_cast<std::size_t>(begun);
    while (open != 0) {
      epoll_event events[64];
      const int count = ::epoll_wait(epoll_, events, 64, static_cast<int>(options_.grace * 1000));
      if (count <= 0) throw Failure("waited in vain for a stream's head");
      for (int i = 0; i < count; ++i) {
        const auto index = static_cast<std::size_t>(events[i].data.u64);
        Slot& slot = slots_[index];
        if (!slot.requested) {
          request(index, true);
          continue;
        }
        if (!receive(slot)) continue;
        const std::uint64_t now = now_ns();
        times.add(now - slot.begun_at);
        finish(slot);
        ++done;
        if (now < end && begun < most) {
          ++begun;
          begin(index);
        } else {
          --open;
        }
      }
    }
    return done;
  }

  /// Connections whose session was resumed.
  std::uint64_t resumed() const noexcept { return resumed_; }
  /// And those of them that were given a ticket to come back with once more.
  std::uint64_t renewed() const noexcept { return renewed_; }

 private:
  struct Slot {
    Transport transport;  // without HTTP/2
    std::unique_ptr<Http2Connection> http2;
    TlsTicket ticket;
    bool requested = false;
    bool opened = false;
    std::uint64_t begun_at = 0;
    std::string path, request;

    // What an HTTP/2 connection tells.
    void head(std::uint32_t, int status) {
      if (status != 200) throw Failure("a stream was refused: status " + std::to_string(status));
      opened = true;
    }
    void data(std::uint32_t, std::string_view) {}
    void end(std::uint32_t) {}
  };

  static Transport& transport_of(Slot& slot) { return slot.http2 ? slot.http2->transport() : slot.transport; }

  void begin(std::size_t index) {
    Slot& slot = slots_[index];
    slot.begun_at = now_ns();
    slot.opened = false;
    slot.transport = Transport(connector_.connect(), tls_.get(), slot.ticket);
    if (options_.http2) {
      slot.http2 = std::make_unique<Http2Connection>(std::move(slot.transport));
      slot.http2->get(slot.path, "");
    }
    request(index, false);
  }

  // Reads; true when the head is there.
  static bool receive(Slot& slot) {
    do {
      char head[4096];
      const ssize_t n =
          slot.http2 ? slot.http2->receive(head, sizeof head, slot) : slot.transport.read(head, sizeof head);
      if (n < 0 && errno == EAGAIN) return slot.opened;
      if (n <= 0) throw Failure("a stream was closed before its head");
      if (slot.http2) continue;
      if (n < 12 || std::string_view(head, 12) != "HTTP/1.1 200") {
        throw Failure("a stream was refused: " + std::string(head, static_cast<std::size_t>(n)));
      }
      slot.opened = true;
    } while (!slot.opened && transport_of(slot).more());
    return slot.opened;
  }

  void request(std::size_t index, bool watched) {
    Slot& slot = slots_[index];
    Transport& transport = transport_of(slot);
    if (slot.http2) {
      slot.requested = slot.http2->flush();
    } else {
      const ssize_t n = transport.write(slot.request.data(), slot.request.size());
      if (n < 0 && errno != EAGAIN && errno != ENOTCONN) throw system_failure("opening a stream");
      slot.requested = n > 0;
    }
    epoll_event event{};
    event.events = slot.requested ? std::uint32_t{EPOLLIN} : transport.waits_for();
    event.data.u64 = index;
    if (::epoll_ctl(epoll_, watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, transport.fd(), &event) != 0)
      throw system_failure("epoll_ctl");
  }

  void finish(Slot& slot) {
    Transport& transport = transport_of(slot);
    if (options_.resume) {
      TlsTicket newest = transport.tls().ticket();
      if (transport.tls().resumed() && newest.get() != slot.ticket.get()) ++renewed_;
      slot.ticket = std::move(newest);
    }
    if (transport.tls().resumed()) ++resumed_;
    if (options_.reset) {
      const linger at_once{1, 0};
      ::setsockopt(transport.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    transport.close();
  }

  const Options& options_;
  Names names_;
  Connector connector_;
  std::unique_ptr<TlsSettings> tls_;
  int epoll_;
  std::vector<Slot> slots_;
  std::uint64_t resumed_ = 0, renewed_ = 0;
};

bool churn_mode(const Options& options, const Server& server, Report& report) {
  prime(options);
  Histogram ignored, times;
  Churn(options).run(2000, 0, ignored);
  Churn churn(options);
  const ServerSample empty = server.sample();
  const Moment from = take_moment(server);
  const std::uint64_t done = churn.run(options.events == 0 ? ~std::size_t{0} : options.events, options.seconds, times);
  // The server learns of the last closings a little later.
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const Moment to = take_moment(server);
  const double elapsed = seconds_between(from.time, to.time) - 0.02;
  report.add("connections", static_cast<double>(done));
  report.add("seconds", elapsed);
  report.add("connections_per_second", static_cast<double>(done) / elapsed);
  report_times(report, "head", times);
  report_cost(report, from, to, static_cast<double>(done));
  report_memory(report, empty, to.server, to.server, options.streams);
  report.add("rss_growth_kib", (to.server.resident - empty.resident) / 1024);
  if (!options.tls) return true;
  report.add("resumed", static_cast<double>(churn.resumed()));
  if (options.resume) report.add("renewed", static_cast<double>(churn.renewed()));
  // The first connection of each slot has nothing to resume.
  return churn.resumed() == (options.resume ? done - std::min<std::uint64_t>(done, options.streams) : 0);
}

int run(const Options& options) {
  const std::size_t limit = raise_descriptor_limit();
  const std::size_t wanted = options.streams + options.stalled + options.publishers + options.listeners + 16;
  if (wanted > limit) {
    std::fprintf(stderr, "load: %zu descriptors are needed, %zu allowed\n", wanted, limit);
    return 2;
  }
  const Server server(options.server_pid, options.server_core);
  Report report;
  if (!options.label.empty()) report.add("label", options.label);
  report.add("mode", options.mode);
  bool correct = false;
  if (options.mode == "fanout" || options.mode == "unicast" || options.mode == "group") {
    report.add("streams", static_cast<double>(options.streams));
    correct = publish_mode(options, server, report);
  } else if (options.mode == "idle") {
    correct = idle_mode(options, server, report);
  } else if (options.mode == "churn") {
    correct = churn_mode(options, server, report);
  } else if (options.mode == "replay") {
    correct = replay_mode(options, server, report);
  } else {
    refuse_option("unknown mode", options.mode);
  }
  report.print(options.format);
  return correct ? 0 : 1;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  const bench::Options options = bench::parse_options(argc, argv);
  if (options.self_test) return bench::self_test() ? 0 : 1;
  try {
    return bench::run(options);
  } catch (const bench::Failure& failure) {
    std::fprintf(stderr, "load: %s\n", failure.what());
    return 3;
  }
}
