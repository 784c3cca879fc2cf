// The protocol of Redis, as it answers: RESP2.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace spate::test::resp {

inline std::string simple(const std::string& text) {
  return "+" + text + "\r\n";
}
inline std::string error(const std::string& text) {
  return "-" + text + "\r\n";
}
inline std::string integer(std::int64_t number) {
  return ":" + std::to_string(number) + "\r\n";
}
inline std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}
inline std::string nothing() {
  return "*-1\r\n";
}
inline std::string array(const std::vector<std::string>& elements) {
  std::string all = "*" + std::to_string(elements.size()) + "\r\n";
  for (const std::string& element : elements) all += element;
  return all;
}

}  // namespace spate::test::resp
