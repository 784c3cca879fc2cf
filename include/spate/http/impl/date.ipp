// The functions of date.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/http/detail/date.hpp>

namespace spate::detail {

SPATE_DECL std::string imf_fixdate(std::chrono::sys_seconds time) {
  constexpr std::string_view days = "SunMonTueWedThuFriSat";
  constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const auto seconds = static_cast<unsigned>(std::chrono::seconds(time - day).count());
  std::string text;
  text.reserve(29);
  const auto number = [&](unsigned value, unsigned digits) {
    unsigned unit = 1;
    while (--digits > 0) unit *= 10;
    for (; unit > 0; unit /= 10) text += static_cast<char>('0' + value / unit % 10);
  };
  text.append(days.substr(std::chrono::weekday(day).c_encoding() * 3, 3)).append(", ");
  number(static_cast<unsigned>(date.day()), 2);
  text.append(" ").append(months.substr((static_cast<unsigned>(date.month()) - 1) * 3, 3)).append(" ");
  number(static_cast<unsigned>(static_cast<int>(date.year())), 4);
  text += ' ';
  number(seconds / 3600, 2);
  text += ':';
  number(seconds / 60 % 60, 2);
  text += ':';
  number(seconds % 60, 2);
  return text.append(" GMT");
}

SPATE_DECL std::string_view current_date() {
  thread_local std::chrono::sys_seconds shown{};
  thread_local std::string text = imf_fixdate(shown);
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  if (now != shown) {
    text = imf_fixdate(now);
    shown = now;
  }
  return text;
}

}  // namespace spate::detail
