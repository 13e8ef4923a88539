# Precompiled headers for the debug presets: the libraries' templates are most of what a source costs to compile.
# Not in the release preset, which so proves that each source includes what it uses.
option(REBOTTLE_PRECOMPILE "Precompile the heavy headers" OFF)

set(rebottle_heavy_headers <chrono> <filesystem> <functional> <map> <optional> <string> <variant> <vector>
  <nlohmann/json.hpp>)
set(rebottle_asio_headers <boost/asio/any_io_executor.hpp> <boost/asio/as_tuple.hpp> <boost/asio/awaitable.hpp>
  <boost/asio/co_spawn.hpp> <boost/asio/experimental/awaitable_operators.hpp> <boost/asio/io_context.hpp>
  <boost/asio/post.hpp> <boost/asio/steady_timer.hpp> <boost/asio/this_coro.hpp> <boost/asio/use_awaitable.hpp>)
set(rebottle_test_headers <gmock/gmock.h> <gtest/gtest.h>)

# rebottle_precompile(<target> <header> …)
function(rebottle_precompile target)
  if(REBOTTLE_PRECOMPILE)
    target_precompile_headers(${target} PRIVATE ${ARGN})
    target_compile_options(${target} PRIVATE -fpch-preprocess)  # else ccache cannot see through them
  endif()
endfunction()
