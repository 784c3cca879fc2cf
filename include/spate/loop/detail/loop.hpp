// Loop: one executor, and everything that lives on it.
//
// Other threads reach it through an inbox only. A turn takes what came in, appends it to the queues concerned, and then
// writes for as long as its budget lasts; if more is left, the next turn comes after the program's own handlers on the
// same executor have had theirs. Events published meanwhile join the pieces that are still to be written, so the cost
// of a delivery falls when publishers are faster than the loop.
//
// A turn looks at the sockets before it lets the moments come that were set. A loop may be held up, by a handler that
// blocks, or with its whole process: what clients did meanwhile counts before their deadlines do.
//
// All members run on the loop's executor, unless they say "any thread".
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include <spate/config.hpp>
#include <spate/detail/lock.hpp>
#include <spate/loop/detail/clock.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/loop/detail/jitter.hpp>
#include <spate/loop/detail/message.hpp>
#include <spate/loop/detail/poller.hpp>
#include <spate/loop/detail/post.hpp>
#include <spate/loop/detail/report.hpp>
#include <spate/loop/detail/resident.hpp>
#include <spate/loop/detail/timer_heap.hpp>

namespace spate::detail {

/// Those who live on a loop at the end of something that is no socket of it: of a transport in memory. On the loop's
/// executor.
class OtherResidents {
 public:
  virtual std::vector<Ref<Resident>> residents() const = 0;
  /// Any thread. Connections that are not closed yet.
  virtual std::size_t count() const = 0;

 protected:
  ~OtherResidents() = default;
};

class Loop : public RefCounted<Loop> {
 public:
  /// `executor` runs one handler at a time: that of a single-threaded io_context, or a strand.
  explicit Loop(asio::any_io_executor executor)
      : executor_(std::move(executor)), poller_(executor_, [this] { turn(); }), timer_(std::in_place, executor_) {}
  virtual ~Loop() = default;

  /// Any thread. Delivers `message` in a turn of the loop; returns false once the loop has stopped. Messages of one
  /// thread arrive in order, and so do those of several that were ordered by a lock.
  bool post(Message message);

  /// Any thread. The same, if `condition()` holds, which is asked in one step with the post.
  template <typename Condition>
  bool post_if(Condition&& condition, Message message) {
    const Lock lock(mutex_);
    // What may fail comes before the condition, which may be that it changes something.
    if (!prepare_post() || !condition()) return false;
    inbox_.push_back(std::move(message));
    return true;
  }

  /// Any thread. Reserves room in the inbox for so many messages, so that posting them later cannot fail. Returns
  /// false, and reserves none, once the loop has stopped. It is for some instructions only: the loop turns meanwhile.
  bool reserve_posts(std::size_t count);

  /// Any thread. The same as `post`, into room that was reserved.
  bool post_reserved(Message message) noexcept;

  /// Any thread. Gives back room for `count` messages that was reserved and is not used.
  void release_posts(std::size_t count) noexcept;

  /// Any thread. Runs `function` in a turn of the loop, for `owner` if there is one: that fails with it.
  template <typename Function>
  bool run(Function function, Ref<Resident> owner = nullptr) {
    return post(call<&Call::make>(make_call(std::move(function), std::move(owner))));
  }

  /// Any thread. The same, if `condition()` holds, like `post_if`.
  template <typename Condition, typename Function>
  bool run_if(Condition&& condition, Function function, Ref<Resident> owner = nullptr) {
    return post_if(condition, call<&Call::make>(make_call(std::move(function), std::move(owner))));
  }

  /// Any thread. Runs user code on the executor: outside of every turn, with no lock held. Once the loop has stopped
  /// nothing runs any more.
  void call_back(std::function<void()> function) { post_call(std::move(function)); }

  /// Any thread. The same for whatever can be moved without running code of the program's.
  template <typename Function>
  void post_call(Function function) {
    // Posted under the lock: after it the io_context may be gone.
    const Lock lock(mutex_);
    if (executor_) asio::post(executor_, std::move(function));
  }

  /// Asks for `resident.flush` in this turn or one that follows soon. The resident keeps track of whether it asked.
  void mark_dirty(Ref<Resident> resident);

  /// Sets the one moment at which `resident.on_timer` runs; `never` takes it back.
  void set_timer(Resident& resident, TimePoint at);
  TimePoint timer_at(const Resident& resident) const noexcept { return timers_.at(resident); }

  /// The moment at which something is due next, or `never`: the earliest that is set, unless the loop was held up and
  /// lets moments wait.
  TimePoint next_moment() const noexcept { return held_up_ ? std::max(timers_.next(), goes_on_) : timers_.next(); }

  /// The time at which this turn began.
  TimePoint now() const { return in_turn_ ? now_ : clock_now(); }
  /// Any thread. The time as it is.
  TimePoint clock_now() const { return time_ ? time_->now() : Clock::now(); }
  /// What the clock on the wall says, unlike `now`, which nobody sets.
  WallTime wall_now() const { return time_ ? time_->wall_now() : std::chrono::system_clock::now(); }

  /// From now on `time` is the loop's time. No other thread may ask for it meanwhile.
  void set_time(std::shared_ptr<const TimeSource> time) { time_ = std::move(time); }
  /// Whether it passes by itself.
  bool time_runs() const { return !time_ || time_->runs(); }

  /// From now on `others` are drained and cut like those that have a socket, and waited for. They outlive the stop.
  void set_others(const OtherResidents& others) noexcept { others_ = &others; }

  /// Any thread. Connections that are open: sockets, and those of others.
  std::size_t connections() const { return poller_.count() + (others_ == nullptr ? 0 : others_->count()); }

  Poller& poller() noexcept { return poller_; }
  const Poller& poller() const noexcept { return poller_; }
  /// Any thread. Where the loop runs; empty once it has stopped, because the io_context may be gone then. On other
  /// threads than the loop's it may go at any moment: they post with `call_back` instead.
  asio::any_io_executor executor() const;

  /// Guards the few fields of residents that any thread may ask for. Held for some instructions only.
  Mutex& shared_mutex() const noexcept SPATE_RETURNS(shared_mutex_) { return shared_mutex_; }
  /// For jitter, not for secrets.
  Jitter& jitter() noexcept { return jitter_; }

  /// Calls `idle` back, once, as soon as no socket is left, nor anybody else.
  void when_idle(std::function<void()> idle);

  /// Asks everything that has a socket to finish.
  void drain() {
    for (const Ref<Resident>& resident : residents()) resident->on_drain();
  }

  /// Cuts everything that has a socket; returns how many streams and answers that cost their end. The first of what was
  /// thrown meanwhile becomes `failure`.
  std::size_t cut(std::exception_ptr& failure);

  /// Cuts everything, and lets go of Asio, at the end of the turn if in one. What was posted before is delivered, so
  /// that nobody waits in vain; from now on posting fails. Returns what `cut` does, and tells `on_exception` of what
  /// was thrown meanwhile.
  std::size_t stop(const OnException& on_exception = {});

  /// Any thread.
  bool stopped() const;

 private:
  // A function on its way to a turn of the loop, whatever its type.
  struct Call : Resident {
    explicit Call(Ref<Resident>&& fails_with) : owner(std::move(fails_with)) {}
    virtual void make() = 0;
    SPATE_DECL void on_failure(std::error_code error) final;
    const Ref<Resident> owner;
  };
  template <typename Function>
  struct CallOf final : Call {
    CallOf(Function&& f, Ref<Resident>&& fails_with) : Call(std::move(fails_with)), function(std::move(f)) {}
    void make() override { function(); }
    Function function;
  };
  template <typename Function>
  static Ref<Call> make_call(Function function, Ref<Resident>&& owner) {
    return Ref<Call>(new CallOf<Function>(std::move(function), std::move(owner)));
  }

  // What one turn may write: about a hundred small pieces, some hundred microseconds, so that the program's own
  // handlers on this executor are never kept waiting for a whole fan-out.
  static constexpr int turn_budget = 128;
  // What is written between two looks at the sockets and the inbox: who publishes meanwhile is taken and answered, and
  // joins the pieces that are still to be written.
  static constexpr int round_budget = 16;
  // Sockets looked at in between: thousands of new connections must not hold up what is to be written.
  static constexpr int round_dispatch = 8;
  // What one long replay may write before the next one's turn comes, in units of the budget: some 256 KiB.
  static constexpr int bulk_slice = 64;
  // Moments that come in one turn. Ten thousand heartbeats that are due are queued and written a few at a time.
  static constexpr int max_moments = 64;
  // Rounds of deliveries in one turn: what residents send to each other must not keep a turn from ending.
  static constexpr int max_rounds = 8;
  // A moment that comes so much too late finds that the loop has been held up.
  static constexpr std::chrono::milliseconds standstill{20};
  // Then only sockets are served for as long again, at most for this time: what waited for this side goes on in the
  // meantime, and Asio tells of what it has not told of yet.
  static constexpr std::chrono::milliseconds max_grace{500};

  // Room for one message more, and a turn that takes it. Returns false once the loop has stopped.
  bool prepare_post() SPATE_REQUIRES(mutex_);

  // Room in the inbox for so many messages more, besides those for which it is reserved.
  void make_room(std::size_t count) SPATE_REQUIRES(mutex_);

  void schedule() SPATE_REQUIRES(mutex_);

  void turn();

  void end_turn();

  // Tells residents of `most` sockets, and notes up to when all that sockets had to tell has been told.
  void look(int most, std::exception_ptr& failure);

  std::size_t cut(const std::vector<Ref<Resident>>& all, std::exception_ptr& failure);

  void let_moments_come(std::exception_ptr& failure);

  void let_go();

  // Whether the other half of the inbox has the room that is reserved in this one; without memory for that the messages
  // wait until it has been used.
  bool can_swap() SPATE_REQUIRES(mutex_);

  void deliver(std::exception_ptr& failure);

  // Each of the two queues has a share of every round, so that neither starves: not live events behind ten thousand
  // replays, and not the replays behind a publisher at full speed.
  void flush(std::exception_ptr& failure);

  // Who is first stays first for a good while: of clients that return together the first are done early, instead of
  // all of them late, and what was drawn for one is still at hand for the next.
  void flush_bulk(std::exception_ptr& failure);

  // Those that have a socket, and the others.
  std::vector<Ref<Resident>> residents() const;

  void tell_idle();

  // One timer of the system stands for the earliest moment. It is not moved for a later one: firing early is cheap.
  void arm();

  asio::any_io_executor executor_ SPATE_GUARDED_BY(mutex_);
  Poller poller_;
  std::optional<asio::steady_timer> timer_;
  TimePoint armed_ = never;
  TimerHeap timers_;
  std::deque<Ref<Resident>> dirty_;
  std::deque<Ref<Resident>> bulk_;
  int bulk_spent_ = 0;  // by the first of them, since it is the first
  std::vector<Message> delivering_;
  std::function<void()> idle_;
  std::shared_ptr<const TimeSource> time_;  // null for the system's
  const OtherResidents* others_ = nullptr;  // null where there are none
  TimePoint now_{};
  TimePoint heard_{};          // up to when everything that sockets had to tell has been told
  TimePoint looking_since_{};  // up to when it will be after `untold_` more
  std::ptrdiff_t untold_ = 0;
  TimePoint goes_on_{};   // when moments come again
  bool held_up_ = false;  // they wait, or have waited and are not all told yet
  bool in_turn_ = false;
  bool stopping_ = false;  // stop() was called; `stopped_` is what other threads see of it
  Jitter jitter_;

  mutable Mutex shared_mutex_;
  mutable Mutex mutex_;
  std::vector<Message> inbox_ SPATE_GUARDED_BY(mutex_);
  std::size_t reserved_ SPATE_GUARDED_BY(mutex_) = 0;  // room in it, in messages
  // A turn is on its way: never more than one, however many wake-ups there are.
  bool posted_ SPATE_GUARDED_BY(mutex_) = false;
  // One is under way: what comes in meanwhile needs no wake-up, as its end looks for it.
  bool turning_ SPATE_GUARDED_BY(mutex_) = false;
  bool stopped_ SPATE_GUARDED_BY(mutex_) = false;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/loop/impl/loop.ipp>
#endif
