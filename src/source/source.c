/* source/source.c - opening a source: one object, pinned, its format known. Owns struct mst_source; may call store,
 * fetch and the format interface. */
#include "source/raw.h"

#include <stdio.h>

mst_status mst_config_copy(const mst_allocator *mem, const mst_pair *pairs, size_t n, mst_config *out, mst_error *err) {
  mst_config c = {.mem = mem};
  c.pairs = mst_alloc_zero(mem, n == 0 ? 1 : n, sizeof *c.pairs);
  if (c.pairs == NULL) return mst_fail_memory(err);
  for (; c.n < n; c.n++) {
    c.pairs[c.n].key = mst_text_copy(mem, pairs[c.n].key);
    c.pairs[c.n].value = mst_text_copy(mem, pairs[c.n].value);
    if (c.pairs[c.n].key == NULL || c.pairs[c.n].value == NULL) {
      c.n++;
      mst_config_free(&c);
      return mst_fail_memory(err);
    }
  }
  *out = c;
  return MST_OK;
}

void mst_config_free(mst_config *c) {
  for (size_t i = 0; i < c->n; i++) {
    mst_free(c->mem, (char *)(uintptr_t)c->pairs[i].key);
    mst_free(c->mem, (char *)(uintptr_t)c->pairs[i].value);
  }
  mst_free(c->mem, c->pairs);
  *c = (mst_config){0};
}

const char *mst_key_name(const char *key) {
  const char *slash = strrchr(key, '/');
  return slash == NULL || slash[1] == '\0' ? key : slash + 1;
}

/* "file:///data/x.fq" → "data/x.fq", "s3://bucket/a" → "bucket/a": unique below any one place for indexes. */
static const char *place_of(const char *url) {
  const char *at = strstr(url, "://");
  at = at == NULL ? url : at + 3;
  while (*at == '/') at++;
  return at;
}

/* Beside the object, in the same store; or below `index_at`. */
static mst_status place_index(mst_source *s, const char *index_at, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf b;
  mst_buf_init(&b, s->mem, 1 << 16);
  if (index_at == NULL) {
    s->index_at = (mst_location){.store = mst_store_ref(s->at.store), .mem = s->mem};
    MST_TRY(mst_buf_printf(&b, err, "%s" MST_INDEX_ENDING, s->at.key));
    MST_TRY_ALLOC(s->index_at.key = mst_text_copy(s->mem, mst_buf_text(&b)));
  } else {
    const bool whole = mst_text_ends(index_at, MST_INDEX_ENDING);
    MST_TRY(whole ? mst_buf_put_text(&b, index_at, err)
                  : mst_buf_printf(&b, err, "%s%s%s" MST_INDEX_ENDING, index_at,
                                   mst_text_ends(index_at, "/") ? "" : "/", place_of(mst_object_url(s->object))));
    MST_TRY(mst_location_open(s->ctx, mst_buf_text(&b), s->config.pairs, s->config.n, &s->index_at, err));
  }
  mst_buf_clear(&b);
  MST_TRY(mst_buf_printf(&b, err, "%s/%s", mst_store_url(s->index_at.store), s->index_at.key));
  MST_TRY_ALLOC(s->index_url = mst_text_copy(s->mem, mst_buf_text(&b)));
done:
  mst_buf_free(&b);
  return status;
}

static mst_status choose_format(mst_source *s, const char *name, mst_error *err) {
  if (name != NULL) {
    s->format = mst_format_find(name);
    if (s->format != NULL) return MST_OK;
    const char *names[64];
    size_t n = 0;
    for (const mst_format *const *f = mst_formats(); *f != NULL && n < 64; f++) names[n++] = (*f)->name;
    const char *near = mst_text_nearest(name, names, n);
    return mst_fail(err, MST_E_ARGUMENT, "there is no format \"%.60s\"%s%s%s (see: meseta formats)", name,
                    near == NULL ? "" : "; did you mean \"", near == NULL ? "" : near, near == NULL ? "" : "\"?");
  }
  const char *why = NULL;
  s->format =
      mst_format_detect(s->mem, mst_key_name(s->at.key), mst_object_size(s->object), s->head.data, s->head.size, &why);
  if (s->format != NULL) return MST_OK;
  mst_status status =
      mst_fail(err, MST_E_UNSUPPORTED, "no format fits: %s; name one with --format (see: meseta formats)",
               why == NULL ? "neither name nor first bytes tell" : why);
  return mst_error_name(err, status, mst_object_url(s->object));
}

mst_status mst_options_known(const mst_format *format, const json_t *given, const char *const *known, const char *what,
                             mst_error *err) {
  const char *key;
  json_t *value;
  size_t n = 0;
  if (given != NULL && !json_is_object(given)) return mst_fail(err, MST_E_ARGUMENT, "%ss must be a JSON object", what);
  while (known != NULL && known[n] != NULL) n++;
  json_object_foreach((json_t *)(uintptr_t)given, key, value) {
    bool found = false;
    for (size_t i = 0; i < n && !found; i++) found = mst_text_equal(known[i], key);
    if (found) continue;
    const char *near = n == 0 ? NULL : mst_text_nearest(key, known, n);
    return mst_fail(err, MST_E_ARGUMENT, "the format %s has no %s \"%.60s\"%s%s%s", format->name, what, key,
                    near == NULL ? "" : "; did you mean \"", near == NULL ? "" : near, near == NULL ? "" : "\"?");
  }
  return MST_OK;
}

static void source_free(mst_source *s) {
  mst_source_index_unref(s->index);
  json_decref(s->facts);
  json_decref(s->dialect);
  mst_bytes_release(&s->head);
  mst_object_unref(s->object);
  mst_location_close(&s->at);
  mst_location_close(&s->index_at);
  mst_config_free(&s->config);
  mst_free(s->mem, s->index_url);
  pthread_mutex_destroy(&s->lock);
  mst_context_unref(s->ctx);
  mst_free(s->mem, s);
}

static mst_status source_new(mst_context *ctx, const mst_source_options *options, mst_source **out, mst_error *err) {
  const mst_allocator *mem = mst_context_mem(ctx);
  mst_source *s = mst_alloc_zero(mem, 1, sizeof *s);
  if (s == NULL) return mst_fail_memory(err);
  s->ctx = mst_context_ref(ctx);
  s->mem = mem;
  atomic_init(&s->refs, 1);
  pthread_mutex_init(&s->lock, NULL);
  mst_status status = mst_config_copy(mem, options->config, options->n_config, &s->config, err);
  if (status == MST_OK) *out = s;
  else source_free(s);
  return status;
}

static mst_status take_dialect(mst_source *s, const char *text, mst_error *err) {
  if (text == NULL) return MST_OK;
  mst_status status = mst_json_parse(text, strlen(text), 1 << 20, "format options", &s->dialect, err);
  return status == MST_OK ? mst_options_known(s->format, s->dialect, s->format->options, "option", err) : status;
}

/* s->at is known. */
static mst_status look(mst_source *s, const mst_source_options *options, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  const uint32_t flags = options->allow_unpinned != 0 ? MST_OBJECT_UNPINNED : 0;
  MST_TRY(mst_object_open(s->at.store, s->at.key, NULL, flags, MST_HEAD_BYTES, &s->head, &s->object, cancel, err));
  size_t bad = 0;
  if (!mst_utf8_valid(mst_object_url(s->object), strlen(mst_object_url(s->object)), &bad)) {
    status = mst_fail(err, MST_E_UNSUPPORTED,
                      "the name is not UTF-8, so neither an index nor a slice can carry it; rename the object");
    goto done;
  }
  MST_TRY(choose_format(s, options->format, err));
  MST_TRY(take_dialect(s, options->dialect_json, err));
  MST_TRY(place_index(s, options->index_at, err));
done:
  return status;
}

mst_status mst_source_find(mst_context *ctx, const char *url, const mst_source_options *options, mst_source **out,
                           mst_cancel *cancel, mst_error *err) {
  mst_source *s = NULL;
  char shown[256];
  mst_status status = source_new(ctx, options, &s, err);
  if (status != MST_OK) return status;
  s->secret_url = mst_url_has_secret(url);
  status = mst_location_open(ctx, url, options->config, options->n_config, &s->at, err);
  if (status == MST_OK && s->at.is_prefix)
    status =
        mst_fail(err, MST_E_ARGUMENT, "%.200s names a folder, not an object", mst_url_redact(url, shown, sizeof shown));
  if (status == MST_OK) status = look(s, options, cancel, err);
  if (status == MST_OK) *out = s;
  else source_free(s);
  return status;
}

mst_status mst_source_find_in(mst_store *store, const char *key, const mst_source_options *options, mst_source **out,
                              mst_cancel *cancel, mst_error *err) {
  mst_source *s = NULL;
  mst_status status = source_new(mst_store_context(store), options, &s, err);
  if (status != MST_OK) return status;
  s->at = (mst_location){.store = mst_store_ref(store), .key = mst_text_copy(s->mem, key), .mem = s->mem};
  status = s->at.key == NULL ? mst_fail_memory(err) : look(s, options, cancel, err);
  if (status == MST_OK) *out = s;
  else source_free(s);
  return status;
}

mst_source *mst_source_ref(mst_source *s) {
  atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
  return s;
}

void mst_source_unref(mst_source *s) {
  if (s != NULL && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) source_free(s);
}

const char *mst_source_get_url(const mst_source *s) { return mst_object_url(s->object); }
const char *mst_source_get_format(const mst_source *s) { return s->format->name; }
const char *mst_source_get_index_url(const mst_source *s) { return s->index_url; }
uint64_t mst_source_get_size(const mst_source *s) { return mst_object_size(s->object); }

/* ---- tasks ---- */

static void set_member(mst_task *t, size_t i, mst_object *o, bool fresh) {
  snprintf(t->names[i], sizeof t->names[i], "%s", mst_key_name(mst_object_key(o)));
  t->members[i] = (mst_member){.name = t->names[i], .size = mst_object_size(o), .present = true, .fresh = fresh};
  t->inputs.members[i] = o;
}

mst_status mst_task_init(mst_task *t, mst_source *s, json_t *facts, mst_index *index, mst_error *err) {
  (void)err;
  memset(t, 0, sizeof *t);
  t->facts = json_incref(facts);
  t->index = index == NULL ? NULL : mst_source_index_ref(index);
  t->job = (mst_job){.mem = s->mem,
                     .format = s->format,
                     .name = mst_object_url(s->object),
                     .members = t->members,
                     .n_members = 1,
                     .options = s->dialect,
                     .facts = facts,
                     .spacing = MST_SPACING_DEFAULT,
                     .memory = mst_context_memory_max(s->ctx) / 4,
                     .record_max = mst_context_record_max(s->ctx)};
  t->inputs.n_members = 1;
  t->inputs.head = s->head;
  set_member(t, 0, s->object, true);
  if (index != NULL) {
    t->job.index_rows = index->rows;
    t->job.n_groups = index->n_groups;
    t->job.group_first_row = index->group_first_row;
    t->job.group_first_record = index->group_first_record;
    t->job.group_first_plain = index->group_first_plain;
    t->job.spacing = index->spacing;
    t->inputs.index = index->object;
    t->inputs.rows = mst_index_rows;
    t->inputs.rows_arg = index;
  }
  return MST_OK;
}

static mst_status companion_key(const mst_source *s, const char *pattern, mst_buf *out, mst_error *err) {
  mst_buf_clear(out);
  const char *mark = strchr(pattern, '%');
  if (mark == NULL) return mst_fail(err, MST_E_INTERNAL, "a companion's pattern has no %%: %s", pattern);
  mst_status status = mst_buf_put(out, pattern, (size_t)(mark - pattern), err);
  if (status == MST_OK) status = mst_buf_put_text(out, s->at.key, err);
  return status == MST_OK ? mst_buf_put_text(out, mark + 1, err) : status;
}

/* Older than the object means that it describes another version of it. Where a store tells no times, it is believed as
 * far as what it says holds when it is used. */
static bool is_fresh(const mst_object *companion, const mst_object *object) {
  const int64_t mine = mst_object_pin(companion)->modified_ns, its = mst_object_pin(object)->modified_ns;
  return mine == 0 || its == 0 || mine >= its;
}

mst_status mst_task_companions(mst_task *t, mst_source *s, mst_cancel *cancel, mst_error *err) {
  mst_buf key;
  mst_status status = MST_OK;
  mst_buf_init(&key, s->mem, 1 << 16);
  for (size_t i = 1; s->format->companions != NULL && s->format->companions[i - 1] != NULL && i < MST_MEMBERS_MAX;
       i++) {
    mst_error quiet = {0};
    mst_error_clear(&quiet);
    MST_TRY(companion_key(s, s->format->companions[i - 1], &key, err));
    t->job.n_members = t->inputs.n_members = i + 1;
    status = mst_object_open(s->at.store, mst_buf_text(&key), NULL, 0, 0, NULL, &t->companions[i], cancel, &quiet);
    if (status == MST_E_CANCELLED || status == MST_E_NO_MEMORY) {
      if (err != NULL) *err = quiet;
      goto done;
    }
    /* A place that may be read but not looked around in answers "denied" for what is not there. */
    if (status == MST_OK) set_member(t, i, t->companions[i], is_fresh(t->companions[i], s->object));
    status = MST_OK;
  }
done:
  mst_buf_free(&key);
  return status;
}

void mst_task_free(mst_task *t) {
  for (size_t i = 0; i < MST_MEMBERS_MAX; i++) mst_object_unref(t->companions[i]);
  json_decref(t->facts);
  mst_source_index_unref(t->index);
  memset(t, 0, sizeof *t);
}

/* ---- facts ---- */

static mst_status inspect(mst_source *s, bool recover, json_t **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_machine *machine = NULL;
  mst_engine *engine = NULL;
  mst_step step = {0};
  mst_task task;
  MST_TRY(mst_task_init(&task, s, NULL, NULL, err));
  task.job.recover = recover;
  if (s->format->inspect == NULL) {
    MST_TRY_ALLOC(*out = json_object());
    goto done;
  }
  MST_TRY(s->format->inspect(&task.job, &machine, err));
  MST_TRY(mst_engine_open(s->ctx, machine, &task.inputs, task.job.memory, &engine, err));
  MST_TRY(mst_engine_next(engine, NULL, &step, cancel, err));
  if (step.kind != MST_STEP_DONE || step.facts == NULL) {
    status = mst_fail(err, MST_E_INTERNAL, "the format %s found no facts", s->format->name);
    goto done;
  }
  *out = json_incref(step.facts);
done:
  mst_step_clear(&step);
  mst_engine_close(engine);
  mst_task_free(&task);
  if (status != MST_OK) mst_error_name(err, status, mst_object_url(s->object));
  return status;
}

mst_status mst_source_facts(mst_source *s, bool recover, json_t **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  if (recover) return inspect(s, true, out, cancel, err);
  pthread_mutex_lock(&s->lock);
  if (s->facts == NULL) status = inspect(s, false, &s->facts, cancel, err);
  if (status == MST_OK) *out = json_incref(s->facts);
  pthread_mutex_unlock(&s->lock);
  return status;
}

bool mst_source_is_gzip(mst_source *s, mst_status status, json_t **facts) {
  const char *container = json_string_value(json_object_get(*facts, "container"));
  if (status != MST_E_UNSUPPORTED || !mst_text_equal(container, "bgzf")) return false;
  json_t *changed = json_copy(*facts);
  if (changed == NULL || json_object_set_new(changed, "container", json_string("gzip")) != 0 ||
      json_object_set_new(changed, "pieces", json_false()) != 0) {
    json_decref(changed);
    return false;
  }
  pthread_mutex_lock(&s->lock);
  json_decref(s->facts);
  s->facts = json_incref(changed);
  pthread_mutex_unlock(&s->lock);
  json_decref(*facts);
  *facts = changed;
  return true;
}
