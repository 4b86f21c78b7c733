// From a data set to masked, packed batches, on a thread of its own.
//
// The batches of an epoch are a pure function of (seed, epoch, index) and of the data: blocks of sequences are
// permuted, read group by group, their examples permuted inside the group and composed into token-budget
// batches, which are dealt to ranks in turn, the same number to each: what is left at the end of an epoch is left out. So the
// only state to save is a place: the epoch, and how many of its examples came before. The order of examples does not
// depend on how they are cut into batches, so a run may go on from its place with batches of another size.
//
// Capacities follow from the lengths in the data set (batch_bounds.h), such that one batch in e^50 would be larger. That
// one ends where its sequences or its attention work are at their capacity, and its rows stay unmasked where its masked
// rows are; with masks that were made elsewhere it ends there too.
//
// Examples of an epoch, where masks are filled (layout.asks): every training window once per `dupe_factor` (each with masks of
// its own), and the same again times `last_copies` with only the last item masked. With crop > 0 a last copy is first cut
// to a random prefix with that probability. Where successors are predicted: every window once, of which all items but the last are
// the rows, and all but the first their labels; and, without [CLS], for one in COLD_STARTS of the windows that begin a history a
// [MASK] alone that predicts its first item. Sequence id of an example = (epoch * copies + copy) * windows + window: its
// masks and dropout depend on it alone.
//
// Its thread reads the data set, so who waits for it (batcher_next, batcher_close) must not hold HDF5's lock; the order of
// locks is in hdf5/hdf5_glue.h.
#ifndef SOUK_DATA_BATCHER_H
#define SOUK_DATA_BATCHER_H

#include "base/options.h"
#include "data/batch.h"
#include "data/copy_weights.h"
#include "data/dataset.h"
#include "data/hard_negatives.h"
#include "data/training_part.h"

// With data.mix an epoch has texts of items and pairs of a history and a text as well (data_mix.h, sources/text_source.h,
// sources/pair_source.h), shuffled together with these examples; without, it is what it was before there were any.
enum { COLD_STARTS = 16 };

typedef enum mask_style { MASK_ALWAYS, MASK_BERT } mask_style; // "always|bert" (80/10/10)
// "uniform|popularity|log_uniform|in_batch" (sources/negatives.c)
typedef enum negative_kind {
  NEGATIVES_UNIFORM,
  NEGATIVES_POPULARITY,
  NEGATIVES_LOG_UNIFORM,
  NEGATIVES_IN_BATCH
} negative_kind;

typedef enum next_rows_kind { NEXT_ROWS_ALL, NEXT_ROWS_LAST } next_rows_kind; // "all|last"

// Section "data" of a run's configuration.
typedef struct data_config {
  char dir[OPTION_STRING]; // a prepared data set
  int64_t window, stride;  // 0: what data_windows says
  int64_t batch_tokens;    // token budget of a micro-batch
  int64_t batch_sequences; // at most; 0: as many as fit
  double mask_probability; // of the items of an example
  double mask_spans;       // items that are masked as one, in the mean
  double mask_popularity;  // exponent of an item's count in its rate (masking.h)
  int mask_style;
  bool mask_events; // hide the event type of masked positions
  double
      last_copies; // copies of each window with only the last item masked (a fraction: that share of windows)
  int64_t dupe_factor; // masked copies of each window a epoch (0: last copies only)
  double crop;         // probability that a last copy is cut to a random prefix (length uniform in 2..n)
  bool next_session;   // pairs [CLS] a [SEP] b [SEP], b half the time the user's next session
  int64_t negatives;   // shared negatives of the sampled loss; 0: full softmax
  int negative_kind;
  double negative_alpha; // exponent of popularity
  double negative_mix;   // share that is drawn uniformly whatever the kind
  int64_t
      hard_negatives; // of the negatives, so many are of the lists of the batch's histories (hard_negatives.h)
  double hard_margin;      // an item that scores higher than the label by more than this is in no list
  int64_t hard_every;      // steps between two rankings for the lists; 0: they are made once
  int next_rows;           // next_rows_kind: at which rows of a window the next item is predicted
  int negative_logq;       // logq_kind (ops/ops.h) of the sampled softmax: "standard|corrected|none"
  char mix[OPTION_STRING]; // what an epoch has (data_mix.h)
  int64_t text_tokens;     // of an item's text in an example; 0: as many as fit
  double pair_false;       // share of the pairs that show another item
  int64_t copy_tokens;     // longest copy, [SEP] included; 0: that of the data set
  copy_config copy;        // section "copy": of data sets with copy
  int64_t seed;
  training_choice trains; // on which events: data.final, data.final_users
} data_config;

extern const option data_options[];
extern const size_t n_data_options;

typedef enum data_part {
  PART_TRAIN,
  PART_VALID
} data_part; // VALID: for each validation target, history + [MASK]

typedef struct batcher batcher;

// Where the next batch begins, for all ranks together.
typedef struct data_place {
  int64_t epoch;
  int64_t example; // examples of the epoch that came before
  int64_t index; // batches of the epoch that each rank has had before; it names the random numbers of a batch
} data_place;

// Training windows of histories. What is not set follows from the data set, and from how many events of one sequence the
// model has room for: a window of the data set that is longer is shortened to that, and the stride in proportion.
typedef struct data_window {
  int32_t length, stride; // in events
  int32_t room;           // events of a window that the model sees, at most
} data_window;
data_window data_windows(const data_config *c, const dataset_info *info, const seq_layout *layout);
// The option, by its whole name (data.seed), that makes the examples of an epoch come in another order than they did
// before; NULL: the order is the same, so that a place means the same. `before` and `now` have windows that are set; those
// of examples that were masked elsewhere decide nothing.
const char *data_order_changed(const data_config *before, const data_config *now, bool made_elsewhere);

// vocab ranges decide what may be masked (items and words) and drawn. Owns its thread; d must outlive it.
status batcher_open(batcher **out, dataset *d, const data_config *config, const seq_layout *layout,
                    data_part part, int32_t rank, int32_t ranks);
void batcher_close(batcher *b); // NULL is safe
batch_caps batcher_caps(const batcher *b);
// Batches a rank has in an epoch (the same for every rank and every epoch's data, from the plan of that epoch).
status batcher_epoch_batches(batcher *b, int64_t epoch, int64_t *batches);
// What comes in an epoch's batches; known as soon as the batcher is open. Where every window has a copy that is masked at
// random (dupe_factor > 0) it is the same in each epoch, else this is epoch 0. With next_session it is what the windows have,
// before second sessions are exchanged for those of other users. With attributes of users, searches or domains an example of few events
// can be too long for the model: it loses its oldest events and words, which `covered` does not look at.
typedef struct batcher_coverage {
  data_window window; // zeros: examples that were made elsewhere, which all come
  int64_t events;     // that may be trained on
  int64_t covered;    // of these, that come at least once
  int64_t examples,
      cut; // of histories, where more is known of users than their events; those that are too long
} batcher_coverage;
status batcher_get_coverage(batcher *b, batcher_coverage *out);
// Host memory of a batcher, in bytes, and of what: known as soon as it is open.
typedef struct batcher_memory {
  double batches;                   // those made ahead
  double index;                     // of windows
  double sequences, sequence_bytes; // read at a time; with their tokens
  double examples, example_bytes;   // listed at a time
  double tables;                    // for drawing negatives
  double texts;                     // of items
} batcher_memory;
batcher_memory batcher_get_memory(const batcher *b);
// Continue at a place; call before the first batcher_next. ERR_ARGUMENT: the epoch has not so many examples.
status batcher_seek(batcher *b, const data_place *place);
// The place where each rank has had `index` batches of an epoch, as souk 0.2 and those before counted. Moves there.
// ERR_ARGUMENT: the epoch has not so many batches.
status batcher_find_batch(batcher *b, int64_t epoch, int64_t index, data_place *place);
// The data set takes *h over as its hard negatives, which batches from this place on draw from; those that were made ahead are forgotten. The
// batch taken last is no longer valid.
status batcher_renew_hard_negatives(batcher *b, hard_negatives *h, const data_place *place);
// The next batch, valid until the next call. PART_TRAIN goes on with the next epoch; PART_VALID sets *out to NULL
// once at the end and then starts again.
status batcher_next(batcher *b, const batch **out);

#endif
