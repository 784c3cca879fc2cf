#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/http/cors.hpp>
#include <spate/http/cross_site.hpp>
#include "support/catch.hpp"

using namespace spate;

namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

Request asked(const Fields& fields, std::string method = "GET") {
  Request request(std::move(method), "/?user=alice");
  for (const auto& [name, value] : fields) request.add_header(name, value);
  return request;
}

// A page of another site, and what it wants the answer for.
Request foreign(std::string mode, std::string dest, std::string method = "GET") {
  return asked(
      {{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Mode", std::move(mode)}, {"Sec-Fetch-Dest", std::move(dest)}},
      std::move(method));
}

// "refuse navigate allow": the rules that let the request pass.
std::string admitting(const Request& request) {
  std::string rules;
  if (admits(CrossSite::refuse, request)) rules += "refuse ";
  if (admits(CrossSite::navigate, request)) rules += "navigate ";
  if (admits(CrossSite::allow, request)) rules += "allow ";
  return rules;
}

const std::string every_rule = "refuse navigate allow ";
const std::string links = "navigate allow ";
const std::string only_allow = "allow ";

}  // namespace

TEST_CASE("what a foreign page loads without an origin passes only where that is allowed", "[http][cross site]") {
  const char* const wants[][2] = {
      {"no-cors", "image"},   {"no-cors", "script"},    {"no-cors", "empty"},     {"no-cors", "style"},
      {"no-cors", "audio"},   {"navigate", "iframe"},   {"navigate", "frame"},    {"navigate", "embed"},
      {"navigate", "object"}, {"cors", "document"},     {"no-cors", "document"},  {"navigate", ""},
      {"", "document"},       {"navigate", "Document"}, {"Navigate", "document"}, {"navigate, cors", "document"}};
  for (const auto& [mode, dest] : wants) {
    INFO(mode << " " << dest);
    CHECK(admitting(foreign(mode, dest)) == only_allow);
  }
  CHECK(admitting(asked({{"Sec-Fetch-Site", "cross-site"}})) == only_allow);
}

TEST_CASE("a link of a foreign page may be followed where it may navigate", "[http][cross site]") {
  CHECK(admitting(foreign("navigate", "document")) == links);
  CHECK(admitting(foreign("navigate", "document", "HEAD")) == links);
  // Nobody follows a link with these.
  CHECK(admitting(foreign("navigate", "document", "POST")) == only_allow);
  CHECK(admitting(foreign("navigate", "document", "DELETE")) == only_allow);
  // Said twice, it says nothing.
  CHECK(admitting(foreign("navigate", "document").add_header("Sec-Fetch-Dest", "image")) == only_allow);
  CHECK(admitting(foreign("navigate", "document").add_header("Sec-Fetch-Mode", "navigate")) == only_allow);
}

TEST_CASE("cross-site is recognised however a proxy writes it", "[http][cross site]") {
  for (const char* const site : {"cross-site", "Cross-Site", "CROSS-SITE", "cross-site;x=1", "same-origin, cross-site",
                                 "cross-site,none", "\"cross-site\"", "\t cross-site "}) {
    INFO(site);
    CHECK(admitting(asked({{"Sec-Fetch-Site", site}})) == only_allow);
  }
  CHECK(admitting(asked({{"SEC-FETCH-SITE", "cross-site"}})) == only_allow);
  CHECK(admitting(asked({{"Sec-Fetch-Site", "none"}, {"Sec-Fetch-Site", "cross-site"}})) == only_allow);
}

TEST_CASE("who is no foreign page, or tells an origin, is none of the rule's business", "[http][cross site]") {
  CHECK(admitting(asked({})) == every_rule);
  for (const char* const site : {"same-origin", "same-site", "none", "", "cross", "site"}) {
    INFO(site);
    CHECK(admitting(asked({{"Sec-Fetch-Site", site}, {"Sec-Fetch-Mode", "no-cors"}})) == every_rule);
  }
  CHECK(admitting(asked({{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://other.example"}})) == every_rule);
}

TEST_CASE("only an iframe may be filled with an iframe's page", "[http][cross site]") {
  CHECK(detail::may_fill_iframe(asked({})));
  CHECK(detail::may_fill_iframe(asked({{"Sec-Fetch-Dest", "iframe"}})));
  for (const char* const dest : {"document", "frame", "embed", "object", "script", "empty", "", "iframe, document"}) {
    INFO(dest);
    CHECK_FALSE(detail::may_fill_iframe(asked({{"Sec-Fetch-Dest", dest}})));
  }
  CHECK_FALSE(detail::may_fill_iframe(asked({{"Sec-Fetch-Dest", "iframe"}, {"Sec-Fetch-Dest", "document"}})));
}

TEST_CASE("the own origin and the listed ones may frame a page", "[http][cors]") {
  const auto ancestors = [](std::vector<std::string> origins) {
    CorsOptions options;
    options.allow_origins = std::move(origins);
    return CorsPolicy(std::move(options)).frame_ancestors();
  };
  CHECK(ancestors({}) == "frame-ancestors 'self'");
  CHECK(ancestors({"https://a.example", "http://b.example:81"}) ==
        "frame-ancestors 'self' https://a.example http://b.example:81");
  CHECK(ancestors({"*"}) == "frame-ancestors 'self' *");
  CHECK(ancestors({"null"}) == "frame-ancestors 'self'");
  // A host may have these bytes, but in the list they would end the directive or begin another.
  CHECK(ancestors({"https://a;script-src", "https://b,c", "https://'none'"}) == "frame-ancestors 'self'");
}
