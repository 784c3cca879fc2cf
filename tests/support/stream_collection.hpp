// Streams as a handler gets them, for whoever sends on them: any thread may do either.
//
//   StreamCollection streams;
//   server.stream("/events", [&](EventStream stream) { streams.add(std::move(stream)); });
//   streams.send(Event("to each"));
#pragma once

#include <cstddef>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <spate/stream/event_stream.hpp>
#include <spate/wire/event.hpp>

namespace spate::test {

class StreamCollection {
 public:
  void add(EventStream stream) {
    const std::lock_guard lock(mutex_);
    streams_.push_back(std::move(stream));
    threads_.insert(std::this_thread::get_id());
  }
  /// Sends `event` on each of them.
  void send(const Event& event) const {
    const std::lock_guard lock(mutex_);
    for (const EventStream& stream : streams_) stream.send(event);
  }

  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return streams_.size();
  }
  EventStream newest() const {
    const std::lock_guard lock(mutex_);
    return streams_.back();
  }
  /// On how many threads they were added.
  std::size_t threads() const {
    const std::lock_guard lock(mutex_);
    return threads_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<EventStream> streams_;
  std::set<std::thread::id> threads_;
};

}  // namespace spate::test
