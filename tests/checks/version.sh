#!/usr/bin/env bash
# Wherever the version of Spate is written, it is that of include/spate/version.hpp, and the newest entry of the
# changelog is about it.
#
#   version.sh PROJECT
set -uo pipefail
cd "$1"
failures=0
macro() { sed -n "s/^#define SPATE_VERSION_$1 \"\{0,1\}\([0-9.]*\)\"\{0,1\}\$/\1/p" include/spate/version.hpp; }
version=$(macro MAJOR).$(macro MINOR).$(macro PATCH)
minor=$(macro MAJOR).$(macro MINOR)

# says WHERE WHAT: that file WHERE says WHAT of the version.
says() {
  if [ "$2" != "${3:-$version}" ]; then
    echo "$1 says \"$2\" and not \"${3:-$version}\""
    failures=1
  fi
}
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || { echo "version.hpp has no version: $version"; exit 1; }
says "SPATE_VERSION_STRING" "$(macro STRING)"
says .github/CHANGELOG.md "$(grep -m 1 '^## ' .github/CHANGELOG.md | grep -oE '[0-9]+\.[0-9]+\.[0-9]+')"
says cmake/packaging/vcpkg/vcpkg.json "$(sed -n 's/^  "version": "\(.*\)",$/\1/p' cmake/packaging/vcpkg/vcpkg.json)"
says cmake/packaging/conan/conanfile.py "$(sed -n 's/^    version = "\(.*\)"$/\1/p' cmake/packaging/conan/conanfile.py)"

# Who looks for the package looks for this one.
while IFS=: read -r file line; do
  says "$file" "$(grep -oE '[0-9]+(\.[0-9]+)*' <<<"$line" | head -n 1)" "$minor"
done < <(grep -rE 'find_package\(spate [0-9]' --include=CMakeLists.txt --include='*.md' --include='*.sh' README.md tests cmake examples |
  grep -v node_modules)
exit $failures
