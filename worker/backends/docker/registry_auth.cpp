// The file must be the service's alone: its owner root or the service, no access for group and others.
// Not here: credential helpers; programs are not run for a password.
#include "worker/backends/docker/registry_auth.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include "worker/backends/docker/engine.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

constexpr off_t file_bytes_max = off_t{1} << 20;
constexpr std::string_view docker_hub = "docker.io";

struct Content {
  std::string bytes;
  std::string problem;
};

Content read_private(const std::filesystem::path& path) {
  const auto failed = [&path](const std::string& what) { return Content{{}, path.string() + ": " + what}; };
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return failed(std::strerror(errno));
  struct stat facts {};
  Content out;
  if (::fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    out = failed("is no regular file");
  } else if ((facts.st_uid != 0 && facts.st_uid != ::geteuid()) || (facts.st_mode & 077U) != 0) {
    out = failed("must belong to root or to the service and be readable by nobody else; chown and chmod 600 it");
  } else if (facts.st_size > file_bytes_max) {
    out = failed("is longer than a megabyte");
  } else {
    out.bytes.resize(static_cast<std::size_t>(facts.st_size));
    const auto got = ::read(descriptor, out.bytes.data(), out.bytes.size());
    out.bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  }
  ::close(descriptor);
  return out;
}

// "https://index.docker.io/v1/" and "docker.io" are one registry.
std::string host_of_key(std::string_view key) {
  if (const auto scheme = key.find("://"); scheme != std::string_view::npos) key.remove_prefix(scheme + 3);
  key = key.substr(0, key.find('/'));
  return std::string(key == "index.docker.io" || key == "registry-1.docker.io" ? docker_hub : key);
}

// What Docker keeps as "auth": base64 of "user:password".
json credentials_of(const json& entry, const std::string& host) {
  json out = {{"serveraddress", host == docker_hub ? "https://index.docker.io/v1/" : host}};
  const auto token = text(at(entry, "identitytoken"));
  if (!token.empty()) {
    out["identitytoken"] = token;
    return out;
  }
  auto user = text(at(entry, "username"));
  auto password = text(at(entry, "password"));
  const auto both = base64_decoded(text(at(entry, "auth")));
  if (const auto colon = both.find(':'); user.empty() && colon != std::string::npos) {
    user = both.substr(0, colon);
    password = both.substr(colon + 1);
    while (password.ends_with('\0')) password.pop_back();
  }
  if (user.empty()) return nullptr;
  out["username"] = user;
  out["password"] = password;
  return out;
}

}  // namespace

std::string registry_of(std::string_view reference) {
  const auto slash = reference.find('/');
  const auto first = reference.substr(0, slash);
  const bool host =
      slash != std::string_view::npos && (first.find_first_of(".:") != std::string_view::npos || first == "localhost");
  return host ? host_of_key(first) : std::string(docker_hub);
}

RegistryAuth registry_auth(const std::filesystem::path& file, std::string_view reference) {
  RegistryAuth out;
  if (file.empty()) return out;
  const auto content = read_private(file);
  out.problem = content.problem;
  if (!out.problem.empty()) return out;
  const auto document = json::parse(content.bytes, nullptr, false);
  if (!document.is_object()) {
    out.problem = file.string() + ": is no JSON object, as Docker's config.json is one";
    return out;
  }
  const auto host = registry_of(reference);
  json credentials;
  for (const auto& [key, entry] : at(document, "auths").items())
    if (credentials.is_null() && host_of_key(key) == host) credentials = credentials_of(entry, host);
  if (!credentials.is_null()) {
    out.header = base64url_encoded(credentials.dump(-1, ' ', false, json::error_handler_t::replace));
  } else if (!text(at(document, "credsStore")).empty() || at(document, "credHelpers").contains(host)) {
    out.problem = file.string() + ": leaves the credentials for " + host +
                  " to a helper, which is not run; write them under \"auths\"";
  }
  return out;
}

}  // namespace rebottle::worker::docker
