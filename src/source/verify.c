/* source/verify.c - is a source undamaged, is its index fresh, and does the index say what the source holds? One whole
 * pass that makes every row anew and compares it with the stored one. Also what `show` tells. May call fetch, parquet
 * and the format interface. */
#include "source/index_build.h"

typedef struct checker {
  mst_source *source;
  mst_index *index; /* NULL: only the source is checked */
  mst_cancel *cancel;
  struct ArrowSchema schema; /* of rows made anew */
  size_t group;
} checker;

/* Columns that may differ between equal indexes: windows are compressed, and stand where they stand. */
static bool compared(const char *name) { return strncmp(name, "window", 6) != 0; }

static mst_status differs(size_t group, int64_t row, const char *column, mst_error *err) {
  return mst_fail(err, MST_E_CORRUPT, "the index differs from the source in row %lld of row group %zu, column \"%s\"",
                  (long long)row, group, column);
}

static mst_status compare_column(const checker *c, const struct ArrowSchema *field, const struct ArrowArray *fresh,
                                 const struct ArrowSchema *stored_schema, const struct ArrowArray *stored,
                                 mst_error *err) {
  mst_view a, b;
  const bool bytes = strchr("uUzZ", field->format[0]) != NULL && field->format[1] == '\0';
  const bool number = strchr("cCsSiIlL", field->format[0]) != NULL && field->format[1] == '\0';
  if (!bytes && !number) return MST_OK;
  mst_status status = mst_batch_column(&c->schema, fresh, field->name, field->format, &a, err);
  if (status == MST_OK)
    status = mst_batch_column(stored_schema, stored, field->name, bytes ? "u,U,z,Z" : "c,C,s,S,i,I,l,L", &b, err);
  for (int64_t i = 0; status == MST_OK && i < fresh->length; i++) {
    bool same = mst_view_null(&a, i) == mst_view_null(&b, i);
    if (same && !mst_view_null(&a, i)) {
      size_t n = 0, m = 0;
      if (number) same = mst_view_i64(&a, i) == mst_view_i64(&b, i);
      else {
        const uint8_t *x = mst_view_bytes(&a, i, &n), *y = mst_view_bytes(&b, i, &m);
        same = n == m && (n == 0 || memcmp(x, y, n) == 0);
      }
    }
    if (!same) status = differs(c->group, i, field->name, err);
  }
  return status;
}

static mst_status compare_rows(void *self, struct ArrowArray *fresh, mst_error *err) {
  checker *c = self;
  mst_status status = MST_OK;
  struct ArrowSchema schema = {0};
  struct ArrowArray stored = {0};
  if (c->index == NULL) goto done;
  if (c->group >= c->index->n_groups) {
    status = mst_fail(err, MST_E_CORRUPT, "the index has %zu row groups, the source gives more", c->index->n_groups);
    goto done;
  }
  MST_TRY(mst_index_rows(c->index, c->group, &schema, &stored, c->cancel, err));
  if (stored.length != fresh->length) {
    status = differs(c->group, stored.length < fresh->length ? stored.length : fresh->length, "(number of rows)", err);
    goto done;
  }
  for (int64_t i = 0; i < c->schema.n_children; i++)
    if (compared(c->schema.children[i]->name))
      MST_TRY(compare_column(c, c->schema.children[i], fresh, &schema, &stored, err));
  c->group++;
done:
  mst_array_release(fresh);
  mst_array_release(&stored);
  mst_schema_release(&schema);
  return status;
}

static const char *const reported[] = {"records", "plain_bytes", "damage", "notes"};

static mst_status put_report(const json_t *facts, json_t *report, mst_error *err) {
  for (size_t i = 0; i < sizeof reported / sizeof *reported; i++) {
    json_t *value = json_object_get(facts, reported[i]);
    mst_status status = value == NULL ? MST_OK : mst_json_set(report, reported[i], json_incref(value), err);
    if (status != MST_OK) return status;
  }
  return MST_OK;
}

/* Formats that have no index know themselves how to check a source. */
static mst_status check_alone(checker *c, const mst_task *task, json_t *report, mst_error *err) {
  mst_status status = MST_OK;
  mst_machine *machine = NULL;
  mst_engine *engine = NULL;
  mst_step step = {0};
  MST_TRY(c->source->format->check(&task->job, &machine, err));
  MST_TRY(mst_engine_open(c->source->ctx, machine, &task->inputs, task->job.memory, &engine, err));
  MST_TRY(mst_engine_next(engine, NULL, &step, c->cancel, err));
  if (step.kind != MST_STEP_DONE) status = mst_fail(err, MST_E_INTERNAL, "a check gave something other than an end");
  else MST_TRY(put_report(step.facts, report, err));
done:
  mst_step_clear(&step);
  mst_engine_close(engine);
  return status;
}

/* As gzip, whose rows are others. */
static mst_status scan_again(checker *c, json_t *facts, const mst_scan_options *scan, json_t **final, mst_error *err) {
  const mst_rows_sink sink = {.self = c, .put = compare_rows};
  mst_status status = MST_OK;
  mst_task task = {0};
  MST_TRY(mst_task_init(&task, c->source, facts, NULL, err));
  mst_schema_release(&c->schema);
  MST_TRY(c->source->format->index_schema(&task.job, &c->schema, err));
  MST_TRY(mst_scan_all(c->source, facts, scan, &sink, final, c->cancel, err));
done:
  mst_task_free(&task);
  return status;
}

static mst_status scan_and_compare(checker *c, const mst_verify_options *o, json_t *report, mst_error *err) {
  mst_status status = MST_OK;
  json_t *facts = NULL, *final = NULL;
  mst_task task = {0};
  const mst_scan_options scan = {.spacing = c->index == NULL ? 0 : c->index->spacing,
                                 .threads = o->threads,
                                 .recover = o->recover != 0,
                                 .progress = o->progress,
                                 .progress_arg = o->progress_arg};
  const mst_rows_sink sink = {.self = c, .put = compare_rows};
  MST_TRY(mst_source_facts(c->source, o->recover != 0, &facts, c->cancel, err));
  if (c->source->format->scan == NULL && c->source->format->check == NULL) goto done;
  if (c->index != NULL && mst_text_equal(json_string_value(json_object_get(c->index->facts, "container")), "gzip"))
    (void)mst_source_is_gzip(c->source, MST_E_UNSUPPORTED, &facts);
  MST_TRY(mst_task_init(&task, c->source, facts, NULL, err));
  if (c->source->format->check != NULL) {
    MST_TRY(check_alone(c, &task, report, err));
    goto done;
  }
  MST_TRY(c->source->format->index_schema(&task.job, &c->schema, err));
  status = mst_scan_all(c->source, facts, &scan, &sink, &final, c->cancel, err);
  if (mst_source_is_gzip(c->source, status, &facts)) {
    c->group = 0;
    status = scan_again(c, facts, &scan, &final, err);
  }
  if (status != MST_OK) goto done;
  if (c->index != NULL && c->group != c->index->n_groups) {
    status = mst_fail(err, MST_E_CORRUPT, "the index has %zu row groups, the source gives %zu", c->index->n_groups,
                      c->group);
    goto done;
  }
  json_t *damage = json_object_get(final, "damage");
  MST_TRY(put_report(final, report, err));
  if (json_array_size(damage) > 0) {
    const char *what = json_string_value(json_object_get(json_array_get(damage, 0), "what"));
    status = mst_fail(err, MST_E_CORRUPT, "%zu damaged places; the first: %s", json_array_size(damage),
                      what == NULL ? "?" : what);
  }
done:
  mst_task_free(&task);
  json_decref(facts);
  json_decref(final);
  return status;
}

mst_status mst_source_check(mst_source *s, const mst_verify_options *options, json_t **report, mst_cancel *cancel,
                            mst_error *err) {
  mst_status status = MST_OK;
  mst_error why;
  mst_index_state state = MST_INDEX_NONE;
  checker c = {.source = s, .cancel = cancel};
  json_t *r = json_object();
  *report = r;
  mst_error_clear(&why);
  if (r == NULL) return mst_fail_memory(err);
  MST_TRY(mst_json_set_text(r, "url", mst_object_url(s->object), err));
  MST_TRY(mst_json_set_text(r, "format", s->format->name, err));
  if ((s->format->flags & MST_FORMAT_NO_INDEX) == 0)
    MST_TRY(mst_source_index_load(s, &c.index, &state, &why, cancel, err));
  MST_TRY(mst_json_set_text(r, "index", mst_index_state_name(state), err));
  MST_TRY(scan_and_compare(&c, options, r, err));
  MST_TRY(mst_object_check(s->object, cancel, err));
  if (state == MST_INDEX_STALE || state == MST_INDEX_BROKEN) {
    status = why.status;
    if (err != NULL) *err = why;
  }
done:
  mst_schema_release(&c.schema);
  mst_source_index_unref(c.index);
  if (status != MST_OK) mst_error_name(err, status, mst_object_url(s->object));
  return status;
}

/* ---- show ---- */

static mst_status describe_index(mst_source *s, json_t *to, json_t **facts, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_error why;
  mst_index *index = NULL;
  json_t *o = NULL;
  mst_index_state state = MST_INDEX_NONE;
  mst_error_clear(&why);
  MST_TRY(mst_source_index_load(s, &index, &state, &why, cancel, err));
  MST_TRY_ALLOC(o = json_object());
  MST_TRY(mst_json_set_text(o, "state", mst_index_state_name(state), err));
  MST_TRY(mst_json_set_text(o, "url", s->index_url, err));
  if (state == MST_INDEX_STALE || state == MST_INDEX_BROKEN) MST_TRY(mst_json_set_text(o, "why", why.message, err));
  if (index != NULL) {
    *facts = json_incref(index->facts);
    MST_TRY(mst_json_set_u64(o, "bytes", mst_object_size(index->object), err));
    MST_TRY(mst_json_set_u64(o, "checkpoints", index->rows, err));
    MST_TRY(mst_json_set_u64(o, "spacing", index->spacing, err));
  }
  MST_TRY(mst_json_set(to, "index", json_incref(o), err));
done:
  json_decref(o);
  mst_source_index_unref(index);
  return status;
}

mst_status mst_source_describe(mst_source *s, json_t **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  json_t *r = NULL, *pin = NULL, *facts = NULL;
  MST_TRY_ALLOC(r = json_object());
  MST_TRY(mst_json_set_text(r, "url", mst_object_url(s->object), err));
  MST_TRY(mst_json_set_text(r, "format", s->format->name, err));
  MST_TRY(mst_json_set_u64(r, "size", mst_object_size(s->object), err));
  MST_TRY(mst_pin_to_json(mst_object_pin(s->object), &pin, err));
  MST_TRY(mst_json_set(r, "pin", json_incref(pin), err));
  if ((s->format->flags & MST_FORMAT_NO_INDEX) == 0) MST_TRY(describe_index(s, r, &facts, cancel, err));
  if (facts == NULL) MST_TRY(mst_source_facts(s, false, &facts, cancel, err));
  MST_TRY(mst_json_set(r, "facts", json_incref(facts), err));
  *out = r;
  r = NULL;
done:
  json_decref(r);
  json_decref(pin);
  json_decref(facts);
  return status;
}
