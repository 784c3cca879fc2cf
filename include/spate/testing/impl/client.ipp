// The functions of client.hpp.
#pragma once

#include <stdexcept>
#include <utility>

#include <spate/config.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/testing/client.hpp>
#include <spate/testing/detail/client_core.hpp>
#include <spate/wire/detail/require.hpp>
#include <spate/wire/impl/core_ref.ipp>

namespace spate::testing {

SPATE_DECL Client::Client(detail::Ref<detail::ClientCore> core) noexcept : core_(std::move(core)) {}
SPATE_DECL Client::Client(Client&& other) noexcept = default;

SPATE_DECL Client& Client::operator=(Client&& other) noexcept {
  std::swap(core_, other.core_);
  return *this;
}

SPATE_DECL Client::~Client() {
  if (!core_ || core_->host() == nullptr) return;
  detail::insist([&] { core_->host()->in_turn([core = core_.ref()] { core->drop(); }); });
}

SPATE_DECL detail::ClientCore& Client::seen() const {
  if (detail::ClientHost* const host = core_->host()) host->settle_unless_running();
  return *core_;
}

SPATE_DECL int Client::status() const {
  return seen().answer().status;
}
SPATE_DECL std::optional<std::string> Client::header(std::string_view name) const {
  return seen().answer().header(name);
}
SPATE_DECL std::string Client::body() const {
  return seen().answer().body;
}
SPATE_DECL Answer Client::answer() const {
  return seen().answer();
}

SPATE_DECL Events Client::events() const {
  return seen().events;
}
SPATE_DECL Events Client::take_events() {
  return std::exchange(seen().events, {});
}
SPATE_DECL std::vector<std::string> Client::data() const {
  std::vector<std::string> all;
  for (const DecodedEvent& event : seen().events) all.push_back(event.data);
  return all;
}
SPATE_DECL std::vector<std::string> Client::comments() const {
  return seen().comments;
}
SPATE_DECL std::size_t Client::heartbeats() const {
  return seen().heartbeats;
}
SPATE_DECL std::string Client::last_event_id() const {
  return seen().last_event_id();
}
SPATE_DECL std::optional<std::chrono::milliseconds> Client::retry() const {
  return seen().retry;
}

SPATE_DECL bool Client::is_open() const {
  return seen().is_open();
}
SPATE_DECL bool Client::was_cut() const {
  return seen().was_cut();
}
SPATE_DECL std::optional<EndReason> Client::end_reason() const {
  return seen().end_reason();
}
SPATE_DECL std::size_t Client::connections() const {
  return seen().connections;
}

SPATE_DECL void Client::act(std::string_view what, std::function<void(detail::ClientCore&)> step) {
  detail::ClientHost* const host = core_->host();
  if (host == nullptr) return;
  host->act(what, [core = core_.ref(), step = std::move(step)] { step(*core); });
}

SPATE_DECL void Client::stall(std::size_t room) {
  act("Client::stall()", [room](detail::ClientCore& core) { core.stall(room); });
}

SPATE_DECL void Client::read(std::size_t bytes) {
  if (!core_->stalls()) throw std::logic_error("spate::testing::Client: read() is for one that stalls");
  act("Client::read()", [bytes](detail::ClientCore& core) { core.make_room(bytes); });
  act("Client::read()", [bytes](detail::ClientCore& core) { core.read_stalled(bytes); });
}

SPATE_DECL void Client::read_on() {
  act("Client::read_on()", [](detail::ClientCore& core) { core.read_on(); });
}

SPATE_DECL void Client::leave() {
  act("Client::leave()", [](detail::ClientCore& core) {
    core.stay_away();
    core.go(detail::ClientCore::How::leaves);
  });
}

SPATE_DECL void Client::reset() {
  act("Client::reset()", [](detail::ClientCore& core) {
    core.go(detail::ClientCore::How::breaks);
    core.come_back();
  });
}

SPATE_DECL void Client::reconnect() {
  act("Client::reconnect()", [](detail::ClientCore& core) { core.connect(); });
}

SPATE_DECL void Client::keep_reconnecting(std::chrono::milliseconds wait) {
  detail::require_not_negative("spate::testing::Client::keep_reconnecting: the wait", wait);
  act("Client::keep_reconnecting()", [wait](detail::ClientCore& core) { core.keep_reconnecting(wait); });
}

}  // namespace spate::testing

#if !defined(SPATE_HEADER_ONLY)
template class spate::detail::CoreRef<spate::detail::ClientCore>;
#endif
