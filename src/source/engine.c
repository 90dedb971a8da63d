/* source/engine.c - see engine.h. Owns the chunks that a machine is looking at; may call fetch and the format
 * interface. */
#include "source/engine.h"

struct mst_engine {
  mst_context *ctx;
  const mst_allocator *mem;
  mst_machine *machine;
  const mst_inputs *inputs;
  uint64_t memory;

  mst_bytes *given; /* what the machine asked for last */
  size_t n_given, given_capacity;
  struct ArrowSchema rows_schema;
  struct ArrowArray rows;
  bool have_rows;

  mst_readahead *ahead; /* a run of `some` needs */
  uint32_t ahead_member;
  uint64_t ahead_at, ahead_end;
};

mst_status mst_engine_open(mst_context *ctx, mst_machine *machine, const mst_inputs *inputs, uint64_t memory,
                           mst_engine **out, mst_error *err) {
  const mst_allocator *mem = mst_context_mem(ctx);
  mst_engine *e = mst_alloc_zero(mem, 1, sizeof *e);
  if (e == NULL) {
    mst_machine_close(machine);
    return mst_fail_memory(err);
  }
  e->ctx = ctx;
  e->mem = mem;
  e->machine = machine;
  e->inputs = inputs;
  e->memory = memory;
  *out = e;
  return MST_OK;
}

static void drop_given(mst_engine *e) {
  for (size_t i = 0; i < e->n_given; i++) mst_bytes_release(&e->given[i]);
  e->n_given = 0;
  mst_array_release(&e->rows);
  mst_schema_release(&e->rows_schema);
  e->have_rows = false;
}

void mst_engine_close(mst_engine *e) {
  if (e == NULL) return;
  mst_machine_close(e->machine);
  drop_given(e);
  mst_readahead_close(e->ahead);
  mst_free(e->mem, e->given);
  mst_free(e->mem, e);
}

void mst_step_clear(mst_step *step) {
  mst_bytes_release(&step->bytes);
  mst_array_release(&step->batch);
  mst_schema_release(&step->schema);
  json_decref(step->part);
  step->part = NULL;
  json_decref(step->facts);
  step->facts = NULL;
}

static mst_status member_of(const mst_engine *e, uint32_t member, mst_object **out, mst_error *err) {
  if (member == MST_MEMBER_INDEX) {
    *out = e->inputs->index;
  } else {
    *out = member < e->inputs->n_members ? e->inputs->members[member] : NULL;
  }
  if (*out == NULL)
    return mst_fail(err, MST_E_CORRUPT, "the slice asks for a part of its source (%u) that is not there",
                    (unsigned)member);
  return MST_OK;
}

static mst_status room_for(mst_engine *e, size_t n, mst_error *err) {
  if (n <= e->given_capacity) return MST_OK;
  size_t size;
  if (!mst_mul_size(n, sizeof *e->given, &size)) return mst_fail_memory(err);
  mst_bytes *grown = mst_resize(e->mem, e->given, size);
  if (grown == NULL) return mst_fail_memory(err);
  memset(grown + e->given_capacity, 0, (n - e->given_capacity) * sizeof *grown);
  e->given = grown;
  e->given_capacity = n;
  return MST_OK;
}

static mst_status check_range(const mst_object *o, const mst_range *r, mst_error *err) {
  uint64_t end;
  if (mst_add_u64(r->offset, r->length, &end) && end <= mst_object_size(o)) return MST_OK;
  mst_status status =
      mst_fail_at(err, MST_E_CORRUPT, r->offset, "bytes %llu to %llu lie outside the object of %llu bytes",
                  (unsigned long long)r->offset, (unsigned long long)(r->offset + r->length),
                  (unsigned long long)mst_object_size(o));
  return mst_error_name(err, status, mst_object_url(o));
}

/* Any prefix of the range will do: the reader ahead goes on where it stands, or begins anew. */
static mst_status give_some(mst_engine *e, const mst_range *r, mst_cancel *cancel, mst_error *err) {
  mst_object *o = NULL;
  mst_status status = member_of(e, r->member, &o, err);
  if (status == MST_OK) status = check_range(o, r, err);
  if (status == MST_OK) status = room_for(e, 1, err);
  if (status != MST_OK) return status;
  const uint64_t end = r->offset + r->length;
  if (r->member == 0 && r->offset < e->inputs->head.size) {
    const size_t at = (size_t)r->offset;
    e->given[0] = mst_bytes_part(&e->inputs->head, at, (size_t)mst_min_u64(e->inputs->head.size - at, r->length));
    e->n_given = 1;
    if (e->inputs->fetched != NULL) e->inputs->fetched(e->inputs->fetched_arg, e->given[0].size);
    return MST_OK;
  }
  if (e->ahead == NULL || e->ahead_member != r->member || e->ahead_at != r->offset || e->ahead_end != end) {
    mst_readahead_close(e->ahead);
    e->ahead = NULL;
    const mst_readahead_options options = {.memory = e->memory};
    status = mst_readahead_open(o, r->offset, end, &options, &e->ahead, err);
    if (status != MST_OK) return status;
    e->ahead_member = r->member;
    e->ahead_at = r->offset;
    e->ahead_end = end;
  }
  status = mst_readahead_next(e->ahead, &e->given[0], cancel, err);
  if (status != MST_OK) return status;
  e->n_given = 1;
  e->ahead_at += e->given[0].size;
  if (r->member == 0 && e->inputs->fetched != NULL) e->inputs->fetched(e->inputs->fetched_arg, e->given[0].size);
  return MST_OK;
}

/* What is at hand already costs no request. */
static bool give_head(mst_engine *e, const mst_range *r, mst_bytes *out) {
  uint64_t end;
  if (r->member != 0 || !mst_add_u64(r->offset, r->length, &end) || end > e->inputs->head.size) return false;
  *out = mst_bytes_part(&e->inputs->head, (size_t)r->offset, (size_t)r->length);
  return true;
}

/* Every range whole: neighbours of one member go to fetch together, so that it can merge them. */
static mst_status give_all(mst_engine *e, const mst_range *need, size_t n, mst_cancel *cancel, mst_error *err) {
  mst_status status = room_for(e, n, err);
  for (size_t i = 0; status == MST_OK && i < n;) {
    mst_object *o = NULL;
    size_t count = 1;
    if (give_head(e, &need[i], &e->given[i])) {
      e->n_given = ++i;
      continue;
    }
    while (i + count < n && need[i + count].member == need[i].member) count++;
    status = member_of(e, need[i].member, &o, err);
    for (size_t k = i; status == MST_OK && k < i + count; k++) status = check_range(o, &need[k], err);
    if (status == MST_OK) status = mst_object_read(o, need + i, count, e->given + i, cancel, err);
    if (status == MST_OK) e->n_given = i + count;
    i += count;
  }
  return status;
}

static mst_status give_rows(mst_engine *e, size_t row_group, mst_cancel *cancel, mst_error *err) {
  if (e->inputs->rows == NULL)
    return mst_fail(err, MST_E_INTERNAL, "index rows were asked for where there is no index");
  mst_status status = e->inputs->rows(e->inputs->rows_arg, row_group, &e->rows_schema, &e->rows, cancel, err);
  if (status == MST_OK) e->have_rows = true;
  return status;
}

mst_status mst_engine_next(mst_engine *e, const mst_given *input, mst_step *out, mst_cancel *cancel, mst_error *err) {
  mst_given given;
  const mst_given *hand = input;
  for (;;) {
    memset(out, 0, sizeof *out);
    mst_status status = mst_cancel_check(cancel, err);
    if (status == MST_OK) status = mst_machine_step(e->machine, hand, out, err);
    if (status != MST_OK) return status;
    drop_given(e);
    switch (out->kind) {
    case MST_STEP_NEED:
      if (out->n_need == 0) {
        status = mst_fail(err, MST_E_INTERNAL, "a machine asked for nothing");
      } else if (out->some && out->need[0].length > 0) {
        status = give_some(e, out->need, cancel, err);
      } else {
        status = give_all(e, out->need, out->n_need, cancel, err);
      }
      break;
    case MST_STEP_BUSY: hand = NULL; continue;
    case MST_STEP_ROWS: status = give_rows(e, out->row_group, cancel, err); break;
    default: return MST_OK;
    }
    if (status != MST_OK) return status;
    given = (mst_given){.bytes = e->given, .n = e->n_given};
    if (e->have_rows) {
      given.schema = &e->rows_schema;
      given.rows = &e->rows;
    }
    hand = &given;
  }
}
