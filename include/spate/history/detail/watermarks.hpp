// Watermarks: for any number of names the greatest number noted for each, in memory that does not grow with them.
//
// Names share places, so a name may be told a number that was noted for another: too great, never too small.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include <spate/config.hpp>

namespace spate::detail {

class Watermarks {
 public:
  explicit Watermarks(std::size_t places) : places_(std::max<std::size_t>(places, 1)) {}

  void raise(std::string_view name, std::uint64_t number) noexcept;
  std::uint64_t of(std::string_view name) const noexcept { return places_[place(name)]; }
  void clear() noexcept { std::fill(places_.begin(), places_.end(), 0); }

 private:
  std::size_t place(std::string_view name) const noexcept {
    return std::hash<std::string_view>()(name) % places_.size();
  }

  std::vector<std::uint64_t> places_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/impl/watermarks.ipp>
#endif
