/* format/records_piece.c - the chains of a piece: building, walking, joining spans. See records_piece.h. Owns nothing
 * between calls. May call: base, codec's CRC. */
#include "format/records_piece.h"

#include "codec/codec.h"

void mst_piece_init(mst_piece *p, const mst_allocator *mem) { *p = (mst_piece){.mem = mem}; }

void mst_point_clear(mst_point *p) {
  mst_bytes_release(&p->window);
  mst_bytes_release(&p->span.extra);
}

mst_point mst_point_share(const mst_point *p) {
  mst_point copy = *p;
  copy.window = mst_bytes_share(&p->window);
  copy.span.extra = mst_bytes_share(&p->span.extra);
  return copy;
}

void mst_chain_clear(const mst_allocator *mem, mst_chain *c) {
  for (size_t i = 0; i < c->n; i++) mst_point_clear(&c->points[i]);
  mst_free(mem, c->points);
  mst_free(mem, c->why);
  *c = (mst_chain){0};
}

void mst_piece_free(mst_piece *p) {
  const mst_allocator *mem = p->mem;
  for (size_t i = 0; i < p->n_chains; i++) mst_chain_clear(mem, &p->chains[i]);
  json_decref(p->facts);
  mst_piece_init(p, mem);
}

mst_status mst_chain_add(const mst_allocator *mem, mst_chain *c, mst_point *point, mst_error *err) {
  if (c->n == c->capacity) {
    const size_t capacity = c->capacity == 0 ? 4 : c->capacity * 2;
    size_t size;
    mst_point *more = NULL;
    if (capacity > c->capacity && mst_mul_size(capacity, sizeof *more, &size)) more = mst_resize(mem, c->points, size);
    if (more == NULL) {
      mst_point_clear(point);
      return mst_fail_memory(err);
    }
    c->points = more;
    c->capacity = capacity;
  }
  c->points[c->n++] = *point;
  *point = (mst_point){0};
  return MST_OK;
}

mst_status mst_piece_add_chain(mst_piece *p, unsigned start, mst_chain **out, mst_error *err) {
  mst_point head = {0};
  mst_chain *c;
  mst_status status;
  if (p->n_chains == MST_STATES_MAX) return mst_fail(err, MST_E_INTERNAL, "a piece with too many chains");
  c = &p->chains[p->n_chains];
  *c = (mst_chain){.start = (uint8_t)start};
  status = mst_chain_add(p->mem, c, &head, err);
  if (status != MST_OK) return status;
  p->n_chains++;
  *out = c;
  return MST_OK;
}

size_t mst_piece_why_size(const char *why) {
  enum { KEPT = 700 };
  size_t n = strlen(why);
  if (n <= KEPT) return n;
  for (n = KEPT; n > 0 && ((uint8_t)why[n] & 0xc0) == 0x80; n--) continue;
  return n;
}

mst_status mst_chain_kill(const mst_allocator *mem, mst_chain *c, mst_status dead, uint64_t at, const char *why,
                          mst_error *err) {
  c->why = mst_text_copy(mem, why);
  if (c->why == NULL) return mst_fail_memory(err);
  c->dead = dead;
  c->dead_at = at;
  return MST_OK;
}

static mst_status join_extra(const mst_record_ops *ops, const mst_allocator *mem, const mst_stretch *left,
                             const mst_stretch *right, mst_bytes *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf joined;
  mst_buf_init(&joined, mem, UINT32_MAX);
  *out = (mst_bytes){0};
  if (ops->join_extra == NULL || right->bytes == 0) {
    *out = mst_bytes_share(&left->extra);
    return MST_OK;
  }
  if (left->bytes == 0) {
    *out = mst_bytes_share(&right->extra);
    return MST_OK;
  }
  MST_TRY(ops->join_extra(&left->extra, left->bytes, left->records, &right->extra, &joined, err));
  MST_TRY(mst_buf_take(&joined, out, err));
done:
  mst_buf_free(&joined);
  return status;
}

mst_status mst_stretch_join(const mst_record_ops *ops, const mst_allocator *mem, mst_stretch *left,
                            const mst_stretch *right, mst_error *err) {
  mst_bytes extra;
  uint64_t records, bytes;
  mst_status status;
  if (!mst_add_u64(left->records, right->records, &records) || !mst_add_u64(left->bytes, right->bytes, &bytes))
    return mst_fail(err, MST_E_CORRUPT, "spans of more than 2^64 bytes");
  status = join_extra(ops, mem, left, right, &extra, err);
  if (status != MST_OK) return status;
  left->crc = mst_crc32_combine(left->crc, right->crc, right->bytes);
  left->records = records;
  left->bytes = bytes;
  mst_bytes_release(&left->extra);
  left->extra = extra;
  return MST_OK;
}

const mst_chain *mst_piece_chain(const mst_piece *p, unsigned state) {
  for (size_t i = 0; i < p->n_chains; i++)
    if (p->chains[i].start == state) return &p->chains[i];
  return NULL;
}

mst_walk mst_walk_begin(const mst_piece *p, size_t chain) { return (mst_walk){.piece = p, .chain = chain}; }

const mst_point *mst_walk_next(mst_walk *w) {
  const mst_chain *c = &w->piece->chains[w->chain];
  while (w->point >= c->n) {
    if (!c->joined) return NULL;
    w->chain = c->to_chain;
    w->point = c->to_point;
    c = &w->piece->chains[w->chain];
  }
  return &c->points[w->point++];
}

/* ---- facts of containers --------------------------------------------------------------------------------------- */

enum { DAMAGE_KEPT = 64 };

static mst_status add_number(json_t *facts, const char *key, uint64_t more, mst_error *err) {
  const json_t *mine = json_object_get(facts, key);
  uint64_t sum = json_is_integer(mine) ? (uint64_t)json_integer_value(mine) : 0;
  if (!mst_add_u64(sum, more, &sum)) sum = UINT64_MAX;
  return mst_json_set_u64(facts, key, mst_min_u64(sum, INT64_MAX), err);
}

/* A damage entry of a later piece counts its plain offset from that piece's beginning. */
static mst_status append_damage(json_t *facts, json_t *to, const json_t *from, uint64_t bytes, mst_error *err) {
  mst_status status = MST_OK;
  const size_t room = DAMAGE_KEPT - mst_min_size(json_array_size(to), DAMAGE_KEPT);
  const size_t kept = mst_min_size(json_array_size(from), room);
  if (kept < json_array_size(from)) {
    status = add_number(facts, "damage_more", json_array_size(from) - kept, err);
    if (status != MST_OK) return status;
  }
  for (size_t i = 0; i < kept; i++) {
    json_t *entry = json_deep_copy(json_array_get(from, i));
    json_t *plain = json_object_get(entry, "plain");
    if (entry == NULL) return mst_fail_memory(err);
    if (json_is_integer(plain)) {
      status = add_number(entry, "plain", bytes, err);
      if (status != MST_OK) {
        json_decref(entry);
        return status;
      }
    }
    if (json_array_append_new(to, entry) != 0) return mst_fail_memory(err);
  }
  return MST_OK;
}

mst_status mst_facts_join(json_t *facts, const json_t *more, uint64_t bytes, mst_error *err) {
  mst_status status = MST_OK;
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)more, key, value) {
    json_t *mine = json_object_get(facts, key);
    if (json_is_integer(value)) {
      MST_TRY(add_number(facts, key, (uint64_t)json_integer_value(value), err));
    } else if (json_is_array(value)) {
      if (!json_is_array(mine)) {
        MST_TRY(mst_json_set(facts, key, json_array(), err));
        mine = json_object_get(facts, key);
      }
      MST_TRY(append_damage(facts, mine, value, bytes, err));
    } else {
      MST_TRY(mst_json_set(facts, key, json_deep_copy(value), err));
    }
  }
done:
  return status;
}

/* ---- settings ------------------------------------------------------------------------------------------------------
 */

mst_status mst_setting_of(const mst_job *job, mst_setting *out, mst_error *err) {
  mst_status status = MST_OK;
  const char *container = NULL;
  json_t *dialect = NULL;
  bool serial = false;
  *out = (mst_setting){.ops = mst_record_ops_find(job->format->name)};
  if (out->ops == NULL) return mst_fail(err, MST_E_INTERNAL, "%s is no record format", job->format->name);
  MST_TRY(mst_json_get_text(job->facts, "container", "facts", &container, err));
  MST_TRY(mst_json_get_object(job->facts, "dialect", "facts", &dialect, err));
  out->container = container == NULL ? NULL : mst_container_find(container);
  if (out->container == NULL || dialect == NULL)
    return mst_fail(err, MST_E_CORRUPT, "the facts of %s name no known container or no dialect", job->name);
  MST_TRY(mst_json_get_bool(dialect, "serial", "dialect", &serial, err));
  out->dialect = dialect;
  out->pieces = out->container->pieces && !serial && !job->recover;
  out->windows = out->container == &mst_container_gzip;
done:
  return status;
}

mst_status mst_records_broken(const mst_container_ops *container, mst_status status, uint64_t plain, const char *what,
                              mst_error *err) {
  if (container == &mst_container_plain) return mst_fail_at(err, status, plain, "%s", what);
  return mst_fail_at(err, status, plain, "%s, at plain offset %llu", what, (unsigned long long)plain);
}
