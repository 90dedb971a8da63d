/* format/records_scan.c - the scan of one piece of an object: bytes go through the container, its runs through one
 * scanner for each state in which the piece may begin, and chains of spans come out as partials.
 *
 * Scanners that stand on a safe start at the same byte are the same from there on, so that after the first few records
 * there is one scanner left, and scanning a piece alone costs what scanning it in sequence costs. Owns: the container,
 * the scanners and the piece that is being built. May call: base, codec's CRC, containers. */
#include "format/records_scan.h"
#include "codec/codec.h"

enum {
  BLOCK_BYTES = 64 << 10,  /* fed to all scanners and to the CRC while it is in the cache                   */
  BEYOND_BYTES = 64 << 10, /* asked for at a time behind the piece's end                                    */
  EMIT_POINTS = 256,       /* a partial goes out when it holds this many checkpoints                        */
  EMIT_BYTES = 1 << 20,    /* or this much of windows and extras                                            */
  SCATTER_POINTS = 4096,   /* the same while chains have not met                                            */
  MEET_BYTES = 1 << 20     /* from its beginning on, the chains of a piece are led to each other this long  */
};

/* ---- points ---------------------------------------------------------------------------------------------------- */

/* Windows come late, when what they are pruned by has been decoded. */
mst_status mst_scan_take_window(mst_scan *s, mst_error *err) {
  mst_restart r = {0};
  mst_chain *c;
  mst_status status;
  if (!s->have_kept) return MST_OK;
  s->have_kept = false;
  status = s->setting.container->take(s->container, &r, err);
  if (status != MST_OK) return status;
  c = mst_scan_chain(s, &s->lives[0]);
  c->points[s->kept].at = r.at;
  c->points[s->kept].bits = r.bits;
  c->points[s->kept].window = r.window;
  s->held += r.window.size;
  return MST_OK;
}

/* Ends the current span of a scanner at its position; its CRC follows when the block is done. */
static mst_status end_span(mst_scan *s, size_t which, mst_error *err) {
  mst_live *v = &s->lives[which];
  mst_chain *c = mst_scan_chain(s, v);
  mst_stretch *span = &c->points[c->n - 1].span;
  mst_status status = MST_OK;
  const uint64_t records = s->setting.ops->records(v->scanner);
  mst_buf extra;
  mst_buf_init(&extra, s->job->mem, UINT32_MAX);
  mst_assert(s->n_cuts < SCAN_CUTS_MAX);
  span->bytes = v->at - v->span_at;
  span->records = records - v->span_records;
  v->span_records = records;
  v->span_at = v->at;
  if (s->setting.ops->take_extra != NULL) {
    MST_TRY(s->setting.ops->take_extra(v->scanner, &extra, err));
    MST_TRY(mst_buf_take(&extra, &span->extra, err));
    s->held += span->extra.size;
  }
  s->cuts[s->n_cuts++] = (mst_cut){.live = which, .point = c->n - 1, .at = v->at};
done:
  mst_buf_free(&extra);
  return status;
}

/* The safe start can be decoded from the last restartable place in front of it. */
static mst_status set_restart(mst_scan *s, const mst_live *v, mst_point *p, mst_error *err) {
  mst_status status;
  if (s->setting.container == &mst_container_plain) {
    p->at = s->begin + v->at;
    return MST_OK;
  }
  p->at = s->restart_at;
  p->skip = v->at - s->restart_plain;
  if (!s->setting.windows || !p->checkpoint) return MST_OK;
  status = mst_scan_take_window(s, err);
  if (status == MST_OK) s->setting.container->keep(s->container);
  return status;
}

static mst_status check_record_size(const mst_scan *s, const mst_live *v, mst_error *err) {
  if (v->wanted_at == SCAN_NOWHERE || s->job->record_max == 0 || v->at - v->wanted_at <= s->job->record_max ||
      s->piece.n_chains != 1)
    return MST_OK;
  return mst_fail_at(err, MST_E_LIMIT, v->wanted_at, "a record larger than the limit of %llu bytes",
                     (unsigned long long)s->job->record_max);
}

/* In a compressed object the plain offset alone leads nobody to the place. */
static void say_where(const mst_scan *s, const char *what, char *out, size_t size) {
  if (s->setting.container == &mst_container_plain || s->run.size == 0) snprintf(out, size, "%s", what);
  else
    snprintf(out, size, "%.*s (near byte %llu of the compressed object)", (int)mst_piece_why_size(what), what,
             (unsigned long long)s->run.at);
}

/* A broken rule is an error when the state is certain; else it only rules out this chain. */
static mst_status rule_out(mst_scan *s, size_t which, mst_status why, const mst_error *reason, mst_error *err) {
  mst_live *v = &s->lives[which];
  const uint64_t at = v->opened + (reason->offset < 0 ? 0 : (uint64_t)reason->offset);
  char what[sizeof reason->message];
  if (why != MST_E_CORRUPT && why != MST_E_LIMIT && why != MST_E_UNSUPPORTED) {
    if (err != NULL) *err = *reason;
    return why;
  }
  v->gone = true;
  say_where(s, reason->message, what, sizeof what);
  if (s->job->recover && !s->recovery.on_trial) {
    mst_recover_note(s, at, what);
    return MST_OK;
  }
  if (s->begin == 0 && !s->recovery.on_trial) return mst_records_broken(s->setting.container, why, at, what, err);
  return mst_chain_kill(s->job->mem, mst_scan_chain(s, v), why, at - s->base, what, err);
}

/* The scanner stands on a safe start that is wanted, as a checkpoint or for joining chains. Whether a record starts
 * there it tells when it is shown the one byte there. */
static mst_status add_point(mst_scan *s, size_t which, mst_error *err) {
  mst_live *v = &s->lives[which];
  const mst_scan_stop stop = {.record = s->setting.ops->records(v->scanner), .offset = SCAN_NOWHERE};
  mst_point p = {.checkpoint = v->wanted_at != SCAN_NOWHERE};
  mst_error reason = {0};
  size_t used = 0;
  mst_status status;
  MST_TRY(check_record_size(s, v, err));
  MST_TRY(end_span(s, which, err));
  MST_TRY(set_restart(s, v, &p, err));
  v->wanted_at = v->meet_at = SCAN_NOWHERE;
  status = s->setting.ops->feed(v->scanner, s->block + (v->at - s->block_at), 1, &stop, &used, &p.starts, &reason);
  if (status != MST_OK) return rule_out(s, which, status, &reason, err);
  v->at += used;
  MST_TRY(mst_chain_add(s->job->mem, mst_scan_chain(s, v), &p, err));
  if (mst_scan_chain(s, v)->points[mst_scan_chain(s, v)->n - 1].checkpoint && s->setting.windows) {
    s->have_kept = true;
    s->kept = mst_scan_chain(s, v)->n - 1;
  }
done:
  return status;
}

/* ---- CRC --------------------------------------------------------------------------------------------------------- */

static void crc_up_to(mst_scan *s, uint64_t at) {
  if (at <= s->crc_at) return;
  s->crc = mst_crc32(s->crc, s->block + (s->crc_at - s->block_at), (size_t)(at - s->crc_at));
  s->crc_at = at;
}

static void sort_cuts(mst_cut *cuts, size_t n) {
  for (size_t i = 1; i < n; i++)
    for (size_t k = i; k > 0 && cuts[k].at < cuts[k - 1].at; k--) {
      const mst_cut swapped = cuts[k];
      cuts[k] = cuts[k - 1];
      cuts[k - 1] = swapped;
    }
}

/* The CRC of the block, and of the spans that end in it: each byte is looked at once, whatever the number of chains. */
static void finish_crc(mst_scan *s) {
  if (s->n_cuts == 0 && s->run.has_crc && s->block_size == s->run.size) {
    s->crc = mst_crc32_combine(s->crc, s->run.crc, s->run.size);
    s->crc_at = s->block_at + s->block_size;
    return;
  }
  sort_cuts(s->cuts, s->n_cuts);
  for (size_t i = 0; i < s->n_cuts; i++) {
    const mst_cut *c = &s->cuts[i];
    mst_live *v = &s->lives[c->live];
    mst_stretch *span = &mst_scan_chain(s, v)->points[c->point].span;
    crc_up_to(s, c->at);
    span->crc = mst_crc32_tail(s->crc, v->span_crc, span->bytes);
    v->span_crc = s->crc;
  }
  s->n_cuts = 0;
  crc_up_to(s, s->block_at + s->block_size);
}

/* ---- scanners ---------------------------------------------------------------------------------------------------- */

/* Feeds a scanner up to the block's end, and adds points where they are wanted. With `meet` it stops at the first point
 * at or behind v->meet_at. */
static mst_status feed_live(mst_scan *s, size_t which, bool meet, mst_error *err) {
  mst_live *v = &s->lives[which];
  const uint64_t end = s->block_at + s->block_size, meet_at = v->meet_at;
  while (!v->gone && v->at < end) {
    /* A chain whose beginning is uncertain must know its first safe start, for the piece in front of it. */
    const bool first = mst_scan_chain(s, v)->n == 1 && mst_scan_chain(s, v)->start != 0;
    const bool now = first || v->wanted_at != SCAN_NOWHERE || v->at >= v->meet_at;
    const uint64_t limit = now ? end : mst_min_u64(end, v->meet_at);
    const mst_scan_stop stop = {.safe = now, .record = SCAN_NOWHERE, .offset = SCAN_NOWHERE};
    mst_error reason = {0};
    size_t used = 0;
    bool stopped = false;
    mst_status status = s->setting.ops->feed(v->scanner, s->block + (v->at - s->block_at), (size_t)(limit - v->at),
                                             &stop, &used, &stopped, &reason);
    if (status != MST_OK) return rule_out(s, which, status, &reason, err);
    v->at += used;
    if (!stopped || v->at == end) continue;
    status = add_point(s, which, err);
    if (status != MST_OK) return status;
    if (!meet) continue;
    if (v->span_at >= meet_at) break;
    v->meet_at = meet_at;
  }
  return MST_OK;
}

/* Chains whose newest points stand at the same byte are one from there on. */
static bool have_met(mst_scan *s, const mst_live *a, const mst_live *b) {
  const mst_chain *x = mst_scan_chain(s, a), *y = mst_scan_chain(s, b);
  return !a->gone && !b->gone && x->n > 1 && y->n > 1 && a->span_at == b->span_at &&
         x->points[x->n - 1].checkpoint == y->points[y->n - 1].checkpoint;
}

/* The newest point of chain `from` is that of chain `to`, for all that lead there. */
static void join_chain(mst_piece *p, size_t from, size_t to) {
  mst_chain *c = &p->chains[from];
  const size_t newest = c->n - 1, point = p->chains[to].n - 1;
  mst_point_clear(&c->points[newest]);
  c->n--;
  c->joined = true;
  c->to_chain = from;
  c->to_point = newest;
  for (size_t i = 0; i < p->n_chains; i++) {
    if (!p->chains[i].joined || p->chains[i].to_chain != from || p->chains[i].to_point != newest) continue;
    p->chains[i].to_chain = to;
    p->chains[i].to_point = point;
  }
}

static void join_met(mst_scan *s) {
  for (size_t a = 0; a < s->n_lives; a++)
    for (size_t b = a + 1; b < s->n_lives; b++) {
      if (!have_met(s, &s->lives[a], &s->lives[b])) continue;
      join_chain(&s->piece, s->lives[b].chain, s->lives[a].chain);
      s->lives[b].gone = true;
    }
}

static size_t count_lives(const mst_scan *s) {
  size_t n = 0;
  for (size_t i = 0; i < s->n_lives; i++) n += !s->lives[i].gone;
  return n;
}

/* Leads the chains to each other: whoever is behind goes on to its first safe start at or behind the foremost one's
 * newest. */
static mst_status lead_together(mst_scan *s, mst_error *err) {
  for (int tries = 0; tries < SCAN_MEET_TRIES && count_lives(s) > 1; tries++) {
    uint64_t foremost = s->block_at;
    for (size_t i = 0; i < s->n_lives; i++)
      if (!s->lives[i].gone && mst_scan_chain(s, &s->lives[i])->n > 1)
        foremost = mst_max_u64(foremost, s->lives[i].span_at);
    for (size_t i = 0; i < s->n_lives; i++) {
      mst_live *v = &s->lives[i];
      mst_status status;
      if (v->gone || (mst_scan_chain(s, v)->n > 1 && v->span_at >= foremost)) continue;
      v->meet_at = foremost;
      status = feed_live(s, i, true, err);
      v->meet_at = SCAN_NOWHERE;
      if (status != MST_OK) return status;
    }
    join_met(s);
    for (size_t i = 0; i < s->n_lives; i++)
      if (!s->lives[i].gone && s->lives[i].at == s->block_at + s->block_size) return MST_OK;
  }
  return MST_OK;
}

static void drop_gone(mst_scan *s) {
  size_t kept = 0;
  for (size_t i = 0; i < s->n_lives; i++) {
    if (s->lives[i].gone) s->setting.ops->close(s->lives[i].scanner);
    else s->lives[kept++] = s->lives[i];
  }
  s->n_lives = kept;
}

mst_status mst_scan_block(mst_scan *s, mst_error *err) {
  mst_status status = MST_OK;
  if (s->n_lives > 1 && s->block_at < s->base + MEET_BYTES) MST_TRY(lead_together(s, err));
  for (size_t i = 0; i < s->n_lives; i++) MST_TRY(feed_live(s, i, false, err));
  if (s->n_lives > 1) join_met(s);
  finish_crc(s);
  drop_gone(s);
done:
  return status;
}

static mst_status scan_run(mst_scan *s, mst_error *err) {
  const mst_run *run = &s->run;
  const size_t step = run->has_crc ? run->size : BLOCK_BYTES;
  mst_status status = MST_OK;
  const bool mark = run->mark && (s->n_lives == 1 || !s->setting.windows); /* one window at a time can be kept */
  bool wanted = mark;
  if (run->gap) MST_TRY(mst_recover_gap(s, run->plain, err));
  for (size_t i = 0; i < s->n_lives; i++) {
    if (mark && s->lives[i].wanted_at == SCAN_NOWHERE) s->lives[i].wanted_at = run->plain;
    wanted = wanted || s->lives[i].wanted_at != SCAN_NOWHERE;
  }
  if (run->restartable) {
    s->restart_at = run->at;
    s->restart_plain = run->plain;
    if (s->setting.windows && wanted) MST_TRY(s->setting.container->capture(s->container, err));
  }
  for (size_t at = 0; at < run->size; at += s->block_size) {
    s->block = run->data + at;
    s->block_at = run->plain + at;
    s->block_size = mst_min_size(step, run->size - at);
    if (s->job->recover && s->n_lives == 1 && !s->recovery.on_trial) s->lives[0].meet_at = s->block_at;
    MST_TRY(mst_scan_block(s, err));
    if (s->job->recover) MST_TRY(mst_recover_block(s, err));
  }
  for (size_t i = 0; i < s->n_lives; i++) MST_TRY(check_record_size(s, &s->lives[i], err));
done:
  return status;
}

/* ---- partials ---------------------------------------------------------------------------------------------------- */

/* What was found so far goes out, up to plain offset `at`. */
static void make_ready(mst_scan *s, uint64_t at) {
  const mst_border here = {.offset = s->begin, .part = s->piece.from.part + 1};
  if (s->piece.from.part == 0) s->setting.container->extent(s->container, &s->piece.decoded_from, &s->piece.decoded_to);
  s->piece.bytes = at - s->base;
  s->piece.to = here;
  s->ready = s->piece;
  s->have_ready = true;
  mst_piece_init(&s->piece, s->job->mem);
  s->piece.from = here;
  s->base = at;
  s->held = 0;
}

/* The points from `first` on begin a new piece; what leads to one of them ends where they begin. */
static mst_status move_points(mst_scan *s, mst_piece *from, size_t first, mst_error *err) {
  mst_live *v = &s->lives[0];
  mst_chain *c = &from->chains[v->chain], *next;
  mst_status status = mst_piece_add_chain(&s->piece, s->setting.ops->safe_state, &next, err);
  for (size_t i = first; i < c->n; i++) {
    if (status == MST_OK) status = mst_chain_add(s->job->mem, next, &c->points[i], err);
    else mst_point_clear(&c->points[i]);
  }
  c->n = first;
  c->end = (uint8_t)s->setting.ops->safe_state;
  for (size_t i = 0; i < from->n_chains; i++) {
    mst_chain *other = &from->chains[i];
    if (!other->joined || other->to_chain != v->chain || other->to_point < first) continue;
    other->joined = false;
    other->end = c->end;
  }
  v->chain = 0;
  s->kept -= mst_min_size(s->kept, first - 1);
  return status;
}

static bool leads_behind(const mst_piece *p, size_t chain, size_t point) {
  for (size_t i = 0; i < p->n_chains; i++)
    if (p->chains[i].joined && p->chains[i].to_chain == chain && p->chains[i].to_point > point) return true;
  return false;
}

/* Cuts in front of the newest checkpoint, where the state is known. */
static mst_status cut_at_checkpoint(mst_scan *s, mst_error *err) {
  mst_live *v = &s->lives[0];
  mst_chain *c = mst_scan_chain(s, v);
  size_t newest = c->n - 1;
  uint64_t at = v->span_at;
  uint32_t crc = 0;
  for (; newest > 0 && !c->points[newest].checkpoint; newest--) at -= c->points[newest - 1].span.bytes;
  if (newest < 2 || leads_behind(&s->piece, v->chain, newest)) return MST_OK;
  for (size_t i = newest; i + 1 < c->n; i++)
    crc = mst_crc32_combine(crc, c->points[i].span.crc, c->points[i].span.bytes);
  s->crc = mst_crc32_combine(crc, mst_crc32_tail(s->crc, v->span_crc, s->crc_at - v->span_at), s->crc_at - v->span_at);
  v->span_crc = crc;
  make_ready(s, at);
  return move_points(s, &s->ready, newest, err);
}

static uint64_t wanted_for(const mst_live *v) { return v->wanted_at == SCAN_NOWHERE ? 0 : v->at - v->wanted_at + 1; }

/* Ends all chains at the current position. */
static mst_status end_chains(mst_scan *s, mst_error *err) {
  mst_status status = MST_OK;
  for (size_t i = 0; i < s->n_lives; i++) {
    mst_live *v = &s->lives[i];
    MST_TRY(end_span(s, i, err));
    mst_scan_chain(s, v)->end = (uint8_t)s->setting.ops->state(v->scanner);
    mst_scan_chain(s, v)->wanted = wanted_for(v);
  }
  s->block_size = 0;
  s->block_at = s->crc_at;
  s->run = (mst_run){0};
  finish_crc(s);
done:
  return status;
}

/* Chains that do not meet: cuts where they stand. Of those in one state only the first goes on. */
static mst_status cut_anywhere(mst_scan *s, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(end_chains(s, err));
  make_ready(s, s->crc_at);
  s->crc = 0;
  for (size_t i = 0; i < s->n_lives; i++) {
    mst_live *v = &s->lives[i];
    const unsigned state = s->setting.ops->state(v->scanner);
    mst_chain *c;
    v->gone = mst_piece_chain(&s->piece, state) != NULL;
    v->span_crc = 0;
    v->wanted_at = v->meet_at = SCAN_NOWHERE;
    if (v->gone) continue;
    MST_TRY(mst_piece_add_chain(&s->piece, state, &c, err));
    v->chain = s->piece.n_chains - 1;
  }
  drop_gone(s);
done:
  return status;
}

static mst_status cut_when_large(mst_scan *s, mst_error *err) {
  size_t points = 0;
  if (s->recovery.on_trial) return MST_OK;
  if (s->n_lives == 1 && (mst_scan_chain(s, &s->lives[0])->n > EMIT_POINTS || s->held > EMIT_BYTES))
    return cut_at_checkpoint(s, err);
  if (s->n_lives < 2 || s->setting.windows) return MST_OK;
  for (size_t i = 0; i < s->piece.n_chains; i++) points += s->piece.chains[i].n;
  return points > SCATTER_POINTS || s->held > EMIT_BYTES ? cut_anywhere(s, err) : MST_OK;
}

/* Is what was begun whole? */
static mst_status end_scanners(mst_scan *s, mst_error *err) {
  for (size_t i = 0; i < s->n_lives && s->end == s->size; i++) {
    mst_error reason = {0};
    mst_status status = s->setting.ops->end(s->lives[i].scanner, &reason);
    if (status != MST_OK) status = rule_out(s, i, status, &reason, err);
    if (status != MST_OK) return status;
  }
  drop_gone(s);
  return MST_OK;
}

static mst_status finish_scan(mst_scan *s, mst_error *err) {
  mst_status status = MST_OK;
  MST_TRY(mst_scan_take_window(s, err));
  MST_TRY(end_scanners(s, err));
  if (s->job->recover) MST_TRY(mst_recover_end(s, s->run.gap, err));
  MST_TRY(end_chains(s, err));
  MST_TRY_ALLOC(s->piece.facts = json_object());
  MST_TRY(s->setting.container->facts(s->container, s->piece.facts, err));
  if (s->job->recover) MST_TRY(mst_recover_facts(s, s->piece.facts, err));
  make_ready(s, s->crc_at);
  s->setting.container->extent(s->container, &s->ready.decoded_from, &s->ready.decoded_to);
  s->ready.to = (mst_border){.offset = s->end};
  s->ended = true;
done:
  return status;
}

/* ---- the machine ------------------------------------------------------------------------------------------------- */

mst_status mst_scan_open_live(mst_scan *s, unsigned state, uint64_t at, mst_error *err) {
  mst_live *v = &s->lives[s->n_lives];
  mst_chain *c;
  mst_status status;
  *v = (mst_live){.at = at, .opened = at, .span_at = at, .wanted_at = SCAN_NOWHERE, .meet_at = SCAN_NOWHERE};
  status = s->setting.ops->open(s->job->mem, s->setting.dialect, state, NULL, &v->scanner, err);
  if (status != MST_OK || v->scanner == NULL) return status;
  s->n_lives++;
  status = mst_piece_add_chain(&s->piece, state, &c, err);
  if (status == MST_OK) v->chain = s->piece.n_chains - 1;
  return status;
}

void mst_scan_close_lives(mst_scan *s) {
  for (size_t i = 0; i < s->n_lives; i++) s->setting.ops->close(s->lives[i].scanner);
  s->n_lives = 0;
}

static mst_status open_scanners(mst_scan *s, mst_error *err) {
  const unsigned first = s->begin == 0 ? 0 : 1, last = s->begin == 0 ? 0 : s->setting.ops->n_states - 1;
  for (unsigned state = first; state <= last; state++) {
    const mst_status status = mst_scan_open_live(s, state, 0, err);
    if (status != MST_OK) return status;
  }
  return MST_OK;
}

static mst_status open_scan(mst_scan *s, mst_error *err) {
  const mst_container_open options = {.mem = s->job->mem,
                                      .name = s->job->name,
                                      .begin = s->begin,
                                      .end = s->end,
                                      .size = s->size,
                                      .plain_end = UINT64_MAX,
                                      .spacing = s->job->spacing,
                                      .verify = true,
                                      .recover = s->job->recover,
                                      .memory = s->job->memory};
  mst_status status = s->setting.container->open(&options, &s->container, err);
  if (status == MST_OK) status = open_scanners(s, err);
  if (status == MST_OK && s->size == 0) status = s->setting.container->feed(s->container, &s->input, true, err);
  s->opened = true;
  return status;
}

static mst_status feed_input(mst_scan *s, const mst_given *given, mst_error *err) {
  if (given->n != 1 || given->bytes[0].size == 0 || given->bytes[0].size > s->need.length)
    return mst_fail(err, MST_E_INTERNAL, "a scan was given other bytes than it asked for");
  mst_bytes_release(&s->input);
  s->input = mst_bytes_share(&given->bytes[0]);
  s->fed += s->input.size;
  return s->setting.container->feed(s->container, &s->input, s->fed == s->size, err);
}

static mst_status ask_input(mst_scan *s, mst_step *out, mst_error *err) {
  const uint64_t to = s->fed < s->end ? s->end : mst_min_u64(s->size, s->fed + BEYOND_BYTES);
  if (s->fed >= to)
    return mst_fail(err, MST_E_INTERNAL, "the container wants bytes beyond the end of %s", s->job->name);
  s->need = (mst_range){.offset = s->fed, .length = to - s->fed};
  out->kind = MST_STEP_NEED;
  out->some = true;
  out->need = &s->need;
  out->n_need = 1;
  return MST_OK;
}

static mst_status give_ready(mst_scan *s, mst_step *out, mst_error *err) {
  const mst_status status = mst_piece_encode(s->job, &s->ready, &out->bytes, err);
  mst_piece_free(&s->ready);
  s->have_ready = false;
  out->kind = MST_STEP_EMIT;
  return status;
}

static mst_status step_scan(mst_scan *s, const mst_given *given, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t scanned = 0;
  if (!s->opened) MST_TRY(open_scan(s, err));
  if (given != NULL) MST_TRY(feed_input(s, given, err));
  while (!s->have_ready && !s->ended) {
    mst_container_state state;
    s->run = (mst_run){0};
    MST_TRY(s->setting.container->next(s->container, &state, &s->run, err));
    if (state == MST_CONTAINER_INPUT) return ask_input(s, out, err);
    if (state == MST_CONTAINER_END) {
      MST_TRY(finish_scan(s, err));
      break;
    }
    MST_TRY(scan_run(s, err));
    MST_TRY(cut_when_large(s, err));
    scanned += s->run.size;
    if (scanned >= MST_STEP_BYTES && !s->have_ready) {
      out->kind = MST_STEP_BUSY;
      return MST_OK;
    }
  }
  if (s->have_ready) return give_ready(s, out, err);
  out->kind = MST_STEP_DONE;
done:
  return status;
}

static mst_status scan_step(mst_machine *m, const mst_given *given, mst_step *out, mst_error *err) {
  mst_scan *s = (mst_scan *)m;
  return mst_error_name(err, step_scan(s, given, out, err), s->job->name);
}

static void scan_close(mst_machine *m) {
  mst_scan *s = (mst_scan *)m;
  mst_scan_close_lives(s);
  mst_recover_free(s);
  if (s->container != NULL) s->setting.container->close(s->container);
  mst_piece_free(&s->piece);
  if (s->have_ready) mst_piece_free(&s->ready);
  mst_bytes_release(&s->input);
  mst_free(s->job->mem, s);
}

mst_status mst_records_scan(const mst_job *job, uint64_t begin, uint64_t end, mst_machine **out, mst_error *err) {
  static const mst_machine_ops ops = {.step = scan_step, .close = scan_close};
  mst_status status = MST_OK;
  const uint64_t size = job->members[0].size;
  mst_scan *s = mst_alloc_zero(job->mem, 1, sizeof *s);
  if (s == NULL) return mst_fail_memory(err);
  *s = (mst_scan){.machine.ops = &ops, .job = job, .begin = begin, .end = end, .size = size, .fed = begin};
  mst_piece_init(&s->piece, job->mem);
  mst_piece_init(&s->recovery.piece, job->mem);
  mst_buf_init(&s->recovery.tail, job->mem, SIZE_MAX / 2);
  s->piece.from.offset = begin;
  MST_TRY(mst_setting_of(job, &s->setting, err));
  if (begin > end || end > size || (begin == end && size > 0))
    status = mst_fail(err, MST_E_ARGUMENT, "bytes %llu to %llu are no piece of %s, which has %llu",
                      (unsigned long long)begin, (unsigned long long)end, job->name, (unsigned long long)size);
  else if (!s->setting.pieces && (begin > 0 || end < size))
    status = mst_fail(err, MST_E_ARGUMENT, "%s cannot be scanned in pieces", job->name);
  if (status == MST_OK) {
    *out = &s->machine;
    return MST_OK;
  }
done:
  mst_free(job->mem, s);
  return status;
}
