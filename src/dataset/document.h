/* dataset/document.h - the main metadata of a dataset: read from JSON or msgpack, held compactly, edited into a new one, written so
 * that plateau reads it (same order of keys, same escapes).
 *
 * Owns: documents, immutable and shared. Partitions are one run of bytes and their ends, so that 100,000 of them take a few MiB.
 * May call: base, codec. Private to the dataset module. */
#ifndef MST_DATASET_DOCUMENT_H
#define MST_DATASET_DOCUMENT_H

#include "base/base.h"

typedef enum mst_document_form { MST_DOCUMENT_JSON, MST_DOCUMENT_MSGPACK } mst_document_form;

#define MST_DOCUMENT_BYTES_MAX ((size_t)1 << 30) /* as text; more is MST_E_LIMIT */
#define MST_DOCUMENT_NONE      SIZE_MAX

/* [shared], immutable. */
typedef struct mst_document mst_document;

/* Hostile bytes; `name` is what errors call them. Keys with "..", absolute ones and wrong types are MST_E_CORRUPT with offset. */
mst_status mst_document_parse(const mst_allocator *mem, const void *data, size_t n, mst_document_form form, const char *name,
                              mst_document **out, mst_error *err);
mst_document *mst_document_ref(mst_document *d);
void mst_document_unref(mst_document *d);

/* All borrowed from the document. */
const char *mst_document_uuid(const mst_document *d);
const char *mst_document_table(const mst_document *d);  /* NULL when no partition tells it */
bool mst_document_explicit(const mst_document *d);      /* false: no "partitions": the store's listing tells them */
size_t mst_document_n_keys(const mst_document *d);      /* partition keys */
const char *mst_document_key(const mst_document *d, size_t i);
size_t mst_document_key_find(const mst_document *d, const char *column); /* MST_DOCUMENT_NONE: no partition key */
json_t *mst_document_metadata(const mst_document *d);   /* the user's map, the member "meseta" with it; never NULL; not to be changed */
size_t mst_document_n_indices(const mst_document *d);
const char *mst_document_index_column(const mst_document *d, size_t i);
const char *mst_document_index_key(const mst_document *d, size_t i); /* storage key; NULL when embedded */
json_t *mst_document_index_embedded(const mst_document *d, size_t i); /* {value: [labels]} of old datasets; else NULL */
size_t mst_document_index_find(const mst_document *d, const char *column); /* MST_DOCUMENT_NONE: none */

size_t mst_document_partitions(const mst_document *d);
const char *mst_document_label(const mst_document *d, size_t i); /* NUL-terminated */
/* The place of a label, MST_DOCUMENT_NONE when there is none. */
size_t mst_document_find(const mst_document *d, const char *label);
/* The storage key of a partition's file, appended to `out` (a NUL behind it). MST_E_CORRUPT for a partition without a file. */
mst_status mst_document_file(const mst_document *d, size_t i, mst_buf *out, mst_error *err);
bool mst_document_has_file(const mst_document *d, size_t i);
/* Where the partition's "column=value/" parts stand: its label, or what follows the table in a key that is not the regular one. */
const char *mst_document_path(const mst_document *d, size_t i);
/* The same as mst_document_file, compared without being built. */
bool mst_document_file_is(const mst_document *d, size_t i, const char *key);
/* Whether the file lies below this dataset's own prefix: only such files may ever be deleted. */
bool mst_document_file_own(const mst_document *d, size_t i);
/* About what it takes. */
size_t mst_document_bytes_held(const mst_document *d);

/* ---- a new document out of an old one -------------------------------------------------------------------------------- */

/* [owned], one thread. Kept partitions stay in order, new ones follow in the order of adding. */
typedef struct mst_edit mst_edit;
/* `base` NULL: an empty, explicit document of `uuid` and `table` (both may be NULL with a base); a reference to `base` is kept. */
mst_status mst_edit_open(const mst_allocator *mem, mst_document *base, const char *uuid, const char *table, mst_edit **out, mst_error *err);
void mst_edit_free(mst_edit *e);
mst_status mst_edit_partition_key(mst_edit *e, const char *column, mst_error *err); /* appended; only without partitions */
/* Partition i of the base goes; twice is once. */
void mst_edit_remove(mst_edit *e, size_t i);
void mst_edit_remove_all(mst_edit *e);
/* `key` NULL: the regular one. A label that is kept or was added already is MST_E_EXISTS. */
mst_status mst_edit_add(mst_edit *e, const char *label, const char *key, mst_error *err);
/* `key` NULL: the index goes. */
mst_status mst_edit_index(mst_edit *e, const char *column, const char *key, mst_error *err);
/* Replaces the whole map; takes a reference of its own. */
mst_status mst_edit_metadata(mst_edit *e, json_t *map, mst_error *err);
/* One member; takes `value` over, NULL removes it. */
mst_status mst_edit_metadata_set(mst_edit *e, const char *key, json_t *value, mst_error *err);
/* The edit may be changed on and finished again. */
mst_status mst_edit_finish(mst_edit *e, mst_document **out, mst_error *err);

/* ---- out ------------------------------------------------------------------------------------------------------------- */

/* JSON text, or one zstd frame of msgpack; appended. */
mst_status mst_document_print(const mst_document *d, mst_document_form form, mst_buf *out, mst_error *err);
/* A hash of all but metadata.meseta, 32 hex digits and a NUL: equal for JSON and msgpack, so that a commit of somebody who does not
 * know of that member shows. */
mst_status mst_document_digest(const mst_document *d, char out[33], mst_error *err);

#endif
