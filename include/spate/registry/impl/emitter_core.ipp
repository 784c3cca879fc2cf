// The functions of emitter_core.hpp, less those in emitter_members.ipp and emitter_bus.ipp: sending, and what feeds and
// subscriptions ask for.
#pragma once

#include <stdexcept>

#include <spate/config.hpp>
#include <spate/history/memory_replay_store.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/registry/detail/emitter_core.hpp>
#include <spate/registry/detail/function_waiter.hpp>
#include <spate/wire/detail/require.hpp>

namespace spate::detail {

// Refuses what cannot be. Beside a bus that keeps a log there is a store that mirrors it.
SPATE_DECL EmitterOptions checked(EmitterOptions&& options) {
  require_not_negative("spate::EmitterOptions::resume_wait", options.resume_wait);
  require_not_negative("spate::EmitterOptions::poll_grace", options.poll_grace);
  if (!options.replay && options.bus && options.bus->keeps_log()) {
    options.replay = std::make_shared<MemoryReplayStore>();
  }
  return std::move(options);
}

SPATE_DECL EmitterCore::EmitterCore(EmitterOptions options)
    : options_(checked(std::move(options))),
      bus_(options_.bus.get()),
      hooks_(make_ref<HookQueue>()),
      census_(bus_),
      gives_ids_(options_.replay != nullptr),
      mirrors_(bus_ != nullptr && bus_->keeps_log()),
      history_(options_.replay.get()),
      bus_claim_(bus_ == nullptr ? nullptr : &bus_->use_, "bus"),
      mutex_(history_.mutex()),
      mirror_(history_, mirrors_),
      members_(options_, *hooks_, *this),
      backlog_(options_.max_backlog_bytes),
      gaps_(options_, *hooks_, history_, departures_),
      resume_(history_, mirror_, departures_, gaps_),
      catch_up_(history_, mirror_, departures_, gaps_) {}

// ---- sending ----

SPATE_DECL void refuse_empty(std::string_view user) {
  if (user.empty()) throw std::invalid_argument("spate::Emitter: the user is empty (\"\"); name one, or broadcast");
}

SPATE_DECL void refuse_nobody(const Audience& audience) {
  if (audience.kind() == Audience::Kind::user) refuse_empty(audience.name());
  for (const std::string& name : audience.names()) refuse_empty(name);
}

SPATE_DECL void EmitterCore::refuse_id(const Event& event) const {
  if (gives_ids_ && event.id()) {
    throw std::invalid_argument("spate::Emitter: the emitter gives the ids, the event has one: " + quote(*event.id()));
  }
}

SPATE_DECL EventEncoder EmitterCore::encoder_for(const Event& event) const {
  refuse_id(event);
  return EventEncoder(event);
}

SPATE_DECL SendReport EmitterCore::send(const Audience& audience, const Event& event) {
  refuse_nobody(audience);
  return goes_by_bus(event) ? send_by_bus(audience, event, {}) : send_here(audience, event);
}

SPATE_DECL SentEvent EmitterCore::send_awaited(const Audience& audience, const Event& event) {
  refuse_nobody(audience);
  if (!goes_by_bus(event)) return {send_here(audience, event), nullptr};
  auto receipt = std::make_shared<Receipt>();
  SendReport report = send_by_bus(
      audience, event, [receipt](std::error_code error, std::uint64_t sequence) { receipt->answer(error, sequence); });
  return {std::move(report), std::move(receipt)};
}

SPATE_DECL void EmitterCore::await_sent(const Ref<ResultWaiter<SendReport>>& waiter, SentEvent sent) {
  if (!waiter) return;  // it has nowhere to complete
  if (!sent.receipt) return await_room(waiter);
  if (sent.report.error) return waiter->done(sent.report.error, std::move(sent.report));
  sent.receipt->await([core = Ref<EmitterCore>(this), waiter, report = std::move(sent.report)](
                          std::error_code error, std::uint64_t sequence) mutable {
    if (sequence != 0) report.id = core->id_of(sequence);
    report.error = error;
    if (error) return waiter->done(error, std::move(report));
    core->await_room(
        make_ref<FunctionWaiter>([waiter, report](std::error_code no_room) { waiter->done(no_room, report); }));
  });
}

SPATE_DECL SendReport EmitterCore::send_here(const Audience& audience, const Event& event) {
  EventEncoder encoder = encoder_for(event);  // the costly part, before the lock
  const Lock lock(mutex_);
  SendReport report = publish(audience, event, std::move(encoder), gives_ids_ && event.data());
  ++events_;
  return report;
}

SPATE_DECL SendReport EmitterCore::send_by_bus(const Audience& audience, const Event& event, Bus::Published done) {
  SendReport report;
  if (mirrors_) {
    refuse_id(event);
    const Lock lock(mutex_);
    report.streams = members_.listeners(audience, event.name());
  } else {
    report = send_here(audience, event);
  }
  // Outside the lock, since it may take long; so two threads' events may pass each other here, as they may anywhere.
  report.error = bus_->publish(audience, event, std::move(done));
  if (!mirrors_) return report;
  if (report.error) {
    report.streams = 0;
  } else {
    const Lock lock(mutex_);
    ++events_;
  }
  return report;
}

// What follows when `event`, which `encoder` has, is sent, with the lock held: one that is to be kept gets its id, and
// all whom it is for get it.
SPATE_DECL SendReport EmitterCore::publish(const Audience& audience, const Event& event, EventEncoder&& encoder,
                                           bool keep) {
  SendReport report;
  Delivery delivery = delivery_to(audience, event.name());
  EncodedEvent encoded;
  if (keep) {
    const std::uint64_t sequence = history_.newest() + 1;
    report.id = history_.id_of(sequence);
    encoded = std::move(encoder).finish(report.id);
    history_.append(sequence, audience, encoded);
  } else {
    encoded = std::move(encoder).finish();
    report.id = encoded.id();
  }
  report.streams = delivery.post(encoded);
  return report;
}

SPATE_DECL bool EmitterCore::has_room() const {
  const Lock lock(mutex_);
  return backlog_.has_room();
}

SPATE_DECL void EmitterCore::await_room(Ref<SendWaiter> waiter) {
  {
    const Lock lock(mutex_);
    if (!backlog_.wait(waiter)) return;
  }
  waiter->done({});
}

// Not with the lock: each is told, once there is memory for it.
SPATE_DECL void tell(const Backlog::Waiters& waiters, std::error_code error) {
  insist_for_each(waiters, [&](const Ref<SendWaiter>& waiter) { waiter->done(error); });
}

SPATE_DECL void EmitterCore::backlog_released() {
  if (!backlog_awaited()) return;
  Backlog::Waiters waiters;
  {
    const Lock lock(mutex_);
    waiters = backlog_.take_if_room();
  }
  tell(waiters, {});
}

SPATE_DECL std::uint64_t EmitterCore::events() const {
  const Lock lock(mutex_);
  return events_;
}

SPATE_DECL std::string EmitterCore::position() const {
  const Lock lock(mutex_);
  return mirror_.complete() ? history_.id_of(history_.newest()) : std::string();
}

SPATE_DECL std::string EmitterCore::id_of(std::uint64_t sequence) const {
  const Lock lock(mutex_);
  return members_.closed() ? std::string() : history_.id_of(sequence);  // the store may be another emitter's by then
}

// ---- for feeds and subscriptions ----

SPATE_DECL std::uint64_t EmitterCore::newest() const {
  const Lock lock(mutex_);
  return history_.newest();
}

SPATE_DECL CatchUp::Drawn EmitterCore::draw(Subscription& subscription, std::uint64_t up_to, const ReplayPacker* packed,
                                            std::vector<StoredEvent>& batch) {
  const Lock lock(mutex_);
  return catch_up_.draw(subscription, up_to, packed, batch);
}

SPATE_DECL Resume::Step EmitterCore::search(Subscription& subscription) {
  const Lock lock(mutex_);
  return resume_.search(subscription);
}

SPATE_DECL void EmitterCore::stop_waiting(Subscription& subscription) {
  const Lock lock(mutex_);
  resume_.give_up(subscription);
}

}  // namespace spate::detail
