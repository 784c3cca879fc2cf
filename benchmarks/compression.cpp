// What compression costs and spares: bytes, processor time, memory.
//
//   compression bytes [EVENTS]
//     bytes for each event of four kinds, and the time to make them once; each is decoded again
//   compression serve [--streams N] [--mode broadcast|tenth|half] [--kind ticks|chat|tokens|html] [--rounds N]
//                     [--steps N] [--subjects "plain gzip states node node_plain nginx"] [--peers FOLDER]
//     servers that take turns, each in a process of its own, and their clients in others: CPU and bytes for each
//     delivery, with the ratio to the first subject in the same round, and memory of an idle stream
//
// Subjects: `plain` and `gzip` are the same server of Spate's, whose clients ask for gzip or do not; `states` is the
// least that a server can do which has a zlib state for each stream; `node` is Node with its zlib, `node_plain`
// without; `nginx` compresses what a plain server of Spate's sends, and only its own time and memory count. FOLDER is
// benchmarks/peers. Exit status 1 when something was decoded to anything else, or a bar was missed.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <sstream>
#include <stdexcept>
#include <string>

#include "compression_parts/bytes.hpp"
#include "compression_parts/serve.hpp"

#ifndef SPATE_BENCHMARK_PEERS
#define SPATE_BENCHMARK_PEERS "benchmarks/peers"
#endif

namespace {

bench::ServeOptions parse(int argc, char** argv) {
  bench::ServeOptions options;
  options.peers = SPATE_BENCHMARK_PEERS;
  for (int i = 2; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) throw std::invalid_argument(name + " needs a value");
    const std::string value = argv[i + 1];
    if (name == "--streams") {
      options.streams = std::stoul(value);
    } else if (name == "--mode") {
      options.mode = value;
    } else if (name == "--kind") {
      options.kind = bench::kind_named(value);
    } else if (name == "--rounds") {
      options.rounds = std::stoul(value);
    } else if (name == "--steps") {
      options.steps = std::stoul(value);
    } else if (name == "--peers") {
      options.peers = value;
    } else if (name == "--subjects") {
      options.subjects.clear();
      std::istringstream words(value);
      for (std::string word; words >> word;) options.subjects.push_back(word);
    } else {
      throw std::invalid_argument("unknown option " + name);
    }
  }
  if (options.mode != "broadcast" && options.mode != "tenth" && options.mode != "half")
    throw std::invalid_argument("unknown mode " + options.mode);
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::string verb = argc > 1 ? argv[1] : "";
    if (verb == "bytes") return bench::print_bytes(argc > 2 ? std::stoul(argv[2]) : 1000) ? EXIT_SUCCESS : EXIT_FAILURE;
    if (verb == "serve") return bench::print_serve(parse(argc, argv)) ? EXIT_SUCCESS : EXIT_FAILURE;
    throw std::invalid_argument("bytes or serve, see the beginning of compression.cpp");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "compression: %s\n", error.what());
    return 2;
  }
}
