// An InProcessNetwork joins emitters of one program: for tests, and to see a cluster without Redis.
//
//   auto network = std::make_shared<spate::InProcessNetwork>(io.get_executor(), spate::InProcessNetwork::Kind::log);
//   spate::EmitterOptions options;
//   options.bus = network->join();
//
// It keeps the promises of a bus and has none of its faults, unless a test asks for them: a node can be held back, the
// log can be lost, and time is what the test says.
//
// Threads: any may call it. It tells its listeners on a strand of the executor, whose context must outlive it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/strand.hpp>

#include <spate/cluster/bus.hpp>
#include <spate/cluster/detail/bus_message.hpp>
#include <spate/detail/lock.hpp>
#include <spate/loop/detail/post.hpp>

namespace spate {

class InProcessNetwork;

/// A node's place in the network. It keeps the network alive.
class InProcessBus final : public Bus, public std::enable_shared_from_this<InProcessBus> {
 public:
  explicit InProcessBus(std::shared_ptr<InProcessNetwork> network) : network_(std::move(network)) {}

  inline bool keeps_log() const noexcept override;
  std::error_code publish(const Audience& audience, const Event& event, Published done) override {
    return push(detail::BusMessage::of(audience, event), std::move(done));
  }
  std::error_code command(const UserCommand& command) override { return push(detail::BusMessage::of(command), {}); }
  inline void attach(std::shared_ptr<BusListener> listener) override;
  void detach() override {
    std::shared_ptr<BusListener> dropped;  // destroyed after the lock
    const detail::Lock lock(mutex_);
    dropped.swap(listener_);
  }
  void changed(std::string_view, std::size_t) override {}
  inline void ask_newest(Published done) override;
  inline void ask_users(std::function<void(std::error_code, std::vector<UserStreams>)> done) override;
  inline void ask_counts(std::function<void(std::error_code, UserCounts)> done) override;
  BusStatus status() const override {
    const detail::Lock lock(mutex_);
    return status_;
  }

  /// Tells this node nothing more until `release`, as if its connection were slow; or as if it were lost, when the
  /// network only relays: then what is sent meanwhile is lost to the node.
  inline void hold();
  inline void release();

 private:
  friend class InProcessNetwork;

  inline std::error_code push(detail::BusMessage&& message, Published done);

  std::shared_ptr<BusListener> listener() const {
    const detail::Lock lock(mutex_);
    return listener_;
  }
  template <typename Change>
  void change_status(Change&& change) {
    const detail::Lock lock(mutex_);
    change(status_);
  }

  const std::shared_ptr<InProcessNetwork> network_;
  mutable detail::Mutex mutex_;
  std::shared_ptr<BusListener> listener_ SPATE_GUARDED_BY(mutex_);
  BusStatus status_ SPATE_GUARDED_BY(mutex_);

  // On the network's strand.
  bool held_ = false;
  bool missed_ = false;      // while held: something that was only relayed
  std::uint64_t epoch_ = 0;  // the log that this node has begun to read
  std::size_t read_ = 0;     // entries of it
  bool has_read_ = false;    // a log to its end: what comes now is new
};

class InProcessNetwork : public std::enable_shared_from_this<InProcessNetwork> {
 public:
  /// Whether it keeps a log that gives ids, or only relays.
  enum class Kind : std::uint8_t { log, relay };
  using Clock = std::chrono::steady_clock;

  /// `now` is for tests; by default the steady clock. It is asked on the strand.
  InProcessNetwork(const asio::any_io_executor& executor, Kind kind,
                   std::function<Clock::time_point()> now = &Clock::now)
      : strand_(asio::make_strand(executor)), kind_(kind), now_(std::move(now)) {}

  /// A bus for one more emitter.
  std::shared_ptr<InProcessBus> join() {
    auto bus = std::make_shared<InProcessBus>(shared_from_this());
    run([weak = std::weak_ptr(bus)](InProcessNetwork& network) { network.nodes_.push_back(weak); });
    return bus;
  }

  /// The log is lost, and another one begins.
  void lose_log() {
    run([](InProcessNetwork& network) {
      ++network.epoch_;
      network.sequence_ = 0;
      network.entries_.clear();
      network.tell_all();
    });
  }

 private:
  friend class InProcessBus;

  struct Entry {
    std::uint64_t sequence;
    detail::BusMessage message;
    Clock::time_point at;
  };

  // Never inside the call: a bus tells nothing to whoever calls it.
  void run(std::function<void(InProcessNetwork&)> function) {
    detail::post_function(strand_, [self = shared_from_this(), function = std::move(function)] { function(*self); });
  }

  void take(const std::shared_ptr<InProcessBus>& from, detail::BusMessage&& message, const Bus::Published& done) {
    const std::uint64_t sequence = kind_ == Kind::log ? sequence_ += 10 : 0;  // with holes, as a real log has them
    from->change_status([](BusStatus& status) {
      --status.queued;
      ++status.published;
    });
    if (kind_ == Kind::log) {
      entries_.push_back({sequence, std::move(message), now_()});
      tell_all();
    } else {
      for (const auto& node : nodes()) {
        if (node == from) continue;
        node->missed_ |= node->held_;
        if (node->held_) continue;
        if (const auto to = node->listener()) relay(*to, message);
        node->change_status([](BusStatus& status) { ++status.received; });
      }
    }
    if (done) done({}, sequence);
  }

  static void relay(BusListener& to, const detail::BusMessage& message) {
    if (message.command) {
      to.commanded(*message.command);
    } else {
      to.relayed(message.audience(), message.event);
    }
  }

  void tell_all() {
    for (const auto& node : nodes()) tell(*node);
  }

  void tell(InProcessBus& node) {
    const auto to = node.listener();
    if (node.held_ || !to || kind_ != Kind::log) return;
    if (node.epoch_ != epoch_) {
      node.epoch_ = epoch_;
      node.read_ = 0;
      to->restarted("log" + std::to_string(epoch_));
    }
    for (; node.read_ < entries_.size(); ++node.read_) {
      const Entry& entry = entries_[node.read_];
      detail::BusMessage message = entry.message;
      message.grow_older(std::chrono::duration_cast<std::chrono::milliseconds>(now_() - entry.at));
      to->appended(entry.sequence, message.audience(), message.event);
      if (message.command && node.has_read_) to->commanded(*message.command);
    }
    node.has_read_ = true;
    to->reached_end(entries_.empty() ? 0 : entries_.back().sequence);
  }

  std::vector<std::shared_ptr<InProcessBus>> nodes() {
    std::vector<std::shared_ptr<InProcessBus>> alive;
    std::erase_if(nodes_, [&](const std::weak_ptr<InProcessBus>& node) {
      if (auto bus = node.lock()) alive.push_back(std::move(bus));
      return node.expired();
    });
    return alive;
  }

  // The users of the nodes that are asked, and the streams that each has there.
  std::map<std::string, std::size_t> users(const std::function<bool(const InProcessBus&)>& asks) {
    std::map<std::string, std::size_t> users;
    for (const auto& node : nodes()) {
      const auto listener = node->listener();
      if (!listener || !asks(*node)) continue;
      for (const auto& [user, streams] : listener->users_here({}, std::numeric_limits<std::size_t>::max())) {
        users[user] += streams;
      }
    }
    return users;
  }

  const asio::any_io_executor strand_;
  const Kind kind_;
  const std::function<Clock::time_point()> now_;

  // On the strand.
  std::vector<std::weak_ptr<InProcessBus>> nodes_;
  std::vector<Entry> entries_;
  std::uint64_t epoch_ = 1;
  std::uint64_t sequence_ = 0;
};

inline bool InProcessBus::keeps_log() const noexcept {
  return network_->kind_ == InProcessNetwork::Kind::log;
}

inline std::error_code InProcessBus::push(detail::BusMessage&& message, Published done) {
  change_status([](BusStatus& status) { ++status.queued; });
  network_->run([from = shared_from_this(), message = std::move(message), done = std::move(done)](
                    InProcessNetwork& network) mutable { network.take(from, std::move(message), done); });
  return {};
}

inline void InProcessBus::attach(std::shared_ptr<BusListener> listener) {
  {
    const detail::Lock lock(mutex_);
    listener_ = std::move(listener);
  }
  network_->run([self = shared_from_this()](InProcessNetwork& network) {
    self->epoch_ = 0;
    self->has_read_ = false;
    self->change_status([](BusStatus& status) { status.connected = true; });
    network.tell(*self);
  });
}

inline void InProcessBus::ask_newest(Published done) {
  network_->run([done = std::move(done)](InProcessNetwork& network) {
    done({}, network.entries_.empty() ? 0 : network.entries_.back().sequence);
  });
}

inline void InProcessBus::ask_users(std::function<void(std::error_code, std::vector<UserStreams>)> done) {
  network_->run([self = shared_from_this(), done = std::move(done)](InProcessNetwork& network) {
    const auto users = network.users([&](const InProcessBus& node) { return &node != self.get(); });
    done({}, {users.begin(), users.end()});
  });
}

inline void InProcessBus::ask_counts(std::function<void(std::error_code, UserCounts)> done) {
  network_->run([done = std::move(done)](InProcessNetwork& network) {
    UserCounts counts;
    for (const auto& [user, streams] : network.users([](const InProcessBus&) { return true; })) {
      ++counts.users;
      counts.streams += streams;
    }
    done({}, counts);
  });
}

inline void InProcessBus::hold() {
  network_->run([self = shared_from_this()](InProcessNetwork&) { self->held_ = true; });
}

inline void InProcessBus::release() {
  network_->run([self = shared_from_this()](InProcessNetwork& network) {
    self->held_ = false;
    const auto to = self->listener();
    if (std::exchange(self->missed_, false) && to) to->missed();
    network.tell(*self);
  });
}

}  // namespace spate
