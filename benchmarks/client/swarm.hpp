// Many streams and a few publishers on one epoll set and one thread. Over HTTP/2 streams share connections; each
// publisher has one of its own.
//
// Publishers come first: while streams are being read they are looked at every 50 microseconds, so that a publisher
// waits for the server and not for this program.
#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/histogram.hpp"
#include "client/http2.hpp"
#include "client/options.hpp"
#include "client/payload.hpp"
#include "client/publisher.hpp"
#include "client/sequence_check.hpp"
#include "client/socket.hpp"
#include "client/stream_parser.hpp"
#include "client/tls.hpp"

namespace bench {

/// Names of users and groups: `g00012-u01234`, of which `g00012-` is the prefix.
class Names {
 public:
  explicit Names(std::size_t group_size) : group_size_(group_size) {}

  std::size_t group_of(std::size_t user) const noexcept { return user / group_size_; }
  std::string group(std::size_t index) const {
    char text[32];
    std::snprintf(text, sizeof text, "g%05zu-", index);
    return text;
  }
  std::string user(std::size_t index) const {
    char text[32];
    std::snprintf(text, sizeof text, "u%05zu", index);
    return group(group_of(index)) + text;
  }
  std::string fill(std::string path, std::size_t user_index, std::size_t group_index) const {
    replace(path, "{user}", [&] { return user(user_index); });
    replace(path, "{group}", [&] { return group(group_index); });
    return path;
  }

 private:
  template <typename Text>
  static void replace(std::string& path, std::string_view what, Text&& text) {
    const std::size_t at = path.find(what);
    if (at != std::string::npos) path.replace(at, what.size(), text());
  }

  std::size_t group_size_;
};

enum class Destination { everybody, group, user };

/// What is to be published from now on, by the publishers `first` to `last - 1`.
struct Plan {
  std::size_t first = 0, last = 0;
  std::size_t events = 0;     // how many are left; npos: without end
  std::uint64_t stop_at = 0;  // 0: never
  double rate = 0;            // 0: closed loop
};

class Swarm {
 public:
  Swarm(const Options& options, std::size_t streams, std::size_t publishers, Destination destination)
      : options_(options),
        names_(options.group_size),
        connector_(options.address, options.ports, options.sources),
        destination_(destination),
        check_(streams, publishers),
        streams_(streams),
        buffer_(buffer_bytes),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)),
        publisher_epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (options.tls) tls_.emplace(options.http2);
    const std::size_t places = destination == Destination::everybody ? 1
                               : destination == Destination::user    ? streams
                                                                     : names_.group_of(streams - 1) + 1;
    receivers_.resize(places);
    sent_.resize(places * publishers);
    const std::size_t targets = options.targets == 0 ? places : options.targets;
    for (std::size_t i = 0; i < targets; ++i) {
      const std::size_t place = i * places / targets;
      targets_.push_back({place, names_.fill(options.publish, place, destination == Destination::group ? place : 0)});
    }
    watch(epoll_, publisher_epoll_, EPOLLIN, publishers_key);
    for (std::size_t i = 0; i < publishers; ++i) {
      publishers_.emplace_back();
      connect_publisher(i);
    }
  }
  ~Swarm() {
    ::close(epoll_);
    ::close(publisher_epoll_);
  }
  Swarm(const Swarm&) = delete;
  Swarm& operator=(const Swarm&) = delete;

  struct Opening {
    std::string_view last_event_id = {};
    bool stalled = false;     // is not read once it is open, and its window is small
    bool timed = true;        // its latencies count
    bool from_start = false;  // expects every event ever published, not just those from now on
    bool prompt = false;      // is read as promptly as the publishers' answers, before other streams
  };

  /// Starts opening the streams `first` to `last - 1`, `options.parallel` at a time; `turn` goes on with it.
  void start_opening(std::size_t first, std::size_t last, Opening opening) {
    opening_ = opening;
    open_next_ = first;
    open_last_ = last;
    filling_ = nullptr;
    refill_openings();
  }

  void open(std::size_t first, std::size_t last, Opening opening) {
    start_opening(first, last, opening);
    run_until([&] { return all_open(); }, "streams to open");
  }

  bool all_open() const noexcept { return open_next_ == open_last_ && being_opened_ == 0; }

  /// Starts publishing; `turn` goes on with it.
  void start_publishing(const Plan& plan) {
    plan_ = plan;
    now_ = now_ns();
    due_ = now_;
    for (std::size_t i = plan.first; i < plan.last; ++i) publish_next(i);
  }

  bool published() const noexcept { return !plan_active() && outstanding_ == 0; }
  bool settled() const noexcept { return published() && received_ >= expected_; }

  /// One wait for something to happen, at most `longest` nanoseconds, and everything that follows from it.
  void turn(std::uint64_t longest) {
    epoll_event events[64];
    now_ = now_ns();
    if (plan_.rate > 0 && plan_active()) {
      pace();
      const std::uint64_t until_due = due_ > now_ ? due_ - now_ : 0;
      if (any_idle() && until_due < longest) longest = until_due;
    }
    const timespec wait{static_cast<time_t>(longest / 1'000'000'000), static_cast<long>(longest % 1'000'000'000)};
    const int count = ::epoll_pwait2(epoll_, events, 64, &wait, nullptr);
    if (count < 0 && errno != EINTR) throw system_failure("epoll_wait");
    now_ = now_ns();
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 == publishers_key) {
        serve_publishers();
      } else {
        serve(events[i].data.u64);
        if (now_ - publishers_served_ > publisher_interval) serve_publishers();
      }
    }
  }

  /// Turns until `done`, or until nothing has happened for the time of grace: then throws, saying what was awaited.
  template <typename Done>
  void run_until(Done&& done, const char* awaited) {
    if (!turn_until(done)) throw Failure(std::string("waited in vain for ") + awaited);
  }

  /// The same, but returns false when nothing has happened for the time of grace.
  template <typename Done>
  bool turn_until(Done&& done) {
    std::uint64_t progress_at = now_ns(), progress = this->progress();
    const auto grace = static_cast<std::uint64_t>(options_.grace * 1e9);
    while (!done()) {
      turn(50'000'000);
      if (this->progress() != progress || (plan_.rate > 0 && plan_active() && outstanding_ == 0)) {
        progress = this->progress();
        progress_at = now_;
      } else if (now_ - progress_at > grace) {
        return done();
      }
    }
    return true;
  }

  void wait(double seconds) {
    const std::uint64_t end = now_ns() + static_cast<std::uint64_t>(seconds * 1e9);
    for (now_ = now_ns(); now_ < end; now_ = now_ns()) turn(end - now_);
  }

  void close_stream(std::size_t index) {
    Stream& stream = streams_[index];
    if (!stream.connected) return;
    forget_stream(index);
    if (stream.shared != nullptr) {
      stream.shared->connection.cancel(stream.id);
      flush(*stream.shared);
    }
  }

  /// Forgets what was counted so far, so that a measurement begins with a clean sheet.
  void begin_measurement() {
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      for (std::size_t k = 0; k < publishers_.size(); ++k) check_.expect(i, k, sent(k, i));
    }
    check_.forget();
    latency_.clear();
    answer_.clear();
    expected_ = received_ = publications_ = bytes_ = reads_ = comments_ = 0;
    latest_ = 0;
    first_publication_ = last_delivery_ = 0;
  }

  std::uint64_t missing() const {
    std::uint64_t missing = check_.gaps();
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      if (streams_[i].counts) missing += check_.missing(i, [&](std::size_t k) { return sent(k, i); });
    }
    return missing;
  }

  /// Into how many different orders the streams fall; with one destination there must be one.
  std::size_t orders() const {
    std::vector<std::uint64_t> seen;
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      if (!streams_[i].counts) continue;
      bool known = false;
      for (const auto order : seen) known = known || order == check_.order(i);
      if (!known && seen.size() < 100) seen.push_back(check_.order(i));
    }
    return seen.size();
  }

  const SequenceCheck& check() const noexcept { return check_; }
  const Histogram& latency() const noexcept { return latency_; }
  const Histogram& answer() const noexcept { return answer_; }
  std::uint64_t expected() const noexcept { return expected_; }
  std::uint64_t received() const noexcept { return received_; }
  std::uint64_t publications() const noexcept { return publications_; }
  std::uint64_t bytes() const noexcept { return bytes_; }
  std::uint64_t reads() const noexcept { return reads_; }
  std::uint64_t comments() const noexcept { return comments_; }
  std::uint64_t ended() const noexcept { return ended_; }
  std::uint64_t foreign() const noexcept { return foreign_; }
  std::uint64_t gaps_told() const noexcept { return gaps_told_; }
  std::uint64_t from_first_publisher() const noexcept { return from_first_publisher_; }
  /// The longest that a publication at a given rate came after its time.
  std::uint64_t latest() const noexcept { return latest_; }
  std::uint64_t first_publication() const noexcept { return first_publication_; }
  std::uint64_t last_delivery() const noexcept { return last_delivery_; }
  std::uint64_t now() const noexcept { return now_; }
  const std::string& last_id() const noexcept { return last_id_; }

  void end_plan() noexcept { plan_.events = 0; }
  /// Only events of publishers from this one on count for latency.
  void time_from(std::size_t publisher) noexcept { timed_from_ = publisher; }

  // What the parser calls, for the stream `current_`.
  void opened(int status) {
    if (status != 200) throw Failure("a stream was answered with status " + std::to_string(status));
    Stream& stream = streams_[current_];
    stream.opened = true;
    --being_opened_;
    ++openings_;
    if (!stream.stalled) {
      stream.counts = stream.counted = true;
      ++receivers_[place_of(current_)];
    }
    for (std::size_t k = 0; k < publishers_.size(); ++k) {
      if (stream.from_start) {
        expected_ += sent(k, current_);
      } else {
        check_.expect(current_, k, sent(k, current_));
      }
    }
  }
  void delivery(const Payload& payload) {
    if (payload.publisher >= publishers_.size()) {
      ++foreign_;
      return;
    }
    if (!check_.received(current_, payload.publisher, payload.sequence)) return;
    ++received_;
    last_delivery_ = now_;
    if (payload.publisher == 0) ++from_first_publisher_;
    if (streams_[current_].timed && payload.publisher >= timed_from_) latency_.add(now_ - payload.sent_at);
  }
  void control(StreamParser::Kind kind) {
    if (kind == StreamParser::Kind::foreign) ++foreign_;
    if (kind == StreamParser::Kind::gap) ++gaps_told_;
  }
  void comment() { ++comments_; }
  void id(std::string_view text) {
    if (current_ == 0) last_id_ = text;
  }

 private:
  // A connection with streams of HTTP/2.
  struct Shared {
    explicit Shared(Transport transport) : connection(std::move(transport)) {}

    Http2Connection connection;
    std::vector<std::size_t> streams;  // in the order in which they were begun
    std::size_t unopened = 0;          // of them
    bool stalled = false;
    bool prompt = false;
    std::uint64_t key = 0;
    std::uint32_t watched = 0;
  };
  // What a connection of HTTP/2 tells.
  struct SharedEvents {
    Swarm& swarm;
    Shared& shared;

    std::size_t index(std::uint32_t stream) const {
      const std::size_t place = stream / 2;
      if (stream % 2 != 1 || place >= shared.streams.size()) throw Failure("a stream that nobody has begun");
      return shared.streams[place];
    }
    void head(std::uint32_t stream, int status) {
      Stream& own = swarm.streams_[swarm.current_ = index(stream)];
      // Trailers have no status and come later; another head would not be HTTP.
      if (!own.connected || own.opened) return;
      own.parser.begin_body();
      --shared.unopened;
      swarm.opened(status);
    }
    void data(std::uint32_t stream, std::string_view bytes) {
      Stream& own = swarm.streams_[swarm.current_ = index(stream)];
      if (own.connected && own.opened) own.parser.feed(bytes.data(), bytes.size(), swarm);
    }
    void end(std::uint32_t stream) { swarm.lose_stream(index(stream)); }
  };

  struct Stream {
    bool connected = false;
    Transport transport;       // without HTTP/2
    Shared* shared = nullptr;  // with it
    std::uint32_t id = 0;      // with it
    bool opened = false;       // its head has arrived
    bool requested = false;    // its request has been sent
    bool stalled = false;
    bool timed = false;
    bool from_start = false;
    bool prompt = false;
    bool counts = false;   // what it lacks at the end is missing
    bool counted = false;  // it is one of `receivers_` now
    StreamParser parser;
  };
  struct Target {
    std::size_t place;
    std::string path;
  };

  static constexpr std::size_t buffer_bytes = 256 * 1024;
  static constexpr std::uint64_t publishers_key = ~std::uint64_t{0};
  static constexpr std::uint64_t prompt_stream = std::uint64_t{1} << 32;  // plus its index: its key among publishers
  static constexpr std::uint64_t shared_key = std::uint64_t{1} << 33;     // plus the index of a connection of HTTP/2
  static constexpr std::uint64_t publisher_interval = 50'000;

  static void watch(int epoll, int fd, std::uint32_t events, std::uint64_t key, int operation = EPOLL_CTL_ADD) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = key;
    if (::epoll_ctl(epoll, operation, fd, &event) != 0) throw system_failure("epoll_ctl");
  }

  std::uint64_t progress() const noexcept { return received_ + publications_ + openings_ + answered_; }

  std::size_t place_of(std::size_t stream) const noexcept {
    switch (destination_) {
      case Destination::everybody: return 0;
      case Destination::group: return names_.group_of(stream);
      case Destination::user: return stream;
    }
    return 0;
  }
  std::uint32_t sent(std::size_t publisher, std::size_t stream) const noexcept {
    return sent_[publisher * receivers_.size() + place_of(stream)];
  }

  void refill_openings() {
    while (open_next_ != open_last_ && being_opened_ < options_.parallel) {
      const std::size_t index = open_next_++;
      Stream& stream = streams_[index];
      stream = Stream();
      stream.connected = true;
      stream.stalled = opening_.stalled;
      stream.timed = opening_.timed;
      stream.from_start = opening_.from_start;
      stream.prompt = opening_.prompt;
      ++being_opened_;
      if (options_.http2) {
        request_by_http2(index);
      } else {
        stream.transport = Transport(connector_.connect(opening_.stalled), tls());
        request_stream(index, false);
      }
    }
    if (filling_ != nullptr) flush(*filling_);
  }

  template <typename StreamOrShared>
  int epoll_of(const StreamOrShared& stream) const noexcept {
    return stream.prompt ? publisher_epoll_ : epoll_;
  }
  const TlsSettings* tls() const noexcept { return tls_ ? &*tls_ : nullptr; }

  void request_by_http2(std::size_t index) {
    if (filling_ == nullptr || filling_->streams.size() == options_.streams_per_connection) {
      if (filling_ != nullptr) flush(*filling_);
      shared_.push_back(std::make_unique<Shared>(Transport(connector_.connect(opening_.stalled), tls())));
      filling_ = shared_.back().get();
      filling_->stalled = opening_.stalled;
      filling_->prompt = opening_.prompt;
      filling_->key = (shared_.size() - 1) | shared_key | (opening_.prompt ? prompt_stream : 0);
      filling_->watched = EPOLLIN;
      watch(epoll_of(*filling_), filling_->connection.transport().fd(), EPOLLIN, filling_->key);
    }
    Stream& stream = streams_[index];
    stream.shared = filling_;
    stream.id = filling_->connection.get(names_.fill(options_.subscribe, index, names_.group_of(index)),
                                         opening_.last_event_id);
    filling_->streams.push_back(index);
    ++filling_->unopened;
  }

  void flush(Shared& shared) {
    shared.connection.flush();
    watch_shared(shared);
  }

  void watch_shared(Shared& shared) {
    const std::uint32_t wanted = shared.connection.waits_for();
    if (wanted == shared.watched || shared.watched == 0) return;
    shared.watched = wanted;
    watch(epoll_of(shared), shared.connection.transport().fd(), wanted, shared.key, EPOLL_CTL_MOD);
  }

  void serve(std::uint64_t key) {
    const std::uint64_t index = key & (prompt_stream - 1);
    if ((key & shared_key) != 0) {
      serve_shared(*shared_[index]);
    } else {
      serve_stream(index);
    }
  }

  void serve_shared(Shared& shared) {
    Transport& transport = shared.connection.transport();
    const std::uint64_t openings_before = openings_;
    SharedEvents events{*this, shared};
    do {
      const ssize_t n = shared.connection.receive(buffer_.data(), buffer_.size(), events);
      now_ = now_ns();
      if (n == 0) {
        for (const std::size_t index : shared.streams) lose_stream(index);
        shared.watched = 0;
        if (filling_ == &shared) filling_ = nullptr;
        transport.close();
        return;
      }
      if (n < 0) break;
      ++reads_;
      bytes_ += static_cast<std::uint64_t>(n);
    } while (transport.more());
    flush(shared);
    if (openings_ == openings_before) return;
    if (shared.stalled && shared.unopened == 0) {
      shared.watched = 0;
      watch(epoll_of(shared), transport.fd(), 0, shared.key, EPOLL_CTL_DEL);
    }
    refill_openings();
  }

  // The server has ended it.
  void lose_stream(std::size_t index) {
    Stream& stream = streams_[index];
    if (!stream.connected) return;
    if (!stream.opened) throw Failure("a stream was closed before its head");
    ++ended_;
    forget_stream(index);
  }

  void forget_stream(std::size_t index) {
    Stream& stream = streams_[index];
    if (stream.counted) --receivers_[place_of(index)];
    stream.counted = false;
    stream.connected = false;
    stream.transport.close();
  }

  void request_stream(std::size_t index, bool watched) {
    Stream& stream = streams_[index];
    std::string request = "GET " + names_.fill(options_.subscribe, index, names_.group_of(index)) +
                          " HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n";
    if (!opening_.last_event_id.empty())
      request.append("Last-Event-ID: ").append(opening_.last_event_id).append("\r\n");
    request += "\r\n";
    const ssize_t n = stream.transport.write(request.data(), request.size());
    if (n < 0 && errno != EAGAIN && errno != ENOTCONN) throw system_failure("opening a stream");
    stream.requested = n > 0;
    watch(epoll_of(stream), stream.transport.fd(), stream.requested ? EPOLLIN : stream.transport.waits_for(),
          stream.prompt ? index + prompt_stream : index, watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD);
  }

  void serve_stream(std::size_t index) {
    Stream& stream = streams_[index];
    if (!stream.connected) return;
    if (!stream.requested) {
      request_stream(index, true);
      return;
    }
    const bool was_open = stream.opened;
    do {
      const ssize_t n = stream.transport.read(buffer_.data(), buffer_.size());
      now_ = now_ns();
      if (n < 0 && errno == EAGAIN) break;
      if (n <= 0) {
        lose_stream(index);
        return;
      }
      ++reads_;
      bytes_ += static_cast<std::uint64_t>(n);
      current_ = index;
      stream.parser.feed(buffer_.data(), static_cast<std::size_t>(n), *this);
      if (stream.parser.broken()) throw Failure("a stream's chunks are broken");
    } while (stream.transport.more());
    if (stream.opened && !was_open) {
      // From now on it is not even looked at: with its window shut, its end could not be seen anyway.
      if (stream.stalled) watch(epoll_of(stream), stream.transport.fd(), 0, index, EPOLL_CTL_DEL);
      refill_openings();
    }
  }

  void connect_publisher(std::size_t index) {
    publishers_[index] =
        std::make_unique<Publisher>(Transport(connector_.connect(), tls()), options_.size, options_.http2);
    watch(publisher_epoll_, publishers_[index]->fd(), EPOLLIN, index);
  }

  bool plan_active() const noexcept { return plan_.events != 0 && (plan_.stop_at == 0 || now_ < plan_.stop_at); }

  bool any_idle() const noexcept {
    for (std::size_t i = plan_.first; i < plan_.last; ++i) {
      if (publishers_[i]->idle()) return true;
    }
    return false;
  }

  void pace() {
    for (std::size_t i = plan_.first; i < plan_.last && now_ >= due_ && plan_active(); ++i) publish_next(i);
  }

  void publish_next(std::size_t index) {
    Publisher& publisher = *publishers_[index];
    if (!publisher.idle() || !plan_active()) return;
    if (plan_.rate > 0) {
      if (now_ < due_) return;
      latest_ = std::max(latest_, now_ - due_);
      due_ += static_cast<std::uint64_t>(1e9 / plan_.rate);
    }
    const Target& target = targets_[next_target_];
    next_target_ = next_target_ + 1 == targets_.size() ? 0 : next_target_ + 1;
    --plan_.events;
    ++publications_;
    ++outstanding_;
    expected_ += receivers_[target.place];
    publisher.send(target.path, static_cast<std::uint16_t>(index), sent_[index * receivers_.size() + target.place]++);
    if (first_publication_ == 0) first_publication_ = publisher.sent_at();
  }

  void serve_publishers() {
    epoll_event events[64];
    const int count = ::epoll_wait(publisher_epoll_, events, 64, 0);
    now_ = now_ns();
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 >= prompt_stream) {
        serve(events[i].data.u64);
        continue;
      }
      const auto index = static_cast<std::size_t>(events[i].data.u64);
      Publisher& publisher = *publishers_[index];
      publisher.flush();
      if (!publisher.receive()) {
        if (publisher.closed()) connect_publisher(index);
        continue;
      }
      answer_.add(now_ - publisher.sent_at());
      --outstanding_;
      ++answered_;
      publish_next(index);
    }
    if (plan_.rate > 0) pace();
    // Counted from the end of this, so that many publishers cannot keep the streams from being read.
    publishers_served_ = now_ns();
  }

  const Options& options_;
  Names names_;
  Connector connector_;
  std::optional<TlsSettings> tls_;
  Destination destination_;
  SequenceCheck check_;
  std::vector<Stream> streams_;
  std::vector<std::unique_ptr<Shared>> shared_;
  Shared* filling_ = nullptr;  // what the next stream of HTTP/2 joins
  std::vector<std::unique_ptr<Publisher>> publishers_;
  std::vector<std::size_t> receivers_;  // streams that an event to each destination reaches
  std::vector<std::uint32_t> sent_;     // events so far, by publisher and destination
  std::vector<Target> targets_;
  std::vector<char> buffer_;
  int epoll_, publisher_epoll_;

  Opening opening_;
  std::size_t open_next_ = 0, open_last_ = 0, being_opened_ = 0;
  Plan plan_;
  std::size_t next_target_ = 0, outstanding_ = 0, timed_from_ = 0, current_ = 0;
  std::uint64_t due_ = 0, now_ = 0, publishers_served_ = 0;

  Histogram latency_, answer_;
  std::string last_id_;
  std::uint64_t expected_ = 0, received_ = 0, publications_ = 0, bytes_ = 0, reads_ = 0, comments_ = 0, ended_ = 0;
  std::uint64_t foreign_ = 0, gaps_told_ = 0, from_first_publisher_ = 0, openings_ = 0, answered_ = 0, latest_ = 0;
  std::uint64_t first_publication_ = 0, last_delivery_ = 0;
};

}  // namespace bench
