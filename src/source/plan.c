/* source/plan.c - a query becomes slices, from index rows or companions alone. Owns struct mst_plan; may call the
 * format interface. */
#include "source/slice.h"

#define SLICES_MAX ((size_t)10 * 1000 * 1000)

struct mst_plan {
  _Atomic uint32_t refs;
  const mst_allocator *mem;
  mst_context *ctx;
  mst_slice **slices;
  size_t n, capacity;
};

void mst_plan_unref(mst_plan *p) {
  if (p == NULL || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1) return;
  for (size_t i = 0; i < p->n; i++) mst_slice_unref(p->slices[i]);
  mst_free(p->mem, p->slices);
  mst_context_unref(p->ctx);
  mst_free(p->mem, p);
}

size_t mst_plan_get_count(const mst_plan *p) { return p->n; }
mst_slice *mst_plan_take(const mst_plan *p, size_t i) { return i < p->n ? mst_slice_ref(p->slices[i]) : NULL; }

/* ---- from parts to slices ---- */

typedef struct found_part {
  json_t *part;
  uint64_t records, bytes;
} found_part;

typedef struct found_parts {
  const mst_allocator *mem;
  found_part *each;
  size_t n, capacity;
} found_parts;

static mst_status keep_part(found_parts *f, mst_step *step, mst_error *err) {
  if (f->n == SLICES_MAX) return mst_fail(err, MST_E_LIMIT, "more than %zu slices", SLICES_MAX);
  if (f->n == f->capacity) {
    const size_t capacity = f->capacity == 0 ? 64 : f->capacity * 2;
    found_part *grown = mst_resize(f->mem, f->each, capacity * sizeof *grown);
    if (grown == NULL) return mst_fail_memory(err);
    f->each = grown;
    f->capacity = capacity;
  }
  f->each[f->n++] =
      (found_part){.part = json_incref(step->part), .records = step->part_records, .bytes = step->part_bytes};
  return MST_OK;
}

static void found_free(found_parts *f) {
  for (size_t i = 0; i < f->n; i++) json_decref(f->each[i].part);
  mst_free(f->mem, f->each);
}

static mst_status run_plan(mst_source *s, mst_task *task, const mst_plan_query *query, found_parts *found,
                           mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_machine *machine = NULL;
  mst_engine *engine = NULL;
  mst_step step = {0};
  MST_TRY(s->format->plan(&task->job, query, &machine, err));
  MST_TRY(mst_engine_open(s->ctx, machine, &task->inputs, task->job.memory, &engine, err));
  for (;;) {
    MST_TRY(mst_engine_next(engine, NULL, &step, cancel, err));
    if (step.kind == MST_STEP_DONE) break;
    if (step.kind != MST_STEP_PART) {
      status = mst_fail(err, MST_E_INTERNAL, "a plan gave something other than parts");
      goto done;
    }
    MST_TRY(keep_part(found, &step, err));
    mst_step_clear(&step);
  }
done:
  mst_step_clear(&step);
  mst_engine_close(engine);
  return status;
}

/* What all slices of a plan say alike; shared references. */
typedef struct common {
  json_t *pin, *facts, *store, *index;
  bool more;
} common;

static void common_free(common *c) {
  json_decref(c->pin);
  json_decref(c->facts);
  json_decref(c->store);
  json_decref(c->index);
}

static mst_status common_index(const mst_source *s, const mst_index *ix, const json_t *store, json_t **out,
                               mst_error *err) {
  mst_status status = MST_OK;
  json_t *pin = NULL, *settings = NULL, *index = NULL;
  MST_TRY_ALLOC(index = json_object());
  MST_TRY(mst_json_set_text(index, "url", s->index_url, err));
  MST_TRY(mst_pin_to_json(mst_object_pin(ix->object), &pin, err));
  MST_TRY(mst_json_set(index, "pin", json_incref(pin), err));
  MST_TRY(mst_store_settings(mst_object_store(ix->object), &settings, err));
  if (!json_equal(settings, store)) MST_TRY(mst_json_set(index, "store", json_incref(settings), err));
  *out = index;
  index = NULL;
done:
  json_decref(pin);
  json_decref(settings);
  json_decref(index);
  return status;
}

static mst_status common_make(mst_source *s, const mst_task *task, common *c, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_pin_to_json(mst_object_pin(s->object), &c->pin, err));
  MST_TRY(mst_store_settings(s->at.store, &c->store, err));
  if (s->format->slice_facts != NULL) MST_TRY(s->format->slice_facts(&task->job, &c->facts, err));
  else MST_TRY_ALLOC(c->facts = json_object());
  if (task->index != NULL) MST_TRY(common_index(s, task->index, c->store, &c->index, err));
  const char *key;
  json_t *value;
  json_object_foreach(json_object_get(task->job.facts, "dialect"), key, value) c->more =
      c->more || mst_text_starts(key, "long_");
done:
  return status;
}

static mst_status make_slice(mst_source *s, const mst_task *task, const common *c, const found_part *f, size_t i,
                             size_t n, mst_slice **out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *v = NULL;
  mst_slice *slice = NULL;
  MST_TRY_ALLOC(v = json_pack("{s:i, s:s, s:O, s:s, s:I, s:O, s:O, s:[I, I]}", "meseta", 1, "url",
                              mst_object_url(s->object), "pin", c->pin, "format", s->format->name, "version",
                              (json_int_t)s->format->version, "facts", c->facts, "part", f->part, "number",
                              (json_int_t)i + 1, (json_int_t)n));
  if (f->records != UINT64_MAX) MST_TRY(mst_json_set_u64(v, "records", f->records, err));
  if (f->bytes != UINT64_MAX) MST_TRY(mst_json_set_u64(v, "bytes", f->bytes, err));
  if (json_object_size(c->store) > 0) MST_TRY(mst_json_set(v, "store", json_incref(c->store), err));
  if (c->more) MST_TRY(mst_json_set(v, "more", json_true(), err));
  if (c->index != NULL) MST_TRY(mst_json_set(v, "index", json_incref(c->index), err));
  status = mst_slice_from_value(s->ctx, v, s->config.pairs, s->config.n, NULL, &slice, err);
  v = NULL;
  if (status != MST_OK) goto done;
  slice->object = mst_object_ref(s->object);
  if (task->index != NULL) slice->index = mst_object_ref(task->index->object);
  *out = slice;
done:
  json_decref(v);
  return status;
}

static mst_status make_plan(mst_source *s, const mst_task *task, const found_parts *found, mst_plan **out,
                            mst_error *err) {
  mst_status status = MST_OK;
  common c = {0};
  mst_plan *p = mst_alloc_zero(s->mem, 1, sizeof *p);
  if (p == NULL) return mst_fail_memory(err);
  atomic_init(&p->refs, 1);
  p->mem = s->mem;
  p->ctx = mst_context_ref(s->ctx);
  MST_TRY_ALLOC(p->slices = mst_alloc_zero(s->mem, found->n == 0 ? 1 : found->n, sizeof *p->slices));
  MST_TRY(common_make(s, task, &c, err));
  for (; p->n < found->n; p->n++)
    MST_TRY(make_slice(s, task, &c, &found->each[p->n], p->n, found->n, &p->slices[p->n], err));
  *out = p;
  p = NULL;
done:
  common_free(&c);
  mst_plan_unref(p);
  return status;
}

mst_status mst_plan_of_slices(mst_context *ctx, mst_slice **slices, size_t n, mst_plan **out, mst_error *err) {
  mst_status status = MST_OK;
  const mst_allocator *mem = mst_context_mem(ctx);
  mst_plan *p = mst_alloc_zero(mem, 1, sizeof *p);
  MST_TRY_ALLOC(p);
  atomic_init(&p->refs, 1);
  p->mem = mem;
  p->ctx = mst_context_ref(ctx);
  MST_TRY_ALLOC(p->slices = mst_alloc_zero(mem, n + 1, sizeof *p->slices));
  for (; p->n < n; p->n++) {
    p->slices[p->n] = slices[p->n];
    slices[p->n] = NULL;
  }
  *out = p;
  p = NULL;
done:
  for (size_t i = 0; i < n; i++) mst_slice_unref(slices[i]);
  mst_plan_unref(p);
  return status;
}

/* ---- what a plan stands on ---- */

static bool has_fresh_companion(const mst_task *t) {
  for (size_t i = 1; i < t->job.n_members; i++)
    if (t->members[i].present && t->members[i].fresh) return true;
  return false;
}

static mst_status fail_no_index(const mst_source *s, mst_index_state state, const mst_error *why, mst_error *err) {
  mst_status status;
  if (state == MST_INDEX_NONE)
    status = mst_fail(err, MST_E_NOT_FOUND, "%s has no index (looked for %s); make it with: meseta index %s",
                      mst_object_url(s->object), s->index_url, mst_object_url(s->object));
  else
    status = mst_fail(err, why->status, "%s; make it anew with: meseta index %s%s", why->message,
                      state == MST_INDEX_BROKEN ? "--force " : "", mst_object_url(s->object));
  return mst_error_name(err, status, state == MST_INDEX_NONE ? mst_object_url(s->object) : s->index_url);
}

static mst_status prepare(mst_source *s, const mst_query *query, mst_task *task, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_error why;
  mst_index *index = NULL;
  json_t *facts = NULL;
  mst_index_state state = MST_INDEX_NONE;
  const bool own = (s->format->flags & MST_FORMAT_NO_INDEX) != 0;
  mst_error_clear(&why);
  if (!own) MST_TRY(mst_source_index_load(s, &index, &state, &why, cancel, err));
  if (index != NULL) facts = json_incref(index->facts);
  else if (own || (query->region != NULL && s->format->companions != NULL))
    MST_TRY(mst_source_facts(s, false, &facts, cancel, err));
  MST_TRY(mst_task_init(task, s, facts, index, err));
  if (query->region != NULL || own) MST_TRY(mst_task_companions(task, s, cancel, err));
  if (index == NULL && !own && (query->region == NULL || !has_fresh_companion(task)))
    status = fail_no_index(s, state, &why, err);
done:
  mst_source_index_unref(index);
  json_decref(facts);
  return status;
}

mst_status mst_slices_plan(mst_source *s, const mst_query *query, mst_plan **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  json_t *options = NULL;
  found_parts found = {.mem = s->mem};
  mst_task task = {0};
  if (s->secret_url)
    return mst_fail(err, MST_E_ARGUMENT,
                    "%s: a URL that carries a secret (a query, a password) is never written into a slice; "
                    "give the credential by the environment",
                    mst_object_url(s->object));
  if (query->options_json != NULL)
    MST_TRY(mst_json_parse(query->options_json, strlen(query->options_json), 1 << 20, "plan options", &options, err));
  const mst_plan_query asked = {.slices = query->slices,
                                .slice_bytes = query->slice_bytes,
                                .slice_records = query->slice_records,
                                .strategy = query->strategy,
                                .region = query->region,
                                .where = query->where,
                                .options = options};
  MST_TRY(prepare(s, query, &task, cancel, err));
  MST_TRY(run_plan(s, &task, &asked, &found, cancel, err));
  MST_TRY(make_plan(s, &task, &found, out, err));
done:
  found_free(&found);
  mst_task_free(&task);
  json_decref(options);
  if (status != MST_OK) mst_error_name(err, status, mst_object_url(s->object));
  return status;
}
