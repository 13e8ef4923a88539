# The libraries, all from Debian 12 packages (script/setup installs them).
find_package(Boost 1.81 REQUIRED)
find_package(Threads REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(spdlog 1.10 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_package(SQLite3 3.40 REQUIRED)
find_package(SQLiteCpp 3.2 REQUIRED)
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto)
find_package(LibArchive 3.6 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(systemd REQUIRED IMPORTED_TARGET libsystemd)
find_package(tomlplusplus 3.3 REQUIRED)

# Asio without exceptions of its own kind, separate compilation only where a file opts in.
add_library(rebottle_asio INTERFACE)
add_library(rebottle::asio ALIAS rebottle_asio)
target_link_libraries(rebottle_asio INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(rebottle_asio INTERFACE BOOST_ASIO_NO_DEPRECATED)
