// The line of progress; see progress.h.
#include "train/progress.h"

#include <stdio.h>
#include <string.h>
#include "base/log.h"

enum { FIELDS = 10 + MAX_SLOTS, PLAIN_SECONDS = 10 }; // between lines that are not redrawn in place
// Narrow models spend their time outside matmuls, so a low share is normal for them.
enum { FULL_WIDTH = 64 };
static const double LOW_SHARE = 0.05, JUDGE_SECONDS = 0.5;

void progress_start(progress *p) {
  *p = (progress){.started = now_seconds()};
  log_doing("composing the first batch");
}

void progress_first_step(progress *p) {
  p->first_step_seconds = now_seconds() - p->started;
}

bool progress_due(const progress *p) {
  const double now = now_seconds();
  if (!(p->shown > 0)) return now - p->started >= 1;
  return now - p->shown >= (log_is_terminal() ? 1 : PLAIN_SECONDS);
}

// Fields in the order in which they are read. Fields with less weight are dropped first on a narrow terminal.
static int compose(status_field f[FIELDS], const progress *p, const progress_figures *v) {
  char buf[32];
  int n = 0;
  // A share above 100% says that the peak which was given (train.peak_gflops) is none.
  const double share = v->peak > 0 ? 100 * v->flops / v->peak : 0;
#define FIELD(w, shown, ...)                                       \
  do {                                                             \
    f[n].weight = w;                                               \
    f[n].text[0] = '\0';                                           \
    if (shown) snprintf(f[n].text, sizeof f[n].text, __VA_ARGS__); \
    n++;                                                           \
  } while (0)
  if (v->last_step > 0)
    FIELD(100, true, "step %*lld/%lld", snprintf(NULL, 0, "%lld", (long long)v->last_step),
          (long long)v->step, (long long)v->last_step);
  else
    FIELD(100, true, "step %6lld", (long long)v->step);
  FIELD(60, v->micros > 1 && v->micro > 0, "micro-batch %lld/%lld", (long long)v->micro,
        (long long)v->micros);
  FIELD(40, v->n_losses > 0, "epoch %lld", (long long)v->epoch);
  for (int32_t k = 0; k < v->n_losses; k++)
    FIELD(k == 0 ? 90 : 50, true, "%s %.4f", v->losses[k].label, v->losses[k].value);
  FIELD(20, v->n_losses > 0, "lr %.3g", v->lr);
  FIELD(15, v->grad_norm > 0, "norm %.3g", v->grad_norm);
  FIELD(70, v->tokens_per_s > 0, "%s tokens/s", human_count(buf, v->tokens_per_s));
  FIELD(10, v->flops > 0, "%s", human_unit(buf, v->flops, "FLOP/s"));
  FIELD(30, v->flops > 0 && v->peak > 0 && share < 100.5, share < 9.95 ? "%.1f%% of peak" : "%.0f%% of peak",
        share);
  FIELD(65, p->first_step_seconds > 0 && v->n_losses == 0, "first step %s",
        human_seconds(buf, p->first_step_seconds));
  FIELD(80, v->seconds_left > 0, "eta %s", human_seconds(buf, v->seconds_left));
#undef FIELD
  return n;
}

void progress_show(progress *p, const progress_figures *v, bool must) {
  status_field fields[FIELDS];
  if (!log_is_terminal() && !must && p->shown > 0 && !progress_due(p)) return;
  p->shown = now_seconds();
  log_status_fields(fields, compose(fields, p, v));
}

void progress_judge(progress *p, const progress_figures *f, double seconds, int64_t hidden, int32_t threads) {
  const bool first = !p->looked;
  const double share = f->peak > 0 ? f->flops / f->peak : 1;
  p->looked = true;
  if (first || p->warned || seconds < JUDGE_SECONDS) return;
  if (share >= LOW_SHARE * (hidden < FULL_WIDTH ? (double)hidden / FULL_WIDTH : 1)) return;
  p->warned = true;
  if (threads > 1)
    log_warn("this runs at %.1f%% of the machine's peak: the %d threads mostly wait, for each other or for "
             "processors "
             "that other jobs hold; fewer threads (--threads %d) or fewer other jobs are likely to help",
             100 * share, threads, threads / 2);
  else
    log_warn("this runs at %.1f%% of the machine's peak: the thread mostly waits for a processor; fewer "
             "other jobs are "
             "likely to help",
             100 * share);
}
