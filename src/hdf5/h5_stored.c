// How datasets are stored; see h5_stored.h.
#include "hdf5/h5_stored.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

enum { MAX_DEPTH = 8, NAME_BYTES = 256 };

// ---- limits --------------------------------------------------------------------------------------------------

static void limit(int what, rlim_t most) {
  const struct rlimit l = {most, most};
  setrlimit((__rlimit_resource_t)what, &l);
}

// Not with sanitizers, which reserve more address space than any limit.
void h5_limit_process(unsigned long long more_bytes) {
  signal(SIGXFSZ, SIG_IGN);
#ifndef SOUK_COVERAGE // coverage writes its counters to files
  limit(RLIMIT_FSIZE, 0);
#endif
#ifndef SANITIZED
  unsigned long pages = 0;
  FILE *f = fopen("/proc/self/statm", "re");
  if (f == NULL) return;
  if (fscanf(f, "%lu", &pages) == 1) limit(RLIMIT_AS, (rlim_t)pages * 4096 + more_bytes);
  fclose(f);
#else
  (void)more_bytes;
#endif
}

// ---- datasets ------------------------------------------------------------------------------------------------

status h5_check_way(hid_t file, const char *path, const char *name) {
  char part[NAME_BYTES];
  int depth = 0;
  for (const char *p = name, *stop; p != NULL; p = *stop != '\0' ? stop + 1 : NULL) {
    stop = strchrnul(p, '/');
    H5L_info_t link;
    snprintf(part, sizeof part, "%.*s", (int)(stop - name), name);
    if (++depth > MAX_DEPTH || H5Lexists(file, part, H5P_DEFAULT) <= 0)
      return fail(ERR_FORMAT, "%s: dataset \"%s\" is missing", path, name);
    if (H5Lget_info(file, part, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD)
      return fail(ERR_FORMAT, "%s: \"%s\" is a link, and no link is followed", path, part);
  }
  return OK;
}

// What people call a filter: those of libhdf5, and of the list that The HDF Group keeps the ones that files are met with.
static const char *filter_name(H5Z_filter_t id) {
  static const struct {
    int id;
    const char *name;
  } known[] = {{1, "deflate"},  {4, "szip"},      {5, "nbit"},      {6, "scaleoffset"},    {307, "bzip2"},
               {32000, "lzf"},  {32001, "blosc"}, {32004, "lz4"},   {32008, "bitshuffle"}, {32013, "zfp"},
               {32015, "zstd"}, {32017, "sz"},    {32026, "blosc2"}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (known[i].id == id) return known[i].name;
  return "an unknown one";
}

static status check_filter(H5Z_filter_t id, const char *path, const char *name, h5_filters filters) {
  if (id == H5Z_FILTER_DEFLATE || id == H5Z_FILTER_SHUFFLE || id == H5Z_FILTER_FLETCHER32) return OK;
  if (filters == H5_FILTERS_OURS)
    return fail(ERR_FORMAT, "%s: dataset \"%s\" is stored through a filter that Souk does not use: %s (%d)",
                path, name, filter_name(id), (int)id);
  if (H5Zfilter_avail(id) > 0) return OK;
  return fail(
      ERR_UNSUPPORTED,
      "%s: dataset \"%s\" is compressed with %s (HDF5 filter %d), which libhdf5 cannot undo here; name "
      "the folder of that filter's plugin in HDF5_PLUGIN_PATH, or rewrite the file where it can be "
      "read: h5repack -f GZIP=1 OLD NEW",
      path, name, filter_name(id), (int)id);
}

static status check_filters(hid_t plist, const char *path, const char *name, h5_filters filters) {
  const int n = H5Pget_nfilters(plist);
  for (int i = 0; i < n; i++) {
    unsigned flags, config;
    size_t values = 0;
    const H5Z_filter_t id = H5Pget_filter2(plist, (unsigned)i, &flags, &values, NULL, 0, NULL, &config);
    TRY(check_filter(id, path, name, filters));
  }
  return n >= 0 ? OK : fail(ERR_FORMAT, "%s: dataset \"%s\" cannot be opened", path, name);
}

status h5_check_stored(hid_t set, const char *path, const char *name, int ndim, size_t bytes_each,
                       h5_filters filters, hsize_t *chunk_rows) {
  const uint64_t most = H5_CHUNK_BYTES_MOST / bytes_each;
  hsize_t chunk[2] = {1, 1};
  const hid_t plist = H5Dget_create_plist(set);
  const H5D_layout_t layout = plist >= 0 ? H5Pget_layout(plist) : H5D_LAYOUT_ERROR;
  status rc = OK;
  if ((layout != H5D_COMPACT && layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED) ||
      H5Pget_external_count(plist) > 0)
    rc = fail(ERR_FORMAT, "%s: dataset \"%s\" is not stored in the file itself", path, name);
  else if (layout == H5D_CHUNKED && (H5Pget_chunk(plist, 2, chunk) != ndim || chunk[0] < 1 || chunk[1] < 1 ||
                                     chunk[0] > most || chunk[1] > most / chunk[0]))
    rc = fail(ERR_FORMAT, "%s: dataset \"%s\" has chunks of more than %d MiB", path, name,
              H5_CHUNK_BYTES_MOST >> 20);
  else if (layout == H5D_CHUNKED)
    rc = check_filters(plist, path, name, filters);
  if (plist >= 0) H5Pclose(plist);
  if (chunk_rows != NULL) *chunk_rows = chunk[0];
  return rc;
}
