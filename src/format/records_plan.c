/* format/records_plan.c - slices from index rows alone. A border stands on a checkpoint where one lies near its ideal
 * place, else it is a record number (or a plain offset) between two checkpoints, which the reader finds by scanning
 * that one span. Only the row groups in which borders fall are asked for.
 *
 * Owns: the rows at hand. May call: base, column, codec's CRC. */
#include "codec/codec.h"
#include "format/records_rows.h"

enum {
  GROUPS_HELD = 4,
  SLICE_BYTES_DEFAULT = 64 << 20,
  BGZF_BLOCK_SLACK = 64 << 10,
  SLACK = 4 << 10,
  WINDOW_MAX = 64 << 10
};
#define NO_GROUP SIZE_MAX

/* One index row. */
typedef struct row {
  uint64_t record, plain, at, skip;
  uint32_t crc;
  uint8_t bits;
  bool starts;
  uint64_t window_at, window_size;
  json_t *own; /* what rows must know to begin here; the group's */
} row;

typedef struct group {
  size_t number; /* or NO_GROUP */
  uint64_t used; /* when last */
  row *rows;
  size_t n;
} group;

/* Where one slice ends and the next begins. */
typedef struct place {
  uint64_t value; /* record number, or plain offset                          */
  bool exact;     /* it stands on the checkpoint `in_front`                  */
  row in_front;   /* the last checkpoint from which it can be found           */
  row behind;     /* the next one; or the object's end                       */
  uint64_t guess; /* about its plain offset                                   */
} place;

typedef struct plan {
  mst_machine machine;
  const mst_job *job;
  mst_setting setting;
  const char *unit; /* NULL: records */
  uint64_t records, bytes, size;
  uint32_t crc;
  uint64_t n_slices; /* by plain bytes, in n equal parts; 0: by records */
  uint64_t slice_records;
  uint64_t next;     /* number of the next border */
  place begin;       /* of the next slice */
  json_t *begin_own; /* begin.in_front.own, kept */
  bool have_begin, ended;
  mst_hole *holes; /* of a recovered index, in order */
  size_t n_holes, next_hole;
  bool damaged; /* a recovered index of an object that was not whole */
  group groups[GROUPS_HELD];
  size_t wanted_group;
  uint64_t clock;
} plan;

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static uint64_t rows_of_group(const plan *p, size_t g) {
  const uint64_t end = g + 1 < p->job->n_groups ? p->job->group_first_row[g + 1] : p->job->index_rows;
  return end - p->job->group_first_row[g];
}

static mst_status bad_index(const plan *p, const char *what, mst_error *err) {
  return mst_fail(err, MST_E_CORRUPT, "the index of %s is broken: %s", p->job->name, what);
}

typedef struct views {
  mst_view record, plain, at, bits, skip, starts, crc, window_at, window_size;
} views;

static mst_status open_views(const plan *p, const mst_given *given, views *v, mst_error *err) {
  const struct ArrowSchema *s = given->schema;
  const struct ArrowArray *a = given->rows;
  mst_status status = MST_OK;
  MST_TRY(mst_batch_column(s, a, "record", "l", &v->record, err));
  MST_TRY(mst_batch_column(s, a, "plain", "l", &v->plain, err));
  MST_TRY(mst_batch_column(s, a, "at", "l", &v->at, err));
  MST_TRY(mst_batch_column(s, a, "bits", "c", &v->bits, err));
  MST_TRY(mst_batch_column(s, a, "skip", "l", &v->skip, err));
  MST_TRY(mst_batch_column(s, a, "starts", "b", &v->starts, err));
  MST_TRY(mst_batch_column(s, a, "crc", "l", &v->crc, err));
  if (!p->setting.windows) return MST_OK;
  MST_TRY(mst_batch_column(s, a, "window_at", "l", &v->window_at, err));
  MST_TRY(mst_batch_column(s, a, "window_size", "l", &v->window_size, err));
done:
  return status;
}

/* An index is input like any other. */
static bool row_fits(const plan *p, const row *r, const row *before) {
  if (r->window_size > WINDOW_MAX || r->window_at > INT64_MAX) return false;
  if (r->plain >= p->bytes || r->record > p->records || r->at >= p->size || r->skip > r->plain || r->bits > 7)
    return false;
  return before == NULL || (r->plain > before->plain && r->record >= before->record && r->at >= before->at);
}

static mst_status read_rows(const plan *p, const mst_given *given, group *g, mst_error *err) {
  views v = {0};
  mst_status status = open_views(p, given, &v, err);
  const size_t n = (size_t)given->rows->length;
  if (status != MST_OK) return status;
  if (n == 0 || n != rows_of_group(p, p->wanted_group))
    return bad_index(p, "a row group has another size than promised", err);
  g->rows = mst_alloc_array(p->job->mem, n, sizeof *g->rows);
  if (g->rows == NULL) return mst_fail_memory(err);
  for (g->n = 0; g->n < n; g->n++) {
    const int64_t i = (int64_t)g->n;
    const int64_t numbers[] = {mst_view_i64(&v.record, i), mst_view_i64(&v.plain, i), mst_view_i64(&v.at, i),
                               mst_view_i64(&v.bits, i),   mst_view_i64(&v.skip, i),  mst_view_i64(&v.crc, i)};
    row *r = &g->rows[g->n];
    for (size_t k = 0; k < 6; k++)
      if (numbers[k] < 0) return bad_index(p, "a negative number", err);
    *r = (row){.record = (uint64_t)numbers[0],
               .plain = (uint64_t)numbers[1],
               .at = (uint64_t)numbers[2],
               .bits = (uint8_t)numbers[3],
               .skip = (uint64_t)numbers[4],
               .crc = (uint32_t)numbers[5],
               .starts = mst_view_i64(&v.starts, i) != 0};
    if (p->setting.windows) {
      r->window_at = (uint64_t)mst_view_i64(&v.window_at, i);
      r->window_size = (uint64_t)mst_view_i64(&v.window_size, i);
    }
    if (!row_fits(p, r, g->n == 0 ? NULL : r - 1)) return bad_index(p, "rows out of order", err);
    if (p->unit != NULL && p->setting.ops->row_place != NULL) {
      status = p->setting.ops->row_place(given->schema, given->rows, i, &r->own, err);
      if (status != MST_OK) return status;
    }
  }
  if ((int64_t)g->rows[0].record != p->job->group_first_record[p->wanted_group] ||
      (int64_t)g->rows[0].plain != p->job->group_first_plain[p->wanted_group])
    return bad_index(p, "a row group begins elsewhere than promised", err);
  g->number = p->wanted_group;
  return MST_OK;
}

static void free_group(const plan *p, group *g) {
  for (size_t i = 0; i < g->n; i++) json_decref(g->rows[i].own);
  mst_free(p->job->mem, g->rows);
  *g = (group){.number = NO_GROUP};
}

static mst_status take_rows(plan *p, const mst_given *given, mst_error *err) {
  group *oldest = &p->groups[0];
  mst_status status;
  for (size_t i = 1; i < GROUPS_HELD; i++)
    if (p->groups[i].used < oldest->used) oldest = &p->groups[i];
  free_group(p, oldest);
  if (given->rows == NULL || given->schema == NULL)
    return mst_fail(err, MST_E_INTERNAL, "index rows were asked for and not given");
  status = read_rows(p, given, oldest, err);
  oldest->used = ++p->clock;
  return status;
}

/* The rows of a group, or NULL and p->wanted_group set: it must be asked for first. */
static const group *have_group(plan *p, size_t number) {
  for (size_t i = 0; i < GROUPS_HELD; i++)
    if (p->groups[i].number == number) {
      p->groups[i].used = ++p->clock;
      return &p->groups[i];
    }
  p->wanted_group = number;
  return NULL;
}

/* The last group whose first value is at most `value`; values of groups do not fall. */
static size_t find_group(const plan *p, const int64_t *first, uint64_t value) {
  size_t low = 0, high = p->job->n_groups;
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    if ((uint64_t)first[middle] <= value) low = middle;
    else high = middle;
  }
  return low;
}

/* A damaged object is read up to its last whole byte; what follows is nobody's. */
static row object_end(const plan *p) {
  return (row){.record = p->records, .plain = p->bytes, .at = p->damaged ? p->size - 1 : p->size, .crc = p->crc};
}

/* A span ends where damage begins. */
static void end_at_hole(const plan *p, const row *in_front, row *behind) {
  for (size_t i = 0; i < p->n_holes; i++)
    if (p->holes[i].begin >= in_front->plain && p->holes[i].end == behind->plain)
      *behind = (row){.record = p->holes[i].record,
                      .plain = p->holes[i].begin,
                      .at = mst_min_u64(behind->at, p->size - 1),
                      .crc = p->holes[i].crc};
}

/* The last row whose `record` (or `plain`) is at most `value`, and the one behind it. false: a group must be asked for
 * first. */
static bool find_rows(plan *p, bool by_record, uint64_t value, row *in_front, row *behind) {
  const size_t number = find_group(p, by_record ? p->job->group_first_record : p->job->group_first_plain, value);
  const group *g = have_group(p, number);
  size_t low = 0, high;
  if (g == NULL) return false;
  high = g->n;
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    if ((by_record ? g->rows[middle].record : g->rows[middle].plain) <= value) low = middle;
    else high = middle;
  }
  *in_front = g->rows[low];
  if (low + 1 < g->n) {
    *behind = g->rows[low + 1];
  } else if (number + 1 == p->job->n_groups) {
    *behind = object_end(p);
  } else {
    g = have_group(p, number + 1);
    if (g == NULL) return false;
    *behind = g->rows[0];
  }
  end_at_hole(p, in_front, behind);
  return true;
}

/* ---- borders ----------------------------------------------------------------------------------------------------- */

/* a * b / c without overflow; c > 0. */
static uint64_t scale(uint64_t a, uint64_t b, uint64_t c) { return (uint64_t)((unsigned __int128)a * b / c); }

/* The same to the nearest whole number, so that few records are shared out as evenly as many. */
static uint64_t nearest_part(uint64_t a, uint64_t b, uint64_t c) {
  return (uint64_t)(((unsigned __int128)a * b + c / 2) / c);
}

static uint64_t distance(uint64_t a, uint64_t b) { return a < b ? b - a : a - b; }

/* Finds a record's neighbours. */
static bool place_record(plan *p, uint64_t record, place *out) {
  const row *a = &out->in_front, *b = &out->behind;
  if (!find_rows(p, true, record, &out->in_front, &out->behind)) return false;
  out->value = record;
  out->exact = a->starts && a->record == record;
  out->guess = out->exact || b->record <= a->record
                   ? a->plain
                   : a->plain + scale(b->plain - a->plain, record - a->record, b->record - a->record);
  return true;
}

/* The border nearest to a plain offset: a checkpoint when one lies within `slack`, else a place between two. */
static bool place_plain(plan *p, uint64_t plain, uint64_t slack, place *out) {
  row a, b;
  const row *nearest;
  if (!find_rows(p, false, plain, &a, &b)) return false;
  nearest = distance(a.plain, plain) <= distance(b.plain, plain) || b.plain == p->bytes ? &a : &b;
  if (p->unit != NULL) {
    /* What stands at `b` itself may be damage, and no row. */
    if (nearest == &b && b.plain != plain && distance(b.plain, plain) <= slack) return place_plain(p, b.plain, 0, out);
    *out = (place){
        .value = nearest == &a && distance(a.plain, plain) <= slack ? a.plain : plain, .in_front = a, .behind = b};
    out->exact = p->setting.ops->safe_cuts && out->value == a.plain;
    out->guess = out->value;
    return true;
  }
  if (distance(nearest->plain, plain) <= slack) return place_record(p, nearest->record, out);
  return place_record(p, a.record + nearest_part(b.record - a.record, plain - a.plain, b.plain - a.plain), out);
}

/* The next border behind the beginning of the current slice; `*end` when there is none. false: rows are missing. */
static bool next_border(plan *p, place *out, bool *end) {
  const uint64_t all = p->unit == NULL ? p->records : p->bytes;
  for (;; p->next++) {
    *end = false;
    if (p->n_slices == 0) {
      uint64_t record;
      *end = !mst_mul_u64(p->next, p->slice_records, &record) || record >= all;
      if (*end || record > p->begin.value) return *end || place_record(p, record, out);
      continue;
    }
    if (p->next >= p->n_slices) {
      *end = true;
      return true;
    }
    if (!place_plain(p, scale(p->bytes, p->next, p->n_slices), p->bytes / p->n_slices / 4, out)) return false;
    if (out->value > p->begin.value && out->value < all) return true;
  }
}

/* The slice ends at damage when that comes first. */
static bool stop_at_hole(plan *p, place *end) {
  const mst_hole *h;
  while (p->next_hole < p->n_holes && p->holes[p->next_hole].end <= p->begin.in_front.plain) p->next_hole++;
  if (p->next_hole == p->n_holes) return false;
  h = &p->holes[p->next_hole];
  if ((p->unit == NULL ? h->record : h->begin) > end->value) return false;
  *end = (place){.value = p->unit == NULL ? h->record : h->begin, .exact = true};
  end->in_front = end->behind = (row){.record = h->record, .plain = h->begin, .at = p->size - 1, .crc = h->crc};
  if (h->end < p->bytes) {
    /* About as many of the object's bytes as lie in front of it. */
    end->in_front.at = mst_min_u64(p->size - 1, mst_max_u64(p->begin.in_front.at, scale(h->begin, p->size, p->bytes)));
  }
  return true;
}

/* ---- parts ------------------------------------------------------------------------------------------------------- */

/* About how many of the object's bytes must be read to decode up to row r: its restart lies `skip` plain bytes in front
 * of it. Only the object's end is the object's size: the reader tells by it that nothing may follow. */
static uint64_t bytes_up_to(const plan *p, const row *r) {
  uint64_t more;
  if (r->skip == 0) return r->at;
  if (p->setting.container == &mst_container_bgzf) return mst_min_u64(p->size - 1, r->at + BGZF_BLOCK_SLACK);
  more = mst_min_u64(scale(r->skip, p->size, p->bytes), p->size);
  return mst_min_u64(p->size - 1, r->at + more + more / 4 + SLACK);
}

static mst_part_mark mark_at(const plan *p, const row *from, const row *r) {
  return (mst_part_mark){
      .plain = r->plain, .at = bytes_up_to(p, r), .crc = mst_crc32_tail(r->crc, from->crc, r->plain - from->plain)};
}

static mst_part make_part(const plan *p, const place *begin, const place *end) {
  const row *from = &begin->in_front, *to = end->exact ? &end->in_front : &end->behind;
  mst_part part = {.kind = p->unit == NULL ? MST_PART_RECORDS : MST_PART_CUT,
                   .unit = p->unit,
                   .place = p->begin_own,
                   .record = from->record,
                   .plain = from->plain,
                   .at = from->at,
                   .skip = from->skip,
                   .bits = from->bits,
                   .has_window = from->window_size > 0,
                   .window_at = from->window_at,
                   .window_size = from->window_size,
                   .search_first = !begin->exact,
                   .search_last = !end->exact,
                   .first = begin->value,
                   .last = end->value};
  part.to = mark_at(p, from, to);
  if (part.search_last) {
    part.mid = mark_at(p, from, &end->in_front);
    part.guess_first = begin->guess;
    part.guess_last = end->guess;
  }
  return part;
}

static mst_status give_part(plan *p, const place *end, mst_step *out, mst_error *err) {
  const mst_part part = make_part(p, &p->begin, end);
  const bool exact = p->begin.exact && end->exact;
  out->kind = MST_STEP_PART;
  out->part_records = p->unit == NULL ? end->value - p->begin.value : UINT64_MAX;
  out->part_bytes = exact ? end->in_front.plain - p->begin.in_front.plain : UINT64_MAX;
  return mst_part_to_json(&part, &out->part, err);
}

static place end_place(const plan *p) {
  const row end = object_end(p);
  return (place){.value = p->unit == NULL ? p->records : p->bytes,
                 .exact = true,
                 .in_front = end,
                 .behind = end,
                 .guess = p->bytes};
}

/* At the object's beginning, or behind damage. */
static mst_status begin_slice(plan *p, bool *found, mst_error *err) {
  const uint64_t plain = p->next_hole > 0 ? p->holes[p->next_hole - 1].end : 0;
  *found = find_rows(p, false, plain, &p->begin.in_front, &p->begin.behind);
  if (!*found) return MST_OK;
  if (p->begin.in_front.plain != plain && !(p->n_holes > 0 && p->holes[0].begin == 0))
    return bad_index(p, "no row where records begin", err);
  p->begin.value = p->unit == NULL ? p->begin.in_front.record : p->begin.in_front.plain;
  p->begin.guess = p->begin.in_front.plain;
  p->begin.exact = p->have_begin = true;
  return MST_OK;
}

static mst_status step_plan(plan *p, const mst_given *given, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  place end = {0};
  bool found, at_end, at_hole, empty;
  if (given != NULL) MST_TRY(take_rows(p, given, err));
  if (p->ended || p->bytes == 0) {
    out->kind = MST_STEP_DONE;
    return MST_OK;
  }
  for (;;) {
    if (!p->have_begin) MST_TRY(begin_slice(p, &found, err));
    if (!p->have_begin || !next_border(p, &end, &at_end)) goto ask;
    if (at_end) end = end_place(p);
    at_hole = stop_at_hole(p, &end);
    empty = end.in_front.plain <= p->begin.in_front.plain && at_hole;
    if (!empty) MST_TRY(give_part(p, &end, out, err));
    p->begin = end;
    json_decref(p->begin_own);
    p->begin_own = json_incref(end.in_front.own);
    p->have_begin = !at_hole;
    p->next += !at_hole;
    p->ended = at_hole ? p->holes[p->next_hole].end >= p->bytes : at_end;
    p->next_hole += at_hole;
    if (!empty || p->ended) break;
  }
  if (empty) out->kind = MST_STEP_DONE;
done:
  return status;
ask:
  out->kind = MST_STEP_ROWS;
  out->row_group = p->wanted_group;
  return MST_OK;
}

/* ---- the machine ------------------------------------------------------------------------------------------------- */

static mst_status plan_step(mst_machine *m, const mst_given *given, mst_step *out, mst_error *err) {
  plan *p = (plan *)m;
  return mst_error_name(err, step_plan(p, given, out, err), p->job->name);
}

static void plan_close(mst_machine *m) {
  plan *p = (plan *)m;
  for (size_t i = 0; i < GROUPS_HELD; i++) free_group(p, &p->groups[i]);
  json_decref(p->begin_own);
  mst_free(p->job->mem, p->holes);
  mst_free(p->job->mem, p);
}

static mst_status get_totals(plan *p, mst_error *err) {
  const json_t *facts = p->job->facts;
  mst_status status = MST_OK;
  uint64_t crc = 0, checkpoints = 0;
  bool complete = json_object_get(facts, "records") != NULL && json_object_get(facts, "plain_bytes") != NULL &&
                  json_object_get(facts, "plain_crc") != NULL;
  if (!complete)
    return mst_fail(err, MST_E_NOT_FOUND, "%s has no index; make one with: meseta index %s", p->job->name,
                    p->job->name);
  MST_TRY(mst_json_get_u64(facts, "records", "facts", &p->records, err));
  MST_TRY(mst_json_get_u64(facts, "plain_bytes", "facts", &p->bytes, err));
  MST_TRY(mst_json_get_u64(facts, "plain_crc", "facts", &crc, err));
  MST_TRY(mst_json_get_u64(facts, "checkpoints", "facts", &checkpoints, err));
  if (crc > UINT32_MAX || p->records > p->bytes || checkpoints != p->job->index_rows ||
      (p->bytes > 0 && p->job->n_groups == 0 && p->records > 0))
    return bad_index(p, "its facts contradict each other or its rows", err);
  for (size_t g = 0; g < p->job->n_groups; g++)
    if (p->job->group_first_record[g] < 0 || p->job->group_first_plain[g] < 0 ||
        p->job->group_first_row[g] >= p->job->index_rows ||
        (g > 0 && p->job->group_first_row[g] <= p->job->group_first_row[g - 1]))
      return bad_index(p, "its row groups are out of order", err);
  p->crc = (uint32_t)crc;
  p->damaged = json_array_size(json_object_get(facts, "damage")) > 0;
  MST_TRY(mst_holes_get(p->job, p->bytes, &p->holes, &p->n_holes, err));
done:
  return status;
}

static bool listed(const char *const *list, const char *name) {
  for (; list != NULL && *list != NULL; list++)
    if (mst_text_equal(*list, name)) return true;
  return false;
}

/* Slices by records, or by plain bytes: at most as many as there are things to share out. */
static mst_status set_sharing(plan *p, const mst_plan_query *q, mst_error *err) {
  const uint64_t things = p->unit == NULL ? p->records : p->bytes;
  const uint64_t slice_bytes = q->slice_bytes > 0 ? q->slice_bytes : SLICE_BYTES_DEFAULT;
  const int asked = (q->slices > 0) + (q->slice_bytes > 0) + (q->slice_records > 0);
  if (asked > 1)
    return mst_fail(err, MST_E_ARGUMENT, "ask for slices by number, by size or by records, not for more than one");
  if (q->slice_records > 0 && p->unit != NULL)
    return mst_fail(err, MST_E_ARGUMENT, "the strategy \"%s\" does not count records", p->unit);
  p->slice_records = q->slice_records;
  if (q->slice_records == 0) {
    p->n_slices = q->slices > 0 ? q->slices : p->bytes / slice_bytes + (p->bytes % slice_bytes > 0);
    p->n_slices = mst_max_u64(1, mst_min_u64(p->n_slices, things));
  }
  return MST_OK;
}

/* A query that only the record format itself can answer. */
static bool is_own(const mst_record_ops *ops, const mst_plan_query *q) {
  const bool by_records = q->strategy == NULL || mst_text_equal(q->strategy, ops->format->strategies[0]);
  return q->region != NULL || q->where != NULL || json_object_size(q->options) > 0 ||
         (!by_records && !listed(ops->units, q->strategy));
}

static mst_status check_query(const mst_record_ops *ops, const mst_plan_query *q, mst_error *err) {
  if (q->strategy != NULL && !listed(ops->format->strategies, q->strategy))
    return mst_fail(err, MST_E_ARGUMENT, "%s has no strategy \"%.40s\"; it has \"%s\"%s", ops->format->name,
                    q->strategy, ops->format->strategies[0],
                    ops->format->strategies[1] != NULL ? " and others (meseta formats)" : "");
  if (is_own(ops, q) && ops->plan_own == NULL)
    return mst_fail(err, MST_E_ARGUMENT, "%s knows no regions, conditions or further options", ops->format->name);
  return MST_OK;
}

mst_status mst_records_plan(const mst_job *job, const mst_plan_query *query, mst_machine **out, mst_error *err) {
  static const mst_machine_ops ops = {.step = plan_step, .close = plan_close};
  mst_status status = MST_OK;
  mst_setting setting;
  plan *p = NULL;
  MST_TRY(mst_setting_of(job, &setting, err));
  MST_TRY(check_query(setting.ops, query, err));
  if (is_own(setting.ops, query)) return setting.ops->plan_own(job, query, out, err);
  MST_TRY_ALLOC(p = mst_alloc_zero(job->mem, 1, sizeof *p));
  p->machine.ops = &ops;
  p->job = job;
  p->setting = setting;
  p->size = job->members[0].size;
  for (size_t i = 0; i < GROUPS_HELD; i++) p->groups[i].number = NO_GROUP;
  for (size_t i = 0; setting.ops->units != NULL && setting.ops->units[i] != NULL; i++)
    if (mst_text_equal(setting.ops->units[i], query->strategy)) p->unit = setting.ops->units[i];
  MST_TRY(get_totals(p, err));
  MST_TRY(set_sharing(p, query, err));
  *out = &p->machine;
  p = NULL;
done:
  if (p != NULL) plan_close(&p->machine);
  return status;
}
