// Four kinds of events as programs send them: quotes of a market, messages of a chat, tokens of a language model, and
// fragments of HTML. The same on every machine: numbers come from a generator whose values the standard fixes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <spate/wire/event.hpp>

namespace bench {

enum class Kind : std::uint8_t { ticks, chat, tokens, html };
inline constexpr std::array all_kinds{Kind::ticks, Kind::chat, Kind::tokens, Kind::html};

inline const char* name_of(Kind kind) {
  constexpr std::array names{"ticks", "chat", "tokens", "html"};
  return names[static_cast<std::size_t>(kind)];
}

inline Kind kind_named(std::string_view name) {
  for (const Kind kind : all_kinds) {
    if (name == name_of(kind)) return kind;
  }
  throw std::invalid_argument("no such kind of events: " + std::string(name));
}

class Samples {
 public:
  explicit Samples(Kind kind, unsigned seed = 1) : kind_(kind), random_(seed) {
    // Words with the frequencies of a language: the n-th comes 1/n times as often as the first.
    constexpr std::string_view heads[] = {"b", "br", "c", "ch", "d", "f",  "g", "h",  "l",
                                          "m", "n",  "p", "r",  "s", "st", "t", "th", "w"};
    constexpr std::string_view vowels[] = {"a", "e", "ea", "i", "o", "ou", "u"};
    constexpr std::string_view tails[] = {"", "ck", "d", "ing", "l", "n", "nd", "r", "s", "t", "tion"};
    double total = 0;
    for (std::size_t i = 0; i < vocabulary; ++i) {
      std::string word;
      for (std::size_t syllables = 1 + (i > 60 ? below(2) : 0) + (i > 600 ? below(2) : 0); syllables > 0; --syllables) {
        word += any(heads);
        word += any(vowels);
      }
      words_.push_back(word += any(tails));
      weights_.push_back(total += 1.0 / static_cast<double>(i + 3));
    }
    for (auto& price : prices_) price = 9000 + below(40000);
  }

  /// The data of the next event.
  std::string next() {
    ++made_;
    switch (kind_) {
      case Kind::ticks: return tick();
      case Kind::chat: return message();
      case Kind::tokens: return token();
      case Kind::html: return fragment();
    }
    return {};
  }

  /// The name of its events; none for "message".
  std::string_view event_name() const {
    constexpr std::array<std::string_view, 4> names{"tick", "chat", "", "card"};
    return names[static_cast<std::size_t>(kind_)];
  }

  spate::Event event(const std::string& data) const {
    spate::Event event(data);
    if (!event_name().empty()) event.name(event_name());
    return event;
  }

 private:
  static constexpr std::size_t vocabulary = 4000;

  std::size_t below(std::size_t limit) { return random_() % limit; }

  template <std::size_t Size>
  std::string_view any(const std::string_view (&of)[Size]) {
    return of[below(Size)];
  }

  const std::string& word() {
    const double at = static_cast<double>(random_()) / 4294967296.0 * weights_.back();
    std::size_t low = 0, high = weights_.size() - 1;
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      weights_[middle] < at ? low = middle + 1 : high = middle;
    }
    return words_[low];
  }

  std::string words(std::size_t count) {
    std::string text;
    while (count-- > 0) text += (text.empty() ? "" : " ") + word();
    return text;
  }

  template <typename... Values>
  static std::string text(const char* format, Values... values) {
    char out[1024];
    const int size = std::snprintf(out, sizeof out, format, values...);
    return std::string(out, static_cast<std::size_t>(size));
  }

  // A price that wanders.
  std::string tick() {
    constexpr const char* symbols[] = {"AAPL", "MSFT", "NVDA", "TSLA", "AMZN", "META", "GOOG", "ORCL"};
    const std::size_t at = below(std::size(symbols));
    prices_[at] += below(61) - 30;
    const std::size_t price = prices_[at], bid = price - 1 - below(4), ask = price + 1 + below(4);
    clock_ += 1 + below(40);
    return text(R"({"symbol":"%s","price":%zu.%02zu,"bid":%zu.%02zu,"ask":%zu.%02zu,"volume":%zu,"t":%llu})",
                symbols[at], price / 100, price % 100, bid / 100, bid % 100, ask / 100, ask % 100,
                100 * (1 + below(90)), static_cast<unsigned long long>(clock_));
  }

  std::string message() {
    const std::size_t user = below(40);
    clock_ += 200 + below(9000);
    return text(
        R"({"id":%zu,"room":"general","user":{"id":%zu,"name":"%s"},"text":"%s","at":"2026-11-28T%02zu:%02zu:%02zu.%03zuZ"})",
        700000 + made_, 1000 + 37 * user, words_[900 + user].c_str(), words(9 + below(11)).c_str(),
        clock_ / 3600000 % 24, clock_ / 60000 % 60, clock_ / 1000 % 60, clock_ % 1000);
  }

  std::string token() {
    return text(
        R"({"id":"chatcmpl-9aZ3kqTt0VbYw4L","object":"chat.completion.chunk","created":1764300000,"model":"small-2026-07-18","service_tier":"default","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"content":" %s"},"logprobs":null,"finish_reason":null}],"usage":null})",
        word().c_str());
  }

  std::string fragment() {
    constexpr const char* states[] = {"new", "paid", "packed", "shipped", "returned"};
    const std::size_t order = 40000 + below(60000), state = below(std::size(states));
    return text(
        "<article class=\"card card--compact\" id=\"order-%zu\" data-total=\"%zu.%02zu\">\n"
        "<header class=\"card__head\"><h3>Order %zu</h3><span class=\"badge badge--%s\">%s</span></header>\n"
        "<p class=\"card__text\">%s</p>\n"
        "<footer class=\"card__foot\"><a class=\"link\" href=\"/orders/%zu\">Open</a></footer></article>",
        order, 5 + below(400), below(100), order, states[state], states[state], words(10 + below(9)).c_str(), order);
  }

  const Kind kind_;
  std::mt19937 random_;
  std::vector<std::string> words_;
  std::vector<double> weights_;
  std::array<std::size_t, 8> prices_{};
  std::size_t clock_ = 1764300000000;
  std::size_t made_ = 0;
};

}  // namespace bench
