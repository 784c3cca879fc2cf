// `listed origin LF listed host LF target LF Host LF Origin LF method`: who is let in is who was listed, or this
// server. (Fetch 3.3; RFC 6454 7)
#include <cctype>
#include <stdexcept>
#include <string>
#include <string_view>

#include <spate/http/cors.hpp>
#include <spate/http/detail/tokens.hpp>
#include <spate/http/host_policy.hpp>
#include "fuzz/fuzz.hpp"

using namespace spate;
using test::require;
using test::take_until;

namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = detail::ascii_lower(c);
  return result;
}

// scheme://host:port, read by hand: the port is the one that goes without saying when there is none.
std::string canonical(std::string_view origin) {
  std::string text = lower(origin);
  if (text.ends_with(":")) text.pop_back();
  const std::size_t host = text.find("://") + 3;
  const std::size_t bracket = text.find(']', host);
  if (text.find(':', bracket == std::string::npos ? host : bracket) == std::string::npos) {
    text += text.starts_with("https:") ? ":443" : text.starts_with("http:") ? ":80" : ":0";
  }
  const std::size_t colon = text.rfind(':');
  const std::string digits = text.substr(colon + 1);
  std::size_t zeros = digits.find_first_not_of('0');
  if (zeros == std::string::npos) zeros = digits.size() - 1;
  return text.substr(0, colon + 1) + digits.substr(zeros);
}

// Whether `listed`, a list of one origin, lets `origin` in.
bool lists(const std::string& listed, std::string_view origin) {
  if (listed == "*") return true;
  if (listed == "null") return origin == "null";
  const auto without_port = [](std::string text) { return text.substr(0, text.rfind(':')); };
  if (listed.ends_with(":*")) return without_port(lower(listed)) == without_port(canonical(origin));
  return canonical(listed) == canonical(origin);
}

void check_cors(const Request& request, const std::string& listed) {
  CorsOptions options;
  if (!listed.empty()) options.allow_origins = {listed};
  const CorsPolicy policy(options);
  const CorsDecision decision = policy.decide(request);
  const auto origin = request.header("origin");
  require((decision.verdict == CorsDecision::no_origin) == !origin.has_value(), "no origin, no verdict");
  bool names_origin = false, credentials = false, any = false;
  for (const auto& [name, value] : decision.fields) {
    if (name == "Access-Control-Allow-Origin") (value == "*" ? any : names_origin) = true;
    if (name == "Access-Control-Allow-Origin" && value != "*") require(value == *origin, "the origin itself", value);
    if (name == "Access-Control-Allow-Credentials") credentials = true;
  }
  require(!(any && credentials), "never all with credentials", listed);
  require((any || names_origin) == (decision.verdict == CorsDecision::allowed), "the field comes with leave", listed);
  if (decision.verdict == CorsDecision::refused) require(decision.fields.empty(), "a refusal says nothing", *origin);
  if (decision.verdict == CorsDecision::allowed) {
    require(request.header_count("origin") == 1, "one origin", *origin);
    require(lists(listed, *origin), "only who is listed", *origin);
  }
  if (decision.verdict == CorsDecision::same_origin) {
    const std::string own(*request.authority());
    const bool https = lower(*origin).starts_with("https:");
    require(canonical((https ? "https://" : "http://") + own) == canonical(*origin), "its own origin", *origin);
  }
  Response response(200);
  decision.apply(response);  // throws where a value could break the message
  if (decision.preflight) (void)policy.preflight(decision, "GET");
}

void check_host(const Request& request, const std::string& listed) {
  const auto authority = request.authority();
  const HostPolicy loopback(HostCheck::loopback, {});
  if (authority && loopback.allows(request)) {
    const std::string host = lower(*authority);
    require(host.starts_with("localhost") || host.starts_with("127.") || host.starts_with("["), "loopback", host);
    const std::size_t end = host.find_first_not_of("localhost[:]0123456789.f");
    require(end == std::string::npos, "nothing but an address and a port", host);
    if (host.starts_with("[")) {
      require(host.find("1]") != std::string::npos || host.find("ffff:") != std::string::npos, "loopback", host);
    }
  }
  const HostPolicy policy(HostCheck::listed, {listed});
  if (listed == "*" || !authority) return;
  if (policy.allows(request))
    require(lower(*authority).starts_with(lower(listed.substr(0, listed.rfind(':')))), "listed", *authority);
}

}  // namespace

void fuzz(std::string_view input) {
  const std::string origins(take_until(input, '\n')), hosts(take_until(input, '\n'));
  const std::string_view target = take_until(input, '\n'), host = take_until(input, '\n');
  const std::string_view origin = take_until(input, '\n');
  try {
    Request request(input.empty() ? "GET" : std::string(input), target);
    if (!host.empty()) request.add_header("Host", host);
    if (!origin.empty()) request.add_header("Origin", origin);
    if (request.method() == "OPTIONS") request.add_header("Access-Control-Request-Method", "POST");
    check_cors(request, origins);
    check_host(request, hosts);
  } catch (const std::invalid_argument&) {
    return;
  }
}
