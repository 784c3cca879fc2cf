#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/http/cors.hpp>
#include <spate/http/host_policy.hpp>
#include "support/catch.hpp"
#include "support/refusal.hpp"

using namespace spate;
using Catch::Matchers::ContainsSubstring;
using spate::test::refusal;

namespace {

Request get(std::string_view host, std::string_view origin) {
  Request request("GET", "/");
  if (!host.empty()) request.add_header("Host", host);
  if (!origin.empty()) request.add_header("Origin", origin);
  return request;
}

Request preflight(std::string_view origin) {
  return Request("OPTIONS", "/")
      .add_header("Host", "a")
      .add_header("Origin", origin)
      .add_header("Access-Control-Request-Method", "GET")
      .add_header("Access-Control-Request-Headers", "last-event-id");
}

const char* name(CorsDecision::Verdict verdict) {
  switch (verdict) {
    case CorsDecision::no_origin: return "no origin";
    case CorsDecision::same_origin: return "same origin";
    case CorsDecision::allowed: return "allowed";
    case CorsDecision::refused: return "refused";
  }
  return "?";
}

// The verdict and the fields: "allowed; Vary: Origin".
std::string text(const CorsDecision& decision) {
  std::string lines = name(decision.verdict);
  if (decision.preflight) lines += " preflight";
  for (const auto& [field, value] : decision.fields) lines.append("; ").append(field).append(": ").append(value);
  return lines;
}

CorsPolicy allowing(std::vector<std::string> origins) {
  CorsOptions options;
  options.allow_origins = std::move(origins);
  return CorsPolicy(std::move(options));
}

const std::string with_credentials = "; Access-Control-Allow-Credentials: true";
const std::string vary = "; Vary: Origin";

}  // namespace

TEST_CASE("a request without an origin passes, one from the own host too (RFC 6454 7)", "[http][cors]") {
  struct Case {
    std::string_view host, origin, plain, secure;
  };
  const Case table[] = {
      {"a", "", "no origin", "no origin"},
      {"", "", "no origin", "no origin"},
      {"a", "http://a", "same origin", "refused"},
      {"a:80", "http://a", "same origin", "refused"},
      {"a", "http://a:80", "same origin", "refused"},
      {"A.Example", "http://a.example", "same origin", "refused"},
      {"a:8080", "http://a:8080", "same origin", "refused"},
      // A proxy may have ended TLS.
      {"a", "https://a", "same origin", "same origin"},
      {"a:443", "https://a", "same origin", "same origin"},
      {"a:8443", "https://a:8443", "same origin", "same origin"},
      {"[::1]:8080", "http://[::1]:8080", "same origin", "refused"},
      {"a", "http://a:8080", "refused", "refused"},
      {"a:8080", "http://a", "refused", "refused"},
      {"a:80", "https://a", "refused", "refused"},
      {"a:443", "http://a", "refused", "refused"},
      {"a", "http://b", "refused", "refused"},
      {"a", "http://a.b", "refused", "refused"},
      {"a", "http://b.a", "refused", "refused"},
      {"a", "ftp://a", "refused", "refused"},
      {"a", "http://a/", "refused", "refused"},
      {"a", "http://u@a", "refused", "refused"},
      {"a", "a", "refused", "refused"},
      {"a", "null", "refused", "refused"},
      {"null", "null", "refused", "refused"},
      {"", "http://a", "refused", "refused"},
      {"b@a", "http://a", "refused", "refused"},
  };
  const CorsPolicy none{CorsOptions{}};
  for (const Case& c : table) {
    INFO("Host: " << c.host << ", Origin: " << c.origin);
    CHECK(text(none.decide(get(c.host, c.origin))) == c.plain);
    CHECK(text(none.decide(get(c.host, c.origin), true)) == c.secure);
  }
  // An empty one is not none.
  CHECK(text(none.decide(Request("GET", "/").add_header("Host", "a").add_header("Origin", ""))) == "refused");
}

TEST_CASE("the authority of an absolute target is the own host (RFC 9112 3.2; RFC 6454 7)", "[http][cors]") {
  const CorsPolicy none{CorsOptions{}};
  const Request request = Request("GET", "http://b/").add_header("Host", "a");
  CHECK(text(none.decide(Request(request).add_header("Origin", "http://b"))) == "same origin");
  CHECK(text(none.decide(Request(request).add_header("Origin", "http://a"))) == "refused");
}

TEST_CASE("a listed origin is named in the answer, with credentials (Fetch 3.3)", "[http][cors]") {
  const CorsPolicy policy = allowing({"https://app.example", "http://localhost:5173", "app+x.1://Host"});
  const auto allowed = [](const std::string& origin) {
    return "allowed; Access-Control-Allow-Origin: " + origin + with_credentials + vary;
  };
  CHECK(text(policy.decide(get("a", "https://app.example"))) == allowed("https://app.example"));
  // As the browser spelled it: it compares bytes.
  CHECK(text(policy.decide(get("a", "HTTPS://App.Example:443"))) == allowed("HTTPS://App.Example:443"));
  CHECK(text(policy.decide(get("a", "http://localhost:5173"))) == allowed("http://localhost:5173"));
  CHECK(text(policy.decide(get("a", "app+x.1://host"))) == allowed("app+x.1://host"));
  for (const char* other : {"http://app.example", "https://app.example:444", "https://app.example.evil",
                            "https://evil.app.example", "http://localhost", "app+x.1://host:80", "null"}) {
    INFO(other);
    CHECK(text(policy.decide(get("a", other))) == "refused");
  }
  // The answers to all others depend on the origin too, but for refusals, which carry nothing.
  CHECK(text(policy.decide(get("a", ""))) == "no origin" + vary);
  CHECK(text(policy.decide(get("a", "http://a"))) == "same origin" + vary);
}

TEST_CASE("credentials are given to listed origins only, and never with the asterisk (Fetch 3.3)", "[http][cors]") {
  const std::string any = "allowed; Access-Control-Allow-Origin: *";
  CHECK(text(allowing({"*"}).decide(get("a", "http://b"))) == any);
  CHECK(text(allowing({"*"}).decide(get("a", "null"))) == any);
  CHECK(text(allowing({"*"}).decide(get("a", ""))) == "no origin");
  const CorsPolicy both = allowing({"*", "http://b"});
  CHECK(text(both.decide(get("a", "http://b"))) ==
        "allowed; Access-Control-Allow-Origin: http://b" + with_credentials + vary);
  CHECK(text(both.decide(get("a", "http://c"))) == any + vary);

  CorsOptions deny;
  deny.allow_origins = {"http://b"};
  deny.credentials = Credentials::deny;
  CHECK(text(CorsPolicy(deny).decide(get("a", "http://b"))) == "allowed; Access-Control-Allow-Origin: http://b" + vary);
}

TEST_CASE("the opaque origin can be listed by its name", "[http][cors]") {
  CHECK(text(allowing({"null"}).decide(get("a", "null"))) ==
        "allowed; Access-Control-Allow-Origin: null" + with_credentials + vary);
  CHECK(text(allowing({"null"}).decide(get("a", "http://b"))) == "refused");
}

TEST_CASE("two origins are one too many", "[http][cors]") {
  const Request request = get("a", "http://b").add_header("Origin", "http://b");
  CHECK(text(allowing({"http://b"}).decide(request)) == "refused");
  CHECK(text(allowing({"*"}).decide(request)) == "refused");
}

TEST_CASE("a preflight is answered with what the page may do (Fetch 3.3)", "[http][cors]") {
  const CorsPolicy policy = allowing({"http://b"});
  const CorsDecision decision = policy.decide(preflight("http://b"));
  CHECK(text(decision) == "allowed preflight; Access-Control-Allow-Origin: http://b" + with_credentials + vary);
  const Response response = policy.preflight(decision, "GET, HEAD");
  CHECK(response.status() == 204);
  CHECK(response.header("Access-Control-Allow-Origin") == "http://b");
  CHECK(response.header("Access-Control-Allow-Credentials") == "true");
  CHECK(response.header("Access-Control-Allow-Methods") == "GET, HEAD");
  CHECK(response.header("Access-Control-Allow-Headers") == "Last-Event-ID, Authorization, Content-Type, Cache-Control");
  CHECK(response.header("Access-Control-Max-Age") == "600");
  CHECK(response.header("Vary") == "Origin");

  CHECK(text(policy.decide(preflight("http://c"))) == "refused");
  // Other requests than OPTIONS, and OPTIONS that asks for no method, are no preflights.
  CHECK_FALSE(
      policy.decide(Request("OPTIONS", "/").add_header("Host", "a").add_header("Origin", "http://b")).preflight);
  CHECK_FALSE(policy.decide(get("a", "http://b").add_header("Access-Control-Request-Method", "GET")).preflight);
}

TEST_CASE("the options of CORS reach the answers", "[http][cors]") {
  CorsOptions options;
  options.allow_origins = {"http://b"};
  options.max_age = std::chrono::seconds(0);
  options.allow_headers = {};
  options.expose_headers = {"Retry-After", "X-Id"};
  const CorsPolicy policy(options);
  const CorsDecision decision = policy.decide(get("a", "http://b"));
  Response response(503);
  response.add_header("Vary", "Accept");
  decision.apply(response);
  CHECK(response.header("Access-Control-Allow-Origin") == "http://b");
  CHECK(response.header("Access-Control-Expose-Headers") == "Retry-After, X-Id");
  CHECK(std::count(response.headers().begin(), response.headers().end(), Response::Field{"Vary", "Accept"}) == 1);
  CHECK(std::count(response.headers().begin(), response.headers().end(), Response::Field{"Vary", "Origin"}) == 1);
  const Response asked = policy.preflight(policy.decide(preflight("http://b")), "GET");
  CHECK(asked.header("Access-Control-Max-Age").empty());
  CHECK(asked.header("Access-Control-Allow-Headers").empty());
  CHECK(asked.header("Access-Control-Expose-Headers").empty());
}

TEST_CASE("what is no origin cannot be listed", "[http][cors]") {
  for (const char* origin : {"", "a", "a.example", "http://", "http://a/", "http://a/b", "http://a:b", "://a",
                             "http:/a", "http://*.a", "1x://a", "http://u@a", "http://a, http://b", "NULL"}) {
    INFO(origin);
    CHECK_THAT(refusal([&] { allowing({origin}); }), ContainsSubstring("not an origin"));
  }
  CorsOptions options;
  options.allow_headers = {"A, B"};
  CHECK_THAT(refusal([&] { CorsPolicy policy(options); }), ContainsSubstring("\"A, B\""));
}

TEST_CASE("on loopback only loopback names and listed hosts pass (RFC 6454 7)", "[http][host]") {
  const HostPolicy policy(HostCheck::loopback, {"App.Example", "b:8080", "[fe80::1]"});
  for (const char* host : {"localhost", "LOCALHOST:1", "localhost.", "localhost.:8080", "127.0.0.1:8080", "127.9.9.9",
                           "[::1]", "[::1]:8080", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]:8080", "[0:0:0:0:0:0:0:1]:1",
                           "app.example", "APP.EXAMPLE:99", "b:8080", "[FE80::1]:1"}) {
    INFO(host);
    CHECK(policy.allows(get(host, "")));
  }
  for (const char* host : {"evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "app.example.evil", "b",
                           "b:8081", "0.0.0.0", "192.168.0.1", "127.0.0.1:x", "u@localhost", "[::1].evil"}) {
    INFO(host);
    CHECK_FALSE(policy.allows(get(host, "")));
  }
  CHECK(policy.allows(Request("GET", "/")));
  CHECK_FALSE(policy.allows(Request("GET", "/").add_header("Host", "")));
  // The authority of an absolute target replaces the field. (RFC 9112 3.2)
  CHECK_FALSE(policy.allows(Request("GET", "http://evil.example/").add_header("Host", "localhost")));
  CHECK(policy.allows(Request("GET", "http://localhost/").add_header("Host", "evil.example")));
}

TEST_CASE("other checks of the host are none at all, or the list alone (RFC 6454 7)", "[http][host]") {
  CHECK(HostPolicy(HostCheck::none, {}).allows(get("evil.example", "")));
  CHECK(HostPolicy(HostCheck::loopback, {"*"}).allows(get("evil.example", "")));
  const HostPolicy listed(HostCheck::listed, {"a"});
  CHECK(listed.allows(get("a:1", "")));
  CHECK_FALSE(listed.allows(get("localhost", "")));
}

TEST_CASE("what is no host cannot be listed", "[http][host]") {
  for (const char* host : {"", "http://a", "a/b", "a b", "::1", "a:b", "*.a", ":80"}) {
    INFO(host);
    CHECK_THAT(refusal([&] { HostPolicy policy(HostCheck::loopback, {host}); }), ContainsSubstring("not a host"));
  }
}

TEST_CASE("of a loopback origin the port may be left open", "[http][cors]") {
  CorsOptions options;
  options.allow_origins = {"http://localhost:*", "https://127.0.0.1:*", "http://[::1]:*"};
  const CorsPolicy policy(options);
  const auto verdict = [&](std::string_view origin) {
    return policy.decide(Request("GET", "/").add_header("Host", "a.example").add_header("Origin", origin)).verdict;
  };
  for (const char* good : {"http://localhost", "http://localhost:1", "http://LOCALHOST:65535", "https://127.0.0.1:8443",
                           "http://[::1]:5173"}) {
    INFO(good);
    CHECK(verdict(good) == CorsDecision::allowed);
  }
  for (const char* bad : {"https://localhost:1", "http://127.0.0.1:1", "http://localhost.evil.example:1",
                          "http://localhost:*", "http://[::2]:1", "http://evil.example:1"}) {
    INFO(bad);
    CHECK(verdict(bad) == CorsDecision::refused);
  }
  for (const char* bad : {"http://app.example:*", "http://*:*", "http://localhost:1:*", "http://localhost:*:*",
                          "localhost:*", "http://localhost:8*"}) {
    INFO(bad);
    options.allow_origins = {bad};
    CHECK_THROWS_AS(CorsPolicy(options), std::invalid_argument);
  }
}

TEST_CASE("a preflight may be allowed the fields that it names, for origins that are listed", "[http][cors]") {
  CorsOptions options;
  options.allow_origins = {"https://a.example", "*"};
  options.request_fields = GENERATE(CorsOptions::RequestFields::any, CorsOptions::RequestFields::listed);
  const bool any = options.request_fields == CorsOptions::RequestFields::any;
  const CorsPolicy policy(options);
  const auto answer = [&](std::string_view origin) {
    const Request request = Request("OPTIONS", "/")
                                .add_header("Host", "b.example")
                                .add_header("Origin", origin)
                                .add_header("Access-Control-Request-Method", "POST")
                                .add_header("Access-Control-Request-Headers", "x-mine, x-bad name,")
                                .add_header("Access-Control-Request-Headers", "x-more");
    return policy.preflight(policy.decide(request), "POST");
  };
  const std::string usual = "Last-Event-ID, Authorization, Content-Type, Cache-Control";
  CHECK(answer("https://a.example").header("Access-Control-Allow-Headers") == (any ? "x-mine, x-more" : usual));
  CHECK(answer("https://other.example").header("Access-Control-Allow-Headers") == usual);
}
