// The functions of sqlite_history.hpp that its threads run.
#pragma once

#include <algorithm>
#include <chrono>
#include <iterator>
#include <new>
#include <utility>

#include <spate/config.hpp>
#include <spate/history/sqlite/detail/sqlite_history.hpp>
#include <spate/loop/detail/signals_blocked.hpp>

namespace spate::detail {

SPATE_DECL void SqliteHistory::start() {
  const SignalsBlocked blocked;
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
  done.up_to = batch.back().sequence();
  std::error_code error;
  std::size_t kept = 0, bytes = 0;
  bool writes = false;
  for (const PendingEvent& each : batch) {
    const bool refused = each.what == PendingEvent::What::refuse;
    if (!refused) bytes += each.footprint();
    if (each.what == PendingEvent::What::keep) ++kept;
    writes = writes || !(refused || each.what == PendingEvent::What::nothing);
    const std::error_code its = refused ? make_error_code(SqliteErrc::queue_full) : std::error_code();
    if (done.settled.empty() || done.settled.back().error != its) done.settled.push_back({0, its});
    done.settled.back().up_to = each.sequence();
  }
  try {
    if (writes) done.unknown = !writer_->keep(batch, done.trimmed);
  } catch (const SqliteError& failure) {
    error = failure.code();
  } catch (const std::bad_alloc&) {
    error = std::error_code(SQLITE_NOMEM, sqlite_category());
  }
  if (error) {
    done.trimmed.clear();
    done.settled.assign(1, {done.up_to, error});
    const auto is_kept = [](const PendingEvent& each) { return each.what == PendingEvent::What::keep; };
    std::copy_if(std::make_move_iterator(batch.begin()), std::make_move_iterator(batch.end()),
                 std::back_inserter(done.failed), is_kept);
    if (options_.sync == SqliteOptions::Sync::deliver_first) writer_->lost(done.up_to);
  }
  {
    const Lock lock(mutex_);
    pending_bytes_ -= bytes;
    written_up_to_ = done.up_to;
    (error ? status_.failed : status_.stored) += kept;
    if (!error && writes) ++status_.commits;
    if (writes) keeping_failed_ = error;
    report(std::move(done), writes ? error : keeping_failed_);
    asked_for_.notify_one();
  }
  tell_settled();
  checkpoint();
}

// The reader moves most of the log into the database, and the writer, who alone can begin it anew, the rest.
SPATE_DECL void SqliteHistory::checkpoint() {
  constexpr int long_log = 1000, longest_log = 16'000;
  bool moves = writer_->log_pages() > longest_log;
  {
    const Lock lock(mutex_);
    if (log_is_moved_) {
      log_is_moved_ = false;
      moves = true;
    } else if (!log_is_long_ && writer_->log_pages() > long_log) {
      log_is_long_ = true;
      asked_for_.notify_one();
    }
  }
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
  const Lock lock(mutex_);
  // That it succeeded says little to those whose events could not be kept.
  report(std::move(done), error ? error : keeping_failed_);
  return !error;
}

SPATE_DECL void SqliteHistory::report(Done&& done, const std::error_code& error) {
  status_.well = !error;
  status_.reason = error ? error.message() : std::string();
  status_.kept = writer_->events();
  reserved_ = writer_->reserved();
  done_.push_back(std::move(done));
}

SPATE_DECL void SqliteHistory::tell_settled() {
  const Lock lock(settled_mutex_);
  if (on_settled_) on_settled_();
}

// ---- the reader ----

SPATE_DECL void SqliteHistory::read() {
  std::vector<std::function<void()>> ready;
  for (;;) {
    std::shared_ptr<Question> question;
    {
      const Lock lock(mutex_);
      while (!stopping_ && (question = next_question()) == nullptr && !log_is_long_) asked_for_.wait(mutex_);
      if (stopping_) return;
    }
    if (question == nullptr) {
      reader_->checkpoint();
      const Lock lock(mutex_);
      log_is_long_ = false;
      log_is_moved_ = true;
      continue;
    }
    question->found = reader_->read(question->what);
    {
      const Lock lock(mutex_);
      question->answered = true;
      found_.push_back(question);
      for (const std::shared_ptr<Waiting>& each : question->waiting) {
        if (--each->left == 0) ready.push_back(std::move(each->ready));
      }
      question->waiting.clear();
    }
    for (const std::function<void()>& each : ready) each();
    ready.clear();
  }
}

// The first that is about nothing which is still to be written; null when there is none.
SPATE_DECL std::shared_ptr<SqliteHistory::Question> SqliteHistory::next_question() {
  const auto at = std::find_if(questions_.begin(), questions_.end(), [this](const auto& each) SPATE_REQUIRES(mutex_) {
    return each->what.to <= written_up_to_;
  });
  if (at == questions_.end()) return nullptr;
  std::shared_ptr<Question> question = std::move(*at);
  questions_.erase(at);
  return question;
}

}  // namespace spate::detail
