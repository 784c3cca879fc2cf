// A store of one's own: what was sent is kept in a file, an entry for each event, and in memory, where it is read.
//
// It does what a store must, and no more. Nothing is ever discarded, not even from the file what has expired: both grow
// for ever, and so does the time to start. Each send waits for the kernel to take its entry, which then survives the
// end of the process, SIGKILL included; a power failure may take back the last entries, whose ids would be given out
// again. On a disk that is full every send throws. Whether another process has the file is not looked at.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/history/replay_store.hpp>

#include "common/random_hex.hpp"

namespace own_store {

/// An event as the file has it: what stands in `append`, and when it expires, in milliseconds since 1970, or 0.
struct Entry {
  std::uint64_t sequence = 0;
  std::int64_t expires = 0;
  spate::Audience::Kind kind = {};
  std::vector<std::string> names;  // of users or topics, or the one name that the audience has
  spate::EncodedEvent event;

  spate::Audience audience() const {
    switch (kind) {
      case spate::Audience::Kind::user: return spate::Audience::user(names.at(0));
      case spate::Audience::Kind::users: return spate::Audience::users(names);
      case spate::Audience::Kind::group: return spate::Audience::group(names.at(0));
      case spate::Audience::Kind::topic: return spate::Audience::topic(names.at(0));
      case spate::Audience::Kind::topics: return spate::Audience::topics(names);
      case spate::Audience::Kind::everybody: break;
    }
    return spate::Audience::everybody();
  }
};

inline std::ostream& operator<<(std::ostream& out, const Entry& entry) {
  out << entry.sequence << ' ' << entry.expires << ' ' << static_cast<int>(entry.kind) << ' ' << entry.names.size();
  for (const std::string& name : entry.names) out << ' ' << std::quoted(name);
  return out << ' ' << std::quoted(entry.event.bytes()) << '\n';
}

/// Reads one whole entry; what was cut off fails at the end of the file.
inline bool read(std::istream& in, Entry& entry) {
  int kind = 0;
  std::size_t names = 0;
  std::string bytes;
  in >> entry.sequence >> entry.expires >> kind >> names;
  entry.kind = static_cast<spate::Audience::Kind>(kind);
  entry.names.clear();
  for (std::string name; names > 0 && in >> std::quoted(name); --names) entry.names.push_back(name);
  if (!(in >> std::quoted(bytes)) || in.get() != '\n') return false;
  entry.event = spate::EncodedEvent::from_bytes(bytes);
  return true;
}

class FileStore final : public spate::ReplayStore {
 public:
  /// Reads what is in `path`, or begins it. Throws std::runtime_error when it cannot be read or written, or holds
  /// something else.
  explicit FileStore(const std::string& path) {
    if (std::filesystem::exists(path)) load(path);
    file_.exceptions(std::ios::failbit | std::ios::badbit);
    file_.open(path, std::ios::app);
    if (!epoch_.empty()) return;
    epoch_ = examples::random_hex(8);
    file_ << title << ' ' << epoch_ << std::endl;
  }

  // ---- the four functions of a store ----

  std::string_view epoch() const override { return epoch_; }

  std::uint64_t newest() const override { return entries_.empty() ? 0 : entries_.back().sequence; }

  void append(std::uint64_t sequence, const spate::Audience& audience, const spate::EncodedEvent& event) override {
    Entry entry{sequence, 0, audience.kind(), {audience.names().begin(), audience.names().end()}, event};
    if (entry.names.empty()) entry.names.emplace_back(audience.name());
    if (event.kept_for().count() > 0) entry.expires = now() + event.kept_for().count();
    entries_.reserve(entries_.size() + 1);
    file_ << entry << std::flush;  // throws, and then the event is not sent
    entries_.push_back(std::move(entry));
  }

  std::uint64_t fetch(std::string_view user, std::uint64_t after, std::size_t max_bytes,
                      std::vector<spate::StoredEvent>& events) override {
    return fetch(spate::Subscriber(user), after, max_bytes, events);
  }

  // ---- and what makes it know topics ----

  std::uint64_t fetch(const spate::Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                      std::vector<spate::StoredEvent>& events) override {
    const auto is_before = [](std::uint64_t sequence, const Entry& entry) { return sequence < entry.sequence; };
    std::size_t bytes = 0;
    for (auto entry = std::upper_bound(entries_.begin(), entries_.end(), after, is_before); entry != entries_.end();
         ++entry) {
      const bool expired = entry->expires > 0 && entry->expires <= now();
      if (expired || !entry->audience().includes(subscriber, entry->sequence)) continue;
      bytes += entry->event.bytes().size();
      if (bytes > max_bytes && !events.empty()) break;
      events.push_back({entry->sequence, entry->event});
    }
    return 0;  // nothing was discarded: nobody has a gap
  }

 private:
  static constexpr std::string_view title = "spate-own-store-1";

  void load(const std::string& path) {
    std::ifstream in(path);
    std::string begins;
    if (!(in >> begins >> epoch_) || begins != title || in.get() != '\n') {
      throw std::runtime_error(path + " is no file of this store");
    }
    auto whole = in.tellg();
    for (Entry entry; read(in, entry); whole = in.tellg()) entries_.push_back(std::move(entry));
    if (!in.eof()) throw std::runtime_error(path + " is damaged");
    // A process that was killed while it wrote has left part of an entry, of an event that nobody was sent.
    std::filesystem::resize_file(path, static_cast<std::uintmax_t>(whole));
  }

  static std::int64_t now() {
    const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count();
  }

  std::string epoch_;
  std::vector<Entry> entries_;
  std::ofstream file_;
};

}  // namespace own_store
