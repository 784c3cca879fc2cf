// JwtAuthorize is an authorize hook: who carries a token is served as the user it names, and as nobody else.
//
//   spate::RouteOptions route;
//   route.authorize = spate::JwtAuthorize(secret);
//   server.stream("/sse/subscribe/{user}", subscribe, route);
//
// The token is a JSON Web Token with HS256, `sub` and `exp`, in `Authorization: Bearer TOKEN` or `?token=TOKEN`, as
// browsers cannot give an EventSource header fields. A stream ends when its token expires. What a query carries
// may end up in a log of whoever stands between: let tokens of a query live for minutes. Where clients name topics to
// listen to, `topics_in` lets through only those that the token's claim `topics` allows (JwtClaims). Needs libjwt: link
// spate::jwt. Threads: any. A value type.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <spate/http/bearer_token.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/jwt/jwt_verifier.hpp>
#include <spate/wire/text.hpp>

namespace spate {

class JwtAuthorize {
 public:
  /// `user_param` is the path parameter that names the user; a route without it gets it set.
  /// Throws std::invalid_argument when `secret` has fewer than JwtVerifier::min_secret_bytes.
  explicit JwtAuthorize(std::string secret, std::string user_param = "user")
      : verifier_(std::move(secret)), user_param_(std::move(user_param)) {}

  /// From now on each query parameter `query_param` names a topic, and must be allowed by the token.
  JwtAuthorize& topics_in(std::string query_param) & {
    topic_param_ = std::move(query_param);
    return *this;
  }
  JwtAuthorize&& topics_in(std::string query_param) && { return std::move(this->topics_in(std::move(query_param))); }

  /// Refuses with 401 who has no valid token, and with 403 who has one of another user, or none for a topic: bytes are
  /// compared.
  std::optional<Response> operator()(Request& request) const {
    const auto token = token_of(request);
    const auto claims = token ? verifier_.verify(*token) : std::nullopt;
    if (!claims) return Response::error(401, "a valid token is needed").header("WWW-Authenticate", "Bearer");
    if (!request.has_param(user_param_)) {
      request.set_param(user_param_, claims->subject);
    } else if (request.param(user_param_) != claims->subject) {
      return Response::error(403, "the token is not this user's");
    }
    if (topic_param_) {
      for (const std::string& topic : request.query_all(*topic_param_)) {
        if (!claims->allows_topic(topic)) return Response::error(403, "the token does not allow " + quote(topic));
      }
    }
    request.set_expiry(claims->expiry);
    return std::nullopt;
  }

 private:
  // One token: who carries two that differ, or one of them twice, does not say who they are. (RFC 6750 2)
  static std::optional<std::string> token_of(const Request& request) {
    std::vector<std::string> tokens = request.query_all("token");
    if (tokens.size() > 1 || request.header_count("authorization") > 1) return std::nullopt;
    if (const auto bearer = bearer_token(request)) {
      if (!tokens.empty() && tokens.front() != *bearer) return std::nullopt;
      return std::string(*bearer);
    }
    if (tokens.empty()) return std::nullopt;
    return std::move(tokens.front());
  }

  JwtVerifier verifier_;
  std::string user_param_;
  std::optional<std::string> topic_param_;
};

}  // namespace spate
