/* tests/format/drive.c - see drive.h. Owns the index that it collects. */
#include "format/drive.h"

void drive_init(drive *d, const mst_allocator *mem, const mst_format *format, const char *name, const void *data,
                uint64_t size) {
  *d = (drive){
      .mem = mem, .format = format, .name = name, .data = data, .size = size, .spacing = 1 << 20, .memory = 64 << 20};
  mst_buf_init(&d->windows, mem, SIZE_MAX / 2);
}

static void drop_index(drive *d) {
  for (size_t i = 0; i < d->n_groups; i++) {
    mst_array_release(&d->groups[i].batch);
    mst_array_release(&d->groups[i].places);
  }
  mst_free(d->mem, d->groups);
  d->groups = NULL;
  d->n_groups = 0;
  d->rows = 0;
  mst_schema_release(&d->schema);
  mst_buf_free(&d->windows);
}

void drive_free(drive *d) {
  drop_index(d);
  json_decref(d->facts);
  d->facts = NULL;
}

void drive_count_anew(drive *d) { d->needs = d->bytes_given = d->bytes_index = d->row_groups = 0; }

/* ---- stepping -------------------------------------------------------------------------------------------------- */

typedef struct job_room {
  mst_job job;
  mst_member members[1];
  uint64_t *first_row;
  int64_t *first_record, *first_plain;
} job_room;

static void fill_job(drive *d, job_room *room) {
  room->members[0] = (mst_member){.name = d->name, .size = d->size, .present = true, .fresh = true};
  room->job = (mst_job){.mem = d->mem,
                        .format = d->format,
                        .name = d->name,
                        .members = d->members != NULL ? d->members : room->members,
                        .n_members = d->members != NULL ? d->n_members : 1,
                        .options = d->options,
                        .facts = d->facts,
                        .spacing = d->spacing,
                        .memory = d->memory,
                        .record_max = d->record_max,
                        .index_rows = d->rows,
                        .n_groups = d->n_groups,
                        .recover = d->recover};
}

/* What one machine is given; released before the next step. */
typedef struct gift {
  mst_bytes bytes[8];
  size_t n;
  struct ArrowSchema schema; /* shallow */
  struct ArrowArray rows;
  struct ArrowSchema *fields[64];
  struct ArrowArray *columns[64];
} gift;

static void drop_gift(gift *g) {
  for (size_t i = 0; i < g->n; i++) mst_bytes_release(&g->bytes[i]);
  g->n = 0;
}

static mst_status source_of(const drive *d, uint32_t member, const uint8_t **data, uint64_t *size, mst_error *err) {
  if (member == MST_MEMBER_INDEX) {
    *data = d->windows.data;
    *size = d->windows.size;
  } else if (member == 0) {
    *data = d->data;
    *size = d->size;
  } else if (member < d->n_members && d->companions != NULL) {
    *data = d->companions[member - 1].data;
    *size = d->companions[member - 1].size;
  } else {
    return mst_fail(err, MST_E_INTERNAL, "no such member: %u", (unsigned)member);
  }
  return MST_OK;
}

static mst_status give_bytes(drive *d, const mst_step *step, gift *g, mst_error *err) {
  if (step->n_need == 0 || step->n_need > 8 || (step->some && step->n_need != 1))
    return mst_fail(err, MST_E_INTERNAL, "a need of %zu ranges", step->n_need);
  for (size_t i = 0; i < step->n_need; i++) {
    const mst_range *r = &step->need[i];
    const uint8_t *data = NULL;
    uint64_t size = 0, n = r->length;
    mst_status status = source_of(d, r->member, &data, &size, err);
    if (status != MST_OK) return status;
    if (r->offset > size || r->length > size - r->offset || r->length == 0)
      return mst_fail(err, MST_E_CORRUPT, "bytes %llu+%llu of member %u of %llu bytes", (unsigned long long)r->offset,
                      (unsigned long long)r->length, (unsigned)r->member, (unsigned long long)size);
    if (step->some && d->grain > 0) n = mst_min_u64(n, d->grain);
    status = mst_bytes_copy(d->mem, data + r->offset, (size_t)n, &g->bytes[i], err);
    if (status != MST_OK) return status;
    g->n = i + 1;
    if (r->member == MST_MEMBER_INDEX) d->bytes_index += n;
    else d->bytes_given += n;
  }
  d->needs++;
  return MST_OK;
}

/* A group without its windows, with the places where they lie. */
static mst_status give_rows(drive *d, size_t number, gift *g, mst_error *err) {
  static const char *names[] = {"window_at", "window_size"};
  static struct ArrowSchema places[2];
  drive_group *group;
  int64_t n = 0;
  if (number >= d->n_groups) return mst_fail(err, MST_E_INTERNAL, "no such row group");
  group = &d->groups[number];
  for (int64_t i = 0; i < d->schema.n_children; i++) {
    if (mst_text_equal(d->schema.children[i]->name, "window")) continue;
    g->fields[n] = d->schema.children[i];
    g->columns[n++] = group->batch.children[i];
  }
  for (int64_t i = 0; i < group->places.n_children; i++) {
    places[i] = (struct ArrowSchema){.format = "l", .name = names[i]};
    g->fields[n] = &places[i];
    g->columns[n++] = group->places.children[i];
  }
  g->schema = (struct ArrowSchema){.format = "+s", .n_children = n, .children = g->fields};
  g->rows = (struct ArrowArray){.length = group->batch.length, .n_buffers = 1, .n_children = n, .children = g->columns};
  d->row_groups++;
  return MST_OK;
}

/* Steps until something other than a need comes. `given` is what the last step asked for. */
static mst_status run(drive *d, mst_machine *m, const mst_given *input, mst_step *out, mst_error *err) {
  gift g = {0};
  mst_given given;
  const mst_given *hand = input;
  for (;;) {
    mst_status status = mst_machine_step(m, hand, out, err);
    drop_gift(&g);
    if (status != MST_OK) {
      mst_bytes_release(&out->bytes);
      return status;
    }
    given = (mst_given){0};
    if (out->kind == MST_STEP_NEED) {
      status = give_bytes(d, out, &g, err);
      given.bytes = g.bytes;
      given.n = g.n;
    } else if (out->kind == MST_STEP_ROWS) {
      status = give_rows(d, out->row_group, &g, err);
      given.schema = &g.schema;
      given.rows = &g.rows;
    } else if (out->kind != MST_STEP_BUSY) {
      return MST_OK;
    }
    if (status != MST_OK) {
      drop_gift(&g);
      return status;
    }
    hand = out->kind == MST_STEP_BUSY ? NULL : &given;
  }
}

/* ---- indexing -------------------------------------------------------------------------------------------------- */

mst_status drive_inspect(drive *d, mst_error *err) {
  mst_status status = MST_OK;
  job_room room;
  mst_machine *m = NULL;
  mst_step step;
  fill_job(d, &room);
  room.job.facts = NULL;
  MST_TRY(d->format->inspect(&room.job, &m, err));
  MST_TRY(run(d, m, NULL, &step, err));
  json_decref(d->facts);
  d->facts = step.facts;
done:
  mst_machine_close(m);
  return status;
}

void drive_list_free(drive *d, drive_list *list) {
  for (size_t i = 0; i < list->n; i++) mst_bytes_release(&list->items[i]);
  mst_free(d->mem, list->items);
  *list = (drive_list){0};
}

static mst_status list_add(drive *d, drive_list *list, mst_bytes *bytes, mst_error *err) {
  mst_bytes *more = mst_resize(d->mem, list->items, (list->n + 1) * sizeof *more);
  if (more == NULL) {
    mst_bytes_release(bytes);
    return mst_fail_memory(err);
  }
  list->items = more;
  list->items[list->n++] = *bytes;
  return MST_OK;
}

mst_status drive_scan(drive *d, uint64_t begin, uint64_t end, drive_list *partials, mst_error *err) {
  mst_status status = MST_OK;
  job_room room;
  mst_machine *m = NULL;
  mst_step step;
  fill_job(d, &room);
  MST_TRY(d->format->scan(&room.job, begin, end, &m, err));
  for (;;) {
    MST_TRY(run(d, m, NULL, &step, err));
    if (step.kind == MST_STEP_DONE) break;
    if (step.kind != MST_STEP_EMIT) MST_TRY(mst_fail(err, MST_E_INTERNAL, "a scan that gives step %d", (int)step.kind));
    MST_TRY(list_add(d, partials, &step.bytes, err));
  }
done:
  mst_machine_close(m);
  return status;
}

mst_status drive_merge(drive *d, drive_list *partials, size_t i, mst_error *err) {
  job_room room;
  mst_bytes merged = {0};
  fill_job(d, &room);
  const mst_status status = d->format->merge(&room.job, &partials->items[i], &partials->items[i + 1], &merged, err);
  if (status != MST_OK) return status;
  mst_bytes_release(&partials->items[i]);
  mst_bytes_release(&partials->items[i + 1]);
  partials->items[i] = merged;
  memmove(&partials->items[i + 1], &partials->items[i + 2], (partials->n - i - 2) * sizeof merged);
  partials->n--;
  return MST_OK;
}

static mst_status put_windows(drive *d, drive_group *g, mst_error *err) {
  static const mst_field field = {.name = "place", .format = "l"};
  mst_status status = MST_OK;
  mst_builder *columns[2] = {NULL, NULL};
  mst_view windows;
  if (mst_batch_column(&d->schema, &g->batch, "window", "z", &windows, NULL) != MST_OK) return MST_OK;
  for (int k = 0; k < 2; k++) MST_TRY(mst_builder_new(d->mem, &field, &columns[k], err));
  for (int64_t i = 0; i < g->batch.length; i++) {
    size_t n = 0;
    const uint8_t *data = mst_view_null(&windows, i) ? NULL : mst_view_bytes(&windows, i, &n);
    MST_TRY(mst_builder_i64(columns[0], (int64_t)d->windows.size, err));
    MST_TRY(mst_builder_i64(columns[1], (int64_t)n, err));
    MST_TRY(mst_buf_put(&d->windows, data, n, err));
  }
  MST_TRY(mst_batch_take(d->mem, columns, 2, &g->places, err));
done:
  mst_builder_free(columns[0]);
  mst_builder_free(columns[1]);
  return status;
}

static int64_t first_value(const drive *d, const struct ArrowArray *batch, const char *name) {
  mst_view v;
  return mst_batch_column(&d->schema, batch, name, "l", &v, NULL) == MST_OK && v.length > 0 ? mst_view_i64(&v, 0) : 0;
}

static mst_status add_group(drive *d, struct ArrowArray *batch, mst_error *err) {
  drive_group *more = mst_resize(d->mem, d->groups, (d->n_groups + 1) * sizeof *more);
  if (more == NULL) {
    mst_array_release(batch);
    return mst_fail_memory(err);
  }
  d->groups = more;
  more = &d->groups[d->n_groups++];
  *more = (drive_group){.batch = *batch, .first_row = d->rows};
  more->first_record = first_value(d, batch, "record");
  more->first_plain = first_value(d, batch, "plain");
  d->rows += (uint64_t)batch->length;
  return put_windows(d, more, err);
}

mst_status drive_collect(drive *d, const drive_list *partials, mst_error *err) {
  mst_status status = MST_OK;
  job_room room;
  mst_machine *m = NULL;
  mst_step step;
  mst_given given, *input = NULL;
  size_t next = 0;
  drop_index(d);
  fill_job(d, &room);
  MST_TRY(d->format->index_schema(&room.job, &d->schema, err));
  MST_TRY(d->format->collect(&room.job, &m, err));
  for (;;) {
    MST_TRY(run(d, m, input, &step, err));
    input = NULL;
    if (step.kind == MST_STEP_DONE) break;
    if (step.kind == MST_STEP_BATCH) {
      MST_TRY(add_group(d, &step.batch, err));
    } else {
      given = (mst_given){.ended = next == partials->n};
      if (!given.ended) given = (mst_given){.bytes = &partials->items[next++], .n = 1};
      input = &given;
    }
  }
  mst_machine_close(m);
  m = NULL;
  json_decref(d->facts);
  d->facts = step.facts;
done:
  mst_machine_close(m);
  return status;
}

mst_status drive_index(drive *d, const uint64_t *borders, size_t n, mst_error *err) {
  mst_status status = MST_OK;
  drive_list partials = {0};
  uint64_t begin = 0;
  if (d->facts == NULL) MST_TRY(drive_inspect(d, err));
  for (size_t i = 0; i <= n; i++) {
    const uint64_t end = i < n ? borders[i] : d->size;
    MST_TRY(drive_scan(d, begin, end, &partials, err));
    begin = end;
  }
  MST_TRY(drive_collect(d, &partials, err));
done:
  drive_list_free(d, &partials);
  return status;
}

static mst_status put_value(const mst_view *v, int64_t i, mst_buf *out, mst_error *err) {
  size_t n;
  const uint8_t *data;
  mst_status status = mst_buf_put_byte(out, mst_view_null(v, i) ? 0 : 1, err);
  if (status != MST_OK || mst_view_null(v, i)) return status;
  if (v->type.layout == MST_LAYOUT_BITS || v->type.layout == MST_LAYOUT_FIXED)
    return mst_buf_put_u64(out, (uint64_t)mst_view_i64(v, i), err);
  if (v->type.layout == MST_LAYOUT_LIST32 || v->type.layout == MST_LAYOUT_LIST64) {
    int64_t first, count;
    mst_view_list(v, i, &first, &count);
    return mst_buf_put_u64(out, (uint64_t)count, err);
  }
  data = mst_view_bytes(v, i, &n);
  status = mst_buf_put_u64(out, n, err);
  return status == MST_OK ? mst_buf_put(out, data, n, err) : status;
}

mst_status drive_index_bytes(drive *d, mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_json_print(d->facts, out, err));
  for (size_t g = 0; g < d->n_groups; g++)
    for (int64_t c = 0; c < d->schema.n_children; c++) {
      mst_view v;
      MST_TRY(mst_buf_put_text(out, d->schema.children[c]->name, err));
      MST_TRY(mst_batch_column(&d->schema, &d->groups[g].batch, d->schema.children[c]->name, NULL, &v, err));
      for (int64_t i = 0; i < v.length; i++) MST_TRY(put_value(&v, i, out, err));
    }
done:
  return status;
}

/* ---- plans ----------------------------------------------------------------------------------------------------- */

void drive_plan_free(drive *d, drive_plan *plan) {
  for (size_t i = 0; i < plan->n; i++) json_decref(plan->parts[i].json);
  mst_free(d->mem, plan->parts);
  *plan = (drive_plan){0};
}

static mst_status plan_add(drive *d, drive_plan *plan, const mst_step *step, mst_error *err) {
  drive_part *more = mst_resize(d->mem, plan->parts, (plan->n + 1) * sizeof *more);
  if (more == NULL) {
    json_decref(step->part);
    return mst_fail_memory(err);
  }
  plan->parts = more;
  plan->parts[plan->n++] = (drive_part){.json = step->part, .records = step->part_records, .bytes = step->part_bytes};
  return MST_OK;
}

static mst_status list_groups(drive *d, job_room *room, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY_ALLOC(room->first_row = mst_alloc_array(d->mem, d->n_groups, sizeof *room->first_row));
  MST_TRY_ALLOC(room->first_record = mst_alloc_array(d->mem, d->n_groups, sizeof *room->first_record));
  MST_TRY_ALLOC(room->first_plain = mst_alloc_array(d->mem, d->n_groups, sizeof *room->first_plain));
  for (size_t i = 0; i < d->n_groups; i++) {
    room->first_row[i] = d->groups[i].first_row;
    room->first_record[i] = d->groups[i].first_record;
    room->first_plain[i] = d->groups[i].first_plain;
  }
  room->job.group_first_row = room->first_row;
  room->job.group_first_record = room->first_record;
  room->job.group_first_plain = room->first_plain;
done:
  return status;
}

mst_status drive_make_plan(drive *d, const mst_plan_query *query, drive_plan *out, mst_error *err) {
  mst_status status = MST_OK;
  job_room room = {0};
  mst_machine *m = NULL;
  mst_step step;
  fill_job(d, &room);
  MST_TRY(list_groups(d, &room, err));
  MST_TRY(d->format->plan(&room.job, query, &m, err));
  for (;;) {
    MST_TRY(run(d, m, NULL, &step, err));
    if (step.kind == MST_STEP_DONE) break;
    if (step.kind != MST_STEP_PART) MST_TRY(mst_fail(err, MST_E_INTERNAL, "a plan that gives step %d", (int)step.kind));
    MST_TRY(plan_add(d, out, &step, err));
  }
done:
  mst_machine_close(m);
  mst_free(d->mem, room.first_row);
  mst_free(d->mem, room.first_record);
  mst_free(d->mem, room.first_plain);
  return status;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

/* A worker has the facts of the slice alone. */
static mst_status fill_slice_job(drive *d, job_room *room, json_t **facts, mst_error *err) {
  fill_job(d, room);
  const mst_status status = d->format->slice_facts(&room->job, facts, err);
  if (status != MST_OK) return status;
  room->job.facts = *facts;
  room->job.options = NULL;
  return MST_OK;
}

/* Content of a machine that EMITs, up to its end; takes the machine over. */
static mst_status gather(drive *d, mst_machine *m, mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_step step;
  for (;;) {
    MST_TRY(run(d, m, NULL, &step, err));
    if (step.kind == MST_STEP_DONE) break;
    if (step.kind != MST_STEP_EMIT) MST_TRY(mst_fail(err, MST_E_INTERNAL, "a read that gives step %d", (int)step.kind));
    status = mst_buf_put(out, step.bytes.data, step.bytes.size, err);
    mst_bytes_release(&step.bytes);
    if (status != MST_OK) goto done;
  }
done:
  mst_machine_close(m);
  return status;
}

mst_status drive_read(drive *d, const json_t *part, const mst_read_query *query, mst_buf *out, mst_error *err) {
  const mst_read_query plain = {.as = MST_READ_RAW};
  mst_status status = MST_OK;
  job_room room;
  json_t *facts = NULL;
  mst_machine *m = NULL;
  MST_TRY(fill_slice_job(d, &room, &facts, err));
  MST_TRY(d->format->read(&room.job, part, query != NULL ? query : &plain, &m, err));
  status = gather(d, m, out, err);
done:
  json_decref(facts);
  return status;
}

mst_status drive_export(drive *d, const char *kind, mst_buf *out, mst_error *err) {
  job_room room;
  mst_machine *m = NULL;
  mst_status status;
  fill_job(d, &room);
  status = d->format->export_companion(&room.job, kind, &m, err);
  return status == MST_OK ? gather(d, m, out, err) : status;
}

mst_status drive_read_place(drive *d, const json_t *part, json_t **out, mst_error *err) {
  const mst_read_query query = {.as = MST_READ_PLACE};
  mst_status status = MST_OK;
  job_room room;
  json_t *facts = NULL;
  mst_machine *m = NULL;
  mst_step step;
  MST_TRY(fill_slice_job(d, &room, &facts, err));
  MST_TRY(d->format->read(&room.job, part, &query, &m, err));
  MST_TRY(run(d, m, NULL, &step, err));
  if (step.kind != MST_STEP_DONE) MST_TRY(mst_fail(err, MST_E_INTERNAL, "a place that gives step %d", (int)step.kind));
  *out = step.facts;
done:
  mst_machine_close(m);
  json_decref(facts);
  return status;
}

mst_status drive_read_arrow(drive *d, const json_t *part, const mst_read_query *query, drive_batch_fn take, void *arg,
                            mst_error *err) {
  const mst_read_query arrow = {.as = MST_READ_ARROW};
  mst_status status = MST_OK;
  job_room room;
  mst_machine *m = NULL;
  mst_step step;
  struct ArrowSchema schema = {0};
  if (query == NULL) query = &arrow;
  /* For rows a worker also fetches what was too much for the slice. */
  fill_job(d, &room);
  room.job.options = NULL;
  MST_TRY(d->format->read_schema(&room.job, part, query, &schema, err));
  MST_TRY(d->format->read(&room.job, part, query, &m, err));
  for (;;) {
    MST_TRY(run(d, m, NULL, &step, err));
    if (step.kind == MST_STEP_DONE) break;
    if (step.kind != MST_STEP_BATCH)
      MST_TRY(mst_fail(err, MST_E_INTERNAL, "a read that gives step %d", (int)step.kind));
    MST_TRY(take(arg, &schema, &step.batch, err));
  }
done:
  mst_machine_close(m);
  mst_schema_release(&schema);
  return status;
}
