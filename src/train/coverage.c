// Which share of the training events an epoch has; see coverage.h.
#include "train/coverage.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static void append(char text[COVERAGE_TEXT], const char *format, ...) {
  const size_t used = strlen(text);
  va_list args;
  va_start(args, format);
  vsnprintf(text + used, COVERAGE_TEXT - used, format, args);
  va_end(args);
}

static void name_causes(char text[COVERAGE_TEXT], const data_window *w, const run_config *run) {
  const data_config *c = &run->data;
  const char *joint = "";
  if (w->length > w->room) {
    append(
        text,
        "of a window of %d events the model sees the newest %d; lower data.window and data.stride, or raise "
        "model.max_positions (%lld)",
        w->length, w->room, (long long)run->model.max_positions);
    joint = "; ";
  }
  if (c->dupe_factor > 0 || (c->last_copies >= 1 && !(c->crop > 0))) return;
  append(text, "%swith data.dupe_factor = 0 a window comes data.last_copies = %g times", joint,
         c->last_copies);
  if (c->crop > 0) append(text, ", cut short in data.crop = %g of them", c->crop);
}

bool coverage_text(char text[COVERAGE_TEXT], const batcher_coverage *c, const run_config *run,
                   const dataset *d) {
  const data_window *w = &c->window;
  const int32_t usual = dataset_get_info(d)->window;
  const bool all = c->covered == c->events;
  text[0] = '\0';
  if (w->length == 0 || c->events == 0) return false;
  if (all)
    append(text, "an epoch has all %lld training events, in windows of %d that begin %d apart",
           (long long)c->events, w->length, w->stride);
  else // rounded down: 100% are all
    append(text, "an epoch has %g%% of the training events (%lld of %lld): ",
           floor(1e4 * (double)c->covered / (double)c->events) / 100, (long long)c->covered,
           (long long)c->events);
  if (!all) name_causes(text, w, run);
  if (all && run->data.window == 0 && w->length < usual)
    append(text, " (the data set's are %d long, model.max_positions = %lld has room for %d)", usual,
           (long long)run->model.max_positions, w->room);
  if (run->data.trains.final)
    append(text, "; final training: train and validation parts%s",
           run->data.trains.final_users > 0 ? ", the latter without data.final_users" : "");
  if (run->data.next_session) append(text, "; half of the second sessions of pairs are another user's");
  if (c->cut > 0)
    append(text,
           "; %lld of %lld examples are longer than model.max_positions with attributes, searches and "
           "domains, and lose "
           "their oldest events and words",
           (long long)c->cut, (long long)c->examples);
  return !all || c->cut > 0;
}
