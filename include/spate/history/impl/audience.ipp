// The functions of audience.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/history/audience.hpp>

namespace spate {

SPATE_DECL bool Audience::includes(std::string_view user) const noexcept {
  switch (kind_) {
    case Kind::user: return user == name_;
    case Kind::group: return user.substr(0, name_.size()) == name_;
    case Kind::everybody: return true;
    case Kind::users:
      for (const std::string& name : names_) {
        if (user == name) return true;
      }
      return false;
  }
  return false;
}

}  // namespace spate
