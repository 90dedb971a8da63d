/* source/slice.h - a slice from the inside. Private to the source module. */
#ifndef MST_SOURCE_SLICE_H
#define MST_SOURCE_SLICE_H

#include "source/raw.h"

#define MST_SLICE_TEXT_MAX ((size_t)64 << 10) /* what parsing accepts; slices of ours have 1 KB beyond their URLs */

struct mst_slice {
  _Atomic uint32_t refs;
  mst_context *ctx;
  const mst_allocator *mem;
  json_t *value; /* the whole envelope; what follows is borrowed from it */
  char *json;
  const char *url, *index_url; /* index_url is NULL when the slice needs no index */
  const json_t *part;
  json_t *facts;
  const mst_format *format;           /* NULL with a provider */
  const mst_slice_provider *provider; /* of a module above; NULL: a source's slice */
  void *held;                         /* of the provider */
  void (*drop)(void *held);
  const char *format_name;
  mst_pin pin, index_pin;
  uint64_t records, bytes, number, of;
  mst_config config;
  pthread_mutex_t lock;
  bool more;                  /* reading as columns needs facts that were too many for the slice */
  mst_object *object, *index; /* opened when first read; under lock */
  json_t *all_facts;          /* likewise */
};

/* Checks an envelope (takes the reference over, also on failure) and makes a slice of it. */
mst_status mst_slice_from_value(mst_context *ctx, json_t *value, const mst_pair *config, size_t n_config,
                                const mst_slice_provider *const *providers, mst_slice **out, mst_error *err);
mst_slice_parts mst_slice_parts_of(const mst_slice *s);
/* Objects of the slice: references, opened on first use with no request. `index` is NULL when the slice names none. */
/* The facts of the slice, or all that the index (or, without one, a look at the source) tells; a new reference. */
mst_status mst_slice_all_facts(mst_slice *s, json_t **out, mst_cancel *cancel, mst_error *err);
mst_status mst_slice_objects(mst_slice *s, mst_object **object, mst_object **index, mst_error *err);

#endif
