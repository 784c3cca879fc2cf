// The functions of polls.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/registry/detail/polls.hpp>

namespace spate::detail {

SPATE_DECL TopicMember& Poll::obtain_topics() {
  if (!topics) topics = std::make_unique<TopicMember>(*this);
  return *topics;
}

SPATE_DECL Poll* Polls::find(std::string_view client) const {
  const auto found = clients_.find(client);
  return found == clients_.end() ? nullptr : found->second;
}

SPATE_DECL Polls::Nodes Polls::prepare(Ref<Poll> poll) {
  Nodes nodes;
  std::unordered_map<std::string_view, Poll*> client;
  client.emplace(poll->client(), poll.get());
  nodes.client = client.extract(client.begin());
  nodes.poll.push_back(std::move(poll));
  clients_.reserve(clients_.size() + 1);
  return nodes;
}

SPATE_DECL void Polls::add(Nodes&& nodes) noexcept {
  nodes.poll.front()->place_ = nodes.poll.begin();
  waiting_.splice(waiting_.end(), nodes.poll);
  clients_.insert(std::move(nodes.client));
}

SPATE_DECL void Polls::grace(Poll& poll) noexcept {
  graced_.splice(graced_.end(), waiting_, poll.place_);
  poll.waiting = nullptr;
}

SPATE_DECL void Polls::remove(Poll& poll) noexcept {
  const Ref<Poll> held(&poll);  // the list's may be the last
  clients_.erase(poll.client());
  (poll.waiting == nullptr ? graced_ : waiting_).erase(poll.place_);
  poll.waiting = nullptr;
}

}  // namespace spate::detail
