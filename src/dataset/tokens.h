/* dataset/tokens.h - JSON and msgpack as one run of tokens, in and out, without a tree: what the main metadata is read and written by.
 *
 * Owns: nothing but scratch memory. May call: base. Private to the dataset module. */
#ifndef MST_DATASET_TOKENS_H
#define MST_DATASET_TOKENS_H

#include "base/base.h"

#define MST_TOKENS_DEPTH_MAX 128

typedef enum mst_token_kind {
  MST_TOKEN_NULL,
  MST_TOKEN_BOOL,
  MST_TOKEN_INT,
  MST_TOKEN_REAL, /* integers beyond 64 bits, too */
  MST_TOKEN_TEXT, /* keys of maps, too            */
  MST_TOKEN_MAP,
  MST_TOKEN_LIST,
  MST_TOKEN_END /* of the innermost map or list */
} mst_token_kind;

typedef struct mst_token {
  mst_token_kind kind;
  size_t at; /* where it begins */
  bool truth;
  int64_t i;
  double f;
  const char *text; /* valid until the next token; UTF-8, not NUL-terminated */
  size_t n;
} mst_token;

/* Foreign bytes of any size; in a map keys and values take turns. One thread. */
typedef struct mst_tokens {
  const uint8_t *data;
  size_t n, at;
  bool msgpack;
  const char *name; /* for errors */
  mst_buf scratch;
  size_t depth;
  struct {
    bool map, key, fresh; /* `key`: the next token is one */
    uint64_t left;        /* msgpack: values yet to come  */
  } stack[MST_TOKENS_DEPTH_MAX];
} mst_tokens;

void mst_tokens_init(mst_tokens *t, const mst_allocator *mem, const void *data, size_t n, bool msgpack, const char *name);
void mst_tokens_free(mst_tokens *t);
mst_status mst_tokens_next(mst_tokens *t, mst_token *out, mst_error *err);
/* The rest of a value whose first token came. */
mst_status mst_tokens_skip(mst_tokens *t, const mst_token *first, mst_error *err);
/* The same as a tree. */
mst_status mst_tokens_tree(mst_tokens *t, const mst_token *first, json_t **out, mst_error *err);
/* Nothing may follow the outermost value. */
mst_status mst_tokens_end(mst_tokens *t, mst_error *err);
/* MST_E_CORRUPT at a token. */
mst_status mst_tokens_fail(const mst_tokens *t, size_t at, mst_error *err, const char *format, ...) MST_PRINTF(4, 5);
const char *mst_token_name(mst_token_kind kind);

/* Out, byte for byte as Python's json and msgpack write it: ASCII, ", " and ": ". */
typedef struct mst_emit {
  mst_buf *out;
  bool msgpack;
  bool fresh; /* no comma yet */
} mst_emit;
mst_status mst_emit_map(mst_emit *e, size_t n, mst_error *err);
mst_status mst_emit_map_end(mst_emit *e, mst_error *err);
mst_status mst_emit_list(mst_emit *e, size_t n, mst_error *err);
mst_status mst_emit_list_end(mst_emit *e, mst_error *err);
mst_status mst_emit_key(mst_emit *e, const char *text, size_t n, mst_error *err);
mst_status mst_emit_text(mst_emit *e, const char *text, size_t n, mst_error *err);
mst_status mst_emit_int(mst_emit *e, int64_t v, mst_error *err);
/* A whole tree; NaN and infinity are MST_E_ARGUMENT. */
mst_status mst_emit_tree(mst_emit *e, const json_t *value, mst_error *err);

/* A double as Python's repr has it: "0.1", "3.0", "1e+20", "-0.0", "nan", "inf". Returns its length. */
size_t mst_float_repr(double v, char out[40]);

#endif
