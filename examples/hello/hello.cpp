// The smallest program: whoever asks gets one event.
//
//   curl -N http://127.0.0.1:8080/hello
#include <asio/io_context.hpp>
#include <spate/program.hpp>
#include <spate/spate.hpp>

int main(int argc, char** argv) {
  spate::Program program("greets whoever connects", argc, argv);  // --address, --port, --help
  asio::io_context io;
  spate::Server server(io, program.options);

  server.stream("/hello", [](spate::EventStream stream) {
    stream.send(spate::Event("Hello, world!").name("greeting").id("1"));
    stream.complete();
  });

  return program.serve(io, server);  // until SIGTERM or Ctrl-C
}
