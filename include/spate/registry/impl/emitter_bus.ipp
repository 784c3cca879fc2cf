// The part of EmitterCore that has to do with other processes.
//
// Beside a bus that relays, an emitter works as if it were alone, and takes what others sent like what is sent here.
// Beside one that keeps a log, the store mirrors the log, and an event is delivered when it comes through the log: so
// the order is the same on every node, and what is delivered live and what is replayed agree. A stream that has to wait
// for the mirror is open meanwhile and gets its greeting late. Events without data stay out of the log, so they reach
// the streams of the process that sends them, and no others.
#pragma once

#include <spate/config.hpp>
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
  void reached_end(std::uint64_t newest) override { emitter_->reached_end(newest); }
  void commanded(const UserCommand& command) override { emitter_->commanded(command); }
  std::vector<UserStreams> users_here(std::string_view after, std::size_t limit) const override {
    return emitter_->users_here(after, limit);
  }
  UserCounts counts_here() const override { return emitter_->counts(); }

 private:
  const Ref<EmitterCore> emitter_;
};

SPATE_DECL std::shared_ptr<BusListener> EmitterCore::link() {
  return std::make_shared<BusLink>(Ref<EmitterCore>(this));
}

SPATE_DECL void EmitterCore::attach() {
  if (keeps_later_) options_.replay->on_settled([this] { settled(); });  // until `close`
  if (bus_ != nullptr) bus_->attach(link());
}

SPATE_DECL std::vector<UserStreams> EmitterCore::users_here(std::string_view after, std::size_t limit) const {
  const Lock lock(mutex_);
  return members_.users_after(after, limit);
}

// ---- a bus that relays ----

SPATE_DECL void EmitterCore::relayed(const Audience& audience, const Event& event) {
  EventEncoder encoder(event);
  const Lock lock(mutex_);
  if (members_.closed()) return;
  // One with an id of its own comes from a node without a store: it can be given no other, nor be kept. Nor is one
  // without data, wherever it comes from.
  const bool keep = is_kept(event) && !event.id();
  const SendReport report = publish(audience, event, std::move(encoder), keep, nullptr);
  // Other nodes have it: where it is not to be had here, that is told in its place.
  if (report.error) return unsettled_.push_lost(history_.newest_given());
  if (keep) unsettled_.note_relayed(history_.newest_given());
}

SPATE_DECL void EmitterCore::commanded(const UserCommand& command) {
  {
    const Lock lock(mutex_);
    if (members_.closed() || mirror_.predates_streams()) return;
  }
  carry_out(command);
}

// Who draws from the store is told by what it draws.
SPATE_DECL void tell_of_gap(const Members& members, Gaps& gaps, const std::string& requested) {
  members.for_each_live([&](Subscription& each) { gaps.tell_live(each, requested, GapReason::trimmed); });
}

SPATE_DECL void EmitterCore::missed() {
  const Lock lock(mutex_);
  if (!members_.closed()) tell_missed();
}

// What was lost has no number of its own here, so it is given one: who resumes from before it is told as well.
SPATE_DECL void EmitterCore::tell_missed() {
  const std::uint64_t before = history_.newest();
  if (gives_ids_) history_.skip(before + 1);
  const std::string requested = history_.id_of(before);
  tell_of_gap(members_, gaps_, requested);
}

// ---- a bus that keeps a log ----

// Tells those who were here before the log that they go on in it where it begins for them. Who draws from the store is
// told when it draws next.
SPATE_DECL void tell_of_restart(const Members& members, const History& history, const LogMirror& mirror, Gaps& gaps) {
  members.for_each_live([&](Subscription& each) {
    if (each.generation == history.generation()) return;
    each.generation = history.generation();
    if (!mirror.is_first() || mirror.begins_at() > 0) {
      return gaps.tell_live(each, mirror.position_before(), GapReason::unknown);
    }
    // Nothing can have been missed; from here on it can resume.
    Event position;
    position.id(history.id_of(0));
    each.shard().post(call<&Subscription::greet>(Ref<Subscription>(&each), EncodedEvent(position)));
  });
}

SPATE_DECL void EmitterCore::restarted(std::string_view epoch) {
  const Lock lock(mutex_);
  if (members_.closed()) return;
  const bool goes_on = mirror_.restarted(epoch);
  members_.begin_generation();  // at once: the new numbers are those that topics are joined at from now on
  resume_.wait_for_the_end();
  if (goes_on) tell_of_restart(members_, history_, mirror_, gaps_);
}

// What is left of `event` when it gets its id elsewhere.
SPATE_DECL Event without_id(const Event& event) {
  Event rest = event.data() ? Event(*event.data()) : Event();
  rest.name(event.name());
  if (event.retry()) rest.retry(*event.retry());
  if (event.comment()) rest.comment(*event.comment());
  if (event.kept_for().count() > 0) rest.keep_for(event.kept_for());
  return rest.keep(event.kept());
}

SPATE_DECL void EmitterCore::appended(std::uint64_t sequence, const Audience& audience, const Event& event) {
  // No emitter with a store sends one that has an id of its own, but others may. The log gives the ids.
  EventEncoder encoder = event.id() ? EventEncoder(without_id(event)) : EventEncoder(event);
  const Lock lock(mutex_);
  if (members_.closed() || !mirror_.is_news(sequence)) return;
  // One that is not to be kept is no place to resume after; nor is one without data, which a node of another kind may
  // put into the log.
  const bool keep = event.data() && event.kept();
  const EncodedEvent encoded = keep ? std::move(encoder).finish(history_.id_of(sequence)) : std::move(encoder).finish();
  Delivery delivery = delivery_to(audience, event.name(), keep ? sequence : Topics::not_kept);
  history_.append(sequence, audience, keep ? encoded : EncodedEvent());
  if (mirror_.predates_streams()) return;
  delivery.post(encoded);
  if (mirror_.complete()) resume_.reached(sequence);
}

SPATE_DECL void EmitterCore::trimmed(std::uint64_t sequence) {
  const Lock lock(mutex_);
  if (members_.closed() || !mirror_.is_news(sequence)) return;
  const std::string before = history_.id_of(history_.newest());
  history_.skip(sequence);
  if (mirror_.predates_streams()) return;
  tell_of_gap(members_, gaps_, before);
  if (mirror_.complete()) resume_.reached(sequence);
}

SPATE_DECL void EmitterCore::reached_end(std::uint64_t newest) {
  const Lock lock(mutex_);
  if (members_.closed() || !mirror_.reached_end(newest)) return;
  resume_.reached(LogMirror::the_end);
  if (mirror_.is_first()) tell_of_restart(members_, history_, mirror_, gaps_);
}

}  // namespace spate::detail
