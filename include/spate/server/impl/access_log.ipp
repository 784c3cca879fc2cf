// The functions of access_log.hpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include <spate/config.hpp>
#include <spate/server/access_log.hpp>
#include <spate/wire/detail/json.hpp>

namespace spate {
namespace detail {

// `value` with leading zeros.
inline std::string padded(std::uint64_t value, std::size_t digits) {
  std::string text = std::to_string(value);
  if (text.size() < digits) text.insert(0, digits - text.size(), '0');
  return text;
}

// RFC 3339 5.6, to the millisecond.
inline std::string rfc3339(std::chrono::system_clock::time_point time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const auto part = static_cast<std::uint64_t>(std::chrono::floor<std::chrono::milliseconds>(time - day).count());
  const std::uint64_t seconds = part / 1000;
  return padded(static_cast<std::uint64_t>(static_cast<int>(date.year())), 4) + "-" +
         padded(static_cast<unsigned>(date.month()), 2) + "-" + padded(static_cast<unsigned>(date.day()), 2) + "T" +
         padded(seconds / 3600, 2) + ":" + padded(seconds / 60 % 60, 2) + ":" + padded(seconds % 60, 2) + "." +
         padded(part % 1000, 3) + "Z";
}

}  // namespace detail

SPATE_DECL std::string to_json_line(const AccessRecord& record, LogQuery query) {
  std::string line = "{\"time\":\"" + detail::rfc3339(record.time) + "\"";
  const auto name = [&](std::string_view of) { line.append(",\"").append(of).append("\":"); };
  const auto text = [&](std::string_view of, std::string_view value) {
    name(of);
    detail::append_json_string(line, value);
  };
  const auto number = [&](std::string_view of, std::uint64_t value) {
    name(of);
    line += std::to_string(value);
  };
  std::string_view target = record.target;
  if (query == LogQuery::omit) target = target.substr(0, target.find('?'));
  text("remote", record.remote_address);
  number("port", record.remote_port);
  text("protocol", record.protocol);
  text("method", record.method);
  text("target", target);
  text("route", record.route);
  number("status", static_cast<std::uint64_t>(record.status));
  number("bytes", record.body_bytes);
  name("complete");
  line += record.complete ? "true" : "false";
  const auto microseconds = static_cast<std::uint64_t>(record.duration.count());
  name("duration_ms");
  line += std::to_string(microseconds / 1000) + "." + detail::padded(microseconds % 1000, 3);
  text("user_agent", record.user_agent);
  if (record.stream_end) {
    text("end", to_string(*record.stream_end));
    number("events", record.events);
  }
  return line + "}";
}

}  // namespace spate
