// RedisNode: what stands behind a RedisBus.
//
// A session is two connections: one for commands, one that follows the log or listens to the channels. A fault of one
// ends both, and a new session begins after a while. All of it runs on one strand; calls from other threads leave what
// they bring under the lock and wake the strand.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>

#include <spate/cluster/bus.hpp>
#include <spate/cluster/detail/bus_message.hpp>
#include <spate/cluster/detail/outbox.hpp>
#include <spate/cluster/detail/redis_connection.hpp>
#include <spate/cluster/detail/redis_log_follower.hpp>
#include <spate/cluster/detail/redis_scripts.hpp>
#include <spate/cluster/detail/redis_url.hpp>
#include <spate/cluster/redis_options.hpp>
#include <spate/error.hpp>
#include <spate/stream/detail/post.hpp>

namespace spate::detail {

class RedisNode : public std::enable_shared_from_this<RedisNode> {
 public:
  using Users = std::function<void(std::error_code, std::vector<UserStreams>)>;

  static std::shared_ptr<RedisNode> make(const asio::any_io_executor& executor, RedisOptions options) {
    return std::make_shared<RedisNode>(executor, std::move(options));
  }

  RedisNode(const asio::any_io_executor& executor, RedisOptions options)
      : random_(std::random_device()()),
        origin_(draw_origin()),
        url_(parse_redis_url(options.url)),
        options_(checked(std::move(options), origin_)),
        logs_(options_.mode == ClusterMode::durable),
        strand_(asio::make_strand(executor)),
        retry_timer_(strand_),
        resend_timer_(strand_),
        lease_timer_(strand_),
        outbox_(options_.max_queued_events, options_.max_queued_bytes) {
    status_.reason = "not connected yet";
  }

  const RedisOptions& options() const noexcept { return options_; }

  // ---- any thread ----

  std::error_code publish(const Audience& audience, const Event& event, Bus::Published done) {
    std::string message = BusMessageCodec::encode(audience, event);
    const bool routed = options_.mode == ClusterMode::directed && audience.kind() == Audience::Kind::user;
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return Errc::shut_down;
      if (!outbox_.has_room(message.size())) {
        ++status_.refused;
        return Errc::bus_queue_full;
      }
      BusMessageCodec::stamp(message, origin_, outbox_.next_counter());
      outbox_.push(std::move(message), routed ? std::string(audience.name()) : std::string(), std::move(done));
    }
    wake();
    return {};
  }

  void changed(std::string_view user, std::size_t streams) {
    {
      const std::lock_guard lock(mutex_);
      changed_users_.insert_or_assign(std::string(user), streams);
    }
    wake();
  }

  void attach(std::shared_ptr<BusListener> listener) {
    {
      const std::lock_guard lock(mutex_);
      listener_ = std::move(listener);
    }
    run([](RedisNode& node) {
      // Another listener knows nothing of the log.
      node.follower_.restart({});
      node.end_session();
      node.connect();
    });
  }
  void detach() {
    std::shared_ptr<BusListener> dropped;  // behind the lock
    const std::lock_guard lock(mutex_);
    dropped.swap(listener_);
  }

  void ask_newest(Bus::Published done) {
    auto answer = std::make_shared<Answer<std::uint64_t>>(std::move(done));
    run([answer = std::move(answer)](RedisNode& node) {
      if (!node.up_) return;
      node.commands_->command({"XINFO", "STREAM", node.key("log")}, [answer](const redisReply& reply) {
        // Without a log nothing was given out.
        for (std::size_t i = 0; i + 1 < reply.elements; i += 2) {
          if (text_of(*reply.element[i]) != "last-generated-id") continue;
          return answer->give(LogId::parse(text_of(*reply.element[i + 1])).value_or(0));
        }
        if (reply.type == REDIS_REPLY_ERROR && text_of(reply) == "ERR no such key") answer->give(0);
      });
    });
  }

  void ask_users(std::string prefix, Users done) {
    auto answer = std::make_shared<Answer<std::vector<UserStreams>>>(std::move(done));
    run([answer = std::move(answer), prefix = std::move(prefix)](RedisNode& node) {
      if (!node.up_) return;
      node.eval(Script::users, 1, {node.key("nodes"), node.options_.prefix, node.options_.node, prefix},
                [answer](const redisReply& reply) {
                  if (reply.type != REDIS_REPLY_ARRAY) return;
                  std::vector<UserStreams> users;
                  for (std::size_t i = 0; i + 1 < reply.elements; i += 2) {
                    const std::string_view count = text_of(*reply.element[i + 1]);
                    std::size_t streams = 0;
                    std::from_chars(count.data(), count.data() + count.size(), streams);
                    users.emplace_back(text_of(*reply.element[i]), streams);
                  }
                  answer->give(std::move(users));
                });
    });
  }

  BusStatus status() const {
    const std::lock_guard lock(mutex_);
    BusStatus status = status_;
    status.queued = outbox_.size();
    status.queued_bytes = outbox_.bytes();
    return status;
  }

  void close() {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(closed_, true)) return;
    }
    run([](RedisNode& node) { node.leave(); });
  }

 private:
  enum class Script : std::uint8_t { hello, append, read, route, lease, presence, users, count };
  static constexpr std::array<std::string_view, static_cast<std::size_t>(Script::count)> scripts{
      redis_scripts::hello, redis_scripts::append,   redis_scripts::read, redis_scripts::route,
      redis_scripts::lease, redis_scripts::presence, redis_scripts::users};

  /// Events on their way at a time: enough to fill the wire, few enough to be sent again.
  static constexpr std::size_t window = 256;
  /// Users told to Redis in one command.
  static constexpr std::size_t users_at_a_time = 500;
  /// For how long Redis remembers the number of a publisher's last event, in seconds: a day.
  static constexpr std::string_view counter_lifetime = "86400";

  /// A question's answer, or Errc::bus_lost when the question is dropped.
  template <typename Result>
  class Answer {
   public:
    explicit Answer(std::function<void(std::error_code, Result)> done) : done_(std::move(done)) {}
    Answer(const Answer&) = delete;
    Answer& operator=(const Answer&) = delete;
    ~Answer() {
      if (done_) done_(Errc::bus_lost, {});
    }
    void give(Result result) { std::exchange(done_, {})({}, std::move(result)); }

   private:
    std::function<void(std::error_code, Result)> done_;
  };

  std::uint64_t draw_origin() {
    std::random_device device;
    return std::uint64_t{device()} << 32 | device();
  }

  static RedisOptions checked(RedisOptions&& options, std::uint64_t origin) {
    if (options.node.empty()) options.node = hex(origin);
    const auto legal = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' ||
             c == '-';
    };
    if (options.node.size() > 64 || !std::all_of(options.node.begin(), options.node.end(), legal)) {
      throw std::invalid_argument(
          "spate::RedisBus: a node's name is 1 to 64 of letters, digits, '.', '_' and '-', not " + quote(options.node));
    }
    if (options.log_events == 0) throw std::invalid_argument("spate::RedisBus: log_events must be positive");
    return std::move(options);
  }

  static std::string hex(std::uint64_t number) {
    std::array<char, 16> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
    return std::string(digits.data(), end);
  }

  std::string key(std::string_view name) const { return options_.prefix + std::string(name); }
  std::string own_key() const { return key("node:") + options_.node; }

  void run(std::function<void(RedisNode&)> function) {
    post_function(strand_, [self = shared_from_this(), function = std::move(function)] { function(*self); });
  }

  void wake() {
    if (!awake_.exchange(true)) {
      run([](RedisNode& node) {
        node.awake_ = false;
        node.send_more();
        node.tell_changed_users();
      });
    }
  }

  std::shared_ptr<BusListener> listener() const {
    const std::lock_guard lock(mutex_);
    return listener_;
  }

  void tell(std::error_code error, const std::string& what) {
    if (options_.on_bus_error) options_.on_bus_error(error, what);
  }

  // ---- sessions ----

  void connect() {
    if (left_) return;
    ++session_;
    ready_ = 0;
    commands_ = connection();
    listening_ = connection();
    commands_->start();
    listening_->start();
  }

  std::shared_ptr<RedisConnection> connection() {
    RedisConnection::Events events;
    const auto in_session = [weak = weak_from_this(), session = session_](auto&& function) {
      const auto self = weak.lock();
      if (self && self->session_ == session && self->commands_) function(*self);
    };
    events.ready = [in_session] {
      in_session([](RedisNode& node) {
        if (++node.ready_ == 2) node.begin();
      });
    };
    events.lost = [in_session](std::error_code error, const std::string& why) {
      in_session([&](RedisNode& node) { node.lost(error, why); });
    };
    events.message = [in_session](std::string_view message) {
      in_session([&](RedisNode& node) { node.take_relayed(message); });
    };
    return std::make_shared<RedisConnection>(strand_, url_, options_.reply_timeout, std::move(events));
  }

  void eval(Script script, int keys, const std::vector<std::string_view>& words, RedisConnection::Reply reply) {
    const std::string key_count = std::to_string(keys);
    std::vector<std::string_view> all{"EVALSHA", shas_[static_cast<std::size_t>(script)], key_count};
    all.insert(all.end(), words.begin(), words.end());
    commands_->command(all, std::move(reply));
  }

  // Both connections are there.
  void begin() {
    for (std::size_t i = 0; i < scripts.size(); ++i) {
      commands_->command({"SCRIPT", "LOAD", scripts[i]}, [this, i](const redisReply& reply) {
        if (reply.type == REDIS_REPLY_ERROR) return lost(Errc::bus_refused, std::string(text_of(reply)));
        shas_[i] = text_of(reply);
        if (i + 1 == scripts.size()) greet();
      });
    }
  }

  void greet() {
    if (!logs_) {
      listening_->subscribe({key("all"), key("to:") + options_.node}, [this] { up(); });
      return;
    }
    const std::string proposed = hex(random_());
    eval(Script::hello, 2, {key("epoch"), key("log"), proposed, follower_.epoch(), LogId::format(follower_.position())},
         [this](const redisReply& reply) {
           if (reply.type == REDIS_REPLY_ERROR) return lost(Errc::bus_refused, std::string(text_of(reply)));
           begin_log(text_of(reply));
           // What waits is sent once the log has been read: so streams that were here before are given it.
           follower_.follow(listening_, shas_[static_cast<std::size_t>(Script::read)]);
         });
  }

  void begin_log(std::string_view epoch) {
    if (epoch == follower_.epoch()) return;
    follower_.restart(epoch);
    // What Redis had confirmed is lost with the log.
    settle_confirmed(true);
    if (const auto to = listener()) to->restarted(epoch);
  }

  void up() {
    up_ = true;
    up_since_ = RedisConnection::Clock::now();
    first_ = true;
    {
      const std::lock_guard lock(mutex_);
      status_.connected = true;
      status_.reason.clear();
      if (was_up_) ++status_.reconnects;
    }
    was_up_ = true;
    tell_all_users();
    keep_lease();
    send_more();
  }

  void lost(std::error_code error, const std::string& why) {
    const std::string what = url_.host + ":" + std::to_string(url_.port) + ": " + why;
    const bool lasted = up_ && RedisConnection::Clock::now() - up_since_ > std::chrono::seconds(1);
    end_session();
    {
      const std::lock_guard lock(mutex_);
      status_.reason = what;
    }
    tell(error, what);
    if (left_) return;
    retry_delay_ =
        lasted || retry_delay_.count() == 0 ? options_.min_retry : std::min(retry_delay_ * 2, options_.max_retry);
    const auto most = std::max<std::int64_t>(retry_delay_.count(), 1);
    retry_timer_.expires_after(
        std::chrono::milliseconds(std::uniform_int_distribution<std::int64_t>((most + 1) / 2, most)(random_)));
    retry_timer_.async_wait([weak = weak_from_this(), session = session_](std::error_code cancelled) {
      const auto self = weak.lock();
      if (!cancelled && self && self->session_ == session) self->connect();
    });
  }

  void end_session() {
    up_ = false;
    follower_.stop();
    for (auto* each : {&commands_, &listening_}) {
      if (const auto connection = std::exchange(*each, nullptr)) connection->close();
    }
    retry_timer_.cancel();
    resend_timer_.cancel();
    lease_timer_.cancel();
    rewinding_ = false;
    in_flight_ = 0;
    std::vector<Outbox::Item> unknown;
    {
      const std::lock_guard lock(mutex_);
      status_.connected = false;
      if (logs_) {
        outbox_.rewind();
      } else {
        // At most once: nobody knows whether Redis had them.
        unknown = outbox_.take_sent();
      }
    }
    for (Outbox::Item& item : unknown) {
      if (item.done) item.done(Errc::bus_lost, 0);
    }
    settle_confirmed(false);
  }

  void leave() {
    left_ = true;
    if (up_) {
      commands_->command({"ZREM", key("nodes"), options_.node}, {});
      commands_->command({"DEL", own_key()}, {});
      commands_->close_when_written();
      commands_ = nullptr;
    }
    end_session();
    settle_confirmed(true);
    std::vector<Outbox::Item> unsent;
    {
      const std::lock_guard lock(mutex_);
      status_.reason = "closed";
      unsent = outbox_.take_all();
    }
    for (Outbox::Item& item : unsent) {
      if (item.done) item.done(Errc::shut_down, 0);
    }
  }

  // ---- sending ----

  void send_more() {
    if (!up_ || rewinding_) return;
    while (in_flight_ < window) {
      Outbox::Item* item = nullptr;
      {
        const std::lock_guard lock(mutex_);
        item = outbox_.next();
      }
      // Only this strand takes one out, so it stays where it is.
      if (item == nullptr) return;
      ++in_flight_;
      if (logs_) {
        append(*item);
      } else {
        relay(*item);
      }
      if (!up_) return;
    }
  }

  void append(const Outbox::Item& item) {
    const std::string counter = std::to_string(item.counter), kept = std::to_string(options_.log_events);
    eval(Script::append, 3,
         {key("epoch"), key("log"), key("publisher:") + hex(origin_), follower_.epoch(), counter,
          std::exchange(first_, false) ? "1" : "0", kept, counter_lifetime, item.message},
         [this](const redisReply& reply) { took_append(reply); });
  }

  void took_append(const redisReply& reply) {
    --in_flight_;
    if (reply.type == REDIS_REPLY_ERROR) return refused(std::string(text_of(reply)));
    if (rewinding_) return resend_later();
    Outbox::Item item = confirmed();
    const std::uint64_t sequence = LogId::parse(text_of(reply)).value_or(0);
    // It counts as published when this node has read it too: whoever then asks here for what is newest, has it.
    if (item.done) confirmed_.emplace(item.counter, Confirmed{sequence, std::move(item.done)});
    send_more();
  }

  // Redis took none of what was on its way behind this one either: it is sent again, in order.
  void refused(const std::string& why) {
    if (why.starts_with("EPOCH") || why.starts_with("NOSCRIPT")) return lost(Errc::bus_lost, why);
    if (!rewinding_) {
      rewinding_ = true;
      {
        const std::lock_guard lock(mutex_);
        status_.reason = why;
      }
      tell(Errc::bus_refused, why);
    }
    resend_later();
  }

  void resend_later() {
    if (in_flight_ > 0) return;
    resend_timer_.expires_after(options_.min_retry * 2);
    resend_timer_.async_wait([weak = weak_from_this(), session = session_](std::error_code cancelled) {
      const auto self = weak.lock();
      if (cancelled || !self || self->session_ != session || !self->up_) return;
      self->rewinding_ = false;
      self->first_ = true;
      {
        const std::lock_guard lock(self->mutex_);
        self->outbox_.rewind();
      }
      self->send_more();
    });
  }

  void relay(const Outbox::Item& item) {
    RedisConnection::Reply reply = [this](const redisReply& answer) {
      --in_flight_;
      if (answer.type == REDIS_REPLY_ERROR) {
        const Outbox::Item refused_one = failed(std::string(text_of(answer)));
        if (refused_one.done) refused_one.done(Errc::bus_refused, 0);
      } else {
        const Outbox::Item sent = confirmed();
        if (sent.done) sent.done({}, 0);
      }
      send_more();
    };
    if (item.user.empty()) {
      commands_->command({"PUBLISH", key("all"), item.message}, std::move(reply));
    } else {
      eval(Script::route, 1, {key("nodes"), options_.prefix, options_.node, item.user, item.message}, std::move(reply));
    }
  }

  Outbox::Item failed(const std::string& why) {
    tell(Errc::bus_refused, why);
    const std::lock_guard lock(mutex_);
    status_.reason = why;
    return outbox_.pop();
  }

  Outbox::Item confirmed() {
    const std::lock_guard lock(mutex_);
    ++status_.published;
    status_.reason.clear();
    return outbox_.pop();
  }

  // Those that Redis has confirmed, while this node does not read the log: they need not wait for it. What Redis only
  // said to have already is found in the log later, unless there is none to wait for.
  void settle_confirmed(bool all) {
    std::vector<Confirmed> settled;
    for (auto at = confirmed_.begin(); at != confirmed_.end();) {
      if (!all && at->second.sequence == 0) {
        ++at;
        continue;
      }
      settled.push_back(std::move(at->second));
      at = confirmed_.erase(at);
    }
    for (Confirmed& each : settled) each.done({}, each.sequence);
  }

  // ---- receiving ----

  RedisLogFollower::Events follower_events() {
    RedisLogFollower::Events events;
    events.entry = [this](std::uint64_t sequence, std::string_view message) { take_entry(sequence, message); };
    events.trimmed = [this](std::uint64_t sequence) {
      if (const auto to = listener()) to->trimmed(sequence);
    };
    events.garbled = [this](std::string_view id) { skip("an entry of the log, " + std::string(id)); };
    events.caught_up = [this](std::uint64_t newest) {
      if (const auto to = listener()) to->caught_up(newest);
      settle_up_to(newest);
      if (!up_) up();
    };
    events.failed = [this](std::error_code error, const std::string& why) { lost(error, why); };
    return events;
  }

  void take_entry(std::uint64_t sequence, std::string_view text) {
    const auto message = decode(text);
    if (!message) return;
    if (const auto to = listener()) to->appended(sequence, message->audience(), message->event);
    if (message->origin != origin_) return;
    Bus::Published done;
    if (const auto found = confirmed_.find(message->counter); found != confirmed_.end()) {
      done = std::move(found->second.done);
      confirmed_.erase(found);
    } else {
      // It is here before Redis's answer is.
      const std::lock_guard lock(mutex_);
      if (Outbox::Item* item = outbox_.find(message->counter)) done.swap(item->done);
    }
    if (done) done({}, sequence);
  }

  // All that was in the log has been read: what is confirmed and was not seen has been trimmed already.
  void settle_up_to(std::uint64_t newest) {
    std::vector<Confirmed> settled;
    for (auto at = confirmed_.begin(); at != confirmed_.end();) {
      if (at->second.sequence > newest || at->second.sequence == 0) {
        ++at;
        continue;
      }
      settled.push_back(std::move(at->second));
      at = confirmed_.erase(at);
    }
    for (Confirmed& each : settled) each.done({}, each.sequence);
  }

  void take_relayed(std::string_view text) {
    const auto message = decode(text);
    if (!message || message->origin == origin_) return;
    if (const auto to = listener()) to->relayed(message->audience(), message->event);
  }

  std::optional<BusMessage> decode(std::string_view text) {
    std::string why;
    auto message = BusMessageCodec::decode(text, why);
    if (!message) {
      skip("a message of " + std::to_string(text.size()) + " bytes: " + why);
    } else if (message->origin != origin_) {
      const std::lock_guard lock(mutex_);
      ++status_.received;
    }
    return message;
  }

  void skip(const std::string& what) {
    {
      const std::lock_guard lock(mutex_);
      ++status_.skipped;
    }
    tell(Errc::bus_garbled, "skipped " + what);
  }

  // ---- who is here ----

  void keep_lease() {
    if (!up_) return;
    const std::string lease = std::to_string(options_.lease.count()), age = std::to_string(options_.log_age.count());
    eval(Script::lease, 3, {key("nodes"), own_key(), key("log"), options_.node, lease, age},
         [this](const redisReply& reply) {
           if (reply.type == REDIS_REPLY_ERROR) return tell(Errc::bus_refused, std::string(text_of(reply)));
           if (reply.integer == 0) tell_all_users();
         });
    if (!logs_) listening_->command({"PING"}, [](const redisReply&) {});
    lease_timer_.expires_after(options_.lease / 3);
    lease_timer_.async_wait([weak = weak_from_this(), session = session_](std::error_code cancelled) {
      const auto self = weak.lock();
      if (!cancelled && self && self->session_ == session) self->keep_lease();
    });
  }

  void tell_all_users() {
    const auto to = listener();
    if (!to) return;
    {
      const std::lock_guard lock(mutex_);
      changed_users_.clear();
    }
    const std::vector<UserStreams> users = to->users_here();
    if (users.empty() && users_told_ == 0) return;
    users_told_ = users.size();
    commands_->command({"DEL", own_key()}, [](const redisReply&) {});
    tell_users(users);
  }

  void tell_changed_users() {
    if (!up_) return;
    std::map<std::string, std::size_t> users;
    {
      const std::lock_guard lock(mutex_);
      users.swap(changed_users_);
    }
    if (users.empty()) return;
    ++users_told_;
    tell_users({users.begin(), users.end()});
  }

  void tell_users(const std::vector<UserStreams>& users) {
    const std::string lease = std::to_string(options_.lease.count());
    for (std::size_t from = 0; from < users.size() && up_; from += users_at_a_time) {
      const std::size_t to = std::min(users.size(), from + users_at_a_time);
      std::vector<std::string> counts;
      for (std::size_t i = from; i < to; ++i) counts.push_back(std::to_string(users[i].second));
      const std::string own = own_key();
      std::vector<std::string_view> words{own, lease};
      for (std::size_t i = from; i < to; ++i) {
        words.emplace_back(users[i].first);
        words.emplace_back(counts[i - from]);
      }
      eval(Script::presence, 1, words, [this](const redisReply& reply) {
        if (reply.type == REDIS_REPLY_ERROR) tell(Errc::bus_refused, std::string(text_of(reply)));
      });
    }
  }

  std::mt19937_64 random_;
  const std::uint64_t origin_;
  const RedisUrl url_;
  const RedisOptions options_;
  const bool logs_;
  const asio::any_io_executor strand_;
  std::atomic<bool> awake_{false};

  // ---- strand only ----

  asio::steady_timer retry_timer_;
  asio::steady_timer resend_timer_;
  asio::steady_timer lease_timer_;
  std::chrono::milliseconds retry_delay_{0};
  RedisConnection::Clock::time_point up_since_;
  std::uint64_t session_ = 0;
  std::shared_ptr<RedisConnection> commands_;
  std::shared_ptr<RedisConnection> listening_;
  std::array<std::string, scripts.size()> shas_;
  RedisLogFollower follower_{key("epoch"), key("log"), follower_events()};
  struct Confirmed {
    std::uint64_t sequence;  // 0: Redis said only that it has it
    Bus::Published done;
  };
  std::map<std::uint64_t, Confirmed> confirmed_;  // by counter: confirmed by Redis, not yet read from the log
  std::size_t in_flight_ = 0;
  std::size_t users_told_ = 0;
  int ready_ = 0;
  bool up_ = false;
  bool was_up_ = false;
  bool first_ = true;       // the next event to append is the first of its session, or after a failed one
  bool rewinding_ = false;  // one has failed: those behind it are awaited, then all are sent again
  bool left_ = false;

  mutable std::mutex mutex_;
  Outbox outbox_;
  BusStatus status_;
  std::shared_ptr<BusListener> listener_;
  std::map<std::string, std::size_t> changed_users_;
  bool closed_ = false;
};

}  // namespace spate::detail
