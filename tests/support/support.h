/* tests/support/support.h - what C tests share: an allocator that counts and fails, a world in virtual time, the shared
 * corpus, temporary folders. Calls libc and include/meseta only. */
#ifndef MST_TESTS_SUPPORT_H
#define MST_TESTS_SUPPORT_H

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <meseta/bytes.h>
#include <meseta/context.h>

/* Counts blocks, and fails the `fail_at`-th allocation or growth (1 is the first; 0: none), and all that follow when
 * `persistent`. Give `&a.allocator` to the context options. May be used by many threads. The usual loop:
 *
 *   for (long n = 1;; n++) {
 *     mst_test_allocator_init(&a, n, persistent);
 *     status = … everything made with &a.allocator, and released again …
 *     assert_int_equal(a.live_blocks, 0);
 *     if (!a.failed) break;                       // nothing was left to fail: status must be MST_OK
 *     assert_int_equal(status, MST_E_NO_MEMORY);  // or MST_OK where a failure is harmless
 *   } */
typedef struct mst_test_allocator {
  mst_allocator allocator;
  atomic_long live_blocks;
  atomic_long calls; /* allocations and growths so far       */
  atomic_llong live_bytes;
  atomic_llong peak_bytes;
  long fail_at;
  bool persistent;
  atomic_bool failed; /* at least one allocation was refused  */
} mst_test_allocator;
void mst_test_allocator_init(mst_test_allocator *a, long fail_at, bool persistent);

/* Virtual time that moves only when somebody sleeps (or mst_test_env_advance), seeded randomness, and an environment of
 * `vars` alone (ended by a NULL key; may be NULL). Give `&e.env` to the context options. */
typedef struct mst_test_env {
  mst_env env;
  _Atomic int64_t now, tick; /* microseconds */
  _Atomic int64_t slept;
  _Atomic uint64_t random;
  const mst_pair *vars;
} mst_test_env;
void mst_test_env_init(mst_test_env *e, uint64_t seed, const mst_pair *vars);
void mst_test_env_advance(mst_test_env *e, int64_t us);

/* A file below the shared folder: $MESETA_SHARED, or ../shared beside the source tree. false, and a line that says so,
 * when it is not there. `out` has PATH_MAX bytes. */
bool mst_test_shared(const char *relative, char out[PATH_MAX]);
/* In a cmocka test: skips the test when the file is not there. */
#define MST_TEST_NEED_SHARED(relative, out)      \
  do {                                           \
    if (!mst_test_shared(relative, out)) skip(); \
  } while (0)
/* The source tree's root. */
const char *mst_test_source_root(void);

/* A fresh folder, without a slash at its end; `out` has PATH_MAX bytes. Fails the test when there is none. */
void mst_test_folder(char out[PATH_MAX]);
void mst_test_folder_remove(const char *path); /* with all that is in it */
/* Whole files; both fail the test on errors. The text is NUL-terminated and is freed with free(). */
void mst_test_write_file(const char *path, const void *data, size_t size);
uint8_t *mst_test_read_file(const char *path, size_t *size);

#endif
