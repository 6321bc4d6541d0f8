# How every folder of the tree becomes a target: one call each, the same flags everywhere.

find_package(nlohmann_json REQUIRED)
# The archive, since the static `jailsvc` links it too.
find_library(SODIUM_LIBRARY libsodium.a REQUIRED)
find_path(TOMLPLUSPLUS_INCLUDE toml++/toml.h REQUIRED)
find_path(SECCOMP_INCLUDE seccomp.h REQUIRED)
find_library(SECCOMP_LIBRARY libseccomp.a REQUIRED)
find_path(EV_INCLUDE ev.h REQUIRED)
find_library(EV_LIBRARY libev.a REQUIRED)
find_path(ZSTD_INCLUDE zstd.h REQUIRED)
find_library(ZSTD_LIBRARY libzstd.a REQUIRED)

# JAILSVC_BARE: a target without a C library, hence without its checked functions.
add_library(jailsvc-flags INTERFACE)
target_include_directories(jailsvc-flags INTERFACE ${CMAKE_SOURCE_DIR}/supervisor
                                                   ${CMAKE_SOURCE_DIR}/plugins/abi)
target_compile_options(
  jailsvc-flags
  INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wswitch-enum -Werror
            $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor> -fstack-protector-strong
            $<$<AND:$<CONFIG:Release>,$<NOT:$<BOOL:$<TARGET_PROPERTY:JAILSVC_BARE>>>>:-D_FORTIFY_SOURCE=2>)
target_compile_definitions(jailsvc-flags INTERFACE _GNU_SOURCE
                                                   JAILSVC_VERSION="${PROJECT_VERSION}")

# Only what is called gets into a program, see Libraries.cmake.
add_library(jailsvc-sections INTERFACE)
target_compile_options(jailsvc-sections INTERFACE -ffunction-sections -fdata-sections)
target_link_options(jailsvc-sections INTERFACE -Wl,--gc-sections)

# Everything dynamic is position independent, with all relocations done at start.
add_library(jailsvc-hosted INTERFACE)
target_link_libraries(jailsvc-hosted INTERFACE jailsvc-flags jailsvc-sections)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(${CMAKE_CURRENT_LIST_DIR}/Libraries.cmake)
target_link_options(jailsvc-hosted INTERFACE -Wl,-z,relro,-z,now)
if(JAILSVC_SANITIZE)
  target_compile_options(jailsvc-hosted INTERFACE -fsanitize=${JAILSVC_SANITIZE}
                                                  -fno-omit-frame-pointer)
  target_link_options(jailsvc-hosted INTERFACE -fsanitize=${JAILSVC_SANITIZE})
endif()

# jailsvc_module(NAME DEPS... ): the *.cpp of the folder and those below become the static library
# jailsvc-NAME.
# main.cpp is left out: it belongs to the program that the folder's own CMakeLists makes.
function(jailsvc_module name)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS *.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  if(sources)
    add_library(jailsvc-${name} STATIC ${sources})
    set(kind PUBLIC)
  else()
    add_library(jailsvc-${name} INTERFACE)
    set(kind INTERFACE)
  endif()
  list(TRANSFORM ARG_DEPS PREPEND jailsvc-)
  target_link_libraries(jailsvc-${name} ${kind} jailsvc-hosted ${ARG_DEPS} ${ARG_LIBS})
endfunction()

# jailsvc_test(NAME DEPS...): tests/<kind>/NAME/*.cpp (the caller's folder) as one Catch2 program.
# Those labelled "unit" are what the target unit-tests builds, for the sanitized run.
add_custom_target(unit-tests)
function(jailsvc_test name)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS;SOURCES;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  list(TRANSFORM ARG_DEPS PREPEND jailsvc-)
  target_link_libraries(${name} PRIVATE jailsvc-hosted ${ARG_DEPS} ${ARG_LIBS} catch-main)
  # What is tested is optimised; the assertions need not be, and compile in half the time.
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name} --use-colour no)
  # A program whose every case was skipped says so by this exit status.
  if("unit" IN_LIST ARG_LABELS)
    add_dependencies(unit-tests ${name})
  endif()
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300 LABELS "${ARG_LABELS}")
endfunction()
