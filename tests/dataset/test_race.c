/* dataset/test_race.c - runs of the commit protocol's model (model/commit_model.py), replayed against the library: each
 * writer is a thread over its own view of one store in memory, and moves only when the run says so. Replies are lost,
 * requests are held back and arrive later, writers die, all at the steps where the model did the same; how each writer
 * ends, and what is committed in which order, must be what the model says.
 *
 * test_race FILE: one run a line, as `commit_model.py --traces N` prints them. */
#include "commit_kit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WRITERS = 3, LINE_MAX_BYTES = 8192, HELD_MAX = 4 };
#define HEAD_KEY KIT_UUID ".by-dataset-metadata.json"

typedef enum order { NONE, PASS, LOSE_REPLY, HOLD, DIE } order;

/* A request that was held back. */
typedef struct held {
  uint8_t *data; /* NULL: none */
  size_t size;
  mst_pin pin;
} held;

typedef struct writer {
  int number;
  char name[8], takes[16]; /* "" when it only adds */
  mst_store *store;
  pthread_t thread;
  bool waits, ended, dead; /* waits: at an operation that needs an order */
  char at[16];             /* which one: "read", "file" or "put" */
  order given;
  mst_status last; /* of the operation that went on */
  char result[16];
  held held[HELD_MAX];
} writer;

static kit world;
static kit *k = &world;
static writer writers[WRITERS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;

/* ---- the writers' side ---------------------------------------------------------------------------------------------
 */

static const char *step_of(const mst_op *op) {
  if (op->kind == MST_OP_GET && strcmp(op->key, HEAD_KEY) == 0) return "read";
  if (op->kind == MST_OP_PUT && strcmp(op->key, HEAD_KEY) == 0) return "put";
  if (op->kind == MST_OP_PUT && strstr(op->key, ".file.parquet") != NULL) return "file";
  return NULL;
}

static void hold_back(writer *w, const mst_op *op) {
  held *h = w->held;
  while (h < w->held + HELD_MAX - 1 && h->data != NULL) h++;
  *h = (held){.data = malloc(op->n_data), .size = op->n_data, .pin = *op->pin};
  memcpy(h->data, op->data, op->n_data);
}

static kit_fate wait_for_order(void *self, const mst_op *op) {
  writer *w = self;
  const char *step = step_of(op);
  order given = PASS;
  pthread_mutex_lock(&lock);
  if (step != NULL && !w->dead) {
    (void)snprintf(w->at, sizeof w->at, "%s", step);
    w->waits = true;
    pthread_cond_broadcast(&moved);
    while (w->given == NONE) pthread_cond_wait(&moved, &lock);
    given = w->given;
    w->given = NONE;
    w->waits = false;
    if (given == DIE) w->dead = true;
    if (given == HOLD) hold_back(w, op);
  }
  const bool dead = w->dead;
  pthread_mutex_unlock(&lock);
  return dead || given == HOLD ? KIT_LOSE_REQUEST : given == LOSE_REPLY ? KIT_LOSE_REPLY : KIT_PASS;
}

/* The whole life of one writer. */
static void live(writer *w) {
  kit mine = *k;
  kit *saved = &mine;
  mst_dataset *d = NULL, *after = NULL;
  mst_change *c = NULL;
  mst_new_files files;
  mst_dataset_options options = MST_DATASET_OPTIONS_INIT;
  const char *takes = w->takes;
  char label[32];
  mst_status status;
  mine.store = w->store;
  (void)snprintf(label, sizeof label, "%s.file", w->name);
  status = mst_ds_open(w->store, KIT_UUID, &options, &d, NULL, &mine.err);
  if (status == MST_OK) status = mst_ds_change_open(d, &c, &mine.err);
  if (status == MST_OK && takes[0] != '\0') status = mst_ds_change_remove_labels(c, &takes, 1, NULL, &mine.err);
  if (status == MST_E_NOT_FOUND) status = MST_E_CONFLICT; /* gone before it began */
  if (status == MST_OK) {
    mst_new_files_init(&files, NULL);
    status = kit_try_file(saved, &files, label);
    if (status == MST_OK) status = mst_change_add_files(c, &files, &mine.err);
    mst_new_files_free(&files);
  }
  if (status == MST_OK) status = mst_ds_change_commit(c, &after, NULL, NULL, &mine.err);
  if (status == MST_OK && !kit_has(after, label)) status = MST_E_INTERNAL;
  mst_ds_unref(after);
  mst_ds_change_free(c);
  mst_ds_unref(d);
  const bool unknown = status == MST_E_IO && strstr(mine.err.message, "unknown") != NULL;
  (void)snprintf(w->result, sizeof w->result, "%s",
                 w->dead                    ? "crashed"
                 : status == MST_OK         ? "committed"
                 : status == MST_E_CONFLICT ? "conflict"
                 : unknown                  ? "unknown"
                                            : "failed");
}

static void *run_writer(void *arg) {
  writer *w = arg;
  live(w);
  pthread_mutex_lock(&lock);
  w->ended = true;
  pthread_cond_broadcast(&moved);
  pthread_mutex_unlock(&lock);
  return NULL;
}

/* ---- the scheduler's side ------------------------------------------------------------------------------------------
 */

/* Until the writer stands at a step, or has ended. */
static void settle(writer *w) {
  pthread_mutex_lock(&lock);
  while (!w->ended && !(w->waits && w->given == NONE)) pthread_cond_wait(&moved, &lock);
  pthread_mutex_unlock(&lock);
}

static void give(writer *w, order o) {
  pthread_mutex_lock(&lock);
  w->given = o;
  pthread_cond_broadcast(&moved);
  while (w->given != NONE) pthread_cond_wait(&moved, &lock);
  pthread_mutex_unlock(&lock);
  settle(w);
}

/* One that can still take effect, or one that cannot: the run says which. */
static void arrive(writer *w, bool in_time) {
  mst_op op = mst_op_make(MST_OP_HEAD, HEAD_KEY);
  OK(mst_store_perform(k->store, &op, &k->err));
  for (held *h = w->held; h < w->held + HELD_MAX; h++) {
    if (h->data == NULL || (strcmp(h->pin.etag, op.info.etag) == 0) != in_time) continue;
    mst_status status =
        mst_put_object(k->store, HEAD_KEY, h->data, h->size, MST_PUT_IF_MATCH, &h->pin, NULL, NULL, NULL);
    assert_int_equal(status, in_time ? MST_OK : MST_E_CONFLICT);
    free(h->data);
    h->data = NULL;
    return;
  }
  fail_msg("%s has no request under way that %s arrive", w->name, in_time ? "may" : "may not");
}

static void do_step(writer *w, const char *what, const char *line) {
  if (strcmp(what, "arrives") == 0 || strcmp(what, "arrives-late") == 0) {
    arrive(w, what[7] == '\0');
    return;
  }
  settle(w);
  if (strcmp(what, "crash") == 0) {
    if (!w->ended) give(w, DIE);
    return;
  }
  if (w->ended) fail_msg("%s has ended (%s) before '%s' in %s", w->name, w->result, what, line);
  const char *at = strcmp(what, "read") == 0 || strcmp(what, "file") == 0 ? what : "put";
  if (strcmp(w->at, at) != 0) fail_msg("%s stands at '%s', not at '%s', in %s", w->name, w->at, what, line);
  give(w, strcmp(what, "lost-reply") == 0 ? LOSE_REPLY : strcmp(what, "held") == 0 ? HOLD : PASS);
}

static void begin(const char *takes, unsigned number) {
  char name[32];
  const char *labels[] = {"old0", "old1"};
  mst_dataset *d = NULL;
  (void)snprintf(name, sizeof name, "race-%u", number);
  kit_set_store(k, kit_memory_store(k, name));
  OK(kit_create(k, labels, 2, NULL, &d));
  mst_ds_unref(d);
  for (int i = 0; i < WRITERS; i++) {
    writer *w = &writers[i];
    const size_t n = strcspn(takes, ",");
    *w = (writer){.number = i};
    (void)snprintf(w->name, sizeof w->name, "w%d", i);
    if (takes[0] != '-') (void)snprintf(w->takes, sizeof w->takes, "%.*s", (int)n, takes);
    takes += n + (takes[n] == ',');
    w->store = kit_faulty(k, k->store, &(kit_faults){wait_for_order, NULL, w});
    assert_int_equal(pthread_create(&w->thread, NULL, run_writer, w), 0);
  }
}

static void end(const char *results, const char *commits, const char *line) {
  char found[128] = "", ended[64] = "";
  for (int i = 0; i < WRITERS; i++) {
    writer *w = &writers[i];
    assert_int_equal(pthread_join(w->thread, NULL), 0);
    mst_store_unref(w->store);
    for (int h = 0; h < HELD_MAX; h++) free(w->held[h].data);
    (void)snprintf(ended + strlen(ended), sizeof ended - strlen(ended), "%s%s", i > 0 ? "," : "", w->result);
  }
  if (strcmp(ended, results) != 0) fail_msg("the writers ended %s, not %s, in %s", ended, results, line);
  /* files come in the order of the commits */
  mst_dataset *d = kit_open_dataset(k);
  for (size_t i = 0; i < mst_ds_partition_count(d); i++) {
    const char *label = mst_document_label(d->document, i);
    if (strstr(label, ".file") == NULL) continue;
    (void)snprintf(found + strlen(found), sizeof found - strlen(found), "%s%.2s", found[0] == '\0' ? "" : ",", label);
  }
  const size_t n = commits[0] == '\0' ? 0 : 1 + (size_t)(strlen(commits) / 3);
  assert_int_equal(mst_ds_version(d), 1 + n);
  if (strcmp(found, commits) != 0) fail_msg("committed were %s, not %s, in %s", found, commits, line);
  mst_ds_unref(d);
}

static void replay(char *line, unsigned number) {
  char whole[LINE_MAX_BYTES], *rest = NULL;
  (void)snprintf(whole, sizeof whole, "%s", line);
  char *takes = strsep(&line, "|"), *steps = strsep(&line, "|"), *results = strsep(&line, "|"),
       *commits = strsep(&line, "|\n");
  assert_non_null(commits);
  begin(takes, number);
  for (char *step = strtok_r(steps, ",", &rest); step != NULL; step = strtok_r(NULL, ",", &rest)) {
    assert_true(step[0] == 'w' && step[1] >= '0' && step[1] < '0' + WRITERS && step[2] == ' ');
    do_step(&writers[step[1] - '0'], step + 3, whole);
  }
  end(results, commits, whole);
}

static const char *traces;

static void test_runs_of_the_model(void **state) {
  (void)state;
  char line[LINE_MAX_BYTES];
  unsigned n = 0;
  FILE *f = fopen(traces, "r");
  assert_non_null(f);
  kit_open(k, 3);
  while (fgets(line, sizeof line, f) != NULL) replay(line, n++);
  (void)fclose(f);
  kit_close(k);
  print_message("%u runs\n", n);
  assert_true(n > 0);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_runs_of_the_model)};
  if (argc != 2) {
    (void)fprintf(stderr, "usage: test_race FILE\n");
    return 2;
  }
  traces = argv[1];
  return cmocka_run_group_tests(tests, NULL, NULL);
}
