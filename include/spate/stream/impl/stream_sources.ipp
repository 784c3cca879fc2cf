// The functions of stream_sources.hpp.
#pragma once

#include <cstdint>
#include <utility>

#include <spate/config.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/stream/detail/stream_sources.hpp>

namespace spate::detail {

SPATE_DECL void StreamSources::add(Ref<StreamSource> source) noexcept {
  source->next_source = std::move(first_);
  first_ = std::move(source);
}

SPATE_DECL void StreamSources::remove(StreamSource& source) noexcept {
  for (Ref<StreamSource>* at = &first_; *at; at = &(*at)->next_source) {
    if (at->get() != &source) continue;
    Ref<StreamSource> next = std::move(source.next_source);
    *at = std::move(next);
    return;
  }
}

SPATE_DECL void StreamSources::queue_unread() const {
  for (StreamSource* source = first_.get(); source != nullptr; source = source->next_source.get())
    source->queue_unread();
}

SPATE_DECL void StreamSources::pull(const SourcePosition* next) const {
  for (StreamSource* source = first_.get(); source != nullptr; source = source->next_source.get()) {
    const bool up_to_next = next != nullptr && next->source.get() == source;
    source->pull(up_to_next ? next->position : StreamSource::everything);
  }
}

SPATE_DECL bool StreamSources::busy() const {
  return any([](const StreamSource& source) { return source.busy(); });
}

SPATE_DECL bool StreamSources::reads() const {
  return any([](const StreamSource& source) { return source.reads(); });
}

SPATE_DECL bool StreamSources::awaits_pull() const {
  return any([](const StreamSource& source) { return source.awaits_pull(); });
}

SPATE_DECL bool StreamSources::owe(const SourcePosition& position) const {
  return any([&](const StreamSource& source) {
    return source.owes(position.source.get() == &source ? position.position : StreamSource::everything);
  });
}

SPATE_DECL bool StreamSources::leave() const {
  bool owes = false;
  for (StreamSource* source = first_.get(); source != nullptr; source = source->next_source.get()) {
    if (source->leave()) owes = true;
  }
  return owes;
}

SPATE_DECL void StreamSources::detach(EndReason reason) {
  while (first_) {
    const Ref<StreamSource> source = std::move(first_);
    first_ = std::move(source->next_source);
    insist([&] { source->stream_ended(reason); });
  }
}

}  // namespace spate::detail
