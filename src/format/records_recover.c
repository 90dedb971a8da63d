/* format/records_recover.c - scanning on behind damage: what is whole is kept to the last record, what is broken is
 * left out, and records count again from where all ways to read the bytes agree. Serial only.
 *
 * Damage is a gap that the container reports or a rule that the scanner finds broken. In front of it the newest safe
 * start is found by going through the bytes since the newest point once more; behind it the scan goes on as if a piece
 * began there, on trial. Owns: mst_scan.recovery. May call: base, codec's CRC. */
#include "codec/codec.h"
#include "format/records_scan.h"

enum { TAIL_MAX = 8 << 20, TRIAL_MAX = 4 << 20, DAMAGE_KEPT = 64 };

/* ---- remembering ----------------------------------------------------------------------------------------------- */

void mst_recover_note(mst_scan *s, uint64_t at, const char *why) {
  mst_recovery *r = &s->recovery;
  r->broken = true;
  r->broken_at = at;
  snprintf(r->why, sizeof r->why, "%.*s", (int)mst_piece_why_size(why), why);
}

/* Safe starts that are no checkpoints are of use only while they are the newest. */
static mst_status fold_points(mst_scan *s, mst_error *err) {
  mst_chain *c = mst_scan_chain(s, &s->lives[0]);
  while (c->n > 2 && !c->points[c->n - 2].checkpoint && c->n - 2 > 0) {
    mst_point *folded = &c->points[c->n - 2];
    const mst_status status =
        mst_stretch_join(s->setting.ops, s->job->mem, &c->points[c->n - 3].span, &folded->span, err);
    if (status != MST_OK) return status;
    mst_point_clear(folded);
    c->points[c->n - 2] = c->points[c->n - 1];
    if (s->kept == c->n - 1) s->kept--;
    c->n--;
  }
  return MST_OK;
}

/* Keeps the bytes since the newest point of lives[0], or none when they are too many. */
static mst_status keep_tail(mst_scan *s, mst_error *err) {
  mst_recovery *r = &s->recovery;
  const uint64_t newest = s->lives[0].span_at;
  mst_status status;
  if (newest >= s->block_at) {
    mst_buf_clear(&r->tail);
    r->tail_at = newest;
    r->have_tail = true;
  }
  if (!r->have_tail) return MST_OK;
  if (r->tail.size + s->block_size > TAIL_MAX) {
    mst_buf_free(&r->tail);
    r->have_tail = false;
    return MST_OK;
  }
  const uint64_t from = mst_max_u64(r->tail_at + r->tail.size, s->block_at);
  status = mst_buf_put(&r->tail, s->block + (from - s->block_at), (size_t)(s->block_at + s->block_size - from), err);
  return status;
}

/* ---- in front of the damage -------------------------------------------------------------------------------------- */

/* Adds what the scanner has seen since `*good` to the span. */
static mst_status add_whole(mst_scan *s, mst_scanner *scanner, size_t at, size_t *good, mst_stretch *span,
                            mst_error *err) {
  mst_status status = MST_OK;
  const mst_record_ops *ops = s->setting.ops;
  mst_stretch more = {.records = ops->records(scanner) - span->records, .bytes = at - *good};
  mst_buf extra;
  mst_buf_init(&extra, s->job->mem, UINT32_MAX);
  if (more.bytes == 0) return MST_OK;
  more.crc = mst_crc32(0, s->recovery.tail.data + *good, at - *good);
  if (ops->take_extra != NULL) {
    MST_TRY(ops->take_extra(scanner, &extra, err));
    MST_TRY(mst_buf_take(&extra, &more.extra, err));
  }
  MST_TRY(mst_stretch_join(ops, s->job->mem, span, &more, err));
  *good = at;
done:
  mst_bytes_release(&more.extra);
  mst_buf_free(&extra);
  return status;
}

/* Goes through the first n bytes of the tail, from safe start to safe start, as far as no rule is broken. */
static mst_status walk_tail(mst_scan *s, mst_scanner *scanner, size_t n, mst_stretch *span, mst_error *err) {
  const mst_record_ops *ops = s->setting.ops;
  const uint8_t *data = s->recovery.tail.data;
  size_t at = 0, good = 0;
  while (at < n) {
    const mst_scan_stop safe = {.safe = true, .record = SCAN_NOWHERE, .offset = SCAN_NOWHERE};
    const mst_scan_stop none = {.record = SCAN_NOWHERE, .offset = SCAN_NOWHERE};
    size_t used = 0;
    bool stopped = false;
    mst_status status;
    if (ops->feed(scanner, data + at, n - at, &safe, &used, &stopped, NULL) != MST_OK) return MST_OK;
    at += used;
    if (!stopped || at == n) break;
    status = add_whole(s, scanner, at, &good, span, err);
    if (status != MST_OK) return status;
    if (ops->feed(scanner, data + at, 1, &none, &used, &stopped, NULL) != MST_OK) return MST_OK;
    at += used;
  }
  return at == n && ops->state(scanner) == ops->safe_state ? add_whole(s, scanner, n, &good, span, err) : MST_OK;
}

/* Cuts the open span off where the last whole record in front of plain offset `at` ends. lives[0] tells where that span
 * began, also when its scanner is gone. */
static mst_status cut_off(mst_scan *s, uint64_t at, mst_error *err) {
  mst_recovery *r = &s->recovery;
  mst_live *v = &s->lives[0];
  mst_chain *c = &s->piece.chains[0];
  const uint64_t newest = v->span_at;
  const unsigned state = c->n > 1 ? s->setting.ops->safe_state : c->start;
  mst_scanner *scanner = NULL;
  mst_stretch span = {0};
  mst_status status = MST_OK;
  if (r->have_tail && at > newest) {
    MST_TRY(s->setting.ops->open(s->job->mem, s->setting.dialect, state, NULL, &scanner, err));
    if (scanner != NULL) MST_TRY(walk_tail(s, scanner, (size_t)mst_min_u64(at - newest, r->tail.size), &span, err));
  }
  r->lost_from = newest + span.bytes;
  r->crc = mst_crc32_combine(v->span_crc, span.crc, span.bytes);
  r->base = s->base;
  mst_bytes_release(&c->points[c->n - 1].span.extra);
  c->points[c->n - 1].span = span;
  span = (mst_stretch){0};
done:
  if (scanner != NULL) s->setting.ops->close(scanner);
  mst_bytes_release(&span.extra);
  return status;
}

/* ---- behind it -----------------------------------------------------------------------------------------------------
 */

/* Trial chains begin at plain offset `at`, one for each state. */
static mst_status begin_trial(mst_scan *s, uint64_t at, mst_error *err) {
  mst_scan_close_lives(s);
  mst_piece_free(&s->piece);
  s->base = at;
  s->crc = 0;
  s->crc_at = at;
  s->n_cuts = 0;
  s->have_kept = false;
  for (unsigned state = 1; state < s->setting.ops->n_states; state++) {
    const mst_status status = mst_scan_open_live(s, state, at, err);
    if (status != MST_OK) return status;
  }
  return MST_OK;
}

/* The current piece waits in the recovery until the trial is over. */
static mst_status leave_piece(mst_scan *s, uint64_t at, mst_error *err) {
  mst_recovery *r = &s->recovery;
  mst_status status = mst_scan_take_window(s, err);
  if (status == MST_OK) status = cut_off(s, at, err);
  if (status != MST_OK) return status;
  r->piece = s->piece;
  r->on_trial = true;
  mst_piece_init(&s->piece, s->job->mem);
  return begin_trial(s, at, err);
}

mst_status mst_recover_gap(mst_scan *s, uint64_t at, mst_error *err) {
  if (!s->job->recover) return mst_fail(err, MST_E_INTERNAL, "a container passed over damage unasked");
  return s->recovery.on_trial ? begin_trial(s, at, err) : leave_piece(s, at, err);
}

/* From which point of the root chain on is every way to read the bytes the same? */
static size_t find_certain(mst_scan *s, size_t root) {
  size_t certain = 1;
  for (size_t i = 0; i < s->piece.n_chains; i++) {
    size_t c = i, point = 0;
    while (s->piece.chains[c].joined) {
      point = s->piece.chains[c].to_point;
      c = s->piece.chains[c].to_chain;
    }
    if (c == root) certain = mst_max_size(certain, point);
  }
  while (s->setting.windows && certain < s->piece.chains[root].n && !s->piece.chains[root].points[certain].checkpoint)
    certain++;
  return certain;
}

/* The points of the trial's chain from `first` on go behind those in front of the damage. */
static mst_status end_trial(mst_scan *s, size_t first, mst_error *err) {
  mst_recovery *r = &s->recovery;
  mst_live *v = &s->lives[0];
  mst_chain *trial = mst_scan_chain(s, v), *c = &r->piece.chains[0];
  const size_t offset = c->n;
  uint64_t at = s->base;
  uint32_t crc = r->crc;
  mst_status status = MST_OK;
  for (size_t i = 0; i < first; i++) at += trial->points[i].span.bytes;
  for (size_t i = first; i < trial->n; i++) {
    mst_point p = mst_point_share(&trial->points[i]);
    if (i == first) {
      p.checkpoint = true;
      p.lost = at - r->lost_from;
    }
    if (i + 1 < trial->n) crc = mst_crc32_combine(crc, p.span.crc, p.span.bytes);
    MST_TRY(mst_chain_add(s->job->mem, c, &p, err));
  }
  s->kept = s->kept - first + offset;
  s->crc = mst_crc32_combine(crc, mst_crc32_tail(s->crc, v->span_crc, s->crc_at - v->span_at), s->crc_at - v->span_at);
  v->span_crc = crc;
  v->chain = 0;
  mst_piece_free(&s->piece);
  s->piece = r->piece;
  s->base = r->base;
  mst_piece_init(&r->piece, s->job->mem);
  r->on_trial = r->have_tail = false;
done:
  return status;
}

/* After a block on trial: is it certain by now where records begin? When no way to read the bytes is left, they are
 * tried again from behind the place where the last one failed. */
static mst_status judge_trial(mst_scan *s, mst_error *err) {
  const uint64_t end = s->block_at + s->block_size;
  size_t first;
  while (s->n_lives == 0) {
    uint64_t at = mst_max_u64(s->base + 1, s->block_at);
    mst_status status;
    for (size_t i = 0; i < s->piece.n_chains; i++)
      if (s->piece.chains[i].dead != MST_OK) at = mst_max_u64(at, s->base + s->piece.chains[i].dead_at);
    status = begin_trial(s, mst_min_u64(at, end), err);
    if (status == MST_OK && at < end) status = mst_scan_block(s, err);
    if (status != MST_OK) return status;
  }
  if (s->n_lives > 1 && end - s->base > TRIAL_MAX)
    while (s->n_lives > 1) s->setting.ops->close(s->lives[--s->n_lives].scanner);
  if (s->n_lives > 1) return MST_OK;
  first = find_certain(s, s->lives[0].chain);
  return first < mst_scan_chain(s, &s->lives[0])->n ? end_trial(s, first, err) : MST_OK;
}

static mst_status note_damage(mst_scan *s, mst_error *err) {
  mst_recovery *r = &s->recovery;
  json_t *entry;
  if (r->damage == NULL) r->damage = json_array();
  if (r->damage == NULL) return mst_fail_memory(err);
  if (json_array_size(r->damage) >= DAMAGE_KEPT) {
    r->damage_more++;
    return MST_OK;
  }
  entry = json_pack("{s:I,s:s}", "plain", (json_int_t)r->broken_at, "what", r->why);
  return entry != NULL && json_array_append_new(r->damage, entry) == 0 ? MST_OK : mst_fail_memory(err);
}

mst_status mst_recover_block(mst_scan *s, mst_error *err) {
  mst_recovery *r = &s->recovery;
  mst_status status = MST_OK;
  if (!r->on_trial && !r->broken) MST_TRY(fold_points(s, err));
  if (!r->on_trial) MST_TRY(keep_tail(s, err));
  if (r->broken) {
    const uint64_t at = mst_max_u64(r->broken_at, s->block_at);
    MST_TRY(note_damage(s, err));
    r->broken = false;
    MST_TRY(leave_piece(s, at, err));
    if (at < s->block_at + s->block_size) MST_TRY(mst_scan_block(s, err));
  }
  if (!r->on_trial) return MST_OK;
  MST_TRY(judge_trial(s, err));
  if (!r->on_trial) MST_TRY(keep_tail(s, err));
done:
  return status;
}

/* ---- the end -------------------------------------------------------------------------------------------------------
 */

mst_status mst_recover_end(mst_scan *s, bool cut, mst_error *err) {
  mst_recovery *r = &s->recovery;
  const uint64_t end = s->crc_at;
  mst_point last = {.checkpoint = true, .starts = true, .at = s->size};
  mst_status status = MST_OK;
  mst_chain *c;
  if (!r->on_trial && !r->broken && !cut) return MST_OK;
  if (r->broken) MST_TRY(note_damage(s, err));
  if (!r->on_trial) MST_TRY(cut_off(s, end, err));
  if (r->on_trial) {
    mst_piece_free(&s->piece);
    s->piece = r->piece;
    s->base = r->base;
    mst_piece_init(&r->piece, s->job->mem);
    r->on_trial = false;
  }
  mst_scan_close_lives(s);
  c = &s->piece.chains[0];
  c->end = (uint8_t)s->setting.ops->safe_state;
  last.lost = end - r->lost_from;
  if (last.lost > 0) MST_TRY(mst_chain_add(s->job->mem, c, &last, err));
done:
  return status;
}

mst_status mst_recover_facts(mst_scan *s, json_t *facts, mst_error *err) {
  mst_status status = MST_OK;
  json_t *more = json_object();
  MST_TRY_ALLOC(more);
  MST_TRY(mst_json_set(facts, "recovered", json_true(), err));
  if (s->recovery.damage != NULL) MST_TRY(mst_json_set(more, "damage", json_incref(s->recovery.damage), err));
  if (s->recovery.damage_more > 0) MST_TRY(mst_json_set_u64(more, "damage_more", s->recovery.damage_more, err));
  MST_TRY(mst_facts_join(facts, more, 0, err));
done:
  json_decref(more);
  return status;
}

void mst_recover_free(mst_scan *s) {
  mst_buf_free(&s->recovery.tail);
  mst_piece_free(&s->recovery.piece);
  json_decref(s->recovery.damage);
}
