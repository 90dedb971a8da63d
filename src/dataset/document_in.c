/* dataset/document_in.c - reading the main metadata; see document.h. One pass over the tokens: partitions go straight into their
 * compact form, so that memory follows what is kept and not the text's nesting. */
#include "codec/codec.h"
#include "dataset/document_inner.h"

typedef struct reader {
  mst_document *d;
  mst_tokens *t;
  const char *name;
  bool version_seen, keys_seen, partitions_seen;
  bool later;       /* partitions came before the uuid: read them again at the end */
  mst_tokens mark;  /* then: where they begin */
  mst_token marked;
  mst_buf key, label;
} reader;

static mst_status want(const reader *r, const mst_token *token, mst_token_kind kind, const char *what, mst_error *err) {
  if (token->kind == kind) return MST_OK;
  return mst_tokens_fail(r->t, token->at, err, "%s must be %s, found %s", what, mst_token_name(kind), mst_token_name(token->kind));
}

/* A copy of a token's text that is fit for C. */
static mst_status keep_text(const reader *r, const mst_token *token, const char *what, mst_buf *into, mst_error *err) {
  mst_status status = want(r, token, MST_TOKEN_TEXT, what, err);
  if (status != MST_OK) return status;
  if (memchr(token->text, '\0', token->n) != NULL) return mst_tokens_fail(r->t, token->at, err, "%s with a NUL", what);
  mst_buf_clear(into);
  return mst_buf_put(into, token->text, token->n, err);
}

static mst_status safe_key(const reader *r, const mst_token *token, const char *what, mst_error *err) {
  const char *why;
  if (mst_key_is_safe(token->text, token->n, &why)) return MST_OK;
  return mst_tokens_fail(r->t, token->at, err, "%s \"%.*s\" is refused: %s", what, (int)mst_min_size(token->n, 120), token->text, why);
}

static mst_status read_version(reader *r, const mst_token *token, mst_error *err) {
  mst_status status = want(r, token, MST_TOKEN_INT, "dataset_metadata_version", err);
  if (status != MST_OK) return status;
  r->version_seen = true;
  if (token->i == 4) return MST_OK;
  return mst_fail_at(err, MST_E_UNSUPPORTED, token->at, "%s: %s metadata version %lld; version 4 is supported", r->name,
                     token->i < 4 ? "Minimal supported metadata version is 4, found" : "Future metadata version, found", (long long)token->i);
}

static mst_status read_uuid(reader *r, const mst_token *token, mst_error *err) {
  mst_error why = {0};
  mst_status status = keep_text(r, token, "dataset_uuid", &r->key, err);
  if (status != MST_OK) return status;
  if (mst_uuid_check(mst_buf_text(&r->key), &why) != MST_OK) return mst_tokens_fail(r->t, token->at, err, "dataset_uuid: %s", why.message);
  mst_free(r->d->mem, r->d->uuid);
  r->d->uuid = mst_text_copy(r->d->mem, mst_buf_text(&r->key));
  return r->d->uuid != NULL ? MST_OK : mst_fail_memory(err);
}

static mst_status read_index(reader *r, mst_error *err) {
  mst_status status = MST_OK;
  mst_token token;
  json_t *embedded = NULL;
  MST_TRY(mst_tokens_next(r->t, &token, err));
  if (token.kind == MST_TOKEN_TEXT) {
    MST_TRY(safe_key(r, &token, "the key of an index", err));
    return mst_document_put_index(r->d, mst_buf_text(&r->label), r->label.size, token.text, token.n, NULL, err);
  }
  MST_TRY(want(r, &token, MST_TOKEN_MAP, "an index", err));
  MST_TRY(mst_tokens_tree(r->t, &token, &embedded, err));
  return mst_document_put_index(r->d, mst_buf_text(&r->label), r->label.size, NULL, 0, embedded, err);
done:
  return status;
}

static mst_status read_indices(reader *r, const mst_token *first, mst_error *err) {
  mst_status status = MST_OK;
  mst_token token;
  MST_TRY(want(r, first, MST_TOKEN_MAP, "indices", err));
  for (;;) {
    MST_TRY(mst_tokens_next(r->t, &token, err));
    if (token.kind == MST_TOKEN_END) break;
    MST_TRY(keep_text(r, &token, "the name of an indexed column", &r->label, err));
    MST_TRY(read_index(r, err));
  }
done:
  return status;
}

static mst_status read_metadata(reader *r, const mst_token *token, mst_error *err) {
  json_t *map = NULL;
  mst_status status = want(r, token, MST_TOKEN_MAP, "metadata", err);
  if (status == MST_OK) status = mst_tokens_tree(r->t, token, &map, err);
  if (status != MST_OK) return status;
  json_decref(r->d->metadata);
  r->d->metadata = map;
  return MST_OK;
}

static mst_status read_keys(reader *r, const mst_token *first, mst_error *err) {
  mst_status status = MST_OK;
  mst_token token;
  MST_TRY(want(r, first, MST_TOKEN_LIST, "partition_keys", err));
  r->keys_seen = true;
  for (;;) {
    MST_TRY(mst_tokens_next(r->t, &token, err));
    if (token.kind == MST_TOKEN_END) break;
    MST_TRY(keep_text(r, &token, "a partition key", &r->key, err));
    if (mst_document_key_find(r->d, mst_buf_text(&r->key)) != MST_DOCUMENT_NONE)
      MST_TRY(mst_tokens_fail(r->t, token.at, err, "the partition key \"%.60s\" stands twice", mst_buf_text(&r->key)));
    MST_TRY(mst_document_put_key(r->d, mst_buf_text(&r->key), r->key.size, err));
  }
done:
  return status;
}

/* The name of the table is the same in all partitions. */
static mst_status take_table(reader *r, const mst_token *token, mst_error *err) {
  mst_error why = {0};
  const char *have = r->d->table;
  if (have != NULL && strlen(have) == token->n && memcmp(have, token->text, token->n) == 0) return MST_OK;
  if (have != NULL)
    return mst_fail_at(err, MST_E_UNSUPPORTED, token->at, "%s: more than one table in a dataset: \"%.60s\" and \"%.*s\"", r->name, have,
                       (int)mst_min_size(token->n, 60), token->text);
  mst_status status = keep_text(r, token, "the name of a table", &r->key, err);
  if (status != MST_OK) return status;
  if (mst_table_name_check(mst_buf_text(&r->key), &why) != MST_OK) return mst_tokens_fail(r->t, token->at, err, "%s", why.message);
  r->d->table = mst_text_copy(r->d->mem, mst_buf_text(&r->key));
  return r->d->table != NULL ? MST_OK : mst_fail_memory(err);
}

static bool is_regular(const mst_document *d, const char *label, size_t n_label, const char *key, size_t n_key) {
  const size_t uuid = strlen(d->uuid), table = strlen(d->table);
  return n_key == uuid + table + n_label + 10 && memcmp(key, d->uuid, uuid) == 0 && key[uuid] == '/' &&
         memcmp(key + uuid + 1, d->table, table) == 0 && key[uuid + 1 + table] == '/' &&
         memcmp(key + uuid + table + 2, label, n_label) == 0 && memcmp(key + n_key - 8, ".parquet", 8) == 0;
}

/* {table: key}, or {} for a partition that cannot be read. */
static mst_status read_files(reader *r, const mst_token *first, bool *has_file, mst_error *err) {
  mst_status status = MST_OK;
  mst_token token;
  MST_TRY(want(r, first, MST_TOKEN_MAP, "the files of a partition", err));
  for (;;) {
    MST_TRY(mst_tokens_next(r->t, &token, err));
    if (token.kind == MST_TOKEN_END) break;
    if (*has_file)
      MST_TRY(mst_fail_at(err, MST_E_UNSUPPORTED, token.at, "%s: a partition with more than one file: \"%.120s\"", r->name,
                          mst_buf_text(&r->label)));
    MST_TRY(take_table(r, &token, err));
    MST_TRY(mst_tokens_next(r->t, &token, err));
    MST_TRY(want(r, &token, MST_TOKEN_TEXT, "the key of a file", err));
    MST_TRY(safe_key(r, &token, "the key of a file", err));
    mst_buf_clear(&r->key);
    MST_TRY(mst_buf_put(&r->key, token.text, token.n, err));
    *has_file = true;
  }
done:
  return status;
}

static mst_status read_partition(reader *r, size_t at, mst_error *err) {
  mst_status status = MST_OK;
  mst_token token;
  bool has_file = false, fresh = true;
  MST_TRY(mst_tokens_next(r->t, &token, err));
  MST_TRY(want(r, &token, MST_TOKEN_MAP, "a partition", err));
  for (;;) {
    MST_TRY(mst_tokens_next(r->t, &token, err));
    if (token.kind == MST_TOKEN_END) break;
    const bool files = token.n == 5 && memcmp(token.text, "files", 5) == 0;
    MST_TRY(mst_tokens_next(r->t, &token, err));
    MST_TRY(files ? read_files(r, &token, &has_file, err) : mst_tokens_skip(r->t, &token, err));
  }
  const char *label = mst_buf_text(&r->label), *key = mst_buf_text(&r->key);
  if (!has_file) MST_TRY(mst_parts_put_without_file(&r->d->parts, label, r->label.size, &fresh, err));
  else if (is_regular(r->d, label, r->label.size, key, r->key.size)) MST_TRY(mst_parts_put(&r->d->parts, label, r->label.size, NULL, 0, &fresh, err));
  else MST_TRY(mst_parts_put(&r->d->parts, label, r->label.size, key, r->key.size, &fresh, err));
  if (!fresh) MST_TRY(mst_tokens_fail(r->t, at, err, "the partition \"%.120s\" stands twice", label));
done:
  return status;
}

static mst_status read_partitions(reader *r, const mst_token *first, mst_error *err) {
  mst_status status = MST_OK;
  mst_token token;
  MST_TRY(want(r, first, MST_TOKEN_MAP, "partitions", err));
  r->d->explicit_partitions = true;
  for (;;) {
    MST_TRY(mst_tokens_next(r->t, &token, err));
    if (token.kind == MST_TOKEN_END) break;
    MST_TRY(keep_text(r, &token, "the label of a partition", &r->label, err));
    if (r->label.size == 0) MST_TRY(mst_tokens_fail(r->t, token.at, err, "a partition without a label"));
    MST_TRY(read_partition(r, token.at, err));
  }
done:
  return status;
}

/* Whether a file is the regular one cannot be told without the uuid: such a document is read a second time from here. */
static mst_status postpone(reader *r, const mst_token *token, mst_error *err) {
  r->later = true;
  r->mark = *r->t;
  r->marked = *token;
  mst_buf_init(&r->mark.scratch, r->d->mem, SIZE_MAX / 2);
  return mst_tokens_skip(r->t, token, err);
}

static mst_status read_member(reader *r, const char *key, mst_error *err) {
  mst_token token;
  mst_status status = mst_tokens_next(r->t, &token, err);
  if (status != MST_OK) return status;
  if (strcmp(key, "dataset_metadata_version") == 0) return read_version(r, &token, err);
  if (strcmp(key, "dataset_uuid") == 0) return read_uuid(r, &token, err);
  if (strcmp(key, "indices") == 0) return read_indices(r, &token, err);
  if (strcmp(key, "metadata") == 0) return read_metadata(r, &token, err);
  if (strcmp(key, "partition_keys") == 0) return read_keys(r, &token, err);
  if (strcmp(key, "partitions") != 0) return mst_tokens_skip(r->t, &token, err);
  if (r->partitions_seen) return mst_tokens_fail(r->t, token.at, err, "\"partitions\" stands twice");
  r->partitions_seen = true;
  return r->d->uuid == NULL ? postpone(r, &token, err) : read_partitions(r, &token, err);
}

/* Without "partition_keys" the first partition tells them. */
static mst_status keys_of_first(reader *r, mst_error *err) {
  mst_status status = MST_OK;
  mst_key_part part;
  size_t at = 0, bad = 0;
  const char *path = r->d->parts.n > 0 ? mst_document_path(r->d, 0) : "";
  while (mst_label_next(path, &at, &part)) {
    mst_buf_clear(&r->key);
    MST_TRY(mst_key_unquote(&r->key, part.column, part.n_column, err));
    if (memchr(mst_buf_text(&r->key), '\0', r->key.size) != NULL || !mst_utf8_valid(mst_buf_text(&r->key), r->key.size, &bad))
      MST_TRY(mst_fail(err, MST_E_CORRUPT, "%s: partition \"%.120s\": a key that is no text", r->name, path));
    if (mst_document_key_find(r->d, mst_buf_text(&r->key)) != MST_DOCUMENT_NONE)
      MST_TRY(mst_fail(err, MST_E_CORRUPT, "%s: partition \"%.120s\" has two values of one key", r->name, path));
    MST_TRY(mst_document_put_key(r->d, mst_buf_text(&r->key), r->key.size, err));
  }
done:
  return status;
}

static mst_status finish(reader *r, mst_error *err) {
  mst_status status = MST_OK;
  if (!r->version_seen) return mst_fail(err, MST_E_CORRUPT, "%s: \"dataset_metadata_version\" is missing", r->name);
  if (r->d->uuid == NULL) return mst_fail(err, MST_E_CORRUPT, "%s: \"dataset_uuid\" is missing", r->name);
  if (r->later) {
    mst_tokens *whole = r->t;
    r->t = &r->mark;
    status = read_partitions(r, &r->marked, err);
    r->t = whole;
    if (status != MST_OK) return status;
  }
  if (r->d->metadata == NULL && (r->d->metadata = json_object()) == NULL) return mst_fail_memory(err);
  return r->keys_seen ? MST_OK : keys_of_first(r, err);
}

static mst_status read_document(reader *r, mst_error *err) {
  mst_status status = MST_OK;
  mst_token token;
  char name[40];
  MST_TRY(mst_tokens_next(r->t, &token, err));
  MST_TRY(want(r, &token, MST_TOKEN_MAP, "the main metadata", err));
  for (;;) {
    MST_TRY(mst_tokens_next(r->t, &token, err));
    if (token.kind == MST_TOKEN_END) break;
    snprintf(name, sizeof name, "%.*s", (int)mst_min_size(token.n, sizeof name - 1), token.text);
    MST_TRY(read_member(r, name, err));
  }
  MST_TRY(mst_tokens_end(r->t, err));
  MST_TRY(finish(r, err));
done:
  return status;
}

/* One zstd frame. Honest metadata does not shrink a thousandfold. */
static mst_status unpack(const mst_allocator *mem, const uint8_t *data, size_t n, const char *name, mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_zstd *z = NULL;
  mst_zstd_head head;
  size_t missing = 0, got = 0;
  const uint8_t *at = data;
  bool ended = false;
  const size_t most = mst_min_size(MST_DOCUMENT_BYTES_MAX, ((size_t)64 << 20) + n / 8 * 8000);
  MST_TRY(mst_zstd_parse(data, n, &head, &missing, err));
  if (missing > 0 || head.skippable) MST_TRY(mst_fail(err, MST_E_CORRUPT, "it is no zstd frame, or a cut one"));
  if (head.content != MST_ZSTD_UNKNOWN && head.content > most)
    MST_TRY(mst_fail(err, MST_E_LIMIT, "metadata of %llu bytes", (unsigned long long)head.content));
  MST_TRY(mst_zstd_new(mem, MST_DOCUMENT_BYTES_MAX, &z, err));
  MST_TRY(mst_zstd_begin(z, &head, err));
  while (!ended) {
    MST_TRY(mst_buf_reserve(out, mst_max_size((size_t)1 << 16, out->size), err));
    const uint8_t *before = at;
    MST_TRY(mst_zstd_run(z, &at, data + n, out->data + out->size, out->capacity - out->size - 1, &got, &ended, err));
    out->size += got;
    if (out->size > most) MST_TRY(mst_fail(err, MST_E_LIMIT, "metadata of more than %zu bytes", most));
    if (!ended && got == 0 && at == before) MST_TRY(mst_fail_at(err, MST_E_CORRUPT, n, "the zstd frame is cut"));
  }
  if (at != data + n) MST_TRY(mst_fail_at(err, MST_E_CORRUPT, (uint64_t)(at - data), "bytes behind the zstd frame"));
done:
  mst_zstd_free(z);
  return mst_while(err, status, "%s", name);
}

mst_status mst_document_parse(const mst_allocator *mem, const void *data, size_t n, mst_document_form form, const char *name,
                              mst_document **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf plain;
  mst_tokens tokens;
  reader r = {.t = &tokens, .name = name};
  mst_buf_init(&plain, mem, MST_DOCUMENT_BYTES_MAX + ((size_t)1 << 17));
  mst_buf_init(&r.key, mem, SIZE_MAX / 2);
  mst_buf_init(&r.label, mem, SIZE_MAX / 2);
  mst_tokens_init(&tokens, mem, data, n, form == MST_DOCUMENT_MSGPACK, name);
  if (n > MST_DOCUMENT_BYTES_MAX) MST_TRY(mst_fail(err, MST_E_LIMIT, "%s: metadata of %zu bytes", name, n));
  if (form == MST_DOCUMENT_MSGPACK) {
    MST_TRY(unpack(mem, data, n, name, &plain, err));
    tokens.data = plain.data;
    tokens.n = plain.size;
  }
  MST_TRY(mst_document_new(mem, &r.d, err));
  MST_TRY(read_document(&r, err));
  *out = r.d;
  r.d = NULL;
done:
  mst_document_unref(r.d);
  if (r.later) mst_tokens_free(&r.mark);
  mst_tokens_free(&tokens);
  mst_buf_free(&r.label);
  mst_buf_free(&r.key);
  mst_buf_free(&plain);
  return status;
}
