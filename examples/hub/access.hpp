// Who may do what at the hub: --publish-token and --subscribe-secret.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <spate/http/bearer_token.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/program.hpp>
#ifdef HUB_HAS_JWT
#include <spate/jwt/jwt_authorize.hpp>
#include <spate/wire/text.hpp>
#endif

namespace hub {

/// Returns an answer that refuses, or nothing.
using Check = std::function<std::optional<spate::Response>(spate::Request&)>;

class Access {
 public:
  void add_options(spate::Program& program) {
    program.option("--publish-token", "TOKEN", "what `Authorization: Bearer` must carry to send and to close",
                   [this](const std::string& text) {
                     if (text.empty()) throw std::invalid_argument("\"\" is no token");
                     publish_token_ = text;
                   });
    program.option("--subscribe-secret", "SECRET", "subscribe only with a JSON Web Token, signed with it by HS256",
                   [this](const std::string& text) {
                     check_secret(text);
                     subscribe_secret_ = text;
                   });
  }

  bool limits_publishing() const noexcept { return !publish_token_.empty(); }

  /// To send and to close: the publish token, where there is one.
  Check publisher() const {
    if (publish_token_.empty()) return nobody_refused;
    return [token = publish_token_](spate::Request& request) -> std::optional<spate::Response> {
      const auto given = spate::bearer_token(request);
      if (given && same_secret(*given, token)) return std::nullopt;
      return spate::Response::error(401, "a valid token is needed").header("WWW-Authenticate", "Bearer");
    };
  }

  /// To listen as the user of the path, and to topics: a token of that user that allows them, where subscribers have
  /// tokens.
  Check subscriber() const {
#ifdef HUB_HAS_JWT
    if (!subscribe_secret_.empty()) return spate::JwtAuthorize(subscribe_secret_).topics_in("topic");
#endif
    return nobody_refused;
  }

  /// To see who is there: where subscribers have tokens, only publishers may; without a publish token nobody may. To
  /// see who is on all hubs, which is work for others too, takes the publish token where there is one.
  Check observer() const {
    if (limits_publishing()) {
      if (!subscribe_secret_.empty()) return publisher();
      return [may = publisher()](spate::Request& request) { return of_cluster(request) ? may(request) : std::nullopt; };
    }
    if (subscribe_secret_.empty()) return nobody_refused;
    return [](spate::Request&) {
      return std::optional(spate::Response::error(401, "only who has the publish token may see who is there")
                               .header("WWW-Authenticate", "Bearer"));
    };
  }

  /// Whether a request asks for all hubs.
  static bool of_cluster(const spate::Request& request) { return request.query("scope") == "cluster"; }

 private:
  static std::optional<spate::Response> nobody_refused(spate::Request&) { return std::nullopt; }

  static void check_secret([[maybe_unused]] const std::string& secret) {
#ifdef HUB_HAS_JWT
    if (secret.size() < spate::JwtVerifier::min_secret_bytes) {
      throw std::invalid_argument(spate::quote(secret) + " is too short: 32 bytes at least");
    }
#else
    throw std::invalid_argument("this hub was built without libjwt");
#endif
  }

  /// Compares without telling by its duration how much of a secret was guessed.
  static bool same_secret(std::string_view given, std::string_view secret) noexcept {
    unsigned difference = given.size() == secret.size() ? 0 : 1;
    for (std::size_t at = 0; at < given.size(); ++at) {
      difference |= static_cast<unsigned>(given[at] ^ secret[at % secret.size()]);
    }
    return difference == 0;
  }

  std::string publish_token_;
  std::string subscribe_secret_;
};

}  // namespace hub
