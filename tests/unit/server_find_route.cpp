#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/server/detail/find_route.hpp>
#include "support/catch.hpp"

using namespace spate;
using namespace spate::detail;

namespace {

ServerOptions with_page() {
  ServerOptions options;
  options.cors.allow_origins = {"https://page.example"};
  return options;
}

// A server on loopback with two routes.
struct Routes {
  Routes() {
    add("GET", "/users/{user}");
    add("POST", "/users/{user}");
  }

  void add(std::string method, const char* pattern) {
    server.router.add({{std::move(method)}, PathPattern(pattern), ValueHandler(), {}});
  }

  // "GET user=ann" for the route found and the parameter; else the answer's status and what it allows.
  std::string find(Request request) {
    if (!request.authority()) request.add_header("Host", "localhost");
    cors = server.cors.decide(request);
    const RouteOrAnswer found = find_route(server, server.hosts_of(asio::ip::address_v4::loopback()), request, cors);
    if (const auto& answer = found.answer) {
      const std::string_view allow = answer->header("Allow");
      return std::to_string(answer->status()) + (allow.empty() ? "" : " ") + std::string(allow);
    }
    std::string text = found.route->methods.front();
    return request.has_param("user") ? text + " user=" + std::string(request.param("user")) : text;
  }

  ServerCore server{with_page()};
  CorsDecision cors;
};

Request from_page(std::string method, std::string_view target, std::string_view origin = "https://page.example") {
  return Request(std::move(method), target).add_header("Origin", origin);
}

Request preflight(std::string_view target) {
  return from_page("OPTIONS", target).add_header("Access-Control-Request-Method", "GET");
}

}  // namespace

TEST_CASE("a request goes to the route of its method and path", "[server][route]") {
  Routes routes;
  CHECK(routes.find(Request("GET", "/users/ann?x=1")) == "GET user=ann");
  CHECK(routes.find(Request("POST", "/users/bob")) == "POST user=bob");
}

TEST_CASE("a request without a route is told why", "[server][route]") {
  Routes routes;
  CHECK(routes.find(Request("GET", "/")) == "404");
  CHECK(routes.find(Request("PUT", "/users/ann")) == "405 GET, POST, OPTIONS");
  CHECK(routes.find(Request("GET", "/users/%zz")) == "400");
  CHECK(routes.find(Request("GET", "/users/ann?x=%zz")) == "400");
}

TEST_CASE("a field that is no list is refused when it is repeated (RFC 9110 5.3)", "[server][route]") {
  Routes routes;
  for (const char* name : {"Last-Event-ID", "content-type", "Sec-Fetch-Site", "sec-fetch-mode", "Sec-Fetch-Dest"}) {
    INFO(name);
    CHECK(routes.find(Request("GET", "/users/ann").add_header(name, "a")) == "GET user=ann");
    CHECK(routes.find(Request("GET", "/users/ann").add_header(name, "a").add_header(name, "a")) == "400");
  }
  CHECK(routes.find(preflight("/users/ann").add_header("Access-Control-Request-Method", "POST")) == "400");
  // Lists may be spread over as many lines as their sender likes.
  CHECK(routes.find(Request("GET", "/users/ann").add_header("Accept", "a").add_header("Accept", "b")) ==
        "GET user=ann");
  CHECK(routes
            .find(preflight("/users/ann")
                      .add_header("Access-Control-Request-Headers", "a")
                      .add_header("Access-Control-Request-Headers", "b"))
            .starts_with("204"));
}

TEST_CASE("who must not ask is not told what is there", "[server][route]") {
  Routes routes;
  CHECK(routes.find(Request("GET", "/").add_header("Host", "rebound.example")) == "403");
  CHECK(routes.find(from_page("GET", "/", "https://other.example")) == "403");
  CHECK(routes.find(from_page("OPTIONS", "/users/ann", "https://other.example")) == "403");
}

TEST_CASE("a foreign page without an origin gets what the server's rule, or the route's, lets it have",
          "[server][route]") {
  Routes routes;
  const auto add = [&](const char* pattern, CrossSite rule) {
    RouteOptions options;
    options.cross_site = rule;
    routes.server.router.add({{"GET"}, PathPattern(pattern), ValueHandler(), options});
  };
  add("/private", CrossSite::refuse);
  add("/script", CrossSite::allow);
  const auto link = [](std::string_view target) {
    return Request("GET", target)
        .add_header("Sec-Fetch-Site", "cross-site")
        .add_header("Sec-Fetch-Mode", "navigate")
        .add_header("Sec-Fetch-Dest", "document");
  };
  const auto picture = [](std::string method, std::string_view target) {
    return Request(std::move(method), target)
        .add_header("Sec-Fetch-Site", "cross-site")
        .add_header("Sec-Fetch-Dest", "image");
  };
  // Of a server links are followed, unless it says otherwise.
  CHECK(routes.find(link("/users/ann")) == "GET user=ann");
  CHECK(routes.find(link("/private?x=1")) == "403");
  CHECK(routes.find(picture("GET", "/users/ann")) == "403");
  CHECK(routes.find(picture("GET", "/private")) == "403");
  CHECK(routes.find(picture("GET", "/script")) == "GET");
  // It is not told what is there either.
  CHECK(routes.find(picture("GET", "/nothing")) == "403");
  CHECK(routes.find(picture("PUT", "/users/ann")) == "403");
  CHECK(routes.find(picture("OPTIONS", "/users/ann")) == "403");
  CHECK(routes.find(picture("OPTIONS", "*")) == "403");
}

TEST_CASE("which hosts may be asked for follows from where the socket is bound", "[server][route]") {
  const auto allowed = [](const std::vector<std::string>& listed, const char* local, const char* host) {
    ServerOptions options;
    options.address = "192.0.2.1";  // whatever is said here
    options.allow_hosts = listed;
    const ServerCore server(options);
    return server.hosts_of(asio::ip::make_address(local)).allows(Request("GET", "/").add_header("Host", host));
  };
  for (const char* local : {"127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"}) {
    INFO(local);
    CHECK(allowed({}, local, "localhost:1"));
    CHECK_FALSE(allowed({}, local, "rebound.example"));
    CHECK(allowed({"app.example"}, local, "app.example"));
    CHECK(allowed({"app.example"}, local, "localhost"));
  }
  for (const char* local : {"0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"}) {
    INFO(local);
    CHECK(allowed({}, local, "app.example"));
    CHECK(allowed({"app.example"}, local, "app.example"));
    CHECK_FALSE(allowed({"app.example"}, local, "other.example"));
    CHECK_FALSE(allowed({"app.example"}, local, "localhost"));
  }
}

TEST_CASE("OPTIONS tells the methods where no route takes it", "[server][route]") {
  Routes routes;
  CHECK(routes.find(Request("OPTIONS", "/users/ann")) == "204 GET, POST, OPTIONS");
  CHECK(routes.find(Request("OPTIONS", "*")) == "204 GET, POST, OPTIONS");
  CHECK(routes.find(Request("OPTIONS", "/")) == "404");
}

TEST_CASE("a preflight is answered with the fields of its origin, once", "[server][route]") {
  Routes routes;
  CHECK(routes.find(preflight("/users/ann")) == "204 GET, POST, OPTIONS");
  CHECK(routes.cors.fields.empty());
  // A route that takes OPTIONS itself is not asked.
  routes.add("OPTIONS", "/own");
  CHECK(routes.find(Request("OPTIONS", "/own")) == "OPTIONS");
  CHECK(routes.find(preflight("/own")).starts_with("204 "));
  // Any other answer gets them when it is put.
  CHECK(routes.find(from_page("GET", "/users/ann")) == "GET user=ann");
  CHECK_FALSE(routes.cors.fields.empty());
}

TEST_CASE("a route that takes OPTIONS itself is allowed it once", "[server][route]") {
  Routes routes;
  routes.add("OPTIONS", "/own");
  CHECK(routes.find(Request("OPTIONS", "/own")) == "OPTIONS");
  CHECK(routes.find(Request("GET", "/own")) == "405 OPTIONS");
}
