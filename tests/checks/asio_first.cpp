// Asio chooses how it allocates by what the standard library has said before: what a source allocates that includes
// Asio first, others free that do not.
#include <asio/io_context.hpp>
#ifdef ASIO_HAS_STD_ALIGNED_ALLOC
#define FIRST true
#else
#define FIRST false
#endif

// As Asio goes on to choose in sources that begin with the standard library.
#undef ASIO_DETAIL_CONFIG_HPP
#undef ASIO_HAS_STD_ALIGNED_ALLOC
#include <asio/detail/config.hpp>
#ifdef ASIO_HAS_STD_ALIGNED_ALLOC
#define LATER true
#else
#define LATER false
#endif

static_assert(FIRST == LATER);
