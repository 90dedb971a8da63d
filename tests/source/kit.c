/* tests/source/kit.c - see kit.h. */
#include "source/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <meseta/meseta.h>

mst_status kit_open(kit *k, const mst_allocator *allocator, uint32_t threads, mst_error *err) {
  static atomic_uint number; /* memory:// is one namespace for the process */
  char url[64];
  mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
  options.allocator = allocator;
  options.cpu_threads = threads;
  *k = (kit){0};
  mst_status status = mst_context_open(&options, &k->ctx, err);
  if (status != MST_OK) return status;
  snprintf(url, sizeof url, "memory://kit-%u-%ld", atomic_fetch_add(&number, 1), (long)getpid());
  status = mst_store_open(k->ctx, url, NULL, 0, &k->store, err);
  if (status != MST_OK) kit_close(k);
  return status;
}

void kit_close(kit *k) {
  mst_store_unref(k->store);
  mst_context_unref(k->ctx);
  *k = (kit){0};
}

char *kit_reads(unsigned n, unsigned seed, size_t *size) {
  const size_t room = (size_t)n * 300 + 1;
  char *text = malloc(room);
  size_t at = 0;
  uint64_t state = seed * 2654435761u + 1;
  for (unsigned i = 0; i < n; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const unsigned length = 1 + (unsigned)(state >> 33) % 100;
    at += (size_t)snprintf(text + at, room - at, "@r%u x\n", i);
    for (unsigned k = 0; k < length; k++) text[at++] = "ACGTN"[(state >> (k % 40)) % 5];
    at += (size_t)snprintf(text + at, room - at, "\n+\n");
    for (unsigned k = 0; k < length; k++) text[at++] = (char)(33 + (state >> (k % 50)) % 41);
    text[at++] = '\n';
  }
  text[at] = '\0';
  *size = at;
  return text;
}

char *kit_gzip(const char *text, size_t n, size_t *size) {
  z_stream z = {0};
  const size_t room = n + n / 10 + 1000;
  char *out = malloc(room);
  assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
  z.next_in = (Bytef *)(uintptr_t)text;
  z.avail_in = (uInt)n;
  z.next_out = (Bytef *)out;
  z.avail_out = (uInt)room;
  assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
  *size = room - z.avail_out;
  deflateEnd(&z);
  return out;
}

void kit_put(mst_store *store, const char *key, const void *data, size_t n) {
  mst_error err;
  assert_int_equal(mst_store_put(store, key, data, n, MST_PUT_REPLACE, NULL, NULL, NULL, &err), MST_OK);
}

static mst_status read_plan(const mst_plan *plan, mst_buf *joined, mst_error *err) {
  mst_status status = MST_OK;
  for (size_t i = 0; status == MST_OK && i < mst_plan_get_count(plan); i++) {
    mst_slice *slice = mst_plan_take(plan, i);
    mst_bytes content = {0};
    status = mst_slice_read(slice, NULL, &content, NULL, err);
    if (status == MST_OK) status = mst_buf_put(joined, content.data, content.size, err);
    mst_bytes_release(&content);
    mst_slice_unref(slice);
  }
  return status;
}

mst_status kit_run(mst_store *store, const kit_job *job, mst_buf *joined, size_t *n_slices, mst_error *err) {
  mst_source *source = NULL;
  mst_plan *plan = NULL;
  mst_source_options open = MST_SOURCE_OPTIONS_INIT;
  mst_index_options index = MST_INDEX_OPTIONS_INIT;
  mst_query query = MST_QUERY_INIT;
  open.format = job->format;
  index.spacing = job->spacing;
  index.piece_bytes = job->piece_bytes;
  index.threads = job->threads;
  query.slices = job->slices;
  mst_buf_clear(joined);
  mst_status status = mst_source_open_in(store, job->key, &open, &source, NULL, err);
  if (status == MST_OK && !job->indexed) status = mst_source_index(source, &index, NULL, NULL, err);
  if (status == MST_OK) status = mst_source_plan(source, &query, &plan, NULL, err);
  if (status == MST_OK) status = read_plan(plan, joined, err);
  if (status == MST_OK && n_slices != NULL) *n_slices = mst_plan_get_count(plan);
  mst_plan_unref(plan);
  mst_source_unref(source);
  return status;
}
