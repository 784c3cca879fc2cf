// How a service is tested: it stands in a header of its own, notes.hpp, adds its routes to whatever server it is given,
// and test/notes_test.cpp gives it one in memory. This program gives it one on a port.
//
//   curl -N http://127.0.0.1:8080/boards/kitchen
//   curl -H 'Authorization: Bearer secret' -d 'buy milk' http://127.0.0.1:8080/boards/kitchen
#include <asio/io_context.hpp>

#include <spate/program.hpp>
#include <spate/spate.hpp>

#include "unit_testing/notes.hpp"

int main(int argc, char** argv) {
  spate::Program program("boards to which notes are pinned", argc, argv);
  asio::io_context io;
  Notes notes("secret");
  spate::Server server(io, program.options);
  notes.add_routes(server);
  return program.serve(io, server);
}
