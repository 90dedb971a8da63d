/* source/slice.c - slices as JSON (docs/specification/slice.md): hostile on the way in, without secrets on the way out.
 * Owns struct mst_slice; may call store, fetch and the format interface. */
#include "source/slice.h"

static void slice_free(mst_slice *s) {
  if (s->drop != NULL) s->drop(s->held);
  mst_object_unref(s->object);
  mst_object_unref(s->index);
  json_decref(s->all_facts);
  json_decref(s->value);
  mst_free(s->mem, s->json);
  mst_config_free(&s->config);
  pthread_mutex_destroy(&s->lock);
  mst_context_unref(s->ctx);
  mst_free(s->mem, s);
}

mst_slice *mst_slice_ref(mst_slice *s) {
  atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
  return s;
}

void mst_slice_unref(mst_slice *s) {
  if (s != NULL && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) slice_free(s);
}

static mst_status missing(const char *key, mst_error *err) {
  return mst_fail(err, MST_E_CORRUPT, "the slice lacks \"%s\"", key);
}

static mst_status check_format(mst_slice *s, const mst_slice_provider *const *providers, mst_error *err) {
  const char *name = NULL;
  uint64_t version = 0;
  mst_status status = mst_json_get_text(s->value, "format", "the slice", &name, err);
  if (status == MST_OK) status = mst_json_get_u64(s->value, "version", "the slice", &version, err);
  if (status != MST_OK) return status;
  if (name == NULL) return missing("format", err);
  for (; s->provider == NULL && providers != NULL && *providers != NULL; providers++)
    if (mst_text_equal((*providers)->format, name)) s->provider = *providers;
  s->format = s->provider != NULL ? NULL : mst_format_find(name);
  if (s->provider == NULL && (s->format == NULL || s->format->read == NULL))
    return mst_fail(err, MST_E_UNSUPPORTED, "the slice is of a format that this build does not have: %.60s", name);
  const uint32_t known = s->provider != NULL ? s->provider->version : s->format->version;
  if (version != known)
    return mst_fail(err, MST_E_UNSUPPORTED, "the slice is of version %llu of %s, this build reads version %u",
                    (unsigned long long)version, name, (unsigned)known);
  s->format_name = name;
  return MST_OK;
}

static mst_status check_url(const json_t *object, const char **out, mst_error *err) {
  mst_status status = mst_json_get_text(object, "url", "the slice", out, err);
  if (status != MST_OK) return status;
  if (*out == NULL) return missing("url", err);
  if (strstr(*out, "://") == NULL) return mst_fail(err, MST_E_CORRUPT, "the slice's URL is none: %.200s", *out);
  if (mst_url_has_secret(*out))
    return mst_fail(err, MST_E_CORRUPT, "the slice's URL carries a secret or a query, which no slice may");
  return MST_OK;
}

static mst_status check_pin(const json_t *object, mst_pin *out, mst_error *err) {
  const json_t *pin = json_object_get(object, "pin");
  return pin == NULL ? missing("pin", err) : mst_pin_from_json(pin, "the slice's pin", out, err);
}

static mst_status check_envelope(mst_slice *s, const mst_slice_provider *const *providers, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t kind = 0;
  json_t *index = NULL, *number = NULL, *part = NULL;
  if (!json_is_object(s->value)) {
    status = mst_fail(err, MST_E_CORRUPT, "a slice is a JSON object");
    goto done;
  }
  MST_TRY(mst_json_get_u64(s->value, "meseta", "the slice", &kind, err));
  if (kind != 1) {
    status = mst_fail(err, kind == 0 ? MST_E_CORRUPT : MST_E_UNSUPPORTED,
                      "not a slice that this build reads: \"meseta\" is %llu, not 1", (unsigned long long)kind);
    goto done;
  }
  MST_TRY(check_url(s->value, &s->url, err));
  MST_TRY(check_format(s, providers, err));
  if (s->provider == NULL) MST_TRY(check_pin(s->value, &s->pin, err));
  MST_TRY(mst_json_get_object(s->value, "part", "the slice", &part, err));
  MST_TRY(mst_json_get_object(s->value, "facts", "the slice", &s->facts, err));
  MST_TRY(mst_json_get_object(s->value, "index", "the slice", &index, err));
  s->part = part;
  if (part == NULL || s->facts == NULL) {
    status = missing(part == NULL ? "part" : "facts", err);
    goto done;
  }
  if (index != NULL) {
    MST_TRY(check_url(index, &s->index_url, err));
    MST_TRY(check_pin(index, &s->index_pin, err));
  }
  s->records = s->bytes = MST_UNKNOWN;
  MST_TRY(mst_json_get_u64(s->value, "records", "the slice", &s->records, err));
  MST_TRY(mst_json_get_u64(s->value, "bytes", "the slice", &s->bytes, err));
  MST_TRY(mst_json_get_bool(s->value, "more", "the slice", &s->more, err));
  MST_TRY(mst_json_get_array(s->value, "number", "the slice", &number, err));
  if (number != NULL && json_array_size(number) == 2) {
    s->number = (uint64_t)json_integer_value(json_array_get(number, 0));
    s->of = (uint64_t)json_integer_value(json_array_get(number, 1));
  }
  if (s->provider != NULL) {
    const mst_slice_parts parts = mst_slice_parts_of(s);
    MST_TRY(s->provider->check(&parts, err));
  }
done:
  return status;
}

mst_slice_parts mst_slice_parts_of(const mst_slice *s) {
  return (mst_slice_parts){.ctx = s->ctx,
                           .url = s->url,
                           .store = json_object_get(s->value, "store"),
                           .part = s->part,
                           .records = s->records,
                           .bytes = s->bytes,
                           .config = s->config.pairs,
                           .n_config = s->config.n,
                           .held = s->held};
}

mst_status mst_slice_from_value(mst_context *ctx, json_t *value, const mst_pair *config, size_t n_config,
                                const mst_slice_provider *const *providers, mst_slice **out, mst_error *err) {
  const mst_allocator *mem = mst_context_mem(ctx);
  mst_status status = MST_OK;
  mst_buf text;
  mst_slice *s = mst_alloc_zero(mem, 1, sizeof *s);
  if (s == NULL) {
    json_decref(value);
    return mst_fail_memory(err);
  }
  mst_buf_init(&text, mem, MST_SLICE_TEXT_MAX);
  atomic_init(&s->refs, 1);
  s->ctx = mst_context_ref(ctx);
  s->mem = mem;
  s->value = value;
  pthread_mutex_init(&s->lock, NULL);
  MST_TRY(check_envelope(s, providers, err));
  MST_TRY(mst_json_print(value, &text, err));
  MST_TRY_ALLOC(s->json = mst_text_copy(mem, mst_buf_text(&text)));
  MST_TRY(mst_config_copy(mem, config, n_config, &s->config, err));
  *out = s;
  s = NULL;
done:
  mst_buf_free(&text);
  mst_slice_unref(s);
  return status;
}

mst_status mst_slice_of_provider(mst_context *ctx, json_t *value, const mst_slice_provider *provider, void *held,
                                 void (*drop)(void *held), mst_slice **out, mst_error *err) {
  const mst_slice_provider *const one[2] = {provider, NULL};
  mst_slice *s = NULL;
  const mst_status status = mst_slice_from_value(ctx, value, NULL, 0, one, &s, err);
  if (status != MST_OK) {
    drop(held);
    return status;
  }
  s->held = held;
  s->drop = drop;
  *out = s;
  return MST_OK;
}

mst_status mst_slice_from_json(mst_context *ctx, const void *text, size_t size, const mst_pair *config, size_t n_config,
                               const mst_slice_provider *const *providers, mst_slice **out, mst_error *err) {
  json_t *value = NULL;
  mst_status status = mst_json_parse(text, size, MST_SLICE_TEXT_MAX, "the slice", &value, err);
  return status == MST_OK ? mst_slice_from_value(ctx, value, config, n_config, providers, out, err) : status;
}

const char *mst_slice_get_json(const mst_slice *s) { return s->json; }
const char *mst_slice_get_url(const mst_slice *s) { return s->url; }
const char *mst_slice_get_format(const mst_slice *s) { return s->format_name; }
uint64_t mst_slice_get_records(const mst_slice *s) { return s->records; }
uint64_t mst_slice_get_bytes(const mst_slice *s) { return s->bytes; }

static mst_status open_one(mst_slice *s, const char *url, const json_t *settings, const mst_pin *pin, mst_object **out,
                           mst_error *err) {
  mst_location at = {0};
  mst_status status = mst_location_open_from_slice(s->ctx, url, settings, s->config.pairs, s->config.n, &at, err);
  const uint32_t flags = mst_pin_known(pin) ? 0 : MST_OBJECT_UNPINNED;
  if (status == MST_OK) status = mst_object_open(at.store, at.key, pin, flags, 0, NULL, out, NULL, err);
  mst_location_close(&at);
  return status;
}

mst_status mst_slice_objects(mst_slice *s, mst_object **object, mst_object **index, mst_error *err) {
  mst_status status = MST_OK;
  pthread_mutex_lock(&s->lock);
  if (s->object == NULL) MST_TRY(open_one(s, s->url, json_object_get(s->value, "store"), &s->pin, &s->object, err));
  if (s->index == NULL && s->index_url != NULL) {
    const json_t *named = json_object_get(s->value, "index");
    const json_t *settings = json_object_get(named, "store");
    MST_TRY(open_one(s, s->index_url, settings != NULL ? settings : json_object_get(s->value, "store"), &s->index_pin,
                     &s->index, err));
  }
  *object = mst_object_ref(s->object);
  *index = s->index == NULL ? NULL : mst_object_ref(s->index);
done:
  pthread_mutex_unlock(&s->lock);
  return status;
}
