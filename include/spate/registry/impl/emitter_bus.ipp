// The part of EmitterCore that has to do with other processes.
//
// Beside a bus that relays, an emitter works as if it were alone, and takes what others sent like what is sent here.
// Beside one that keeps a log, the store mirrors the log, and an event is delivered when it comes through the log: so
// the order is the same on every node, and what is delivered live and what is replayed agree. A stream that has to wait
// for the mirror is open meanwhile and gets its greeting late. Events without data stay out of the log, so they reach
// the streams of the process that sends them, and no others.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/registry/bus.hpp>
#include <spate/registry/detail/emitter_core.hpp>

namespace spate::detail {

/// What the bus holds of an emitter, until it is detached.
class BusLink final : public BusListener {
 public:
  explicit BusLink(Ref<EmitterCore> emitter) : emitter_(std::move(emitter)) {}

  void relayed(const Audience& audience, const Event& event) override { emitter_->relayed(audience, event); }
  void missed() override { emitter_->missed(); }
  void restarted(std::string_view epoch) override { emitter_->restarted(epoch); }
  void trimmed(std::uint64_t sequence) override { emitter_->trimmed(sequence); }
  void appended(std::uint64_t sequence, const Audience& audience, const Event& event) override {
    emitter_->appended(sequence, audience, event);
  }
  void caught_up(std::uint64_t newest) override { emitter_->caught_up(newest); }
  std::vector<UserStreams> users_here(std::string_view after, std::size_t most) const override {
    return emitter_->users_here(after, most);
  }
  UserCounts counts_here() const override {
    const auto [users, streams] = emitter_->counts();
    return {users, streams};
  }

 private:
  const Ref<EmitterCore> emitter_;
};

SPATE_DECL void EmitterCore::attach_bus() {
  if (bus_ != nullptr) bus_->attach(std::make_shared<BusLink>(Ref<EmitterCore>(this)));
}

// ---- sending ----

SPATE_DECL SendReport EmitterCore::send_by_bus(const Audience& audience, const Event& event, Bus::Published done) {
  SendReport report;
  if (mirrors_) {
    refuse_id(event);
    const std::lock_guard lock(mutex_);
    report.streams = matching(audience, event.name());
  } else {
    report = send_here(audience, event);
  }
  // Outside the lock, since it may take long; so two threads' events may pass each other here, as they may anywhere.
  report.error = bus_->publish(audience, event, std::move(done));
  if (!mirrors_) return report;
  if (report.error) {
    report.streams = 0;
  } else {
    const std::lock_guard lock(mutex_);
    ++events_;
  }
  return report;
}

SPATE_DECL EmitterCore::Sent EmitterCore::send_awaited(const Audience& audience, const Event& event) {
  refuse_nobody(audience);
  if (!goes_by_bus(event)) return {send_here(audience, event), nullptr};
  auto receipt = std::make_shared<Receipt>();
  SendReport report = send_by_bus(
      audience, event, [receipt](std::error_code error, std::uint64_t sequence) { receipt->settle(error, sequence); });
  return {std::move(report), std::move(receipt)};
}

SPATE_DECL std::size_t EmitterCore::matching(const Audience& audience, std::string_view name) const {
  if (audience.kind() == Audience::Kind::everybody) return index_.listeners(name);
  std::size_t streams = 0;
  index_.for_each(audience, [&](const User& user) {
    streams += user.graced();
    user.for_each([&](const Subscription& each) { streams += each.accepts(name) ? 1U : 0U; });
  });
  return streams;
}

// ---- receiving ----

SPATE_DECL void EmitterCore::relayed(const Audience& audience, const Event& event) {
  EventEncoder encoder(event);
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  if (store_ == nullptr || event.id() || !event.data()) {
    // One with an id of its own comes from a node without a store: it can be given no other, nor be kept. Nor is one
    // without data, wherever it comes from.
    Delivery(*this, audience, event.name()).post(std::move(encoder).finish());
    return;
  }
  const std::uint64_t sequence = store_->newest() + 1;
  const EncodedEvent encoded = std::move(encoder).finish(id_of(sequence));
  Delivery delivery(*this, audience, event.name());
  store_->append(sequence, audience, encoded);
  delivery.post(encoded);
}

// What was lost has no number of its own here, so it is given one: who resumes from before it is told as well, and who
// draws from the store is told by what it draws.
SPATE_DECL void EmitterCore::missed() {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  const std::uint64_t before = store_ == nullptr ? 0 : store_->newest();
  if (store_ != nullptr) store_->skip(before + 1);
  const std::string requested = id_of(before);
  for_each_live([&](Subscription& subscription) { tell_of_gap(subscription, requested, GapReason::trimmed); });
}

SPATE_DECL void EmitterCore::restarted(std::string_view epoch) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  if (mirror_ != Mirror::filling) {
    position_before_restart_ = id_of(store_->newest());
    first_log_ = mirror_ == Mirror::blank;
  }
  mirror_ = Mirror::filling;
  ++history_;
  begins_at_ = 0;
  store_->restart(epoch);
  // Cursors count in a log that is no more: whether they are of the new one is seen when it is known.
  latecomers_.wait_for_the_end();
  // All of a log that took the place of another is newer than what streams have been given.
  if (!first_log_) tell_of_restart();
}

// What is left of `event` when it gets its id elsewhere.
SPATE_DECL Event without_id(const Event& event) {
  Event rest = event.data() ? Event(*event.data()) : Event();
  rest.name(event.name());
  if (event.retry()) rest.retry(*event.retry());
  if (event.comment()) rest.comment(*event.comment());
  return rest;
}

SPATE_DECL void EmitterCore::appended(std::uint64_t sequence, const Audience& audience, const Event& event) {
  // No emitter with a store sends one that has an id of its own, but others may. The log gives the ids.
  EventEncoder encoder = event.id() ? EventEncoder(without_id(event)) : EventEncoder(event);
  const std::lock_guard lock(mutex_);
  if (closed_ || sequence <= store_->newest()) return;
  // A node of another kind may put events without data into the log. They are no places to resume after.
  const EncodedEvent encoded = event.data() ? std::move(encoder).finish(id_of(sequence)) : std::move(encoder).finish();
  Delivery delivery(*this, audience, event.name());
  store_->append(sequence, audience, encoded);
  // What the first log had when it was first seen is for those who resume, not for those who are here.
  if (mirror_ == Mirror::filling && first_log_) return;
  delivery.post(encoded);
  if (mirror_ == Mirror::complete) resume_up_to(sequence);
}

SPATE_DECL void EmitterCore::trimmed(std::uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  if (closed_ || sequence <= store_->newest()) return;
  const std::string before = id_of(store_->newest());
  store_->skip(sequence);
  if (mirror_ == Mirror::filling && first_log_) return;
  // Who draws from the store is told by what it draws.
  for_each_live([&](Subscription& subscription) { tell_of_gap(subscription, before, GapReason::trimmed); });
  if (mirror_ == Mirror::complete) resume_up_to(sequence);
}

SPATE_DECL void EmitterCore::caught_up(std::uint64_t newest) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  if (newest > store_->newest()) store_->skip(newest);
  if (mirror_ == Mirror::complete) return;
  mirror_ = Mirror::complete;
  resume_up_to(Latecomers::the_end);
  if (!first_log_) return;
  begins_at_ = store_->newest();
  tell_of_restart();
}

template <typename Visit>
void EmitterCore::for_each_live(Visit&& visit) {
  index_.for_each(std::string_view(), [&](const User& user) {
    user.for_each([&](Subscription& each) {
      if (each.live) visit(each);
    });
  });
}

// Tells those who were here before the log that they go on in it from `begins_at_`. Who draws from the store is told
// when it draws next.
SPATE_DECL void EmitterCore::tell_of_restart() {
  for_each_live([&](Subscription& subscription) {
    if (subscription.history == history_) return;
    subscription.history = history_;
    if (first_log_ && begins_at_ == 0) {
      // Nothing can have been missed; from here on it can resume.
      Event position;
      position.id(id_of(0));
      post(Ref<Subscription>(&subscription), {EncodedEvent(position), {}});
    } else {
      tell_of_gap(subscription, position_before_restart_, GapReason::unknown);
    }
  });
}

// Tells one that is in the middle of its stream that what follows begins with the next event.
SPATE_DECL void EmitterCore::tell_of_gap(Subscription& subscription, const std::string& requested, GapReason reason) {
  const std::uint64_t position = store_ == nullptr ? 0 : store_->newest();
  EncodedEvent gap = gap_event(subscription, requested, 0, position, reason);
  if (gap) post(Ref<Subscription>(&subscription), {{}, std::move(gap)});
}

// Returns what to tell one whose cursor counts in a log that is no more.
SPATE_DECL EncodedEvent EmitterCore::follow_restart(Subscription& subscription) {
  if (subscription.history == history_) return {};
  subscription.replay.told = 0;
  if (closed_) {
    // The store is another emitter's, and what is still owed cannot be had any more. Its client keeps the position
    // that it has, to ask from there.
    subscription.history = history_;
    subscription.replay.cursor = departures_.at(&subscription).last;
    const std::string& name = subscription.stream().options().gap_event;
    return name.empty() ? EncodedEvent() : encode_gap(name, {}, {}, to_string(GapReason::trimmed), {});
  }
  if (mirror_ == Mirror::filling && first_log_) {
    subscription.replay.cursor = store_->newest();  // nothing to draw now: it is told with those who are live
    return {};
  }
  subscription.history = history_;
  subscription.replay.cursor = begins_at_;
  if (subscription.departed) departures_.at(&subscription).last = store_->newest();
  return gap_event(subscription, position_before_restart_, 0, begins_at_, GapReason::unknown);
}

// ---- resuming ----

SPATE_DECL std::optional<std::uint64_t> EmitterCore::ahead_of_mirror(const Cursor& cursor) const {
  switch (mirror_) {
    case Mirror::blank: return cursor ? std::optional(Latecomers::the_end) : std::nullopt;
    case Mirror::filling: return Latecomers::the_end;
    case Mirror::complete: break;
  }
  const std::optional<std::uint64_t> sequence = cursor.sequence_in(store_->epoch());
  return sequence && *sequence > store_->newest() ? sequence : std::nullopt;
}

// `latecomer` waits for the mirror, or goes on with its search.
SPATE_DECL void EmitterCore::wait_to_resume(Places& places, std::uint64_t ahead, Latecomers::Latecomer&& latecomer) {
  const Ref<Subscription> subscription = latecomer.subscription;
  const bool searches = !latecomer.search.batch.empty();
  if (searches) latecomer.search.look(*subscription);
  latecomers_.add(ahead, std::move(latecomer));
  if (!places.post(subscription, Subscription::what_wait)) return erase(*subscription);
  if (searches) places.post(subscription, Subscription::what_search);
  if (ahead == Latecomers::the_end) return;
  bus_->ask_newest([core = Ref<EmitterCore>(this), subscription](std::error_code error, std::uint64_t newest) {
    if (!error) core->asked_newest(*subscription, newest);
  });
}

// The log has given out nothing beyond `newest`, at a time after `subscription` began to wait.
SPATE_DECL void EmitterCore::asked_newest(Subscription& subscription, std::uint64_t newest) {
  const std::lock_guard lock(mutex_);
  if (closed_ || mirror_ != Mirror::complete) return;
  if (auto latecomer = latecomers_.take(subscription, newest)) resume(std::move(*latecomer));
}

SPATE_DECL void EmitterCore::stop_waiting(Subscription& subscription) {
  const std::lock_guard lock(mutex_);
  if (auto latecomer = latecomers_.take(subscription)) resume(std::move(*latecomer));
}

SPATE_DECL EmitterCore::Search EmitterCore::search_on(Subscription& subscription) {
  const std::lock_guard lock(mutex_);
  const Latecomers::Latecomer* const waiting = latecomers_.find(subscription);
  if (waiting == nullptr) return Search::over;
  const bool begins = waiting->search.history != history_;
  if (begins && mirrors_ && mirror_ != Mirror::complete && !closed_) return Search::waits;
  return resume_or_search(std::move(*latecomers_.take(subscription))) ? Search::over : Search::goes_on;
}

SPATE_DECL void EmitterCore::resume_up_to(std::uint64_t newest) {
  if (latecomers_.empty()) return;
  for (Latecomers::Latecomer& latecomer : latecomers_.take_up_to(newest)) resume(std::move(latecomer));
}

SPATE_DECL void EmitterCore::resume(Latecomers::Latecomer&& latecomer) {
  const Ref<Subscription> subscription = latecomer.subscription;
  if (resume_or_search(std::move(latecomer))) return;
  subscription->feed().shard().post(subscription, Subscription::what_search);
}

// Returns false when it is not known yet where it resumes, and another step of the search is to follow.
SPATE_DECL bool EmitterCore::resume_or_search(Latecomers::Latecomer&& latecomer) {
  const Ref<Subscription> subscription = latecomer.subscription;
  if (subscription->user == nullptr && !subscription->departed) return true;
  Departure* const departure = subscription->departed ? &departures_.at(subscription.get()) : nullptr;
  // What was accepted for one that left before this log was known cannot be told from the rest of it.
  if (departure != nullptr && latecomer.search.history != history_) departure->last = store_->newest();
  std::optional<Start> start =
      start_of(owner(*subscription), *subscription, latecomer.greeting.cursor, latecomer.search);
  if (!start) {
    latecomer.search.look(*subscription);
    latecomers_.add(Latecomers::the_end, std::move(latecomer));
    return false;
  }
  if (departure != nullptr && start->next > departure->last) start->next = 0;  // which it is not owed
  if (departure != nullptr) start->position = std::min(start->position, departure->last);
  Places places(subscription->feed().shard(), 3);
  post(places, subscription, open(*subscription, std::move(latecomer.greeting), *start));
  if (departure != nullptr) subscription->live = false;
  places.post(subscription, subscription->live ? Subscription::what_live : Subscription::what_replay);
  return true;
}

// ---- asking ----

SPATE_DECL std::vector<UserStreams> EmitterCore::users_here(std::string_view after, std::size_t most) const {
  const std::lock_guard lock(mutex_);
  std::vector<UserStreams> users;
  index_.for_each_after(after, most, [&](const User& user) { users.emplace_back(user.id, user.streams()); });
  return users;
}

/// Asks by `step`. What could not be asked for want of memory is answered with that.
template <typename Question, typename Step>
void ask(Question& question, Step step) {
  try {
    step();
  } catch (const std::bad_alloc&) {
    question.settle(std::make_error_code(std::errc::not_enough_memory), {}, Question::Clock::now());
  } catch (...) {
    question.settle(Errc::bus_lost, {}, Question::Clock::now());
    throw;
  }
}

SPATE_DECL void EmitterCore::ask_users(UsersQuestion::Done done) {
  if (bus_ == nullptr) return done({}, std::make_shared<const std::vector<UserStreams>>(with_users_here({})));
  if (!users_question_.add(std::move(done), UsersQuestion::Clock::now())) return;
  ask(users_question_, [&] {
    bus_->ask_users([core = Ref<EmitterCore>(this)](std::error_code error, std::vector<UserStreams> others) {
      std::vector<UserStreams> all;
      try {
        if (!error) all = core->with_users_here(std::move(others));
      } catch (const std::bad_alloc&) {
        error = std::make_error_code(std::errc::not_enough_memory);
      }
      core->users_question_.settle(error, std::move(all), UsersQuestion::Clock::now());
    });
  });
}

SPATE_DECL void EmitterCore::ask_counts(CountsQuestion::Done done) {
  if (bus_ == nullptr) {
    const auto [users, streams] = counts();
    return done({}, std::make_shared<const UserCounts>(UserCounts{users, streams}));
  }
  if (!counts_question_.add(std::move(done), CountsQuestion::Clock::now())) return;
  ask(counts_question_, [&] {
    bus_->ask_counts([core = Ref<EmitterCore>(this)](std::error_code error, UserCounts counts) {
      core->counts_question_.settle(error, counts, CountsQuestion::Clock::now());
    });
  });
}

// Merges the users of this node into those of all others, both sorted.
SPATE_DECL std::vector<UserStreams> EmitterCore::with_users_here(std::vector<UserStreams>&& others) const {
  // In pieces: nobody waits long for the lock.
  constexpr std::size_t at_a_time = 500;
  std::vector<UserStreams> here;
  for (std::size_t size = at_a_time; size == at_a_time;) {
    std::vector<UserStreams> some = users_here(here.empty() ? std::string_view() : here.back().first, at_a_time);
    size = some.size();
    std::move(some.begin(), some.end(), std::back_inserter(here));
  }
  std::vector<UserStreams> all;
  all.reserve(here.size() + others.size());
  std::merge(std::move_iterator(here.begin()), std::move_iterator(here.end()), std::move_iterator(others.begin()),
             std::move_iterator(others.end()), std::back_inserter(all),
             [](const UserStreams& a, const UserStreams& b) { return a.first < b.first; });
  auto last = all.begin();
  for (auto at = all.begin(); at != all.end(); ++at) {
    if (at == last) continue;
    if (at->first == last->first) {
      last->second += at->second;
    } else if (++last != at) {
      *last = std::move(*at);
    }
  }
  if (last != all.end()) all.erase(last + 1, all.end());
  return all;
}

SPATE_DECL std::vector<std::string> EmitterCore::ids_of(const std::vector<UserStreams>& users,
                                                        std::string_view prefix) {
  std::vector<std::string> ids;
  const auto before = [](const UserStreams& user, std::string_view id) { return std::string_view(user.first) < id; };
  for (auto at = std::lower_bound(users.begin(), users.end(), prefix, before);
       at != users.end() && at->first.starts_with(prefix); ++at) {
    ids.push_back(at->first);
  }
  return ids;
}

}  // namespace spate::detail
