// HDF5 files: schema, datasets and first values; see inspect.h.
#include <stdio.h>
#include <string.h>
#include "hdf5/hdf5_glue.h"
#include "inspect/inspect.h"

enum { MAX_SETS = 100000, FIRST = 8, MAX_DIMS = 8 };

typedef struct listing {
  json_t *sets;
  int64_t numbers;
  bool failed;
} listing;

static const char *type_name(hid_t type, char buf[32]) {
  const H5T_class_t kind = H5Tget_class(type);
  const int bits = (int)H5Tget_size(type) * 8;
  if (kind == H5T_INTEGER)
    snprintf(buf, 32, "%sint%d", H5Tget_sign(type) == H5T_SGN_NONE ? "u" : "", bits);
  else if (kind == H5T_FLOAT)
    snprintf(buf, 32, "float%d", bits);
  else if (kind == H5T_STRING)
    snprintf(buf, 32, "text");
  else
    snprintf(buf, 32, "class %d", (int)kind);
  return buf;
}

// The first values of a one-dimensional dataset of numbers.
static json_t *first_values(hid_t set, hid_t space, hid_t type, hsize_t n) {
  const H5T_class_t kind = H5Tget_class(type);
  if ((kind != H5T_INTEGER && kind != H5T_FLOAT) || n == 0) return NULL;
  double reals[FIRST];
  long long ints[FIRST];
  const hsize_t zero = 0, count = n < FIRST ? n : FIRST;
  const hid_t memory = H5Screate_simple(1, &count, NULL);
  const bool good = H5Sselect_hyperslab(space, H5S_SELECT_SET, &zero, NULL, &count, NULL) >= 0 &&
                    H5Dread(set, kind == H5T_FLOAT ? H5T_NATIVE_DOUBLE : H5T_NATIVE_LLONG, memory, space,
                            H5P_DEFAULT, kind == H5T_FLOAT ? (void *)reals : (void *)ints) >= 0;
  H5Sclose(memory);
  if (!good) return NULL;
  json_t *list = json_array();
  for (hsize_t i = 0; i < count; i++) {
    json_t *v = kind == H5T_FLOAT ? json_real(reals[i]) : json_integer(ints[i]); // json_real: NULL for NaN
    json_array_append_new(list, v != NULL ? v : json_string("not finite"));
  }
  return list;
}

static herr_t visit(hid_t file, const char *name, const H5O_info_t *info, void *self) {
  listing *l = self;
  if (info->type != H5O_TYPE_DATASET) return 0;
  if (json_array_size(l->sets) >= MAX_SETS) return 1;
  const hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
  const hid_t space = set >= 0 ? H5Dget_space(set) : -1, type = set >= 0 ? H5Dget_type(set) : -1;
  hsize_t dims[H5S_MAX_RANK];
  const int n = space >= 0 ? H5Sget_simple_extent_dims(space, dims, NULL) : -1;
  if (n < 0 || type < 0) {
    l->failed = true;
  } else {
    char buf[32];
    json_t *shape = json_array();
    double numbers = 1;
    for (int i = 0; i < n && i < MAX_DIMS; i++) {
      json_array_append_new(shape, json_integer((json_int_t)dims[i]));
      numbers *= (double)dims[i];
    }
    l->numbers += numbers < 1e18 ? (int64_t)numbers : 0;
    json_t *j = json_pack("{s:s,s:o,s:s,s:I}", "dataset", name, "shape", shape, "type", type_name(type, buf),
                          "stored_bytes", (json_int_t)H5Dget_storage_size(set));
    json_t *first = n == 1 ? first_values(set, space, type, dims[0]) : NULL;
    if (j != NULL && first != NULL) json_object_set_new(j, "first", first);
    if (j == NULL)
      l->failed = true; // a name that is not text
    else
      json_array_append_new(l->sets, j);
  }
  if (type >= 0) H5Tclose(type);
  if (space >= 0) H5Sclose(space);
  if (set >= 0) H5Dclose(set);
  return 0;
}

static void read_attributes(hid_t file, json_t *out) {
  char text[64] = "";
  hid_t a = H5Aexists(file, "schema") > 0 ? H5Aopen(file, "schema", H5P_DEFAULT) : -1;
  if (a >= 0) {
    const hid_t type = H5Aget_type(a), space = H5Aget_space(a);
    if (H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 &&
        H5Tget_size(type) < sizeof text && H5Sget_simple_extent_npoints(space) == 1)
      H5Aread(a, type, text);
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(a);
  }
  json_object_set_new(out, "schema", text[0] != '\0' ? json_string(text) : json_null());
  a = H5Aexists(file, "version") > 0 ? H5Aopen(file, "version", H5P_DEFAULT) : -1;
  if (a >= 0) {
    long long version = 0;
    const hid_t space = H5Aget_space(a);
    if (H5Sget_simple_extent_npoints(space) == 1 && H5Aread(a, H5T_NATIVE_LLONG, &version) >= 0)
      json_object_set_new(out, "version", json_integer(version));
    H5Sclose(space);
    H5Aclose(a);
  }
}

static const char *kind_of(const json_t *out, hid_t file) {
  static const struct {
    const char *schema, *kind;
  } kinds[] = {{"souk.shard", "shard of a data set"},
               {"souk.items", "attributes of items"},
               {"souk.texts", "texts of items"},
               {"souk.content", "content of items, of a checkpoint"},
               {"souk.mined", "hard negatives, of a checkpoint"},
               {"souk.features", "features of items"},
               {"souk.users", "attributes of users"},
               {"souk.searches", "searches of users"},
               {"souk.copy", "rows of promotion copy"},
               {"souk.search_times", "times of searches"},
               {"souk.domains", "runs of events of a domain"},
               {"souk.parameters", "parameters of a checkpoint"},
               {"souk.optimizer", "optimiser state of a checkpoint"},
               {"souk.average", "averaged weights of a checkpoint, less its parameters"},
               {"souk.vectors", "vectors"}};
  const char *schema = json_string_value(json_object_get(out, "schema"));
  for (size_t i = 0; schema != NULL && i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp(schema, kinds[i].schema) == 0) return kinds[i].kind;
  return h5_exists(file, "input_ids") && h5_exists(file, "masked_lm_ids")
             ? "pre-training shard in NVIDIA's layout"
             : "HDF5 file";
}

status inspect_hdf5(const inspect_request *q, json_t *out) {
  TRY(inspect_begin(out, "HDF5 file", q->path));
  status rc = OK;
  h5_lock();
  const hid_t file = H5Fopen(q->path, H5F_ACC_RDONLY, H5P_DEFAULT);
  if (file < 0) {
    rc =
        fail(ERR_FORMAT,
             "%s begins like an HDF5 file, but cannot be opened as one: it is cut short or damaged", q->path);
  } else {
    listing l = {.sets = json_array()};
    read_attributes(file, out);
    json_object_set_new(out, "kind", json_string(kind_of(out, file)));
    if (H5Ovisit2(file, H5_INDEX_NAME, H5_ITER_INC, visit, &l, H5O_INFO_BASIC) < 0 || l.failed)
      rc = fail(ERR_FORMAT, "%s: its datasets cannot all be read: it is damaged", q->path);
    json_object_set_new(out, "numbers", json_integer(l.numbers));
    json_object_set_new(out, "datasets", l.sets);
    H5Fclose(file);
  }
  h5_unlock();
  return rc;
}
