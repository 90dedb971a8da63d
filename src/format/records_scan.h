/* format/records_scan.h - the state of a scan, shared by the scan itself and by what goes on behind damage. Private to
 * records_scan.c and records_recover.c. */
#ifndef MST_FORMAT_RECORDS_SCAN_H
#define MST_FORMAT_RECORDS_SCAN_H

#include "format/records_piece.h"

#define SCAN_NOWHERE    UINT64_MAX
#define SCAN_MEET_TRIES 16 /* in each block, to lead chains to each other */
#define SCAN_CUTS_MAX   (MST_STATES_MAX * (SCAN_MEET_TRIES + 8))

/* One scanner at work. */
typedef struct mst_live {
  mst_scanner *scanner;
  size_t chain;          /* of the piece                                                             */
  uint64_t at;           /* plain offset of its next byte                                            */
  uint64_t opened;       /* plain offset at which it was opened                                      */
  uint64_t span_at;      /* where the current span begins                                            */
  uint64_t span_records; /* records of the scanner up to there                                       */
  uint32_t span_crc;     /* of the plain bytes from the partial's beginning to there                 */
  uint64_t wanted_at;    /* a checkpoint is wanted from here on, or NOWHERE                          */
  uint64_t meet_at;      /* a safe start is wanted from here on, to meet other chains, or NOWHERE    */
  bool gone;             /* met another chain, or was ruled out                                      */
} mst_live;

/* A span that ends in the block at hand and waits for its CRC. */
typedef struct mst_cut {
  size_t live, point; /* the point whose span ends */
  uint64_t at;
} mst_cut;

/* What `recover` remembers, to cut off a broken record and to go on behind it. */
typedef struct mst_recovery {
  bool broken;        /* a rule was broken in the block at hand …                                  */
  uint64_t broken_at; /* … at this plain offset                                                    */
  char why[768];
  mst_buf tail; /* plain bytes from the newest point on, when that is known: tail_at         */
  uint64_t tail_at;
  bool have_tail;
  bool on_trial;      /* behind damage: the piece of the scan holds trial chains                   */
  mst_piece piece;    /* on trial: what was found in front of the damage                           */
  uint64_t base;      /* its beginning                                                             */
  uint64_t lost_from; /* plain offset at which what is whole ends                                  */
  uint32_t crc;       /* of the plain bytes from `base` to there                                   */
  json_t *damage;     /* broken rules, for the facts                                               */
  uint64_t damage_more;
} mst_recovery;

typedef struct mst_scan {
  mst_machine machine;
  const mst_job *job;
  mst_setting setting;
  mst_container *container;
  uint64_t begin, end, size;
  uint64_t fed; /* the object's bytes up to here were fed    */
  mst_range need;
  mst_bytes input; /* what the container looks at               */
  mst_piece piece; /* since the last partial                    */
  mst_piece ready; /* to go out                                 */
  bool have_ready;
  uint64_t base;   /* plain offset at which the partial begins  */
  uint64_t crc_at; /* plain offset up to which `crc` goes       */
  uint32_t crc;    /* of the plain bytes since `base`           */
  mst_live lives[MST_STATES_MAX];
  size_t n_lives;
  mst_cut cuts[SCAN_CUTS_MAX];
  size_t n_cuts;
  mst_run run; /* at hand                                   */
  uint64_t block_at;
  const uint8_t *block;
  size_t block_size;
  uint64_t restart_at, restart_plain; /* the last restartable place   */
  bool have_kept;                     /* the container holds the window of checkpoint `kept` of lives[0] */
  size_t kept;
  size_t held; /* bytes of windows and extras in the piece  */
  bool opened, ended;
  mst_recovery recovery;
} mst_scan;

static inline mst_chain *mst_scan_chain(mst_scan *s, const mst_live *v) { return &s->piece.chains[v->chain]; }

/* Opens a scanner in `state` at plain offset `at`, with a chain of its own; nothing when the dialect has no such state.
 */
mst_status mst_scan_open_live(mst_scan *s, unsigned state, uint64_t at, mst_error *err);
void mst_scan_close_lives(mst_scan *s);
/* Gives the newest checkpoint its window, if the container still holds it. */
mst_status mst_scan_take_window(mst_scan *s, mst_error *err);
/* Feeds the block at hand to all scanners, from where each stands. */
mst_status mst_scan_block(mst_scan *s, mst_error *err);

/* ---- records_recover.c: only with job->recover, when there is one piece and one chain ---- */

/* Remembers that a rule is broken; the scanner is gone. */
void mst_recover_note(mst_scan *s, uint64_t at, const char *why);
/* Plain bytes are missing behind `at`, the end of the last block. */
mst_status mst_recover_gap(mst_scan *s, uint64_t at, mst_error *err);
/* After each block: remembers it, goes on trial behind a broken rule, and back when it is certain where records begin
 * again. */
mst_status mst_recover_block(mst_scan *s, mst_error *err);
/* At the end of the plain bytes, when `cut` in the middle or when the last record is not whole. */
mst_status mst_recover_end(mst_scan *s, bool cut, mst_error *err);
mst_status mst_recover_facts(mst_scan *s, json_t *facts, mst_error *err);
void mst_recover_free(mst_scan *s);

#endif
