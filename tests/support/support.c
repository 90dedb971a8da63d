/* tests/support/support.c - see support.h. Owns nothing between calls. */
#include "support/support.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* In front of every block, as large as malloc's alignment. */
typedef union block_head {
  size_t size;
  max_align_t align;
} block_head;

static bool refuse(mst_test_allocator *a) {
  const long call = atomic_fetch_add(&a->calls, 1) + 1;
  const bool no = a->fail_at > 0 && (call == a->fail_at || (a->persistent && call > a->fail_at));
  if (no) atomic_store(&a->failed, true);
  return no;
}

static void count_bytes(mst_test_allocator *a, long long change) {
  const long long live = atomic_fetch_add(&a->live_bytes, change) + change;
  long long peak = atomic_load(&a->peak_bytes);
  while (live > peak && !atomic_compare_exchange_weak(&a->peak_bytes, &peak, live)) continue;
}

static void *test_resize(void *self, void *old, size_t size) {
  mst_test_allocator *a = self;
  block_head *head = old == NULL ? NULL : (block_head *)old - 1;
  const size_t before = head == NULL ? 0 : head->size;
  block_head *block;
  if (size == 0) {
    if (head == NULL) return NULL;
    count_bytes(a, -(long long)before);
    atomic_fetch_sub(&a->live_blocks, 1);
    free(head);
    return NULL;
  }
  if (size > before && refuse(a)) return NULL;
  if (size > SIZE_MAX - sizeof *head) return NULL;
  block = realloc(head, sizeof *head + size);
  if (block == NULL) return NULL;
  block->size = size;
  if (old == NULL) {
    /* What nobody wrote must not look like zero. */
    memset(block + 1, 0xA5, size < 4096 ? size : 4096);
    atomic_fetch_add(&a->live_blocks, 1);
  }
  count_bytes(a, (long long)size - (long long)before);
  return block + 1;
}

void mst_test_allocator_init(mst_test_allocator *a, long fail_at, bool persistent) {
  memset(a, 0, sizeof *a);
  a->allocator = (mst_allocator){.struct_size = sizeof a->allocator, .self = a, .resize = test_resize};
  a->fail_at = fail_at;
  a->persistent = persistent;
}

static int64_t test_now(void *self) { return atomic_load(&((mst_test_env *)self)->now); }
static int64_t test_tick(void *self) { return atomic_load(&((mst_test_env *)self)->tick); }

static void test_sleep(void *self, int64_t us) {
  mst_test_env *e = self;
  if (us <= 0) return;
  atomic_fetch_add(&e->slept, us);
  mst_test_env_advance(e, us);
}

/* SplitMix64: every call takes the next of a fixed sequence, whatever thread it comes from. */
static uint64_t test_random(void *self) {
  uint64_t x = atomic_fetch_add(&((mst_test_env *)self)->random, 0x9E3779B97F4A7C15u) + 0x9E3779B97F4A7C15u;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}

static const char *test_getenv(void *self, const char *name) {
  const mst_pair *p = ((mst_test_env *)self)->vars;
  for (; p != NULL && p->key != NULL; p++)
    if (strcmp(p->key, name) == 0) return p->value;
  return NULL;
}

void mst_test_env_init(mst_test_env *e, uint64_t seed, const mst_pair *vars) {
  memset(e, 0, sizeof *e);
  e->env = (mst_env){.struct_size = sizeof e->env,
                     .self = e,
                     .now_us = test_now,
                     .tick_us = test_tick,
                     .sleep_us = test_sleep,
                     .random = test_random,
                     .getenv = test_getenv};
  atomic_init(&e->now, INT64_C(1795244916000000)); /* 2026-11-21T07:08:36Z */
  atomic_init(&e->tick, 1000000);
  atomic_init(&e->random, seed);
  e->vars = vars;
}

void mst_test_env_advance(mst_test_env *e, int64_t us) {
  atomic_fetch_add(&e->now, us);
  atomic_fetch_add(&e->tick, us);
}

const char *mst_test_source_root(void) { return MST_SOURCE_ROOT; }

bool mst_test_shared(const char *relative, char out[PATH_MAX]) {
  const char *root = getenv("MESETA_SHARED");
  if (root != NULL && *root != '\0') snprintf(out, PATH_MAX, "%s/%s", root, relative);
  else snprintf(out, PATH_MAX, "%s/../shared/%s", MST_SOURCE_ROOT, relative);
  if (access(out, R_OK) == 0) return true;
  print_message("skipped: %s is not there; set MESETA_SHARED to the shared folder\n", out);
  return false;
}

void mst_test_folder(char out[PATH_MAX]) {
  const char *parent = getenv("TMPDIR");
  snprintf(out, PATH_MAX, "%s/meseta-test-XXXXXX", parent != NULL && *parent != '\0' ? parent : "/tmp");
  if (mkdtemp(out) == NULL) fail_msg("mkdtemp %s: %s", out, strerror(errno));
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where) {
  (void)info;
  (void)where;
  return kind == FTW_DP ? rmdir(path) : unlink(path);
}

void mst_test_folder_remove(const char *path) { nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

void mst_test_write_file(const char *path, const void *data, size_t size) {
  FILE *f = fopen(path, "wb");
  if (f == NULL) fail_msg("%s: %s", path, strerror(errno));
  if (size > 0 && fwrite(data, 1, size, f) != size) fail_msg("%s: %s", path, strerror(errno));
  if (fclose(f) != 0) fail_msg("%s: %s", path, strerror(errno));
}

uint8_t *mst_test_read_file(const char *path, size_t *size) {
  FILE *f = fopen(path, "rb");
  struct stat info;
  uint8_t *data;
  if (f == NULL || fstat(fileno(f), &info) != 0) fail_msg("%s: %s", path, strerror(errno));
  data = malloc((size_t)info.st_size + 1);
  assert_non_null(data);
  *size = fread(data, 1, (size_t)info.st_size, f);
  data[*size] = '\0';
  fclose(f);
  if (*size != (size_t)info.st_size) fail_msg("%s: read %zu of %lld bytes", path, *size, (long long)info.st_size);
  return data;
}
