/* format/pump.h - the plain bytes of a stretch of an object, out of its container, for machines of a format's own that
 * know where decoding can begin.
 *
 * Owns: the container. May call: base, containers. */
#ifndef MST_FORMAT_PUMP_H
#define MST_FORMAT_PUMP_H

#include "format/container.h"
#include "format/format.h"

typedef struct mst_pump {
  const mst_job *job;
  const mst_container_ops *ops;
  mst_container *container; /* NULL: closed */
  uint64_t first, end;      /* plain bytes that are wanted */
  uint64_t check_at,
      check_plain; /* decoding can begin at this byte of the object, which is this plain byte: to be seen */
  uint64_t fed, size;
  mst_range need;
  mst_bytes input;
  bool asked, ended;
} mst_pump;

/* Decoding begins at byte `at` of the object, which is plain byte `plain` (none needed in front of it). */
mst_status mst_pump_open(mst_pump *p, const mst_job *job, const mst_container_ops *ops, uint64_t at, uint64_t plain,
                         uint64_t first, uint64_t end, mst_error *err);
/* Has the reader find out whether a block begins at byte `at` of the object, as plain byte `plain`, on its way;
 * MST_E_CORRUPT when none does. Both lie behind where decoding begins and in front of what is wanted. */
void mst_pump_check(mst_pump *p, uint64_t at, uint64_t plain);
/* The next wanted bytes, which begin at plain byte `*plain`; or `*asks`, and `out` says what is needed; or neither
 * (`*n` == 0): the end, which the object may reach before the stretch does. `given` answers what was asked for last. */
mst_status mst_pump_next(mst_pump *p, const mst_given *given, mst_step *out, const uint8_t **data, size_t *n,
                         uint64_t *plain, bool *asks, mst_error *err);
void mst_pump_close(mst_pump *p); /* fine on a zeroed one */

#endif
