// The recovery table put to work: before every effect, and after every answer that proves nothing.
// Not here: what follows from the step's end (statemachine/policy.cpp).
#include "worker/engine/step_cursor.hpp"

#include <algorithm>
#include <cstdlib>
#include <span>
#include <utility>

namespace rebottle::worker {

using statemachine::Action;

namespace {

// Whether an answer leaves open what happened: the world must be asked before anything is concluded.
bool doubtful(Outcome outcome) {
  switch (outcome) {
    case Outcome::transient:
    case Outcome::unreachable:
    case Outcome::unknown: return true;
    case Outcome::done:
    case Outcome::permanent:
    case Outcome::unsupported:
    case Outcome::stale: return false;
  }
  std::abort();
}

std::string text_of(const StepItem& item) {
  const auto& what = item.effect.summary.empty() ? item.effect.name : item.effect.summary;
  return item.direction == Direction::undo ? "undo: " + what : what;
}

}  // namespace

StepEnd ended(Outcome outcome, std::string reason_code, std::string message, json detail) {
  StepEnd end;
  end.outcome = outcome;
  end.reason_code = std::move(reason_code);
  end.message = std::move(message);
  end.detail = std::move(detail);
  return end;
}

StepEnd cut_short() { return ended(Outcome::transient, "cancelled", "The step was cut short by a cancel."); }

StepCursor::StepCursor(std::vector<StepItem> items) : items_(std::move(items)) {
  want_ = items_.empty() ? Want::end : Want::observe;
}

const StepItem& StepCursor::item() const { return items_.at(at_); }

void StepCursor::next() {
  doubtful_.reset();
  ++at_;
  want_ = at_ < items_.size() ? Want::observe : Want::end;
}

void StepCursor::close(bool adopted, const json& result) {
  closed_ = Closed{item(), adopted, result};
  next();
}

void StepCursor::stop(Outcome outcome, std::string reason_code, std::string message, json detail) {
  end_ = {outcome,          std::move(reason_code), std::move(message), std::move(detail), item().effect.name,
          item().direction, doubtful_.has_value()};
  want_ = Want::end;
}

void StepCursor::observed(const Observed& seen) {
  if (doubtful_) return observed_after_failure(seen);
  switch (statemachine::recover(item().journal, seen.world)) {
    case Action::perform:
    case Action::redo: want_ = Want::perform; return;
    case Action::adopt: close(true, seen.result); return;
    case Action::skip: next(); return;
    case Action::drifted:
      stop(Outcome::stale, "bottle_drifted", text_of(item()) + ": " + seen.detail, {{"found", seen.detail}});
      return;
    case Action::wait:
      stop(Outcome::unreachable, "backend_unreachable", text_of(item()) + ": " + seen.detail, {{"found", seen.detail}});
      return;
  }
}

void StepCursor::observed_after_failure(const Observed& seen) {
  switch (seen.world) {
    case World::present: close(true, seen.result); return;
    case World::absent:
      // It is proved not to have happened, so the worst that is left is another try.
      stop(doubtful_->outcome == Outcome::unknown ? Outcome::transient : doubtful_->outcome, doubtful_->reason_code,
           doubtful_->message, doubtful_->detail);
      return;
    case World::foreign:
      stop(Outcome::stale, "bottle_drifted", text_of(item()) + ": " + seen.detail,
           {{"found", seen.detail}, {"after", doubtful_->message}});
      return;
    case World::unknown:
      stop(Outcome::unreachable, doubtful_->reason_code, doubtful_->message, doubtful_->detail);
      return;
  }
}

void StepCursor::performed(const Performed& done) {
  if (done.outcome == Outcome::done) return close(false, done.result);
  doubtful_ = done;
  if (doubtful(done.outcome))
    want_ = Want::observe;
  else
    stop(done.outcome, done.reason_code, done.message, done.detail);
}

void StepCursor::follow(std::vector<StepItem> items) {
  // A backend that changes what is behind us would have it skipped.
  const auto same = [](const StepItem& before, const StepItem& now) { return before.effect.name == now.effect.name; };
  const auto done = std::span(items_).first(std::min(at_, items_.size()));
  if (items.size() < done.size() || !std::ranges::equal(done, std::span(items).first(done.size()), same)) std::abort();
  items_ = std::move(items);
  want_ = at_ < items_.size() ? Want::observe : Want::end;
}

std::optional<StepCursor::Closed> StepCursor::take_closed() { return std::exchange(closed_, std::nullopt); }

}  // namespace rebottle::worker
