/* store/range.h - one GET of a range, in as many replies as it takes: what to ask, whether a reply is what was asked of
 * the version that was pinned, where its bytes go, what is left after a break. Pure: no I/O. Private to the store
 * module. */
#ifndef MST_STORE_RANGE_H
#define MST_STORE_RANGE_H

#include "store/reply.h"
#include "store/store.h"

/* From a server that ignores ranges at most this much is read and thrown away in front of what was asked. */
enum { MST_SKIP_MAX = 16 << 20 };

typedef enum mst_ranged_step {
  MST_RANGED_ASK,   /* the range itself */
  MST_RANGED_PROBE, /* bytes 0-0: the range lies behind the end, what is the object? */
  MST_RANGED_WHOLE  /* no range: the object is empty, and ranges of nothing are refused */
} mst_ranged_step;

typedef struct mst_ranged {
  mst_op *op;
  mst_ranged_step step;
  bool refuse_encoding; /* bodies that were compressed on the way cannot be told from the object's own bytes */
  bool known;           /* `seen` holds the facts of a reply */
  bool placed;          /* `first` and `want` are known */
  bool enough;          /* all wanted bytes are there */
  bool open_end;        /* the reply does not say how long it is */
  bool overlong;        /* … and has more than it said */
  mst_pin seen;
  uint64_t first, want; /* in the object: what is to be read */
  uint64_t have;        /* bytes of that in op->into */
  uint64_t gained;      /* … of this reply */
  uint64_t skip;        /* bytes of the body to throw away first */
  uint64_t body_left;   /* bytes that the body may still have (not with open_end) */
  uint64_t body_seen;
} mst_ranged;

typedef enum mst_ranged_state { MST_RANGED_DONE, MST_RANGED_MORE } mst_ranged_state;

void mst_ranged_begin(mst_ranged *r, mst_op *op, bool refuse_encoding);
/* The value of the Range header; false: none is to be sent. */
bool mst_ranged_ask(mst_ranged *r, char out[64]);
/* The strong ETag that the request must be conditional on; NULL: none is known. */
const char *mst_ranged_condition(const mst_ranged *r);
/* Can the reply give the whole object? Then a checksum of the whole can be compared. */
bool mst_ranged_asks_whole(const mst_ranged *r);
/* A 200 or 206. MST_E_CHANGED: another version; MST_E_IO: not what was asked, may be tried again; else final. */
mst_status mst_ranged_head(mst_ranged *r, const mst_reply *reply, mst_error *err);
/* false: no more is wanted (r->enough), or the body is longer than its headers say. */
bool mst_ranged_take(mst_ranged *r, const void *data, size_t n);
/* The body has ended as its connection meant it to. */
mst_ranged_state mst_ranged_end(mst_ranged *r);
/* 416. MST_OK with *again: ask once more (another step); MST_OK without: nothing is there to be read. */
mst_status mst_ranged_unsatisfied(mst_ranged *r, const mst_reply *reply, bool *again, mst_error *err);
/* After a break: keeps what can be gone on with, else starts anew. */
void mst_ranged_break(mst_ranged *r);
void mst_ranged_restart(mst_ranged *r);
/* Fills the operation's answer. Fewer bytes than asked for is an error where they had to be exact. */
mst_status mst_ranged_finish(mst_ranged *r, mst_error *err);

/* Does the key's ending say what the encoding is? Then encoded bytes are the object's own. */
bool mst_encoding_is_own(const char *key, const char *encoding);
void mst_pin_of_reply(const mst_reply *reply, uint64_t size, mst_pin *out);

#endif
