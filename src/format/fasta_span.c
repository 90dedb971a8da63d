/* format/fasta_span.c - what a span of a FASTA object says of its records: how spans are joined, and what of them the
 * index keeps. Names may be cut anywhere, so a span also tells with which bytes the name in front of it goes on.
 *
 * Owns: nothing. May call: base, column. */
#include "format/fasta.h"

/* ---- names ---------------------------------------------------------------------------------------------------- */

uint32_t mst_fasta_hash(const uint8_t *name, size_t n) {
  uint32_t hash = UINT32_C(2166136261);
  for (size_t i = 0; i < n && i < MST_FASTA_NAME_KEPT; i++) hash = (hash ^ name[i]) * UINT32_C(16777619);
  return hash;
}

static void name_add(mst_fasta_name *name, const uint8_t *token, size_t n) {
  const size_t taken = mst_min_size(n, MST_FASTA_NAME_KEPT - (size_t)name->size);
  if (taken > 0) memcpy(name->text + name->size, token, taken);
  name->size = (uint8_t)(name->size + taken);
}

void mst_fasta_name_feed(mst_fasta_name *name, const uint8_t *data, size_t n) {
  size_t i = 0, begin;
  if (name->phase == MST_FASTA_NAME_BEFORE) {
    while (i < n && mst_fasta_blank(data[i])) i++;
    name->blank = name->blank || i > 0;
    if (i < n) name->phase = MST_FASTA_NAME_IN;
  }
  if (name->phase != MST_FASTA_NAME_IN) return;
  begin = i;
  while (i < n && !mst_fasta_blank(data[i])) i++;
  name_add(name, data + begin, i - begin);
  if (i < n) name->phase = MST_FASTA_NAME_DONE;
}

/* A name goes on with what the span behind it begins with. */
static void name_go_on(mst_fasta_name *name, const mst_fasta_name *more) {
  if (name->phase == MST_FASTA_NAME_DONE) return;
  if (name->phase == MST_FASTA_NAME_IN && more->blank) {
    name->phase = MST_FASTA_NAME_DONE;
    return;
  }
  name_add(name, more->text, more->size);
  name->blank = name->blank || more->blank;
  if (more->phase != MST_FASTA_NAME_BEFORE) name->phase = more->phase;
}

/* ---- encoding ------------------------------------------------------------------------------------------------- */

static uint8_t name_flags(const mst_fasta_name *name) {
  return (uint8_t)((unsigned)name->phase | (name->blank ? 4u : 0));
}

static bool name_set(mst_fasta_name *name, uint8_t flags, uint8_t size) {
  *name = (mst_fasta_name){.phase = (mst_fasta_phase)(flags & 3), .blank = (flags & 4) != 0, .size = size};
  return flags < 8 && (flags & 3) <= MST_FASTA_NAME_DONE;
}

mst_status mst_fasta_span_encode(const mst_fasta_span *s, mst_buf *out, mst_error *err) {
  const uint8_t fixed[4] = {name_flags(&s->head), s->head.size, name_flags(&s->tail), s->tail.size};
  const uint64_t numbers[] = {s->residues, s->begun, s->head_residues, s->last_header, s->tail_residues};
  mst_status status = MST_OK;
  MST_TRY(mst_buf_put(out, fixed, sizeof fixed, err));
  MST_TRY(mst_buf_put(out, s->head.text, s->head.size, err));
  MST_TRY(mst_buf_put(out, s->tail.text, s->tail.size, err));
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) MST_TRY(mst_buf_put_u64(out, numbers[i], err));
  MST_TRY(mst_buf_put_u64(out, s->n_hashes, err));
  MST_TRY(mst_buf_put(out, s->hashes, (size_t)s->n_hashes * 4, err));
done:
  return status;
}

mst_status mst_fasta_span_decode(const mst_bytes *in, mst_fasta_span *out, mst_error *err) {
  mst_cursor c = mst_cursor_over(in->data, in->size);
  mst_fasta_span s = {0};
  const uint8_t *text;
  uint8_t fixed[4];
  bool sane;
  if (in->size == 0) {
    *out = s;
    return MST_OK;
  }
  for (size_t i = 0; i < sizeof fixed; i++) fixed[i] = mst_cursor_u8(&c);
  sane = name_set(&s.head, fixed[0], fixed[1]);
  sane = name_set(&s.tail, fixed[2], fixed[3]) && sane;
  text = mst_cursor_take(&c, s.head.size);
  if (text != NULL && s.head.size > 0) memcpy(s.head.text, text, s.head.size);
  text = mst_cursor_take(&c, s.tail.size);
  if (text != NULL && s.tail.size > 0) memcpy(s.tail.text, text, s.tail.size);
  s.residues = mst_cursor_u64(&c);
  s.begun = mst_cursor_u64(&c);
  s.head_residues = mst_cursor_u64(&c);
  s.last_header = mst_cursor_u64(&c);
  s.tail_residues = mst_cursor_u64(&c);
  s.n_hashes = mst_cursor_u64(&c);
  sane = sane && s.n_hashes <= s.begun && s.n_hashes <= MST_FASTA_NAMES_MAX;
  if (sane) s.hashes = mst_cursor_take(&c, (size_t)s.n_hashes * 4);
  if (!sane || c.failed || mst_cursor_left(&c) != 0)
    return mst_fail(err, MST_E_CORRUPT, "a partial index of a FASTA object has a malformed summary of %zu bytes",
                    in->size);
  *out = s;
  return MST_OK;
}

/* ---- joining -------------------------------------------------------------------------------------------------- */

/* Everything but the hashes. */
static mst_fasta_span joined(const mst_fasta_span *l, uint64_t left_bytes, const mst_fasta_span *r) {
  mst_fasta_span s = {.residues = l->residues + r->residues, .begun = l->begun + r->begun};
  s.head = l->head;
  s.head_residues = l->head_residues;
  if (l->begun == 0) {
    name_go_on(&s.head, &r->head);
    s.head_residues += r->head_residues;
  }
  if (r->begun > 0) {
    s.last_header = left_bytes + r->last_header;
    s.tail_residues = r->tail_residues;
    s.tail = r->tail;
  } else if (l->begun > 0) {
    s.last_header = l->last_header;
    s.tail_residues = l->tail_residues + r->head_residues;
    s.tail = l->tail;
    name_go_on(&s.tail, &r->head);
  }
  return s;
}

/* The left side's last name, which may go on in the right side. */
static uint32_t left_last_hash(const mst_fasta_span *l, const mst_fasta_span *r) {
  mst_fasta_name tail = l->tail;
  name_go_on(&tail, &r->head);
  return mst_fasta_hash(tail.text, tail.size);
}

mst_status mst_fasta_join(const mst_bytes *left, uint64_t left_bytes, uint64_t left_records, const mst_bytes *right,
                          mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_fasta_span l, r, s;
  mst_buf hashes;
  (void)left_records;
  mst_buf_init(&hashes, out->mem, (size_t)MST_FASTA_NAMES_MAX * 4);
  MST_TRY(mst_fasta_span_decode(left, &l, err));
  MST_TRY(mst_fasta_span_decode(right, &r, err));
  s = joined(&l, left_bytes, &r);
  if (s.begun <= MST_FASTA_NAMES_MAX && l.n_hashes == l.begun && r.n_hashes == r.begun) {
    MST_TRY(mst_buf_reserve(&hashes, (size_t)s.begun * 4, err));
    if (l.begun > 0) {
      MST_TRY(mst_buf_put(&hashes, l.hashes, (size_t)(l.begun - 1) * 4, err));
      MST_TRY(mst_buf_put_u32(&hashes, left_last_hash(&l, &r), err));
    }
    MST_TRY(mst_buf_put(&hashes, r.hashes, (size_t)r.begun * 4, err));
    s.hashes = hashes.data;
    s.n_hashes = s.begun;
  }
  MST_TRY(mst_fasta_span_encode(&s, out, err));
done:
  mst_buf_free(&hashes);
  return status;
}

mst_status mst_fasta_carry(const mst_bytes *left, uint64_t left_bytes, uint64_t left_records, const mst_bytes *right,
                           mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_fasta_span l, r, s;
  (void)left_records;
  MST_TRY(mst_fasta_span_decode(left, &l, err));
  MST_TRY(mst_fasta_span_decode(right, &r, err));
  s = joined(&l, left_bytes, &r);
  MST_TRY(mst_fasta_span_encode(&s, out, err));
done:
  return status;
}

/* ---- index ---------------------------------------------------------------------------------------------------- */

/* The record that is open right in front of the checkpoint: the plain offset of its '>', how many of its residues lie
 * in front, its name (null when it is long or no UTF-8). Then the hashes of the names of the records that begin from
 * here to the next checkpoint (null when there are too many). */
enum { HEADER, RESIDUE, NAME, NAMES, NAME_MAX_TOLD = 200 };
const mst_field mst_fasta_columns[MST_FASTA_COLUMNS] = {
    {.name = "header", .format = "l", .nullable = true},
    {.name = "residue", .format = "l", .nullable = true},
    {.name = "name", .format = "u", .nullable = true},
    {.name = "names", .format = "z", .nullable = true},
};

static mst_status put_name(mst_builder *column, const mst_fasta_name *name, mst_error *err) {
  const bool told = name->size <= NAME_MAX_TOLD && mst_utf8_valid(name->text, name->size, NULL);
  return told ? mst_builder_bytes(column, name->text, name->size, err) : mst_builder_null(column, err);
}

mst_status mst_fasta_put_columns(const mst_allocator *mem, const mst_bytes *before, uint64_t plain, uint64_t record,
                                 const mst_bytes *span, mst_builder *const *columns, mst_error *err) {
  mst_status status = MST_OK;
  mst_fasta_span open, here;
  (void)mem, (void)plain, (void)record;
  MST_TRY(mst_fasta_span_decode(before, &open, err));
  MST_TRY(mst_fasta_span_decode(span, &here, err));
  if (open.begun > 0) {
    MST_TRY(mst_builder_i64(columns[HEADER], (int64_t)open.last_header, err));
    MST_TRY(mst_builder_i64(columns[RESIDUE], (int64_t)open.tail_residues, err));
    MST_TRY(put_name(columns[NAME], &open.tail, err));
  } else {
    for (size_t i = HEADER; i <= NAME; i++) MST_TRY(mst_builder_null(columns[i], err));
  }
  if (here.n_hashes == here.begun)
    MST_TRY(mst_builder_bytes(columns[NAMES], here.hashes, (size_t)here.n_hashes * 4, err));
  else MST_TRY(mst_builder_null(columns[NAMES], err));
done:
  return status;
}

mst_status mst_fasta_row_place(const struct ArrowSchema *schema, const struct ArrowArray *rows, int64_t i, json_t **out,
                               mst_error *err) {
  mst_status status = MST_OK;
  mst_view residue, name;
  json_t *place = NULL;
  size_t n;
  MST_TRY(mst_batch_column(schema, rows, "residue", "l", &residue, err));
  MST_TRY(mst_batch_column(schema, rows, "name", "u", &name, err));
  if (!mst_view_null(&residue, i)) {
    MST_TRY_ALLOC(place = json_object());
    MST_TRY(mst_json_set(place, "residue", json_integer(mst_view_i64(&residue, i)), err));
    if (!mst_view_null(&name, i)) {
      const uint8_t *text = mst_view_bytes(&name, i, &n);
      json_t *value = n <= NAME_MAX_TOLD ? json_stringn((const char *)text, n) : NULL;
      if (value != NULL) MST_TRY(mst_json_set(place, "record", value, err));
    }
  }
  *out = place;
  place = NULL;
done:
  json_decref(place);
  return status;
}

mst_status mst_fasta_final_facts(const mst_bytes *all, json_t *facts, mst_error *err) {
  mst_fasta_span s;
  const mst_status status = mst_fasta_span_decode(all, &s, err);
  return status != MST_OK ? status : mst_json_set_u64(facts, "residues", s.residues, err);
}
