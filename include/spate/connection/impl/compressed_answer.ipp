// The functions of compressed_answer.hpp.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include <spate/config.hpp>
#include <spate/connection/detail/compressed_answer.hpp>
#include <spate/http/detail/tokens.hpp>

namespace spate::detail {

/// Whether a body of that type is text, which gets shorter: pictures, sound and archives are compressed already.
inline bool is_text(std::string_view content_type) noexcept {
  const std::string_view type = trim(content_type.substr(0, content_type.find(';')));
  const auto begins = [&](std::string_view with) { return iequals(type.substr(0, with.size()), with); };
  const auto ends = [&](std::string_view with) {
    return type.size() >= with.size() && iequals(type.substr(type.size() - with.size()), with);
  };
  static constexpr std::array<std::string_view, 5> others{
      "application/json", "application/javascript", "application/xml", "application/wasm", "application/x-ndjson"};
  for (const std::string_view other : others) {
    if (iequals(type, other)) return true;
  }
  return begins("text/") || ends("+json") || ends("+xml");
}

SPATE_DECL void compress(Response& response, GzipPieces& gzip, bool admitted) {
  const std::string_view body = response.body();
  const bool in_parts = !response.parts().empty();
  // A 304 has the fields that the 200 would have had. (RFC 9110 15.4.5)
  if (response.status() == 304) {
    response.add_missing_headers({{"Vary", "Accept-Encoding"}});
    return;
  }
  if (body.empty() || (body.size() <= least_compressed_body && !in_parts)) return;
  if (response.status() < 200 || response.status() == 204 || response.status() == 206) return;
  if (!response.header("Content-Encoding").empty() || !response.header("Content-Range").empty()) return;
  if (!is_text(response.content_type()) || has_token(response.header("Cache-Control"), "no-transform")) return;
  response.add_missing_headers({{"Vary", "Accept-Encoding"}});
  if (!admitted || (body.size() > most_compressed_body && !response.shared_body())) return;
  if (const auto& shared = response.shared_body(); shared && !in_parts) {
    auto made = gzip.body(shared);
    response.shared_body(std::move(made));
  } else {
    response.body(gzip.body(body, response.parts()));
  }
  response.header("Content-Encoding", "gzip");
  // Another coding is another representation: a strong tag is that of one of them only. (RFC 9110 8.8.3.3)
  if (const std::string tag(response.header("ETag")); tag.starts_with('"')) response.header("ETag", "W/" + tag);
}

}  // namespace spate::detail
