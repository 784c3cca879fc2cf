// The functions of history_writer.hpp: taking out what is over the limits.
#pragma once

#include <algorithm>
#include <cstring>

#include <spate/config.hpp>
#include <spate/history/sqlite/detail/history_writer.hpp>

namespace spate::detail {

SPATE_DECL bool HistoryWriter::Budget::take(std::int64_t steps) {
  steps_ -= steps;
  return steps_ > 0 || Clock::now() < until_;
}

SPATE_DECL void HistoryWriter::tidy(std::vector<Trimmed>& trimmed) {
  try {
    begin(false);
    Budget budget(0, std::chrono::milliseconds(1));
    untidy_ = trim(budget);
    write_totals();
    commit();
    report(trimmed);
    if (untidy_) return;
    find_next_moment();
    untidy_ = vacuum();
    commits_ = 0;
  } catch (...) {
    roll_back();
    throw;
  }
}

// Returns whether there is more to take out.
SPATE_DECL bool HistoryWriter::trim(Budget& budget) {
  const ReplayLimits& limits = options_.limits;
  const auto limit_of = [](std::size_t limit) {
    return static_cast<std::int64_t>(std::min<std::size_t>(limit, INT64_MAX));
  };
  const std::int64_t each = limits.max_events_per_audience == 0 ? INT64_MAX : limit_of(limits.max_events_per_audience);
  Statements& use = *statements_;
  if (trim_expired(budget) || trim_old(budget)) return true;
  if (trim_most(use.most_events, limit_of(limits.max_events), &AudienceRow::events, each, &totals_.events, budget))
    return true;
  if (trim_most(use.most_bytes, limit_of(limits.max_bytes), &AudienceRow::bytes, INT64_MAX, &totals_.bytes, budget))
    return true;
  const std::int64_t remembered = limit_of(limits.max_remembered);
  constexpr std::int64_t at_a_time = 64;
  while (totals_.empty > remembered) {
    const std::int64_t forgotten = use.audiences.forget_empty(std::min(at_a_time, totals_.empty - remembered));
    totals_.empty -= forgotten;
    if (forgotten == 0) totals_.empty = remembered;
    if (!budget.take(forgotten)) return totals_.empty > remembered;
  }
  return false;
}

SPATE_DECL bool HistoryWriter::trim_expired(Budget& budget) {
  const UnixMilliseconds now = wall_time();
  if (!tidy_at_ || *tidy_at_ > now) return false;
  for (;;) {
    SqliteStatement& oldest = statements_->expired_event;
    std::uint64_t sequence = 0;
    if (SqliteRows rows(oldest); rows.next() && oldest.integer(1) <= now) sequence = oldest.number(0);
    if (sequence == 0) return false;
    const EventRow event = read_event(sequence);
    drop(event, false);
    totals_.empty += statements_->audiences.write();
    if (!budget.take(static_cast<std::int64_t>(event.audiences.size()))) return true;
  }
}

SPATE_DECL bool HistoryWriter::trim_old(Budget& budget) {
  const UnixMilliseconds max_age = options_.limits.max_age.count();
  if (max_age == 0) return false;
  const UnixMilliseconds now = wall_time();
  if (!tidy_at_ || *tidy_at_ > now) return false;
  for (;;) {
    const std::optional<EventPart> oldest = oldest_event();
    const auto is_due = [&](const EventPart& part) { return later(part.at, max_age) <= now; };
    if (!oldest || !is_due(*oldest)) return false;
    const EventRow event = read_event(oldest->sequence);
    const auto due = static_cast<std::size_t>(std::find_if_not(event.parts.begin(), event.parts.end(), is_due) -
                                              event.parts.begin());
    if (due < event.parts.size()) {
      drop_first(event, due);
    } else {
      drop(event, !(event.expires != 0 && event.expires <= now));
    }
    totals_.empty += statements_->audiences.write();
    if (!budget.take(static_cast<std::int64_t>(std::max(event.audiences.size(), due)))) return true;
  }
}

// Whoever holds most loses their oldest, until nobody holds more than `each_limit`, and all together no more than
// `limit`. An event that is for several goes with the last of those who have it.
SPATE_DECL bool HistoryWriter::trim_most(SqliteStatement& most, std::int64_t limit, std::int64_t AudienceRow::*held,
                                         std::int64_t each_limit, const std::int64_t* total, Budget& budget) {
  for (;;) {
    std::int64_t first = 0, first_held = 0, second_held = 0;
    {
      SqliteRows rows(most);
      if (rows.next()) {
        first = most.integer(0);
        first_held = most.integer(1);
      }
      if (first != 0 && rows.next()) second_held = most.integer(1);
    }
    const bool surplus = *total > limit;
    if (!surplus && (first == 0 || first_held <= each_limit)) return false;
    if (first == 0) {
      // Nobody has more than one, and these are small: the oldest of all goes.
      const std::optional<EventPart> oldest = oldest_event();
      if (!oldest) return false;
      const EventRow event = read_event(oldest->sequence);
      drop(event, true);
      totals_.empty += statements_->audiences.write();
      if (!budget.take(static_cast<std::int64_t>(event.audiences.size()))) return true;
      continue;
    }
    AudienceRow* const row = statements_->audiences.find(first);
    if (row == nullptr) throw SqliteError(SQLITE_CORRUPT);
    // Down to what the next one holds, and one less, so that they take turns.
    const std::int64_t fair = surplus ? std::max<std::int64_t>(second_held - 1, 0) : each_limit;
    if (!trim_track(*row, held, std::min(fair, each_limit), surplus ? total : nullptr, limit, budget)) return true;
  }
}

// Takes the oldest of `row` out until it holds no more than `down_to`, or `total`, unless that is null, no more than
// `limit`; one at least. Returns whether the budget allows more.
SPATE_DECL bool HistoryWriter::trim_track(AudienceRow& row, std::int64_t AudienceRow::*held, std::int64_t down_to,
                                          const std::int64_t* total, std::int64_t limit, Budget& budget) {
  constexpr std::int64_t at_a_time = 16;
  const UnixMilliseconds now = wall_time();
  Statements& use = *statements_;
  std::vector<EventRow> events;
  {
    use.oldest_of_track.bind(1, row.id).bind(2, at_a_time);
    for (SqliteRows rows(use.oldest_of_track); rows.next();) {
      const SqliteStatement& each = use.oldest_of_track;
      EventRow& event = events.emplace_back();
      event.sequence = each.number(0);
      event.owners = each.integer(2);
      event.expires = each.integer(3);
      event.audiences.resize(each.is_integer(4) ? 1 : each.bytes(4).size() / sizeof(std::int64_t));
      read_parts(each.bytes(6), event.sequence, each.integer(5), each.integer(1), event.parts);
    }
  }
  if (events.empty()) {
    // The count was wrong.
    row.events = row.bytes = 0;
    use.audiences.change(row);
    totals_.empty += use.audiences.write();
    return budget.take(1);
  }
  bool within = true;
  std::uint64_t last = 0;
  const auto is_enough = [&] {
    return !within || (last != 0 && (row.*held <= down_to || (total != nullptr && *total <= limit)));
  };
  for (auto event = events.begin(); event != events.end() && !is_enough(); ++event) {
    const auto sharers = static_cast<std::int64_t>(event->audiences.size());
    std::size_t count = 0;
    for (; count < event->parts.size() && !is_enough(); ++count) {
      const EventPart& part = event->parts[count];
      const std::int64_t cost = cost_of(part.size);
      row.events -= 1;
      row.bytes -= cost / sharers + entry_cost;
      totals_.bytes -= entry_cost;
      forget(row, part.sequence, !(event->expires != 0 && event->expires <= now));
      last = part.sequence;
      within = budget.take(1);
      if (event->owners > 1) continue;
      totals_.events -= 1;
      totals_.bytes -= cost;
    }
    if (count < event->parts.size()) {
      cut(*event, count);
    } else {
      (event->owners > 1 ? use.drop_owner : use.drop_event).bind(1, event->sequence).run();
    }
  }
  use.drop_entries.bind(1, row.id).bind(2, last).run();
  totals_.empty += use.audiences.write();
  return within;
}

SPATE_DECL HistoryWriter::EventRow HistoryWriter::read_event(std::uint64_t sequence) {
  SqliteStatement& find = statements_->event;
  find.bind(1, sequence);
  SqliteRows rows(find);
  if (!rows.next()) throw SqliteError(SQLITE_CORRUPT);
  EventRow event;
  event.sequence = sequence;
  event.owners = find.integer(1);
  event.expires = find.integer(2);
  read_parts(find.bytes(5), sequence, find.integer(4), find.integer(0), event.parts);
  if (find.is_integer(3)) {
    event.audiences.push_back(find.integer(3));
  } else {
    const std::string_view ids = find.bytes(3);
    event.audiences.resize(ids.size() / sizeof(std::int64_t));
    std::memcpy(event.audiences.data(), ids.data(), event.audiences.size() * sizeof(std::int64_t));
  }
  return event;
}

// What is first in the oldest row; its number is that of the row. Of one transaction other rows may have older ones.
SPATE_DECL std::optional<EventPart> HistoryWriter::oldest_event() {
  SqliteStatement& oldest = statements_->oldest_event;
  SqliteRows rows(oldest);
  if (!rows.next()) return std::nullopt;
  std::vector<EventPart> parts;
  const std::uint64_t sequence = oldest.number(0);
  read_parts(oldest.bytes(3), sequence, oldest.integer(1), oldest.integer(2), parts);
  return EventPart{sequence, parts.front().at, parts.front().size};
}

// Takes a row of events out of every track in which it stands.
SPATE_DECL void HistoryWriter::drop(const EventRow& event, bool is_discard) {
  Statements& use = *statements_;
  const auto sharers = static_cast<std::int64_t>(event.audiences.size());
  const auto count = static_cast<std::int64_t>(event.parts.size());
  std::int64_t cost = 0, share = 0;
  for (const EventPart& part : event.parts) {
    cost += cost_of(part.size);
    share += cost_of(part.size) / sharers;
  }
  for (const std::int64_t id : event.audiences) {
    use.drop_entry.bind(1, id).bind(2, event.sequence).run();
    if (connection_.changes() == 0) continue;  // it went before
    totals_.bytes -= count * entry_cost;
    AudienceRow* const row = use.audiences.find(id);
    if (row == nullptr) throw SqliteError(SQLITE_CORRUPT);
    row->events -= count;
    row->bytes -= share + count * entry_cost;
    forget(*row, event.sequence, is_discard);
  }
  use.drop_event.bind(1, event.sequence).run();
  totals_.events -= count;
  totals_.bytes -= cost;
}

// Discards the first `count` of several events.
SPATE_DECL void HistoryWriter::drop_first(const EventRow& event, std::size_t count) {
  AudienceRow* const row = statements_->audiences.find(event.audiences.front());
  if (row == nullptr) throw SqliteError(SQLITE_CORRUPT);
  for (std::size_t at = 0; at < count; ++at) {
    const std::int64_t cost = cost_of(event.parts[at].size) + entry_cost;
    row->events -= 1;
    row->bytes -= cost;
    totals_.events -= 1;
    totals_.bytes -= cost;
  }
  forget(*row, event.parts[count - 1].sequence, true);
  cut(event, count);
}

SPATE_DECL void HistoryWriter::cut(const EventRow& event, std::size_t count) {
  std::int64_t size = 0;
  for (std::size_t at = 0; at < count; ++at) size += event.parts[at].size;
  SqliteStatement& drop = statements_->drop_parts;
  drop.bind(1, event.sequence).bind(2, static_cast<std::int64_t>(count * sizeof(EventPart))).bind(3, size).run();
}

SPATE_DECL void HistoryWriter::forget(AudienceRow& row, std::uint64_t sequence, bool is_discard) {
  statements_->audiences.change(row);
  if (!is_discard) return;
  row.trimmed = std::max(row.trimmed, sequence);
  row.discarded = std::max(row.discarded, sequence);
  totals_.discarded = std::max(totals_.discarded, sequence);
}

// Gives some of the room that is free in the file back, when there is much. Returns whether there is more.
SPATE_DECL bool HistoryWriter::vacuum() {
  constexpr std::int64_t least_pages = 1024;
  const std::int64_t pages = connection_.integer("PRAGMA page_count");
  const std::int64_t free = connection_.integer("PRAGMA freelist_count");
  if (free < least_pages || free < pages / 4) return false;
  connection_.run("PRAGMA incremental_vacuum(64)");
  return true;
}

SPATE_DECL void HistoryWriter::find_next_moment() {
  tidy_at_.reset();
  SqliteStatement& expired = statements_->expired_event;
  if (SqliteRows rows(expired); rows.next()) tidy_at_ = expired.integer(1);
  const UnixMilliseconds max_age = options_.limits.max_age.count();
  if (max_age == 0) return;
  if (const std::optional<EventPart> oldest = oldest_event()) {
    const UnixMilliseconds due = later(oldest->at, max_age);
    tidy_at_ = tidy_at_ ? std::min(*tidy_at_, due) : due;
  }
}

}  // namespace spate::detail
