// The functions of sqlite_history.hpp that are called under the emitter's lock.
#pragma once

#include <algorithm>
#include <new>
#include <stdexcept>
#include <utility>

#include <spate/config.hpp>
#include <spate/history/sqlite/detail/sqlite_history.hpp>
#include <spate/wire/detail/require.hpp>

namespace spate::detail {

SPATE_DECL const SqliteOptions& SqliteHistory::checked(const SqliteOptions& options) {
  if (options.file.empty()) throw std::invalid_argument("spate::SqliteOptions::file is empty: name a file");
  if (options.file.find('\0') != std::string::npos)
    throw std::invalid_argument("spate::SqliteOptions::file has a zero byte: name another file");
  require_not_negative("spate::ReplayLimits::max_age", options.limits.max_age);
  return options;
}

SPATE_DECL SqliteHistory::SqliteHistory(SqliteOptions&& options)
    : options_(std::move(options)), cache_(std::max<std::size_t>(checked(options_).max_cache_bytes, 1024 * 1024)) {
  options_.file = real_name(options_.file);
  HistoryWriter::Opened opened;
  writer_ = std::make_unique<HistoryWriter>(options_, opened);
  reader_ = std::make_unique<HistoryReader>(options_.file, options_.limits.max_age.count());
  epoch_ = std::move(opened.epoch);
  newest_given_ = visible_ = opened.newest;
  discarded_ = opened.discarded;
  discarded_all_ = opened.discarded_all;
  holes_ = std::move(opened.holes);
  lengths_ = std::move(opened.lengths);
  {
    const Lock lock(mutex_);
    written_up_to_ = newest_given_;
    reserved_ = writer_->reserved();
    status_.kept = writer_->events();
  }
  start();
}

SPATE_DECL SqliteHistory::~SqliteHistory() {
  stop();
}

SPATE_DECL SqliteHistory::Status SqliteHistory::status() const {
  if (forked()) {
    Status status;
    status.well = false;
    status.reason = make_error_code(SqliteErrc::forked).message();
    return status;
  }
  const Lock lock(mutex_);
  Status status = status_;
  status.pending_bytes = pending_bytes_;
  return status;
}

SPATE_DECL bool SqliteHistory::has_given(std::uint64_t sequence) const noexcept {
  const auto after = std::upper_bound(holes_.begin(), holes_.end(), sequence,
                                      [](std::uint64_t number, const auto& hole) { return number < hole.first; });
  return after == holes_.begin() || std::prev(after)->second < sequence;
}

SPATE_DECL bool SqliteHistory::delivers_first() const noexcept {
  if (options_.sync != SqliteOptions::Sync::deliver_first || forked()) return false;
  // Meanwhile what is reserved only grows, and what waits only shrinks.
  const bool first =
      visible_ == newest_given_ && newest_given_ < reserved_ && pending_bytes_ < options_.max_pending_bytes;
  said_first_ = first;
  return first;
}

SPATE_DECL void SqliteHistory::append(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event) {
  asked_at_.reset();
  if (forked()) {
    newest_given_ = sequence;
    settled_.push_back({sequence, SqliteErrc::forked});
    return;
  }
  PendingEvent pending;
  const UnixMilliseconds now = wall_time();
  // The clock may be set back: of two events the later one is never older.
  newest_at_ = std::max(newest_at_, now);
  pending.event = {sequence, newest_at_, 0, event};
  if (event.kept_for().count() > 0) pending.event.expires = later(now, event.kept_for().count());
  for_each_track(audience, [&](TrackName name) {
    pending.track.kind = name.kind;
    if (name.kind != TrackKind::group) return;
    const auto at = std::lower_bound(lengths_.begin(), lengths_.end(), name.name.size());
    if (at == lengths_.end() || *at != name.name.size()) lengths_.insert(at, name.name.size());
  });
  pending.several = audience.kind() == Audience::Kind::users || audience.kind() == Audience::Kind::topics;
  if (pending.several) {
    pending.names.assign(audience.names().begin(), audience.names().end());
  } else {
    pending.track.name = audience.name();
  }
  const std::size_t cost = event.bytes().size() + 64 + 32 * std::max<std::size_t>(pending.names.size(), 1);
  constexpr std::size_t max_blob = 900'000'000;  // SQLite takes a thousand million
  if (!event.has_data() || (pending.several && pending.names.empty())) {
    pending.what = PendingEvent::What::nothing;
  } else if (cost > options_.limits.max_bytes || cost > max_blob) {
    pending.what = PendingEvent::What::discard;
    pending.event.event = EncodedEvent();
  }
  push(std::move(pending));
}

SPATE_DECL void SqliteHistory::skip(std::uint64_t sequence) {
  discarded_all_ = std::max(discarded_all_, sequence);
  if (forked()) return;
  PendingEvent pending;
  pending.what = PendingEvent::What::skip;
  pending.event.sequence = std::max(sequence, newest_given_);
  push(std::move(pending));
}

SPATE_DECL void SqliteHistory::push(PendingEvent&& pending) {
  const std::uint64_t sequence = pending.sequence();
  const bool first = said_first_ ? *said_first_ : delivers_first();
  const bool may_be_read = pending.what == PendingEvent::What::keep && cache_.size() > 0;
  std::optional<PendingEvent> read;
  bool wakes = false;
  {
    const Lock lock(mutex_);
    const bool skips = pending.what == PendingEvent::What::skip;
    const bool refused = pending_bytes_ >= options_.max_pending_bytes && !skips;
    const auto last_is = [this](PendingEvent::What what)
                             SPATE_REQUIRES(mutex_) { return !pending_.empty() && pending_.back().what == what; };
    if (skips ? last_is(PendingEvent::What::skip) : refused && last_is(PendingEvent::What::refuse)) {
      pending_.back().event.sequence = sequence;  // they go on
    } else if (!refused) {
      const std::size_t bytes = pending.footprint();
      if (may_be_read) read = pending;
      pending_.push_back(std::move(pending));
      pending_bytes_ += bytes;
    } else {
      PendingEvent& refusal = pending_.emplace_back();
      refusal.what = PendingEvent::What::refuse;
      refusal.event.sequence = sequence;
    }
    wakes = std::exchange(writer_waits_, false);
  }
  if (wakes) appended_.notify_one();
  newest_given_ = sequence;
  if (first) visible_ = sequence;
  said_first_.reset();
  if (!read) return;
  // It is put into the tracks that somebody reads, where it is not seen before its time.
  try {
    read->for_each_track([&](TrackName name) { cache_.append(name, read->event); });
  } catch (const std::bad_alloc&) {
    cache_.clear();  // they are read again
  }
}

SPATE_DECL void SqliteHistory::on_settled(std::function<void()>&& settled) {
  if (forked()) return;
  const Lock lock(settled_mutex_);
  on_settled_ = std::move(settled);
  // What was settled when nobody listened.
  if (on_settled_) on_settled_();
}

SPATE_DECL void SqliteHistory::settle(std::vector<Settled>& settled) {
  asked_at_.reset();
  if (!forked()) take_done();
  if (settled_.empty()) return;
  visible_ = std::max(visible_, settled_.back().up_to);
  settled.insert(settled.end(), settled_.begin(), settled_.end());
  settled_.clear();
}

// Takes what the threads have done.
SPATE_DECL void SqliteHistory::take_done() {
  apply_taken();
  {
    const Lock lock(mutex_);
    taken_.swap(done_);
    let_go_.swap(dropped_);
    status_.cached_bytes = cache_.bytes();
  }
  apply_taken();
  cache_.evict(newest_given_);
}

// When memory fails, what is left is left for the next time: it tells what nobody else would.
SPATE_DECL void SqliteHistory::apply_taken() {
  for (; applied_ < taken_.size(); ++applied_) apply(taken_[applied_]);
  taken_.clear();
  applied_ = 0;
  for (const std::shared_ptr<Question>& question : let_go_) let_go(*question);
  let_go_.clear();
}

// Nobody asks for it any more.
SPATE_DECL void SqliteHistory::let_go(Question& question) {
  const auto asked = asked_.find(question.key);
  if (asked == asked_.end()) return;
  const auto [begin, end] = asked->second.equal_range(question.place);
  const auto at = std::find_if(begin, end, [&](const auto& each) { return each.second.get() == &question; });
  if (at == end) return;
  TrackCache::Track* const track = cache_.find(static_cast<TrackName>(question.what.track));
  if (track != nullptr && track->stay == question.stay) cache_.answered(*track);
  asked->second.erase(at);
  if (asked->second.empty()) asked_.erase(asked);
}

// Puts the answer where it belongs, for one of those who waited for it.
SPATE_DECL void SqliteHistory::take_answer(Question& question) {
  TrackCache::Found found;
  bool wakes = false;
  {
    const Lock lock(mutex_);
    if (question.bytes == 0) return;  // it was dropped
    if (--question.takers > 0) {
      found = question.found;
    } else {
      found = std::move(question.found);
      found_.erase(question.at);
      found_bytes_ -= std::exchange(question.bytes, 0);
      wakes = std::exchange(reader_waits_, false);
      let_go(question);
    }
  }
  if (wakes) asked_for_.notify_one();
  try {
    // Whoever finds an answer has seen that its track is still here.
    cache_.insert(static_cast<TrackName>(question.what.track), found, wall_time());
  } catch (const std::bad_alloc&) {
    cache_.clear();  // it is read again
  }
}

// Throws before it changes anything.
SPATE_DECL void SqliteHistory::apply(Done& done) {
  settled_.insert(settled_.end(), done.settled.begin(), done.settled.end());
  for (const HistoryWriter::Trimmed& each : done.trimmed) {
    discarded_ = std::max(discarded_, each.discarded);
    cache_.trim(static_cast<TrackName>(each.track), each.trimmed, each.discarded);
  }
  if (done.unknown) {
    cache_.clear();
    discarded_ = std::max(discarded_, done.up_to);
  }
  for (const PendingEvent& failed : done.failed) {
    failed.for_each_track([&](TrackName name) { cache_.take_back(name, failed.sequence()); });
    // It was seen, and whoever was away has missed it.
    if (options_.sync == SqliteOptions::Sync::deliver_first)
      discarded_all_ = std::max(discarded_all_, failed.sequence());
  }
}

SPATE_DECL UnixMilliseconds SqliteHistory::moment() {
  return asked_at_ ? *asked_at_ : wall_time();
}

SPATE_DECL void SqliteHistory::begin_merge(TrackMerge::Direction direction, const Subscriber& subscriber,
                                           std::uint64_t start) {
  merge_.begin(direction, visible_, moment(), options_.limits.max_age.count());
  const bool forward = direction == TrackMerge::Direction::forward;
  for_each_track_of(subscriber, [&](TrackName name, std::uint64_t since) {
    merge_.add(cache_, name, cache_.find(name), forward ? std::max(start, since) : start, since);
  });
}

SPATE_DECL bool SqliteHistory::at_hand(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                                       const Waiter& waiter) {
  return ask(TrackMerge::Direction::forward, subscriber, after, max_bytes, waiter);
}

SPATE_DECL bool SqliteHistory::newest_at_hand(const Subscriber& subscriber, std::uint64_t before, std::size_t max_bytes,
                                              const Waiter& waiter) {
  return ask(TrackMerge::Direction::backward, subscriber, before, max_bytes, waiter);
}

// Whether there is something at hand, or there is nothing; otherwise the reader is asked for what is missing.
SPATE_DECL bool SqliteHistory::ask(TrackMerge::Direction direction, const Subscriber& subscriber, std::uint64_t start,
                                   std::size_t max_bytes, const Waiter& waiter) {
  if (forked()) return true;
  constexpr std::size_t least_bytes = 64 * 1024;
  // Of those who have much to ask for at once it must all find room.
  const std::size_t most_bytes = std::max<std::size_t>(options_.max_cache_bytes, 1024 * 1024) / 8;
  take_done();
  for (;;) {
    asked_at_ = wall_time();
    begin_merge(direction, subscriber, start);
    const bool has_next = merge_.next() != nullptr;
    if (has_next ? merge_.knows_discarded() : merge_.complete()) return true;
    asked_at_.reset();
    std::vector<HistoryReader::Question> wanted;
    merge_.for_each_missing([&](TrackName name, std::uint64_t from, std::uint64_t to) {
      const TrackCache::Track& track = cache_.watch(name, newest_given_);
      if (to == TrackCache::no_end) to = track.end_of_unknown(from);
      wanted.push_back(
          {{name.kind, std::string(name.name)}, from, to, 0, direction == TrackMerge::Direction::backward});
    });
    const std::size_t bytes =
        std::min(std::max(max_bytes, least_bytes), most_bytes / std::max<std::size_t>(wanted.size(), 1));
    // One more than the questions, so that whoever asks is not told before all of them have been put.
    const auto waiting = std::make_shared<Waiting>(Waiting{1, waiter.when_ready()});
    std::vector<std::shared_ptr<Question>> answers;
    for (HistoryReader::Question& each : wanted) {
      cache_.watch(static_cast<TrackName>(each.track), newest_given_);
      const Known known = find_asked(each, waiting);
      if (known.answered) answers.push_back(known.question);
      if (known.question != nullptr) continue;
      each.bytes = bytes;
      put(std::move(each), waiting);
    }
    // Answers are left where nothing takes them away until the last of them is there.
    if (answers.size() == wanted.size()) {
      for (const std::shared_ptr<Question>& each : answers) take_answer(*each);
      continue;
    }
    bool wakes = false, waits = false;
    {
      const Lock lock(mutex_);
      wakes = std::exchange(reader_waits_, false);
      waits = --waiting->left > 0;
    }
    if (wakes) asked_for_.notify_one();
    if (waits) return false;
    // All of it has been answered meanwhile.
  }
}

SPATE_DECL void SqliteHistory::put(HistoryReader::Question&& what, const std::shared_ptr<Waiting>& waiting) {
  TrackCache::Track& track = *cache_.find(static_cast<TrackName>(what.track));
  const auto question = std::make_shared<Question>();
  question->key = key_of(static_cast<TrackName>(what.track), what.newest_first);
  question->place = what.newest_first ? what.to : what.from;
  question->what = std::move(what);
  question->stay = track.stay;
  question->waiting.push_back(waiting);
  std::multimap<std::uint64_t, std::shared_ptr<Question>>& asked = asked_[question->key];
  const auto at = asked.emplace(question->place, question);
  // Last what the reader sees: of one that cannot be put for want of memory nobody waits for the answer.
  try {
    const Lock lock(mutex_);
    questions_.push_back(question);
    ++waiting->left;
  } catch (...) {
    asked.erase(at);
    throw;
  }
  cache_.asked(track);
}

SPATE_DECL std::string SqliteHistory::key_of(TrackName name, bool newest_first) {
  std::string key(1, static_cast<char>(2 * static_cast<int>(name.kind) + static_cast<int>(newest_first)));
  return key.append(name.name);
}

// One whose answer holds what comes first of what is asked, or is likely to, as it begins with the same number, or a
// little before: then `waiting` waits for it as well.
SPATE_DECL SqliteHistory::Known SqliteHistory::find_asked(const HistoryReader::Question& wanted,
                                                          const std::shared_ptr<Waiting>& waiting) {
  constexpr std::uint64_t near = 64;
  const auto name = static_cast<TrackName>(wanted.track);
  const auto asked = asked_.find(key_of(name, wanted.newest_first));
  if (asked == asked_.end()) return {};
  const std::uint64_t stay = cache_.find(name)->stay;
  const auto& all = asked->second;
  const Lock lock(mutex_);
  const auto fits = [&](const std::shared_ptr<Question>& each) SPATE_REQUIRES(mutex_) {
    const std::uint64_t from = each->answered ? each->found.from : each->what.from;
    const std::uint64_t to = each->answered ? each->found.to : each->what.to;
    if (each->stay != stay) return false;
    if (wanted.newest_first ? wanted.to <= from : wanted.from >= to) return false;
    if (each->answered) return true;
    each->waiting.push_back(waiting);
    ++each->takers;
    ++waiting->left;
    return true;
  };
  if (wanted.newest_first) {
    for (auto at = all.lower_bound(wanted.to); at != all.end() && at->first - wanted.to <= near; ++at) {
      if (fits(at->second)) return {at->second, at->second->answered};
    }
  } else {
    for (auto at = all.upper_bound(wanted.from); at != all.begin();) {
      if (wanted.from - (--at)->first > near) break;
      if (fits(at->second)) return {at->second, at->second->answered};
    }
  }
  return {};
}

// Up to where something of what the tracks of `subscriber` had was discarded.
SPATE_DECL std::uint64_t SqliteHistory::marked(const Subscriber& subscriber) {
  std::uint64_t newest = discarded_all_;
  for_each_track_of(subscriber, [&](TrackName name, std::uint64_t since) {
    const TrackCache::Track* const track = cache_.find(name);
    // Of what was never read it is known that no other audience has lost anything later.
    std::uint64_t its = discarded_;
    if (track != nullptr) its = std::max(track->discarded, track->known ? 0 : std::min(discarded_, track->watched));
    if (its > since) newest = std::max(newest, its);
  });
  return std::min(newest, visible_);
}

SPATE_DECL std::uint64_t SqliteHistory::discarded(const Subscriber& subscriber) {
  if (forked()) return visible_;
  std::uint64_t newest = marked(subscriber);
  const UnixMilliseconds max_age = options_.limits.max_age.count(), now = moment();
  for_each_track_of(subscriber, [&](TrackName name, std::uint64_t since) {
    const TrackCache::Track* const track = cache_.find(name);
    if (track == nullptr) return;
    for (const auto& [from, piece] : track->pieces) {
      std::uint64_t its = piece.discarded;
      const auto old = std::partition_point(piece.events.begin(), piece.events.end(), [&](const TrackEvent& event) {
        return max_age > 0 && now - event.at >= max_age;
      });
      if (old != piece.events.begin()) its = std::max(its, std::prev(old)->sequence);
      if (its > since) newest = std::max(newest, its);
    }
  });
  return std::min(newest, visible_);
}

}  // namespace spate::detail
