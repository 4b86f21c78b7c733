// Domains of souk prepare: items of several shops or platforms, named DOMAIN/ITEM, and users who are known in several of them.
//
// The domain of a row is that of its file (input.domains), or what its column says (fields.domain). Users of one name are one user,
// in whichever domains; input.user_map says who is one user under several names: rows of domain, user and person, of which the
// last is the user's name from then on. Held in memory.
#ifndef SOUK_PREPARE_PREPARE_DOMAINS_H
#define SOUK_PREPARE_PREPARE_DOMAINS_H

#include "data/writer.h"
#include "prepare/input_files.h"
#include "prepare/intern.h"
#include "prepare/prepare.h"

typedef struct domain_table domain_table;

typedef struct domain_counts {
  int64_t map_rows, map_repeated; // of input.user_map; of a user of a domain who had one: the first counts
  int64_t map_unused; // its users of whom the log has no row: a domain or a name is not that of the log
  int64_t joined;     // rows of the log whose user it names
  int64_t shared;     // users that stay with events of more than one domain
  int64_t runs;
} domain_counts;

// *out NULL: no domains are asked for. Reads input.user_map.
status domain_table_new(domain_table **out, const prepare_config *c, const input_files *logs,
                        const input_files *catalogues);
void domain_table_free(domain_table *t); // NULL is safe
// Of file i of the log, or the catalogue, as the options say; NULL: a column says it (of the catalogue: its ids are DOMAIN/ITEM).
const char *domain_of_log(const domain_table *t, size_t i);
const char *domain_of_catalogue(const domain_table *t, size_t i);
// DOMAIN/ITEM, valid until the next call; *bytes: its length.
status domain_item(domain_table *t, const char *domain, size_t domain_bytes, const char *item,
                   size_t item_bytes, const char **name, size_t *bytes);
// Who that user of a domain is; *person NULL: the map does not say.
status domain_user(domain_table *t, const char *domain, size_t domain_bytes, const char *user,
                   size_t user_bytes, const char **person);
// The domain of each of n items, by their names, numbered by first appearance.
status domain_label_items(const domain_table *t, const intern *items, intern *names, int32_t *of);

// The user with the next history, of whose n events these are the items' domains.
status domain_take(domain_table *t, const int32_t *domains, int32_t n);
status domain_write(const domain_table *t, dataset_writer *w, int deflate); // domains.h5
const domain_counts *domain_get_counts(const domain_table *t);

#endif
