#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/http/path_pattern.hpp>
#include "support/catch.hpp"
#include "support/refusal.hpp"

using namespace spate;
using Catch::Matchers::ContainsSubstring;
using Params = std::vector<std::pair<std::string, std::string>>;

namespace {

// "no", "malformed", or "yes" with the parameters: "yes user=alice".
std::string outcome(std::string_view pattern, std::string_view path) {
  Params params;
  switch (PathPattern(pattern).match(path, params)) {
    case PathMatch::no: return params.empty() ? "no" : "no, but it left parameters";
    case PathMatch::malformed: return params.empty() ? "malformed" : "malformed, but it left parameters";
    case PathMatch::yes: break;
  }
  std::string text = "yes";
  for (const auto& [name, value] : params) text.append(" ").append(name).append("=").append(value);
  return text;
}

std::string refusal(std::string_view pattern) {
  return test::refusal([&] { const PathPattern built(pattern); });
}

}  // namespace

TEST_CASE("a path matches segment by segment", "[http][path]") {
  struct Case {
    std::string_view pattern, path, expected;
  };
  const Case table[] = {
      {"/", "/", "yes"},
      {"/", "", "no"},
      {"/", "//", "no"},
      {"/", "*", "no"},
      {"/a/b", "/a/b", "yes"},
      {"/a/b", "/a/b/", "no"},
      {"/a/b", "/a", "no"},
      {"/a/b", "/a/B", "no"},
      {"/a/b", "/a/bc", "no"},
      {"/a/b", "a/b", "no"},
      {"/a/", "/a/", "yes"},
      {"/a/", "/a", "no"},
      {"/sse/{user}", "/sse/alice", "yes user=alice"},
      {"/sse/{user}", "/sse/", "no"},
      {"/sse/{user}", "/sse", "no"},
      {"/sse/{user}", "/sse/a/b", "no"},
      {"/sse/{user}", "/sse/alice/", "no"},
      {"/sse/{user}", "/SSE/alice", "no"},
      {"/{a}/x/{b}", "/1/x/2", "yes a=1 b=2"},
      {"/{a}/x/{b}", "/1/y/2", "no"},
      {"/{a}/x/{b}", "//x/2", "no"},
      {"/{a}", "/{a}", "yes a={a}"},
  };
  for (const Case& c : table) {
    INFO(c.pattern << " on " << c.path);
    CHECK(outcome(c.pattern, c.path) == c.expected);
  }
}

TEST_CASE("a path is split before it is decoded", "[http][path]") {
  struct Case {
    std::string_view pattern, path, expected;
  };
  const Case table[] = {
      {"/s/{u}", "/s/a%2Fb", "yes u=a/b"}, {"/s/{u}", "/s/%61%C3%A4", "yes u=a\xC3\xA4"},
      {"/s/{u}", "/s/a+b", "yes u=a+b"},   {"/s/{u}", "/s/%2B%20%25", "yes u=+ %"},
      {"/s/{u}", "/s/a%2f", "yes u=a/"},   {"/s/{u}", "/s%2Fa", "no"},
      {"/s/t", "/%73/t", "yes"},           {"/s/t", "/s%2Ft", "no"},
      {"/a%20b", "/a%20b", "yes"},         {"/a%20b", "/a+b", "no"},
      {"/a/b", "/a/../a/b", "no"},         {"/s/{u}", "/s/..", "yes u=.."},
      {"/s/{u}", "/s/./a", "no"},
  };
  for (const Case& c : table) {
    INFO(c.pattern << " on " << c.path);
    CHECK(outcome(c.pattern, c.path) == c.expected);
  }
  Params params;
  REQUIRE(PathPattern("/{u}").match("/a%00b", params) == PathMatch::yes);
  CHECK(params == Params{{"u", std::string("a\0b", 3)}});
}

TEST_CASE("a broken escape is malformed where the path matches otherwise", "[http][path]") {
  struct Case {
    std::string_view pattern, path, expected;
  };
  const Case table[] = {
      {"/s/{u}", "/s/%", "malformed"},
      {"/s/{u}", "/s/%4", "malformed"},
      {"/s/{u}", "/s/a%zzb", "malformed"},
      {"/s/{u}", "/t/%", "no"},
      {"/s/{u}", "/s/%/x", "no"},
      {"/{u}/s", "/%/s", "malformed"},
      {"/{u}/s", "/%/t", "no"},
      {"/s", "/%", "no"},
      {"/s", "/s%", "no"},
  };
  for (const Case& c : table) {
    INFO(c.pattern << " on " << c.path);
    CHECK(outcome(c.pattern, c.path) == c.expected);
  }
}

TEST_CASE("parameters are added to those that are there", "[http][path]") {
  Params params = {{"x", "y"}};
  const PathPattern pattern("/{a}");
  REQUIRE(pattern.match("/1", params) == PathMatch::yes);
  CHECK(params == Params{{"x", "y"}, {"a", "1"}});
  CHECK(pattern.text() == "/{a}");
}

TEST_CASE("a bad pattern is refused and quoted", "[http][path]") {
  CHECK_THAT(refusal(""), ContainsSubstring("slash"));
  CHECK_THAT(refusal("a/b"), ContainsSubstring("slash") && ContainsSubstring("\"a/b\""));
  CHECK_THAT(refusal("{a}"), ContainsSubstring("slash"));
  CHECK_THAT(refusal("/{}"), ContainsSubstring("without a name"));
  CHECK_THAT(refusal("/{a}/{a}"), ContainsSubstring("twice"));
  for (const char* open : {"/{", "/}", "/{a", "/a}", "/x{a}", "/{a}x", "/{a}{b}", "/{{a}}", "/}a{", "/{a/b}"}) {
    INFO(open);
    CHECK_THAT(refusal(open), ContainsSubstring("not closed or not a whole segment"));
  }
  CHECK_THAT(refusal("/a?b"), ContainsSubstring("path alone"));
  CHECK_THAT(refusal("/a#b"), ContainsSubstring("path alone"));
  CHECK_THAT(refusal("/a%zz"), ContainsSubstring("broken escape"));
  // A literal may have a parameter's name.
  CHECK(refusal("/a/{a}") == "not refused");
}

TEST_CASE("the last segment may take the rest of the path", "[http][pattern]") {
  const PathPattern pattern("/files/{path...}");
  const auto rest = [&](std::string_view path) -> std::string {
    std::vector<std::pair<std::string, std::string>> params;
    const PathMatch match = pattern.match(path, params);
    if (match == PathMatch::malformed) return "malformed";
    return match == PathMatch::yes ? params.front().first + "=" + params.front().second : "no";
  };
  CHECK(rest("/files/a.txt") == "path=a.txt");
  CHECK(rest("/files/a/b/c") == "path=a/b/c");
  CHECK(rest("/files/") == "path=");
  CHECK(rest("/files/a/") == "path=a/");
  CHECK(rest("/files//") == "path=/");
  CHECK(rest("/files/a%2Fb%20c") == "path=a/b c");
  CHECK(rest("/files/../x") == "path=../x");
  CHECK(rest("/files/%zz") == "malformed");
  CHECK(rest("/files") == "no");
  CHECK(rest("/file/a") == "no");
  for (const char* bad : {"/{a...}/b", "/{...}", "/{a}/{a...}", "/{a...", "/x{a...}", "/{a...}/"}) {
    CHECK_THROWS_AS(PathPattern(bad), std::invalid_argument);
  }
}
