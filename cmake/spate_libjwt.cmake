# Gives the target spate::libjwt if libjwt 1.10 or newer, below 3, is installed; without it nothing is said and nothing
# fails. (3.0 has another interface.)
include_guard(GLOBAL)

find_path(SPATE_LIBJWT_INCLUDE_DIR jwt.h DOC "The folder that holds jwt.h of libjwt")
find_library(SPATE_LIBJWT_LIBRARY jwt DOC "The libjwt library")
mark_as_advanced(SPATE_LIBJWT_INCLUDE_DIR SPATE_LIBJWT_LIBRARY)

if(SPATE_LIBJWT_INCLUDE_DIR AND SPATE_LIBJWT_LIBRARY)
  file(STRINGS "${SPATE_LIBJWT_INCLUDE_DIR}/jwt.h" spate_libjwt_decodes REGEX "jwt_decode\\(")
  if(spate_libjwt_decodes)
    add_library(spate_libjwt INTERFACE)
    add_library(spate::libjwt ALIAS spate_libjwt)
    target_include_directories(spate_libjwt SYSTEM INTERFACE "${SPATE_LIBJWT_INCLUDE_DIR}")
    target_link_libraries(spate_libjwt INTERFACE "${SPATE_LIBJWT_LIBRARY}")
  endif()
endif()
