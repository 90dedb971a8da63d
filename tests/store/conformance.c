/* tests/store/conformance.c - the rules of store.h and extend.h as tests, run over file, memory, wrappers, and servers.
 */
#include "store/conformance.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What runs now; cmocka has no argument for tests. */
static const mst_conformance *now;
static mst_context *ctx;

/* ---- single operations ------------------------------------------------------------------------------------------- */

typedef struct wait_for {
  pthread_mutex_t lock;
  pthread_cond_t ended;
  int calls;
  mst_status status;
} wait_for;

static void note_done(mst_op *op, mst_status status) {
  wait_for *w = op->done_arg;
  pthread_mutex_lock(&w->lock);
  w->calls++;
  w->status = status;
  pthread_cond_signal(&w->ended);
  pthread_mutex_unlock(&w->lock);
}

static mst_status perform(mst_store *s, mst_op *op, mst_error *err) {
  wait_for w = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
  if (now == NULL || (now->flags & MST_CONF_ASYNC) == 0) return mst_store_perform(s, op, err);
  op->done = note_done;
  op->done_arg = &w;
  mst_store_start(s, op);
  pthread_mutex_lock(&w.lock);
  while (w.calls == 0) pthread_cond_wait(&w.ended, &w.lock);
  pthread_mutex_unlock(&w.lock);
  assert_int_equal(w.calls, 1);
  assert_ptr_equal(op->done, note_done); /* wrappers give back what they took */
  assert_ptr_equal(op->done_arg, &w);
  if (w.status != MST_OK) {
    assert_int_equal(op->error.status, w.status);
    assert_true(op->error.message[0] != '\0');
    mst_store_name_error(s, op, &op->error);
    if (err != NULL) *err = op->error;
  }
  return w.status;
}

mst_status conf_put(mst_store *s, const char *key, const void *data, size_t n, mst_put_mode mode, const char *etag,
                    mst_pin *info, mst_error *err) {
  mst_op op = mst_op_make(MST_OP_PUT, key);
  mst_pin pin = {0};
  op.data = data;
  op.n_data = n;
  op.put_mode = mode;
  if (etag != NULL) {
    (void)snprintf(pin.etag, sizeof pin.etag, "%s", etag);
    op.pin = &pin;
  }
  mst_status status = perform(s, &op, err);
  if (status == MST_OK && info != NULL) *info = op.info;
  return status;
}

mst_status conf_put_text(mst_store *s, const char *key, const char *text) {
  return conf_put(s, key, text, strlen(text), MST_PUT_REPLACE, NULL, NULL, NULL);
}

mst_status conf_head(mst_store *s, const char *key, mst_pin *info, mst_error *err) {
  mst_op op = mst_op_make(MST_OP_HEAD, key);
  mst_status status = perform(s, &op, err);
  if (status == MST_OK && info != NULL) *info = op.info;
  return status;
}

mst_status conf_get(mst_store *s, const char *key, uint64_t offset, uint64_t n, bool from_end, const mst_pin *pin,
                    void *into, uint64_t *got, mst_pin *info, mst_error *err) {
  mst_op op = mst_op_make(MST_OP_GET, key);
  op.offset = offset;
  op.size = n;
  op.from_end = from_end;
  op.pin = pin;
  op.into = into;
  mst_status status = perform(s, &op, err);
  if (got != NULL) *got = op.got;
  if (status == MST_OK && info != NULL) *info = op.info;
  return status;
}

mst_status conf_delete(mst_store *s, const char *const *keys, size_t n, mst_error *err) {
  mst_op op = mst_op_make(MST_OP_DELETE, NULL);
  op.keys = keys;
  op.n_keys = n;
  return perform(s, &op, err);
}

char *conf_list(mst_store *s, const char *prefix, const char *delimiter, uint32_t page_max, mst_status *status) {
  mst_page page;
  char *token = NULL;
  char *all = NULL;
  size_t n = 0;
  FILE *out = open_memstream(&all, &n);
  mst_page_init(&page, NULL);
  for (;;) {
    mst_op op = mst_op_make(MST_OP_LIST, NULL);
    op.prefix = prefix;
    op.delimiter = delimiter;
    op.token = token;
    op.page_max = page_max;
    op.page = &page;
    *status = perform(s, &op, NULL);
    if (*status != MST_OK) break;
    if (page_max > 0) assert_true(page.n <= page_max);
    for (size_t i = 0; i < page.n; i++) fprintf(out, "%s\n", page.entries[i].key);
    free(token);
    token = page.next == NULL ? NULL : strdup(page.next);
    if (token == NULL) break;
    mst_page_clear(&page);
  }
  free(token);
  mst_page_free(&page);
  fclose(out);
  if (*status == MST_OK) return all;
  free(all);
  return NULL;
}

static void assert_holds(mst_store *s, const char *key, const char *text) {
  char buffer[256];
  uint64_t got = 0;
  mst_error err = {0};
  mst_status status = conf_get(s, key, 0, sizeof buffer, false, NULL, buffer, &got, NULL, &err);
  if (status != MST_OK) print_message("%s: %s\n", key, err.message);
  assert_int_equal(status, MST_OK);
  assert_int_equal(got, strlen(text));
  assert_memory_equal(buffer, text, got);
}

static void assert_lists(mst_store *s, const char *prefix, const char *delimiter, uint32_t page_max,
                         const char *expected) {
  mst_status status;
  char *listed = conf_list(s, prefix, delimiter, page_max, &status);
  assert_int_equal(status, MST_OK);
  assert_string_equal(listed, expected);
  free(listed);
}

/* ---- fixture ----------------------------------------------------------------------------------------------------- */

static int make_place(void **state) {
  *state = now->open(now, ctx);
  return *state == NULL ? -1 : 0;
}

static int clear_place(void **state) {
  mst_store *s = *state;
  mst_status status;
  char *listed = conf_list(s, "", NULL, 0, &status);
  for (char *key = listed; key != NULL && *key != '\0';) {
    char *end = strchr(key, '\n');
    *end = '\0';
    const char *keys[] = {key};
    (void)conf_delete(s, keys, 1, NULL);
    key = end + 1;
  }
  free(listed);
  mst_store_unref(s);
  return 0;
}

/* ---- reading what was written ------------------------------------------------------------------------------------ */

static void what_was_put_is_there(void **state) {
  mst_store *s = *state;
  mst_pin put, head, got;
  char buffer[16] = {0};
  uint64_t n;
  assert_int_equal(conf_put(s, "a/b.txt", "hello", 5, MST_PUT_REPLACE, NULL, &put, NULL), MST_OK);
  assert_int_equal(conf_head(s, "a/b.txt", &head, NULL), MST_OK);
  assert_int_equal(conf_get(s, "a/b.txt", 0, 16, false, NULL, buffer, &n, &got, NULL), MST_OK);
  assert_int_equal(n, 5);
  assert_string_equal(buffer, "hello");
  assert_int_equal(head.size, 5);
  assert_int_equal(got.size, 5);
  assert_true(mst_pin_known(&head));
  assert_true(mst_pin_same(&head, &got));
  assert_string_equal(head.etag, got.etag);
  if (put.etag[0] != '\0') assert_string_equal(put.etag, head.etag);
}

static void what_is_replaced_has_another_version(void **state) {
  mst_store *s = *state;
  mst_pin first, second;
  assert_int_equal(conf_put_text(s, "x", "1"), MST_OK);
  assert_int_equal(conf_head(s, "x", &first, NULL), MST_OK);
  assert_int_equal(conf_put_text(s, "x", "2"), MST_OK);
  assert_int_equal(conf_head(s, "x", &second, NULL), MST_OK);
  assert_false(mst_pin_same(&first, &second));
  assert_holds(s, "x", "2");
}

static void ranges_end_where_the_object_ends(void **state) {
  mst_store *s = *state;
  char b[32];
  uint64_t n;
  mst_pin info;
  assert_int_equal(conf_put_text(s, "r", "0123456789"), MST_OK);
  assert_int_equal(conf_get(s, "r", 3, 4, false, NULL, b, &n, &info, NULL), MST_OK);
  assert_int_equal(n, 4);
  assert_memory_equal(b, "3456", 4);
  assert_int_equal(info.size, 10);
  assert_int_equal(conf_get(s, "r", 8, 20, false, NULL, b, &n, NULL, NULL), MST_OK);
  assert_int_equal(n, 2);
  assert_memory_equal(b, "89", 2);
  assert_int_equal(conf_get(s, "r", 10, 5, false, NULL, b, &n, &info, NULL), MST_OK);
  assert_int_equal(n, 0);
  assert_int_equal(info.size, 10);
  assert_int_equal(conf_get(s, "r", 1000, 5, false, NULL, b, &n, NULL, NULL), MST_OK);
  assert_int_equal(n, 0);
}

static void suffixes_are_what_is_last(void **state) {
  mst_store *s = *state;
  char b[32];
  uint64_t n;
  mst_pin info;
  assert_int_equal(conf_put_text(s, "r", "0123456789"), MST_OK);
  assert_int_equal(conf_get(s, "r", 0, 3, true, NULL, b, &n, &info, NULL), MST_OK);
  assert_int_equal(n, 3);
  assert_memory_equal(b, "789", 3);
  assert_int_equal(info.size, 10);
  assert_int_equal(conf_get(s, "r", 0, 30, true, NULL, b, &n, NULL, NULL), MST_OK);
  assert_int_equal(n, 10);
  assert_memory_equal(b, "0123456789", 10);
}

static void exact_reads_are_not_short(void **state) {
  mst_store *s = *state;
  char b[32];
  mst_error err = {0};
  assert_int_equal(conf_put_text(s, "r", "0123456789"), MST_OK);
  mst_op op = mst_op_make(MST_OP_GET, "r");
  op.offset = 8;
  op.size = 3;
  op.exact = true;
  op.into = (uint8_t *)b;
  assert_int_equal(perform(s, &op, &err), MST_E_CORRUPT);
  assert_true(err.message[0] != '\0');
}

static void empty_objects_are_objects(void **state) {
  mst_store *s = *state;
  char b[4];
  uint64_t n;
  mst_pin info;
  assert_int_equal(conf_put(s, "empty", "", 0, MST_PUT_REPLACE, NULL, NULL, NULL), MST_OK);
  assert_int_equal(conf_head(s, "empty", &info, NULL), MST_OK);
  assert_int_equal(info.size, 0);
  assert_int_equal(conf_get(s, "empty", 0, 4, false, NULL, b, &n, NULL, NULL), MST_OK);
  assert_int_equal(n, 0);
  assert_int_equal(conf_get(s, "empty", 0, 4, true, NULL, b, &n, NULL, NULL), MST_OK);
  assert_int_equal(n, 0);
  assert_lists(s, "", NULL, 0, "empty\n");
}

static void large_objects_come_back_whole(void **state) {
  mst_store *s = *state;
  size_t size = (3 << 20) + 17;
  uint8_t *data = malloc(size);
  uint8_t *back = malloc(size);
  uint64_t n;
  for (size_t i = 0; i < size; i++) data[i] = (uint8_t)(i * 2654435761u >> 13);
  assert_int_equal(conf_put(s, "large", data, size, MST_PUT_REPLACE, NULL, NULL, NULL), MST_OK);
  assert_int_equal(conf_get(s, "large", 0, size, false, NULL, back, &n, NULL, NULL), MST_OK);
  assert_int_equal(n, size);
  assert_memory_equal(data, back, size);
  free(data);
  free(back);
}

static void what_is_missing_is_not_found(void **state) {
  mst_store *s = *state;
  char b[4];
  mst_error err = {0};
  assert_int_equal(conf_head(s, "nothing", NULL, &err), MST_E_NOT_FOUND);
  assert_non_null(strstr(err.object, "nothing"));
  assert_int_equal(conf_get(s, "no/thing", 0, 4, false, NULL, b, NULL, NULL, &err), MST_E_NOT_FOUND);
  assert_non_null(strstr(err.object, "no/thing"));
  assert_true(err.message[0] != '\0');
}

static void a_folder_of_keys_is_no_object(void **state) {
  mst_store *s = *state;
  char b[4];
  assert_int_equal(conf_put_text(s, "d/x", "1"), MST_OK);
  assert_int_equal(conf_head(s, "d", NULL, NULL), MST_E_NOT_FOUND);
  assert_int_equal(conf_get(s, "d", 0, 4, false, NULL, b, NULL, NULL, NULL), MST_E_NOT_FOUND);
}

static void misuse_is_refused(void **state) {
  mst_store *s = *state;
  char b[4];
  mst_error err = {0};
  assert_int_equal(conf_get(s, "x", 0, 0, false, NULL, b, NULL, NULL, &err), MST_E_ARGUMENT);
  assert_int_equal(conf_get(s, "x", UINT64_MAX, 2, false, NULL, b, NULL, NULL, &err), MST_E_ARGUMENT);
  assert_int_equal(conf_get(s, "", 0, 4, false, NULL, b, NULL, NULL, &err), MST_E_ARGUMENT);
  assert_int_equal(conf_put(s, "x", "1", 1, MST_PUT_IF_MATCH, NULL, NULL, &err), MST_E_ARGUMENT);
  assert_int_equal(conf_head(s, "x", NULL, NULL), MST_E_NOT_FOUND);
}

/* ---- pins -------------------------------------------------------------------------------------------------------- */

static void reads_are_conditional_on_the_pin(void **state) {
  mst_store *s = *state;
  char b[16];
  uint64_t n;
  mst_pin pin;
  mst_error err = {0};
  assert_int_equal(conf_put_text(s, "p", "version one"), MST_OK);
  assert_int_equal(conf_head(s, "p", &pin, NULL), MST_OK);
  assert_int_equal(conf_get(s, "p", 8, 3, false, &pin, b, &n, NULL, NULL), MST_OK);
  assert_memory_equal(b, "one", 3);
  assert_int_equal(conf_put_text(s, "p", "version two"), MST_OK);
  assert_int_equal(conf_get(s, "p", 8, 3, false, &pin, b, &n, NULL, &err), MST_E_CHANGED);
  assert_true(err.message[0] != '\0');
  assert_int_equal(conf_put_text(s, "p", "short"), MST_OK);
  assert_int_equal(conf_get(s, "p", 8, 3, false, &pin, b, &n, NULL, NULL), MST_E_CHANGED);
  const char *keys[] = {"p"};
  assert_int_equal(conf_delete(s, keys, 1, NULL), MST_OK);
  assert_int_equal(conf_get(s, "p", 8, 3, false, &pin, b, &n, NULL, NULL), MST_E_NOT_FOUND);
}

static void pins_go_through_json(void **state) {
  mst_store *s = *state;
  char b[16];
  mst_pin pin, back = {0};
  json_t *json = NULL;
  uint64_t n;
  assert_int_equal(conf_put_text(s, "p", "version one"), MST_OK);
  assert_int_equal(conf_head(s, "p", &pin, NULL), MST_OK);
  assert_int_equal(mst_pin_to_json(&pin, &json, NULL), MST_OK);
  assert_int_equal(mst_pin_from_json(json, "slice", &back, NULL), MST_OK);
  json_decref(json);
  assert_true(mst_pin_known(&back));
  assert_true(mst_pin_same(&pin, &back));
  assert_int_equal(conf_get(s, "p", 0, 7, false, &back, b, &n, NULL, NULL), MST_OK);
  assert_int_equal(conf_put_text(s, "p", "version two"), MST_OK);
  assert_int_equal(conf_get(s, "p", 0, 7, false, &back, b, &n, NULL, NULL), MST_E_CHANGED);
}

/* ---- conditional writes ------------------------------------------------------------------------------------------ */

static void create_never_replaces(void **state) {
  mst_store *s = *state;
  mst_error err = {0};
  assert_int_equal(conf_put(s, "c/new", "1", 1, MST_PUT_CREATE, NULL, NULL, NULL), MST_OK);
  assert_int_equal(conf_put(s, "c/new", "2", 1, MST_PUT_CREATE, NULL, NULL, &err), MST_E_EXISTS);
  assert_non_null(strstr(err.object, "c/new"));
  assert_holds(s, "c/new", "1");
  assert_lists(s, "", NULL, 0, "c/new\n");
}

static void if_match_replaces_only_that_version(void **state) {
  mst_store *s = *state;
  mst_pin one, two;
  assert_int_equal(conf_put(s, "m", "1", 1, MST_PUT_REPLACE, NULL, NULL, NULL), MST_OK);
  assert_int_equal(conf_head(s, "m", &one, NULL), MST_OK);
  assert_int_equal(conf_put(s, "m", "2", 1, MST_PUT_IF_MATCH, one.etag, NULL, NULL), MST_OK);
  assert_int_equal(conf_put(s, "m", "3", 1, MST_PUT_IF_MATCH, one.etag, NULL, NULL), MST_E_CONFLICT);
  assert_holds(s, "m", "2");
  assert_int_equal(conf_head(s, "m", &two, NULL), MST_OK);
  assert_string_not_equal(one.etag, two.etag);
  assert_int_equal(conf_put(s, "gone", "3", 1, MST_PUT_IF_MATCH, two.etag, NULL, NULL), MST_E_CONFLICT);
  assert_int_equal(conf_head(s, "gone", NULL, NULL), MST_E_NOT_FOUND);
  assert_lists(s, "", NULL, 0, "m\n");
}

enum { RACERS = 6, ROUNDS = 12 };

typedef struct racer {
  mst_store *store;
  int number;
  int won;
  mst_status odd; /* anything but success and the expected refusal */
} racer;

static void *race_to_create(void *arg) {
  racer *r = arg;
  for (int i = 0; i < ROUNDS; i++) {
    char key[32], text[8];
    (void)snprintf(key, sizeof key, "race/%d", i);
    (void)snprintf(text, sizeof text, "%d", r->number);
    mst_status status = conf_put(r->store, key, text, strlen(text), MST_PUT_CREATE, NULL, NULL, NULL);
    if (status == MST_OK) r->won++;
    else if (status != MST_E_EXISTS) r->odd = status;
  }
  return NULL;
}

static void one_of_many_creators_wins(void **state) {
  racer racers[RACERS] = {0};
  pthread_t threads[RACERS];
  int won = 0;
  for (int i = 0; i < RACERS; i++) {
    racers[i] = (racer){.store = *state, .number = i};
    pthread_create(&threads[i], NULL, race_to_create, &racers[i]);
  }
  for (int i = 0; i < RACERS; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(racers[i].odd, MST_OK);
    won += racers[i].won;
  }
  assert_int_equal(won, ROUNDS);
}

/* Reads a number, writes it back one larger, only over the version that was read. */
static void *race_to_count(void *arg) {
  racer *r = arg;
  while (r->won < ROUNDS && r->odd == MST_OK) {
    char text[16] = {0};
    mst_pin pin;
    mst_status status = conf_get(r->store, "counter", 0, sizeof text - 1, false, NULL, text, NULL, &pin, NULL);
    if (status == MST_E_CHANGED) continue; /* replaced while it was read */
    if (status != MST_OK) r->odd = status;
    int n = atoi(text) + 1;
    (void)snprintf(text, sizeof text, "%d", n);
    status = conf_put(r->store, "counter", text, strlen(text), MST_PUT_IF_MATCH, pin.etag, NULL, NULL);
    if (status == MST_OK) r->won++;
    else if (status != MST_E_CONFLICT) r->odd = status;
  }
  return NULL;
}

static void no_conditional_write_is_lost(void **state) {
  racer racers[RACERS] = {0};
  pthread_t threads[RACERS];
  char expected[16];
  assert_int_equal(conf_put_text(*state, "counter", "0"), MST_OK);
  for (int i = 0; i < RACERS; i++) {
    racers[i] = (racer){.store = *state};
    pthread_create(&threads[i], NULL, race_to_count, &racers[i]);
  }
  for (int i = 0; i < RACERS; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(racers[i].odd, MST_OK);
  }
  (void)snprintf(expected, sizeof expected, "%d", RACERS * ROUNDS);
  assert_holds(*state, "counter", expected);
}

/* ---- listings and deletion --------------------------------------------------------------------------------------- */

static void put_all(mst_store *s, const char *const *keys, size_t n) {
  for (size_t i = 0; i < n; i++) assert_int_equal(conf_put_text(s, keys[i], keys[i]), MST_OK);
}

static void listings_are_in_byte_order(void **state) {
  static const char *const keys[] = {"b", "a/x", "a-b", "a.c", "a/b/c", "A", "a0", "z/1", "z/10", "z/2"};
  static const char sorted[] = "A\na-b\na.c\na/b/c\na/x\na0\nb\nz/1\nz/10\nz/2\n";
  mst_store *s = *state;
  put_all(s, keys, sizeof keys / sizeof *keys);
  assert_lists(s, "", NULL, 0, sorted);
  for (uint32_t page = 1; page < 12; page++) assert_lists(s, "", NULL, page, sorted);
  assert_lists(s, "a", NULL, 2, "a-b\na.c\na/b/c\na/x\na0\n");
  assert_lists(s, "a/", NULL, 1, "a/b/c\na/x\n");
  assert_lists(s, "z/1", NULL, 0, "z/1\nz/10\n");
  assert_lists(s, "nothing", NULL, 0, "");
  assert_lists(s, "nothing/there/", NULL, 0, "");
}

static void delimiters_fold_what_follows(void **state) {
  static const char *const keys[] = {"b", "a/x", "a-b", "a/b/c", "a/b/d", "z/1", "z/2/3"};
  mst_store *s = *state;
  put_all(s, keys, sizeof keys / sizeof *keys);
  for (uint32_t page = 0; page < 5; page++) {
    assert_lists(s, "", "/", page, "a-b\na/\nb\nz/\n");
    assert_lists(s, "a/", "/", page, "a/b/\na/x\n");
    assert_lists(s, "a", "/", page, "a-b\na/\n");
    assert_lists(s, "z/", "/", page, "z/1\nz/2/\n");
  }
}

static void listings_tell_sizes_and_versions(void **state) {
  mst_store *s = *state;
  mst_page page;
  mst_pin head;
  assert_int_equal(conf_put_text(s, "k", "12345"), MST_OK);
  assert_int_equal(conf_put_text(s, "p/q", "1"), MST_OK);
  assert_int_equal(conf_head(s, "k", &head, NULL), MST_OK);
  mst_page_init(&page, NULL);
  mst_op op = mst_op_make(MST_OP_LIST, NULL);
  op.delimiter = "/";
  op.page = &page;
  assert_int_equal(perform(s, &op, NULL), MST_OK);
  assert_int_equal(page.n, 2);
  assert_null(page.next);
  assert_string_equal(page.entries[0].key, "k");
  assert_int_equal(page.entries[0].size, 5);
  assert_false(page.entries[0].is_prefix);
  if (page.entries[0].etag[0] != '\0') assert_string_equal(page.entries[0].etag, head.etag);
  if (page.entries[0].modified_ns != 0) assert_true(page.entries[0].modified_ns / 1000000000 > 1600000000);
  assert_string_equal(page.entries[1].key, "p/");
  assert_true(page.entries[1].is_prefix);
  mst_page_free(&page);
}

static void listings_can_begin_behind_a_key(void **state) {
  static const char *const keys[] = {"a", "b/1", "b/2", "c"};
  mst_store *s = *state;
  mst_page page;
  put_all(s, keys, 4);
  mst_page_init(&page, NULL);
  mst_op op = mst_op_make(MST_OP_LIST, NULL);
  op.start_after = "b/1";
  op.page = &page;
  assert_int_equal(perform(s, &op, NULL), MST_OK);
  assert_int_equal(page.n, 2);
  assert_string_equal(page.entries[0].key, "b/2");
  assert_string_equal(page.entries[1].key, "c");
  mst_page_free(&page);
}

static mst_status count_key(void *arg, const mst_object_info *info, mst_error *err) {
  int *left = arg;
  (void)info;
  return --*left == 0 ? mst_fail(err, MST_E_LIMIT, "enough") : MST_OK;
}

static void whole_listings_can_be_stopped(void **state) {
  mst_store *s = *state;
  mst_error err = {0};
  for (int i = 0; i < 30; i++) {
    char key[32];
    (void)snprintf(key, sizeof key, "many/%02d", i);
    assert_int_equal(conf_put_text(s, key, "1"), MST_OK);
  }
  int left = 1000;
  assert_int_equal(mst_list_run(s, "many/", NULL, count_key, &left, NULL, &err), MST_OK);
  assert_int_equal(left, 970);
  left = 7;
  assert_int_equal(mst_list_run(s, "", NULL, count_key, &left, NULL, &err), MST_E_LIMIT);
  assert_string_equal(err.message, "enough");
}

static void deleting_takes_what_is_there(void **state) {
  static const char *const keys[] = {"a", "b/1", "b/2", "c"};
  static const char *const gone[] = {"a", "not there", "b/2", "not/there/either"};
  mst_store *s = *state;
  put_all(s, keys, 4);
  assert_int_equal(conf_delete(s, gone, 4, NULL), MST_OK);
  assert_lists(s, "", NULL, 0, "b/1\nc\n");
  assert_int_equal(conf_delete(s, gone, 4, NULL), MST_OK);
  assert_int_equal(conf_delete(s, keys + 1, 1, NULL), MST_OK);
  assert_lists(s, "", "/", 0, "c\n"); /* no empty folder is left of b/ */
}

/* ---- uploads in parts -------------------------------------------------------------------------------------------- */

static size_t part_size(void) { return (now->flags & MST_CONF_SMALL_PARTS) != 0 ? 1000 : 5 << 20; }

typedef struct upload {
  mst_store *store;
  const char *key;
  char id[1104];
  char tags[4][168];
  uint64_t size;
} upload;

static void upload_open(upload *u, mst_store *s, const char *key) {
  *u = (upload){.store = s, .key = key};
  mst_op op = mst_op_make(MST_OP_UPLOAD_OPEN, key);
  assert_int_equal(perform(s, &op, NULL), MST_OK);
  memcpy(u->id, op.upload_id, sizeof u->id);
}

static mst_status upload_part(upload *u, uint32_t number, char fill, size_t n, uint64_t offset) {
  char *data = malloc(n);
  memset(data, fill, n);
  mst_op op = mst_op_make(MST_OP_UPLOAD_PART, u->key);
  op.upload = u->id;
  op.part = number;
  op.offset = offset;
  op.data = (const uint8_t *)data;
  op.n_data = n;
  mst_status status = perform(u->store, &op, NULL);
  if (status == MST_OK) memcpy(u->tags[number - 1], op.part_tag, sizeof op.part_tag);
  u->size += n;
  free(data);
  return status;
}

static mst_status upload_close(upload *u, size_t n_parts, mst_put_mode mode, const char *etag, mst_pin *info) {
  const char *tags[4] = {u->tags[0], u->tags[1], u->tags[2], u->tags[3]};
  mst_pin pin = {0};
  mst_op op = mst_op_make(MST_OP_UPLOAD_CLOSE, u->key);
  op.upload = u->id;
  op.part_tags = tags;
  op.n_parts = n_parts;
  op.size = u->size;
  op.put_mode = mode;
  if (etag != NULL) (void)snprintf(pin.etag, sizeof pin.etag, "%s", etag);
  op.pin = etag != NULL ? &pin : NULL;
  mst_status status = perform(u->store, &op, NULL);
  if (status == MST_OK && info != NULL) *info = op.info;
  return status;
}

static mst_status upload_abort(upload *u) {
  mst_op op = mst_op_make(MST_OP_UPLOAD_ABORT, u->key);
  op.upload = u->id;
  return perform(u->store, &op, NULL);
}

static void parts_become_one_object(void **state) {
  mst_store *s = *state;
  upload u;
  size_t n = part_size();
  char b[4];
  uint64_t got;
  mst_pin info;
  upload_open(&u, s, "up/loaded");
  assert_int_equal(upload_part(&u, 2, 'b', n, n), MST_OK); /* in any order */
  assert_int_equal(upload_part(&u, 1, 'a', n, 0), MST_OK);
  assert_int_equal(upload_part(&u, 3, 'c', 7, 2 * n), MST_OK);
  assert_lists(s, "", NULL, 0, ""); /* nothing is visible before the end */
  assert_int_equal(conf_head(s, "up/loaded", NULL, NULL), MST_E_NOT_FOUND);
  assert_int_equal(upload_close(&u, 3, MST_PUT_REPLACE, NULL, NULL), MST_OK);
  assert_int_equal(conf_head(s, "up/loaded", &info, NULL), MST_OK);
  assert_int_equal(info.size, 2 * n + 7);
  assert_int_equal(conf_get(s, "up/loaded", n - 1, 2, false, NULL, b, &got, NULL, NULL), MST_OK);
  assert_memory_equal(b, "ab", 2);
  assert_int_equal(conf_get(s, "up/loaded", 2 * n - 1, 2, false, NULL, b, &got, NULL, NULL), MST_OK);
  assert_memory_equal(b, "bc", 2);
  assert_lists(s, "", NULL, 0, "up/loaded\n");
}

static void aborted_uploads_leave_nothing(void **state) {
  mst_store *s = *state;
  upload u;
  upload_open(&u, s, "up/aborted");
  assert_int_equal(upload_part(&u, 1, 'a', part_size(), 0), MST_OK);
  assert_int_equal(upload_abort(&u), MST_OK);
  assert_lists(s, "", "/", 0, "");
  assert_int_not_equal(upload_part(&u, 2, 'b', 7, part_size()), MST_OK);
  assert_int_not_equal(upload_close(&u, 1, MST_PUT_REPLACE, NULL, NULL), MST_OK);
  assert_lists(s, "", "/", 0, "");
  assert_int_equal(upload_abort(&u), MST_OK); /* twice is no error */
}

static void uploads_can_be_conditional(void **state) {
  mst_store *s = *state;
  upload u;
  mst_pin one;
  assert_int_equal(conf_put_text(s, "up", "first"), MST_OK);
  assert_int_equal(conf_head(s, "up", &one, NULL), MST_OK);
  upload_open(&u, s, "up");
  assert_int_equal(upload_part(&u, 1, 'a', 9, 0), MST_OK);
  assert_int_equal(upload_close(&u, 1, MST_PUT_CREATE, NULL, NULL), MST_E_EXISTS);
  (void)upload_abort(&u);
  assert_holds(s, "up", "first");
  upload_open(&u, s, "up");
  assert_int_equal(upload_part(&u, 1, 'b', 9, 0), MST_OK);
  assert_int_equal(upload_close(&u, 1, MST_PUT_IF_MATCH, one.etag, NULL), MST_OK);
  assert_holds(s, "up", "bbbbbbbbb");
  if ((now->flags & MST_CONF_LAX_CLOSE) != 0) return;
  upload_open(&u, s, "up");
  assert_int_equal(upload_part(&u, 1, 'c', 9, 0), MST_OK);
  assert_int_equal(upload_close(&u, 1, MST_PUT_IF_MATCH, one.etag, NULL), MST_E_CONFLICT);
  (void)upload_abort(&u);
  assert_holds(s, "up", "bbbbbbbbb");
  assert_lists(s, "", NULL, 0, "up\n");
}

static void streams_become_objects(void **state) {
  static const size_t sizes[] = {0, 1, 100000, (9 << 20) + 5};
  mst_store *s = *state;
  uint8_t *data = malloc(sizes[3]);
  for (size_t i = 0; i < sizes[3]; i++) data[i] = (uint8_t)(i >> 8 ^ i);
  for (size_t i = 0; i < 4; i++) {
    mst_upload *u = NULL;
    uint8_t *back = malloc(sizes[i] + 1);
    uint64_t got = 0;
    mst_pin info;
    assert_int_equal(mst_upload_begin(s, "stream", NULL, &u, NULL), MST_OK);
    for (size_t at = 0; at < sizes[i];) {
      size_t n = sizes[i] - at < 70001 ? sizes[i] - at : 70001;
      assert_int_equal(mst_upload_write(u, data + at, n, NULL), MST_OK);
      at += n;
    }
    assert_int_equal(mst_upload_finish(u, MST_PUT_REPLACE, NULL, &info, NULL), MST_OK);
    assert_int_equal(mst_upload_finish(u, MST_PUT_REPLACE, NULL, &info, NULL), MST_E_ARGUMENT);
    mst_upload_end(u);
    assert_int_equal(conf_get(s, "stream", 0, sizes[i] + 1, false, NULL, back, &got, NULL, NULL), MST_OK);
    assert_int_equal(got, sizes[i]);
    assert_memory_equal(back, data, sizes[i]);
    free(back);
  }
  free(data);
  assert_lists(s, "", NULL, 0, "stream\n");
}

static void streams_given_up_leave_nothing(void **state) {
  mst_store *s = *state;
  mst_upload *u = NULL;
  size_t n = 17 << 20;
  uint8_t *data = calloc(1, n);
  assert_int_equal(mst_upload_begin(s, "given/up", NULL, &u, NULL), MST_OK);
  assert_int_equal(mst_upload_write(u, data, n, NULL), MST_OK);
  mst_upload_end(u);
  free(data);
  assert_lists(s, "", "/", 0, "");
  assert_int_equal(mst_store_context(s) != NULL, 1);
  assert_int_equal(mst_budget_in_use(mst_store_context(s)), 0);
}

/* ---- awkward keys ------------------------------------------------------------------------------------------------ */

static char long_element[300], long_key[1000];

static void fill_long_keys(void) {
  memset(long_element, 'e', sizeof long_element - 1);
  for (size_t i = 0; i < sizeof long_key - 1; i++) long_key[i] = i % 100 == 99 ? '/' : 'k';
  long_key[sizeof long_key - 2] = 'k';
}

static void awkward_keys_are_kept_or_refused(void **state) {
  static const char *const keys[] = {"with space",
                                     "plus+plus",
                                     "per%cent",
                                     "per%20cent",
                                     "per%2Fcent",
                                     "hash#tag",
                                     "quest?ion=1&b=2",
                                     "quo\"te'",
                                     "back\\slash",
                                     "ünïcödé/日本語",
                                     "\xF0\x9F\x98\x80.txt",
                                     "new\nline",
                                     "tab\there",
                                     "a//b",
                                     "a/../b",
                                     "a/./b",
                                     "../x",
                                     "..",
                                     ".",
                                     "./x",
                                     "/absolute",
                                     "ends/",
                                     " leading",
                                     "trailing ",
                                     "~tilde",
                                     "*star*",
                                     "[br]",
                                     "semi;colon",
                                     "a:b",
                                     "x=y",
                                     "comma,",
                                     "$dollar",
                                     "@at",
                                     "!(paren)",
                                     "...",
                                     "..a",
                                     "a..",
                                     "-dash",
                                     "--",
                                     "%",
                                     "%zz",
                                     "+",
                                     "&",
                                     "a=b&c",
                                     "<tag>",
                                     "{curly}",
                                     "pipe|",
                                     "ca^ret",
                                     "back`tick",
                                     long_element,
                                     long_key};
  mst_store *s = *state;
  fill_long_keys();
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    mst_error err = {0};
    mst_pin info;
    mst_status status = conf_put(s, keys[i], keys[i], strlen(keys[i]), MST_PUT_REPLACE, NULL, NULL, &err);
    if (status != MST_OK) {
      /* refused, and clearly: nothing was made, and the message says what about it */
      if (status != MST_E_ARGUMENT && status != MST_E_UNSUPPORTED) print_message("%s: %s\n", keys[i], err.message);
      assert_true(status == MST_E_ARGUMENT || status == MST_E_UNSUPPORTED);
      assert_true(strlen(err.message) > 10);
      assert_lists(s, "", NULL, 0, "");
      continue;
    }
    uint64_t got = 0;
    char *back = malloc(strlen(keys[i]) + 1);
    assert_int_equal(conf_head(s, keys[i], &info, NULL), MST_OK);
    assert_int_equal(info.size, strlen(keys[i]));
    assert_int_equal(conf_get(s, keys[i], 0, strlen(keys[i]) + 1, false, NULL, back, &got, NULL, NULL), MST_OK);
    assert_memory_equal(back, keys[i], got);
    free(back);
    mst_status listed;
    char *list = conf_list(s, "", NULL, 0, &listed);
    assert_int_equal(listed, MST_OK);
    assert_int_equal(strlen(list), strlen(keys[i]) + 1); /* with a newline inside, too */
    assert_memory_equal(list, keys[i], strlen(keys[i]));
    free(list);
    assert_int_equal(conf_delete(s, &keys[i], 1, NULL), MST_OK);
    assert_lists(s, "", NULL, 0, "");
  }
}

/* ---- cancelling -------------------------------------------------------------------------------------------------- */

static void cancelled_operations_do_nothing(void **state) {
  mst_store *s = *state;
  mst_cancel *cancel = mst_cancel_new(NULL);
  mst_error err = {0};
  mst_cancel_request(cancel);
  mst_op op = mst_op_make(MST_OP_PUT, "cancelled");
  op.data = (const uint8_t *)"x";
  op.n_data = 1;
  op.cancel = cancel;
  assert_int_equal(perform(s, &op, &err), MST_E_CANCELLED);
  assert_lists(s, "", NULL, 0, "");
  int left = 5;
  assert_int_equal(mst_list_run(s, "", NULL, count_key, &left, cancel, &err), MST_E_CANCELLED);
  mst_cancel_unref(cancel);
}

/* ---- views ------------------------------------------------------------------------------------------------------- */

static void a_view_below_a_prefix_is_a_store(void **state) {
  mst_store *s = *state;
  mst_store *below = NULL;
  mst_error err = {0};
  assert_int_equal(mst_store_below(s, "deep/er/", &below, NULL), MST_OK);
  assert_int_equal(conf_put_text(below, "x/y", "1"), MST_OK);
  assert_holds(s, "deep/er/x/y", "1");
  assert_lists(below, "", NULL, 0, "x/y\n");
  assert_lists(below, "x", "/", 0, "x/\n");
  assert_int_equal(conf_head(below, "nothing", NULL, &err), MST_E_NOT_FOUND);
  assert_non_null(strstr(err.object, "deep/er/nothing"));
  const char *keys[] = {"x/y"};
  assert_int_equal(conf_delete(below, keys, 1, NULL), MST_OK);
  assert_lists(s, "", "/", 0, "");
  mst_store_unref(below);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_place, clear_place)

int mst_conformance_run(const mst_conformance *all, size_t n) {
  static const struct CMUnitTest tests[] = {
      CASE(what_was_put_is_there),
      CASE(what_is_replaced_has_another_version),
      CASE(ranges_end_where_the_object_ends),
      CASE(suffixes_are_what_is_last),
      CASE(exact_reads_are_not_short),
      CASE(empty_objects_are_objects),
      CASE(large_objects_come_back_whole),
      CASE(what_is_missing_is_not_found),
      CASE(a_folder_of_keys_is_no_object),
      CASE(misuse_is_refused),
      CASE(reads_are_conditional_on_the_pin),
      CASE(pins_go_through_json),
      CASE(create_never_replaces),
      CASE(if_match_replaces_only_that_version),
      CASE(one_of_many_creators_wins),
      CASE(no_conditional_write_is_lost),
      CASE(listings_are_in_byte_order),
      CASE(delimiters_fold_what_follows),
      CASE(listings_tell_sizes_and_versions),
      CASE(listings_can_begin_behind_a_key),
      CASE(whole_listings_can_be_stopped),
      CASE(deleting_takes_what_is_there),
      CASE(parts_become_one_object),
      CASE(aborted_uploads_leave_nothing),
      CASE(uploads_can_be_conditional),
      CASE(streams_become_objects),
      CASE(streams_given_up_leave_nothing),
      CASE(awkward_keys_are_kept_or_refused),
      CASE(cancelled_operations_do_nothing),
      CASE(a_view_below_a_prefix_is_a_store),
  };
  int failed = 0;
  mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
  assert_int_equal(mst_context_open(&options, &ctx, NULL), MST_OK);
  for (size_t i = 0; i < n; i++) {
    now = &all[i];
    print_message("over %s\n", all[i].name);
    failed += cmocka_run_group_tests_name(all[i].name, tests, NULL, NULL);
  }
  now = NULL;
  mst_context_unref(ctx);
  return failed;
}
