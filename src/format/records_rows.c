/* format/records_rows.c - see records_rows.h. Owns nothing. May call: base, column, codec's CRC. */
#include "format/records_rows.h"

#include "codec/codec.h"

enum { BGZF_BLOCK_SLACK = 64 << 10, SLACK = 4 << 10 };

static mst_status bad_index(const mst_job *job, const char *what, mst_error *err) {
  return mst_fail(err, MST_E_CORRUPT, "the index of %s is broken: %s", job->name, what);
}

mst_status mst_rows_open(const mst_job *job, const mst_setting *setting, const mst_given *given, mst_rows *out,
                         mst_error *err) {
  const struct ArrowSchema *s = given->schema;
  const struct ArrowArray *a = given->rows;
  mst_status status = MST_OK;
  mst_rows r = {.job = job, .windows = setting->windows};
  if (s == NULL || a == NULL) return mst_fail(err, MST_E_INTERNAL, "index rows were asked for and not given");
  r.n = a->length;
  MST_TRY(mst_batch_column(s, a, "record", "l", &r.record, err));
  MST_TRY(mst_batch_column(s, a, "plain", "l", &r.plain, err));
  MST_TRY(mst_batch_column(s, a, "at", "l", &r.at, err));
  MST_TRY(mst_batch_column(s, a, "bits", "c", &r.bits, err));
  MST_TRY(mst_batch_column(s, a, "skip", "l", &r.skip, err));
  MST_TRY(mst_batch_column(s, a, "starts", "b", &r.starts, err));
  MST_TRY(mst_batch_column(s, a, "crc", "l", &r.crc, err));
  if (r.windows) {
    MST_TRY(mst_batch_column(s, a, "window_at", "l", &r.window_at, err));
    MST_TRY(mst_batch_column(s, a, "window_size", "l", &r.window_size, err));
  }
  *out = r;
done:
  return status;
}

mst_status mst_rows_get(const mst_rows *rows, int64_t i, mst_row *out, mst_error *err) {
  const int64_t numbers[] = {mst_view_i64(&rows->record, i), mst_view_i64(&rows->plain, i),
                             mst_view_i64(&rows->at, i),     mst_view_i64(&rows->bits, i),
                             mst_view_i64(&rows->skip, i),   mst_view_i64(&rows->crc, i)};
  mst_row r;
  for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
    if (numbers[k] < 0) return bad_index(rows->job, "a negative number", err);
  r = (mst_row){.record = (uint64_t)numbers[0],
                .plain = (uint64_t)numbers[1],
                .at = (uint64_t)numbers[2],
                .bits = (uint8_t)numbers[3],
                .skip = (uint64_t)numbers[4],
                .crc = (uint32_t)numbers[5],
                .starts = mst_view_i64(&rows->starts, i) != 0};
  if (rows->windows && !mst_view_null(&rows->window_size, i)) {
    r.window_at = (uint64_t)mst_view_i64(&rows->window_at, i);
    r.window_size = (uint64_t)mst_view_i64(&rows->window_size, i);
  }
  if (r.at > rows->job->members[0].size || r.skip > r.plain || numbers[3] > 7)
    return bad_index(rows->job, "an impossible place", err);
  *out = r;
  return MST_OK;
}

mst_status mst_holes_get(const mst_job *job, uint64_t bytes, mst_hole **out, size_t *n, mst_error *err) {
  mst_status status = MST_OK;
  json_t *list = NULL;
  mst_hole *holes = NULL;
  uint64_t before = 0;
  MST_TRY(mst_json_get_array(job->facts, "holes", "facts", &list, err));
  *n = 0;
  if (json_array_size(list) == 0) goto done;
  MST_TRY_ALLOC(holes = mst_alloc_array(job->mem, json_array_size(list), sizeof *holes));
  for (; *n < json_array_size(list); ++*n) {
    const json_t *numbers = json_array_get(list, *n);
    uint64_t v[4];
    for (size_t i = 0; i < 4; i++) {
      const json_int_t number = json_integer_value(json_array_get(numbers, i));
      if (number < 0 || json_array_size(numbers) != 4) MST_TRY(bad_index(job, "a damaged place that is none", err));
      v[i] = (uint64_t)number;
    }
    if (v[1] < before || v[3] <= v[1] || v[3] > bytes) MST_TRY(bad_index(job, "damaged places out of order", err));
    holes[*n] = (mst_hole){.record = v[0], .begin = v[1], .crc = (uint32_t)v[2], .end = v[3]};
    before = v[3];
  }
  *out = holes;
  holes = NULL;
done:
  mst_free(job->mem, holes);
  return status;
}

void mst_end_at_hole(const mst_job *job, const mst_hole *holes, size_t n, const mst_row *in_front, mst_row *behind) {
  for (size_t i = 0; i < n; i++)
    if (holes[i].begin >= in_front->plain && holes[i].end == behind->plain)
      *behind = (mst_row){.record = holes[i].record,
                          .plain = holes[i].begin,
                          .at = mst_min_u64(behind->at, job->members[0].size - 1),
                          .crc = holes[i].crc};
}

mst_status mst_rows_end(const mst_job *job, mst_row *out, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t crc = 0;
  mst_row r = {.at = job->members[0].size};
  /* What follows the last whole byte is nobody's. */
  if (json_array_size(json_object_get(job->facts, "damage")) > 0 && r.at > 0) r.at--;
  if (json_object_get(job->facts, "records") == NULL || json_object_get(job->facts, "plain_bytes") == NULL)
    return mst_fail(err, MST_E_NOT_FOUND, "%s has no index; make one with: meseta index %s", job->name, job->name);
  MST_TRY(mst_json_get_u64(job->facts, "records", "facts", &r.record, err));
  MST_TRY(mst_json_get_u64(job->facts, "plain_bytes", "facts", &r.plain, err));
  MST_TRY(mst_json_get_u64(job->facts, "plain_crc", "facts", &crc, err));
  if (crc > UINT32_MAX) return bad_index(job, "\"plain_crc\" is no CRC-32", err);
  r.crc = (uint32_t)crc;
  *out = r;
done:
  return status;
}

/* About how many of the object's bytes must be read to decode up to row r: its restart lies `skip` plain bytes in front
 * of it. */
static uint64_t bytes_up_to(const mst_job *job, const mst_setting *setting, const mst_row *r) {
  const uint64_t size = job->members[0].size;
  uint64_t plain = 0, more;
  if (r->skip == 0) return r->at;
  if (setting->container == &mst_container_bgzf) return mst_min_u64(size - 1, r->at + BGZF_BLOCK_SLACK);
  (void)mst_json_get_u64(job->facts, "plain_bytes", "facts", &plain, NULL);
  more = (uint64_t)((unsigned __int128)r->skip * size / mst_max_u64(plain, 1));
  return mst_min_u64(size - 1, r->at + mst_min_u64(more + more / 4 + SLACK, size));
}

mst_part mst_part_between(const mst_job *job, const mst_setting *setting, const mst_row *from, const mst_row *to) {
  return (mst_part){.kind = MST_PART_RECORDS,
                    .record = from->record,
                    .plain = from->plain,
                    .at = from->at,
                    .skip = from->skip,
                    .bits = from->bits,
                    .has_window = from->window_size > 0,
                    .window_at = from->window_at,
                    .window_size = from->window_size,
                    .to = {.plain = to->plain,
                           .at = bytes_up_to(job, setting, to),
                           .crc = mst_crc32_tail(to->crc, from->crc, to->plain - from->plain)}};
}
