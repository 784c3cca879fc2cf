// Requests: what a browser sends to subscribe, and what a publisher sends.
#include <benchmark/benchmark.h>

#include <string>

#include <spate/http/limits.hpp>
#include <spate/http/path_pattern.hpp>
#include <spate/http/request_parser.hpp>

namespace {

const std::string browser =
    "GET /sse/subscribe/alice?event=note HTTP/1.1\r\n"
    "Host: 127.0.0.1:8080\r\n"
    "Connection: keep-alive\r\n"
    "sec-ch-ua: \"Chromium\";v=\"120\", \"Not:A-Brand\";v=\"99\"\r\n"
    "Accept: text/event-stream\r\n"
    "Cache-Control: no-cache\r\n"
    "sec-ch-ua-mobile: ?0\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 "
    "Safari/537.36\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "Sec-Fetch-Mode: cors\r\n"
    "Sec-Fetch-Dest: empty\r\n"
    "Referer: http://127.0.0.1:8080/\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Accept-Language: en-US,en;q=0.9\r\n"
    "Last-Event-ID: m1x2y3z4-1234567\r\n\r\n";

const std::string publisher =
    "POST /sse/broadcast HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: 128\r\n\r\n" +
    std::string(128, 'x');

void parse(benchmark::State& state, const std::string& text, std::size_t piece) {
  const spate::RequestLimits limits;
  spate::RequestParser parser(limits);
  using Progress = spate::RequestParser::Progress;
  for (auto _ : state) {
    parser.reset();
    auto progress = Progress::need_more;
    std::string_view rest = text;
    while (progress == Progress::need_more || progress == Progress::head_complete) {
      const auto step = parser.parse(rest.substr(0, piece));
      progress = step.progress;
      rest.remove_prefix(step.consumed);
    }
    if (progress != Progress::complete) state.SkipWithError("the request was refused");
    benchmark::DoNotOptimize(parser.request());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK_CAPTURE(parse, browser, browser, std::string::npos);
BENCHMARK_CAPTURE(parse, browser_in_pieces_of_64, browser, 64);
BENCHMARK_CAPTURE(parse, publisher, publisher, std::string::npos);

}  // namespace
