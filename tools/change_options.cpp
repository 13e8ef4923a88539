// Options to JSON, files read whole and bounded.
// Not here: defaults; what is not given is left to the service.
#include "tools/change_options.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <istream>

#include "schema/args.hpp"
#include "tools/json_text.hpp"

namespace rebottle::tools {
namespace {

Failure usage(std::string what, std::string way_out) { return {Errc::usage, std::move(what), std::move(way_out)}; }

Result<std::string> read_all(std::istream& in, const std::string& name) {
  std::string text(schema::args_bytes_max + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (in.bad()) return Failure{Errc::failure, name + " could not be read", {}};
  if (text.size() > schema::args_bytes_max)
    return usage(name + " is larger than " + std::to_string(schema::args_bytes_max) + " bytes", "make it smaller");
  return text;
}

Result<std::string> read_file(const Context& context, const std::string& path) {
  if (path == "-") return read_all(context.environment().in, "standard input");
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  // Opening a directory succeeds; reading from it does not.
  if (in && in.peek() == std::ifstream::traits_type::eof() && errno != 0) in.setstate(std::ios::badbit);
  if (in || in.eof()) {
    in.clear();
    return read_all(in, path);
  }
  const int error = errno;
  const Errc errc = error == EACCES ? Errc::denied : error == ENOENT ? Errc::not_found : Errc::failure;
  return Failure{errc, path + " cannot be read: " + std::strerror(error), "give another path, or - for standard input"};
}

template <class Value>
void put(Json& object, const char* key, const Value& value) {
  if constexpr (requires { value.has_value(); }) {
    if (value) object[key] = *value;
  } else if (!value.empty()) {
    object[key] = value;
  }
}

void put_section(Json& object, const char* key, const Json& section) {
  if (!section.empty()) object[key] = section;
}

Outcome put_change(Json& change, const Context& context, const ChangeOptions& options) {
  change = Json::object();
  if (!options.dockerfile.empty()) {
    auto text = read_file(context, options.dockerfile);
    if (!text) return text.error();
    change["dockerfile"] = *std::move(text);
  }
  put(change, "image", options.image);
  put(change, "commands", options.commands);
  if (change.size() == 1) return {};
  return usage(change.empty() ? "no change was given" : "more than one change was given",
               "give exactly one of --dockerfile, --image, --command, --args");
}

// Everything but the change itself.
Json sections_json(const ChangeOptions& options) {
  Json expect = Json::object();
  put(expect, "target_id", options.expect_target_id);
  put(expect, "image_digest", options.expect_image_digest);
  put(expect, "change_sha256", options.expect_change_sha256);
  Json snapshot = Json::object();
  put(snapshot, "paths", options.snapshot_paths);
  put(snapshot, "max_bytes", options.snapshot_max_bytes);
  Json verify = Json::object();
  put(verify, "exec", options.verify_exec);
  put(verify, "stable_s", options.stable_s);
  put(verify, "timeout_s", options.verify_timeout_s);
  Json limits = Json::object();
  put(limits, "stop_timeout_s", options.stop_timeout_s);
  put(limits, "build_timeout_s", options.build_timeout_s);
  put(limits, "max_downtime_s", options.max_downtime_s);

  Json sections = Json::object();
  put_section(sections, "expect", expect);
  put_section(sections, "snapshot", snapshot);
  put_section(sections, "verify", verify);
  put_section(sections, "limits", limits);
  return sections;
}

Result<std::string> composed(const Context& context, const ChangeOptions& options) {
  Json args = sections_json(options);
  if (auto filled = put_change(args["change"], context, options); !filled) return filled.error();
  try {
    return args.dump();
  } catch (const Json::type_error&) {
    return usage("the change is not valid UTF-8", "save the file as UTF-8");
  }
}

}  // namespace

void add_change_options(CLI::App& verb, ChangeOptions& options) {
  verb.add_option("--kind", options.kind, "What is to be done (default: capability_block)")->type_name("KIND");
  const auto option = [&verb](const std::string& name, auto& value, const char* type, const char* help) {
    verb.add_option(name, value, help)->type_name(type)->group("The change, exactly one");
  };
  option("--dockerfile", options.dockerfile, "FILE",
         "Build this Dockerfile; FROM current is the bottle's image; - is standard input");
  option("--image", options.image, "REF", "Use this image");
  add_repeated(verb, "--command", options.commands, "Run this shell line; once for each line")
      ->type_name("LINE")
      ->group("The change, exactly one");
  option("--args", options.args, "FILE", "The whole args as JSON; - is standard input");

  const auto checked = [&verb](const std::string& name, auto& value, const char* type, const char* help) {
    verb.add_option(name, value, help)->type_name(type)->group("What must hold");
  };
  checked("--expect-target-id", options.expect_target_id, "ID", "Refuse if the bottle is another one by then");
  checked("--expect-image-digest", options.expect_image_digest, "DIGEST", "Refuse if its image is another one");
  checked("--expect-change-sha256", options.expect_change_sha256, "HEX", "Refuse if the change is not this one");
  add_repeated(verb, "--snapshot", options.snapshot_paths, "Keep this path of the bottle; once for each path")
      ->type_name("PATH")
      ->group("What must hold");
  checked("--snapshot-max-bytes", options.snapshot_max_bytes, "N", "Refuse if the kept paths are larger");
  add_repeated(verb, "--verify-exec", options.verify_exec,
               "The program that must exit 0 in the changed bottle; once for each of its arguments")
      ->type_name("WORD")
      ->group("What must hold");
  checked("--verify-timeout-s", options.verify_timeout_s, "S", "How long that may take");
  checked("--stable-s", options.stable_s, "S", "How long the changed bottle must stay healthy");
  checked("--stop-timeout-s", options.stop_timeout_s, "S", "How long the agent may take to stop");
  checked("--build-timeout-s", options.build_timeout_s, "S", "How long the build may take");
  checked("--max-downtime-s", options.max_downtime_s, "S",
          "Once the bottle was down for longer, roll back instead of trying again");
}

bool names_a_change(const ChangeOptions& options) {
  return !options.dockerfile.empty() || !options.image.empty() || !options.commands.empty() || !options.args.empty() ||
         !sections_json(options).empty();
}

Result<std::string> args_text(const Context& context, const ChangeOptions& options) {
  const bool composes = !options.dockerfile.empty() || !options.image.empty() || !options.commands.empty() ||
                        !sections_json(options).empty();
  if (!options.args.empty() && composes)
    return usage("--args says everything, so no other option of the change may stand beside it", "drop the others");
  auto text = options.args.empty() ? composed(context, options) : read_file(context, options.args);
  if (!text) return text;
  // Other kinds are not known here: the database checks that they are JSON, the service that they are supported.
  if (options.kind != schema::kind_capability_block) return text;
  if (const auto parsed = schema::parse_args(*text); const auto* error = std::get_if<schema::ArgsError>(&parsed))
    return usage(error->text(), "nothing was sent");
  return text;
}

}  // namespace rebottle::tools
