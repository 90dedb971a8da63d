/* dataset/change.h - a commit in the making: which partitions go, which files come, what is merged into the metadata,
 * and what of the base it was judged by.
 *
 * Owns: mst_change. May call: base, column, expr, store, dataset's own headers. Private to the dataset module. */
#ifndef MST_DATASET_CHANGE_H
#define MST_DATASET_CHANGE_H

#include "dataset/state.h"
#include "dataset/write.h"

/* What a change was judged by: if rows that somebody else added meanwhile could match, the two collide. */
typedef struct mst_dependency {
  const char *what; /* for the message: "the condition of delete"; static */
  void *self;
  /* Looks at partitions labels[0 … n) of `head`, which somebody else added since the change's base. `*hit` = number of
   * the first one that matters, or n. Judged by partition keys, then statistics, then rows. */
  mst_status (*match)(void *self, mst_dataset *head, const char *const *labels, size_t n, size_t *hit,
                      mst_cancel *cancel, mst_error *err);
  void (*free)(void *self); /* may be NULL */
} mst_dependency;

typedef enum mst_change_kind {
  MST_CHANGE_ORDINARY,
  MST_CHANGE_COMPACTION, /* moves rows and changes none */
  MST_CHANGE_ALONE       /* restore, overwrite: collides with everything */
} mst_change_kind;

/* A secondary index that this change builds (over the partitions of the base) or drops. */
typedef struct mst_change_index {
  char *column;
  mst_index *built; /* NULL: it goes */
} mst_change_index;

struct mst_change {
  mst_context *ctx;
  const mst_allocator *mem;
  mst_dataset *base; /* a reference */
  mst_dataset *view; /* base with the change so far; NULL: not made or out of date */
  char id[33];       /* of the commit */
  int64_t started_us;
  int64_t alive_tick;    /* when the keepalive object was last written; 0: never */
  mst_new_files **lists; /* own the files */
  size_t n_lists, lists_room;
  mst_new_file **files; /* those that the commit will name, in order */
  size_t n_files, files_room;
  uint64_t *gone; /* one bit for each partition of the base */
  size_t n_gone;
  struct ArrowSchema schema; /* that the table grows to; release NULL: the base's */
  bool evolves;              /* by an explicit call */
  json_t *metadata;          /* members to be merged; NULL: none */
  mst_change_index *indices;
  size_t n_indices;
  mst_dependency *depends;
  size_t n_depends, depends_room;
  char operation[32];
  mst_change_kind kind;
  mst_document *whole; /* MST_CHANGE_ALONE: what the document becomes */
  char *whole_schema_key;
  int64_t rows_added, rows_removed; /* -1: not known */
  bool committed;
};

/* Whether more may be put into it. */
mst_status mst_change_check(const mst_change *c, mst_error *err);
/* The base with the change so far, for row operations that see what earlier steps did. Borrowed until the next call
 * that changes c. While it differs from the base it names no secondary indices (they do not know the new files). */
mst_status mst_change_view(mst_change *c, mst_dataset **out, mst_error *err);
/* What new files of this change must look like; free with mst_write_settings_free(c->base, …). */
mst_status mst_change_settings(mst_change *c, mst_write_settings *out, mst_error *err);
/* Takes the files of `list` over (and the schema that it has grown to) and leaves it empty. */
mst_status mst_change_add_files(mst_change *c, mst_new_files *list, mst_error *err);
/* A partition of the view goes: one of the base, or one that this change added. What is gone already is fine. */
mst_status mst_change_remove_label(mst_change *c, const char *label, mst_error *err);
/* `d` is taken over (its `free` is called at the change's end, also on failure here). */
mst_status mst_change_depend(mst_change *c, const mst_dependency *d, mst_error *err);
/* The usual dependency: no added row may match the condition (text or list form; copied). */
mst_status mst_change_depend_where(mst_change *c, const char *what, const char *where, mst_error *err);
/* "delete", "upsert" …; several different ones make "change". */
void mst_change_did(mst_change *c, const char *operation);
/* Rows that a step brought and took away, net of those that were only moved; -1: not known. */
void mst_change_count(mst_change *c, int64_t added, int64_t removed);
/* The table's schema with this change. Borrowed. */
const struct ArrowSchema *mst_change_schema_now(const mst_change *c);
/* Call now and then in long steps: keeps the files of this change from being collected. */
mst_status mst_change_keep_alive(mst_change *c, mst_cancel *cancel, mst_error *err);

#endif
