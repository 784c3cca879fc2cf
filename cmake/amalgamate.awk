# Puts headers of Spate into one that stands alone.
#
#   awk -v include=DIRECTORY -v core=OUTPUT -v parts="NAME=REGEX ..." -v version=X.Y.Z -f amalgamate.awk HEADER...
#
# HEADER... are all .hpp and .ipp below DIRECTORY. OUTPUT gets the public ones that belong to no part, with what they and
# the parts include; and beside it spate_NAME.hpp gets what belongs to the part whose REGEX matches, after an include of
# OUTPUT's name. Matchers for a test framework, */catch_*.hpp, are left out, as they would make others need it.
#
# Each of these files has two halves: what is declared, and the functions, which come first with what the headers
# include under SPATE_HEADER_ONLY. A header's text stands once, where it is included first. Conditions stay as they are:
# a header that is included under one stands there, and what it includes itself comes before. Whatever would be lost by
# this ends the run.

function fail(why) {
  printf "amalgamate: %s\n", why >"/dev/stderr"
  failed = 1
  exit 1
}

function load(name,    line, file, count) {
  if (name in lines) return
  file = include "/" name
  while ((getline line <file) > 0) text[name, ++count] = line
  close(file)
  if (!count) fail("cannot read " file)
  lines[name] = count
}

function part_of(name,    at) {
  for (at = 1; at <= part_count; at++)
    if (name ~ part_regex[at]) return part_name[at]
  return "core"
}

function included(line) {
  if (line !~ /^[ \t]*#[ \t]*include[ \t]*</) return ""
  sub(/^[^<]*</, "", line)
  sub(/>.*/, "", line)
  return line
}

# Whether another header that is surely there has included `name` where this line stands.
function is_included(name) {
  if (("core", "declared", name) in seen || (current, "declared", name) in seen) return 1
  return half == "functions" && (("core", half, name) in seen || (current, half, name) in seen)
}

# The line of the #endif that belongs to the #if in line `at`.
function end_of_block(name, at,    depth) {
  for (; at <= lines[name]; at++) {
    if (text[name, at] ~ /^[ \t]*#[ \t]*if/) depth++
    if (text[name, at] ~ /^[ \t]*#[ \t]*endif/ && --depth == 0) return at
  }
  fail(name " has an #if without its end")
}

# Adds the header, unless it is there. `prefix` and `suffix` are the conditions around it, for its functions.
function add(name, prefix, suffix,    at, end, inner, line, nested) {
  if (name in added) return
  # What two parts include would be there twice, or not at all; but the core is there always.
  if (part_of(name) != "core" && part_of(name) != current && !(current == "core" && name ~ /\/detail\//))
    fail(current " includes " name)
  if (part_of(name) == "core" && current != "core") fail(name " is needed by " current " and not part of the core")
  added[name] = 1
  load(name)
  for (at = 1; at <= lines[name]; at++) {
    line = text[name, at]
    if (line ~ /^#pragma once/) continue
    if (line ~ /^#if defined\(SPATE_HEADER_ONLY\)/) {
      end = end_of_block(name, at)
      for (at++; at < end; at++) {
        inner = included(text[name, at])
        if (inner !~ /^spate\//) fail(name " has more than includes under SPATE_HEADER_ONLY: " text[name, at])
        deferred[++deferred_count] = inner
        deferred_prefix[deferred_count] = prefix
        deferred_suffix[deferred_count] = suffix
      }
      continue
    }
    if (line ~ /^[ \t]*#[ \t]*if/) {
      end = end_of_block(name, at)
      add_block(name, at, end, prefix, suffix)
      at = end
      continue
    }
    inner = included(line)
    if (inner ~ /^spate\//) add(inner, prefix, suffix)
    else if (inner == "" || prefix != "") put(line)
    else if (!is_included(inner)) {
      seen[current, half, inner] = 1
      put(line)
    }
  }
}

# Adds what a header of a part includes of the core.
function add_core_of(name,    at, inner) {
  load(name)
  for (at = 1; at <= lines[name]; at++) {
    inner = included(text[name, at])
    if (inner ~ /^spate\/.*\.hpp$/ && part_of(inner) == "core") add(inner, "", "")
  }
}

# Adds the lines from an #if to its #endif.
function add_block(name, at, end, prefix, suffix,    first, inner, nested, line, depth, conditions, own) {
  first = at
  for (; at <= end; at++) {
    inner = included(text[name, at])
    if (inner !~ /^spate\// || inner in added) continue
    load(inner)
    for (nested = 1; nested <= lines[inner]; nested++) {
      line = included(text[inner, nested])
      if (line ~ /^spate\// && line !~ /\.ipp$/ && line != name) add(line, prefix, suffix)
    }
  }
  for (at = first; at <= end; at++) {
    line = text[name, at]
    if (line ~ /^[ \t]*#[ \t]*if/) {
      depth++
      own[depth] = line "\n"
    } else if (line ~ /^[ \t]*#[ \t]*el/) own[depth] = own[depth] line "\n"
    else if (line ~ /^[ \t]*#[ \t]*endif/) depth--
    inner = included(line)
    if (inner !~ /^spate\//) {
      put(line)
      continue
    }
    if (inner in added) continue
    conditions = ""
    for (nested = 1; nested <= depth; nested++) conditions = conditions own[nested]
    line = ""
    for (nested = 1; nested <= depth; nested++) line = line "#endif\n"
    conditional[inner] = name
    add(inner, prefix conditions, line suffix)
  }
}

function put(line) {
  # Of several empty lines one is enough.
  if (line == "" && last_put == "") return
  last_put = line
  print line >output
}

function begin(file, what,    guard) {
  output = file
  deferred_count = 0
  half = "declared"
  last_put = ""
  put("// Spate " version ", " what ". Made of the headers of Spate; they are the ones to change.")
  put("//")
  put("// Copyright of the contributors to Spate. Boost Software License 1.0: https://www.boost.org/LICENSE_1_0.txt")
  put("//")
  put("// Functions are compiled with each source that uses them. With SPATE_SEPARATE_COMPILATION, defined for all sources of")
  put("// a program, they are only declared, and one of these sources defines SPATE_IMPLEMENTATION before it includes this.")
  put("#pragma once")
  put("")
}

function finish(    at) {
  put("")
  put("#if defined(SPATE_HEADER_ONLY) || defined(SPATE_IMPLEMENTATION)")
  half = "functions"
  for (at = 1; at <= deferred_count; at++) {
    if (deferred[at] in added) continue
    if (deferred_prefix[at] != "") printf "%s", deferred_prefix[at] >output
    add(deferred[at], deferred_prefix[at], deferred_suffix[at])
    if (deferred_suffix[at] != "") printf "%s", deferred_suffix[at] >output
  }
  put("#endif")
  close(output)
}

# All functions that `header` lists for separate compilation are there.
function check(header,    at, name) {
  load(header)
  for (at = 1; at <= lines[header]; at++) {
    name = included(text[header, at])
    if (name ~ /\.ipp$/ && !(name in added)) fail("the functions of " name " are missing")
  }
}

BEGIN {
  half = "declared"
  part_count = split(parts, given, " ")
  for (at = 1; at <= part_count; at++) {
    part_name[at] = substr(given[at], 1, index(given[at], "=") - 1)
    part_regex[at] = "^" substr(given[at], index(given[at], "=") + 1)
  }
  directory = core
  sub(/[^\/]*$/, "", directory)
  name_of_core = substr(core, length(directory) + 1)

  current = "core"
  begin(core, "all but the optional parts")
  add("spate/spate.hpp", "", "")
  for (at = 1; at < ARGC; at++)
    if (part_of(ARGV[at]) == "core" && ARGV[at] !~ /\/detail\/|src\.hpp$|\.ipp$/) add(ARGV[at], "", "")
  for (at = 1; at < ARGC; at++)
    if (part_of(ARGV[at]) != "core") add_core_of(ARGV[at])
  finish()
  check("spate/src.hpp")

  for (part = 1; part <= part_count; part++) {
    current = part_name[part]
    begin(directory "spate_" current ".hpp", "the optional part " current)
    put("#include \"" name_of_core "\"")
    put("")
    for (at = 1; at < ARGC; at++)
      if (part_of(ARGV[at]) == current && ARGV[at] !~ /src\.hpp$|\.ipp$|\/catch_/) add(ARGV[at], "", "")
    finish()
    for (at = 1; at < ARGC; at++)
      if (part_of(ARGV[at]) == current && ARGV[at] ~ /src\.hpp$/) check(ARGV[at])
  }
  exit failed
}
