if(NOT TARGET nlohmann_json::nlohmann_json)
  set(missing "nlohmann-json")
endif()
