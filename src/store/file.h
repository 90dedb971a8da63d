/* store/file.h - the parts of the folder store: paths and reading (file.c), writing (file_write.c), listing
 * (file_list.c), clearing up after writers that died (file_sweep.c). Private to these files. */
#ifndef MST_STORE_FILE_H
#define MST_STORE_FILE_H

#include <sys/stat.h>

#include "store/schemes.h"

typedef struct mst_walk mst_walk;

/* Listings whose next page has not been asked for yet, so that a page costs its own entries and not the folder again.
 */
enum { MST_FILE_PARKED = 4 };

typedef struct mst_file_store {
  const mst_allocator *mem;
  _Atomic(mst_walk *) parked[MST_FILE_PARKED];
  _Atomic uint32_t parkings;
  size_t n_root;
  char root[]; /* absolute, without '/' at its end but for the root folder itself, which is "" */
} mst_file_store;

enum { MST_NAME_MAX = 255, MST_PATH_MAX = 4096 };

/* A path in the file system; `key_at` is where the key begins. */
typedef struct mst_path {
  size_t n;
  char text[MST_PATH_MAX];
} mst_path;
/* Refuses what could leave the root, what a folder cannot hold, and the names of our own temporary files. */
mst_status mst_file_path(const mst_file_store *s, const char *key, mst_path *out, mst_error *err);
/* ".meseta-….tmp" */
bool mst_file_is_temporary(const char *name);
/* Size, times and inode, and the ETag that is made of them. */
void mst_file_pin(const struct stat *st, mst_pin *out);
/* Anything but a regular file is an error that says what it is. */
mst_status mst_file_check_kind(const struct stat *st, const char *key, mst_error *err);

mst_status mst_file_put(mst_file_store *s, mst_op *op, mst_error *err);
mst_status mst_file_delete(mst_file_store *s, mst_op *op, mst_error *err);
mst_status mst_file_upload_open(mst_file_store *s, mst_op *op, mst_error *err);
mst_status mst_file_upload_part(mst_file_store *s, mst_op *op, mst_error *err);
mst_status mst_file_upload_close(mst_file_store *s, mst_op *op, mst_error *err);
mst_status mst_file_upload_abort(mst_file_store *s, mst_op *op, mst_error *err);

/* Removes temporary files (file_sweep.c). */
mst_status mst_file_sweep(void *self, const char *prefix, int64_t before_us, uint64_t *n, mst_error *err);
/* What the name of a temporary file tells of the file that it was to become. */
uint32_t mst_file_name_mark(const char *name);

mst_status mst_file_list(mst_file_store *s, mst_op *op, mst_error *err);
void mst_file_list_end(mst_file_store *s); /* frees what is parked */

#endif
