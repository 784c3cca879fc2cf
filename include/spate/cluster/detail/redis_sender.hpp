// RedisSender: brings events to Redis, in order, and tells their fate.
//
// With a log each event is appended exactly once: its number says which one it is, so that it may be sent again when an
// answer is lost. When one fails, those behind it fail too, and all are sent again. If replicas are to have it, Redis
// is asked for them with WAIT, once for all that it has appended since it was asked last. Without a log an event whose
// answer is lost is given up.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/steady_timer.hpp>

#include <spate/cluster/bus.hpp>
#include <spate/cluster/detail/bus_message.hpp>
#include <spate/cluster/detail/log_id.hpp>
#include <spate/cluster/detail/outbox.hpp>
#include <spate/cluster/detail/redis_keys.hpp>
#include <spate/cluster/detail/redis_log_recovery.hpp>
#include <spate/cluster/detail/redis_server_info.hpp>
#include <spate/cluster/detail/redis_session.hpp>
#include <spate/cluster/redis_options.hpp>
#include <spate/error.hpp>

namespace spate::detail {

class RedisSender {
 public:
  struct Events {
    /// Redis has answered with an error.
    std::function<void(const std::string& why)> refused;
    /// Redis has appended this.
    std::function<void(std::uint64_t sequence, std::string_view message)> appended;
    /// Redis has no memory for an event of this size: makes some by trimming the log, or returns false.
    std::function<bool(std::size_t bytes)> make_room;
    /// Any thread, under the lock: something is about to wait, so that `send_more` is to be called afterwards. When it
    /// throws, nothing waits.
    std::function<void()> wake;
  };

  /// `origin` is the number of this process, `name` its text.
  RedisSender(const asio::any_io_executor& strand, const RedisOptions& options, const RedisKeys& keys,
              std::uint64_t origin, const std::string& name, Events events)
      : origin_(origin),
        logs_(options.mode == ClusterMode::durable),
        routes_(options.mode == ClusterMode::directed),
        kept_(std::to_string(options.log_events)),
        again_after_(options.min_retry * 2),
        replicas_(options.wait_replicas),
        replicas_within_(options.wait_timeout),
        keys_(keys),
        counter_key_(keys.publisher + name),
        events_(std::move(events)),
        timer_(strand),
        outbox_(options.max_queued_events, options.max_queued_bytes) {}

  // ---- any thread ----

  std::error_code push(const Audience& audience, const Event& event, Bus::Published done) {
    std::string message = BusMessageCodec::encode(audience, event);
    const bool routed = routes_ && audience.kind() == Audience::Kind::user;
    const std::lock_guard lock(mutex_);
    if (closed_) return Errc::shut_down;
    if (!outbox_.has_room(message.size())) {
      ++refused_count_;
      return Errc::bus_queue_full;
    }
    BusMessageCodec::stamp(message, origin_, outbox_.next_counter());
    // First what may fail for want of memory: no event is queued that nobody sends, or that its caller takes for lost.
    std::string user = routed ? std::string(audience.name()) : std::string();
    events_.wake();
    outbox_.push(std::move(message), std::move(user), std::move(done));
    return {};
  }

  void report(BusStatus& status) const {
    const std::lock_guard lock(mutex_);
    status.queued = outbox_.size();
    status.queued_bytes = outbox_.bytes();
    status.published = published_;
    status.refused = refused_count_;
    // Of a Redis that is there, what it refuses comes first.
    if (!refusal_.empty() && (status.connected || status.reason.empty())) status.reason = refusal_;
  }

  // ---- on the strand ----

  void begin(std::shared_ptr<RedisSession> session, std::string epoch) {
    session_ = std::move(session);
    epoch_ = std::move(epoch);
    first_ = true;
    if (logs_) rewind();
    send_more();
  }

  /// The session is over.
  void end() {
    session_ = nullptr;
    timer_.cancel();
    rewinding_ = full_ = false;
    in_flight_ = 0;
    {
      const std::lock_guard lock(mutex_);
      refusal_.clear();
    }
    if (logs_) rewind();
    // Without a log, at most once: nobody knows whether Redis had those that were on their way.
    give_up(Errc::bus_lost, [](const Outbox& outbox) { return outbox.sent() > 0; });
    asks_replicas_ = false;
    // They are in the log, but nobody knows whether replicas have them.
    for (const Confirmed& each : std::exchange(unreplicated_, {})) each.done(Errc::bus_not_replicated, 0);
    // The log is not read for a while, and these need not wait for it. What Redis only said to have already is found in
    // the log later.
    settle([](const Confirmed& each) { return each.sequence != 0; });
  }

  /// Gives up all there is, for good.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    give_up(Errc::shut_down, [](const Outbox& outbox) { return outbox.size() > 0; });
    for (const Confirmed& each : std::exchange(unreplicated_, {})) each.done(Errc::bus_not_replicated, 0);
    settle([](const Confirmed&) { return true; });
  }

  void send_more() {
    while (session_ && !rewinding_ && in_flight_ < window) {
      Outbox::Item* item = nullptr;
      {
        const std::lock_guard lock(mutex_);
        item = outbox_.next();
      }
      if (item == nullptr) return;
      ++in_flight_;
      // Only this strand takes one out, so it stays where it is.
      if (logs_) {
        append(*item);
      } else {
        relay(*item);
      }
    }
  }

  /// This node has read its own event from the log.
  void seen(std::uint64_t counter, std::uint64_t sequence) {
    seen_up_to_ = counter;
    Bus::Published done;
    if (const auto found = confirmed_.find(counter); found != confirmed_.end()) {
      done = std::move(found->second.done);
      confirmed_.erase(found);
    } else if (replicas_ == 0) {
      // It is here before Redis's answer is.
      const std::lock_guard lock(mutex_);
      if (Outbox::Item* item = outbox_.find(counter)) done.swap(item->done);
    }
    if (done) done({}, sequence);
  }

  /// This node has read all of the log up to `newest`: what is confirmed and was not seen has been trimmed already.
  void caught_up(std::uint64_t newest) {
    settle([newest](Confirmed& each) {
      if (each.sequence != 0) return each.sequence <= newest;
      // It was in the log before Redis said so: whoever has read all of it twice since then would have seen it.
      return ++each.times_read > 1;
    });
  }

  /// What Redis had confirmed is lost with the log.
  void log_lost() {
    settle([](const Confirmed&) { return true; });
  }

 private:
  /// Events on their way at a time: enough to fill the wire, few enough to be sent again.
  static constexpr std::size_t window = 256;
  /// An event for which Redis has no memory is given up after so many attempts if it is so large that others may well
  /// find room: it holds them up no longer. A small one waits until there is memory.
  static constexpr int most_attempts = 4;
  static constexpr std::size_t large = 16 * 1024;

  struct Confirmed {
    std::uint64_t counter;
    std::uint64_t sequence;  // 0: Redis said only that it has it
    Bus::Published done;
    int times_read = 0;  // all of the log, since then
  };

  void append(const Outbox::Item& item) {
    const std::string counter = std::to_string(item.counter);
    session_->eval(RedisScript::append, 4,
                   {keys_.epoch, keys_.log, counter_key_, keys_.round, epoch_, counter,
                    std::exchange(first_, false) ? "1" : "0", kept_, RedisLogRecovery::counter_lifetime, item.message},
                   [this](const redisReply& reply) { took_append(reply); });
  }

  void took_append(const redisReply& reply) {
    --in_flight_;
    if (reply.type == REDIS_REPLY_ERROR) return failed(std::string(text_of(reply)));
    if (rewinding_) return send_again_later();
    // It is taken out behind what may fail for want of memory, so that its fate is told in any case.
    const Outbox::Item& item = oldest();
    const std::uint64_t sequence = LogId::parse(text_of(reply)).value_or(0);
    if (sequence != 0) events_.appended(sequence, item.message);
    if (!item.done) {
      pop({});
    } else if (replicas_ == 0) {
      confirm({item.counter, sequence, {}, 0}, [this] { return pop({}).done; });
    } else {
      Confirmed& confirmed = unreplicated_.emplace_back(Confirmed{item.counter, sequence, {}, 0});
      confirmed.done = pop({}).done;
      ask_replicas();
    }
    send_more();
  }

  // It counts as published when this node has read it too: whoever then asks here for what is newest, has it. Takes
  // `done` when nothing can fail any more.
  template <typename TakeDone>
  void confirm(Confirmed&& confirmed, TakeDone&& take_done) {
    if (confirmed.counter <= seen_up_to_ && confirmed.sequence != 0) return take_done()({}, confirmed.sequence);
    const auto place = confirmed_.emplace(confirmed.counter, std::move(confirmed)).first;
    place->second.done = take_done();
  }

  // WAIT speaks of all that was appended before it.
  void ask_replicas() {
    if (asks_replicas_ || unreplicated_.empty()) return;
    asks_replicas_ = true;
    const std::string count = std::to_string(replicas_), within = std::to_string(replicas_within_.count());
    session_->commands().command(
        {"WAIT", count, within},
        [this, asked = unreplicated_.size()](const redisReply& reply) { took_replicas(reply, asked); },
        replicas_within_);
  }

  void took_replicas(const redisReply& reply, std::size_t asked) {
    asks_replicas_ = false;
    const bool refused = reply.type == REDIS_REPLY_ERROR;
    const bool enough = !refused && static_cast<std::uint64_t>(reply.integer) >= replicas_;
    const std::string why = refused  ? std::string(text_of(reply))
                            : enough ? std::string()
                                     : "only " + std::to_string(reply.integer) + " of " + std::to_string(replicas_) +
                                           " replicas have confirmed within " +
                                           std::to_string(replicas_within_.count()) + " ms";
    {
      const std::lock_guard lock(mutex_);
      refusal_ = why;
    }
    if (!enough) events_.refused(why);
    for (; asked > 0; --asked) {
      const auto take_done = [this] {
        Bus::Published done = std::move(unreplicated_.front().done);
        unreplicated_.pop_front();
        return done;
      };
      if (enough) {
        confirm({unreplicated_.front().counter, unreplicated_.front().sequence, {}, 0}, take_done);
      } else {
        take_done()(Errc::bus_not_replicated, 0);
      }
    }
    ask_replicas();
  }

  // Redis takes nothing of what is on its way behind this one either.
  void failed(const std::string& why) {
    if (why.starts_with("EPOCH") || why.starts_with("NOSCRIPT") || why.starts_with("READONLY")) {
      return session_->fail(Errc::bus_lost, RedisServerInfo::explained(why));
    }
    if (!std::exchange(rewinding_, true)) {
      full_ = why.starts_with("OOM");
      const std::string told = RedisServerInfo::explained(why);
      {
        const std::lock_guard lock(mutex_);
        refusal_ = told;
      }
      events_.refused(told);
    }
    send_again_later();
  }

  void send_again_later() {
    if (in_flight_ > 0) return;
    if (std::exchange(full_, false) && room_was_made()) return send_again();
    timer_.expires_after(again_after_);
    timer_.async_wait([this, weak = std::weak_ptr(session_)](std::error_code cancelled) {
      // A session that lives has an owner who lives, and this with him.
      const auto session = weak.lock();
      if (!cancelled && session && session == session_) session->guarded([this] { send_again(); });
    });
  }

  void send_again() {
    rewinding_ = false;
    first_ = true;
    rewind();
    send_more();
  }

  // The oldest found no memory: there may be some if the log is shorter, or if this one goes.
  bool room_was_made() {
    std::size_t size = 0;
    {
      const std::lock_guard lock(mutex_);
      if (outbox_.size() == 0) return true;
      const Outbox::Item& oldest = outbox_.front();
      size = oldest.message.size();
      if (std::exchange(without_room_, oldest.counter) != oldest.counter) attempts_ = 0;
    }
    if (events_.make_room(size)) return true;
    if (size < large || ++attempts_ < most_attempts) return false;
    const Outbox::Item refused = pop_refused();
    if (refused.done) refused.done(Errc::bus_refused, 0);
    return true;
  }

  void relay(const Outbox::Item& item) {
    RedisConnection::Reply reply = [this](const redisReply& answer) {
      --in_flight_;
      const bool taken = answer.type != REDIS_REPLY_ERROR;
      const std::string why = taken ? std::string() : std::string(text_of(answer));
      if (why.starts_with("NOSCRIPT") || why.starts_with("READONLY")) return put_back(why);
      const Outbox::Item sent = pop(why);
      if (sent.done) sent.done(taken ? std::error_code() : Errc::bus_refused, 0);
      if (!taken) events_.refused(why);
      send_the_rest();
    };
    if (item.user.empty()) {
      session_->commands().command({"PUBLISH", keys_.to_all, item.message}, std::move(reply));
    } else {
      session_->eval(RedisScript::route, 1, {keys_.nodes, keys_.prefix, keys_.node, item.user, item.message},
                     std::move(reply));
    }
  }

  // Redis has not begun with the oldest one. It keeps its place among those that fail like it: the others that are on
  // their way have passed it, and nothing else is sent before it.
  void put_back(const std::string& why) {
    if (why.starts_with("READONLY")) return session_->fail(Errc::bus_lost, RedisServerInfo::explained(why));
    rewinding_ = true;
    {
      const std::lock_guard lock(mutex_);
      outbox_.put_back();
    }
    send_the_rest();
  }

  void send_the_rest() {
    if (rewinding_ && in_flight_ > 0) return;
    if (std::exchange(rewinding_, false)) session_->load_again();
    send_more();
  }

  // All that is here is sent again, less what has been seen in the log, though Redis's answer was lost: a Redis that
  // has forgotten its last events would take it for new. Nobody knows whether replicas have that.
  void rewind() {
    const std::error_code fate = replicas_ == 0 ? std::error_code() : Errc::bus_not_replicated;
    for (;;) {
      Bus::Published done;
      {
        const std::lock_guard lock(mutex_);
        if (outbox_.size() == 0 || outbox_.front().counter > seen_up_to_) return outbox_.rewind();
        done = outbox_.pop().done;
        ++published_;
      }
      if (done) done(fate, 0);
    }
  }

  // It stays where it is until it is popped.
  const Outbox::Item& oldest() const {
    const std::lock_guard lock(mutex_);
    return outbox_.front();
  }

  // Takes out the one that was answered, and notes how it went.
  Outbox::Item pop(const std::string& why) {
    const std::lock_guard lock(mutex_);
    if (why.empty()) ++published_;
    refusal_ = why;
    return outbox_.pop();
  }

  Outbox::Item pop_refused() {
    const std::lock_guard lock(mutex_);
    ++refused_count_;
    return outbox_.pop();
  }

  // The oldest, one after the other, as long as `more`. Needs no memory.
  template <typename Predicate>
  void give_up(std::error_code error, Predicate&& more) {
    for (;;) {
      std::optional<Outbox::Item> item;
      {
        const std::lock_guard lock(mutex_);
        if (!more(std::as_const(outbox_))) return;
        item.emplace(outbox_.pop());
      }
      if (item->done) item->done(error, 0);
    }
  }

  template <typename Predicate>
  void settle(Predicate&& settled) {
    std::map<std::uint64_t, Confirmed> all;
    for (auto at = confirmed_.begin(); at != confirmed_.end();) {
      const auto here = at++;
      if (settled(here->second)) all.insert(confirmed_.extract(here));
    }
    for (const auto& [counter, each] : all) each.done({}, each.sequence);
  }

  const std::uint64_t origin_;
  const bool logs_;
  const bool routes_;
  const std::string kept_;
  const std::chrono::milliseconds again_after_;
  const std::size_t replicas_;
  const std::chrono::milliseconds replicas_within_;
  const RedisKeys& keys_;
  const std::string counter_key_;
  const Events events_;

  // ---- strand only ----

  asio::steady_timer timer_;
  std::shared_ptr<RedisSession> session_;
  std::string epoch_;
  std::map<std::uint64_t, Confirmed> confirmed_;  // by number: confirmed by Redis, not yet read from the log
  std::deque<Confirmed> unreplicated_;            // likewise, but replicas are still awaited
  std::uint64_t seen_up_to_ = 0;                  // the last of its own that this node has read from the log
  std::size_t in_flight_ = 0;
  bool first_ = true;       // the next one to append is the first of its session, or after a failed one
  bool rewinding_ = false;  // one has failed: those behind it are awaited, then it is sent again, and they if need be
  bool asks_replicas_ = false;
  bool full_ = false;               // it failed because Redis has no memory
  std::uint64_t without_room_ = 0;  // the last event that failed so
  int attempts_ = 0;                // to append it, since there was nothing left to trim

  mutable std::mutex mutex_;
  Outbox outbox_;
  std::string refusal_;  // what Redis answered last, if it was an error
  std::uint64_t published_ = 0;
  std::uint64_t refused_count_ = 0;
  bool closed_ = false;
};

}  // namespace spate::detail
