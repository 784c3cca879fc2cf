// Where the messages are kept: in memory, or in a file that outlives the program.
#pragma once

#include <memory>
#include <string>

#include <spate/history/memory_replay_store.hpp>
#include <spate/program.hpp>

#ifdef CHAT_HAS_SQLITE
#include <spate/history/sqlite_replay_store.hpp>
#endif

namespace chat {

/// The history in `file`, or in memory when that is empty. Ends the program when the file cannot be used.
inline std::shared_ptr<spate::ReplayStore> open_history(const spate::Program& program, const std::string& file) {
  spate::ReplayLimits limits;
  limits.max_events = 100'000;
  limits.max_events_per_audience = 1'000;  // of each room: a busy one costs no other its history
  if (file.empty()) return std::make_shared<spate::MemoryReplayStore>(limits);
#ifdef CHAT_HAS_SQLITE
  try {
    spate::SqliteOptions options;
    options.file = file;
    options.limits = limits;
    return std::make_shared<spate::SqliteReplayStore>(options);
  } catch (const spate::SqliteFileError& error) {
    program.refuse(error.what(), spate::Program::cannot_serve);
  }
#else
  program.refuse("option --history: this chat was built without SQLite and keeps messages in memory only");
#endif
}

}  // namespace chat
