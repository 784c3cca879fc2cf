// Events to bytes and back.
#include <benchmark/benchmark.h>

#include <string>

#include <spate/wire/decoder.hpp>
#include <spate/wire/encoded_event.hpp>
#include <spate/wire/event.hpp>

namespace {

std::string text(std::int64_t bytes, std::size_t line) {
  std::string text(static_cast<std::size_t>(bytes), 'x');
  for (std::size_t at = line; line != 0 && at < text.size(); at += line) text[at] = '\n';
  return text;
}

void build(benchmark::State& state) {
  const std::string data = text(state.range(0), 0);
  for (auto _ : state) {
    spate::Event event(data);
    event.name("note");
    benchmark::DoNotOptimize(event);
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(build)->Arg(16)->Arg(128)->Arg(4096)->Arg(1 << 20);

void encode(benchmark::State& state) {
  const std::string data = text(state.range(0), static_cast<std::size_t>(state.range(1)));
  spate::Event event(data);
  event.name("note");
  for (auto _ : state) {
    auto encoded = spate::EventEncoder(event).finish("m1x2y3z4-1234567");
    benchmark::DoNotOptimize(encoded.chunk().data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(encode)
    ->ArgNames({"bytes", "line"})
    ->Args({16, 0})
    ->Args({128, 0})
    ->Args({4096, 0})
    ->Args({4096, 64})
    ->Args({1 << 20, 0});

// Events of `range(0)` bytes, fed in pieces of `range(1)`.
void decode(benchmark::State& state) {
  std::string stream;
  constexpr int events = 64;
  const std::string data = text(state.range(0), 0);
  for (int i = 0; i < events; ++i) {
    spate::Event event(data);
    event.name("note").id(std::to_string(i));
    stream += spate::EncodedEvent(event).bytes();
  }
  const auto piece = static_cast<std::size_t>(state.range(1));
  std::size_t seen = 0;
  for (auto _ : state) {
    spate::EventDecoder decoder;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      decoder.feed(std::string_view(stream).substr(at, piece),
                   [&](const spate::DecodedEvent& event) { seen += event.data.size(); });
    }
  }
  benchmark::DoNotOptimize(seen);
  state.SetItemsProcessed(state.iterations() * events);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(stream.size()));
}
BENCHMARK(decode)
    ->ArgNames({"bytes", "piece"})
    ->Args({128, 1 << 20})
    ->Args({128, 1460})
    ->Args({128, 7})
    ->Args({4096, 1460});

}  // namespace
