// What the files of prepare_copy.h share.
#ifndef SOUK_PREPARE_COPY_INTERNAL_H
#define SOUK_PREPARE_COPY_INTERNAL_H

#include "data/copy_rows.h"
#include "format/copy_context.h"
#include "prepare/input_files.h"
#include "prepare/intern.h"
#include "prepare/log_reader.h"
#include "prepare/prepare_copy.h"
#include "prepare/times.h"

// Fields of a row, the texts first. In files a column has the field's name, unless input.copy_fields says another.
// clang-format off
#define COPY_FIELDS(FIELD)                                                                                     \
  FIELD(copy) FIELD(user) FIELD(item) FIELD(title) FIELD(attributes) FIELD(language) FIELD(market) FIELD(type) \
  FIELD(goal) FIELD(date) FIELD(code) FIELD(name) FIELD(style)                                                 \
  FIELD(time) FIELD(price) FIELD(was) FIELD(percent) FIELD(amount) FIELD(threshold) FIELD(click)               \
  FIELD(propensity)
// clang-format on
typedef enum copy_field {
#define FIELD(name) FIELD_##name,
  COPY_FIELDS(FIELD)
#undef FIELD
      N_COPY_FIELDS,
  COPY_TEXTS = FIELD_time // fields that are kept as text
} copy_field;
extern const char *const copy_field_names[N_COPY_FIELDS];

typedef struct copy_row {
  int64_t text[COPY_TEXTS]; // where each begins in the table's texts; -1: none
  event_time time;
  bool has_time;
  uint8_t part, click; // copy_part; as in copy_rows.h
  double price, was, percent, amount, threshold;
  double propensity; // 0: not known
  int32_t year, month, day;
  int32_t user, item, style; // by copy_table's names; -1: none
  bool dropped;              // for its quantities
} copy_row;

struct copy_table {
  const prepare_config *c;
  int32_t zone;
  uint64_t named; // a bit for each field whose column input.copy_fields names
  char columns[N_COPY_FIELDS][OPTION_STRING];
  copy_row *rows; // [n]
  size_t n, cap;
  char *texts; // NUL-terminated, one behind the other
  size_t texts_used, texts_cap;
  intern *users, *items, *styles;
  intern *names[COPY_NAMES]; // languages, markets, types and goals
  int64_t *history_of;       // [users] -1: none
  char **title_of;           // [items] of the catalogue; NULL: none
  int64_t histories;
  uint8_t part;      // of the file being read
  double out[2];     // shares of its rows for validation and test
  const char *path;  // of the file being read
  input_files files; // whose names the lists of rejects borrow
};

// The text of a field of a row; NULL: none.
const char *copy_row_text(const copy_table *t, const copy_row *r, copy_field field);
// What is true of a row's offer; borrows the table's texts. The item's name is what copy_row_name says.
promo_terms copy_row_terms(const copy_table *t, const copy_row *r);
const char *copy_row_name(const copy_table *t, const copy_row *r);
// copy_take.c: a row of a file, which is kept, or counted with the reason why not.
status copy_take_row(copy_table *t, const log_row *row, copy_counts *counts);

#endif
