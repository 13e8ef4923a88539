# Options of our own targets, as one INTERFACE library that is linked PRIVATE.
option(REBOTTLE_WERROR "Treat warnings as errors" OFF)
set(REBOTTLE_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=")

add_library(rebottle_options INTERFACE)
add_library(rebottle::options ALIAS rebottle_options)
target_compile_options(rebottle_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast -Wnull-dereference
  -fstack-protector-strong
  # Once it inlines the library's code, g++ 12 sees overlaps in std::string (its bug 105651) and null pointers in Asio
  # that are not there. The debug presets, where warnings are errors, keep both.
  "$<$<CONFIG:Release>:-Wno-restrict;-Wno-null-dereference>"
  $<$<BOOL:${REBOTTLE_WERROR}>:-Werror>)
target_compile_definitions(rebottle_options INTERFACE
  _GLIBCXX_ASSERTIONS
  $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
target_include_directories(rebottle_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
if(REBOTTLE_SANITIZE)
  target_compile_options(rebottle_options INTERFACE -fsanitize=${REBOTTLE_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(rebottle_options INTERFACE -fsanitize=${REBOTTLE_SANITIZE})
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # It takes a precompiled header for what its sources are, as CMake does.
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE_PROGRAM})
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()
