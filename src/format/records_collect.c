/* format/records_collect.c - partials in order become index rows and facts. A row goes out when the span behind its
 * checkpoint is complete, so that memory does not grow with the object.
 *
 * Owns: the builders of the rows and the span that is open. May call: base, column, codec's CRC. */
#include "codec/codec.h"
#include "format/records_piece.h"

enum { COLUMNS_COMMON = 8, COLUMNS_MAX = COLUMNS_COMMON + 24 };

static const mst_field common_columns[COLUMNS_COMMON] = {{.name = "window", .format = "z", .nullable = true},
                                                         {.name = "record", .format = "l"},
                                                         {.name = "plain", .format = "l"},
                                                         {.name = "at", .format = "l"},
                                                         {.name = "bits", .format = "c"},
                                                         {.name = "skip", .format = "l"},
                                                         {.name = "starts", .format = "b"},
                                                         {.name = "crc", .format = "l"}};

/* All columns of an index; without `window` where the container needs none. */
static mst_status list_columns(const mst_setting *setting, mst_field *out, size_t *n, mst_error *err) {
  const size_t first = setting->windows ? 0 : 1, own = setting->ops->n_columns;
  if (own > COLUMNS_MAX - COLUMNS_COMMON) return mst_fail(err, MST_E_INTERNAL, "too many index columns");
  memcpy(out, common_columns + first, (COLUMNS_COMMON - first) * sizeof *out);
  if (own > 0) memcpy(out + COLUMNS_COMMON - first, setting->ops->columns, own * sizeof *out);
  *n = COLUMNS_COMMON - first + own;
  return MST_OK;
}

mst_status mst_records_index_schema(const mst_job *job, struct ArrowSchema *out, mst_error *err) {
  mst_setting setting;
  mst_field columns[COLUMNS_MAX];
  size_t n;
  mst_status status = mst_setting_of(job, &setting, err);
  if (status == MST_OK) status = list_columns(&setting, columns, &n, err);
  return status == MST_OK ? mst_schema_make(job->mem, columns, n, out, err) : status;
}

typedef struct collect {
  mst_machine machine;
  const mst_job *job;
  mst_setting setting;
  mst_builder *columns[COLUMNS_MAX];
  size_t n_columns;
  size_t rows_held;
  uint64_t rows;
  mst_piece piece; /* being walked                                  */
  mst_walk walk;
  uint64_t piece_at; /* plain offset of its beginning                 */
  bool walking, any; /* any: a safe start of this piece was passed    */
  bool ended;
  mst_border to; /* where the pieces so far end                   */
  uint64_t decoded_to;
  unsigned state;     /* there                                         */
  uint64_t wanted;    /* see mst_chain                                 */
  mst_point open;     /* the checkpoint whose span is not complete yet */
  mst_stretch before; /* everything in front of it; extra = the carry  */
  json_t *facts;      /* of the container                              */
} collect;

/* ---- rows ------------------------------------------------------------------------------------------------------ */

static mst_status put_row(collect *c, mst_error *err) {
  mst_status status = MST_OK;
  const mst_point *p = &c->open;
  mst_builder **column = c->columns;
  if (c->setting.windows) {
    if (p->window.size == 0) MST_TRY(mst_builder_null(*column++, err));
    else MST_TRY(mst_builder_bytes(*column++, p->window.data, p->window.size, err));
  }
  MST_TRY(mst_builder_i64(*column++, (int64_t)c->before.records, err));
  MST_TRY(mst_builder_i64(*column++, (int64_t)c->before.bytes, err));
  MST_TRY(mst_builder_i64(*column++, (int64_t)p->at, err));
  MST_TRY(mst_builder_i64(*column++, p->bits, err));
  MST_TRY(mst_builder_i64(*column++, (int64_t)p->skip, err));
  MST_TRY(mst_builder_bool(*column++, p->starts, err));
  MST_TRY(mst_builder_i64(*column++, c->before.crc, err));
  if (c->setting.ops->put_columns != NULL)
    MST_TRY(c->setting.ops->put_columns(c->job->mem, &c->before.extra, c->before.bytes, c->before.records,
                                        &p->span.extra, column, err));
  c->rows++;
  c->rows_held++;
done:
  return status;
}

/* before becomes before ++ the open span, with what its extra must carry on. */
static mst_status carry_span(collect *c, mst_error *err) {
  const mst_record_ops *ops = c->setting.ops;
  mst_stretch *before = &c->before;
  const mst_stretch *span = &c->open.span;
  mst_bytes extra = {0};
  mst_status status = MST_OK;
  mst_buf b;
  mst_buf_init(&b, c->job->mem, UINT32_MAX);
  if (ops->carry_extra != NULL && span->bytes > 0) {
    MST_TRY(ops->carry_extra(&before->extra, before->bytes, before->records, &span->extra, &b, err));
    MST_TRY(mst_buf_take(&b, &extra, err));
    mst_bytes_release(&before->extra);
    before->extra = extra;
  }
  if (!mst_add_u64(before->bytes, span->bytes, &before->bytes) || before->bytes > INT64_MAX ||
      !mst_add_u64(before->records, span->records, &before->records))
    return mst_fail(err, MST_E_CORRUPT, "partials of more than 2^63 plain bytes");
  before->crc = mst_crc32_combine(before->crc, span->crc, span->bytes);
done:
  mst_buf_free(&b);
  return status;
}

static mst_status close_span(collect *c, mst_error *err) {
  mst_status status = MST_OK;
  if (c->open.span.bytes == 0) return MST_OK;
  MST_TRY(put_row(c, err));
  MST_TRY(carry_span(c, err));
done:
  return status;
}

enum { HOLES_MAX = 4096 };

/* Damaged bytes lie between what is whole and the point: no slice may go over them. */
static mst_status put_hole(collect *c, uint64_t lost, mst_error *err) {
  mst_status status = MST_OK;
  const uint64_t begin = c->before.bytes;
  json_t *holes = json_object_get(c->facts, "holes");
  json_t *hole;
  if (!mst_add_u64(begin, lost, &c->before.bytes) || c->before.bytes > INT64_MAX)
    return mst_fail(err, MST_E_CORRUPT, "partials of more than 2^63 plain bytes");
  if (holes == NULL) {
    MST_TRY(mst_json_set(c->facts, "holes", json_array(), err));
    holes = json_object_get(c->facts, "holes");
  }
  if (json_array_size(holes) >= HOLES_MAX)
    return mst_fail_at(err, MST_E_LIMIT, begin, "more than %d damaged places", (int)HOLES_MAX);
  hole = json_pack("[I,I,I,I]", (json_int_t)c->before.records, (json_int_t)begin, (json_int_t)c->before.crc,
                   (json_int_t)c->before.bytes);
  if (hole == NULL || json_array_append_new(holes, hole) != 0) return mst_fail_memory(err);
done:
  return status;
}

/* The next point: a row of its own when it is a checkpoint, else more of the open span. */
static mst_status take_point(collect *c, const mst_point *p, mst_error *err) {
  const bool checkpoint = p->checkpoint || (!c->any && c->wanted != 0);
  mst_status status = MST_OK;
  if (!checkpoint || (c->open.span.bytes == 0 && c->before.bytes == 0 && p->lost == 0))
    return mst_stretch_join(c->setting.ops, c->job->mem, &c->open.span, &p->span, err);
  MST_TRY(close_span(c, err));
  if (p->lost > 0) MST_TRY(put_hole(c, p->lost, err));
  mst_point_clear(&c->open);
  c->open = mst_point_share(p);
done:
  return status;
}

/* ---- pieces ------------------------------------------------------------------------------------------------------ */

static mst_status check_wanted(const collect *c, uint64_t more, mst_error *err) {
  if (c->wanted == 0 || c->job->record_max == 0 || c->wanted - 1 + more <= c->job->record_max) return MST_OK;
  return mst_fail_at(err, MST_E_LIMIT, c->before.bytes + c->open.span.bytes - (c->wanted - 1),
                     "a record larger than the limit of %llu bytes", (unsigned long long)c->job->record_max);
}

static mst_status begin_piece(collect *c, const mst_bytes *partial, mst_error *err) {
  const mst_chain *chain;
  const mst_point *head;
  mst_status status = mst_piece_decode(c->job, c->setting.ops, partial, &c->piece, err);
  if (status != MST_OK) return status;
  c->walking = true;
  c->any = false;
  c->piece_at = c->before.bytes + c->open.span.bytes;
  MST_TRY(mst_piece_check_neighbours(c->job, &c->to, c->decoded_to, &c->piece, err));
  if (c->piece.facts != NULL) MST_TRY(mst_facts_join(c->facts, c->piece.facts, c->piece_at, err));
  chain = mst_piece_chain(&c->piece, c->state);
  if (chain == NULL)
    return mst_fail(err, MST_E_CORRUPT, "partials do not fit: one ends in a state in which the next does not begin");
  c->walk = mst_walk_begin(&c->piece, (size_t)(chain - c->piece.chains));
  head = mst_walk_next(&c->walk);
  MST_TRY(check_wanted(c, head->span.bytes, err));
  MST_TRY(mst_stretch_join(c->setting.ops, c->job->mem, &c->open.span, &head->span, err));
done:
  return status;
}

static mst_status end_piece(collect *c, mst_error *err) {
  const mst_chain *root = &c->piece.chains[c->walk.chain];
  if (root->dead != MST_OK)
    return mst_records_broken(c->setting.container, root->dead, c->piece_at + root->dead_at, root->why, err);
  c->wanted = c->any || c->wanted == 0 ? root->wanted : c->wanted + c->piece.bytes;
  c->state = root->end;
  c->to = c->piece.to;
  if (c->piece.decoded_to != NO_BLOCK) c->decoded_to = c->piece.decoded_to;
  mst_piece_free(&c->piece);
  c->walking = false;
  return MST_OK;
}

/* Walks on until a batch is full or the piece is done. */
static mst_status walk_piece(collect *c, mst_error *err) {
  mst_status status = MST_OK;
  while (c->rows_held < MST_INDEX_GROUP_ROWS) {
    const mst_point *p = mst_walk_next(&c->walk);
    if (p == NULL) return end_piece(c, err);
    status = take_point(c, p, err);
    if (status != MST_OK) return status;
    c->any = true;
  }
  return MST_OK;
}

static mst_status end_object(collect *c, mst_error *err) {
  const uint64_t size = c->job->members[0].size;
  mst_status status = MST_OK;
  if (c->to.offset != size || c->to.part != 0)
    return mst_fail(err, MST_E_ARGUMENT, "the partials of %s end at byte %llu of %llu", c->job->name,
                    (unsigned long long)c->to.offset, (unsigned long long)size);
  if (c->decoded_to != size && !c->job->recover)
    return mst_fail_at(err, MST_E_CORRUPT, c->decoded_to,
                       "the last block ends at byte %llu of %llu; what follows is no part of it",
                       (unsigned long long)c->decoded_to, (unsigned long long)size);
  MST_TRY(close_span(c, err));
  c->ended = true;
done:
  return status;
}

/* ---- the machine ------------------------------------------------------------------------------------------------- */

/* What inspecting found, what the container found, and what was counted. */
static mst_status make_facts(const collect *c, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *facts = json_copy((json_t *)(uintptr_t)c->job->facts);
  MST_TRY_ALLOC(facts);
  if (json_object_update(facts, c->facts) != 0) MST_TRY(mst_fail_memory(err));
  MST_TRY(mst_json_set_u64(facts, "records", c->before.records, err));
  MST_TRY(mst_json_set_u64(facts, "plain_bytes", c->before.bytes, err));
  MST_TRY(mst_json_set_u64(facts, "plain_crc", c->before.crc, err));
  MST_TRY(mst_json_set_u64(facts, "checkpoints", c->rows, err));
  if (c->setting.ops->final_facts != NULL) MST_TRY(c->setting.ops->final_facts(&c->before.extra, facts, err));
  *out = facts;
  facts = NULL;
done:
  json_decref(facts);
  return status;
}

static mst_status give_rows(collect *c, mst_step *out, mst_error *err) {
  out->kind = MST_STEP_BATCH;
  c->rows_held = 0;
  return mst_batch_take(c->job->mem, c->columns, c->n_columns, &out->batch, err);
}

static mst_status step_collect(collect *c, const mst_given *given, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  if (given != NULL && given->ended) MST_TRY(end_object(c, err));
  else if (given != NULL && given->n == 1) MST_TRY(begin_piece(c, &given->bytes[0], err));
  if (c->walking) MST_TRY(walk_piece(c, err));
  if (c->rows_held >= MST_INDEX_GROUP_ROWS || (c->ended && c->rows_held > 0)) return give_rows(c, out, err);
  out->kind = c->ended ? MST_STEP_DONE : MST_STEP_INPUT;
  if (c->ended) MST_TRY(make_facts(c, &out->facts, err));
done:
  return status;
}

static mst_status collect_step(mst_machine *m, const mst_given *given, mst_step *out, mst_error *err) {
  collect *c = (collect *)m;
  return mst_error_name(err, step_collect(c, given, out, err), c->job->name);
}

static void collect_close(mst_machine *m) {
  collect *c = (collect *)m;
  const mst_allocator *mem = c->job->mem;
  for (size_t i = 0; i < c->n_columns; i++) mst_builder_free(c->columns[i]);
  mst_piece_free(&c->piece);
  mst_point_clear(&c->open);
  mst_bytes_release(&c->before.extra);
  json_decref(c->facts);
  mst_free(mem, c);
}

mst_status mst_records_collect(const mst_job *job, mst_machine **out, mst_error *err) {
  static const mst_machine_ops ops = {.step = collect_step, .close = collect_close};
  mst_status status = MST_OK;
  mst_field columns[COLUMNS_MAX];
  size_t n = 0;
  collect *c = mst_alloc_zero(job->mem, 1, sizeof *c);
  if (c == NULL) return mst_fail_memory(err);
  c->machine.ops = &ops;
  c->job = job;
  c->open.checkpoint = c->open.starts = true;
  mst_piece_init(&c->piece, job->mem);
  MST_TRY(mst_setting_of(job, &c->setting, err));
  MST_TRY(list_columns(&c->setting, columns, &n, err));
  for (; c->n_columns < n; c->n_columns++)
    MST_TRY(mst_builder_new(job->mem, &columns[c->n_columns], &c->columns[c->n_columns], err));
  MST_TRY_ALLOC(c->facts = json_object());
  *out = &c->machine;
  c = NULL;
done:
  if (c != NULL) collect_close(&c->machine);
  return status;
}
