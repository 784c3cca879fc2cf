// Tokens of subscribers: what is found good, and whom the hook lets through.
#include <jwt.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <spate/jwt/jwt_authorize.hpp>
#include "support/catch.hpp"

using namespace spate;
using namespace std::chrono_literals;

namespace {

const std::string secret = "0123456789abcdef0123456789abcdef";
// In 2033, as in the tokens below that were signed by other means than libjwt.
const std::chrono::system_clock::time_point expiry(2'000'000'000s);
constexpr std::string_view claims = R"({"sub":"alice","exp":2000000000})";

/// What libjwt signs.
std::string sign(std::string_view json, const std::string& key = secret, jwt_alg_t algorithm = JWT_ALG_HS256) {
  jwt_t* made = nullptr;
  REQUIRE(jwt_new(&made) == 0);
  const std::unique_ptr<jwt_t, void (*)(jwt_t*)> token(made, jwt_free);
  REQUIRE(jwt_add_grants_json(made, std::string(json).c_str()) == 0);
  const auto* bytes = reinterpret_cast<const unsigned char*>(key.data());
  const bool is_signed = algorithm != JWT_ALG_NONE;
  REQUIRE(jwt_set_alg(made, algorithm, is_signed ? bytes : nullptr, is_signed ? static_cast<int>(key.size()) : 0) == 0);
  const std::unique_ptr<char, void (*)(void*)> text(jwt_encode_str(made), std::free);
  return text.get();
}

std::optional<std::string> subject(std::string_view token, std::chrono::system_clock::time_point now = expiry - 1s) {
  const auto found = JwtVerifier(secret).verify(token, now);
  return found ? std::optional(found->subject) : std::nullopt;
}

// Signed correctly, or as the name says, by node:crypto.
const std::string good =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMH0.IzVzylqNHvGtv7Y"
    "kvSJbwlnOdKDgab7UF9OS-D4Cqe0";

}  // namespace

TEST_CASE("a token names its user until it expires", "[jwt]") {
  const auto found = JwtVerifier(secret).verify(good, expiry - 1ms);
  REQUIRE(found);
  CHECK(found->subject == "alice");
  CHECK(found->expiry == expiry);
  CHECK_FALSE(JwtVerifier(secret).verify(good, expiry));
  CHECK_FALSE(JwtVerifier(secret).verify(good, expiry + 24h));
  CHECK(subject(sign(claims)) == "alice");
}

TEST_CASE("a token without header type, or with a fraction of a second, is good", "[jwt]") {
  CHECK(subject("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMH0._lCUrdFaGTHzo_KGhi5t4pdu3pC5-pa"
                "jMB-6AtLWCcw") == "alice");
  const auto found = JwtVerifier(secret).verify(sign(R"({"sub":"alice","exp":2000000000.5})"), expiry);
  REQUIRE(found);
  CHECK(found->expiry == expiry + 500ms);
}

TEST_CASE("only HS256 signs, whatever the header says", "[jwt]") {
  // In their order: none without and with a signature, HS512 with and without its hash, RS256, the name in small
  // letters, no name, a number as the name.
  const std::string_view token =
      GENERATE(as<std::string_view>(), "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMH0.",
               "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMH0.DQJsjduet0LM1lMhHx83xNw8aYLxqqaJ"
               "lrGPRfQ66Fo",
               "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMH0.L4z9f-7QmUl8P5N"
               "j43KNfsqJId4Mu8VCsk0YVZ5b-zGVHMZt5VmUZYUB1bprvZmgkYehz7TLy1bTkrYO-oigUA",
               "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMH0.2TihqFP9hzGfAYF"
               "mV3GaRwHnlTvHAyzCN7mz0-2M5Ss",
               "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMH0.99qD1J2zmV2HADK"
               "Y5gJhXWZxjMCJLc_LkNio7qgmaSs",
               "eyJhbGciOiJoczI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMH0.KDbcpSgyQI0wpZC"
               "83K0mDM-c3XTcxLyqkiupwSybDpg",
               "eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMH0.Ss8sRSDWvyxkEOgzQL7r1sPntFztjvQc6"
               "pGhveylbz8",
               "eyJhbGciOjI1Nn0.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMH0.1geNsYT1kOirFATlU4K4zZ9iNQYOb4ZRXWwS"
               "c34Mt_Y");
  INFO(token);
  CHECK_FALSE(subject(token));
  CHECK_FALSE(subject(sign(claims, secret, JWT_ALG_NONE)));
  CHECK_FALSE(subject(sign(claims, secret, JWT_ALG_HS384)));
}

TEST_CASE("an extension that is asked for is not known", "[jwt]") {
  CHECK_FALSE(
      subject("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImNyaXQiOlsiYjY0Il0sImI2NCI6dHJ1ZX0.eyJzdWIiOiJhbGljZSIsImV4"
              "cCI6MjAwMDAwMDAwMH0.8ex4R7_S29BV856LwZkClL1uf8uP_28cJDzPTVVB1sM"));
}

TEST_CASE("a claim that is missing, of another type, or out of its time is refused", "[jwt]") {
  const std::string_view json = GENERATE(
      as<std::string_view>(), R"({"exp":2000000000})", R"({"sub":"alice"})", R"({"sub":"","exp":2000000000})",
      R"({"sub":7,"exp":2000000000})", R"({"sub":null,"exp":2000000000})", R"({"sub":["alice"],"exp":2000000000})",
      R"({"sub":"alice","exp":"2000000000"})", R"({"sub":"alice","exp":null})", R"({"sub":"alice","exp":true})",
      R"({"sub":"alice","exp":-1})", R"({"sub":"alice","exp":0})", R"({"sub":"alice","exp":1999999999})",
      R"({"sub":"alice","exp":[2000000000]})", R"({"sub":"alice","exp":2000000000,"nbf":2000000000})",
      R"({"sub":"alice","exp":2000000000,"nbf":"0"})", R"({"Sub":"alice","exp":2000000000})");
  INFO(json);
  CHECK_FALSE(subject(sign(json)));
}

TEST_CASE("what is far away, or past where it should be, is no trouble", "[jwt]") {
  CHECK(subject(sign(R"({"sub":"alice","exp":9223372036854775807})")) == "alice");
  CHECK(subject(sign(R"({"sub":"alice","exp":1e300})")) == "alice");
  CHECK(subject(sign(R"({"sub":"alice","exp":2000000000,"nbf":1,"iat":1e300,"aud":["x"]})")) == "alice");
}

TEST_CASE("a subject is opaque text", "[jwt]") {
  CHECK(subject(sign(R"({"sub":"a/b %2F \u00e9 \ud83d\ude00","exp":2000000000})")) == "a/b %2F \u00e9 \U0001F600");
  // NUL would end it early.
  CHECK_FALSE(
      subject("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZVx1MDAwMGJvYiIsImV4cCI6MjAwMDAwMDAwMH0.0Z7"
              "sKQeZmG5VCBR_z9OdEnETD_VLXWRajIsWBJnl1Kg"));
}

TEST_CASE("a token that was changed anywhere is refused", "[jwt]") {
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const char other : {'A', 'B', '.', '=', '+', ' ', '\0'}) {
      std::string changed = good;
      if (std::exchange(changed[at], other) == other) continue;
      INFO(at << " " << static_cast<int>(other));
      CHECK_FALSE(subject(changed));
    }
    CHECK_FALSE(subject(good.substr(0, at)));
    CHECK_FALSE(subject(good.substr(at + 1)));
  }
  for (const std::string& framed : {good + ".", "." + good, good + "=", good + " ", good + "." + good, good + '\0'}) {
    CHECK_FALSE(subject(framed));
  }
  CHECK_FALSE(subject(sign(claims, "another secret, as long as that one")));
}

TEST_CASE("a secret has at least as many bytes as the hash", "[jwt]") {
  CHECK_THROWS_AS(JwtVerifier(std::string(31, 's')), std::invalid_argument);
  CHECK_THROWS_AS(JwtAuthorize(""), std::invalid_argument);
  CHECK_NOTHROW(JwtVerifier(std::string(32, 's')));
  // All of it counts, also after a NUL.
  std::string binary(64, '\0');
  const std::string token = sign(claims, binary);
  CHECK(JwtVerifier(binary).verify(token, expiry - 1s));
  binary.back() = 1;
  CHECK_FALSE(JwtVerifier(binary).verify(token, expiry - 1s));
}

TEST_CASE("the hook lets the user of the token through, and nobody else", "[jwt]") {
  const JwtAuthorize authorize(secret);
  const auto status = [&](Request request, std::string user = "alice") {
    request.set_param("user", std::move(user));
    const auto refused = authorize(request);
    if (refused && refused->status() == 401) {
      CHECK(refused->body() == R"({"error":"a valid token is needed"})");
      bool challenged = false;
      for (const auto& [name, value] : refused->headers())
        challenged |= name == "WWW-Authenticate" && value == "Bearer";
      CHECK(challenged);
    }
    CHECK(request.expiry() == (refused ? std::nullopt : std::optional(expiry)));
    return refused ? refused->status() : 200;
  };
  const std::string bobs = sign(R"({"sub":"bob","exp":2000000000})");
  const auto header = [](const std::string& token) { return Request("GET", "/").add_header("Authorization", token); };

  CHECK(status(header("Bearer " + good)) == 200);
  CHECK(status(header("bEARER  " + good)) == 200);
  CHECK(status(Request("GET", "/?token=" + good)) == 200);
  CHECK(status(Request("GET", "/?x=1&%74oken=" + good)) == 200);
  // A proxy's own field is not about this token.
  CHECK(status(Request("GET", "/?token=" + good).add_header("Authorization", "Basic YTpi")) == 200);
  CHECK(status(Request("GET", "/?token=" + good).add_header("Authorization", "Bearer " + good)) == 200);

  CHECK(status(Request("GET", "/")) == 401);
  CHECK(status(Request("GET", "/?token=")) == 401);
  CHECK(status(Request("GET", "/?Token=" + good)) == 401);
  CHECK(status(header("Bearer")) == 401);
  CHECK(status(header("Bearer " + good + ", Bearer " + good)) == 401);
  CHECK(status(header(good)) == 401);
  CHECK(status(header("Bearer " + good).add_header("Authorization", "Bearer " + good)) == 401);
  CHECK(status(header("Basic YTpi").add_header("Authorization", "Bearer " + good)) == 401);
  // Who says two things says nothing.
  CHECK(status(Request("GET", "/?token=" + good + "&token=" + good)) == 401);
  CHECK(status(Request("GET", "/?token=" + good + "&token=" + bobs), "bob") == 401);
  CHECK(status(Request("GET", "/?token=" + good).add_header("Authorization", "Bearer " + bobs), "bob") == 401);
  CHECK(status(Request("GET", "/?token=" + good).add_header("Authorization", "Bearer " + bobs)) == 401);
  CHECK(status(Request("GET", "/?token=").add_header("Authorization", "Bearer " + good)) == 401);

  for (const char* user : {"bob", "Alice", "alice ", " alice", "alic", "alicee", "alice/", "al\u0131ce"}) {
    INFO(user);
    CHECK(status(header("Bearer " + good), user) == 403);
    CHECK(status(header("Bearer " + bobs), user) == (std::string_view(user) == "bob" ? 200 : 403));
  }
  // One letter in two normal forms is two users.
  const std::string composed = sign("{\"sub\":\"\u00e9\",\"exp\":2000000000}");
  CHECK(status(header("Bearer " + composed), "\u00e9") == 200);
  CHECK(status(header("Bearer " + composed), "e\u0301") == 403);
}

TEST_CASE("a route that names no user gets the one of the token", "[jwt]") {
  const JwtAuthorize authorize(secret, "who");
  Request request("GET", "/?token=" + good);
  CHECK_FALSE(authorize(request));
  CHECK(request.param("who") == "alice");
  CHECK_FALSE(request.has_param("user"));
}

TEST_CASE("the claim topics allows names, prefixes, and everything that is not the program's own", "[jwt]") {
  struct Case {
    std::string_view claim, allowed, refused;
  };
  const Case wanted =
      GENERATE(Case{R"(["room 7"])", "room 7", "room 70"}, Case{R"(["room 7"])", "room 7", "Room 7"},
               Case{R"(["room 7","news"])", "news", "new"}, Case{R"(["room-*"])", "room-7", "roo"},
               Case{R"(["room-*"])", "room-", "room"}, Case{R"(["*"])", "anything", "$presence"},
               Case{R"(["*","$presence"])", "$presence", "$presenc"}, Case{R"(["$*"])", "$presence", "anything"},
               Case{R"(["a*b"])", "a*b", "aab"}, Case{R"(["a**"])", "a*", "ab"},
               Case{"[\"\u00e9 \U0001F600\"]", "\u00e9 \U0001F600", "\u00e9"},
               Case{R"(["\u00e9*"])", "\u00e9t\u00e9", "e"}, Case{R"(["a\"b\\c\/d"])", "a\"b\\c/d", "a"},
               Case{R"(["\b\f\n\r\t\u001f"])", "\b\f\n\r\t\x1f", "\n"}, Case{R"([ "a" , "]" ])", "]", "["});
  INFO(wanted.claim);
  const auto found = JwtVerifier(secret).verify(
      sign("{\"sub\":\"alice\",\"exp\":2000000000,\"topics\":" + std::string(wanted.claim) + "}"), expiry - 1s);
  REQUIRE(found);
  CHECK(found->allows_topic(wanted.allowed));
  CHECK_FALSE(found->allows_topic(wanted.refused));
}

TEST_CASE("without the claim, or with one that is no array of texts, no topic is allowed", "[jwt]") {
  CHECK(JwtVerifier(secret).verify(good, expiry - 1s)->topics.empty());
  const std::string_view claim =
      GENERATE(as<std::string_view>(), "[]", R"("a")", R"("*")", "null", "7", "true", R"({"a":"a"})", R"(["a",7])",
               R"([["a"]])", R"(["a",null])", R"([{"a":"*"}])");
  INFO(claim);
  const auto found = JwtVerifier(secret).verify(
      sign(R"({"sub":"alice","exp":2000000000,"topics":)" + std::string(claim) + "}"), expiry - 1s);
  REQUIRE(found);
  CHECK(found->topics.empty());
  CHECK_FALSE(found->allows_topic("a"));
  CHECK_FALSE(found->allows_topic(""));
}

TEST_CASE("the hook lets nobody listen to a topic that their token does not allow", "[jwt]") {
  const std::string token = sign(R"({"sub":"alice","exp":2000000000,"topics":["news","room-*"]})");
  const auto status = [](const JwtAuthorize& authorize, const std::string& token_given, const std::string& query) {
    Request request("GET", "/?token=" + token_given + query);
    request.set_param("user", "alice");
    const auto refused = authorize(request);
    CHECK(request.expiry() == (refused ? std::nullopt : std::optional(expiry)));
    return refused ? refused->status() : 200;
  };
  const JwtAuthorize authorize = JwtAuthorize(secret).topics_in("topic");
  CHECK(status(authorize, token, "") == 200);
  CHECK(status(authorize, token, "&topic=news&topic=room-7") == 200);
  CHECK(status(authorize, token, "&topic=room%2D7") == 200);
  CHECK(status(authorize, token, "&topic=news&topic=weather") == 403);
  CHECK(status(authorize, token, "&t%6Fpic=weather") == 403);
  CHECK(status(authorize, token, "&topic=") == 403);
  CHECK(status(authorize, token, "&topic=%24presence") == 403);
  CHECK(status(authorize, good, "") == 200);
  CHECK(status(authorize, good, "&topic=news") == 403);
  // A token of nobody is refused as ever, and elsewhere a parameter of that name is the program's own.
  CHECK(status(authorize, "x", "&topic=news") == 401);
  CHECK(status(JwtAuthorize(secret), good, "&topic=weather") == 200);
}
