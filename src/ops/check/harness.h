// The types of the case tables: a fixture (tensors with their roles, a packed batch, the step state), and columns,
// one for each backend, with copies of all buffers. check.h says how they are run.
#ifndef SOUK_OPS_CHECK_HARNESS_H
#define SOUK_OPS_CHECK_HARNESS_H

#include "base/philox.h"
#include "ops/check/check.h"

enum { MAX_TENSORS = 24, MAX_ENTRIES = 12, LABEL = 224 };

typedef enum element { ELEMENT_ACT, ELEMENT_FLOAT, ELEMENT_BYTE } element;

typedef enum role {
  GIVEN,     // r
  SAVED,     // w by the forward pass (w again by each one), r by the backward pass
  MADE,      // w by the backward pass
  SUMMED,    // a, or updated in place: keeps its content from pass to pass
  REWRITTEN, // rw: filled again before each pass, and compared afterwards
  CONSUMED,  // r, but an output may alias it: filled again before each pass, and not compared
} role;

typedef struct tensor {
  const char *name;
  element kind;
  role role;
  rows n;                // capacity, and which live count applies
  int32_t width;         // elements of a row
  int32_t live_width;    // of these, live ones; 0: all
  double center, spread; // values are center + spread * normal; spread 0: 1
  double terms; // size of the terms that are added up, if they cancel; 0: the tensor's own largest element
  int32_t derivative; // of a GIVEN tensor: the one that holds its gradient; of an output: the given; 0: none
  int32_t alias;      // shares memory with this tensor in the backend under test; 0: no
  bool across;        // its columns are the batch's tokens
  bool gradient;      // GIVEN, CONSUMED or REWRITTEN: results are linear in it
  bool absent;        // NULL
  double *
      values; // [n.cap * width] what it holds before the first pass; of a grown fixture what the small one had
} tensor;

enum { MAX_LENGTHS = 2048 };

// The description of a packed batch. Arrays whose range is 0 are left out (NULL).
typedef struct batch_spec {
  int32_t lengths[MAX_LENGTHS]; // tokens of each live sequence
  int32_t seqs, seqs_cap, tokens, tokens_cap;
  int32_t masked, masked_cap;
  bool distinct; // masked rows are distinct, also those past the live count
  int32_t vocab, n_types, n_positions;
  int32_t class_base, classes, negatives; // of the masked-LM loss
  int32_t small_classes;                  // of the classification loss
  int32_t targets;                        // labels of a sequence, in the field of that name; each is 0 or 1
} batch_spec;

typedef struct fixture {
  size_t act_size;    // of the backend under test: values are rounded so that it can hold them
  matmul_kind matmul; // of the backend under test; the naive reference rounds operands likewise
  step_state state;
  batch_spec batch;
  tensor t[MAX_TENSORS]; // from 1
  int32_t repeat;        // grown: how many times the small one
  bool with_signs;
  int32_t caps[ROWS_KINDS]; // grown: capacity of each kind of rows
  rng random;
  status rc; // of the setup so far
} fixture;

typedef enum direction { FORWARD, BACKWARD } direction;

typedef struct column column;

typedef struct suite {
  const char *name;
  op_kind kind;
  int32_t cases;
  // The last `real` cases have real sizes. repeats: how many times the fixture that each sets up (which has no dead
  // rows) is repeated; 1: run like any other.
  int32_t real;
  const int32_t *repeats; // [real]
  void (*label)(int32_t i, char text[LABEL]);
  // Describes case i with fixture_put() and the fixture's fields. Tensors are filled immediately; errors go to f->rc.
  void (*setup)(int32_t i, fixture *f);
  // The op's arguments in a column.
  void (*bind)(int32_t i, const fixture *f, column *c, direction pass, op_params *p);
  // For ops with several backward functions (adamw, lamb); NULL: the kind decides.
  status (*backward)(int32_t i, const backend *be, op_ctx *ctx, const op_params *p);
} suite;

// A buffer with guard zones before and after it.
typedef struct guarded {
  char *base;          // backend memory; NULL: none
  size_t bytes, after; // of the content, and of the room after it
  const char *name;
} guarded;

struct column {
  const backend *be;
  op_ctx *ctx;
  size_t float_size; // bytes of what the params structs call float
  int32_t threads;
  batch_view batch;
  void *at[MAX_TENSORS]; // payloads; NULL where absent
  guarded memory[MAX_TENSORS];
  guarded arrays[N_BATCH_FIELDS]; // of the batch
  // Of the optimiser: its table, whose entries bind() describes.
  optim_tensor entries[MAX_ENTRIES];
  void *table, *norms;
};

// All tensors after a pass, as doubles.
typedef struct snapshot {
  double *v[MAX_TENSORS]; // NULL where absent
  step_result result;
} snapshot;

// ---- for case tables -----------------------------------------------------------------------------------------

// The first fields of a tensor: rows x width of activations, floats, bytes.
#define ACTS(label, how, rows_n, columns) \
  .name = (label), .kind = ELEMENT_ACT, .role = (how), .n = (rows_n), .width = (columns)
#define FLOATS(label, how, rows_n, columns) \
  .name = (label), .kind = ELEMENT_FLOAT, .role = (how), .n = (rows_n), .width = (columns)
#define BYTES(label, how, rows_n, columns) \
  .name = (label), .kind = ELEMENT_BYTE, .role = (how), .n = (rows_n), .width = (columns)

// Adds tensor `at` and fills it with normal values (bytes: a quarter ones), exactly as the backend can hold them.
void fixture_put(fixture *f, int32_t at, tensor t);

// One sequence, single tokens, up to 12 tokens each, or anything around the borders of blocks.
typedef enum lengths_kind { LENGTHS_ONE, LENGTHS_ONES, LENGTHS_SHORT, LENGTHS_MIXED } lengths_kind;
extern const char *const lengths_names[];
// Sequences that sum to `tokens`, with `slack` unused tokens and sequences; sets the live counts of the state.
void fixture_batch(fixture *f, lengths_kind kind, int32_t tokens, int32_t slack);
// `masked` of masked_cap rows.
void fixture_masked(fixture *f, int32_t masked, int32_t masked_cap);

// ---- for runners ---------------------------------------------------------------------------------------------

extern const suite *const suites[];
extern const int32_t n_suites;

status fixture_set_up(const suite *s, int32_t i, size_t act_size, fixture *f);
void fixture_free(fixture *f);
// Repeats the rows, sequences and masks of `small`, multiplying gradients and weights by a sign of each repetition,
// and adds `slack` dead rows; parameters are not repeated. Shares the memory of `small`. Each row of results follows
// from the small one's row and the sign, sums over rows from the sum of the signs. (Thanks to the signs sums stay
// near 0, and roundings do not all go the same way.)
void fixture_grow(fixture *out, const fixture *small, int32_t repeat, int32_t slack);
typedef struct row_source { // where a row of a tensor comes from
  bool live;
  size_t at;      // element of `values` that its first column is
  size_t columns; // of it there; further columns begin again
  double sign;
} row_source;
row_source tensor_row(const fixture *f, const tensor *t, size_t row);
int32_t fixture_sign(const fixture *f, int32_t repetition);        // 1 or -1
int32_t fixture_signs(const fixture *f);                           // their sum
bool tensor_is_live(const fixture *f, const tensor *t, size_t at); // not past a live count

// The content of rows past the live counts, and of outputs that were not written yet.
typedef enum fill { FILL_NAN, FILL_FINITE } fill;

status column_open(column *c, const suite *s, int32_t i, const fixture *f, const backend *be, int32_t device,
                   int32_t threads);
void column_close(column *c); // safe on a zeroed column
status column_fill(column *c, const fixture *f, fill filler);
// Fills the tensors that must be filled again before the coming pass.
status column_refresh(column *c, const fixture *f, fill filler, direction pass);
status column_write(column *c, const fixture *f, int32_t tensor,
                    fill filler); // one tensor as it is before a pass
status column_pass(column *c, const suite *s, int32_t i, const fixture *f, direction pass);
// The bytes of tensor i, to be freed; and an element of them.
status column_raw(const column *c, const fixture *f, int32_t i, void **raw);
double column_element(const column *c, const fixture *f, int32_t i, const void *raw, size_t at);
status column_guards(const column *c, const fixture *f, char broken[LABEL]); // only these
status column_read(const column *c, const fixture *f, int32_t tensor, double *values);
status column_snapshot(const column *c, const fixture *f, snapshot *out);
// Rounds activations to what a backend with smaller ones would have stored.
status column_round(column *c, const fixture *f, size_t act_size);
// Names in `broken` the first input or guard zone that has changed since column_fill(); "" if none has.
status column_intact(const column *c, const fixture *f, fill filler, char broken[LABEL]);
void snapshot_free(snapshot *s);

double round_to_act(double x,
                    size_t act_size); // as the backend would store it: 8, 4 (float) or 2 (bf16) bytes

// The suite "backend", of what is not an op.
status check_backend_suite(const backend *be, const check_config *config, check_result *out);
__attribute__((format(printf, 2, 3))) void check_note_failure(check_result *out, const char *format, ...);

#endif
