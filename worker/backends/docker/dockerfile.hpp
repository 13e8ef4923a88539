// Reads an approved Dockerfile far enough to know what it would fetch, and puts the bottle's present image in for
// the word "current". Pure. Not here: building; judging what RUN lines do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rebottle::worker::docker {

struct Dockerfile {
  std::string text;                   // ready for the builder: an instruction a line, no comments
  std::vector<std::string> images;    // references that must be there: FROM and COPY --from, "current" excluded
  bool uses_current = false;          // FROM or COPY --from the present image
  std::vector<std::size_t> stages;    // the last line of each FROM, from 0
  std::vector<std::string> problems;  // what is refused, each with its line and the way out; empty: fine
};

enum class Builder : std::uint8_t {
  classic,
  buildkit,  // knows RUN --mount, too
};

// `current` is the reference that stands for the present image. Only known instructions, and only what all builders
// read alike, are accepted.
[[nodiscard]] Dockerfile prepare_dockerfile(std::string_view text, std::string_view current,
                                            Builder builder = Builder::classic);

// The same judgement for the ONBUILD instructions of an image that a Dockerfile starts from.
[[nodiscard]] std::vector<std::string> onbuild_problems(const std::vector<std::string>& instructions,
                                                        Builder builder = Builder::classic);

// The Dockerfile with an instruction of ours as the first of each stage.
[[nodiscard]] std::string with_first_instruction(const Dockerfile& dockerfile, std::string_view instruction);
// A builder's message about that text, its line numbers put back to those of the Dockerfile itself.
[[nodiscard]] std::string with_own_lines(std::string message, const Dockerfile& dockerfile);

// A Dockerfile that runs shell lines as root on `current` and leaves the image's user as it was.
[[nodiscard]] std::string dockerfile_for_commands(const std::vector<std::string>& lines, std::string_view image_user);

}  // namespace rebottle::worker::docker
