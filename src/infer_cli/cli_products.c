// souk-infer items --texts: vectors of items of which only texts, attributes or features are known.
#include <stdlib.h>
#include "infer_cli/cli.h"

typedef struct product_writer {
  const souk_bundle *b;
  cli_input in;
  cli_rows rows;
  souk_product *products;
  float *v;
  int32_t *unknown;
} product_writer;

static souk_status ask_products(void *arg, cli_query *const *lines, size_t n, souk_error *e) {
  product_writer *x = arg;
  for (size_t i = 0; i < n; i++) x->products[i] = query_product(lines[i]);
  return souk_item_vectors_of_products(x->b, x->products, n, x->v, x->unknown, e);
}

static int write_product(void *arg, cli_query *q, size_t i) {
  product_writer *x = arg;
  cli_output *names = x->rows.names;
  int rc = rows_put(&x->rows, x->v + i * x->rows.width);
  if (rc != 0 || names == NULL) return rc;
  rc = output_user(names, q);
  if (rc == 0) rc = output_text(names, ",\"unknown\":");
  if (rc == 0) rc = output_int(names, x->unknown[i]);
  return rc != 0 ? rc : output_text(names, "}\n");
}

static int write_no_product(void *arg, const cli_query *q) {
  product_writer *x = arg;
  return rows_put_bad(&x->rows, q);
}

int product_rows(const cli_options *o, const souk_bundle *b) {
  souk_info info;
  souk_get_info(b, &info, NULL);
  const size_t lines = 256, width = (size_t)info.dimension;
  int64_t bad = 0;
  product_writer x = {.b = b};
  x.products = malloc(lines * sizeof *x.products);
  x.v = malloc(lines * width * sizeof *x.v);
  x.unknown = malloc(lines * sizeof *x.unknown);
  int rc = 0;
  if (info.makes_items == 0)
    rc = cli_fail(EXIT_FAILED, "%s has no content.safetensors: its item vectors are not made of texts",
                  o->bundle);
  if (rc == 0 && (x.products == NULL || x.v == NULL || x.unknown == NULL))
    rc = cli_fail(EXIT_FAILED, "out of memory: vectors of %zu items", lines);
  if (rc == 0) rc = input_open(&x.in, o->texts);
  x.in.lines = LINES_PRODUCTS;
  x.in.features = info.features;
  if (rc == 0) rc = rows_open(&x.rows, o->output, o->names, width);
  const cli_answerer a = {.arg = &x,
                          .most = lines,
                          .threads = 1,
                          .out = x.rows.vectors,
                          .ask = ask_products,
                          .write = write_product,
                          .write_error = write_no_product};
  if (rc == 0) rc = answer_lines(&x.in, b, &a, &bad);
  rc = rows_commit(rc, &x.rows);
  input_close(&x.in);
  free(x.products);
  free(x.v);
  free(x.unknown);
  return rc == 0 && bad > 0 ? EXIT_FAILED : rc;
}
