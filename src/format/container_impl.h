/* format/container_impl.h - what the containers share: the bytes at hand, and notes about damage; private to
 * container_*.c. */
#ifndef MST_FORMAT_CONTAINER_IMPL_H
#define MST_FORMAT_CONTAINER_IMPL_H

#include "format/container.h"

#define CONTAINER_NOTES_MAX 64u

/* The bytes that were fed and not used yet. */
typedef struct container_input {
  mst_bytes given; /* borrowed                       */
  const uint8_t *at, *end;
  uint64_t offset; /* of *at in the object           */
  bool last;       /* nothing comes behind `end`     */
} container_input;

void mst_input_feed(container_input *in, const mst_bytes *bytes, bool last);
static inline size_t mst_input_left(const container_input *in) { return (size_t)(in->end - in->at); }
static inline void mst_input_use(container_input *in, size_t n) {
  if (n == 0) return; /* `at` may be NULL then */
  in->at += n;
  in->offset += n;
}
/* Takes up to `want` bytes in all into `kept`; false when the input ends before. */
bool mst_input_keep(container_input *in, uint8_t *kept, size_t *n_kept, size_t want);

/* Damage that `recover` passed over. */
typedef struct container_note {
  uint64_t at, plain;
  char what[224];
} container_note;
typedef struct container_notes {
  container_note *list;
  size_t n;
  uint64_t more;
} container_notes;
mst_status mst_notes_add(container_notes *notes, const mst_allocator *mem, uint64_t at, uint64_t plain,
                         const char *what, mst_error *err);
mst_status mst_notes_put(const container_notes *notes, json_t *facts, mst_error *err);

/* The error of broken data at byte `at` of the object: "name: what (byte …, plain offset …)". */
mst_status mst_container_broken(const char *name, mst_status status, uint64_t at, uint64_t plain, const char *what,
                                mst_error *err);
/* Takes `err` (from a codec) apart: its message as text, its status kept. */
mst_status mst_container_broken_by(const char *name, const mst_error *cause, uint64_t at, uint64_t plain,
                                   mst_error *err);
/* The first multiple of `spacing` behind `plain`; UINT64_MAX when there is none. */
uint64_t mst_mark_behind(uint64_t plain, uint64_t spacing);

#endif
