#pragma once

#include <string>
#include <vector>

namespace spate::test {

/// What was heard, or is to be heard, in its order.
using Texts = std::vector<std::string>;

}  // namespace spate::test
