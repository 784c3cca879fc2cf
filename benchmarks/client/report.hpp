// The report: named figures in the order in which they were found, as text, as one line, or as JSON.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace bench {

class Report {
 public:
  void add(std::string name, double value) {
    char text[64];
    if (!std::isfinite(value)) value = 0;
    if (value == std::floor(value) && std::fabs(value) < 1e15) {
      std::snprintf(text, sizeof text, "%.0f", value);
    } else {
      std::snprintf(text, sizeof text, std::fabs(value) < 100 ? "%.4f" : "%.1f", value);
    }
    figures_.emplace_back(std::move(name), text);
  }
  void add(std::string name, const std::string& text) { figures_.emplace_back(std::move(name), quoted(text)); }

  void print(const std::string& format) const {
    std::string out;
    for (const auto& [name, value] : figures_) {
      if (format == "json") {
        out += (out.empty() ? "{\"" : ",\"") + name + "\":" + value;
      } else if (format == "line") {
        out += (out.empty() ? "" : " ") + name + "=" + value;
      } else {
        out += name + std::string(name.size() < 26 ? 26 - name.size() : 1, ' ') + value + "\n";
      }
    }
    if (format == "json") out += "}";
    std::printf("%s%s", out.c_str(), format == "text" ? "" : "\n");
  }

 private:
  static std::string quoted(const std::string& text) {
    std::string quoted = "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c;
    }
    return quoted + "\"";
  }

  std::vector<std::pair<std::string, std::string>> figures_;
};

}  // namespace bench
