/* store/loop.h - one libcurl multi handle and the exchanges that it drives, for one thread at a time. Private to the
 * transport. */
#ifndef MST_STORE_LOOP_H
#define MST_STORE_LOOP_H

#include "store/lib_curl.h"
#include "store/transport.h"

typedef struct mst_slot_easy mst_slot_easy;

typedef struct mst_loop {
  mst_transport *transport;
  const mst_curl *curl;
  const mst_env *env;
  const mst_allocator *mem;
  CURLM *multi;
  mst_signer signer;
  mst_slot_easy *idle;              /* easy handles that wait for work */
  mst_slot_easy *flying;            /* … that have some */
  mst_exchange *ready, *ready_last; /* to be begun, in order */
  mst_exchange *waiting;            /* for their time */
  mst_exchange *ended;              /* to be handed back by the one who turns the loop */
  uint32_t n_flying, flying_max;
  int64_t next_scan_us;
} mst_loop;

mst_status mst_loop_open(mst_loop *l, mst_transport *t, const mst_curl *curl, const mst_crypto *crypto,
                         mst_context *ctx, uint32_t flying_max, mst_error *err);
void mst_loop_close(mst_loop *l); /* nothing may be under way */
void mst_loop_add(mst_loop *l, mst_exchange *x);
/* Begins what is ready, moves bytes, looks at clocks and flags. What ends is put into `ended`. */
void mst_loop_turn(mst_loop *l);
/* How long mst_loop_wait may sleep; -1: nothing is under way at all. */
int mst_loop_patience_ms(const mst_loop *l);
/* Sleeps until bytes move, somebody wakes the loop, or the time is over. */
void mst_loop_wait(mst_loop *l, int ms);
mst_exchange *mst_loop_take_ended(mst_loop *l);
/* Hands an exchange that must block to the transport; the loop's owner decides. */
void mst_transport_block(mst_transport *t, mst_loop *l, mst_exchange *x);

#endif
