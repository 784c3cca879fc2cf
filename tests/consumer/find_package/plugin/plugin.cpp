#include <string>

#include <spate/spate.hpp>

std::string encode(const std::string& text) {
  return std::string(spate::EncodedEvent(spate::Event(text)).bytes());
}
