// floor: the least that a server can do, and so the reference for every ratio. It is driven by `load` exactly like the
// hub.
#include "floor_parts/http1.hpp"

namespace {

constexpr char usage[] = R"(floor: the least an event stream server can do

  --history              keep every broadcast, and send all of them to who comes with a Last-Event-ID)";

}  // namespace

int main(int argc, char** argv) {
  const auto options = floors::parse_options(argc, argv, usage, {{"--history", &floors::Options::history}});
  floors::Http1Floor<floors::PlainTransport>(options, "http").run();
}
