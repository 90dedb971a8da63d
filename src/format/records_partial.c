/* format/records_partial.c - pieces as bytes that travel between machines, and the merge of two neighbours.
 * docs/specification/partial.md describes the layout. What comes in is hostile and checked in full before it is used.
 * May call: base, codec's CRC, the chains of records_piece.h. */
#include "codec/codec.h"
#include "format/records_piece.h"

#define MAGIC 0x5054534du /* "MSTP" */
enum {
  LAYOUT = 1,
  COVERED_FROM = 12,    /* what the checksum at 8 covers: all behind it  */
  FACTS_MAX = 64 << 20, /* a wide table names many columns                */
  WHY_MAX = 1024,
  WINDOW_MAX = 64 << 10,
  POINT_MIN = 1 + 8 + 8 + 4 + 4 /* bytes that the smallest point takes    */
};
enum { FLAG_CHECKPOINT = 1, FLAG_STARTS = 2, FLAG_LOST = 4 };
enum { CHAIN_OPEN = 0, CHAIN_JOINED = 1, CHAIN_DEAD = 2 };

/* ---- out ------------------------------------------------------------------------------------------------------- */

/* Tells partials of other objects, formats and settings apart. */
static mst_status setting_digest(const mst_job *job, uint32_t *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf text;
  const char *container = NULL;
  mst_buf_init(&text, job->mem, FACTS_MAX);
  MST_TRY(mst_json_get_text(job->facts, "container", "facts", &container, err));
  MST_TRY(mst_json_print(json_object_get(job->facts, "dialect"), &text, err));
  MST_TRY(mst_buf_printf(&text, err, "\n%s %u %s %llu %llu %d", job->format->name, (unsigned)job->format->version,
                         container == NULL ? "" : container, (unsigned long long)job->members[0].size,
                         (unsigned long long)job->spacing, (int)job->recover));
  *out = mst_crc32(0, text.data, text.size);
done:
  mst_buf_free(&text);
  return status;
}

static mst_status put_bytes(mst_buf *b, const void *data, size_t n, mst_error *err) {
  mst_status status = mst_buf_put_u32(b, (uint32_t)n, err);
  return status == MST_OK ? mst_buf_put(b, data, n, err) : status;
}

static mst_status put_span(mst_buf *b, const mst_stretch *s, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_buf_put_u64(b, s->records, err));
  MST_TRY(mst_buf_put_u64(b, s->bytes, err));
  MST_TRY(mst_buf_put_u32(b, s->crc, err));
  MST_TRY(put_bytes(b, s->extra.data, s->extra.size, err));
done:
  return status;
}

static mst_status put_point(mst_buf *b, const mst_point *p, mst_error *err) {
  mst_status status = MST_OK;
  const int flags =
      (p->checkpoint ? FLAG_CHECKPOINT : 0) | (p->starts ? FLAG_STARTS : 0) | (p->lost > 0 ? FLAG_LOST : 0);
  MST_TRY(mst_buf_put_byte(b, (uint8_t)flags, err));
  if (p->lost > 0) MST_TRY(mst_buf_put_u64(b, p->lost, err));
  MST_TRY(mst_buf_put_u64(b, p->at, err));
  MST_TRY(mst_buf_put_byte(b, p->bits, err));
  MST_TRY(mst_buf_put_u64(b, p->skip, err));
  MST_TRY(put_bytes(b, p->window.data, p->window.size, err));
  MST_TRY(put_span(b, &p->span, err));
done:
  return status;
}

static mst_status put_chain(mst_buf *b, const mst_chain *c, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_buf_put_byte(b, c->start, err));
  if (c->joined) {
    MST_TRY(mst_buf_put_byte(b, CHAIN_JOINED, err));
    MST_TRY(mst_buf_put_byte(b, (uint8_t)c->to_chain, err));
    MST_TRY(mst_buf_put_u64(b, c->to_point, err));
  } else if (c->dead != MST_OK) {
    MST_TRY(mst_buf_put_byte(b, CHAIN_DEAD, err));
    MST_TRY(mst_buf_put_byte(b, (uint8_t)-c->dead, err));
    MST_TRY(mst_buf_put_u64(b, c->dead_at, err));
    MST_TRY(put_bytes(b, c->why, strlen(c->why), err));
  } else {
    MST_TRY(mst_buf_put_byte(b, CHAIN_OPEN, err));
    MST_TRY(mst_buf_put_byte(b, c->end, err));
    MST_TRY(mst_buf_put_u64(b, c->wanted, err));
  }
  MST_TRY(mst_buf_put_u64(b, c->n, err));
  MST_TRY(put_span(b, &c->points[0].span, err));
  for (size_t i = 1; i < c->n; i++) MST_TRY(put_point(b, &c->points[i], err));
done:
  return status;
}

mst_status mst_piece_encode(const mst_job *job, const mst_piece *p, mst_bytes *out, mst_error *err) {
  mst_status status = MST_OK;
  uint32_t digest;
  mst_buf b;
  mst_buf_init(&b, job->mem, SIZE_MAX / 2);
  MST_TRY(setting_digest(job, &digest, err));
  MST_TRY(mst_buf_put_u32(&b, MAGIC, err));
  MST_TRY(mst_buf_put_u32(&b, LAYOUT, err));
  MST_TRY(mst_buf_put_u32(&b, 0, err));
  MST_TRY(mst_buf_put_u32(&b, digest, err));
  MST_TRY(mst_buf_put_u64(&b, p->from.offset, err));
  MST_TRY(mst_buf_put_u64(&b, p->from.part, err));
  MST_TRY(mst_buf_put_u64(&b, p->to.offset, err));
  MST_TRY(mst_buf_put_u64(&b, p->to.part, err));
  MST_TRY(mst_buf_put_u64(&b, p->decoded_from, err));
  MST_TRY(mst_buf_put_u64(&b, p->decoded_to, err));
  MST_TRY(mst_buf_put_u64(&b, p->bytes, err));
  if (p->facts == NULL || json_object_size(p->facts) == 0) {
    MST_TRY(mst_buf_put_u32(&b, 0, err));
  } else {
    const size_t at = b.size;
    MST_TRY(mst_buf_put_u32(&b, 0, err));
    MST_TRY(mst_json_print(p->facts, &b, err));
    mst_put_le32(b.data + at, (uint32_t)(b.size - at - 4));
  }
  MST_TRY(mst_buf_put_byte(&b, (uint8_t)p->n_chains, err));
  for (size_t i = 0; i < p->n_chains; i++) MST_TRY(put_chain(&b, &p->chains[i], err));
  mst_put_le32(b.data + 8, mst_crc32(0, b.data + COVERED_FROM, b.size - COVERED_FROM));
  MST_TRY(mst_buf_take(&b, out, err));
done:
  mst_buf_free(&b);
  return status;
}

/* ---- in -------------------------------------------------------------------------------------------------------- */

typedef struct reader {
  const mst_job *job;
  const mst_record_ops *ops;
  const mst_bytes *bytes;
  mst_cursor c;
} reader;

static mst_status bad(const reader *r, const char *what, mst_error *err) {
  return mst_fail_at(err, MST_E_CORRUPT, r->c.at, "partial: %s", what);
}

/* A part of the partial that shares its memory. */
static bool take_bytes(reader *r, size_t max, mst_bytes *out) {
  const size_t n = mst_cursor_u32(&r->c);
  const size_t at = r->c.at;
  if (r->c.failed || n > max || mst_cursor_take(&r->c, n) == NULL) return false;
  *out = n == 0 ? (mst_bytes){0} : mst_bytes_part(r->bytes, at, n);
  return true;
}

static mst_status take_span(reader *r, mst_stretch *out, mst_error *err) {
  out->records = mst_cursor_u64(&r->c);
  out->bytes = mst_cursor_u64(&r->c);
  out->crc = mst_cursor_u32(&r->c);
  if (!take_bytes(r, SIZE_MAX, &out->extra)) return bad(r, "it ends inside a span", err);
  if (out->records > out->bytes) return bad(r, "more records than bytes", err);
  return MST_OK;
}

static mst_status take_point(reader *r, mst_point *out, mst_error *err) {
  const uint8_t flags = mst_cursor_u8(&r->c);
  out->checkpoint = (flags & FLAG_CHECKPOINT) != 0;
  out->starts = (flags & FLAG_STARTS) != 0;
  if ((flags & FLAG_LOST) != 0) out->lost = mst_cursor_u64(&r->c);
  out->at = mst_cursor_u64(&r->c);
  out->bits = mst_cursor_u8(&r->c);
  out->skip = mst_cursor_u64(&r->c);
  if (!take_bytes(r, WINDOW_MAX, &out->window))
    return bad(r, "it ends inside a checkpoint, or a window is too large", err);
  if (flags > (FLAG_CHECKPOINT | FLAG_STARTS | FLAG_LOST) || (out->lost > 0 && !out->checkpoint) || out->bits > 7 ||
      out->at > r->job->members[0].size || out->skip > INT64_MAX)
    return bad(r, "a checkpoint outside its object", err);
  return take_span(r, &out->span, err);
}

static mst_status take_dead(reader *r, mst_piece *p, mst_chain *c, mst_error *err) {
  const int code = -(int)mst_cursor_u8(&r->c);
  const uint64_t at = mst_cursor_u64(&r->c);
  mst_status status = MST_OK;
  mst_bytes why = {0};
  size_t wrong;
  if (!take_bytes(r, WHY_MAX, &why)) return bad(r, "it ends inside a message", err);
  if (code >= MST_OK || code < MST_E_INTERNAL || !mst_utf8_valid(why.data, why.size, &wrong)) {
    status = bad(r, "an error that is none", err);
  } else {
    c->why = mst_text_copy_n(p->mem, (const char *)why.data, why.size);
    if (c->why == NULL) status = mst_fail_memory(err);
    c->dead = (mst_status)code;
    c->dead_at = at;
  }
  mst_bytes_release(&why);
  return status;
}

static mst_status take_points(reader *r, mst_piece *p, mst_chain *c, mst_error *err) {
  const uint64_t n = mst_cursor_u64(&r->c);
  mst_status status;
  if (r->c.failed || n == 0 || n - 1 > mst_cursor_left(&r->c) / POINT_MIN)
    return bad(r, "more checkpoints than bytes", err);
  status = take_span(r, &c->points[0].span, err);
  for (uint64_t i = 1; status == MST_OK && i < n; i++) {
    mst_point point = {0};
    status = take_point(r, &point, err);
    if (status == MST_OK) status = mst_chain_add(p->mem, c, &point, err);
    mst_point_clear(&point);
  }
  return status;
}

static mst_status take_chain(reader *r, mst_piece *p, mst_error *err) {
  const uint8_t start = mst_cursor_u8(&r->c), kind = mst_cursor_u8(&r->c);
  mst_chain *c;
  mst_status status;
  if (start >= r->ops->n_states || mst_piece_chain(p, start) != NULL)
    return bad(r, "a chain with an unknown state", err);
  status = mst_piece_add_chain(p, start, &c, err);
  if (status != MST_OK) return status;
  switch (kind) {
  case CHAIN_OPEN:
    c->end = mst_cursor_u8(&r->c);
    c->wanted = mst_cursor_u64(&r->c);
    if (c->end >= r->ops->n_states) return bad(r, "a chain with an unknown state", err);
    break;
  case CHAIN_JOINED:
    c->joined = true;
    c->to_chain = mst_cursor_u8(&r->c);
    c->to_point = (size_t)mst_cursor_u64(&r->c);
    break;
  case CHAIN_DEAD:
    status = take_dead(r, p, c, err);
    if (status != MST_OK) return status;
    break;
  default: return bad(r, "a chain of an unknown kind", err);
  }
  return take_points(r, p, c, err);
}

/* Joins lead to points that exist and end at a root, and every living chain covers the whole piece. */
static mst_status check_chains(const reader *r, const mst_piece *p, mst_error *err) {
  for (size_t i = 0; i < p->n_chains; i++) {
    const mst_chain *c = &p->chains[i];
    if (c->joined && (c->to_chain >= p->n_chains || c->to_point == 0 || c->to_point >= p->chains[c->to_chain].n))
      return bad(r, "a chain that goes on nowhere", err);
  }
  for (size_t i = 0; i < p->n_chains; i++) {
    uint64_t bytes = 0;
    size_t root = i, hops = 0;
    const mst_point *point;
    for (; p->chains[root].joined; root = p->chains[root].to_chain)
      if (++hops > p->n_chains) return bad(r, "chains that go round in a circle", err);
    mst_walk w = mst_walk_begin(p, i);
    while ((point = mst_walk_next(&w)) != NULL)
      if (!mst_add_u64(bytes, point->lost, &bytes) || !mst_add_u64(bytes, point->span.bytes, &bytes))
        return bad(r, "spans longer than the piece", err);
    if (bytes > p->bytes || (bytes != p->bytes && p->chains[root].dead == MST_OK))
      return bad(r, "spans that do not cover the piece", err);
    if (p->chains[root].dead == MST_OK && p->chains[root].wanted > INT64_MAX) return bad(r, "a wrong distance", err);
  }
  return MST_OK;
}

static mst_status take_facts(reader *r, mst_piece *p, mst_error *err) {
  mst_status status = MST_OK;
  const char *key;
  const json_t *value;
  mst_bytes text = {0};
  if (!take_bytes(r, FACTS_MAX, &text)) return bad(r, "it ends inside its facts", err);
  if (text.size == 0) return MST_OK;
  MST_TRY(mst_json_parse(text.data, text.size, FACTS_MAX, "partial: facts", &p->facts, err));
  if (!json_is_object(p->facts)) status = bad(r, "facts that are no object", err);
  json_object_foreach(p->facts, key, value) {
    if (status == MST_OK && json_is_integer(value) && json_integer_value(value) < 0)
      status = bad(r, "a negative fact", err);
  }
done:
  mst_bytes_release(&text);
  return status;
}

static mst_status check_envelope(const reader *r, mst_error *err) {
  const uint8_t *d = r->bytes->data;
  uint32_t digest;
  mst_status status;
  if (r->bytes->size < COVERED_FROM || mst_le32(d) != MAGIC)
    return mst_fail_at(err, MST_E_CORRUPT, 0, "partial: these %zu bytes are no partial", r->bytes->size);
  if (mst_le32(d + 4) != LAYOUT)
    return mst_fail_at(err, MST_E_UNSUPPORTED, 4, "partial: layout %u, this build reads %u", (unsigned)mst_le32(d + 4),
                       (unsigned)LAYOUT);
  if (mst_le32(d + 8) != mst_crc32(0, d + COVERED_FROM, r->bytes->size - COVERED_FROM))
    return mst_fail_at(err, MST_E_CORRUPT, 8, "partial: its checksum does not fit its bytes");
  status = setting_digest(r->job, &digest, err);
  if (status != MST_OK) return status;
  if (r->bytes->size < COVERED_FROM + 4 || mst_le32(d + COVERED_FROM) != digest)
    return mst_fail_at(err, MST_E_ARGUMENT, COVERED_FROM,
                       "partial: it was made of another object, or with another format, dialect or spacing");
  return MST_OK;
}

static mst_status take_piece(reader *r, mst_piece *p, mst_error *err) {
  mst_status status = MST_OK;
  unsigned n_chains;
  p->from.offset = mst_cursor_u64(&r->c);
  p->from.part = mst_cursor_u64(&r->c);
  p->to.offset = mst_cursor_u64(&r->c);
  p->to.part = mst_cursor_u64(&r->c);
  p->decoded_from = mst_cursor_u64(&r->c);
  p->decoded_to = mst_cursor_u64(&r->c);
  p->bytes = mst_cursor_u64(&r->c);
  if (p->to.offset > r->job->members[0].size || p->from.offset > p->to.offset || p->bytes > INT64_MAX)
    return bad(r, "a piece outside its object", err);
  MST_TRY(take_facts(r, p, err));
  n_chains = mst_cursor_u8(&r->c);
  if (n_chains > MST_STATES_MAX) return bad(r, "too many chains", err);
  for (unsigned i = 0; i < n_chains; i++) MST_TRY(take_chain(r, p, err));
  if (r->c.failed || mst_cursor_left(&r->c) != 0) return bad(r, "its length does not fit what it holds", err);
  MST_TRY(check_chains(r, p, err));
done:
  return status;
}

mst_status mst_piece_decode(const mst_job *job, const mst_record_ops *ops, const mst_bytes *bytes, mst_piece *out,
                            mst_error *err) {
  reader r = {.job = job, .ops = ops, .bytes = bytes, .c = mst_cursor_over(bytes->data, bytes->size)};
  mst_status status = check_envelope(&r, err);
  mst_piece_init(out, job->mem);
  if (status == MST_OK) {
    mst_cursor_take(&r.c, COVERED_FROM + 4);
    status = take_piece(&r, out, err);
  }
  if (status == MST_OK) return MST_OK;
  mst_piece_free(out);
  return mst_error_name(err, status, job->name);
}

/* ---- merging --------------------------------------------------------------------------------------------------- */

mst_status mst_piece_check_neighbours(const mst_job *job, const mst_border *left_to, uint64_t left_decoded_to,
                                      const mst_piece *right, mst_error *err) {
  if (left_to->offset != right->from.offset || left_to->part != right->from.part)
    return mst_fail(err, MST_E_ARGUMENT,
                    "partials of %s are not neighbours: one ends at byte %llu (part %llu), the next begins at byte "
                    "%llu (part %llu)",
                    job->name, (unsigned long long)left_to->offset, (unsigned long long)left_to->part,
                    (unsigned long long)right->from.offset, (unsigned long long)right->from.part);
  if (right->from.part == 0 && right->decoded_from != NO_BLOCK && left_decoded_to != NO_BLOCK &&
      left_decoded_to != right->decoded_from && !job->recover)
    return mst_error_name(
        err,
        mst_fail_at(err, MST_E_CORRUPT, mst_min_u64(left_decoded_to, right->decoded_from),
                    "compressed blocks up to byte %llu, and the next one found at byte %llu: damage between them",
                    (unsigned long long)left_decoded_to, (unsigned long long)right->decoded_from),
        job->name);
  return MST_OK;
}

/* Where points of the right piece have gone to in the merged one: chain c's points from `first` on. */
typedef struct place {
  bool known;
  size_t first, chain, point;
} place;

typedef struct merger {
  const mst_record_ops *ops;
  mst_piece *left; /* becomes the whole */
  const mst_piece *right;
  place places[MST_STATES_MAX];
} merger;

/* The first safe start of the right piece on this path: a checkpoint if one was wanted at the left piece's end; else,
 * when the left chain has a safe start of its own, of no more use. */
static mst_status place_first(merger *m, mst_chain *c, const mst_point *p, mst_error *err) {
  mst_point copy;
  if (!p->checkpoint && c->wanted == 0 && c->n > 1)
    return mst_stretch_join(m->ops, m->left->mem, &c->points[c->n - 1].span, &p->span, err);
  copy = mst_point_share(p);
  copy.checkpoint = p->checkpoint || c->wanted != 0;
  return mst_chain_add(m->left->mem, c, &copy, err);
}

/* Puts the points of the right piece, from its chain `from` on, behind chain `to` of the left one, up to where another
 * chain has taken them already. */
static mst_status append_path(merger *m, size_t to, size_t from, mst_error *err) {
  mst_chain *c = &m->left->chains[to];
  mst_walk w = mst_walk_begin(m->right, from);
  const mst_point *p = mst_walk_next(&w);
  const mst_chain *root;
  mst_status status = mst_stretch_join(m->ops, m->left->mem, &c->points[c->n - 1].span, &p->span, err);
  bool any = false;
  while (status == MST_OK && (p = mst_walk_next(&w)) != NULL) {
    place *at = &m->places[w.chain];
    const size_t index = w.point - 1;
    if (!any && !p->checkpoint) {
      status = place_first(m, c, p, err);
    } else if (at->known && at->chain != to && index >= at->first) {
      c->joined = true;
      c->to_chain = at->chain;
      c->to_point = at->point + (index - at->first);
      return MST_OK;
    } else {
      mst_point copy = mst_point_share(p);
      if (!at->known) *at = (place){.known = true, .first = index, .chain = to, .point = c->n};
      status = mst_chain_add(m->left->mem, c, &copy, err);
    }
    any = true;
  }
  if (status != MST_OK) return status;
  root = &m->right->chains[w.chain];
  if (root->dead != MST_OK)
    return mst_chain_kill(m->left->mem, c, root->dead, m->left->bytes + root->dead_at, root->why, err);
  c->end = root->end;
  c->wanted = any || c->wanted == 0 ? root->wanted : c->wanted + m->right->bytes;
  return MST_OK;
}

static mst_status merge_chains(merger *m, mst_error *err) {
  const size_t n = m->left->n_chains;
  for (size_t i = 0; i < n; i++) {
    mst_chain *c = &m->left->chains[i];
    const mst_chain *next;
    mst_status status;
    if (c->joined || c->dead != MST_OK) continue;
    next = mst_piece_chain(m->right, c->end);
    if (next == NULL)
      return mst_fail(err, MST_E_CORRUPT,
                      "partials do not fit: none of the second begins in the state in which the first ends");
    status = append_path(m, i, (size_t)(next - m->right->chains), err);
    if (status != MST_OK) return status;
  }
  return MST_OK;
}

static mst_status merge_pieces(const mst_record_ops *ops, mst_piece *left, const mst_piece *right, mst_error *err) {
  merger m = {.ops = ops, .left = left, .right = right};
  mst_status status = merge_chains(&m, err);
  if (status != MST_OK) return status;
  if (right->facts != NULL) {
    if (left->facts == NULL) left->facts = json_object();
    if (left->facts == NULL) return mst_fail_memory(err);
    status = mst_facts_join(left->facts, right->facts, left->bytes, err);
    if (status != MST_OK) return status;
  }
  if (!mst_add_u64(left->bytes, right->bytes, &left->bytes) || left->bytes > INT64_MAX)
    return mst_fail(err, MST_E_CORRUPT, "partials of more than 2^63 plain bytes");
  left->to = right->to;
  if (left->decoded_from == NO_BLOCK) left->decoded_from = right->decoded_from;
  if (right->decoded_to != NO_BLOCK) left->decoded_to = right->decoded_to;
  return MST_OK;
}

mst_status mst_records_merge(const mst_job *job, const mst_bytes *left, const mst_bytes *right, mst_bytes *out,
                             mst_error *err) {
  mst_status status = MST_OK;
  mst_setting setting;
  mst_piece a, b;
  mst_piece_init(&a, job->mem);
  mst_piece_init(&b, job->mem);
  MST_TRY(mst_setting_of(job, &setting, err));
  MST_TRY(mst_piece_decode(job, setting.ops, left, &a, err));
  MST_TRY(mst_piece_decode(job, setting.ops, right, &b, err));
  MST_TRY(mst_piece_check_neighbours(job, &a.to, a.decoded_to, &b, err));
  MST_TRY(merge_pieces(setting.ops, &a, &b, err));
  MST_TRY(mst_piece_encode(job, &a, out, err));
done:
  mst_piece_free(&a);
  mst_piece_free(&b);
  return status;
}
