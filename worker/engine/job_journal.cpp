// The model of the journal, and the list of what a rollback has to undo. Not here: what to do about an effect
// (step_cursor.cpp).
#include "worker/engine/job_journal.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace rebottle::worker {

using statemachine::Journal;

JobJournal::JobJournal(const std::vector<schema::JournalRow>& rows) {
  for (const auto& row : rows) {
    auto result = row.result.empty() ? json::object() : json::parse(row.result);
    entries_.push_back({row.direction, row.effect, row.step, row.status, std::move(result)});
  }
}

const JobJournal::Entry* JobJournal::find(Direction direction, std::string_view effect) const {
  const auto found = std::ranges::find_if(
      entries_, [&](const Entry& known) { return known.direction == direction && known.effect == effect; });
  return found == entries_.end() ? nullptr : &*found;
}

JobJournal::Entry& JobJournal::entry(Direction direction, const std::string& effect, State step) {
  const auto found = std::ranges::find_if(
      entries_, [&](const Entry& known) { return known.direction == direction && known.effect == effect; });
  if (found != entries_.end()) return *found;
  return entries_.emplace_back(Entry{direction, effect, step, Journal::blank, json::object()});
}

Journal JobJournal::status(Direction direction, std::string_view effect) const {
  const auto* known = find(direction, effect);
  return known == nullptr ? Journal::blank : known->status;
}

void JobJournal::opened(Direction direction, const std::string& effect, State step) {
  entry(direction, effect, step).status = Journal::open;
}

void JobJournal::closed(Direction direction, const std::string& effect, State step, json result) {
  auto& known = entry(direction, effect, step);
  known.status = Journal::closed;
  known.result = std::move(result);
}

json JobJournal::facts() const {
  auto facts = json::object();
  for (const auto& known : entries_)
    if (known.direction == Direction::forward && known.status == Journal::closed) facts[known.effect] = known.result;
  return facts;
}

std::vector<StepItem> JobJournal::forward_items(std::vector<Effect> effects) const {
  std::vector<StepItem> items;
  for (auto& effect : effects) {
    const auto known = status(Direction::forward, effect.name);
    items.push_back({std::move(effect), Direction::forward, known});
  }
  return items;
}

std::vector<StepItem> JobJournal::rollback_items(const std::vector<Effect>& known, std::vector<Effect> proofs,
                                                 std::vector<std::string>& lost) const {
  constexpr std::array touched{State::stop, State::apply, State::restart, State::verify};
  for (const auto& tried : entries_) {
    if (tried.direction != Direction::forward || std::ranges::find(touched, tried.step) == touched.end()) continue;
    if (std::ranges::find(known, tried.effect, &Effect::name) == known.end()) lost.push_back(tried.effect);
  }
  std::vector<StepItem> items;
  for (auto effect = known.rbegin(); effect != known.rend(); ++effect) {
    // An engine that ended may have taken the bottle down before its stop was tried.
    const bool due = effect->step == State::stop || status(Direction::forward, effect->name) != Journal::blank;
    if (effect->undoable && due) items.push_back({*effect, Direction::undo, status(Direction::undo, effect->name)});
  }
  for (auto& proof : forward_items(std::move(proofs))) items.push_back(std::move(proof));
  return items;
}

}  // namespace rebottle::worker
