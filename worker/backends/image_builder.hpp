// An engine that makes images for a backend whose own cannot: an approved Dockerfile, or a reference, becomes an
// archive in a file, as `docker save` writes it. All calls run on the logic thread. Not here: what becomes of the
// archive.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "worker/backends/backend.hpp"

namespace rebottle::worker {

// The effects of a build. The backend whose job it is has them in its table and journals them; each result is among the
// job's facts when the next one is asked for.
namespace build_effect {
inline constexpr std::string_view provide_current = "provide_current";  // {image_id, reference}
inline constexpr std::string_view build_image = "build_image";          // {image_id, reference}
inline constexpr std::string_view resolve_image = "resolve_image";      // {image_id, reference}
inline constexpr std::string_view export_image = "export_image";        // {file, bytes}
}  // namespace build_effect

// The image that a bottle was made from, which FROM current means, where a builder may find it.
struct PresentImage {
  std::string reference;          // the builder's own id of it, or a name; else …
  std::filesystem::path archive;  // … a file as `docker save` writes it,
  std::string sha256;             // … of this content
};

class ImageBuilder {
 public:
  virtual ~ImageBuilder() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;  // of its section of the configuration
  [[nodiscard]] virtual bool pulls() const = 0;             // whether it may fetch an image that it does not have
  // Whether it can be used. The reasons are builder_absent, builder_too_old, …
  virtual awaitable<schema::Capability> probe() = 0;

  [[nodiscard]] virtual bool needs_current(const JobContext& job) const = 0;        // a Dockerfile that says so
  [[nodiscard]] virtual std::string current_name(const JobContext& job) const = 0;  // of the present image, meanwhile
  [[nodiscard]] virtual std::string image_name(const JobContext& job) const = 0;    // of the image that is built

  // Refuses by name, and only reads. Result: {current: PresentImage as an object}, where one is needed.
  virtual awaitable<Performed> admit(const JobContext& job, const PresentImage& current) = 0;

  // `scratch` is a file that may be written meanwhile.
  virtual awaitable<Observed> observe_current(const JobContext& job) = 0;
  virtual awaitable<Performed> provide_current(const JobContext& job, const PresentImage& current,
                                               std::filesystem::path scratch) = 0;
  // The image of a Dockerfile is built, that of a reference found, or fetched.
  virtual awaitable<Observed> observe_image(const JobContext& job) = 0;
  virtual awaitable<Performed> make_image(const JobContext& job) = 0;
  // The file has its name once it is whole, durable and proved to be the image.
  virtual awaitable<Performed> export_image(const JobContext& job, std::filesystem::path to) = 0;

  // As of a backend. `superseded` is the name of the image that an earlier job built, which goes after a success.
  [[nodiscard]] virtual std::vector<schema::Leftover> leftovers(const JobContext& job, State end,
                                                                const std::string& superseded) const = 0;
  virtual awaitable<Performed> remove(const schema::Leftover& leftover) = 0;
};

}  // namespace rebottle::worker
