/* dataset/change_index.c - secondary indices that a change builds or drops. An index is built over the base before the
 * commit; what others add meanwhile is indexed by the commit itself.
 *
 * May call: base, column, dataset's own headers. */
#include "dataset/change.h"
#include "dataset/dataset.h"
#include "dataset/schema.h"

static const uint64_t HELD_MAX = UINT64_C(16) << 20; /* bytes of values before they go into the index */

/* Values that wait to be put into the index. */
typedef struct waiting {
  const mst_allocator *mem;
  mst_index_part *parts;
  struct ArrowArray *batches;
  size_t n, room;
  uint64_t bytes;
} waiting;

static void let_go(waiting *w) {
  for (size_t i = 0; i < w->n; i++) mst_array_release(&w->batches[i]);
  w->n = 0;
  w->bytes = 0;
}

static mst_status hold(waiting *w, const char *label, const struct ArrowSchema *schema, struct ArrowArray *batch,
                       mst_error *err) {
  uint64_t bytes = 0;
  if (w->n == w->room) {
    const size_t room = w->room == 0 ? 16 : w->room * 2;
    void *parts = mst_resize(w->mem, w->parts, room * sizeof *w->parts);
    if (parts != NULL) w->parts = parts;
    void *batches = mst_resize(w->mem, w->batches, room * sizeof *w->batches);
    if (batches != NULL) w->batches = batches;
    if (parts == NULL || batches == NULL) return mst_fail_memory(err);
    w->room = room;
  }
  mst_status status = mst_array_check(schema, batch, &bytes, err);
  if (status != MST_OK) return status;
  w->batches[w->n] = *batch;
  batch->release = NULL;
  w->parts[w->n] = (mst_index_part){.label = label, .type = schema->children[0]};
  w->n++;
  w->bytes += bytes;
  return MST_OK;
}

/* Puts what waits into the index. */
static mst_status put_in(waiting *w, mst_index **index, const mst_document *d, const char *column,
                         const struct ArrowSchema *type, mst_error *err) {
  mst_index *next = NULL;
  for (size_t i = 0; i < w->n; i++) w->parts[i].values = w->batches[i].children[0];
  mst_status status = mst_index_apply(w->mem, *index, d, d, column, type, w->parts, w->n, &next, NULL, err);
  if (status != MST_OK) return status;
  let_go(w);
  mst_index_unref(*index);
  *index = next;
  return MST_OK;
}

static mst_status read_one(mst_dataset *d, const char *label, const char *column, struct ArrowSchema *schema,
                           waiting *w, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowArrayStream rows = {0};
  struct ArrowArray batch = {0};
  mst_dataset_read_options options = MST_DATASET_READ_OPTIONS_INIT;
  options.columns = &column;
  options.n_columns = 1;
  options.labels = &label;
  options.n_labels = 1;
  MST_TRY(mst_ds_read(d, &options, &rows, cancel, err));
  if (schema->release == NULL) MST_TRY(mst_stream_schema(&rows, schema, err));
  for (;;) {
    MST_TRY(mst_stream_next(&rows, &batch, err));
    if (batch.release == NULL) break;
    MST_TRY(hold(w, label, schema, &batch, err));
  }
done:
  mst_array_release(&batch);
  mst_stream_release(&rows);
  return status;
}

static mst_status build(mst_change *c, const char *column, const struct ArrowSchema *type, mst_index **out,
                        mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  const mst_document *d = c->base->document;
  struct ArrowSchema schema = {0};
  mst_index *index = NULL;
  waiting w = {.mem = c->mem};
  for (size_t i = 0; i < mst_document_partitions(d); i++) {
    MST_TRY(mst_change_keep_alive(c, cancel, err));
    MST_TRY(read_one(c->base, mst_document_label(d, i), column, &schema, &w, cancel, err));
    if (w.bytes > HELD_MAX) MST_TRY(put_in(&w, &index, d, column, type, err));
  }
  MST_TRY(put_in(&w, &index, d, column, type, err));
  *out = index;
  index = NULL;
done:
  let_go(&w);
  mst_free(c->mem, w.parts);
  mst_free(c->mem, w.batches);
  mst_schema_release(&schema);
  mst_index_unref(index);
  return status;
}

/* The place of a column's wish; a later one replaces an earlier one. */
static mst_status place_of(mst_change *c, const char *column, mst_change_index **out, mst_error *err) {
  for (size_t i = 0; i < c->n_indices; i++) {
    if (strcmp(c->indices[i].column, column) != 0) continue;
    mst_index_unref(c->indices[i].built);
    c->indices[i].built = NULL;
    *out = &c->indices[i];
    return MST_OK;
  }
  mst_change_index *grown = mst_resize(c->mem, c->indices, (c->n_indices + 1) * sizeof *grown);
  if (grown == NULL) return mst_fail_memory(err);
  c->indices = grown;
  grown[c->n_indices] = (mst_change_index){.column = mst_text_copy(c->mem, column)};
  if (grown[c->n_indices].column == NULL) return mst_fail_memory(err);
  *out = &grown[c->n_indices++];
  return MST_OK;
}

mst_status mst_ds_change_build_index(mst_change *c, const char *column, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_index *built = NULL;
  mst_change_index *place = NULL;
  const struct ArrowSchema *field;
  MST_TRY(mst_change_check(c, err));
  if (mst_document_key_find(c->base->document, column) != MST_DOCUMENT_NONE)
    return mst_fail(err, MST_E_ARGUMENT, "'%.100s' is a partition key, which is an index already", column);
  MST_TRY(mst_state_field(c->base, column, &field, err));
  if (strcmp(column, "partition") == 0)
    return mst_fail(err, MST_E_ARGUMENT,
                    "a column called 'partition' cannot have a secondary index: its files have a column of that name");
  MST_TRY(mst_index_type_check(field, err));
  MST_TRY(mst_while(err, build(c, column, field, &built, cancel, err), "while building the index of '%.100s'", column));
  MST_TRY(place_of(c, column, &place, err));
  place->built = built;
  built = NULL;
  mst_change_did(c, "build index");
done:
  mst_index_unref(built);
  return status;
}

mst_status mst_ds_change_drop_index(mst_change *c, const char *column, mst_error *err) {
  mst_status status = MST_OK;
  mst_change_index *place = NULL;
  MST_TRY(mst_change_check(c, err));
  if (mst_document_index_find(c->base->document, column) == MST_DOCUMENT_NONE)
    return mst_fail(err, MST_E_NOT_FOUND, "the dataset '%s' has no secondary index on '%.100s'", c->base->uuid, column);
  MST_TRY(place_of(c, column, &place, err));
  mst_change_did(c, "drop index");
done:
  return status;
}
