// The functions of sqlite_history.hpp that its threads run.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <new>
#include <utility>

#include <spate/config.hpp>
#include <spate/history/sqlite/detail/sqlite_history.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/loop/detail/signals_blocked.hpp>

namespace spate::detail {

SPATE_DECL void SqliteHistory::start() {
  [[maybe_unused]] const SignalsBlocked blocked;
  writer_thread_ = std::thread([this] { write(); });
  try {
    reader_thread_ = std::thread([this] { read(); });
  } catch (...) {
    stop();
    throw;
  }
}

SPATE_DECL void SqliteHistory::stop() {
  {
    const Lock lock(mutex_);
    stopping_ = true;
    appended_.notify_one();
    asked_for_.notify_one();
  }
  writer_thread_.join();
  if (reader_thread_.joinable()) reader_thread_.join();
  // The last one to close the file moves all into it, and only who writes can.
  reader_->close();
  std::uint64_t newest = 0;
  {
    const Lock lock(mutex_);
    newest = written_up_to_;
  }
  try {
    writer_->close(newest);
  } catch (const std::exception&) {
    // It was not closed, then: the next one to open it reckons with that.
  }
}

// ---- the writer ----

SPATE_DECL void SqliteHistory::write() {
  using SteadyClock = std::chrono::steady_clock;
  constexpr std::size_t most = 8192;  // events of one transaction
  // One that is delivered first is awaited by nobody: it waits for others, so that a transaction is worth its price.
  constexpr std::chrono::milliseconds gathering{5};
  constexpr std::chrono::seconds until_tried_again{1};
  SteadyClock::time_point tidy_from{};
  std::vector<PendingEvent> taken;
  for (;;) {
    taken.clear();
    bool tidies = false;
    {
      const Lock lock(mutex_);
      while (pending_.empty() && !stopping_ && !tidies) {
        const auto due = writer_->untidy() ? std::optional<UnixMilliseconds>(0) : writer_->tidy_at();
        if (!due) {
          writer_waits_ = true;
          appended_.wait(mutex_);
          writer_waits_ = false;
          continue;
        }
        const auto moment = std::max(
            tidy_from, SteadyClock::now() +
                           std::chrono::milliseconds(std::clamp<UnixMilliseconds>(*due - wall_time(), 0, 60'000)));
        tidies = moment <= SteadyClock::now();
        if (tidies) break;
        writer_waits_ = true;
        appended_.wait_until(mutex_, moment);
        writer_waits_ = false;
      }
      if (pending_.empty() && stopping_) return;
      taken.swap(pending_);
    }
    if (tidies && taken.empty()) {
      if (!tidy()) tidy_from = SteadyClock::now() + until_tried_again;
      continue;
    }
    const std::span<PendingEvent> all(taken);
    for (std::size_t at = 0; at < all.size(); at += most) write_batch(all.subspan(at, std::min(most, all.size() - at)));
    if (options_.sync == SqliteOptions::Sync::deliver_first) {
      const Lock lock(mutex_);
      if (!stopping_) appended_.wait_for(mutex_, gathering);
    }
  }
}

SPATE_DECL void SqliteHistory::write_batch(std::span<PendingEvent> batch) {
  Done done;
  Batch counted;
  insist([&] { counted = count(batch, done); });
  std::error_code error;
  try {
    if (counted.writes) done.unknown = !writer_->keep(batch, done.trimmed);
  } catch (const SqliteError& failure) {
    error = failure.code();
  } catch (const std::bad_alloc&) {
    error = std::error_code(SQLITE_NOMEM, sqlite_category());
  }
  if (error) insist([&] { fail(batch, done, error); });
  // They are not kept in memory until the last batch of many has been written.
  for (PendingEvent& each : batch) each.event.event = EncodedEvent();
  const std::uint64_t up_to = done.up_to;
  bool wakes = false;
  insist([&] {
    const Lock lock(mutex_);
    const std::error_code& failed = counted.writes ? error : keeping_failed_;
    report(std::move(done), failed ? failed.message() : std::string());
    pending_bytes_ -= counted.bytes;
    written_up_to_ = up_to;
    (error ? status_.failed : status_.stored) += counted.kept;
    if (!error && counted.writes) ++status_.commits;
    if (counted.writes) keeping_failed_ = error;
    wakes = !questions_.empty() && std::exchange(reader_waits_, false);
  });
  if (wakes) asked_for_.notify_one();
  tell_settled();
  checkpoint();
}

// What there is to be told when they are written.
SPATE_DECL SqliteHistory::Batch SqliteHistory::count(std::span<const PendingEvent> batch, Done& done) {
  Batch counted;
  done.up_to = batch.back().sequence();
  done.settled.clear();
  for (const PendingEvent& each : batch) {
    const bool refused = each.what == PendingEvent::What::refuse;
    if (!refused) counted.bytes += each.footprint();
    if (each.what == PendingEvent::What::keep) ++counted.kept;
    counted.writes = counted.writes || !(refused || each.what == PendingEvent::What::nothing);
    const std::error_code its = refused ? make_error_code(SqliteErrc::queue_full) : std::error_code();
    if (done.settled.empty() || done.settled.back().error != its) done.settled.push_back({0, its});
    done.settled.back().up_to = each.sequence();
  }
  return counted;
}

// They could not be.
SPATE_DECL void SqliteHistory::fail(std::span<PendingEvent> batch, Done& done, const std::error_code& error) {
  done.trimmed.clear();
  done.settled.assign(1, {done.up_to, error});
  done.failed.reserve(batch.size());
  for (PendingEvent& each : batch) {
    // What a bus skipped may have been sent to anybody, whether this could be written or not.
    if (each.what == PendingEvent::What::skip) writer_->lost(each.sequence());
    if (each.what == PendingEvent::What::keep) done.failed.push_back(std::move(each));
  }
  if (options_.sync == SqliteOptions::Sync::deliver_first) writer_->lost(done.up_to);
}

// The reader moves most of the log into the database, and the writer, who alone can begin it anew, the rest.
SPATE_DECL void SqliteHistory::checkpoint() {
  constexpr int long_log = 1000, longest_log = 16'000;
  bool moves = writer_->log_pages() > longest_log, wakes = false;
  {
    const Lock lock(mutex_);
    if (log_is_moved_) {
      log_is_moved_ = false;
      moves = true;
    } else if (!log_is_long_ && writer_->log_pages() > long_log) {
      log_is_long_ = true;
      wakes = std::exchange(reader_waits_, false);
    }
  }
  if (wakes) asked_for_.notify_one();
  if (moves) writer_->checkpoint();
}

// Returns whether it succeeded.
SPATE_DECL bool SqliteHistory::tidy() {
  Done done;
  std::error_code error;
  try {
    writer_->tidy(done.trimmed);
  } catch (const SqliteError& failure) {
    error = failure.code();
  } catch (const std::bad_alloc&) {
    error = std::error_code(SQLITE_NOMEM, sqlite_category());
  }
  checkpoint();
  insist([&] {
    const Lock lock(mutex_);
    // That it succeeded says little to those whose events could not be kept.
    const std::error_code& failed = error ? error : keeping_failed_;
    report(std::move(done), failed ? failed.message() : std::string());
  });
  return !error;
}

// Throws before it changes anything.
SPATE_DECL void SqliteHistory::report(Done&& done, std::string&& reason) {
  done_.push_back(std::move(done));
  status_.well = reason.empty();
  status_.reason = std::move(reason);
  status_.kept = writer_->events();
  reserved_ = writer_->reserved();
}

SPATE_DECL void SqliteHistory::tell_settled() {
  const Lock lock(settled_mutex_);
  if (on_settled_) insist(std::cref(on_settled_));
}

// ---- the reader ----

SPATE_DECL void SqliteHistory::read() {
  std::vector<std::function<void()>> ready;
  std::vector<std::shared_ptr<Question>> questions;
  bool moved = false;  // the log, and nothing was read since
  for (;;) {
    questions.clear();
    {
      const Lock lock(mutex_);
      for (;;) {
        insist([this]() SPATE_UNCHECKED { wait_for_room(); });
        if (stopping_) return;
        // They take turns: while there are always questions the log must not grow for ever.
        if (!log_is_long_ || moved) insist([&]() SPATE_UNCHECKED { take_questions(questions); });
        if (!questions.empty() || log_is_long_) break;
        reader_waits_ = true;
        asked_for_.wait(mutex_);
        reader_waits_ = false;
      }
    }
    moved = questions.empty();
    if (moved) {
      reader_->checkpoint();
      const Lock lock(mutex_);
      log_is_long_ = false;
      log_is_moved_ = true;
      continue;
    }
    for (const std::shared_ptr<Question>& question : questions) question->found = reader_->read(question->what);
    reader_->end();
    insist([&] { tell_found(questions, ready); });
    for (const std::function<void()>& each : ready) insist(std::cref(each));
    ready.clear();
  }
}

// There is no more that was found and not taken than a part of the cache holds: those who asked for it may be slow, or
// have gone. What is let go is read again for whoever asks.
SPATE_DECL void SqliteHistory::wait_for_room() {
  constexpr std::chrono::milliseconds patience{20};
  const std::size_t most = std::max<std::size_t>(options_.max_cache_bytes, 1024 * 1024) / 4;
  const auto until = std::chrono::steady_clock::now() + patience;
  while (found_bytes_ > most && !stopping_) {
    reader_waits_ = true;
    const std::cv_status status = asked_for_.wait_until(mutex_, until);
    reader_waits_ = false;
    if (status != std::cv_status::timeout) continue;
    for (; found_bytes_ > most / 2; found_.pop_front()) {
      dropped_.push_back(found_.front());
      Question& oldest = *found_.front();
      found_bytes_ -= std::exchange(oldest.bytes, 0);
      oldest.found = TrackCache::Found();
      oldest.found.knows_discarded = false;
    }
  }
}

// Throws before it changes anything.
SPATE_DECL void SqliteHistory::tell_found(std::span<const std::shared_ptr<Question>> questions,
                                          std::vector<std::function<void()>>& ready) {
  std::list<std::shared_ptr<Question>> found(questions.begin(), questions.end());
  const auto size_of = [](const Question& question) {
    std::size_t bytes = 1;
    for (const TrackEvent& each : question.found.events) bytes += sizeof each + each.event.footprint();
    return bytes;
  };
  // Nobody looks at it before it is answered.
  for (const std::shared_ptr<Question>& question : questions) question->bytes = size_of(*question);
  const Lock lock(mutex_);
  std::size_t waiting = 0;
  for (const std::shared_ptr<Question>& question : questions) waiting += question->waiting.size();
  ready.reserve(waiting);
  while (!found.empty()) {
    const auto at = found.begin();
    found_.splice(found_.end(), found, at);
    Question& question = **at;
    question.at = at;
    found_bytes_ += question.bytes;
    question.answered = true;
    for (const std::shared_ptr<Waiting>& each : question.waiting) {
      if (--each->left == 0) ready.push_back(std::move(each->ready));
    }
    question.waiting.clear();
  }
}

// Takes the first of those that are about nothing which is still to be written: some, as waking those who wait for them
// costs more than reading. Throws before it changes anything.
SPATE_DECL void SqliteHistory::take_questions(std::vector<std::shared_ptr<Question>>& questions) {
  constexpr std::size_t most = 16;
  const std::size_t room = std::max<std::size_t>(options_.max_cache_bytes, 1024 * 1024) / 8;
  questions.reserve(most);
  std::size_t bytes = 0;
  for (auto at = questions_.begin(); at != questions_.end() && questions.size() < most && bytes < room;) {
    if ((*at)->what.to > written_up_to_) {
      ++at;
      continue;
    }
    bytes += (*at)->what.bytes;
    questions.push_back(std::move(*at));
    at = questions_.erase(at);
  }
}

}  // namespace spate::detail
