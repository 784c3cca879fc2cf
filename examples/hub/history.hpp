// What the hub keeps for those who return: what --replay-events and its neighbours, --history and --history-sync say,
// and the store that comes of it.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include <spate/history/memory_replay_store.hpp>
#include <spate/program.hpp>
#ifdef HUB_HAS_SQLITE
#include <spate/history/sqlite_replay_store.hpp>
#include <spate/wire/text.hpp>
#endif

namespace hub {

/// Why a store is not quite well; empty when it is. Threads: any.
using StoreReason = std::function<std::string()>;

class HistorySettings {
 public:
  spate::ReplayLimits limits;

  void add_options(spate::Program& program) {
    program.option("--replay-events", "N", "events kept for those who return; 0 keeps none", limits.max_events);
    program.option("--replay-events-per-audience", "N",
                   "events kept for each user, group, topic, and everybody; 0 sets no limit",
                   limits.max_events_per_audience);
    program.option("--replay-bytes", "N", "bytes that keeping them takes", limits.max_bytes);
    program.option("--replay-age-ms", "N", "how long events are kept; 0 sets no limit", limits.max_age);
    program.option("--history", "FILE", "keep them in this file, which outlives the hub",
                   [this](const std::string& text) {
#ifndef HUB_HAS_SQLITE
                     throw std::invalid_argument("this hub was built without SQLite");
#endif
                     if (text.empty()) throw std::invalid_argument("\"\" is no file");
                     file_ = text;
                   });
    program.option("--history-sync", "full|normal", "an event survives a power failure, or only the hub's end (full)",
                   [this](const std::string& text) {
                     if (text != "full" && text != "normal") {
                       throw std::invalid_argument("\"" + text + "\" is neither full nor normal");
                     }
                     sync_ = text;
                   });
  }

  bool in_file() const noexcept { return !file_.empty(); }

  /// Ends the program when the options do not fit each other. `keeps_log`: Redis has the history.
  void check(const spate::Program& program, bool keeps_log) const {
    if (!in_file() && !sync_.empty()) program.refuse("option --history-sync needs --history beside it");
    if (in_file() && keeps_log) {
      program.refuse(
          "option --history: in durable mode the log in Redis is the history; leave it out, or take --cluster-mode "
          "directed or broadcast");
    }
  }

  /// Throws std::runtime_error, in one line, when the file cannot be used.
  std::shared_ptr<spate::ReplayStore> make_store(StoreReason& reason) const {
#ifdef HUB_HAS_SQLITE
    if (in_file()) {
      spate::SqliteOptions options;
      options.file = file_;
      if (sync_ == "normal") options.sync = spate::SqliteOptions::Sync::normal;
      options.limits = limits;
      auto store = std::make_shared<spate::SqliteReplayStore>(std::move(options));
      reason = [store] { return store->status().reason; };
      return store;
    }
#endif
    reason = [] { return std::string(); };
    return std::make_shared<spate::MemoryReplayStore>(limits);
  }

 private:
  std::string file_;
  std::string sync_;
};

}  // namespace hub
