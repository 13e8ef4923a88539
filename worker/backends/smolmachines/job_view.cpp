// Facts by meaning. Not here: where they come from.
#include "worker/backends/smolmachines/job_view.hpp"

#include "worker/backends/json_access.hpp"
#include "worker/backends/text.hpp"

namespace rebottle::worker::smolmachines {

std::string base_name(const SmolmachinesConfig& config, std::string_view bottle) {
  return replaced(config.machine, "{bottle}", bottle);
}

const json& JobView::fact(std::string_view effect) const { return at(context.facts, effect); }

bool JobView::makes_machine() const { return !std::holds_alternative<schema::Args::Commands>(context.args.change); }

bool JobView::builds() const { return std::holds_alternative<schema::Args::Dockerfile>(context.args.change); }
bool JobView::resolves() const { return std::holds_alternative<schema::Args::Image>(context.args.change); }
bool JobView::needs_current() const { return builds() && builder != nullptr && builder->needs_current(context); }

PresentImage JobView::present_image() const {
  const json& found = at(baseline(), "current");
  return {text(at(found, "reference")), text(at(found, "archive")), text(at(found, "sha256"))};
}

std::string JobView::built_image() const {
  return text(at(fact(builds() ? effect::build_image : effect::resolve_image), "image_id"));
}

const json& JobView::image_fact() const { return fact(needs_builder() ? effect::export_image : effect::import_image); }

std::string JobView::base() const { return base_name(config_, context.bottle); }

std::string JobView::old_machine() const {
  auto admitted = text(at(baseline(), "machine"));
  if (!admitted.empty()) return admitted;
  auto recorded = text(at(context.current, "machine"));
  return recorded.empty() ? base() : recorded;
}

std::string JobView::new_machine() const { return text(at(baseline(), "new_machine")); }

std::int64_t JobView::new_rev() const {
  const json& rev = at(baseline(), "new_rev");
  return rev.is_number_integer() ? rev.get<std::int64_t>() : 0;
}

bool JobView::was_running() const { return at(baseline(), "running") == true; }

int JobView::stop_timeout_s() const { return context.args.limits.stop_timeout_s.value_or(config_.stop_timeout_s); }

std::int64_t JobView::snapshot_max_bytes() const {
  return context.args.snapshot.max_bytes.value_or(config_.snapshot_max_bytes);
}

std::filesystem::path JobView::image_dir() const { return config_.work_dir / "images" / context.job_key; }
std::filesystem::path JobView::spec_file(std::string_view job_key) const {
  return config_.work_dir / "specs" / (std::string(job_key) + ".json");
}
std::filesystem::path JobView::disk_dir() const { return config_.work_dir / "disks" / context.job_key; }
std::filesystem::path JobView::path_dir() const { return config_.work_dir / "paths" / context.job_key; }

std::string JobView::mark_dir() const {
  return std::string(mark_root) + "/" + context.job_key + "-" + text(at(baseline(), "mark"));
}

}  // namespace rebottle::worker::smolmachines
