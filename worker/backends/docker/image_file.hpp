// Images from files below the configured directories: found without following anything, hashed while they are copied,
// and stripped of every name but ours before an engine sees them.
// Not here: loading them (image_steps.cpp).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "worker/backends/docker/engine.hpp"

namespace rebottle::worker::docker {

// A regular file, open for reading.
class ImageFile {
 public:
  ImageFile() = default;
  explicit ImageFile(int descriptor) : descriptor_(descriptor) {}
  ImageFile(const ImageFile&) = delete;
  ImageFile& operator=(const ImageFile&) = delete;
  ImageFile(ImageFile&& other) noexcept;
  ImageFile& operator=(ImageFile&& other) noexcept;
  ~ImageFile();
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] std::int64_t size() const;

 private:
  int descriptor_ = -1;
};

struct ImageFileFound {
  ImageFile file;
  Performed refusal;  // of use unless the file is open
};
// Below one of the directories, the first that has it. A name that leads out of it, or through a link, is refused.
[[nodiscard]] ImageFileFound find_image_file(const std::vector<std::filesystem::path>& directories,
                                             const std::string& name);

struct ImageArchive {
  std::string sha256;         // of the file, whole
  std::string config_sha256;  // of the image's configuration: its id, for engines that keep images by it
  std::string problem;        // why it is no archive of one image, for people; empty: all is well
  std::string disk_problem;   // why the copy could not be written; empty: all is well
};
// Copies what `docker save` wrote to `to` (0600), with `tag` as the image's only name. Anything but the image of that
// id is a problem, if one is given. Blocks for as long as it takes.
[[nodiscard]] ImageArchive copy_archive(const ImageFile& from, const std::filesystem::path& to, std::string_view tag,
                                        std::string_view config_id = {});

}  // namespace rebottle::worker::docker
