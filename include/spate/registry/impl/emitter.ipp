// The functions of emitter.hpp.
#pragma once

#include <stdexcept>
#include <utility>

#include <spate/config.hpp>
#include <spate/detail/access.hpp>
#include <spate/registry/detail/census.hpp>
#include <spate/registry/detail/emitter_core.hpp>
#include <spate/registry/emitter.hpp>
#include <spate/stream/detail/stream_core.hpp>
#include <spate/wire/impl/core_ref.ipp>

namespace spate {

SPATE_DECL Emitter::Emitter(EmitterOptions options) : core_(detail::make_ref<detail::EmitterCore>(std::move(options))) {
  core_->attach();
}

SPATE_DECL Emitter::~Emitter() {
  core_->close();
}

SPATE_DECL std::error_code Emitter::add(std::string_view user, const EventStream& stream,
                                        const SubscribeOptions& options) {
  return core_->add(std::string(user), detail::access::core(stream), options);
}

SPATE_DECL SendReport Emitter::send(std::span<const std::string_view> users, const Event& event) {
  return send(std::vector<std::string>(users.begin(), users.end()), event);
}

SPATE_DECL SendReport Emitter::send(std::string_view user, const Event& event) {
  return core_->send(Audience::user(user), event);
}

SPATE_DECL SendReport Emitter::send(std::span<const std::string> users, const Event& event) {
  return core_->send(Audience::users(users), event);
}

SPATE_DECL SendReport Emitter::send(std::initializer_list<std::string_view> users, const Event& event) {
  return send(std::span<const std::string_view>(users.begin(), users.size()), event);
}

SPATE_DECL SendReport Emitter::send_group(std::string_view prefix, const Event& event) {
  return core_->send(Audience::group(prefix), event);
}

SPATE_DECL SendReport Emitter::send_topic(std::string_view topic, const Event& event) {
  return core_->send(Audience::topic(topic), event);
}

SPATE_DECL SendReport Emitter::broadcast(const Event& event) {
  return core_->send(Audience::everybody(), event);
}

SPATE_DECL SendReport Emitter::send(const Audience& audience, const Event& event) {
  return core_->send(audience, event);
}

SPATE_DECL SendReport Emitter::send(const Audience& audience, const Event& event, Scope scope) {
  return scope == Scope::cluster ? core_->send(audience, event) : core_->send_to_node(audience, event);
}

SPATE_DECL bool Emitter::has_room() const {
  return core_->has_room();
}

SPATE_DECL std::size_t Emitter::remove(std::string_view user) {
  return core_->remove(user);
}

SPATE_DECL bool Emitter::remove(std::string_view user, const EventStream& stream) {
  return core_->remove(user, *detail::access::core(stream));
}

SPATE_DECL ChangeReport Emitter::remove(std::string_view user, Scope scope) {
  return core_->change({UserCommand::Kind::remove, std::string(user), {}}, scope);
}

SPATE_DECL std::error_code Emitter::join(const EventStream& stream, std::string_view topic,
                                         const JoinOptions& options) {
  return core_->join(*detail::access::core(stream), topic, options);
}

SPATE_DECL std::error_code Emitter::leave(const EventStream& stream, std::string_view topic) {
  return core_->leave(*detail::access::core(stream), topic);
}

SPATE_DECL ChangeReport Emitter::join(std::string_view user, std::string_view topic, Scope scope) {
  return core_->change({UserCommand::Kind::join, std::string(user), {std::string(topic)}}, scope);
}

SPATE_DECL ChangeReport Emitter::join(std::string_view user, std::vector<std::string> topics, Scope scope) {
  return core_->change({UserCommand::Kind::join, std::string(user), std::move(topics)}, scope);
}

SPATE_DECL ChangeReport Emitter::leave(std::string_view user, std::string_view topic, Scope scope) {
  return core_->change({UserCommand::Kind::leave, std::string(user), {std::string(topic)}}, scope);
}

SPATE_DECL ChangeReport Emitter::leave(std::string_view user, std::vector<std::string> topics, Scope scope) {
  return core_->change({UserCommand::Kind::leave, std::string(user), std::move(topics)}, scope);
}

SPATE_DECL std::vector<std::string> Emitter::topic_users(std::string_view topic) const {
  return core_->topic_users(topic);
}

SPATE_DECL std::vector<std::string> Emitter::users(std::string_view prefix) const {
  return core_->users(prefix);
}

SPATE_DECL Emitter::Counts Emitter::counts() const {
  return core_->counts();
}

SPATE_DECL bool Emitter::contains(std::string_view user) const {
  return core_->contains(user);
}

SPATE_DECL std::string Emitter::position() const {
  return core_->position();
}

SPATE_DECL std::uint64_t Emitter::event_count() const {
  return core_->events();
}

SPATE_DECL EmitterStats Emitter::stats() const {
  return core_->stats();
}

SPATE_DECL const asio::any_io_executor& Emitter::executor_of(const Core& core) {
  return core->options().executor;
}

SPATE_DECL void Emitter::refuse_handler() {
  throw std::invalid_argument(
      "spate::Emitter: the completion handler has no executor to run on: bind one to it with asio::bind_executor, or "
      "set EmitterOptions::executor");
}

SPATE_DECL void Emitter::await_room(const Core& core, const detail::Ref<detail::SendWaiter>& waiter) {
  core->await_room(waiter);
}

SPATE_DECL detail::SentEvent Emitter::send_awaited(const Audience& audience, const Event& event) {
  return core_->send_awaited(audience, event);
}

SPATE_DECL void Emitter::await_sent(const Core& core, const Waiter<SendReport>& waiter, detail::SentEvent sent) {
  core->await_sent(waiter, std::move(sent));
}

SPATE_DECL void Emitter::await_caught_up(const EventStream& stream,
                                         const detail::Ref<detail::CompletionWaiter>& waiter) {
  const detail::Ref<detail::StreamCore>& core = detail::access::core(stream);
  waiter->run_on(core->shard_ref());
  core->await_caught_up(detail::Ref<detail::SendWaiter>(waiter));
}

SPATE_DECL void Emitter::ask_users(const Core& core, std::string prefix, const Waiter<std::vector<std::string>>& waiter,
                                   std::function<void(Step)> post) {
  core->ask_users(
      [waiter, post = std::move(post), prefix = std::move(prefix)](std::error_code error, const auto& users) {
        post([waiter, prefix, error, users] {
          waiter->done(error, error ? std::vector<std::string>() : detail::Census::ids_of(*users, prefix));
        });
      });
}

SPATE_DECL void Emitter::ask_counts(const Core& core, const Waiter<Counts>& waiter) {
  core->ask_counts(
      [waiter](std::error_code error, const auto& counts) { waiter->done(error, error ? Counts() : *counts); });
}

}  // namespace spate

#if !defined(SPATE_HEADER_ONLY)
template class spate::detail::CoreRef<spate::detail::EmitterCore>;
#endif
