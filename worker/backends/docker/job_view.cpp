// Facts by meaning. Not here: where they come from.
#include "worker/backends/docker/job_view.hpp"

#include <algorithm>

#include "worker/backends/docker/dialect.hpp"
#include "worker/backends/docker/dockerfile.hpp"
#include "worker/backends/docker/engine.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

// The admission knows the name; before it, only a configured name can be told.
std::string container_of(const DockerConfig& config, const JobContext& context, std::string_view member) {
  if (!member.empty()) return std::string(member);
  const auto admitted = text(at(at(context.facts, effect::admit), "name"));
  return admitted.empty() ? container_by_name(config, context.bottle) : admitted;
}

}  // namespace

std::string container_by_name(const DockerConfig& config, std::string_view bottle) {
  return config.label.empty() ? replaced(config.container, "{bottle}", bottle) : std::string();
}

std::string effect_name(std::string_view effect, std::string_view member) {
  std::string out(effect);
  if (!member.empty()) out.append(":").append(member);
  return out;
}

std::string_view effect_of(std::string_view effect_name) { return effect_name.substr(0, effect_name.find(':')); }

std::string_view member_of(std::string_view effect_name) {
  const auto colon = effect_name.find(':');
  return colon == std::string_view::npos ? std::string_view() : effect_name.substr(colon + 1);
}

JobView::JobView(const DockerConfig& config, const JobContext& job, std::string_view which)
    : context(job),
      member(which),
      names(
          names_of(job.bottle, container_of(config, job, which), job.job_key, dialect_of(config.engine).image_prefix)),
      config_(config) {
  const auto all = members();
  const auto number = std::ranges::find(all, member) - all.begin();
  if (!is_agent()) names.tag_previous += "." + std::to_string(number);
  if (undoes()) names.created = names_of(job.bottle, names.container, job.undoes->job_key).parked;
}

std::vector<std::string> JobView::members() const {
  std::vector<std::string> out = {std::string()};
  for (const auto& dependent : at(fact(effect::admit), "members")) out.push_back(text(at(dependent, "name")));
  return out;
}

namespace {

// Of one member, in what an admission has recorded.
const json& baseline_in(const json& admitted, std::string_view member) {
  static const json null;
  if (member.empty()) return admitted;
  for (const auto& dependent : at(admitted, "members"))
    if (text(at(dependent, "name")) == member) return dependent;
  return null;
}

}  // namespace

const json& JobView::baseline() const { return baseline_in(fact(effect::admit), member); }
const json& JobView::model() const {
  return undoes() ? baseline_in(at(context.undoes->facts, effect::admit), member) : baseline();
}
JobContext JobView::undone() const {
  JobContext out;
  out.job_key = context.undoes->job_key;
  out.bottle = context.bottle;
  out.args = context.args;
  out.facts = context.undoes->facts;
  return out;
}
bool JobView::is_started() const { return is_agent() || at(model(), "running") == true; }

bool JobView::has_fact(std::string_view effect) const { return context.facts.contains(std::string(effect)); }
const json& JobView::fact(std::string_view effect) const { return at(context.facts, effect); }

std::string JobView::old_id() const { return text(at(baseline(), "container_id")); }
std::string JobView::old_image() const { return text(at(baseline(), "image_id")); }
bool JobView::was_running() const { return at(baseline(), "running") == true; }

std::string JobView::new_id() const {
  if (undoes()) return text(at(model(), "container_id"));
  return text(at(own_fact(effect::create_new), "container_id"));
}
std::string JobView::new_image() const {
  if (undoes()) return text(at(model(), "image_id"));
  if (!is_agent()) return old_image();
  const auto made_by = builds() ? effect::build_image : imports() ? effect::import_image : effect::resolve_image;
  return text(at(fact(made_by), "image_id"));
}

bool JobView::builds() const {
  return !undoes() && (std::holds_alternative<schema::Args::Dockerfile>(context.args.change) ||
                       std::holds_alternative<schema::Args::Commands>(context.args.change));
}
bool JobView::imports() const {
  return !undoes() && std::holds_alternative<schema::Args::ImageFile>(context.args.change);
}
bool JobView::resolves() const { return !undoes() && !builds() && !imports(); }

std::string JobView::image_reference() const {
  if (undoes()) return text(at(model(), "image"));
  if (const auto* image = std::get_if<schema::Args::Image>(&context.args.change)) return image->reference;
  return names.tag_job;
}

std::string JobView::dockerfile() const {
  if (const auto* commands = std::get_if<schema::Args::Commands>(&context.args.change))
    return dockerfile_for_commands(commands->lines, text(at(baseline(), "image_user")));
  if (const auto* given = std::get_if<schema::Args::Dockerfile>(&context.args.change)) return given->text;
  return {};
}

std::filesystem::path JobView::keep_dir() const { return config_.snapshot_dir / context.job_key; }

}  // namespace rebottle::worker::docker
