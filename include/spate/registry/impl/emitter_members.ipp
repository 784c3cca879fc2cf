// The part of EmitterCore that has to do with who is there: how a stream comes into the registry and out of it.
#pragma once

#include <algorithm>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>

#include <spate/config.hpp>
#include <spate/registry/detail/emitter_core.hpp>

namespace spate::detail {

// ---- coming ----

SPATE_DECL void refuse_filter(const std::vector<std::string>& names) {
  constexpr std::size_t max_names = SubscribeOptions::max_event_names,
                        max_bytes = SubscribeOptions::max_event_name_bytes;
  if (names.size() > max_names) {
    throw std::invalid_argument("spate::SubscribeOptions: " + std::to_string(names.size()) +
                                " names of events, of which there may be " + std::to_string(max_names));
  }
  std::size_t bytes = 0;
  for (const std::string& name : names) {
    bytes += name.size();
    if (bytes <= max_bytes) continue;
    throw std::invalid_argument("spate::SubscribeOptions: names of events longer than " + std::to_string(max_bytes) +
                                " bytes in all, with " + quote(name));
  }
}

// `max_per_stream` is the emitter's limit; zero when it has none.
SPATE_DECL void refuse_topics(const std::vector<std::string>& topics, std::size_t max_per_stream) {
  constexpr std::size_t max_topics = SubscribeOptions::max_topics, max_bytes = SubscribeOptions::max_topic_bytes;
  const auto refuse = [](std::size_t count, std::size_t most) {
    throw std::invalid_argument("spate::SubscribeOptions: " + std::to_string(count) +
                                " topics, of which there may be " + std::to_string(most));
  };
  if (topics.size() > max_topics) refuse(topics.size(), max_topics);
  if (max_per_stream != 0 && topics.size() > max_per_stream) {
    // One that is named twice is joined once.
    const std::size_t joined = std::set<std::string_view>(topics.begin(), topics.end()).size();
    if (joined > max_per_stream) refuse(joined, max_per_stream);
  }
  std::size_t bytes = 0;
  for (const std::string& topic : topics) {
    refuse_empty_topic(topic);
    bytes += topic.size();
    if (bytes <= max_bytes) continue;
    throw std::invalid_argument("spate::SubscribeOptions: topics longer than " + std::to_string(max_bytes) +
                                " bytes in all, with " + quote(topic));
  }
}

// A stream has one place in the order of events, so it is here once. Its handler, which is called once, is mistaken
// when it adds it again; elsewhere another thread may have been faster.
SPATE_DECL std::error_code refuse_twice(const StreamCore& stream, const std::string& user) {
  if (stream.in_handler()) {
    throw std::invalid_argument("spate::Emitter: the stream has been added already, for the user " + quote(user));
  }
  return make_error_code(Errc::already_added);
}

SPATE_DECL std::error_code EmitterCore::add(std::string user_id, const Ref<StreamCore>& stream,
                                            const SubscribeOptions& wanted) {
  refuse_empty(user_id);
  refuse_filter(wanted.events);
  refuse_topics(wanted.topics, options_.max_topics_per_stream);
  if (stream->framing() == Framing::none) {  // a HEAD: nobody listens
    stream->open();
    return {};
  }
  const auto greet = [&](bool resumed) { return encoder_for(wanted.greeting ? wanted.greeting(resumed) : Event()); };
  // Made before the lock, for both outcomes: they are the program's code.
  Cursor cursor = Cursor::parse(wanted.after ? *wanted.after : stream->last_event_id());
  if (!cursor && wanted.last) cursor = Cursor::newest(*wanted.last);
  PendingResume comer{nullptr, std::move(cursor), {greet(false), std::nullopt}, {}};
  if (comer.cursor) comer.greeting.resumed = greet(true);
  for (int steps = 0;; ++steps) {
    const bool patient = steps < StartSearch::max_steps_in_add;
    if (const auto outcome = try_to_add(user_id, stream, wanted, comer, patient)) return *outcome;
    comer.search.look(*comer.subscription);
  }
}

// The feed on `shard`, made if there is none.
SPATE_DECL Ref<Feed> EmitterCore::feed_on(Shard& shard) {
  Ref<Feed> feed = backlog_.feed_on(shard);
  if (!feed) {
    feed = make_ref<Feed>(Ref<Shard>(&shard), Ref<EmitterCore>(this));
    backlog_.add(feed);
  }
  return feed;
}

// What `add` does with the lock held. Returns nothing when it is to be called again, after the search of `comer` has
// looked at what it was given: meanwhile others have the lock. A search for which it is no longer `patient` goes on
// after `add`, so that the other streams of its loop have their turn as well.
SPATE_DECL std::optional<std::error_code> EmitterCore::try_to_add(std::string& user_id, const Ref<StreamCore>& stream,
                                                                  const SubscribeOptions& wanted, PendingResume& comer,
                                                                  bool patient) {
  const Lock lock(mutex_);
  if (members_.closed() || stream->shard().stopped()) return make_error_code(Errc::shut_down);
  if (const Ref<Subscription> there = members_.find(*stream)) return refuse_twice(*stream, there->user->id);
  if (!comer.subscription) {
    comer.subscription = make_ref<Subscription>(feed_on(stream->own_shard()), stream, wanted.events, wanted.topics);
  }
  const std::optional<Resume::Plan> plan = resume_.plan(user_id, comer, patient);
  if (!plan) return std::nullopt;
  const Ref<Subscription> subscription = comer.subscription;
  HookQueue::Hooks leave;
  try {
    enter(user_id, std::move(comer), *plan, wanted, leave);
  } catch (...) {
    subscription->release_all_sends();
    members_.undo_insert(user_id, *subscription, std::move(leave));
    resume_.forget(*subscription);
    throw;
  }
  return std::error_code();
}

// The steps of `add` that change something, with the lock held. `leave` becomes what is to be told if they fail after
// it was told that the user has come.
SPATE_DECL void EmitterCore::enter(std::string user_id, PendingResume&& comer, const Resume::Plan& plan,
                                   const SubscribeOptions& wanted, HookQueue::Hooks& leave) {
  const Ref<Subscription> subscription = comer.subscription;
  InboxReservation reservation(subscription->shard(), 4);
  const bool answers_poll = comer.cursor.kind() == Cursor::Kind::newest;
  if (plan.waits_for) subscription->live = false;
  members_.insert(std::move(user_id), subscription, leave,
                  [this](const Ref<Subscription>& oldest)
                      SPATE_REQUIRES(mutex_) { end_and_remove(oldest, EndReason::replaced); });
  subscription->stream().open();
  if (answers_poll) reservation.post(call<&Subscription::answer_poll>(subscription));
  if (plan.waits_for) {
    subscription->hold_sends();
    return wait_to_resume(reservation, *plan.waits_for, std::move(comer));
  }
  FirstEvents first;
  if (plan.start) {
    first = resume_.begin(*subscription, comer.cursor, std::move(comer.greeting), *plan.start);
    if (!subscription->live) {
      subscription->replaying = true;
      subscription->hold_sends();
    }
  } else if (wanted.greeting) {
    first.greeting = std::move(comer.greeting.fresh).finish();
  }
  std::move(first).post(reservation, subscription);
  if (!reservation.post(call<&Subscription::join>(subscription))) remove(*subscription);
}

// `comer` waits for the mirror, or goes on with its search.
SPATE_DECL void EmitterCore::wait_to_resume(InboxReservation& reservation, std::uint64_t for_event,
                                            PendingResume&& comer) {
  const Ref<Subscription> subscription = comer.subscription;
  if (!resume_.wait(reservation, for_event, std::move(comer))) return remove(*subscription);
  if (for_event == LogMirror::the_end) return;
  bus_->ask_newest([core = Ref<EmitterCore>(this), subscription](std::error_code error, std::uint64_t newest) {
    if (!error) core->asked_newest(*subscription, newest);
  });
}

// The log has given out nothing beyond `newest`, at a time after `subscription` began to wait.
SPATE_DECL void EmitterCore::asked_newest(Subscription& subscription, std::uint64_t newest) {
  const Lock lock(mutex_);
  if (!members_.closed() && mirror_.complete()) resume_.give_up(subscription, newest);
}

// ---- going ----

SPATE_DECL std::size_t EmitterCore::remove(std::string_view user_id) {
  const Lock lock(mutex_);
  User* user = members_.find(user_id);
  if (user == nullptr) return 0;
  // The user goes with the last of them.
  const std::size_t streams = user->streams();
  for (std::size_t removed = 0; removed < streams; ++removed) {
    if (user->first) {
      end_and_remove(Ref<Subscription>(user->first), EndReason::closed);
    } else {
      members_.end_grace(*user->polls()->first_graced());
    }
  }
  return streams;
}

SPATE_DECL bool EmitterCore::remove(std::string_view user_id, const StreamCore& stream) {
  const Lock lock(mutex_);
  const Ref<Subscription> subscription = members_.find(stream);
  if (!subscription || subscription->user->id != user_id) return false;
  owe_unsettled(subscription);
  remove_or_depart(subscription);
  return true;
}

SPATE_DECL void EmitterCore::close() {
  hooks_->close();
  if (keeps_later_) options_.replay->on_settled({});
  if (bus_ != nullptr) bus_->detach();
  bus_claim_.release();
  Backlog::Waiters waiters;
  std::list<Unsettled::Item> unsettled;
  {
    const Lock lock(mutex_);
    members_.close();
    tell_of_settled();
    unsettled = unsettled_.close();
    mirror_.close();
    history_.release();
    while (const User* const user = members_.any()) {
      if (!user->first) {
        members_.end_grace(*user->polls()->first_graced());
        continue;
      }
      const Ref<Subscription> subscription = user->first;
      remove(*subscription);
      try {
        subscription->shard().post(call<&Subscription::detach>(subscription));
      } catch (const std::bad_alloc&) {
        // It gets nothing more all the same, and goes with its stream.
      }
    }
    waiters = backlog_.close();
  }
  tell(waiters, Errc::shut_down);
  // The store goes on to keep them; that they are kept nobody hears any more.
  for (const Unsettled::Item& item : unsettled) {
    if (item.receipt) insist([&] { item.receipt->answer(Errc::shut_down, 0); });
  }
}

SPATE_DECL bool EmitterCore::depart_unless_live(Subscription& subscription) {
  const Lock lock(mutex_);
  if (subscription.user != nullptr) {
    owe_unsettled(Ref<Subscription>(&subscription));
    if (!subscription.live) depart(subscription);
  }
  return subscription.departed;
}

SPATE_DECL void EmitterCore::end_departure(Subscription& subscription) {
  const Lock lock(mutex_);
  departures_.remove(subscription);
}

SPATE_DECL Ref<Poll> EmitterCore::remove_ended(Subscription& subscription, EndReason reason) {
  const Lock lock(mutex_);
  resume_.forget(subscription);
  departures_.remove(subscription);
  const bool may_return = reason == EndReason::completed || reason == EndReason::client;
  if (may_return && options_.poll_grace.count() > 0) {
    if (Ref<Poll> poll = members_.begin_grace(subscription)) return poll;
  }
  remove(subscription);
  return nullptr;
}

SPATE_DECL void EmitterCore::remove(Poll& poll) {
  const Lock lock(mutex_);
  members_.remove(poll);
}

SPATE_DECL void EmitterCore::end_and_remove(const Ref<Subscription>& subscription, EndReason reason) {
  owe_unsettled(subscription);
  // Whichever of the two fails, nothing is left half done: a stream that ends leaves by itself.
  subscription->stream().end(reason);
  remove_or_depart(subscription);
}

// `subscription` is about to leave. One that is live draws what waits for the store when that has kept it; a poll asks
// again.
SPATE_DECL void EmitterCore::owe_unsettled(const Ref<Subscription>& subscription) {
  if (!subscription->live || unsettled_.empty() || history_.delivers_first()) return;
  if (subscription->stream().transport() != Transport::poll) fall_behind(*subscription);
}

// Removes `subscription` so that nothing accepted for it before is lost. A poll asks again for what it is owed.
SPATE_DECL void EmitterCore::remove_or_depart(const Ref<Subscription>& subscription) {
  if (!subscription->live && subscription->stream().transport() != Transport::poll) return depart(*subscription);
  InboxReservation reservation(subscription->shard(), 1);
  remove(*subscription);
  reservation.post(call<&Subscription::detach>(subscription));
}

// Removes `subscription`. What was accepted for it goes on being drawn by its stream.
SPATE_DECL void EmitterCore::depart(Subscription& subscription) {
  departures_.add(subscription, history_.newest_given());
  try {
    remove(subscription);
  } catch (...) {
    departures_.remove(subscription);
    throw;
  }
}

// The caller holds a reference to `subscription`. Throws before it changes anything.
SPATE_DECL void EmitterCore::remove(Subscription& subscription) {
  members_.remove(subscription);
  if (!subscription.departed) resume_.forget(subscription);
}

// ---- topics ----

SPATE_DECL std::error_code EmitterCore::join(const StreamCore& stream, std::string_view topic,
                                             const JoinOptions& wanted) {
  refuse_empty_topic(topic);
  const Lock lock(mutex_);
  const Ref<Subscription> subscription = members_.find(stream);
  if (!subscription) return Errc::not_added;
  if (members_.has_joined(*subscription, topic)) return {};
  if (!members_.may_join(*subscription)) return Errc::too_many_topics;
  TopicCatchUp late;
  late.topic.name = topic;
  late.last = history_.newest();
  if (!wants_earlier(wanted, late)) {
    members_.join(*subscription, topic, history_.newest());
    return {};
  }
  // It joins last: whatever fails, it has not joined without what it asked for.
  subscription->add(std::move(late));
  try {
    if (subscription->live) fall_behind(*subscription);
    members_.join(*subscription, topic, history_.newest());
  } catch (...) {
    subscription->forget_topic_catch_up(topic);
    throw;
  }
  return {};
}

SPATE_DECL std::error_code EmitterCore::leave(const StreamCore& stream, std::string_view topic) {
  refuse_empty_topic(topic);
  const Lock lock(mutex_);
  const Ref<Subscription> subscription = members_.find(stream);
  if (!subscription) return Errc::not_added;
  members_.leave(*subscription, topic);
  return {};
}

// Whether a stream that joins the topic of `late` is to get what that was sent before: then this says what.
SPATE_DECL bool EmitterCore::wants_earlier(const JoinOptions& wanted, TopicCatchUp& late) const {
  if (!history_) return false;
  if (wanted.after) late.requested = Cursor::parse(*wanted.after);
  if (const auto sequence = history_.sequence_of(late.requested); sequence && *sequence <= late.last) {
    late.topic.since = *sequence;
  }
  if (!late.requested) {
    late.left = wanted.last.value_or(0);
    late.before = late.last;
    if (late.left == 0) return false;
  }
  return true;
}

// `subscription`, which is live, draws from the store again.
SPATE_DECL void EmitterCore::fall_behind(Subscription& subscription) {
  subscription.go_back_to(history_.newest());
  InboxReservation reservation(subscription.shard(), 1);
  subscription.generation = history_.generation();
  subscription.live = false;
  subscription.hold_sends();
  reservation.post(call<&Subscription::fall_behind>(Ref<Subscription>(&subscription)));
}

SPATE_DECL ChangeReport EmitterCore::change(const UserCommand& command, Scope scope) {
  refuse_empty(command.user);
  for (const std::string& topic : command.topics) refuse_empty_topic(topic);
  ChangeReport report;
  const bool changes = command.kind == UserCommand::Kind::remove || !command.topics.empty();
  const bool by_bus = scope == Scope::cluster && bus_ != nullptr && changes;
  if (by_bus && mirrors_) {
    // Here, too, it comes in its place among the events.
    const Lock lock(mutex_);
    if (const User* const user = members_.find(command.user)) report.streams = user->streams();
  } else {
    report = carry_out(command);
  }
  if (!by_bus) return report;
  if (const std::error_code refused = bus_->command(command)) {
    report.error = refused;
    if (mirrors_) report.streams = 0;
  }
  return report;
}

SPATE_DECL ChangeReport EmitterCore::carry_out(const UserCommand& command) {
  if (command.kind == UserCommand::Kind::remove) return {remove(command.user), {}};
  const Lock lock(mutex_);
  User* const user = members_.find(command.user);
  if (user == nullptr) return {};
  ChangeReport report{user->streams(), {}};
  for (const std::string& topic : command.topics) {
    if (command.kind == UserCommand::Kind::leave) {
      members_.leave(*user, topic);
    } else if (!members_.join(*user, topic, history_.newest())) {
      report.error = Errc::too_many_topics;
    }
  }
  return report;
}

SPATE_DECL std::vector<std::string> EmitterCore::topic_users(std::string_view topic) const {
  std::vector<std::string> users;
  {
    const Lock lock(mutex_);
    users = members_.topics().users(topic);
  }
  std::sort(users.begin(), users.end());
  users.erase(std::unique(users.begin(), users.end()), users.end());
  return users;
}

// ---- who is there ----

SPATE_DECL std::vector<std::string> EmitterCore::users(std::string_view prefix) const {
  const Lock lock(mutex_);
  return members_.ids(prefix);
}

SPATE_DECL bool EmitterCore::contains(std::string_view user) const {
  const Lock lock(mutex_);
  return members_.contains(user);
}

SPATE_DECL UserCounts EmitterCore::counts() const {
  const Lock lock(mutex_);
  return members_.counts();
}

SPATE_DECL EmitterStats EmitterCore::stats() const {
  EmitterStats stats;
  {
    const Lock lock(mutex_);
    const UserCounts counts = members_.counts();
    stats.users = counts.users;
    stats.streams = counts.streams;
    stats.events = events_;
  }
  if (bus_ != nullptr) stats.bus = bus_->status();  // which takes a lock of its own
  return stats;
}

}  // namespace spate::detail
