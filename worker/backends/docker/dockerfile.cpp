// The reading of a Dockerfile: physical lines to instructions, instructions to words, words to findings.
// It follows the classic builder's parser where the two could read differently, and refuses what only BuildKit knows.
#include "worker/backends/docker/dockerfile.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include <nlohmann/json.hpp>

#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

constexpr std::string_view blanks = " \t\v\f\r";

struct Instruction {
  std::string text;       // continuation lines joined, comments taken out
  std::size_t first = 0;  // physical lines, from 0
  std::size_t last = 0;
  std::vector<std::string> lines;  // as written, without comments and empty lines in between
};

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines(1);
  for (const char c : text)
    if (c == '\n')
      lines.emplace_back();
    else
      lines.back() += c;
  return lines;
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  for (auto rest = trimmed(text); !rest.empty();) {
    const auto end = std::min(rest.find_first_of(blanks), rest.size());
    words.emplace_back(rest.substr(0, end));
    rest = trimmed(rest.substr(end));
  }
  return words;
}

std::string unquoted(const std::string& word) {
  const bool quoted = word.size() >= 2 && (word.front() == '"' || word.front() == '\'') && word.front() == word.back();
  return quoted ? word.substr(1, word.size() - 2) : word;
}

// `# name=value` lines before anything else; the first other line ends them.
class Directives {
 public:
  explicit Directives(const std::vector<std::string>& lines, std::vector<std::string>& problems) {
    for (const auto& line : lines) {
      const auto text = trimmed(line);
      if (text.empty() || text.front() != '#') return;
      const auto equals = text.find('=');
      if (equals == std::string_view::npos) return;
      const auto name = lower_case(trimmed(text.substr(1, equals - 1)));
      const auto value = trimmed(text.substr(equals + 1));
      if (name == "syntax") {
        problems.emplace_back("the directive \"# syntax=\" fetches another builder; remove it");
      } else if (name == "escape") {
        if (value != "\\" && value != "`") problems.emplace_back("the directive \"# escape=\" is neither \\ nor `");
        if (value == "`") escape_ = '`';
      } else {
        return;
      }
    }
  }
  [[nodiscard]] char escape() const { return escape_; }

 private:
  char escape_ = '\\';
};

// An escape at the end of a line, blanks after it allowed, joins the next line to it.
bool continued(std::string& line, char escape) {
  const auto end = line.find_last_not_of(" \t\r");
  if (end == std::string::npos || line[end] != escape) return false;
  line.resize(end);
  return true;
}

std::vector<Instruction> split_instructions(const std::vector<std::string>& lines, char escape) {
  std::vector<Instruction> out;
  bool open = false;
  for (std::size_t number = 0; number < lines.size(); ++number) {
    std::string line = lines[number];
    const auto text = trimmed(line);
    // Comments and empty lines inside an instruction do not end it. Engines differ in that when they are indented, so
    // they are taken out of what the engine gets.
    if (text.empty() || text.front() == '#') {
      if (open) out.back().last = number;
      continue;
    }
    if (!open) out.push_back({"", number, number, {}});
    open = continued(line, escape);
    out.back().text += line;
    out.back().last = number;
    out.back().lines.push_back(lines[number]);
  }
  return out;
}

// "<<EOF", "3<<-EOF": the builder that we use would run the lines after it as instructions.
bool is_heredoc(std::string_view word) {
  const auto digits = std::min(word.find_first_not_of("0123456789"), word.size());
  return word.substr(digits).starts_with("<<") && word.size() > digits + 2 && word[digits + 2] != '<';
}

bool is_remote(std::string_view source) {
  const auto text = lower_case(source);
  return text.find("://") != std::string::npos || text.starts_with("git@") || text.starts_with("github.com/");
}

class Reader {
 public:
  explicit Reader(std::string_view current, Builder builder) : current_(current), builder_(builder) {}

  // Returns the instruction's new text if it has to be rewritten, else an empty one.
  std::string read(const Instruction& instruction) {
    line_ = instruction.first + 1;
    last_line_ = instruction.last;
    auto words = split_words(instruction.text);
    if (words.empty()) return {};  // nothing but an escape
    const auto keyword = lower_case(words.front());
    words.erase(words.begin());
    return judge(keyword, words);
  }

  // What an ONBUILD instruction would do later, or does in a base image.
  std::string judge(const std::string& keyword, const std::vector<std::string>& words) {
    if (keyword == "from") return read_from(words);
    if (keyword == "onbuild") {
      if (words.empty()) return {};
      const std::vector<std::string> inner(words.begin() + 1, words.end());
      const auto inner_keyword = lower_case(words.front());
      if (inner_keyword == "from" || inner_keyword == "onbuild") return {};  // the builder refuses these itself
      const auto rewritten = judge(inner_keyword, inner);
      return rewritten.empty() ? rewritten : "ONBUILD " + rewritten;
    }
    if (keyword == "copy" || keyword == "add") return read_copy(keyword, words);
    if (keyword == "run") read_run(words);
    return {};
  }

  Dockerfile result;

 private:
  void refuse(const std::string& what) {
    result.problems.push_back("line " + std::to_string(line_) + ": " + shortened(clean_text(what), 300));
  }

  std::string read_from(const std::vector<std::string>& words) {
    result.stages.push_back(last_line_);
    if (words.empty()) return {};  // the builder's own message is the better one
    if (words.front().starts_with("--")) {
      refuse("FROM with " + words.front() + ": a platform or another option cannot be chosen; remove it");
      return {};
    }
    const auto image = unquoted(words.front());
    const bool named = words.size() == 3 && lower_case(words[1]) == "as";
    const auto alias = named ? lower_case(words[2]) : std::string();
    std::string rewritten;
    if (image.find('$') != std::string::npos) {
      refuse("FROM " + image + ": a variable hides which image is meant; write the image itself");
    } else if (image == "current") {
      result.uses_current = true;
      rewritten = "FROM " + current_ + (named ? " AS " + words[2] : std::string());
    } else if (image != "scratch" && !stages_.contains(lower_case(image))) {
      result.images.push_back(image);
    }
    if (alias == "current") refuse("a stage cannot be called \"current\": that word means the bottle's present image");
    if (named) stages_.insert(alias);
    return rewritten;
  }

  std::string read_copy(const std::string& keyword, std::vector<std::string> words) {
    std::string rewritten;
    bool changed = false;
    std::size_t flags = 0;
    for (; flags < words.size() && words[flags].starts_with("--"); ++flags)
      if (words[flags].starts_with("--from=")) changed |= read_copy_source(words[flags]);
    for (std::size_t i = flags; i < words.size(); ++i) {
      if (is_heredoc(words[i])) refuse(heredoc);
      if (keyword == "add" && is_remote(words[i]))
        refuse("ADD fetches from elsewhere; only what is in the images can be used");
    }
    if (!changed) return {};
    rewritten = keyword == "add" ? "ADD" : "COPY";
    for (const auto& word : words) rewritten += " " + word;
    return rewritten;
  }

  // True if the flag was rewritten.
  bool read_copy_source(std::string& flag) {
    const auto image = unquoted(flag.substr(std::string_view("--from=").size()));
    const bool number = !image.empty() && image.find_first_not_of("0123456789") == std::string::npos;
    if (image.find('$') != std::string::npos) {
      refuse("--from=" + image + ": a variable hides which image is meant; write the image or stage itself");
    } else if (image == "current") {
      result.uses_current = true;
      flag = "--from=" + current_;
      return true;
    } else if (!number && !stages_.contains(lower_case(image))) {
      result.images.push_back(image);
    }
    return false;
  }

  void read_run(std::vector<std::string> words) {
    const auto command = std::ranges::find_if(words, [](const auto& word) { return !word.starts_with("--"); });
    for (auto flag = words.begin(); flag != command; ++flag) read_run_flag(*flag);
    words.erase(words.begin(), command);
    if (words.empty() || words.front().starts_with("[")) return;  // a JSON list is no shell text
    if (std::ranges::any_of(words, is_heredoc)) refuse(heredoc);
  }

  void read_run_flag(const std::string& flag) {
    constexpr std::string_view mount = "--mount=";
    if (builder_ == Builder::classic)
      return refuse("RUN with " + flag + " needs BuildKit; write it without options, or configure that builder");
    if (!flag.starts_with(mount))
      return refuse("RUN with " + flag + ": only --mount is allowed; what it reaches is configured");
    const auto spec = unquoted(flag.substr(mount.size()));
    if (spec.find_first_of("\"'$") != std::string::npos)
      return refuse("RUN with " + flag + ": quotes and variables hide what is mounted; write it plainly");
    std::string type = "bind";
    std::string from;
    for (std::size_t begin = 0; begin <= spec.size();) {
      const auto end = std::min(spec.find(',', begin), spec.size());
      const auto option = spec.substr(begin, end - begin);
      const auto equals = std::min(option.find('='), option.size());
      const auto name = lower_case(option.substr(0, equals));
      const auto value = option.substr(std::min(equals + 1, option.size()));
      if (name == "type") type = lower_case(value);
      if (name == "from") from = value;
      begin = end + 1;
    }
    if (type != "bind" && type != "cache" && type != "tmpfs")
      return refuse("RUN with " + flag + ": a mount of type " + type + " needs what the service does not have");
    const bool number = !from.empty() && from.find_first_not_of("0123456789") == std::string::npos;
    if (from == "current")
      return refuse("RUN with " + flag + R"(: name a stage ("FROM current AS base") and mount from that one)");
    if (!from.empty() && !number && !stages_.contains(lower_case(from))) result.images.push_back(from);
  }

  static constexpr auto heredoc =
      "here-documents are not read alike by all builders; write the content with RUN printf instead";

  std::string current_;
  Builder builder_;
  std::set<std::string> stages_;
  std::size_t line_ = 0;
  std::size_t last_line_ = 0;
};

std::string escaped_json(const std::string& text) { return nlohmann::json(text).dump(-1, ' ', true); }

}  // namespace

Dockerfile prepare_dockerfile(std::string_view text, std::string_view current, Builder builder) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // as the builder does
  auto lines = split_lines(text);
  Reader reader(current, builder);
  const Directives directives(lines, reader.result.problems);
  for (const auto& instruction : split_instructions(lines, directives.escape())) {
    const auto rewritten = reader.read(instruction);
    auto kept = rewritten.empty() ? instruction.lines : std::vector<std::string>{rewritten};
    // The line numbers of the builder's messages stay right: what is left of the instruction becomes empty lines.
    kept.resize(instruction.last - instruction.first + 1);
    std::ranges::move(kept, lines.begin() + static_cast<std::ptrdiff_t>(instruction.first));
  }
  auto result = std::move(reader.result);
  for (const auto& line : lines) result.text += line + "\n";
  std::ranges::sort(result.images);
  result.images.erase(std::unique(result.images.begin(), result.images.end()), result.images.end());
  return result;
}

std::vector<std::string> onbuild_problems(const std::vector<std::string>& instructions, Builder builder) {
  Reader reader("current", builder);
  for (const auto& instruction : instructions) {
    auto words = split_words(instruction);
    if (words.empty()) continue;
    const auto keyword = lower_case(words.front());
    words.erase(words.begin());
    (void)reader.judge(keyword, words);
  }
  for (const auto& image : reader.result.images)
    reader.result.problems.push_back("an ONBUILD instruction of the base image copies from " + image);
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
