// What a Redis keeps of nodes, and what it answers them, without a connection: like a Redis to which nothing happens.
// It keeps a log, counts publishers and grants a lease.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hiredis/hiredis.h>

#include <spate/cluster/detail/redis_connection.hpp>
#include <spate/cluster/detail/redis_scripts.hpp>
#include <spate/loop/detail/clock.hpp>
#include "support/resp.hpp"
#include "support/texts.hpp"

namespace spate::test {

/// A command that came: "PING", or of a script its name.
struct RedisCommand {
  std::string name;
  std::vector<std::string> words;      // of a script the keys, as they came
  std::vector<std::string> arguments;  // of a script alone, after its keys
  std::size_t connection;              // counted from 0, as they are made
  detail::TimePoint at;

  /// One that came over `connection` at the moment `now`.
  static RedisCommand read(const redisReply& parsed, std::size_t connection, detail::TimePoint now) {
    RedisCommand command{{}, {}, {}, connection, now};
    std::vector<std::string> all;
    for (std::size_t i = 0; i < parsed.elements; ++i) all.emplace_back(detail::text_of(*parsed.element[i]));
    if (all.front() == "EVALSHA") {
      command.name = all[1].substr(all[1].find(':') + 1);
      const std::size_t keys = std::stoul(all[2]);
      command.words.assign(all.begin() + 3, all.end());
      command.arguments.assign(command.words.begin() + static_cast<std::ptrdiff_t>(keys), command.words.end());
    } else {
      command.name = all.front() == "SCRIPT" ? "SCRIPT LOAD" : all.front();
      command.words.assign(all.begin() + 1, all.end());
    }
    return command;
  }
};

class RedisKeyspace {
 public:
  /// How long a command that blocks waits for news.
  static constexpr std::chrono::seconds quiet{1};

  /// The answer to `command`, which came over a connection that is `subscribed` to channels or becomes so. Nothing as
  /// long as the command blocks.
  std::optional<std::string> answer(const RedisCommand& command, bool& subscribed, detail::TimePoint now) {
    if (const bool script = command.name.front() >= 'a'; script && !loaded_.contains(command.name)) {
      return resp::error("NOSCRIPT No matching script.");
    }
    const std::string& name = command.name;
    const auto& arguments = command.arguments;
    if (name == "PING" && subscribed) return resp::array({resp::bulk("pong"), resp::bulk("")});
    if (name == "PING") return resp::simple("PONG");
    if (name == "AUTH" || name == "SELECT") return resp::simple("OK");
    if (name == "INFO") return resp::bulk("run_id:1\r\nmaster_replid:1\r\n");
    if (name == "SCRIPT LOAD") {
      const std::string& script = script_names().at(command.words[1]);
      loaded_.insert(script);
      return resp::bulk("sha:" + script);
    }
    if (name == "SUBSCRIBE") {
      subscribed = true;
      std::string all;
      for (std::size_t i = 0; i < command.words.size(); ++i) {
        all += resp::array({resp::bulk("subscribe"), resp::bulk(command.words[i]), resp::integer(std::int64_t(i) + 1)});
      }
      return all;
    }
    if (name == "PUBSUB") return resp::array({resp::bulk(command.words[1]), resp::integer(1)});
    if (name == "hello") return hello(arguments);
    if (name == "append") return append_from(command.words[2], arguments);
    if (name == "read") return read(arguments[0], std::stoul(arguments[1]));
    if (name == "XREAD") return news(command, now);
    if (name == "reaches") {
      const bool reaches = !entries_.empty() && number_of(arguments[0]) != 0;
      return resp::array({resp::integer(reaches ? 1 : 0), resp::integer(time_)});
    }
    if (name == "lease") {
      const bool goes_on = std::exchange(holder_, arguments[2]) == arguments[2];
      return resp::array({resp::integer(goes_on ? 1 : 0), resp::integer(0)});
    }
    if (name == "presence") return resp::integer(std::int64_t(arguments.size() - 4) / 2);
    if (name == "counts") return resp::array({resp::integer(0), resp::integer(0)});
    if (name == "others") return resp::array({});
    if (name == "XINFO") return resp::array({resp::bulk("last-generated-id"), resp::bulk(newest())});
    if (name == "leave" || name == "forget" || name == "XTRIM") return resp::integer(0);
    return resp::integer(1);  // PUBLISH, route, WAIT, settle, offer
  }

  /// The messages of the log, in order.
  Texts log() const {
    Texts messages;
    for (const Entry& entry : entries_) messages.push_back(entry.message);
    return messages;
  }
  const std::string& epoch() const { return epoch_; }

  void append(const std::string& message) { entries_.push_back({entries_.size() + 1, message}); }
  void lose_log(const std::string& epoch) {
    epoch_ = epoch;
    entries_.clear();
    counters_.clear();
  }
  /// What time it is, in ms since 1970. The first entry was appended at 1, the second at 2, and so on.
  void set_time(std::int64_t time) { time_ = time; }
  void flush_scripts() { loaded_.clear(); }
  void lose_lease() { holder_.clear(); }

 private:
  struct Entry {
    std::uint64_t number;
    std::string message;
    std::string id() const { return std::to_string(number) + "-0"; }
  };

  static const std::map<std::string_view, std::string>& script_names() {
    namespace scripts = detail::redis_scripts;
    static const std::map<std::string_view, std::string> names{
        {scripts::hello, "hello"},   {scripts::offer, "offer"}, {scripts::settle, "settle"},
        {scripts::append, "append"}, {scripts::read, "read"},   {scripts::reaches, "reaches"},
        {scripts::route, "route"},   {scripts::lease, "lease"}, {scripts::presence, "presence"},
        {scripts::forget, "forget"}, {scripts::leave, "leave"}, {scripts::counts, "counts"},
        {scripts::others, "others"},
    };
    return names;
  }

  std::string newest() const { return entries_.empty() ? "0-0" : entries_.back().id(); }
  static std::uint64_t number_of(const std::string& id) { return std::stoull(id); }

  std::string hello(const std::vector<std::string>& arguments) {
    if (epoch_.empty()) epoch_ = arguments[0];
    const std::string stamp = entries_.empty() ? "" : entries_.back().message.substr(0, 17);
    return resp::array({resp::bulk(epoch_), resp::integer(0), resp::bulk(newest()), resp::bulk("0-0"),
                        resp::bulk(entries_.empty() ? "" : newest()), resp::bulk(stamp)});
  }

  std::string append_from(const std::string& publisher, const std::vector<std::string>& arguments) {
    if (arguments[0] != epoch_) return resp::error("EPOCH the log has begun anew");
    std::uint64_t& last = counters_[publisher];
    const std::uint64_t counter = std::stoull(arguments[1]);
    if (counter <= last) return resp::integer(0);
    if (counter != last + 1 && arguments[2] != "1") return resp::error("ORDER an earlier event has failed");
    last = counter;
    append(arguments[5]);
    return resp::bulk(newest());
  }

  std::vector<std::string> entries_after(const std::string& id, std::size_t most) const {
    std::vector<std::string> found;
    for (const Entry& entry : entries_) {
      if (entry.number <= number_of(id) || found.size() == most) continue;
      found.push_back(resp::array({resp::bulk(entry.id()), resp::array({resp::bulk("e"), resp::bulk(epoch_),
                                                                        resp::bulk("m"), resp::bulk(entry.message)})}));
    }
    return found;
  }

  std::string read(const std::string& from, std::size_t most) const {
    const auto size = static_cast<std::int64_t>(entries_.size());
    return resp::array({resp::bulk(epoch_), resp::integer(size), resp::integer(size), resp::bulk(newest()),
                        resp::bulk(entries_.empty() ? "" : "1-0"), resp::array(entries_after(from, most)),
                        resp::integer(time_)});
  }

  std::optional<std::string> news(const RedisCommand& command, detail::TimePoint now) const {
    const std::vector<std::string> found = entries_after(command.words.back(), std::stoul(command.words[1]));
    if (!found.empty()) return resp::array({resp::array({resp::bulk("log"), resp::array(found)})});
    return now >= command.at + quiet ? std::optional(resp::nothing()) : std::nullopt;
  }

  std::int64_t time_ = 0;
  std::set<std::string> loaded_;  // scripts
  std::string epoch_;
  std::vector<Entry> entries_;
  std::map<std::string, std::uint64_t> counters_;  // of publishers
  std::string holder_;                             // of the lease
};

}  // namespace spate::test
