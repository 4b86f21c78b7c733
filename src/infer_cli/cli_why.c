// souk-infer rank --why: which events of a history carry the scores of a list.
#include <stdlib.h>
#include "infer_cli/cli.h"

enum { SHARES_MAX = 64 << 20 };

struct cli_why {
  const souk_bundle *b;
  souk_explain_options options;
  // of the list that was asked about last
  size_t events, items;
  souk_explanation *out; // [items]
  float *shares;         // [items][events]
  size_t out_cap, shares_cap;
};

int why_new(cli_why **out, const cli_options *o, const souk_bundle *b) {
  cli_why *w = calloc(1, sizeof *w);
  *out = w;
  if (w == NULL) return cli_fail(EXIT_FAILED, "out of memory: explanations");
  w->b = b;
  w->options = (souk_explain_options){.threads = o->threads, .no_mix = o->no_mix};
  if (o->gradients) w->options.method = SOUK_WHY_INTEGRATED_GRADIENTS;
  return 0;
}

void why_free(cli_why *w) {
  if (w == NULL) return;
  free(w->out);
  free(w->shares);
  free(w);
}

int why_ask(cli_why *w, cli_query *q, const int32_t *items, int32_t n) {
  const souk_history h = query_history(q);
  souk_error e = {.code = SOUK_OK};
  w->items = (size_t)n;
  w->events = (size_t)h.n;
  w->options.adapter = q->adapter;
  if (w->events > 0 && w->items > SHARES_MAX / w->events)
    return query_fail(q, "--why of %zu items x %zu events is more than %d shares", w->items, w->events,
                      SHARES_MAX);
  int rc = cli_grow(&w->out, &w->out_cap, w->items + 1, sizeof *w->out);
  if (rc == 0) rc = cli_grow(&w->shares, &w->shares_cap, w->items * w->events + 1, sizeof *w->shares);
  if (rc != 0) return rc;
  if (souk_explain(w->b, &h, items, w->items, &w->options, w->out, w->shares, &e) == SOUK_OK) return 0;
  if (e.code == SOUK_ERR_MEMORY) return cli_fail(EXIT_FAILED, "%s", e.message);
  return query_fail(q, "%s", e.message);
}

static int write_shares(const cli_why *w, cli_output *o) {
  int rc = output_text(o, ",\"shares\":[");
  for (size_t i = 0; rc == 0 && i < w->items; i++) {
    rc = output_text(o, i > 0 ? ",[" : "[");
    for (size_t j = 0; rc == 0 && j < w->events; j++) {
      if (j > 0) rc = output_text(o, ",");
      if (rc == 0) rc = output_float(o, w->shares[i * w->events + j]);
    }
    if (rc == 0) rc = output_text(o, "]");
  }
  return rc != 0 ? rc : output_text(o, "]");
}

int why_write(const cli_why *w, cli_output *o) {
  static const char *const fields[] = {"base", "counts", "rest"};
  const int32_t method = w->items > 0 ? w->out->method : SOUK_WHY_LEAVE_ONE_OUT;
  int rc = output_text(o, method == SOUK_WHY_INTEGRATED_GRADIENTS
                              ? ",\"why\":{\"method\":\"integrated-gradients\",\"passes\":"
                              : ",\"why\":{\"method\":\"leave-one-out\",\"passes\":");
  if (rc == 0) rc = output_int(o, w->items > 0 ? w->out->passes : 0);
  for (int f = 0; rc == 0 && f < 3; f++) {
    rc = output_text(o, ",\"");
    if (rc == 0) rc = output_text(o, fields[f]);
    if (rc == 0) rc = output_text(o, "\":[");
    for (size_t i = 0; rc == 0 && i < w->items; i++) {
      const souk_explanation *x = &w->out[i];
      if (i > 0) rc = output_text(o, ",");
      if (rc == 0) rc = output_float(o, (float)(f == 0 ? x->base : f == 1 ? x->counts : x->rest));
    }
    if (rc == 0) rc = output_text(o, "]");
  }
  if (rc == 0) rc = write_shares(w, o);
  return rc != 0 ? rc : output_text(o, "}");
}
