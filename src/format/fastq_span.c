/* format/fastq_span.c - what a span of a FASTQ object says of the reads that its borders cut, so that a read which two
 * pieces share is checked as strictly as one that lies in one piece.
 *
 * Owns: nothing. May call: base, codec. */
#include "codec/codec.h"
#include "format/fastq.h"

static bool same_text(const mst_fastq_text *a, const mst_fastq_text *b) {
  return a->size == b->size && a->crc == b->crc;
}

const char *mst_fastq_fault(const mst_fastq_part *read, char text[160]) {
  if (read->bases != read->qualities)
    snprintf(text, 160, "has %llu bases but %llu qualities", (unsigned long long)read->bases,
             (unsigned long long)read->qualities);
  else if (read->again.size > 0 && !same_text(&read->again, &read->title) && !same_text(&read->again, &read->name))
    snprintf(text, 160, "has another title behind '+' (%llu bytes) than behind '@' (%llu bytes)",
             (unsigned long long)read->again.size, (unsigned long long)read->title.size);
  else return NULL;
  return text;
}

/* ---- encoding ------------------------------------------------------------------------------------------------- */

static mst_status part_encode(const mst_fastq_part *p, mst_buf *out, mst_error *err) {
  const uint64_t numbers[] = {p->bases,     p->qualities, p->title.size, p->title.crc,
                              p->name.size, p->name.crc,  p->again.size, p->again.crc};
  mst_status status = MST_OK;
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) MST_TRY(mst_buf_put_u64(out, numbers[i], err));
done:
  return status;
}

static mst_fastq_text text_decode(mst_cursor *c) {
  mst_fastq_text t;
  t.size = mst_cursor_u64(c);
  t.crc = (uint32_t)mst_cursor_u64(c);
  return t;
}

static mst_fastq_part part_decode(mst_cursor *c) {
  mst_fastq_part p;
  p.bases = mst_cursor_u64(c);
  p.qualities = mst_cursor_u64(c);
  p.title = text_decode(c);
  p.name = text_decode(c);
  p.again = text_decode(c);
  return p;
}

enum { HAS_HEAD = 1, HAS_TAIL = 2, HAS_FAULT = 4 };

static bool part_empty(const mst_fastq_part *p) {
  return (p->bases | p->qualities | p->title.size | p->again.size) == 0;
}

mst_status mst_fastq_span_encode(const mst_fastq_span *s, mst_buf *out, mst_error *err) {
  const bool head = !part_empty(&s->head), tail = s->begun > 0;
  mst_status status = MST_OK;
  MST_TRY(mst_buf_put_byte(out, (uint8_t)((head ? HAS_HEAD : 0) | (tail ? HAS_TAIL : 0) | (s->faulty ? HAS_FAULT : 0)),
                           err));
  MST_TRY(mst_buf_put_u64(out, s->bases, err));
  MST_TRY(mst_buf_put_u64(out, s->begun, err));
  if (head) MST_TRY(part_encode(&s->head, out, err));
  if (tail) {
    MST_TRY(part_encode(&s->tail, out, err));
    MST_TRY(mst_buf_put_u64(out, s->tail_at, err));
  }
  if (s->faulty) {
    MST_TRY(part_encode(&s->fault, out, err));
    MST_TRY(mst_buf_put_u64(out, s->fault_at, err));
    MST_TRY(mst_buf_put_u64(out, s->fault_read, err));
  }
done:
  return status;
}

mst_status mst_fastq_span_decode(const mst_bytes *in, mst_fastq_span *out, mst_error *err) {
  mst_cursor c = mst_cursor_over(in->data, in->size);
  mst_fastq_span s = {0};
  if (in->size > 0) {
    const unsigned flags = mst_cursor_u8(&c);
    s.bases = mst_cursor_u64(&c);
    s.begun = mst_cursor_u64(&c);
    if ((flags & HAS_HEAD) != 0) s.head = part_decode(&c);
    if ((flags & HAS_TAIL) != 0) {
      s.tail = part_decode(&c);
      s.tail_at = mst_cursor_u64(&c);
    }
    if ((flags & HAS_FAULT) != 0) {
      s.faulty = true;
      s.fault = part_decode(&c);
      s.fault_at = mst_cursor_u64(&c);
      s.fault_read = mst_cursor_u64(&c);
    }
    if (c.failed || mst_cursor_left(&c) != 0 || ((flags & HAS_TAIL) != 0) != (s.begun > 0))
      return mst_fail(err, MST_E_CORRUPT, "a partial index of a FASTQ object has a malformed summary of %zu bytes",
                      in->size);
  }
  *out = s;
  return MST_OK;
}

/* ---- joining -------------------------------------------------------------------------------------------------- */

static mst_fastq_text text_join(const mst_fastq_text *l, const mst_fastq_text *r) {
  return (mst_fastq_text){.size = l->size + r->size, .crc = mst_crc32_combine(l->crc, r->crc, r->size)};
}

static mst_fastq_part part_join(const mst_fastq_part *l, const mst_fastq_part *r) {
  return (mst_fastq_part){
      .bases = l->bases + r->bases,
      .qualities = l->qualities + r->qualities,
      .title = text_join(&l->title, &r->title),
      /* The first word goes on unless a blank has ended it. */
      .name = l->name.size == l->title.size ? text_join(&l->name, &r->name) : l->name,
      .again = text_join(&l->again, &r->again),
  };
}

static void set_fault(mst_fastq_span *s, const mst_fastq_part *read, uint64_t at, uint64_t number) {
  if (s->faulty) return;
  s->faulty = true;
  s->fault = *read;
  s->fault_at = at;
  s->fault_read = number;
}

mst_status mst_fastq_join(const mst_bytes *left, uint64_t left_bytes, uint64_t left_records, const mst_bytes *right,
                          mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_fastq_span l, r, s;
  char text[160];
  (void)left_records; /* pairs count once there, reads here */
  MST_TRY(mst_fastq_span_decode(left, &l, err));
  MST_TRY(mst_fastq_span_decode(right, &r, err));
  s = l;
  s.bases += r.bases;
  s.begun += r.begun;
  if (l.begun > 0) {
    s.tail = part_join(&l.tail, &r.head);
    if (r.begun > 0 && mst_fastq_fault(&s.tail, text) != NULL) set_fault(&s, &s.tail, l.tail_at, l.begun - 1);
  } else {
    s.head = part_join(&l.head, &r.head);
  }
  if (r.begun > 0) {
    s.tail = r.tail;
    s.tail_at = left_bytes + r.tail_at;
  }
  if (r.faulty) set_fault(&s, &r.fault, left_bytes + r.fault_at, l.begun + r.fault_read);
  MST_TRY(mst_fastq_span_encode(&s, out, err));
done:
  return status;
}

mst_status mst_fastq_final_facts(const mst_bytes *all, json_t *facts, mst_error *err) {
  mst_fastq_span s;
  char text[160];
  const mst_status status = mst_fastq_span_decode(all, &s, err);
  if (status != MST_OK) return status;
  if (s.begun > 0 && mst_fastq_fault(&s.tail, text) != NULL) set_fault(&s, &s.tail, s.tail_at, s.begun - 1);
  if (s.faulty)
    return mst_fail_at(err, MST_E_CORRUPT, s.fault_at, "read %llu %s", (unsigned long long)s.fault_read,
                       mst_fastq_fault(&s.fault, text));
  return mst_json_set_u64(facts, "bases", s.bases, err);
}
