// Insert, then poll for the answer while watching that somebody is there to give it.
// Not here: a second try; a request stays in the table until it is answered.
#include "tools/ask.hpp"

#include <string>

#include "tools/time_text.hpp"
#include "tools/waiter.hpp"

namespace rebottle::tools {
namespace {

std::string recorded(const schema::Request& request) {
  return "request " + std::to_string(request.request_id) + " (" + request.kind + ") is recorded";
}

// Where the answer to a request can be seen once it is given.
std::string later_seen(const schema::Request& request) {
  if (request.job_id) return "`rebottle show job:" + std::to_string(*request.job_id) + "` tells the answer";
  if (request.kind == "undo") return "`rebottle list --bottle " + request.bottle + "` shows the job that it makes";
  if (request.kind == "plan") return "ask again to see it";
  return "`rebottle freezes` shows what is frozen";
}

Failure unanswered(Wake wake, const schema::Request& request, std::chrono::milliseconds timeout) {
  const std::string later = "the service still answers it; " + later_seen(request);
  if (wake == Wake::interrupted) return {Errc::interrupted, recorded(request) + ", the wait was interrupted", later};
  return {Errc::timed_out, recorded(request) + ", not answered within " + duration_text(timeout.count()), later};
}

}  // namespace

Result<schema::Request> ask(Context& context, schema::Request request, const AskOptions& options) {
  const auto store = context.store();
  if (!store) return store.error();
  if (!options.no_wait && !context.service_runs())
    return Failure{Errc::no_service, "no service runs on " + context.database().string() + ", so nothing was sent",
                   "start rebottled, or record the request for later with --no-wait"};

  request.requested_by = context.environment().user;
  request.request_id = (*store)->request(request);
  if (options.no_wait) {
    context.say(recorded(request) +
                (context.service_runs() ? "; " : "; no service runs, it is answered when one starts; ") +
                later_seen(request));
    return request;
  }

  const auto timeout = options.timeout.value_or(std::chrono::seconds(30));
  Waiter waiter(context.environment(), **store, timeout);
  for (;;) {
    if (auto answered = (*store)->request_answer(request.request_id); answered && !answered->outcome.empty())
      return *answered;
    const Wake wake = waiter.next();
    if (wake == Wake::timed_out || wake == Wake::interrupted) {
      // An answer that came with the last tick counts.
      if (auto answered = (*store)->request_answer(request.request_id); answered && !answered->outcome.empty())
        return *answered;
      return unanswered(wake, request, timeout);
    }
    if (wake == Wake::tick && !context.service_runs())
      return Failure{Errc::no_service, recorded(request) + ", but the service stopped before it answered",
                     "it is answered when the service starts again; " + later_seen(request)};
  }
}

}  // namespace rebottle::tools
