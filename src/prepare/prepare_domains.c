// Domains; see prepare_domains.h.
#include "prepare/prepare_domains.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "data/user_context.h"
#include "format/domains.h"
#include "prepare/log_reader.h"

struct domain_table {
  char **logs, **catalogues; // [n_...] of files; NULL: not said
  size_t n_logs, n_catalogues;
  intern *users;   // DOMAIN / USER, of the map
  intern *persons; // their names
  int32_t *person; // [users]
  uint8_t *seen;   // [users] does the log have rows of it?
  size_t person_cap, seen_cap;
  char *name; // at hand
  size_t name_cap;
  user_runs out;
  size_t offsets_cap, places_cap;
  int64_t taken, runs;
  domain_counts counts;
};

// ---- files ---------------------------------------------------------------------------------------------------

static status name_files(char ***out, size_t *n, const char *list, size_t files, const char *option_name) {
  char name[OPTION_STRING];
  if (list[0] == '\0') return OK;
  TRY(mem_new(out, files + 1, sizeof **out, "names of domains"));
  for (const char *rest = list; *rest != '\0';) {
    rest = list_name(rest, name);
    if (!domain_name(name, strlen(name)))
      return fail(ERR_ARGUMENT,
                  "%s: \"%.60s\" is no name of a domain: it is empty, has a '/' or more than %d bytes",
                  option_name, name, DOMAIN_BYTES);
    if (*n < files) TRY(mem_strdup(&(*out)[*n], name));
    ++*n;
  }
  if (*n == files) return OK;
  const size_t named = *n;
  if (*n > files) *n = files; // that were copied
  return fail(ERR_ARGUMENT, "%s names %zu domains, but there are %zu files", option_name, named, files);
}

const char *domain_of_log(const domain_table *t, size_t i) {
  return t->logs != NULL ? t->logs[i] : NULL;
}

const char *domain_of_catalogue(const domain_table *t, size_t i) {
  return t->catalogues != NULL ? t->catalogues[i] : NULL;
}

// ---- names ---------------------------------------------------------------------------------------------------

status domain_item(domain_table *t, const char *domain, size_t domain_bytes, const char *item,
                   size_t item_bytes, const char **name, size_t *bytes) {
  *bytes = domain_bytes + 1 + item_bytes;
  TRY(mem_grow(&t->name, &t->name_cap, *bytes + 1, 1, "a name"));
  memcpy(t->name, domain, domain_bytes);
  t->name[domain_bytes] = '/';
  memcpy(t->name + domain_bytes + 1, item, item_bytes);
  t->name[*bytes] = '\0';
  *name = t->name;
  return OK;
}

status domain_user(domain_table *t, const char *domain, size_t domain_bytes, const char *user,
                   size_t user_bytes, const char **person) {
  const char *name;
  size_t bytes;
  *person = NULL;
  if (t->users == NULL) return OK;
  TRY(domain_item(t, domain, domain_bytes, user, user_bytes, &name, &bytes));
  const int32_t id = intern_find(t->users, name);
  if (id < 0) return OK;
  t->counts.joined++;
  t->counts.map_unused -= t->seen[id] == 0;
  t->seen[id] = 1;
  *person = intern_text(t->persons, t->person[id]);
  return OK;
}

status domain_label_items(const domain_table *t, const intern *items, intern *names, int32_t *of) {
  (void)t;
  char domain[DOMAIN_BYTES + 1];
  for (int32_t i = 0; i < intern_count(items); i++) {
    const char *name = intern_text(items, i), *slash = strchr(name, '/');
    const size_t n = slash != NULL ? (size_t)(slash - name) : 0;
    of[i] = -1;
    if (!domain_name(name, n)) continue;
    memcpy(domain, name, n);
    domain[n] = '\0';
    TRY(intern_add(names, domain, &of[i]));
  }
  return OK;
}

// ---- the map of users ----------------------------------------------------------------------------------------

static status take_row(domain_table *t, const char *const *row) {
  const char *name;
  size_t bytes;
  int32_t id;
  TRY(domain_item(t, row[0], strlen(row[0]), row[1], strlen(row[1]), &name, &bytes));
  const int32_t before = intern_count(t->users);
  TRY(intern_add(t->users, name, &id));
  t->counts.map_repeated += id < before;
  if (id < before) return OK;
  TRY(mem_grow(&t->person, &t->person_cap, (size_t)id + 1, sizeof *t->person, "the map of users"));
  TRY(mem_grow(&t->seen, &t->seen_cap, (size_t)id + 1, sizeof *t->seen, "the map of users"));
  t->seen[id] = 0;
  t->counts.map_unused++;
  return intern_add(t->persons, row[2], &t->person[id]);
}

static status read_rows(domain_table *t, log_reader *r, const char *path) {
  for (;;) {
    const char *row[3], *reason;
    bool end;
    TRY(log_next(r, row, &reason, &end));
    if (end) return OK;
    t->counts.map_rows++;
    for (int i = 0; reason == NULL && i < 3; i++)
      if (row[i] == NULL || strlen(row[i]) > MAX_NAME_BYTES)
        reason = "a name is missing or longer than 1024 bytes";
    if (reason != NULL) return fail(ERR_FORMAT, "%s line %lld: %s", path, (long long)log_line(r), reason);
    TRY(take_row(t, row));
  }
}

static status read_map(domain_table *t, const prepare_input *in) {
  static const char *const columns[] = {"domain", "user", "person"};
  const log_format format = {.kind = LOG_CSV,
                             .header = true,
                             .missing = in->missing,
                             .encoding = in->encoding,
                             .encoding_option = "input.encoding"};
  log_reader *r;
  if (in->user_map[0] == '\0') return OK;
  TRY(intern_new(&t->users));
  TRY(intern_new(&t->persons));
  TRY(log_open(&r, in->user_map, &format, columns, 3));
  const status rc = read_rows(t, r, in->user_map);
  log_close(r);
  return rc;
}

// ---- runs ----------------------------------------------------------------------------------------------------

status domain_take(domain_table *t, const int32_t *domains, int32_t n) {
  bool several = false;
  TRY(mem_grow(&t->out.offsets, &t->offsets_cap, (size_t)t->taken + 2, sizeof *t->out.offsets,
               "runs of domains"));
  t->out.offsets[t->taken++] = t->runs;
  for (int32_t i = 0; i < n; i++) {
    if (i > 0 && domains[i] == domains[i - 1]) continue;
    TRY(mem_grow(&t->out.places, &t->places_cap, (size_t)t->runs + 1, sizeof *t->out.places,
                 "runs of domains"));
    t->out.places[t->runs++] = i;
    several = several || i > 0;
  }
  t->out.offsets[t->taken] = t->runs;
  t->counts.shared += several;
  t->counts.runs = t->runs;
  return OK;
}

status domain_write(const domain_table *t, dataset_writer *w, int deflate) {
  char path[PATH_MAX + 64];
  TRY(writer_path(w, "domains.h5", path, sizeof path));
  TRY(user_runs_write(&t->out, t->taken, path, deflate));
  return writer_list(w, "domains.h5");
}

const domain_counts *domain_get_counts(const domain_table *t) {
  return &t->counts;
}

// ---- life ----------------------------------------------------------------------------------------------------

static status check_options(const prepare_config *c) {
  const bool column = c->fields.domain[0] != '\0', files = c->input.domains[0] != '\0';
  if (column && files)
    return fail(ERR_ARGUMENT, "input.domains and fields.domain both say of which domain a row is; set one");
  if (!column && !files && c->input.user_map[0] != '\0')
    return fail(ERR_ARGUMENT, "input.user_map needs input.domains or fields.domain");
  if (!column && !files && c->input.catalogue_domains[0] != '\0')
    return fail(ERR_ARGUMENT, "input.catalogue_domains needs input.domains or fields.domain");
  if ((column || files) && !c->output.attributes)
    return fail(ERR_ARGUMENT, "domains are attributes of items: output.attributes = false leaves them out");
  return OK;
}

static status fill(domain_table *t, const prepare_config *c, size_t logs, size_t catalogues) {
  TRY(name_files(&t->logs, &t->n_logs, c->input.domains, logs, "input.domains"));
  TRY(name_files(&t->catalogues, &t->n_catalogues, c->input.catalogue_domains, catalogues,
                 "input.catalogue_domains"));
  return read_map(t, &c->input);
}

status domain_table_new(domain_table **out, const prepare_config *c, const input_files *logs,
                        const input_files *catalogues) {
  *out = NULL;
  TRY(check_options(c));
  if (c->fields.domain[0] == '\0' && c->input.domains[0] == '\0') return OK;
  domain_table *t;
  TRY(mem_new(&t, 1, sizeof *t, "domains"));
  const status rc = fill(t, c, logs->n, catalogues->n);
  if (rc == OK)
    *out = t;
  else
    domain_table_free(t);
  return rc;
}

void domain_table_free(domain_table *t) {
  if (t == NULL) return;
  for (size_t i = 0; t->logs != NULL && i < t->n_logs; i++) free(t->logs[i]);
  for (size_t i = 0; t->catalogues != NULL && i < t->n_catalogues; i++) free(t->catalogues[i]);
  intern_free(t->users);
  intern_free(t->persons);
  void *const arrays[] = {t->logs, t->catalogues, t->person, t->seen, t->name, t->out.offsets, t->out.places};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
  free(t);
}
