/* dataset/commit_kit.h - what the tests of commits share: a store in memory, files that nobody reads, and stores that
 * lose replies or stop. */
#ifndef MST_TESTS_DATASET_COMMIT_KIT_H
#define MST_TESTS_DATASET_COMMIT_KIT_H

#include "support/support.h"

#include "dataset/change.h"
#include "dataset/commit.h"
#include "dataset/dataset.h"
#include "dataset/history.h"
#include "dataset/ours.h"

#define KIT_UUID "sales"

typedef struct kit {
  mst_context *ctx;
  mst_store *store;
  mst_test_env env;
  mst_error err;
} kit;

/* A context in virtual time with one thread, and an empty store. */
void kit_open(kit *k, uint64_t seed);
void kit_close(kit *k);
void kit_set_store(kit *k, mst_store *store); /* takes it over */
mst_store *kit_memory_store(kit *k, const char *name);

#define OK(call)                                                         \
  do {                                                                   \
    mst_status kit_status = (call);                                      \
    if (kit_status != MST_OK) fail_msg("%s: %s", #call, k->err.message); \
  } while (0)
#define FAILS(wanted, call)                                                                     \
  do {                                                                                          \
    mst_status kit_status = (call);                                                             \
    if (kit_status != (wanted)) fail_msg("%s: %d, %s", #call, (int)kit_status, k->err.message); \
  } while (0)

/* Files that hold nothing, for commits look at names only. */
void kit_add_file(kit *k, mst_new_files *list, const char *label);
mst_status kit_try_file(kit *k, mst_new_files *list, const char *label);
mst_status kit_create(kit *k, const char *const *labels, size_t n, const char *history, mst_dataset **out);
/* A change of `d` that adds `add` and removes `remove` (either may be NULL). */
mst_change *kit_change(kit *k, mst_dataset *d, const char *add, const char *remove);
mst_status kit_commit(kit *k, mst_change *c, mst_dataset **out);  /* frees the change */
mst_dataset *kit_append(kit *k, mst_dataset *d, const char *add); /* takes d over */
mst_dataset *kit_open_dataset(kit *k);
bool kit_has(const mst_dataset *d, const char *label);
size_t kit_count(kit *k, const char *prefix); /* objects below it */
bool kit_has_object(kit *k, const char *key);
json_t *kit_log(kit *k, mst_dataset *d);

/* A store over another one that does as it is told, by operation. `decide` sees each one first. */
typedef enum kit_fate {
  KIT_PASS,
  KIT_LOSE_REPLY,   /* done, and then a failure is reported */
  KIT_LOSE_REQUEST, /* not done, and a failure is reported  */
} kit_fate;
typedef struct kit_faults {
  kit_fate (*decide)(void *self, const mst_op *op);
  void (*after)(void *self, const mst_op *op,
                kit_fate fate); /* may be NULL; when the operation is done, before it is answered */
  void *self;
} kit_faults;
mst_store *kit_faulty(kit *k, mst_store *inner, const kit_faults *faults);

#endif
