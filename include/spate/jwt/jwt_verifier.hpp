// A JwtVerifier tells whom a JSON Web Token names and until when, if it was signed with the secret it knows.
//
//   const spate::JwtVerifier verifier(secret);
//   if (const auto claims = verifier.verify(token)) serve(claims->subject);
//
// Only HS256, with `sub` and `exp` (RFC 7519, RFC 7515), and `topics`, which is ours. Needs libjwt: link spate::jwt.
// Threads: any number may verify at a time. A value type; the secret is copied into it.
#pragma once

#include <jwt.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <locale>
#include <memory>
#include <new>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace spate {

/// What a token says that was found good.
struct JwtClaims {
  std::string subject;  // whom it names: never empty
  std::chrono::system_clock::time_point expiry;
  /// What `topics` names, an array of texts: each a topic, or with a `*` at its end all that begin so. Empty when the
  /// claim is absent or anything else.
  std::vector<std::string> topics = {};

  /// Whether it allows to listen to `topic`. `*` alone allows all but those that begin with `$`, which programs keep
  /// for themselves: these have to be named, or `$*`.
  bool allows_topic(std::string_view topic) const noexcept {
    return std::any_of(topics.begin(), topics.end(), [topic](std::string_view allowed) {
      if (allowed == "*") return topic.substr(0, 1) != "$";
      if (allowed.empty() || allowed.back() != '*') return allowed == topic;
      allowed.remove_suffix(1);
      return topic.substr(0, allowed.size()) == allowed;
    });
  }
};

class JwtVerifier {
 public:
  /// Bytes that the secret has at least: as many as the hash. (RFC 7518 3.2)
  static constexpr std::size_t min_secret_bytes = 32;

  /// Throws std::invalid_argument when `secret` is too short.
  explicit JwtVerifier(std::string secret) : secret_(std::move(secret)) {
    if (secret_.size() < min_secret_bytes) {
      throw std::invalid_argument("spate::JwtVerifier: the secret has fewer than 32 bytes");
    }
  }
  // Two secrets in braces would be taken for the two ends of one text: make a verifier for each.
  template <std::size_t count>
  explicit JwtVerifier(const char* const (&secrets)[count]) = delete;

  /// Nothing unless `token` is complete, signed with this secret by HS256 and by nothing else, names a subject, is not
  /// to be used later than `now` only (`nbf`), expires after `now`, and asks for no extension (`crit`).
  ///
  /// Throws std::bad_alloc; what is wrong with a token is not told, as its bearer has no need to know.
  std::optional<JwtClaims> verify(std::string_view token,
                                  std::chrono::system_clock::time_point now = std::chrono::system_clock::now()) const {
    if (!well_formed(token)) return std::nullopt;
    const Token decoded = decode(std::string(token));
    if (!decoded) return std::nullopt;
    // The token names its own algorithm, and libjwt takes any that fits the key: only this one, letter by letter.
    const char* algorithm = ::jwt_get_header(decoded.get(), "alg");
    if (::jwt_get_alg(decoded.get()) != JWT_ALG_HS256 || algorithm == nullptr) return std::nullopt;
    if (std::string_view(algorithm) != "HS256" || header_of(decoded, "crit")) return std::nullopt;

    const char* subject = ::jwt_get_grant(decoded.get(), "sub");
    const auto expiry = moment_of(decoded, "exp");
    if (subject == nullptr || *subject == '\0' || !expiry || *expiry <= now) return std::nullopt;
    if (claim_of(decoded, "nbf")) {
      const auto begin = moment_of(decoded, "nbf");
      if (!begin || *begin > now) return std::nullopt;
    }
    const Text topics = claim_of(decoded, "topics");
    return JwtClaims{subject, *expiry, topics ? texts_of(topics.get()) : std::vector<std::string>()};
  }

 private:
  struct Free {
    void operator()(jwt_t* token) const noexcept { ::jwt_free(token); }
    void operator()(char* text) const noexcept { std::free(text); }
  };
  using Token = std::unique_ptr<jwt_t, Free>;
  using Text = std::unique_ptr<char, Free>;

  // Three parts of base64url, none of them empty: an unsigned token has an empty one. (RFC 7515 7.1)
  static bool well_formed(std::string_view token) noexcept {
    std::size_t dots = 0, part = 0;
    for (const char c : token) {
      if (c == '.') {
        if (part == 0) return false;
        ++dots;
        part = 0;
        continue;
      }
      const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
      if (!letter && c != '-' && c != '_') return false;
      ++part;
    }
    return dots == 2 && part > 0;
  }

  // Compares signatures in constant time.
  Token decode(const std::string& token) const {
    jwt_t* decoded = nullptr;
    const auto* key = reinterpret_cast<const unsigned char*>(secret_.data());
    const int error = ::jwt_decode(&decoded, token.c_str(), key, static_cast<int>(secret_.size()));
    if (error == ENOMEM) throw std::bad_alloc();
    return Token(error == 0 ? decoded : nullptr);
  }

  /// JSON text.
  static Text claim_of(const Token& token, const char* name) { return Text(::jwt_get_grants_json(token.get(), name)); }
  static Text header_of(const Token& token, const char* name) {
    return Text(::jwt_get_headers_json(token.get(), name));
  }

  // Seconds since 1970, perhaps with a fraction. (RFC 7519 2: NumericDate)
  static std::optional<std::chrono::system_clock::time_point> moment_of(const Token& token, const char* name) {
    const Text json = claim_of(token, name);
    if (!json) return std::nullopt;
    // Not every standard library has std::from_chars for these; and a number means the same in every locale.
    std::istringstream text(json.get());
    text.imbue(std::locale::classic());
    double seconds = 0;
    if (!(text >> seconds) || text.peek() != std::istringstream::traits_type::eof()) return std::nullopt;
    // What the clock can hold: till the year 2200.
    constexpr double most = 230.0 * 365.25 * 24 * 3600;
    const std::chrono::duration<double> since(std::clamp(seconds, 0.0, most));
    return std::chrono::system_clock::time_point(std::chrono::duration_cast<std::chrono::milliseconds>(since));
  }

  // The texts of a JSON array that libjwt has read and written again; none if it is anything else, or holds anything
  // else. Only ASCII is escaped there. (RFC 8259 7)
  static std::vector<std::string> texts_of(std::string_view json) {
    std::vector<std::string> texts;
    const auto take = [&json](char expected) {
      if (json.substr(0, 1) != std::string_view(&expected, 1)) return false;
      json.remove_prefix(1);
      return true;
    };
    if (!take('[')) return {};
    for (bool first = true; !take(']'); first = false) {
      if ((!first && !take(',')) || !take('"')) return {};
      std::string& text = texts.emplace_back();
      while (!take('"')) {
        const auto next = character_of(json);
        if (!next) return {};
        text.push_back(*next);
      }
    }
    return texts;
  }

  // Takes what makes one byte of a JSON text off the beginning of `json`.
  static std::optional<char> character_of(std::string_view& json) {
    if (json.empty()) return std::nullopt;
    const char c = json.front();
    json.remove_prefix(1);
    if (c != '\\') return c;
    if (json.empty()) return std::nullopt;
    const char escaped = json.front();
    json.remove_prefix(1);
    if (escaped == 'u') {
      unsigned code = 0;
      const char* const begin = json.data();
      const char* const end = begin + std::min<std::size_t>(json.size(), 4);
      const auto [at, error] = std::from_chars(begin, end, code, 16);
      if (at != begin + 4 || error != std::errc() || code >= 0x80) return std::nullopt;
      json.remove_prefix(4);
      return static_cast<char>(code);
    }
    constexpr std::string_view names = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    const std::size_t index = names.find(escaped);
    return index == std::string_view::npos ? std::nullopt : std::optional(meanings[index]);
  }

  std::string secret_;
};

}  // namespace spate
