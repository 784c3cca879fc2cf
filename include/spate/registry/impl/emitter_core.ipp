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
      keeps_later_(options_.replay && options_.replay->keeps_later()),
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

SPATE_DECL void refuse_empty_topic(std::string_view topic) {
  if (topic.empty()) throw std::invalid_argument("spate::Emitter: the topic is empty (\"\"); name one, or broadcast");
}

SPATE_DECL void refuse_nobody(const Audience& audience) {
  if (audience.kind() == Audience::Kind::user) refuse_empty(audience.name());
  if (audience.kind() == Audience::Kind::topic) refuse_empty_topic(audience.name());
  for (const std::string& name : audience.names()) {
    audience.kind() == Audience::Kind::topics ? refuse_empty_topic(name) : refuse_empty(name);
  }
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
  return goes_by_bus(event) ? send_by_bus(audience, event, nullptr) : send_here(audience, event, nullptr);
}

SPATE_DECL SendReport EmitterCore::send_to_node(const Audience& audience, const Event& event) {
  refuse_nobody(audience);
  if (mirrors_ && is_kept(event)) {
    throw std::invalid_argument(
        "spate::Emitter: an event for this node alone cannot be kept, as the log gives the ids");
  }
  return send_here(audience, event, nullptr);
}

SPATE_DECL SentEvent EmitterCore::send_awaited(const Audience& audience, const Event& event) {
  refuse_nobody(audience);
  const int answers = (awaits_bus(event) ? 1 : 0) + (keeps_later(event) ? 1 : 0);
  if (answers == 0) return {send(audience, event), nullptr, is_kept(event)};
  auto receipt = std::make_shared<Receipt>(answers);
  SendReport report = goes_by_bus(event) ? send_by_bus(audience, event, receipt) : send_here(audience, event, receipt);
  return {std::move(report), std::move(receipt), is_kept(event)};
}

SPATE_DECL void EmitterCore::await_sent(const Ref<ResultWaiter<SendReport>>& waiter, SentEvent sent) {
  if (!waiter) return;  // it has nowhere to complete
  if (!sent.receipt) return await_room(waiter);
  if (sent.report.error) return waiter->done(sent.report.error, std::move(sent.report));
  sent.receipt->await([core = Ref<EmitterCore>(this), waiter, kept = sent.kept, report = std::move(sent.report)](
                          std::error_code error, std::uint64_t sequence) mutable {
    if (sequence != 0 && kept) report.id = core->id_of(sequence);
    report.error = error;
    if (error) return waiter->done(error, std::move(report));
    core->await_room(
        make_ref<FunctionWaiter>([waiter, report](std::error_code no_room) { waiter->done(no_room, report); }));
  });
}

SPATE_DECL SendReport EmitterCore::send_here(const Audience& audience, const Event& event, const Awaited& awaited) {
  EventEncoder encoder = encoder_for(event);  // the costly part, before the lock
  const Lock lock(mutex_);
  SendReport report = publish(audience, event, std::move(encoder), is_kept(event), awaited);
  if (!report.error) ++events_;
  return report;
}

SPATE_DECL SendReport EmitterCore::send_by_bus(const Audience& audience, const Event& event, const Awaited& awaited) {
  SendReport report;
  if (mirrors_) {
    refuse_id(event);
    const Lock lock(mutex_);
    report.streams = members_.listeners(audience, event.name());
  } else {
    report = send_here(audience, event, awaited);
    if (report.error) return report;
  }
  Bus::Published done;
  if (awaited && awaits_bus(event))
    done = [awaited](std::error_code error, std::uint64_t sequence) { awaited->answer(error, sequence); };
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
                                           bool keep, const Awaited& awaited) {
  if (keeps_later_ && (keep || (!unsettled_.empty() && !history_.delivers_first()))) {
    return publish_later(audience, event, std::move(encoder), keep, awaited);
  }
  SendReport report;
  const std::uint64_t sequence = keep ? history_.newest() + 1 : Topics::not_kept;
  Delivery delivery = delivery_to(audience, event.name(), sequence);
  EncodedEvent encoded;
  if (keep) {
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

// The same when the store keeps it later, or has others to keep before it.
SPATE_DECL SendReport EmitterCore::publish_later(const Audience& audience, const Event& event, EventEncoder&& encoder,
                                                 bool keep, const Awaited& awaited) {
  SendReport report;
  if (unsettled_.bytes() > most_unsettled_bytes) {
    report.error = Errc::store_queue_full;
    return report;
  }
  const std::uint64_t sequence = keep ? history_.newest_given() + 1 : 0;
  if (keep) report.id = history_.id_of(sequence);
  const EncodedEvent encoded = keep ? std::move(encoder).finish(report.id) : std::move(encoder).finish();
  std::optional<Delivery> delivery;
  if (keep && history_.delivers_first())
    delivery.emplace(members_, backlog_.feeds(), receivers_, audience, event.name(), sequence);
  // Of one that is not kept nobody awaits what becomes of it here.
  const Awaited receipt = keep ? awaited : nullptr;
  const bool waits = !delivery || receipt;
  if (waits) {
    Unsettled::Item item;
    item.sequence = sequence;
    item.after = history_.newest_given();
    if (!delivery) item.event = encoded;
    item.receipt = receipt;
    unsettled_.push(std::move(item), audience);
  }
  if (keep) {
    try {
      history_.append(sequence, audience, encoded);
    } catch (...) {
      if (waits) unsettled_.pop_back();
      throw;
    }
  }
  report.streams = delivery ? delivery->post(encoded) : members_.listeners(audience, event.name());
  backlog_.wait_for_store(unsettled_.bytes() > max_unsettled_bytes);
  return report;
}

// Not with the lock: each is told, once there is memory for it.
SPATE_DECL void tell(const Backlog::Waiters& waiters, std::error_code error) {
  insist_for_each(waiters, [&](const Ref<SendWaiter>& waiter) { waiter->done(error); });
}

SPATE_DECL void EmitterCore::settled() {
  std::vector<Unsettled::Item> answered;
  Backlog::Waiters waiters;
  {
    // In one hold of the lock: who resumes draws all that is settled, and is not to get it again.
    const Lock lock(mutex_);
    insist([&]() SPATE_UNCHECKED { history_.settle(settled_); });
    bool lost = false;
    for (const ReplayStore::Settled& each : settled_) lost = settle(each, answered) || lost;
    settled_.clear();
    if (lost) insist([&]() SPATE_UNCHECKED { tell_missed(); });
    backlog_.wait_for_store(unsettled_.bytes() > max_unsettled_bytes);
    waiters = backlog_.take_if_room();
    tell_of_settled();
  }
  tell(waiters, {});
  // Each has its error.
  for (const Unsettled::Item& item : answered) {
    insist([&] { item.receipt->answer(item.error, item.error ? 0 : item.sequence); });
  }
}

// Those who have drawn all that was settled draw again.
SPATE_DECL void EmitterCore::tell_of_settled() {
  for (const Ref<Subscription>& subscription : unsettled_.take_waiting()) {
    insist([&] { subscription->shard().post(call<&Subscription::store_is_ready>(subscription)); });
  }
}

// Nobody would do later what fails for want of memory.
SPATE_DECL bool EmitterCore::settle(const ReplayStore::Settled& settled, std::vector<Unsettled::Item>& answered) {
  bool lost = false;
  for (; unsettled_.has(settled.up_to); unsettled_.pop_front()) {
    Unsettled::Item& item = unsettled_.front();
    if (item.is_lost() || (item.relayed && settled.error)) lost = true;
    const bool is_kept = item.sequence > 0;
    if (item.event && !(is_kept && settled.error)) {
      insist([&]() SPATE_UNCHECKED {
        Delivery(members_, backlog_.feeds(), receivers_, item.audience(), item.event.name(),
                 is_kept ? item.sequence : Topics::not_kept, is_kept ? std::nullopt : std::optional(item.after))
            .post(item.event);
      });
    }
    if (!item.receipt) continue;
    item.error = settled.error;
    insist([&] { answered.push_back(item); });
  }
  return lost;
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

SPATE_DECL std::uint64_t EmitterCore::take_unkept_position(Feed& feed) {
  const Lock lock(mutex_);
  return feed.next_unkept_position();
}

SPATE_DECL CatchUp::Drawn EmitterCore::draw(Subscription& subscription, std::uint64_t up_to, ReplayPacker* packed,
                                            std::vector<StoredEvent>& batch) {
  const Lock lock(mutex_);
  CatchUp::Drawn drawn = catch_up_.draw(subscription, up_to, packed, batch);
  if (!drawn.unsettled || !batch.empty() || drawn.gap) return drawn;
  if (members_.closed()) {
    // Nobody would tell it: its client asks again for what is kept yet.
    drawn.departed = true;
    drawn.more = false;
  } else {
    unsettled_.wait(subscription);
    drawn.waits = true;
  }
  return drawn;
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
