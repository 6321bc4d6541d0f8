# {fmt}, spdlog and toml++ as archives of our own. Debian has them as shared objects only, and each
# shared object costs each of the three processes pages of its own: relocated tables, data, and the
# text around every function that is used. Compiled into the program, what is not used is left out.

find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(Threads REQUIRED)
get_target_property(FMT_INCLUDE fmt::fmt-header-only INTERFACE_INCLUDE_DIRECTORIES)

# jailsvc_library(NAME DEFINITIONS...): cmake/libraries/NAME.cpp as the archive library-NAME.
function(jailsvc_library name)
  add_library(library-${name} STATIC ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/libraries/${name}.cpp)
  target_include_directories(library-${name} SYSTEM PUBLIC ${FMT_INCLUDE})
  target_compile_definitions(library-${name} PUBLIC ${ARGN})
  target_link_libraries(library-${name} PUBLIC jailsvc-sections)
endfunction()

jailsvc_library(fmt FMT_STATIC_THOUSANDS_SEPARATOR=',')
jailsvc_library(spdlog SPDLOG_COMPILED_LIB SPDLOG_FMT_EXTERNAL)
target_link_libraries(library-spdlog PUBLIC library-fmt Threads::Threads)
