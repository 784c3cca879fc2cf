#include <asio/io_context.hpp>
#include <spate/program.hpp>

#include "orders.hpp"

int main(int argc, char** argv) {
  spate::Program program("tells who ordered what becomes of it", argc, argv);
  asio::io_context io;
  spate::Server server(io, program.options);
  Orders orders;
  orders.add_routes(server);
  return program.serve(io, server);
}
