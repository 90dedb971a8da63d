/* bench/store_client.c - client CPU of the network stores against a local server: large ranges, small objects,
 * listings.
 *
 *   store_client big   URL TOTAL PART CONCURRENCY   TOTAL bytes of one object in ranges of PART
 *   store_client small URL N CONCURRENCY            N objects URL00000, URL00001 … whole
 *   store_client list  URL                          every key below it
 * CONCURRENCY 0: one after the other by the calling thread itself. One JSON line: wall and CPU seconds of this process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "store/store.h"

typedef struct flight {
  pthread_mutex_t lock;
  pthread_cond_t ended;
  unsigned running;
  bool failed;
  unsigned long long bytes;
} flight;

typedef struct job {
  mst_op op;
  flight *in;
  char key[1300];
  bool busy;
} job;

static double cpu_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double wall_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void note_end(mst_op *op, mst_status status) {
  job *j = op->done_arg;
  flight *f = j->in;
  pthread_mutex_lock(&f->lock);
  if (status != MST_OK) {
    f->failed = true;
    fprintf(stderr, "%s: %s\n", mst_status_name(status), op->error.message);
  }
  f->bytes += op->got;
  f->running--;
  j->busy = false;
  pthread_cond_signal(&f->ended);
  pthread_mutex_unlock(&f->lock);
}

static job *free_job(flight *f, job *jobs, unsigned n) {
  job *found = NULL;
  pthread_mutex_lock(&f->lock);
  while (f->running == n) pthread_cond_wait(&f->ended, &f->lock);
  for (unsigned i = 0; i < n && found == NULL; i++)
    if (!jobs[i].busy) found = &jobs[i];
  found->busy = true;
  f->running++;
  pthread_mutex_unlock(&f->lock);
  return found;
}

static void set_get(job *j, const char *key, uint64_t offset, uint64_t size, uint8_t *into) {
  snprintf(j->key, sizeof j->key, "%s", key);
  j->op = mst_op_make(MST_OP_GET, j->key);
  j->op.offset = offset;
  j->op.size = size;
  j->op.into = into;
  j->op.done = note_end;
  j->op.done_arg = j;
}

static int gets(mst_location *l, unsigned long long total, unsigned long long part, unsigned concurrency, bool small,
                flight *f) {
  const unsigned n = concurrency == 0 ? 1 : concurrency;
  job *jobs = calloc(n, sizeof *jobs);
  uint8_t *memory = malloc(n * part);
  char key[1200];
  mst_error err = {0};
  memset(memory, 1, n * part);
  for (unsigned long long at = 0; at < total && !f->failed; at += small ? 1 : part) {
    job *j = concurrency == 0 ? jobs : free_job(f, jobs, n);
    j->in = f;
    if (small) snprintf(key, sizeof key, "%s%05llu", l->key, at);
    set_get(j, small ? key : l->key, small ? 0 : at, part, memory + (size_t)(j - jobs) * part);
    if (concurrency > 0) mst_store_start(l->store, &j->op);
    else if (mst_store_perform(l->store, &j->op, &err) == MST_OK) f->bytes += j->op.got;
    else {
      fprintf(stderr, "%s\n", err.message);
      f->failed = true;
    }
  }
  pthread_mutex_lock(&f->lock);
  while (f->running > 0) pthread_cond_wait(&f->ended, &f->lock);
  pthread_mutex_unlock(&f->lock);
  free(memory);
  free(jobs);
  return f->failed;
}

static int list(mst_location *l, flight *f) {
  mst_page page;
  mst_error err = {0};
  char *token = NULL;
  mst_status status;
  mst_page_init(&page, NULL);
  do {
    mst_op op = mst_op_make(MST_OP_LIST, NULL);
    op.prefix = l->key;
    op.token = token;
    op.page = &page;
    status = mst_store_perform(l->store, &op, &err);
    f->bytes += page.n;
    free(token);
    token = page.next == NULL ? NULL : strdup(page.next);
    mst_page_clear(&page);
  } while (status == MST_OK && token != NULL);
  if (status != MST_OK) fprintf(stderr, "%s\n", err.message);
  mst_page_free(&page);
  return status != MST_OK;
}

int main(int argc, char **argv) {
  flight f = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
  mst_location l;
  mst_error err = {0};
  int failed;
  if (argc < 3 || mst_location_open(NULL, argv[2], NULL, 0, &l, &err) != MST_OK) {
    fprintf(stderr, "usage: store_client big|small|list URL …; %s\n", err.message);
    return 2;
  }
  const double wall = wall_now(), cpu = cpu_now();
  if (strcmp(argv[1], "big") == 0 && argc == 6)
    failed = gets(&l, strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10), (unsigned)atoi(argv[5]), false, &f);
  else if (strcmp(argv[1], "small") == 0 && argc == 5)
    failed = gets(&l, strtoull(argv[3], NULL, 10), 4096, (unsigned)atoi(argv[4]), true, &f);
  else failed = list(&l, &f);
  printf("{\"wall\": %.6f, \"cpu\": %.6f, \"count\": %llu}\n", wall_now() - wall, cpu_now() - cpu, f.bytes);
  mst_location_close(&l);
  return failed;
}
