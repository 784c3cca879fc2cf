# spate_embed(<target> <name> <file>) puts the text of <file> into <target>, so that the program needs no files when it
# runs. The target's sources then say
#
#   #include "pages/<name>.hpp"        // inline constexpr std::string_view pages::<name>
#
# The header is written again whenever the file changes. It holds an array of characters, for which no compiler has a
# limit as it has for string literals.
set(SPATE_EMBED_SCRIPT "${CMAKE_CURRENT_LIST_FILE}")

function(spate_embed target name file)
  set(directory "${CMAKE_CURRENT_BINARY_DIR}/${target}_pages")
  set(header "${directory}/pages/${name}.hpp")
  add_custom_command(OUTPUT "${header}"
    COMMAND "${CMAKE_COMMAND}" "-DNAME=${name}" "-DINPUT=${file}" "-DOUTPUT=${header}" -P "${SPATE_EMBED_SCRIPT}"
    DEPENDS "${file}" "${SPATE_EMBED_SCRIPT}"
    COMMENT "Embedding ${name}"
    VERBATIM)
  set_property(GLOBAL APPEND PROPERTY SPATE_EMBEDDED_PAGES "${header}")
  target_sources(${target} PRIVATE "${header}")
  target_include_directories(${target} PRIVATE "${directory}")
endfunction()

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  file(READ "${INPUT}" bytes HEX)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
  # Sixteen characters of seven letters to a line.
  string(REGEX REPLACE "(................................................................................................................)"
    "\\1\n    " bytes "${bytes}")
  file(WRITE "${OUTPUT}" "#pragma once
#include <string_view>

namespace pages {
namespace detail {
inline constexpr char ${NAME}[] = {
    ${bytes}0};
}
inline constexpr std::string_view ${NAME}(detail::${NAME}, sizeof detail::${NAME} - 1);
}  // namespace pages
")
endif()
