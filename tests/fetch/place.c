/* tests/fetch/place.c - see place.h. */
#include "fetch/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void place_open(place *p, uint64_t memory, uint32_t threads, uint32_t requests, const mst_allocator *allocator) {
  static int places;
  char url[64];
  mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
  options.memory_bytes_max = memory;
  options.cpu_threads = threads;
  options.requests_max = requests;
  options.allocator = allocator;
  *p = (place){0};
  assert_int_equal(mst_context_open(&options, &p->ctx, NULL), MST_OK);
  (void)snprintf(url, sizeof url, "memory://fetch-%d", ++places);
  assert_int_equal(mst_store_open_url(p->ctx, url, NULL, 0, &p->memory, NULL), MST_OK);
  assert_int_equal(mst_store_trace(p->memory, NULL, NULL, &p->trace, NULL), MST_OK);
  p->outer = mst_store_ref(p->trace);
}

static void put_outside(place *p, mst_store *outer) {
  mst_store_unref(p->outer);
  p->outer = outer;
}

void place_far(place *p, uint64_t us_per_op, uint64_t ns_per_byte) {
  mst_store *far = NULL;
  assert_int_equal(mst_store_latency(p->outer, us_per_op, ns_per_byte, &far, NULL), MST_OK);
  put_outside(p, far);
}

void place_fault(place *p, uint64_t fail_at, bool persistent, mst_status with) {
  mst_store *fault = NULL;
  assert_int_equal(mst_store_fault(p->outer, fail_at, persistent, with, &fault, NULL), MST_OK);
  put_outside(p, fault);
}

void place_close(place *p) {
  static const char *const keys[] = {"o", "p"};
  mst_op op = mst_op_make(MST_OP_DELETE, NULL);
  op.keys = keys;
  op.n_keys = 2;
  (void)mst_store_perform(p->memory, &op, NULL);
  assert_int_equal(mst_budget_in_use(p->ctx), 0);
  mst_store_unref(p->outer);
  mst_store_unref(p->trace);
  mst_store_unref(p->memory);
  mst_context_unref(p->ctx);
}

enum { PATTERN = 48 << 20 };

/* The bytes of every object, made once. */
static const uint8_t *pattern(void) {
  static uint8_t *bytes;
  if (bytes != NULL) return bytes;
  bytes = malloc(PATTERN);
  for (uint64_t i = 0; i < PATTERN; i++) bytes[i] = (uint8_t)((i * 2654435761u) >> 11 ^ i >> 16);
  return bytes;
}

void place_put(place *p, const char *key, uint64_t size) {
  mst_op op = mst_op_make(MST_OP_PUT, key);
  op.data = pattern();
  op.n_data = size;
  assert_int_equal(mst_store_perform(p->memory, &op, NULL), MST_OK);
}

mst_trace_counts place_counts(const place *p) {
  mst_trace_counts counts = {0};
  assert_int_equal(mst_store_trace_counts(p->trace, &counts), MST_OK);
  return counts;
}

bool place_right(const uint8_t *data, size_t n, uint64_t offset) {
  return offset + n <= PATTERN && (n == 0 || memcmp(data, pattern() + offset, n) == 0);
}
