/* source/raw.h - a source and its index from the inside, and the jobs made of them. Private to the source module. */
#ifndef MST_SOURCE_RAW_H
#define MST_SOURCE_RAW_H

#include <pthread.h>

#include "parquet/parquet.h"
#include "source/engine.h"
#include "source/source.h"

#define MST_HEAD_BYTES      ((size_t)64 << 10) /* brought along when a source is opened */
#define MST_INDEX_ENDING    ".meseta"
#define MST_SPACING_DEFAULT ((uint64_t)1 << 20)
#define MST_SPACING_MIN     ((uint64_t)256)

/* ---- storage options, kept for opening further stores ---- */

typedef struct mst_config {
  mst_pair *pairs;
  size_t n;
  const mst_allocator *mem;
} mst_config;
mst_status mst_config_copy(const mst_allocator *mem, const mst_pair *pairs, size_t n, mst_config *out, mst_error *err);
void mst_config_free(mst_config *c);

/* ---- an index file that was checked and believed; shared ---- */

typedef struct mst_index {
  _Atomic uint32_t refs;
  mst_context *ctx;
  const mst_allocator *mem;
  mst_object *object;
  mst_parquet_file *file;
  json_t *facts;
  uint64_t rows, spacing;
  size_t n_groups;
  uint64_t *group_first_row; /* also owns the two below */
  int64_t *group_first_record, *group_first_plain;
} mst_index;

typedef enum mst_index_state { MST_INDEX_NONE, MST_INDEX_FRESH, MST_INDEX_STALE, MST_INDEX_BROKEN } mst_index_state;
const char *mst_index_state_name(mst_index_state state);

mst_index *mst_source_index_ref(mst_index *ix);
void mst_source_index_unref(mst_index *ix);
/* The footer of an index object; `tail` (its last bytes) may be empty. One or two reads. */
mst_status mst_index_footer(mst_context *ctx, mst_object *object, const mst_bytes *tail, mst_parquet_file **out,
                            mst_cancel *cancel, mst_error *err);
/* A JSON object of its key-value metadata. */
mst_status mst_index_metadata(const mst_parquet_file *file, const char *key, json_t **out, mst_error *err);
/* One row group without its windows, for a plan (mst_inputs.rows). */
mst_status mst_index_rows(void *index, size_t row_group, struct ArrowSchema *schema, struct ArrowArray *batch,
                          mst_cancel *cancel, mst_error *err);

/* ---- a source ---- */

struct mst_source {
  _Atomic uint32_t refs;
  mst_context *ctx;
  const mst_allocator *mem;
  mst_location at;
  mst_object *object;
  mst_bytes head;
  const mst_format *format;
  json_t *dialect; /* what the user said; NULL: nothing */
  mst_config config;
  mst_location index_at;
  char *index_url; /* the same as text */
  bool secret_url; /* must not be written anywhere */
  pthread_mutex_t lock;
  json_t *facts;    /* of inspect; under lock  */
  mst_index *index; /* fresh one; under lock   */
};

/* A reference to the fresh index, or NULL and what is the matter (`why` may be NULL, filled unless FRESH or NONE).
 * Looks at the store unless a fresh index is at hand already. Failures to look are errors. */
mst_status mst_source_index_load(mst_source *s, mst_index **out, mst_index_state *state, mst_error *why,
                                 mst_cancel *cancel, mst_error *err);
/* Looks at an index object: checks its footer against the source's pins and format. */
mst_status mst_index_open(mst_source *s, mst_index **out, mst_cancel *cancel, mst_error *err);
/* Options that are not among the `known` are refused, with the nearest one that is. `given` may be NULL. */
mst_status mst_options_known(const mst_format *format, const json_t *given, const char *const *known, const char *what,
                             mst_error *err);
/* After a scan that ended with `status`: was it by an ordinary member of gzip behind the blocks of BGZF? Then the
 * source is gzip from here on, and `*facts` is exchanged for facts that say so. */
bool mst_source_is_gzip(mst_source *s, mst_status status, json_t **facts);
/* What inspect finds, passing over damage where `recover`; a new reference. */
mst_status mst_source_facts(mst_source *s, bool recover, json_t **out, mst_cancel *cancel, mst_error *err);

/* ---- jobs: a format's machine with all that it borrows ---- */

typedef struct mst_task {
  mst_job job;
  mst_inputs inputs;
  mst_member members[MST_MEMBERS_MAX];
  char names[MST_MEMBERS_MAX][256];
  mst_object *companions[MST_MEMBERS_MAX]; /* references */
  json_t *facts;                           /* reference  */
  mst_index *index;                        /* reference  */
} mst_task;
/* The task must not move afterwards. `facts` and `index` may be NULL; references are taken. */
mst_status mst_task_init(mst_task *t, mst_source *s, json_t *facts, mst_index *index, mst_error *err);
/* Looks for the format's companions and adds those that are there. */
mst_status mst_task_companions(mst_task *t, mst_source *s, mst_cancel *cancel, mst_error *err);
void mst_task_free(mst_task *t);

/* The last part of a key, for messages. */
const char *mst_key_name(const char *key);

#endif
