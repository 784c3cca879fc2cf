#!/usr/bin/env bash
# Somebody's own service, tests/consumer/service, built against the installed package on a machine that has the optional
# parts too: it serves, its unit test passes where there is one, and it links none of these parts.
#
#   service.sh PROJECT BUILD [CMAKE_OPTION...]
set -euo pipefail
# shellcheck source=serve.sh
source "$(dirname "$0")/serve.sh"
project=$1 build=$2
shift 2
scratch=$build/consumer/service
rm -rf "$scratch"
mkdir -p "$scratch"
install_spate "$build" "$scratch/prefix"
cp -r "$project/tests/consumer/service" "$scratch/source"

cmake -S "$scratch/source" -B "$scratch/build" -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_PREFIX_PATH=$scratch/prefix" "$@"
cmake --build "$scratch/build" --verbose >"$scratch/commands" || { cat "$scratch/commands"; exit 1; }
ldd "$scratch/build/orders" | has_no_parts "the service links"
if [ -x "$scratch/build/orders_test" ]; then "$scratch/build/orders_test"; fi
serve "$scratch/build/orders" "$scratch/orders" /orders/7
grep -qx 'data: ordered' "$scratch/orders.events"
