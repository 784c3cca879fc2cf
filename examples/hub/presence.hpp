// Who is online, told to those who listen to the topic `$presence`: {"user":"bob","online":true}, named `presence`.
//
// A hub that is alone knows when each user comes and goes, and says so at once. One of several knows that of its own
// users only, and a user who leaves here may be at another hub, and a hub may die without a word. So each that has
// somebody who listens looks once a second who is on all of them, and tells its own listeners what has changed; where
// nobody listens it costs nothing. Who comes is told at once where they came, within a second or two elsewhere; who
// goes, when they were nowhere twice in a row: whoever only moves from one hub to another has not gone.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <iterator>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/bind_executor.hpp>
#include <asio/steady_timer.hpp>

#include <spate/registry/emitter.hpp>
#include <spate/wire/event.hpp>
#include <spate/wire/text.hpp>

namespace hub {

/// Threads: any. Declared before its emitter, so that it outlives the hooks; nothing runs on `executor` any more when
/// it goes.
class Presence {
 public:
  static constexpr std::string_view topic = "$presence";

  Presence(const asio::any_io_executor& executor, bool is_alone) : is_alone_(is_alone), timer_(executor) {}

  void add_hooks(spate::EmitterOptions& options) {
    options.on_join = [this](const std::string& user) { joined(user); };
    options.on_leave = [this](const std::string& user) { left(user); };
  }

  /// Begins with `emitter`, which has the hooks.
  void start(spate::Emitter& emitter) {
    emitter_ = &emitter;
    if (!is_alone_) wait();
  }

  /// Lets `executor` run out of work. To be called where it runs.
  void stop() {
    is_stopped_ = true;
    timer_.cancel();
  }

  /// Somebody is about to listen, which they do in `listen`: at once, or when it is known who was online before, so
  /// that they are told of everybody who comes later. As long as nobody ever has listened, nothing is told.
  void before(std::function<void()> listen) {
    {
      const std::lock_guard lock(mutex_);
      began_ = std::chrono::steady_clock::now();
      has_begun_ = true;
      if (!is_alone_ && !knows_) {
        look();
        if (is_asking_) {
          waiting_.push_back(std::move(listen));
          return;
        }
      }
    }
    listen();
  }

 private:
  using Users = std::vector<std::string>;  // sorted by bytes
  static constexpr std::chrono::seconds interval{1};

  void joined(const std::string& user) {
    const std::lock_guard lock(mutex_);
    if (!has_begun_) return;
    if (is_alone_) return tell(user, true);
    // The answer that is under way may be from before this.
    if (is_asking_) insert(came_meanwhile_, user);
    if (insert(online_, user)) tell(user, true);
  }

  void left(const std::string& user) {
    const std::lock_guard lock(mutex_);
    if (has_begun_ && is_alone_) tell(user, false);
  }

  void tell(const std::string& user, bool is_online) {
    const spate::Event event("{\"user\":" + spate::json_string(user) + ",\"online\":" + (is_online ? "true" : "false") +
                             "}");
    emitter_->send(spate::Audience::topic(topic), spate::Event(event).name("presence").keep(false), spate::Scope::node);
  }

  // ---- one of several hubs; all but `wait` and `let_in` under the mutex ----

  void wait() {
    timer_.expires_after(interval);
    timer_.async_wait([this](const std::error_code& error) {
      if (error || is_stopped_) return;
      let_in();  // Redis takes its time
      {
        const std::lock_guard lock(mutex_);
        // Others may have let a user of this hub listen; and who was about to may not have got that far.
        const auto now = std::chrono::steady_clock::now();
        if (!emitter_->topic_users(topic).empty()) {
          has_begun_ = true;
          look();
        } else if (now - began_ > patience) {
          has_begun_ = knows_ = false;
          online_.clear();
        }
      }
      wait();
    });
  }

  // Not under the mutex.
  void let_in() {
    std::vector<std::function<void()>> all;
    {
      const std::lock_guard lock(mutex_);
      all.swap(waiting_);
    }
    for (const auto& listen : all) listen();
  }

  void look() {
    // Where there are so many users that it takes long to list them, it is done less often.
    const auto now = std::chrono::steady_clock::now();
    if (is_asking_ || now < next_look_) return;
    is_asking_ = true;
    came_meanwhile_.clear();
    try {
      emitter_->async_cluster_users(
          {}, asio::bind_executor(timer_.get_executor(), [this, now](std::error_code error, const Users& users) {
            {
              const std::lock_guard lock(mutex_);
              is_asking_ = false;
              next_look_ = now + least_share * (std::chrono::steady_clock::now() - now);
              if (!error) compare(users);
            }
            let_in();
          }));
    } catch (...) {
      is_asking_ = false;
      throw;
    }
  }

  void compare(const Users& users) {
    Users now, came, missing, gone;
    std::set_union(users.begin(), users.end(), came_meanwhile_.begin(), came_meanwhile_.end(), std::back_inserter(now));
    if (knows_) {
      subtract(now, online_, came);
      subtract(online_, now, missing);
      std::set_intersection(missing.begin(), missing.end(), missing_.begin(), missing_.end(), std::back_inserter(gone));
    }
    for (const std::string& user : came) tell(user, true);
    for (const std::string& user : gone) tell(user, false);
    // Who is missing for the first time may be on their way.
    missing_.clear();
    subtract(missing, gone, missing_);
    online_.clear();
    std::set_union(now.begin(), now.end(), missing_.begin(), missing_.end(), std::back_inserter(online_));
    knows_ = true;
  }

  static void subtract(const Users& from, const Users& what, Users& rest) {
    std::set_difference(from.begin(), from.end(), what.begin(), what.end(), std::back_inserter(rest));
  }

  /// Returns false when they are in it.
  static bool insert(Users& users, const std::string& user) {
    const auto place = std::lower_bound(users.begin(), users.end(), user);
    if (place != users.end() && *place == user) return false;
    users.insert(place, user);
    return true;
  }

  // It takes at most one part in so many of the time.
  static constexpr int least_share = 20;
  static constexpr std::chrono::seconds patience{5};

  const bool is_alone_;
  spate::Emitter* emitter_ = nullptr;
  asio::steady_timer timer_;
  bool is_stopped_ = false;  // where the timer runs
  std::mutex mutex_;
  bool has_begun_ = false;
  bool is_asking_ = false;
  bool knows_ = false;    // `online_` is what listeners know
  Users online_;          // on any hub
  Users missing_;         // of them, those whom the last answer did not have
  Users came_meanwhile_;  // to this hub, since an answer is under way
  std::vector<std::function<void()>> waiting_;
  std::chrono::steady_clock::time_point began_, next_look_;
};

}  // namespace hub
