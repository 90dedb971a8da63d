/* format/container.c - finds containers by name and first bytes, and what they share. Owns nothing. Calls codec. */
#include "format/container.h"

#include "format/container_impl.h"

static const mst_container_ops *const containers[] = {&mst_container_plain, &mst_container_gzip, &mst_container_bgzf,
                                                      &mst_container_zstd};
#define N_CONTAINERS (sizeof containers / sizeof *containers)

const mst_container_ops *mst_container_find(const char *name) {
  for (size_t i = 0; name != NULL && i < N_CONTAINERS; i++)
    if (strcmp(containers[i]->name, name) == 0) return containers[i];
  return NULL;
}

const mst_container_ops *mst_container_detect(const uint8_t *head, size_t n) {
  const mst_container_ops *best = &mst_container_plain;
  int score = 0;
  for (size_t i = 0; i < N_CONTAINERS; i++) {
    const int s = containers[i]->probe(head, n);
    if (s <= score) continue;
    score = s;
    best = containers[i];
  }
  return best;
}

mst_status mst_container_peek(const mst_allocator *mem, const uint8_t *head, size_t n, size_t max, mst_buf *out,
                              mst_error *err) {
  const mst_container_open options = {.mem = mem, .name = "", .end = UINT64_MAX, .size = UINT64_MAX};
  const mst_container_ops *ops = mst_container_detect(head, n);
  /* As gzip also the beginning of a block comes out. */
  if (ops == &mst_container_bgzf) ops = &mst_container_gzip;
  const mst_bytes input = mst_bytes_borrow(head, n);
  mst_container_state state = MST_CONTAINER_RUN;
  mst_container *c = NULL;
  mst_error damage = {0};
  mst_status status;
  mst_run run;
  MST_TRY(ops->open(&options, &c, err));
  MST_TRY(ops->feed(c, &input, false, err));
  while (max > 0) {
    status = ops->next(c, &state, &run, &damage);
    if (status == MST_E_NO_MEMORY) {
      if (err != NULL) *err = damage;
      goto done;
    }
    if (status != MST_OK || state != MST_CONTAINER_RUN) break;
    const size_t take = mst_min_size(run.size, max);
    MST_TRY(mst_buf_put(out, run.data, take, err));
    max -= take;
  }
  status = MST_OK;
done:
  if (c != NULL) ops->close(c);
  return status;
}

void mst_restart_clear(mst_restart *r) {
  if (r == NULL) return;
  mst_bytes_release(&r->window);
  *r = (mst_restart){0};
}

/* ---- shared by the containers ---------------------------------------------------------------------------------- */

void mst_input_feed(container_input *in, const mst_bytes *bytes, bool last) {
  in->given = *bytes;
  in->at = bytes->data;
  in->end = bytes->size == 0 ? bytes->data : bytes->data + bytes->size;
  in->last = last;
}

bool mst_input_keep(container_input *in, uint8_t *kept, size_t *n_kept, size_t want) {
  if (*n_kept >= want) return true;
  const size_t n = mst_min_size(want - *n_kept, mst_input_left(in));
  if (n > 0) memcpy(kept + *n_kept, in->at, n);
  *n_kept += n;
  mst_input_use(in, n);
  return *n_kept >= want;
}

mst_status mst_notes_add(container_notes *notes, const mst_allocator *mem, uint64_t at, uint64_t plain,
                         const char *what, mst_error *err) {
  if (notes->n == CONTAINER_NOTES_MAX) {
    notes->more++;
    return MST_OK;
  }
  if (notes->list == NULL) notes->list = mst_alloc_array(mem, CONTAINER_NOTES_MAX, sizeof *notes->list);
  if (notes->list == NULL) return mst_fail_memory(err);
  container_note *note = &notes->list[notes->n++];
  note->at = at;
  note->plain = plain;
  (void)snprintf(note->what, sizeof note->what, "%s", what);
  return MST_OK;
}

mst_status mst_notes_put(const container_notes *notes, json_t *facts, mst_error *err) {
  mst_status status = MST_OK;
  json_t *list = NULL;
  if (notes->n == 0) return MST_OK;
  MST_TRY_ALLOC(list = json_array());
  for (size_t i = 0; i < notes->n; i++) {
    const container_note *note = &notes->list[i];
    json_t *entry = json_object();
    if (entry == NULL || json_array_append_new(list, entry) != 0) {
      status = mst_fail_memory(err);
      goto done;
    }
    MST_TRY(mst_json_set_u64(entry, "at", note->at, err));
    MST_TRY(mst_json_set_u64(entry, "plain", note->plain, err));
    MST_TRY(mst_json_set_text(entry, "what", note->what, err));
  }
  MST_TRY(mst_json_set(facts, "damage", json_incref(list), err));
  if (notes->more > 0) MST_TRY(mst_json_set_u64(facts, "damage_more", notes->more, err));
done:
  json_decref(list);
  return status;
}

mst_status mst_container_broken(const char *name, mst_status status, uint64_t at, uint64_t plain, const char *what,
                                mst_error *err) {
  return mst_fail_at(err, status, at, "%s: %s (byte %llu of the object, plain offset %llu)", name, what,
                     (unsigned long long)at, (unsigned long long)plain);
}

mst_status mst_container_broken_by(const char *name, const mst_error *cause, uint64_t at, uint64_t plain,
                                   mst_error *err) {
  if (cause->status == MST_E_NO_MEMORY) return mst_fail_memory(err);
  return mst_container_broken(name, cause->status, at, plain, cause->message, err);
}

uint64_t mst_mark_behind(uint64_t plain, uint64_t spacing) {
  uint64_t mark;
  if (spacing == 0 || !mst_mul_u64(plain / spacing + 1, spacing, &mark)) return UINT64_MAX;
  return mark;
}
