// What the snippets of README.md take for granted.
#pragma once

#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <spate/spate.hpp>

using namespace std::chrono_literals;
