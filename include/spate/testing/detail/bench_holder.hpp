// BenchHolder: a base that comes before the server which needs it, and goes after it.
#pragma once

#include <memory>

#include <spate/config.hpp>

namespace spate::detail {

class Bench;  // NOLINT(cppcoreguidelines-virtual-class-destructor): it is final

class BenchHolder {
 protected:
  BenchHolder();
  std::shared_ptr<Bench> bench_;
};

}  // namespace spate::detail
