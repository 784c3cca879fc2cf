// Two secrets in braces would be taken for the two ends of one text.
// error: (use of deleted function|call to deleted|attempt to use a deleted function)
#include <spate/jwt/jwt_verifier.hpp>

spate::JwtVerifier make() {
#ifdef MUST_NOT_COMPILE
  return spate::JwtVerifier({"a secret of no fewer than 32 bytes", "another secret of as many bytes"});
#else
  return spate::JwtVerifier{"a secret of no fewer than 32 bytes"};
#endif
}
