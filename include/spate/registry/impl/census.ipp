// The functions of census.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <new>
#include <system_error>
#include <utility>

#include <spate/config.hpp>
#include <spate/error.hpp>
#include <spate/registry/detail/census.hpp>

namespace spate::detail {

// Merges the users of this node into those of all others, both sorted.
SPATE_DECL std::vector<UserStreams> merge_users(const BusListener& node, std::vector<UserStreams>&& others) {
  // In pieces: nobody waits long for the lock.
  constexpr std::size_t at_a_time = 500;
  std::vector<UserStreams> here;
  for (std::size_t size = at_a_time; size == at_a_time;) {
    std::vector<UserStreams> some = node.users_here(here.empty() ? std::string_view() : here.back().first, at_a_time);
    size = some.size();
    std::move(some.begin(), some.end(), std::back_inserter(here));
  }
  std::vector<UserStreams> all;
  all.reserve(here.size() + others.size());
  std::merge(std::move_iterator(here.begin()), std::move_iterator(here.end()), std::move_iterator(others.begin()),
             std::move_iterator(others.end()), std::back_inserter(all),
             [](const UserStreams& a, const UserStreams& b) { return a.first < b.first; });
  auto last = all.begin();
  for (auto at = all.begin(); at != all.end(); ++at) {
    if (at == last) continue;
    if (at->first == last->first) {
      last->second += at->second;
    } else if (++last != at) {
      *last = std::move(*at);
    }
  }
  if (last != all.end()) all.erase(last + 1, all.end());
  return all;
}

/// Asks by `step`. What could not be asked for want of memory is answered with that.
template <typename Question, typename Step>
void ask(Question& question, Step step) {
  try {
    step();
  } catch (const std::bad_alloc&) {
    question.answer(std::make_error_code(std::errc::not_enough_memory), {}, Question::Clock::now());
  } catch (...) {
    question.answer(Errc::bus_lost, {}, Question::Clock::now());
    throw;
  }
}

SPATE_DECL void Census::ask_users(std::shared_ptr<const BusListener> here, Users::Done done) {
  if (bus_ == nullptr) return done({}, std::make_shared<const std::vector<UserStreams>>(merge_users(*here, {})));
  if (!users_.add(std::move(done), Users::Clock::now())) return;
  ask(users_, [&] {
    bus_->ask_users([this, here = std::move(here)](std::error_code error, std::vector<UserStreams> others) {
      std::vector<UserStreams> all;
      try {
        if (!error) all = merge_users(*here, std::move(others));
      } catch (const std::bad_alloc&) {
        error = std::make_error_code(std::errc::not_enough_memory);
      }
      users_.answer(error, std::move(all), Users::Clock::now());
    });
  });
}

SPATE_DECL void Census::ask_counts(std::shared_ptr<const BusListener> here, Counts::Done done) {
  if (bus_ == nullptr) return done({}, std::make_shared<const UserCounts>(here->counts_here()));
  if (!counts_.add(std::move(done), Counts::Clock::now())) return;
  ask(counts_, [&] {
    bus_->ask_counts([this, here = std::move(here)](std::error_code error, UserCounts counts) {
      counts_.answer(error, counts, Counts::Clock::now());
    });
  });
}

SPATE_DECL std::vector<std::string> Census::ids_of(const std::vector<UserStreams>& users, std::string_view prefix) {
  std::vector<std::string> ids;
  const auto before = [](const UserStreams& user, std::string_view id) { return std::string_view(user.first) < id; };
  for (auto at = std::lower_bound(users.begin(), users.end(), prefix, before);
       at != users.end() && at->first.starts_with(prefix); ++at) {
    ids.push_back(at->first);
  }
  return ids;
}

}  // namespace spate::detail
