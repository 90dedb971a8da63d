/* format/records_piece.h - what a scan of one piece of an object finds, in memory: a chain of spans for each state in
 * which the piece may begin. Private to the generic record machinery (records_*.c).
 *
 * A chain begins at the piece's first byte with points[0], the head, and goes on at safe starts: points[1], points[2],
 * … Chains that meet at a safe start are one from there on: the later one is `joined` to a point of the other. So the
 * chains form a forest whose roots say in which state the piece ends, or that the piece cannot begin in that state
 * (`dead`). */
#ifndef MST_FORMAT_RECORDS_PIECE_H
#define MST_FORMAT_RECORDS_PIECE_H

#include "format/records.h"

/* A run of plain bytes between two points. */
typedef struct mst_stretch {
  uint64_t records; /* that begin in it */
  uint64_t bytes;
  uint32_t crc;
  mst_bytes extra; /* of the record format */
} mst_stretch;

/* A safe start and the span that begins there. */
typedef struct mst_point {
  bool checkpoint; /* else it is only known to be a safe start, and a checkpoint if one is wanted there      */
  bool starts;     /* a record starts here                                                                   */
  uint8_t bits;
  uint64_t lost;     /* plain bytes in front of it that are damaged: they belong to no span (recover)         */
  uint64_t at, skip; /* decoding from byte `at` gives, after `skip` plain bytes, the safe start             */
  mst_bytes window;
  mst_stretch span;
} mst_point;

typedef struct mst_chain {
  uint8_t start, end; /* states                                                                              */
  bool joined;        /* goes on at chains[to_chain].points[to_point]; then nothing but `start` and points counts */
  size_t to_chain, to_point;
  mst_status dead; /* not MST_OK: a rule is broken `dead_at` bytes into the piece, as `why` says              */
  uint64_t dead_at;
  char *why;
  uint64_t wanted; /* a checkpoint has been wanted for this many bytes - 1, up to the piece's end; 0: none is  */
  mst_point *points;
  size_t n, capacity;
} mst_chain;

/* Where a piece begins or ends: at byte `offset` of the object, or at cut number `part` of the scan that began there.
 */
typedef struct mst_border {
  uint64_t offset, part;
} mst_border;

/* Nothing begins in the piece: all of it belongs to a block that began before. */
#define NO_BLOCK UINT64_MAX

typedef struct mst_piece {
  const mst_allocator *mem;
  mst_border from, to;
  uint64_t decoded_from, decoded_to; /* of the object, by its container, at borders with part == 0; or NO_BLOCK */
  uint64_t bytes;                    /* plain                                                                 */
  json_t *facts;                     /* of the container; may be NULL                                         */
  mst_chain chains[MST_STATES_MAX];
  size_t n_chains;
} mst_piece;

void mst_piece_init(mst_piece *p, const mst_allocator *mem);
void mst_piece_free(mst_piece *p);
/* Appends a chain with an empty head. */
mst_status mst_piece_add_chain(mst_piece *p, unsigned start, mst_chain **out, mst_error *err);
/* Appends a point; takes its bytes over, also on failure. */
mst_status mst_chain_add(const mst_allocator *mem, mst_chain *c, mst_point *point, mst_error *err);
void mst_chain_clear(const mst_allocator *mem, mst_chain *c);
/* Remembers why a chain ends here. `why` is err's message. */
size_t mst_piece_why_size(const char *why); /* how much of a text is kept: whole characters */
mst_status mst_chain_kill(const mst_allocator *mem, mst_chain *c, mst_status dead, uint64_t at, const char *why,
                          mst_error *err);
void mst_point_clear(mst_point *p);
mst_point mst_point_share(const mst_point *p);

/* left becomes left ++ right. */
mst_status mst_stretch_join(const mst_record_ops *ops, const mst_allocator *mem, mst_stretch *left,
                            const mst_stretch *right, mst_error *err);

/* Walks the points of a chain and of what it is joined to, the head first. */
typedef struct mst_walk {
  const mst_piece *piece;
  size_t chain, point;
} mst_walk;
mst_walk mst_walk_begin(const mst_piece *p, size_t chain);
/* NULL at the end; `chain` is then the root. */
const mst_point *mst_walk_next(mst_walk *w);
/* The chain of the piece that begins in `state`, NULL when there is none. */
const mst_chain *mst_piece_chain(const mst_piece *p, unsigned state);

/* Bytes for other machines and back; see docs/specification/partial.md. What comes back is checked: damage, another
 * object, other settings are MST_E_CORRUPT or MST_E_ARGUMENT. */
mst_status mst_piece_encode(const mst_job *job, const mst_piece *p, mst_bytes *out, mst_error *err);
mst_status mst_piece_decode(const mst_job *job, const mst_record_ops *ops, const mst_bytes *bytes, mst_piece *out,
                            mst_error *err);
/* Does `right` begin where `left` ends? */
mst_status mst_piece_check_neighbours(const mst_job *job, const mst_border *left_to, uint64_t left_decoded_to,
                                      const mst_piece *right, mst_error *err);
/* Facts of neighbouring pieces: numbers are added, arrays appended; a later truth value counts. `bytes` plain bytes lie
 * in front of `more`. */
mst_status mst_facts_join(json_t *facts, const json_t *more, uint64_t bytes, mst_error *err);

/* What the machines of records_*.c share about a job: the record format, the container, the dialect. Borrowed from the
 * job. */
typedef struct mst_setting {
  const mst_record_ops *ops;
  const mst_container_ops *container;
  const json_t *dialect;
  bool pieces;  /* pieces of the object can be scanned alone */
  bool windows; /* restarts may need a window                */
} mst_setting;
mst_status mst_setting_of(const mst_job *job, mst_setting *out, mst_error *err);
/* The error of a broken rule at plain offset `plain`; in words too where that is no offset in the object. */
mst_status mst_records_broken(const mst_container_ops *container, mst_status status, uint64_t plain, const char *what,
                              mst_error *err);

#endif
