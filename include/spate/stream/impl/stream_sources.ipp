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

SPATE_DECL void StreamSources::settle() const {
  for (StreamSource* source = first_.get(); source != nullptr; source = source->next_source.get()) source->settle();
}

SPATE_DECL void StreamSources::pull(const Place* next) const {
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

SPATE_DECL bool StreamSources::rests() const {
  return any([](const StreamSource& source) { return source.rests(); });
}

SPATE_DECL bool StreamSources::owe(const Place& place) const {
  return any([&](const StreamSource& source) {
    return source.owes(place.source.get() == &source ? place.position : StreamSource::everything);
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
