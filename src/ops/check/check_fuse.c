// Cases of item vectors that are fused of content and id.
#include <stdio.h>
#include "ops/check/harness.h"

enum { ID = 1, CONTENT, GATE, KNOWN, E, DE, DCONTENT, DID, DGATE };

typedef struct fuse_case {
  int32_t vocab, base, items, hidden, threshold;
  enum { ALL, ALL_KNOWN, CONTENT_ALONE, IDS_FROZEN, GATE_FROZEN } wanted;
  int32_t listed, slack; // rows of a list, and room behind them; 0: all rows
} fuse_case;

static const fuse_case cases[] = {
    {1, 0, 1, 1, 0, ALL, 0, 0},
    {5, 2, 3, 3, 128, ALL, 0, 0},
    {11, 4, 5, 20, 64, ALL, 0, 0},
    {97, 10, 87, 36, 0, ALL_KNOWN, 0, 0},
    {97, 10, 80, 64, 26, CONTENT_ALONE, 0, 0},
    {300, 100, 200, 17, 77, IDS_FROZEN, 0, 0},
    {300, 0, 300, 64, 77, GATE_FROZEN, 0, 0},
    {130, 1, 127, 100, 256, ALL, 0, 0}, // every id is dropped
    {40, 3, 33, 644, 51, ALL, 0, 0},
    {33, 3, 30, 515, 51, ALL, 0, 0},
    {2049, 49, 2000, 4, 13, ALL, 0, 0},
    {1, 0, 1, 1, 0, ALL, 1, 0},
    {9, 2, 6, 3, 128, ALL, 5, 2},
    {97, 10, 80, 36, 64, ALL, 40, 20},
    {97, 90, 7, 20, 0, ALL_KNOWN, 33, 1}, // mostly rows that are no items
    {130, 1, 127, 64, 26, CONTENT_ALONE, 71, 3},
    {300, 100, 200, 17, 77, IDS_FROZEN, 299, 1},
    {300, 20, 280, 100, 51, GATE_FROZEN, 200, 50},
    {33, 3, 30, 515, 51, ALL, 20, 10},
    {2049, 49, 2000, 4, 13, ALL, 700, 100},
    // Real sizes.
    {12107, 6, 12101, 64, 26, ALL, 0, 0},
    {6000, 1000, 4900, 256, 51, ALL_KNOWN, 0, 0},
    {12107, 6, 12101, 64, 26, ALL, 3000, 0},
};
static const int32_t repeated[] = {1, 1, 1};

static void label(int32_t i, char text[LABEL]) {
  static const char *const wanted[] = {"", ", all known", ", content alone", ", ids frozen", ", gate frozen"};
  const fuse_case *k = &cases[i];
  char list[48] = "";
  if (k->listed > 0) snprintf(list, sizeof list, ", %d of %d listed", k->listed, k->listed + k->slack);
  snprintf(text, LABEL, "%d items from row %d on of %d, hidden %d, id dropout %d/256%s%s", k->items, k->base,
           k->vocab, k->hidden, k->threshold, wanted[k->wanted], list);
}

// The list is that of the masked rows, of a batch of as many tokens as there are rows of e.
static rows listed_of(const fuse_case *k) {
  return (rows){ROWS_MASKED, k->listed + k->slack};
}

static void setup(int32_t i, fixture *f) {
  const fuse_case *k = &cases[i];
  const int32_t H = k->hidden;
  const rows v = {ROWS_FIXED, k->vocab}, items = {ROWS_FIXED, k->items}, one = {ROWS_FIXED, 1};
  const bool gate = k->wanted != CONTENT_ALONE, list = k->listed > 0;
  const rows made = list ? listed_of(k) : items; // rows of content
  f->state.step = 7;
  if (list) fixture_batch(f, LENGTHS_ONE, k->vocab, 0);
  if (list) fixture_masked(f, k->listed, k->listed + k->slack);
  f->batch.distinct = list;
  fixture_put(f, ID, (tensor){ACTS("id", GIVEN, v, H), .derivative = k->wanted == IDS_FROZEN ? 0 : DID});
  fixture_put(f, CONTENT, (tensor){ACTS("content", GIVEN, made, H), .derivative = DCONTENT});
  fixture_put(f, GATE,
              (tensor){ACTS("gate", GIVEN, one, H), .derivative = k->wanted == GATE_FROZEN ? 0 : DGATE,
                       .absent = !gate});
  fixture_put(f, KNOWN, (tensor){BYTES("known", GIVEN, items, 1), .absent = k->wanted == ALL_KNOWN});
  fixture_put(f, E, (tensor){ACTS("e", list ? SUMMED : SAVED, v, H), .derivative = DE});
  fixture_put(f, DE, (tensor){FLOATS("de", list ? REWRITTEN : GIVEN, v, H), .gradient = true});
  fixture_put(f, DCONTENT, (tensor){ACTS("dcontent", MADE, made, H)});
  fixture_put(f, DID, (tensor){FLOATS("did", SUMMED, v, H), .absent = k->wanted == IDS_FROZEN});
  fixture_put(f, DGATE,
              (tensor){FLOATS("dgate", SUMMED, one, H), .absent = !gate || k->wanted == GATE_FROZEN});
}

static void bind(int32_t i, const fixture *f, column *c, direction pass, op_params *p) {
  (void)pass;
  (void)f;
  const fuse_case *k = &cases[i];
  p->fuse = (fuse_params){.vocab = k->vocab,
                          .base = k->base,
                          .items = k->items,
                          .hidden = k->hidden,
                          .list = k->listed > 0 ? c->batch.masked : NULL,
                          .listed = listed_of(k),
                          .known = c->at[KNOWN],
                          .id_threshold = (uint32_t)k->threshold,
                          .id = c->at[ID],
                          .content = c->at[CONTENT],
                          .gate = c->at[GATE],
                          .e = c->at[E],
                          .de = c->at[DE],
                          .dcontent = c->at[DCONTENT],
                          .did = c->at[DID],
                          .dgate = c->at[DGATE]};
}

const suite suite_fuse = {.name = "fuse",
                          .kind = OP_FUSE,
                          .cases = sizeof cases / sizeof *cases,
                          .real = sizeof repeated / sizeof *repeated,
                          .repeats = repeated,
                          .label = label,
                          .setup = setup,
                          .bind = bind};
