# The site of the documents: cmake --build BUILD --target spate-docs puts it into BUILD/docs/site. It is made of the
# comments in the public headers, of the guides in include/spate/guides, and of the other Markdown files. Its pictures
# are taken of the hub and the examples, where Chromium is there to show them.
find_program(SPATE_DOXYGEN doxygen DOC "Makes the site of the documents")
find_program(SPATE_NODE NAMES node nodejs DOC "Runs the tests in tests/web, and makes the site of the documents")
find_program(SPATE_CHROMIUM NAMES chromium chromium-browser DOC "The browser of the tests in tests/web")
if(NOT SPATE_DOXYGEN OR NOT SPATE_NODE)
  message(STATUS "spate: no target spate-docs: it needs doxygen and node")
  return()
endif()

set(spate_docs "${PROJECT_BINARY_DIR}/docs")
set(spate_pictures "")
set(spate_picture_folder "")
set(spate_pictured "")
if(SPATE_CHROMIUM AND TARGET hub AND EXISTS "${PROJECT_SOURCE_DIR}/tests/web/node_modules/playwright-core")
  set(spate_pictured hub chat memory_monitor)
  set(spate_picture_folder "${spate_docs}/pictures")
  set(spate_pictures COMMAND "${CMAKE_COMMAND}" -E env "HUB=$<TARGET_FILE:hub>" "EXAMPLES=$<TARGET_FILE_DIR:hub>"
    "CHROMIUM=${SPATE_CHROMIUM}" "${SPATE_NODE}" "${PROJECT_SOURCE_DIR}/cmake/docs/pictures.mjs" "${spate_picture_folder}")
endif()
add_custom_target(spate-docs
  ${spate_pictures}
  COMMAND "${SPATE_NODE}" "${PROJECT_SOURCE_DIR}/cmake/docs/build.mjs" "${PROJECT_SOURCE_DIR}" "${spate_docs}"
    ${spate_picture_folder}
  DEPENDS ${spate_pictured}
  VERBATIM)
