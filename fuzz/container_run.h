/* fuzz/container_run.h - drives one container over an object in memory, for the fuzzers of containers: from any cut of
 * the input, taking restarts as a scanner does, and starting again at them. Aborts where two ways differ. */
#ifndef MST_FUZZ_CONTAINER_RUN_H
#define MST_FUZZ_CONTAINER_RUN_H

#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "format/container.h"

#define PLAIN_MAX    (1u << 20) /* reading stops behind so many bytes */
#define RESTARTS_MAX 8

typedef struct reading {
  mst_status status;
  bool whole; /* END was reached */
  uint8_t *plain;
  size_t n;
  mst_restart restarts[RESTARTS_MAX];
  size_t n_restarts;
  uint64_t begin, end;
} reading;

static void must(bool ok) {
  if (!ok) abort();
}

static inline void reading_free(reading *r) {
  for (size_t i = 0; i < r->n_restarts; i++) mst_restart_clear(&r->restarts[i]);
  free(r->plain);
  *r = (reading){0};
}

static inline void take_run(mst_container *c, reading *r, const mst_run *run, bool *kept) {
  must(run->size > 0 && (run->restartable || !run->mark));
  if (run->has_crc) must(run->crc == mst_crc32(0, run->data, run->size));
  uint8_t *grown = realloc(r->plain, r->n + run->size);
  must(grown != NULL);
  memcpy(grown + r->n, run->data, run->size);
  r->plain = grown;
  r->n += run->size;
  if (!run->mark || r->n_restarts == RESTARTS_MAX) return;
  must(c->ops->capture(c, NULL) == MST_OK);
  if (*kept) must(c->ops->take(c, &r->restarts[r->n_restarts++], NULL) == MST_OK);
  c->ops->keep(c);
  *kept = true;
}

/* `chunk` bytes a feed. */
static inline reading read_object(const mst_container_ops *ops, const uint8_t *data, size_t size, size_t chunk,
                                  mst_container_open open) {
  reading r = {0};
  mst_container *c = NULL;
  bool kept = false;
  size_t at = (size_t)(open.from != NULL ? open.from->at : open.begin);
  mst_error err = {0};
  open.name = "fuzz";
  open.size = size;
  if (open.end == 0) open.end = size;
  r.status = ops->open(&open, &c, &err);
  while (r.status == MST_OK && r.n < PLAIN_MAX) {
    mst_container_state state;
    mst_run run;
    r.status = ops->next(c, &state, &run, &err);
    if (r.status != MST_OK) break;
    r.whole = state == MST_CONTAINER_END;
    if (r.whole) break;
    if (state == MST_CONTAINER_RUN) {
      take_run(c, &r, &run, &kept);
      continue;
    }
    must(at <= size);
    const mst_bytes bytes = mst_bytes_borrow(data + at, mst_min_size(chunk, size - at));
    at += bytes.size;
    r.status = ops->feed(c, &bytes, at == size, &err);
  }
  if (r.status != MST_OK) must(err.message[0] != '\0');
  if (r.whole) {
    json_t *facts = json_object();
    must(ops->facts(c, facts, NULL) == MST_OK);
    json_decref(facts);
    ops->extent(c, &r.begin, &r.end);
  }
  if (c != NULL) ops->close(c);
  return r;
}

/* Whole, in small cuts, and from every restart: the same plain bytes, the same answer. */
static inline reading read_in_all_ways(const mst_container_ops *ops, const uint8_t *data, size_t size, uint8_t how) {
  const mst_container_open open = {
      .verify = true, .recover = (how & 1) != 0, .spacing = 1 + (how >> 1 & 3) * 500u, .memory = 1 << 20};
  reading whole = read_object(ops, data, size, size + 1, open);
  reading cut = read_object(ops, data, size, 1 + (how >> 3), open);
  if (whole.n < PLAIN_MAX && cut.n < PLAIN_MAX) {
    /* Where a frame is broken, libzstd keeps back what one call decoded before, and recovery goes on behind the bytes
     * that it has taken by then. */
    const bool free = ops == &mst_container_zstd && open.recover;
    must(free || (whole.status == cut.status && whole.whole == cut.whole));
    must(free || (ops == &mst_container_zstd && !whole.whole) || (whole.n == cut.n && whole.n_restarts == cut.n_restarts));
  }
  const size_t common = ops == &mst_container_zstd && open.recover ? 0 : mst_min_size(whole.n, cut.n);
  must(memcmp(whole.plain == NULL ? "" : (const void *)whole.plain, cut.plain == NULL ? "" : (const void *)cut.plain,
              common) == 0);
  for (size_t i = 0; i < whole.n_restarts && !open.recover && whole.whole; i++) {
    const mst_restart *from = &whole.restarts[i];
    reading rest =
        read_object(ops, data, size, size + 1,
                    (mst_container_open){.from = from, .plain_end = whole.n, .verify = true, .memory = 1 << 20});
    must(rest.status == MST_OK && rest.n == whole.n - from->plain);
    must(memcmp(rest.plain, whole.plain + from->plain, rest.n) == 0);
    reading_free(&rest);
  }
  reading_free(&cut);
  return whole;
}

#endif
