/* tests/fetch/test_read.c - ranges of pinned objects: right bytes, few requests, few bytes, within requests and budget;
 * faults and changes at every request. */
#include "fetch/place.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Sanitizers, and machines with other work, are slow. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { PATIENCE = 5 };
#else
enum { PATIENCE = 1 };
#endif

static int64_t tick_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static mst_object *open_object(place *p) {
  mst_object *o = NULL;
  mst_error err = {0};
  mst_status status = mst_object_open(p->outer, "o", NULL, 0, 0, NULL, &o, NULL, &err);
  if (status != MST_OK) print_message("%s\n", err.message);
  assert_int_equal(status, MST_OK);
  return o;
}

/* Reads, compares, releases. */
static void read_right(mst_object *o, const mst_range *ranges, size_t n) {
  mst_bytes *out = calloc(n, sizeof *out);
  mst_error err = {0};
  mst_status status = mst_object_read(o, ranges, n, out, NULL, &err);
  if (status != MST_OK) print_message("%s\n", err.message);
  assert_int_equal(status, MST_OK);
  for (size_t i = 0; i < n; i++) {
    assert_int_equal(out[i].size, ranges[i].length);
    assert_true(place_right(out[i].data, out[i].size, ranges[i].offset));
    mst_bytes_release(&out[i]);
  }
  free(out);
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static void opening_takes_one_request_and_brings_the_head(void **state) {
  place p;
  mst_object *o = NULL;
  mst_bytes head = {0};
  (void)state;
  place_open(&p, 0, 2, 0, NULL);
  place_put(&p, "o", 1000);
  assert_int_equal(mst_object_open(p.outer, "o", NULL, 0, 64, &head, &o, NULL, NULL), MST_OK);
  assert_int_equal(head.size, 64);
  assert_true(place_right(head.data, 64, 0));
  assert_int_equal(mst_object_size(o), 1000);
  assert_string_equal(mst_object_key(o), "o");
  assert_true(mst_pin_known(mst_object_pin(o)));
  mst_trace_counts c = place_counts(&p);
  assert_int_equal(c.ops[MST_OP_GET], 1);
  assert_int_equal(c.ops[MST_OP_HEAD], 0);
  mst_bytes_release(&head);
  mst_object_unref(o);
  assert_int_equal(mst_object_open_tail(p.outer, "o", 0, 100, &head, &o, NULL, NULL), MST_OK);
  assert_int_equal(head.size, 100);
  assert_true(place_right(head.data, 100, 900));
  assert_int_equal(place_counts(&p).ops[MST_OP_GET], 2);
  mst_bytes_release(&head);
  mst_object_unref(o);
  assert_int_equal(mst_object_open_tail(p.outer, "o", 0, 5000, &head, &o, NULL, NULL), MST_OK);
  assert_int_equal(head.size, 1000);
  mst_bytes_release(&head);
  mst_object_unref(o);
  place_close(&p);
}

static void a_pinned_object_is_opened_without_a_request(void **state) {
  place p;
  mst_object *first, *o = NULL;
  (void)state;
  place_open(&p, 0, 2, 0, NULL);
  place_put(&p, "o", 1000);
  first = open_object(&p);
  mst_pin pin = *mst_object_pin(first);
  mst_object_unref(first);
  uint64_t before = place_counts(&p).ops[MST_OP_HEAD] + place_counts(&p).ops[MST_OP_GET];
  assert_int_equal(mst_object_open(p.outer, "o", &pin, 0, 64, NULL, &o, NULL, NULL), MST_OK);
  assert_int_equal(place_counts(&p).ops[MST_OP_HEAD] + place_counts(&p).ops[MST_OP_GET], before);
  read_right(o, &(mst_range){.offset = 10, .length = 20}, 1);
  place_put(&p, "o", 1000);
  mst_bytes out = {0};
  mst_error err = {0};
  assert_int_equal(mst_object_read(o, &(mst_range){.offset = 10, .length = 20}, 1, &out, NULL, &err), MST_E_CHANGED);
  assert_non_null(strstr(err.object, "/o"));
  assert_int_equal(mst_object_check(o, NULL, &err), MST_E_CHANGED);
  mst_object_unref(o);
  place_close(&p);
}

static void empty_and_missing_objects(void **state) {
  place p;
  mst_object *o = NULL;
  mst_bytes head = {0};
  mst_error err = {0};
  (void)state;
  place_open(&p, 0, 2, 0, NULL);
  place_put(&p, "o", 0);
  assert_int_equal(mst_object_open(p.outer, "o", NULL, 0, 64, &head, &o, NULL, NULL), MST_OK);
  assert_int_equal(head.size, 0);
  assert_int_equal(mst_object_size(o), 0);
  mst_object_unref(o);
  assert_int_equal(mst_object_open_tail(p.outer, "o", 0, 64, &head, &o, NULL, NULL), MST_OK);
  assert_int_equal(head.size, 0);
  mst_object_unref(o);
  assert_int_equal(mst_object_open(p.outer, "p", NULL, 0, 64, &head, &o, NULL, &err), MST_E_NOT_FOUND);
  assert_int_equal(mst_object_open(p.outer, "p", NULL, 0, 0, &head, &o, NULL, &err), MST_E_NOT_FOUND);
  assert_int_equal(mst_object_open_tail(p.outer, "p", 0, 64, &head, &o, NULL, &err), MST_E_NOT_FOUND);
  place_close(&p);
}

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

static void any_ranges_are_right(void **state) {
  place p;
  (void)state;
  for (int far = 0; far < 2; far++) {
    place_open(&p, 0, 4, 0, NULL);
    place_put(&p, "o", 3000000);
    if (far) place_far(&p, 100, 0);
    mst_object *o = open_object(&p);
    unsigned seed = 7;
    for (int round = 0; round < 60; round++) {
      mst_range ranges[40] = {0};
      size_t n = 1 + (size_t)rand_r(&seed) % 40;
      for (size_t i = 0; i < n; i++) {
        ranges[i].offset = (uint64_t)rand_r(&seed) % 3000000;
        ranges[i].length = (uint64_t)rand_r(&seed) % (round % 2 ? 300 : 300000);
        if (ranges[i].length > 3000000 - ranges[i].offset) ranges[i].length = 3000000 - ranges[i].offset;
      }
      read_right(o, ranges, n);
    }
    mst_object_unref(o);
    place_close(&p);
  }
}

static void near_ranges_share_a_request_and_memory(void **state) {
  place p;
  (void)state;
  place_open(&p, 0, 4, 0, NULL);
  place_put(&p, "o", 1000000);
  place_far(&p, 50, 0);
  mst_object *o = open_object(&p);
  mst_trace_counts before = place_counts(&p);
  const mst_range ranges[] = {
      {.offset = 5000, .length = 100}, {.offset = 1000, .length = 100}, {.offset = 1050, .length = 300}};
  mst_bytes out[3];
  assert_int_equal(mst_object_read(o, ranges, 3, out, NULL, NULL), MST_OK);
  mst_trace_counts after = place_counts(&p);
  assert_int_equal(after.ops[MST_OP_GET] - before.ops[MST_OP_GET], 1);
  assert_int_equal(after.bytes_read - before.bytes_read, 4100);
  assert_ptr_equal(out[0].owner, out[1].owner);
  assert_ptr_equal(out[1].data + 50, out[2].data);
  /* one of them keeps the bytes alive */
  mst_bytes_release(&out[0]);
  mst_bytes_release(&out[1]);
  assert_true(place_right(out[2].data, 300, 1050));
  mst_bytes_release(&out[2]);
  mst_object_unref(o);
  place_close(&p);
}

static void far_ranges_waste_no_bytes(void **state) {
  place p;
  (void)state;
  place_open(&p, 0, 4, 0, NULL);
  place_put(&p, "o", 8 << 20);
  place_far(&p, 50, 0);
  mst_object *o = open_object(&p);
  mst_trace_counts before = place_counts(&p);
  const mst_range ranges[] = {
      {.offset = 0, .length = 1000}, {.offset = 3 << 20, .length = 1000}, {.offset = 7 << 20, .length = 1000}};
  read_right(o, ranges, 3);
  mst_trace_counts after = place_counts(&p);
  assert_int_equal(after.ops[MST_OP_GET] - before.ops[MST_OP_GET], 3);
  assert_int_equal(after.bytes_read - before.bytes_read, 3000);
  mst_object_unref(o);
  place_close(&p);
}

/* More requests than may be in flight are drawn together, gaps of up to 1 MiB and no larger. */
static void many_small_ranges_take_few_requests(void **state) {
  place p;
  mst_range ranges[200] = {0};
  (void)state;
  place_open(&p, 0, 4, 8, NULL);
  place_put(&p, "o", 20 << 20);
  place_far(&p, 50, 0);
  mst_object *o = open_object(&p);
  for (size_t i = 0; i < 200; i++) ranges[i] = (mst_range){.offset = i * 100000, .length = 10};
  mst_trace_counts before = place_counts(&p);
  read_right(o, ranges, 200);
  mst_trace_counts after = place_counts(&p);
  assert_true(after.ops[MST_OP_GET] - before.ops[MST_OP_GET] <= 8);
  for (size_t i = 0; i < 9; i++) ranges[i] = (mst_range){.offset = i * (2 << 20), .length = 10};
  before = place_counts(&p);
  read_right(o, ranges, 9);
  after = place_counts(&p);
  assert_int_equal(after.bytes_read - before.bytes_read, 90);
  mst_object_unref(o);
  place_close(&p);
}

static void large_ranges_are_split_and_read_at_once(void **state) {
  place p;
  (void)state;
  place_open(&p, 0, 4, 3, NULL);
  place_put(&p, "o", 40 << 20);
  mst_store *trace = NULL;
  place_far(&p, 3000, 0);
  assert_int_equal(mst_store_trace(p.outer, NULL, NULL, &trace, NULL), MST_OK);
  mst_store_unref(p.outer);
  p.outer = trace; /* counts in flight what waits for the latency, too */
  mst_object *o = open_object(&p);
  read_right(o, &(mst_range){.offset = 1, .length = (40 << 20) - 2}, 1);
  mst_trace_counts counts = {0};
  assert_int_equal(mst_store_trace_counts(trace, &counts), MST_OK);
  assert_int_equal(counts.ops[MST_OP_GET], 5);
  assert_int_equal(counts.bytes_read, (40 << 20) - 2);
  assert_true(counts.in_flight_max > 1);
  assert_true(counts.in_flight_max <= 3); /* requests_max */
  mst_object_unref(o);
  place_close(&p);
}

static void ranges_beyond_the_end_are_errors_at_their_offset(void **state) {
  place p;
  mst_bytes out[2];
  mst_error err = {0};
  (void)state;
  place_open(&p, 0, 2, 0, NULL);
  place_put(&p, "o", 1000);
  mst_object *o = open_object(&p);
  mst_range ranges[] = {{.offset = 0, .length = 10}, {.offset = 990, .length = 11}};
  assert_int_equal(mst_object_read(o, ranges, 2, out, NULL, &err), MST_E_CORRUPT);
  assert_int_equal(err.offset, 990);
  ranges[1] = (mst_range){.offset = UINT64_MAX - 3, .length = 10};
  assert_int_equal(mst_object_read(o, ranges, 2, out, NULL, &err), MST_E_CORRUPT);
  ranges[1] = (mst_range){.offset = 1000, .length = 0};
  assert_int_equal(mst_object_read(o, ranges, 2, out, NULL, &err), MST_OK);
  assert_int_equal(out[1].size, 0);
  mst_bytes_release(&out[0]);
  mst_bytes_release(&out[1]);
  uint8_t b[4];
  assert_int_equal(mst_object_read_into(o, 998, 3, b, NULL, &err), MST_E_CORRUPT);
  assert_int_equal(mst_object_read_into(o, 998, 2, b, NULL, &err), MST_OK);
  assert_int_equal(mst_object_read(o, ranges, 0, out, NULL, &err), MST_OK);
  mst_object_unref(o);
  place_close(&p);
}

/* ---- budget ------------------------------------------------------------------------------------------------------ */

typedef struct watcher {
  place *p;
  atomic_bool stop;
  uint64_t most;
} watcher;

static void *watch_budget(void *arg) {
  watcher *w = arg;
  while (!atomic_load(&w->stop)) {
    uint64_t used = mst_budget_in_use(w->p->ctx);
    if (used > w->most) w->most = used;
    usleep(200);
  }
  return NULL;
}

typedef struct reader {
  mst_object *object;
  pthread_t thread;
  bool right;
} reader;

static void *read_much(void *arg) {
  reader *r = arg;
  mst_bytes out = {0};
  r->right = true;
  for (int i = 0; i < 3; i++) {
    mst_range range = {.offset = (uint64_t)i * 1000, .length = 5 << 20};
    r->right = r->right && mst_object_read(r->object, &range, 1, &out, NULL, NULL) == MST_OK;
    r->right = r->right && place_right(out.data, 4096, range.offset) &&
               place_right(out.data + (4 << 20), 4096, range.offset + (4 << 20));
    mst_bytes_release(&out);
  }
  return NULL;
}

static void parallelism_shrinks_before_the_budget_grows(void **state) {
  place p;
  reader readers[6];
  pthread_t thread;
  (void)state;
  place_open(&p, 1 << 20, 4, 0, NULL);
  place_put(&p, "o", 6 << 20);
  place_far(&p, 500, 0);
  watcher w = {.p = &p};
  pthread_create(&thread, NULL, watch_budget, &w);
  for (int i = 0; i < 6; i++) {
    readers[i] = (reader){.object = open_object(&p)};
    pthread_create(&readers[i].thread, NULL, read_much, &readers[i]);
  }
  for (int i = 0; i < 6; i++) {
    pthread_join(readers[i].thread, NULL);
    assert_true(readers[i].right);
    mst_object_unref(readers[i].object);
  }
  atomic_store(&w.stop, true);
  pthread_join(thread, NULL);
  assert_true(w.most > 0);
  assert_true(w.most <= 1 << 20);
  place_close(&p);
}

/* ---- faults ------------------------------------------------------------------------------------------------------ */

static const mst_range scattered[] = {{.offset = 0, .length = 100},
                                      {.offset = 2 << 20, .length = 100},
                                      {.offset = 4 << 20, .length = 6 << 20},
                                      {.offset = 11 << 20, .length = 1}};

static void each_request_fails_in_turn(void **state) {
  (void)state;
  for (int far = 0; far < 2; far++) {
    for (int persistent = 0; persistent < 2; persistent++) {
      for (uint64_t at = 1;; at++) {
        place p;
        mst_bytes out[4] = {0};
        mst_error err = {0};
        mst_object *o = NULL;
        place_open(&p, 16 << 20, 4, 2, NULL);
        place_put(&p, "o", 12 << 20);
        if (far) place_far(&p, 50, 0);
        place_fault(&p, at, persistent, MST_E_IO);
        mst_status status = mst_object_open(p.outer, "o", NULL, 0, 0, NULL, &o, NULL, &err);
        if (status == MST_OK) status = mst_object_read(o, scattered, 4, out, NULL, &err);
        bool reached = mst_store_fault_seen(p.outer) >= at;
        assert_int_equal(status, reached ? MST_E_IO : MST_OK);
        if (reached) assert_non_null(strstr(err.message, "failed on purpose"));
        if (reached) assert_non_null(strstr(err.object, "/o"));
        for (size_t i = 0; i < 4; i++) {
          if (status == MST_OK) assert_true(place_right(out[i].data, out[i].size, scattered[i].offset));
          else assert_null(out[i].owner);
          mst_bytes_release(&out[i]);
        }
        mst_object_unref(o);
        place_close(&p);
        if (!reached) {
          assert_true(at > 4);
          break;
        }
      }
    }
  }
}

/* Replaces the object behind the n-th request. */
typedef struct changer {
  place *p;
  int left;
} changer;

static void change_after(void *arg, const mst_op *op, mst_status status) {
  changer *c = arg;
  (void)op;
  (void)status;
  if (--c->left == 0) place_put(c->p, "o", 12 << 20);
}

static void a_change_between_any_two_requests_is_seen(void **state) {
  (void)state;
  for (int far = 0; far < 2; far++) {
    for (int n = 1; n < 6; n++) {
      place p;
      mst_bytes out[4] = {0};
      mst_error err = {0};
      place_open(&p, 16 << 20, 4, 1, NULL); /* one request at a time */
      place_put(&p, "o", 12 << 20);
      if (far) place_far(&p, 50, 0);
      changer c = {.p = &p, .left = n};
      mst_store *trace = NULL;
      assert_int_equal(mst_store_trace(p.outer, change_after, &c, &trace, NULL), MST_OK);
      mst_store_unref(p.outer);
      p.outer = trace;
      mst_object *o = open_object(&p);
      assert_int_equal(mst_object_read(o, scattered, 4, out, NULL, &err), MST_E_CHANGED);
      assert_true(c.left <= 0);
      mst_object_unref(o);
      place_close(&p);
    }
  }
}

/* A store that lies: `what` tells how. */
typedef struct liar {
  mst_store *inner;
  int what;
} liar;

static mst_status lie(void *self, mst_op *op, mst_error *err) {
  liar *l = self;
  mst_status status = mst_store_perform(l->inner, op, err);
  if (status != MST_OK || op->kind != MST_OP_GET) return status;
  if (l->what == 1) op->got--;
  if (l->what == 2) op->info.size++;
  if (l->what == 3) (void)snprintf(op->info.etag, sizeof op->info.etag, "\"other\"");
  if (l->what == 4) op->info = (mst_pin){.size = op->info.size};
  if (l->what == 5) op->got = 0;
  return MST_OK;
}

static void lying_replies_are_errors(void **state) {
  static const mst_status expected[] = {MST_OK, MST_E_IO, MST_E_CHANGED, MST_E_CHANGED, MST_E_CHANGED, MST_E_IO};
  (void)state;
  for (int what = 0; what < 6; what++) {
    for (size_t n = 1; n <= 4; n += 3) {
      place p;
      mst_bytes out[4] = {0};
      mst_error err = {0};
      mst_object *o = NULL;
      liar l = {.what = what};
      const mst_store_ops ops = {.struct_size = sizeof ops, .name = "liar", .run = lie};
      place_open(&p, 0, 4, 0, NULL);
      place_put(&p, "o", 12 << 20);
      l.inner = p.outer;
      mst_store *store = NULL;
      assert_int_equal(mst_store_wrap(p.ctx, &ops, &l, "liar://", &store, NULL), MST_OK);
      assert_int_equal(mst_object_open(store, "o", NULL, 0, 0, NULL, &o, NULL, &err), MST_OK);
      assert_int_equal(mst_object_read(o, scattered, n, out, NULL, &err), expected[what]);
      for (size_t i = 0; i < 4; i++) mst_bytes_release(&out[i]);
      mst_object_unref(o);
      mst_store_unref(store);
      place_close(&p);
    }
  }
}

static void each_allocation_fails_in_turn(void **state) {
  (void)state;
  for (int persistent = 0; persistent < 2; persistent++) {
    for (long n = 1;; n++) {
      mst_test_allocator a;
      mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
      mst_context *ctx = NULL;
      mst_store *memory = NULL, *far = NULL;
      mst_object *o = NULL;
      mst_bytes out[4] = {0}, head = {0};
      mst_error err = {0};
      mst_status status = MST_OK;
      place p;
      place_open(&p, 0, 2, 0, NULL);
      place_put(&p, "o", 12 << 20);
      mst_test_allocator_init(&a, n, persistent);
      options.allocator = &a.allocator;
      options.cpu_threads = 2;
      MST_TRY(mst_context_open(&options, &ctx, &err));
      MST_TRY(mst_store_open_url(ctx, mst_store_url(p.memory), NULL, 0, &memory, &err));
      MST_TRY(mst_store_latency(memory, 10, 0, &far, &err));
      MST_TRY(mst_object_open(far, "o", NULL, 0, 100, &head, &o, NULL, &err));
      MST_TRY(mst_object_read(o, scattered, 4, out, NULL, &err));
      for (size_t i = 0; i < 4; i++) assert_true(place_right(out[i].data, out[i].size, scattered[i].offset));
    done:
      for (size_t i = 0; i < 4; i++) mst_bytes_release(&out[i]);
      mst_bytes_release(&head);
      mst_object_unref(o);
      mst_store_unref(far);
      mst_store_unref(memory);
      mst_context_unref(ctx);
      assert_int_equal(a.live_blocks, 0);
      place_close(&p);
      if (!a.failed) {
        assert_int_equal(status, MST_OK);
        assert_true(n > 10);
        break;
      }
      if (status != MST_OK) assert_true(status == MST_E_NO_MEMORY);
    }
  }
}

/* ---- cancelling -------------------------------------------------------------------------------------------------- */

static void *cancel_soon(void *arg) {
  usleep(60000);
  mst_cancel_request(arg);
  return NULL;
}

static void cancelled_reads_return_at_once(void **state) {
  (void)state;
  for (size_t n = 1; n <= 4; n += 3) {
    place p;
    mst_bytes out[4] = {0};
    pthread_t thread;
    place_open(&p, 0, 4, 0, NULL);
    place_put(&p, "o", 12 << 20);
    mst_object *o = open_object(&p);
    mst_pin pin = *mst_object_pin(o);
    mst_object_unref(o);
    place_far(&p, 3000000, 0);
    assert_int_equal(mst_object_open(p.outer, "o", &pin, 0, 0, NULL, &o, NULL, NULL), MST_OK);
    mst_cancel *cancel = mst_cancel_new(p.ctx);
    pthread_create(&thread, NULL, cancel_soon, cancel);
    int64_t begun = tick_ms();
    assert_int_equal(mst_object_read(o, scattered, n, out, cancel, NULL), MST_E_CANCELLED);
    assert_true(tick_ms() - begun < 60 + 200 * PATIENCE);
    pthread_join(thread, NULL);
    mst_cancel_unref(cancel);
    mst_object_unref(o);
    place_close(&p);
  }
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(opening_takes_one_request_and_brings_the_head),
      cmocka_unit_test(a_pinned_object_is_opened_without_a_request),
      cmocka_unit_test(empty_and_missing_objects),
      cmocka_unit_test(any_ranges_are_right),
      cmocka_unit_test(near_ranges_share_a_request_and_memory),
      cmocka_unit_test(far_ranges_waste_no_bytes),
      cmocka_unit_test(many_small_ranges_take_few_requests),
      cmocka_unit_test(large_ranges_are_split_and_read_at_once),
      cmocka_unit_test(ranges_beyond_the_end_are_errors_at_their_offset),
      cmocka_unit_test(parallelism_shrinks_before_the_budget_grows),
      cmocka_unit_test(each_request_fails_in_turn),
      cmocka_unit_test(a_change_between_any_two_requests_is_seen),
      cmocka_unit_test(lying_replies_are_errors),
      cmocka_unit_test(each_allocation_fails_in_turn),
      cmocka_unit_test(cancelled_reads_return_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
