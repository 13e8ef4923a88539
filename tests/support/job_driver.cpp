// The driver's loop. Not here: what a test expects of it.
#include "tests/support/job_driver.hpp"

#include <algorithm>
#include <stdexcept>

#include "tests/support/run.hpp"

namespace rebottle::tests {

using statemachine::Action;
using statemachine::Journal;

namespace {
constexpr std::array forward_steps = {State::prepare, State::snapshot, State::stop,
                                      State::apply,   State::restart,  State::verify};
}

JobDriver::JobDriver(boost::asio::io_context& io, Backend& backend, worker::JobContext context)
    : io_(io), backend_(&backend), context_(std::move(context)) {}

std::vector<Effect> JobDriver::effects() const {
  std::vector<Effect> out;
  for (const auto step : forward_steps)
    for (auto& effect : backend_->effects(context_, step)) out.push_back(std::move(effect));
  return out;
}

Effect JobDriver::effect_named(const std::string& name) const {
  auto all = effects();
  for (auto& effect : backend_->effects(context_, State::rollback)) all.push_back(std::move(effect));
  const auto found = std::ranges::find(all, name, &Effect::name);
  if (found == all.end()) throw std::runtime_error("no effect is called " + name);
  return *found;
}

Observed JobDriver::observe(const std::string& effect, Direction direction) {
  const auto known = effect_named(effect);
  return run(io_, backend_->observe(context_, known, direction));
}

Performed JobDriver::perform(const std::string& effect, Direction direction) {
  const auto known = effect_named(effect);
  return run(io_, backend_->perform(context_, known, direction));
}

void JobDriver::forget(const std::string& effect) {
  context_.facts.erase(effect);
  journal_[{Direction::forward, effect}] = Journal::open;
}

Performed JobDriver::settle(const Effect& effect, Direction direction) {
  auto& journal = journal_[{direction, effect.name}];
  const auto observed = run(io_, backend_->observe(context_, effect, direction));
  const auto close = [&](const json& result) {
    journal = Journal::closed;
    if (direction == Direction::forward) context_.facts[effect.name] = result;
  };
  switch (statemachine::recover(journal, observed.world)) {
    case Action::skip: return Performed::done();
    case Action::adopt: close(observed.result); return Performed::done(observed.result);
    case Action::drifted: return Performed::failed(Outcome::stale, "bottle_drifted", observed.detail);
    case Action::wait: return Performed::failed(Outcome::unreachable, "backend_unreachable", observed.detail);
    case Action::perform:
    case Action::redo: break;
  }
  journal = Journal::open;
  auto performed = run(io_, backend_->perform(context_, effect, direction));
  if (performed.outcome == Outcome::done) {
    close(performed.result);
    done_.push_back((direction == Direction::undo ? "undo " : "") + effect.name);
  }
  return performed;
}

Performed JobDriver::run_step(State step) {
  // A fact may add effects behind the one that made it.
  for (std::size_t i = 0; i < backend_->effects(context_, step).size(); ++i) {
    const auto effect = backend_->effects(context_, step)[i];
    auto performed = settle(effect, Direction::forward);
    if (performed.outcome != Outcome::done) {
      failed_at_ = effect.name;
      return performed;
    }
    if (effect.name == stop_after_) return Performed::failed(Outcome::unknown, "stopped_by_test", "");
  }
  looked_ = looked_ || step == State::snapshot;
  return Performed::done();
}

Performed JobDriver::run_all() {
  for (const auto step : forward_steps) {
    // The service never comes back to a step that it has left, and this one's looks would find the bottle down.
    if (step == State::snapshot && looked_) continue;
    auto performed = run_step(step);
    if (performed.outcome != Outcome::done) return performed;
  }
  return Performed::done();
}

Performed JobDriver::run_until(std::string effect) {
  stop_after_ = std::move(effect);
  auto stopped = run_all();
  stop_after_.clear();
  return stopped;
}

Performed JobDriver::roll_back() {
  auto all = effects();
  std::ranges::reverse(all);
  for (const auto& effect : all) {
    const bool due = effect.step == State::stop || journal_[{Direction::forward, effect.name}] != Journal::blank;
    if (!effect.undoable || !due) continue;
    auto performed = settle(effect, Direction::undo);
    if (performed.outcome == Outcome::done) continue;
    failed_at_ = "undo " + effect.name;
    return performed;
  }
  return run_step(State::rollback);
}

}  // namespace rebottle::tests
