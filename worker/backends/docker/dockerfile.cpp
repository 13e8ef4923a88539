// The reading of a Dockerfile: physical lines to instructions, instructions to words, words to findings.
// The builder gets what was read and not what was written: each instruction on a line of its own and no comments, so
// that it cannot see another instruction than was judged here. What it could still read otherwise is refused.
#include "worker/backends/docker/dockerfile.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include <nlohmann/json.hpp>

#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

constexpr std::string_view blanks = " \t";
constexpr std::string_view digits = "0123456789";
constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz";
constexpr std::size_t line_bytes_max = 65535;  // of what the builder's scanner takes

// The instructions that reach nothing but the image that is being made, beside FROM, COPY and RUN.
constexpr std::array<std::string_view, 13> harmless = {"arg",         "cmd",    "entrypoint", "env",   "expose",
                                                       "healthcheck", "label",  "maintainer", "shell", "stopsignal",
                                                       "user",        "volume", "workdir"};
constexpr std::array<std::string_view, 6> copy_flags = {"--from",    "--chown", "--chmod",
                                                        "--exclude", "--link",  "--parents"};

struct Instruction {
  std::string text;       // continuation lines joined, comments taken out
  std::size_t first = 0;  // physical lines, from 0
  std::size_t last = 0;
};

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines(1);
  for (const char c : text) {
    if (c != '\n') {
      lines.back() += c;
      continue;
    }
    if (lines.back().ends_with('\r')) lines.back().pop_back();
    lines.emplace_back();
  }
  return lines;
}

// Parts of `text`, so that their place in it is known.
std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  for (auto rest = trimmed(text); !rest.empty();) {
    const auto end = std::min(rest.find_first_of(blanks), rest.size());
    words.push_back(rest.substr(0, end));
    rest = trimmed(rest.substr(end));
  }
  return words;
}

// A backslash at the end of a line, blanks after it allowed, joins the next line to it. Engines differ on two of them:
// such a line stays as it is, and is refused when it is read.
bool continued(std::string& line) {
  const auto end = line.find_last_not_of(blanks);
  if (end == std::string::npos || line[end] != '\\' || (end > 0 && line[end - 1] == '\\')) return false;
  line.resize(end);
  return true;
}

// Comments and empty lines inside an instruction do not end it.
std::vector<Instruction> split_instructions(const std::vector<std::string>& lines) {
  std::vector<Instruction> out;
  bool open = false;
  for (std::size_t number = 0; number < lines.size(); ++number) {
    std::string line = lines[number];
    const auto text = trimmed(line);
    const bool empty = text.empty() || text.front() == '#';
    if (open) out.back().last = number;
    if (empty) continue;
    if (!open) out.push_back({"", number, number});
    open = continued(line);
    out.back().text += line;
  }
  return out;
}

// Nothing in it is taken away or put in by a builder's reading.
bool plain_flag(std::string_view flag) {
  return std::ranges::all_of(flag, [](char c) { return c > ' ' && c <= '~'; }) &&
         flag.find_first_of("\"'`\\") == std::string_view::npos;
}

bool all_of(std::string_view text, std::string_view marks) {
  return std::ranges::all_of(lower_case(text), [&](char c) {
    return letters.find(c) != std::string_view::npos || digits.find(c) != std::string_view::npos ||
           marks.find(c) != std::string_view::npos;
  });
}

// An image as builders write it: no quotes, no variable, no transport such as "oci:/path".
bool plain_reference(std::string_view image) {
  constexpr std::string_view marks = "._-/:@";
  if (image.empty() || marks.find(image.front()) != std::string_view::npos || !all_of(image, marks)) return false;
  const auto host = image.substr(0, std::min(image.find('/'), image.size()));
  const auto port = host.substr(std::min(host.find(':'), host.size()));
  if (host.size() == image.size() || port.empty()) return true;
  return port.size() > 1 && port.find_first_not_of(digits, 1) == std::string_view::npos;
}

bool plain_stage(std::string_view name) {
  return letters.find(name.front()) != std::string_view::npos && all_of(name, "._-");
}

bool is_number(std::string_view text) { return text.find_first_not_of(digits) == std::string_view::npos; }

// Only if every builder takes it for one; otherwise it is shell text.
bool is_json_list(std::string_view text) {
  const auto list = nlohmann::json::parse(text, nullptr, false);
  return list.is_array() && std::ranges::all_of(list, [](const auto& item) { return item.is_string(); });
}

class Reader {
 public:
  explicit Reader(std::string_view current, Builder builder) : current_(current), builder_(builder) {}

  // Comments at the top that some builder would obey. They are taken out like all comments; that they are refused keeps
  // a Dockerfile from meaning less than its author thinks.
  void read_directives(const std::vector<std::string>& lines) {
    for (line_ = 1; line_ <= lines.size(); ++line_) {
      const auto text = trimmed(lines[line_ - 1]);
      const auto equals = text.find('=');
      const bool other_reader = line_ == 1 && text.starts_with("#!");
      if (other_reader) refuse("a first line \"#!\" is for another reader than a builder; remove it");
      if (other_reader) continue;
      if (!text.starts_with('#') || equals == std::string_view::npos) return;
      const auto name = lower_case(trimmed(text.substr(1, equals - 1)));
      const bool usual = name == "escape" && trimmed(text.substr(equals + 1)) == "\\";
      if (!usual && (name == "syntax" || name == "escape" || name == "check"))
        refuse("the directive \"# " + name + "=\" is not followed, no other builder and no other rules; remove it");
    }
  }

  // Returns the text that the builder gets for it, on one line.
  std::string read(const Instruction& instruction) {
    line_ = instruction.first + 1;
    last_line_ = instruction.last;
    return read_text(instruction.text);
  }

  // What a base image does unseen, before the instructions that were approved.
  void read_trigger(const std::string& text) {
    line_ = 0;
    (void)read_text(text);
  }

  Dockerfile result;

 private:
  using Words = std::vector<std::string_view>;

  std::string read_text(std::string_view written) {
    std::string text(trimmed(written));
    if (text.empty() || lost_) return {};  // empty: nothing but a backslash
    if (clean_text(text) != text || text.find('\n') != std::string::npos)
      refuse("a control character, or a byte that is not UTF-8; write it as an escape, such as printf has");
    if (text.ends_with('\\'))
      refuse(
          "builders differ on two backslashes, or one with nothing after it, at the end of a line; end it otherwise");
    if (text.size() > line_bytes_max)
      refuse("an instruction is longer than " + std::to_string(line_bytes_max) + " bytes; split it");
    judge(text);
    return text;
  }

  void refuse(const std::string& what) {
    const auto place = line_ == 0 ? "an ONBUILD instruction of a base image: " : "line " + std::to_string(line_) + ": ";
    result.problems.push_back(place + shortened(clean_text(what), 300));
  }

  // May put another image in for the word "current".
  void judge(std::string& text) {
    auto words = split_words(text);
    const auto keyword = lower_case(words.front());
    words.erase(words.begin());
    if (keyword == "from") return read_from(text, words);
    if (keyword == "copy") return read_copy(text, words);
    if (keyword == "run") return read_run(text, words);
    if (std::ranges::find(harmless, keyword) != harmless.end()) return;
    if (keyword == "add")
      return refuse("ADD is not accepted: a build gets no files and fetches none; write RUN, or COPY --from=STAGE");
    if (keyword == "onbuild")
      return refuse(
          "ONBUILD is not accepted: it acts in later builds that nobody approved; write the instruction there");
    std::string known = "from, copy, run";
    for (const auto name : harmless) (known += ", ") += name;
    refuse("\"" + shortened(keyword, 60) + "\", perhaps with an invisible character, is none of the instructions " +
           known + "; correct it");
  }

  void read_from(std::string& text, const Words& words) {
    result.stages.push_back(last_line_);
    if (!stage_.empty()) stages_.insert(stage_);
    stage_.clear();
    ++stage_count_;
    if (!words.empty() && words.front().starts_with("--"))
      return refuse("FROM with " + std::string(words.front()) +
                    ": a platform or another option cannot be chosen; remove it");
    const bool named = words.size() == 3 && lower_case(words[1]) == "as";
    if (words.size() != 1 && !named) return refuse(R"(write "FROM image" or "FROM image AS stage")");
    const std::string image(words.front());
    if (image != "current" && image != "scratch" && !stages_.contains(lower_case(image)))
      use_image("FROM " + image, image);
    if (image == "current") result.uses_current = true;
    if (!named) {
      if (image == "current") text = "FROM " + current_;
      return;
    }
    stage_ = lower_case(words[2]);
    if (stage_ == "current")
      refuse("a stage cannot be called \"current\": that word means the bottle's present image");
    else if (!plain_stage(stage_))
      refuse("the stage's name " + stage_ + " is not a letter and then letters, digits, \".\", \"_\" or \"-\"");
    if (image == "current") text = "FROM " + current_ + " AS " + std::string(words[2]);
  }

  void use_image(const std::string& where, const std::string& image) {
    if (image.find('$') != std::string::npos)
      return refuse(where + ": a variable hides which image is meant; write the image or stage itself");
    if (!plain_reference(image))
      return refuse(where + ": that is no plain name of an image; write it without quotes, escapes and transports");
    if (lower_case(image) == stage_)
      return refuse(where + ": a stage cannot take from itself; call the stage otherwise than the image");
    result.images.push_back(image);
  }

  void read_copy(std::string& text, const Words& words) {
    if (text.find("<<") != std::string::npos) return refuse_heredoc();
    std::string_view from;
    for (const auto& flag : words) {
      if (!flag.starts_with("--")) break;
      const auto name = flag.substr(0, flag.find('='));
      const bool known = std::ranges::find(copy_flags, name) != copy_flags.end();
      if (!known || !plain_flag(flag) || (name == "--from" && !from.empty()))
        return refuse("COPY with " + std::string(flag) +
                      ": it takes --from once, --chown, --chmod, --exclude, --link and --parents, without quotes "
                      "and escapes");
      if (name == "--from") from = flag;
    }
    if (from.empty()) return;
    const std::string source(from.substr(std::min(std::string_view("--from=").size(), from.size())));
    if (source == "current") {
      result.uses_current = true;
      text.replace(static_cast<std::size_t>(from.data() - text.data()), from.size(), "--from=" + current_);
    } else if (is_number(source)) {
      read_stage_number(source);
    } else if (!stages_.contains(lower_case(source))) {
      use_image("--from=" + source, source);
    }
  }

  // Beyond the stages that are there, some builders take a number for an image.
  void read_stage_number(const std::string& number) {
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), index);
    if (error != std::errc{} || index + 1 >= stage_count_)
      refuse("--from=" + number + ": there is no stage of that number before this one; name the stage");
  }

  void read_run(const std::string& text, const Words& words) {
    const auto command = std::ranges::find_if(words, [](const auto& word) { return !word.starts_with("--"); });
    for (auto flag = words.begin(); flag != command; ++flag) read_run_flag(std::string(*flag));
    if (command == words.end() || text.find("<<") == std::string::npos) return;
    if (!is_json_list(std::string_view(text).substr(static_cast<std::size_t>(command->data() - text.data()))))
      refuse_heredoc();
  }

  void read_run_flag(const std::string& flag) {
    constexpr std::string_view mount = "--mount=";
    if (builder_ == Builder::classic)
      return refuse("RUN with " + flag + " needs BuildKit; write it without options, or configure that builder");
    if (!flag.starts_with(mount))
      return refuse("RUN with " + flag + ": only --mount is allowed; what it reaches is configured");
    if (!plain_flag(flag) || flag.find('$') != std::string::npos)
      return refuse("RUN with " + flag + ": quotes, escapes and variables hide what is mounted; write it plainly");
    for (auto rest = std::string_view(flag).substr(mount.size()); !rest.empty();) {
      const auto option = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(option.size() + 1, rest.size()));
      const auto name = lower_case(option.substr(0, option.find('=')));
      const std::string value(option.substr(std::min(name.size() + 1, option.size())));
      if (name == "type") read_mount_type(flag, lower_case(value));
      if (name == "from") read_mount_source(flag, value);
    }
  }

  void read_mount_type(const std::string& flag, const std::string& type) {
    if (type != "bind" && type != "cache" && type != "tmpfs")
      refuse("RUN with " + flag + ": a mount of type " + type + " needs what the service does not have; remove it");
  }

  void read_mount_source(const std::string& flag, const std::string& from) {
    // BuildKit takes a number for an image here.
    if (from == "current" || is_number(from))
      return refuse("RUN with " + flag + R"(: name a stage ("FROM current AS base") and mount from that one)");
    if (!stages_.contains(lower_case(from))) use_image("RUN with " + flag, from);
  }

  // What follows may be its content: there is nothing to say about it.
  void refuse_heredoc() {
    refuse(
        "\"<<\" may begin a here-document, which builders read differently; write the content with RUN printf, or "
        "the command as a JSON list");
    lost_ = true;
  }

  std::string current_;
  Builder builder_;
  std::set<std::string> stages_;  // those that are complete
  std::string stage_;             // the present one's name
  std::size_t stage_count_ = 0;   // with the present one
  bool lost_ = false;
  std::size_t line_ = 0;
  std::size_t last_line_ = 0;
};

std::string escaped_json(const std::string& text) { return nlohmann::json(text).dump(-1, ' ', true); }

}  // namespace

Dockerfile prepare_dockerfile(std::string_view text, std::string_view current, Builder builder) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // as the builder does
  const auto lines = split_lines(text);
  Reader reader(current, builder);
  reader.read_directives(lines);
  // The line numbers of the builder's messages stay right: what an instruction needs no more becomes empty lines.
  std::vector<std::string> kept(lines.size());
  for (const auto& instruction : split_instructions(lines)) kept[instruction.first] = reader.read(instruction);
  auto result = std::move(reader.result);
  for (const auto& line : kept) result.text += line + "\n";
  std::ranges::sort(result.images);
  result.images.erase(std::unique(result.images.begin(), result.images.end()), result.images.end());
  return result;
}

std::vector<std::string> onbuild_problems(const std::vector<std::string>& instructions, Builder builder) {
  Reader reader("current", builder);
  for (const auto& text : instructions) reader.read_trigger(text);
  for (const auto& image : reader.result.images)
    reader.result.problems.push_back("an ONBUILD instruction of a base image copies from " + image +
                                     "; start from an image without it");
  return std::move(reader.result.problems);
}

std::string with_first_instruction(const Dockerfile& dockerfile, std::string_view instruction) {
  std::string out;
  std::size_t number = 0;
  for (const auto& line : split_lines(dockerfile.text)) {
    out += line + "\n";
    if (std::ranges::find(dockerfile.stages, number++) != dockerfile.stages.end()) out.append(instruction) += '\n';
  }
  return out;
}

// "dockerfile parse error line 7: …", "dockerfile parse error on line 7: …"
std::string with_own_lines(std::string message, const Dockerfile& dockerfile) {
  constexpr std::string_view mark = "line ";
  const auto at = message.find(mark);
  if (lower_case(message).find("parse error") == std::string::npos || at == std::string::npos) return message;
  const auto begin = at + mark.size();
  const auto end = std::min(message.find_first_not_of("0123456789", begin), message.size());
  if (end == begin || end - begin > 6) return message;
  auto number = static_cast<std::size_t>(std::stoi(message.substr(begin, end - begin)));
  std::size_t added = 0;
  for (const auto stage : dockerfile.stages)
    if (stage + 1 + added < number) ++added;
  return message.replace(begin, end - begin, std::to_string(number - added));
}

std::string dockerfile_for_commands(const std::vector<std::string>& lines, std::string_view image_user) {
  // An image without a user runs as root already, and an empty user could not be put back.
  const bool other_user = !image_user.empty() && image_user != "root" && image_user != "0";
  std::string text = "FROM current\n";
  if (other_user) text += "USER root\n";
  for (const auto& line : lines) text += R"(RUN ["/bin/sh","-c",)" + escaped_json(line) + "]\n";
  if (other_user) text += "USER " + std::string(image_user) + "\n";
  return text;
}

}  // namespace rebottle::worker::docker
