// The command line of `load`: what each option means and what it defaults to.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

struct Options {
  std::string mode = "fanout";
  std::string address = "127.0.0.1";
  std::vector<std::uint16_t> ports;  // connections go to them in turn
  std::string subscribe = "/sse/subscribe/{user}";
  std::string publish;  // empty: by mode
  std::size_t streams = 1000;
  std::size_t publishers = 1;
  std::size_t events = 0;   // 0: as many as fit in `seconds`
  double seconds = 3;       // 0: until `events` are published
  double rate = 0;          // events per second; 0: the next one when the answer is there
  std::size_t size = 128;   // bytes of data
  std::size_t targets = 0;  // destinations in turn, spread over all there are; 0: all of them
  std::size_t group_size = 100;
  std::size_t warm_up = 3;      // events for each destination in turn that come before the measurement
  std::size_t stalled = 0;      // further streams that are never read
  std::size_t owed = 1000;      // replay: events that each returning client is owed
  std::size_t listeners = 100;  // replay: clients that are there all the time
  std::size_t parallel = 64;    // connections being opened at a time
  std::size_t sources = 16;     // source addresses, 127.0.0.2 and up
  double grace = 5;             // seconds without progress after which the rest is counted as missing
  double settle = 0;            // seconds between the last stream's opening and the first event
  bool reset = false;           // churn: close by RST, which leaves no TIME_WAIT, instead of FIN
  bool tls = false;
  bool http2 = false;
  std::size_t streams_per_connection = 100;  // HTTP/2
  bool resume = false;                       // churn: with the ticket of the connection before
  int server_pid = 0;
  int server_core = 0;
  std::string label;
  std::string format = "text";
  bool self_test = false;
};

inline constexpr char usage[] =
    R"(load: opens event streams, publishes events, and reports what arrived, when, and what it cost

  --mode MODE          fanout     every event to every stream
                       unicast    every event to one user, round robin
                       group      every event to the users whose id starts with a prefix
                       idle       nothing is published: memory and heartbeats
                       churn      connect, subscribe, close, as fast as possible
                       replay     clients return at once with Last-Event-ID and are owed --owed events each
  --address A --port P where the server listens (127.0.0.1, 8080); with several ports connections go to them in turn
  --subscribe PATH     path of a stream; {user} and {group} are replaced (/sse/subscribe/{user})
  --publish PATH       path to publish at; {user} and {group} are replaced (by mode: /sse/broadcast, ...)
  --streams N          streams (1000); in churn mode those open at a time
  --publishers K       keep-alive connections that publish (1)
  --events M           stop after M events, or M connections in churn mode (0: see --seconds)
  --seconds T          stop publishing after T seconds (3; 0: see --events)
  --rate R             events a second in all; 0: each publisher sends the next when it has its answer (0)
  --size S             bytes of data in an event, at least 29 (128)
  --targets T          unicast, group: destinations in turn, spread evenly over all; 0: all (0)
  --group-size G       users to a prefix (100)
  --warm-up W          events to each destination before the measurement (3)
  --stalled N          further streams that are opened and never read (0)
  --owed X             replay: events owed to each returning client (1000)
  --listeners L        replay: clients that stay connected; live latency is theirs (100)
  --parallel C         connections being opened at a time (64)
  --sources A          source addresses from 127.0.0.2 on (16)
  --grace T            seconds without progress until the rest counts as missing (5)
  --settle T           seconds to wait after the last stream opened (0)
  --reset              churn: close by RST instead of FIN
  --tls                speak TLS; no certificate is verified
  --resume             churn: resume the session of the connection before
  --http2              speak HTTP/2; without TLS by prior knowledge
  --streams-per-connection N   HTTP/2: streams that share a connection (100)
  --server-pid PID     the server, whose processor time and memory are reported, with its children
  --server-core N      the core it is pinned to (0)
  --label TEXT         stands first in the report
  --format F           text, line (key=value ...) or json (text)
  --self-test          tests this program's own parts and exits
Exit status: 0; 1 when something was missing, doubled, out of order or closed; 2 for the command line; 3 when the
server could not be reached or did not answer.
)";

[[noreturn]] inline void refuse_option(std::string_view what, std::string_view text) {
  std::fprintf(stderr, "load: %.*s: \"%.*s\"\n", static_cast<int>(what.size()), what.data(),
               static_cast<int>(text.size()), text.data());
  std::exit(2);
}

inline double number(const char* text, double least = 0) {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (end == text || *end != '\0' || !(value >= least)) refuse_option("bad number", text);
  return value;
}

inline std::size_t count(const char* text, std::size_t least = 0) {
  return static_cast<std::size_t>(number(text, static_cast<double>(least)));
}

inline Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--help") {
      std::fputs(usage, stdout);
      std::exit(0);
    }
    bool* const flag = name == "--reset"       ? &options.reset
                       : name == "--tls"       ? &options.tls
                       : name == "--http2"     ? &options.http2
                       : name == "--resume"    ? &options.resume
                       : name == "--self-test" ? &options.self_test
                                               : nullptr;
    if (flag != nullptr) {
      *flag = true;
      continue;
    }
    if (i + 1 == argc) refuse_option("unknown option, or its value is missing", name);
    const char* value = argv[++i];
    if (name == "--mode")
      options.mode = value;
    else if (name == "--address")
      options.address = value;
    else if (name == "--port")
      options.ports.push_back(static_cast<std::uint16_t>(count(value)));
    else if (name == "--subscribe")
      options.subscribe = value;
    else if (name == "--publish")
      options.publish = value;
    else if (name == "--streams")
      options.streams = count(value);
    else if (name == "--publishers")
      options.publishers = count(value, 1);
    else if (name == "--events")
      options.events = count(value);
    else if (name == "--seconds")
      options.seconds = number(value);
    else if (name == "--rate")
      options.rate = number(value);
    else if (name == "--size")
      options.size = count(value, 29);
    else if (name == "--targets")
      options.targets = count(value);
    else if (name == "--group-size")
      options.group_size = count(value, 1);
    else if (name == "--warm-up")
      options.warm_up = count(value);
    else if (name == "--stalled")
      options.stalled = count(value);
    else if (name == "--owed")
      options.owed = count(value);
    else if (name == "--listeners")
      options.listeners = count(value);
    else if (name == "--parallel")
      options.parallel = count(value, 1);
    else if (name == "--streams-per-connection")
      options.streams_per_connection = count(value, 1);
    else if (name == "--sources")
      options.sources = count(value, 1);
    else if (name == "--grace")
      options.grace = number(value);
    else if (name == "--settle")
      options.settle = number(value);
    else if (name == "--server-pid")
      options.server_pid = static_cast<int>(count(value));
    else if (name == "--server-core")
      options.server_core = static_cast<int>(number(value, -1));
    else if (name == "--label")
      options.label = value;
    else if (name == "--format")
      options.format = value;
    else
      refuse_option("unknown option", name);
  }
  if (options.format != "text" && options.format != "line" && options.format != "json") {
    refuse_option("unknown format", options.format);
  }
  if (options.resume && !(options.tls && options.mode == "churn")) {
    refuse_option("only for --mode churn with --tls", "--resume");
  }
  if (options.ports.empty()) options.ports.push_back(8080);
  if (options.publish.empty()) {
    options.publish = options.mode == "unicast" ? "/sse/send/{user}"
                      : options.mode == "group" ? "/sse/group/{group}"
                                                : "/sse/broadcast";
  }
  return options;
}

}  // namespace bench
