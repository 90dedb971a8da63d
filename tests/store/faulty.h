/* tests/store/faulty.h - what the tests of the network stores share: stores on tests/store/faulty_server.py, single
 * operations, the server's log. The tests run below that server, which names itself in the environment. */
#ifndef MST_TESTS_STORE_FAULTY_H
#define MST_TESTS_STORE_FAULTY_H

#include "support/support.h"

#include "store/store.h"

/* Skips the whole program (exit 77) when the server is not there. */
void faulty_need(void);
const char *faulty_url(void);
mst_context *faulty_context(void); /* of the test program; ended by faulty_end */
void faulty_end(void);

/* Options end with a NULL key. Fast retries and short patience are added unless the options say otherwise. */
mst_store *faulty_open(const char *url, const mst_pair *options);
/* "s3://bkt" with the server as endpoint and the right keys, and the store of /http/. */
mst_store *faulty_s3(const char *bucket, const mst_pair *more);
mst_store *faulty_http(const mst_pair *more);
mst_status faulty_open_status(const char *url, const mst_pair *options, mst_store **out, mst_error *err);

void faulty_reset(const char *query);    /* "" or "?lifetime=5" */
char *faulty_log(void);                  /* one JSON object a line; free() */
unsigned faulty_count(const char *part); /* log lines that hold this text  */

/* Byte i of an object "data-SIZE". */
uint8_t faulty_byte(uint64_t i);

typedef struct faulty_read {
  uint64_t offset, size;
  bool from_end, exact;
  const mst_pin *pin;
  mst_cancel *cancel;
  int64_t deadline_us;
  /* answered */
  uint64_t got;
  uint32_t requests;
  mst_pin info;
  mst_error err;
  double seconds;
} faulty_read;
/* Reads and, on success, compares with what the object must hold from `offset` (with from_end: at its end). */
mst_status faulty_get(mst_store *s, const char *key, faulty_read *r);
mst_status faulty_head(mst_store *s, const char *key, mst_pin *out, mst_error *err);

/* Nothing secret that the tests use stands in it. */
void assert_no_secret(const char *text);
/* The message names all that a person needs: each of the words. */
void assert_says(const mst_error *err, const char *const *words);
#define SAYS(err, ...) assert_says(err, (const char *const[]){__VA_ARGS__, NULL})

#endif
