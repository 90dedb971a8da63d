/* source/index_make.c - making an index, at once or out of partials from anywhere, and what is reported of it;
 * companions in the field's own formats. May call store and the format interface. */
#include "source/index_build.h"
#include "source/index_write.h"

static mst_scan_options scan_options(const mst_index_options *o) {
  return (mst_scan_options){.spacing = o->spacing,
                            .piece_bytes = o->piece_bytes,
                            .threads = o->threads,
                            .recover = o->recover != 0,
                            .progress = o->progress,
                            .progress_arg = o->progress_arg};
}

static mst_status must_be_indexable(const mst_source *s, mst_error *err) {
  if (s->secret_url)
    return mst_fail(err, MST_E_ARGUMENT,
                    "%s: a URL that carries a secret (a query, a password) is never written into an index; "
                    "give the credential by the environment",
                    mst_object_url(s->object));
  return MST_OK;
}

static mst_status put_row(void *self, struct ArrowArray *batch, mst_error *err) {
  return mst_index_writer_put(self, batch, err);
}

static mst_status open_writer(mst_source *s, json_t *facts, mst_index_writer **out, mst_cancel *cancel,
                              mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema schema = {0};
  mst_task task;
  MST_TRY(mst_task_init(&task, s, facts, NULL, err));
  MST_TRY(s->format->index_schema(&task.job, &schema, err));
  MST_TRY(mst_index_writer_open(s, &schema, NULL, out, cancel, err));
done:
  mst_schema_release(&schema);
  mst_task_free(&task);
  return status;
}

/* ---- report ---- */

static mst_status copy_fact(json_t *to, const json_t *facts, const char *from, const char *as) {
  json_t *value = json_object_get(facts, from);
  return value == NULL || json_object_set(to, as, value) == 0 ? MST_OK : MST_E_NO_MEMORY;
}

static mst_status new_report(const mst_source *s, const char *done, uint64_t reads, uint64_t writes,
                             const json_t *facts, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *r = json_object();
  if (r == NULL) return mst_fail_memory(err);
  MST_TRY(mst_json_set_text(r, "done", done, err));
  MST_TRY(mst_json_set_text(r, "url", mst_object_url(s->object), err));
  MST_TRY(mst_json_set_text(r, "format", s->format->name, err));
  MST_TRY(mst_json_set_text(r, "index", s->index_url, err));
  MST_TRY(mst_json_set_u64(r, "reads", reads, err));
  MST_TRY(mst_json_set_u64(r, "writes", writes, err));
  static const char *const names[] = {"records", "plain_bytes", "checkpoints", "container", "notes", "damage"};
  for (size_t i = 0; facts != NULL && i < sizeof names / sizeof *names; i++) {
    if (copy_fact(r, facts, names[i], names[i]) != MST_OK) {
      status = mst_fail_memory(err);
      goto done;
    }
  }
  *out = r;
  r = NULL;
done:
  json_decref(r);
  return status;
}

/* About what an index takes: some hundred bytes a checkpoint, and a pruned window where decoding needs one. */
static uint64_t expected_size(const mst_source *s, const json_t *facts, const mst_scan_options *o) {
  const char *container = json_string_value(json_object_get(facts, "container"));
  const bool gzip = mst_text_equal(container, "gzip"), packed = gzip || mst_text_equal(container, "bgzf");
  const uint64_t plain = mst_object_size(s->object) * (packed ? 4 : 1);
  const uint64_t spacing = o->spacing == 0 ? MST_SPACING_DEFAULT : o->spacing;
  return 2000 + (plain / spacing + 1) * (gzip ? 8000 : 60);
}

static mst_status dry_run(mst_source *s, const json_t *facts, const mst_scan_options *o, json_t **report,
                          mst_error *err) {
  return new_report(s, "dry-run", mst_object_size(s->object), expected_size(s, facts, o), facts, report, err);
}

static mst_status while_writing(const mst_source *s, mst_status status, mst_error *err) {
  const bool denied = status == MST_E_DENIED || status == MST_E_UNSUPPORTED;
  return mst_while(err, status, "writing the index %s%s", s->index_url,
                   denied ? " (an index can be kept elsewhere: --index-at)" : "");
}

static mst_status finish(mst_source *s, mst_index_writer *w, const json_t *final, json_t **report, mst_error *err) {
  mst_status status = mst_index_writer_close(w, final, err);
  if (status != MST_OK) return while_writing(s, status, err);
  pthread_mutex_lock(&s->lock);
  mst_source_index_unref(s->index); /* the next plan looks at what is there now */
  s->index = NULL;
  pthread_mutex_unlock(&s->lock);
  return new_report(s, "indexed", mst_object_size(s->object), mst_index_writer_size(w), final, report, err);
}

/* ---- at once ---- */

static mst_status is_fresh(mst_source *s, json_t **report, mst_cancel *cancel, mst_error *err) {
  mst_index *have = NULL;
  mst_index_state state = MST_INDEX_NONE;
  mst_status status = mst_source_index_load(s, &have, &state, NULL, cancel, err);
  if (status == MST_OK && have != NULL) status = new_report(s, "fresh", 0, 0, have->facts, report, err);
  mst_source_index_unref(have);
  return status;
}

static mst_status scan_and_write(mst_source *s, json_t *facts, const mst_scan_options *scan, json_t **report,
                                 mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  json_t *final = NULL;
  mst_index_writer *writer = NULL;
  MST_TRY(open_writer(s, facts, &writer, cancel, err));
  const mst_rows_sink sink = {.self = writer, .put = put_row};
  MST_TRY(mst_scan_all(s, facts, scan, &sink, &final, cancel, err));
  MST_TRY(mst_object_check(s->object, cancel, err));
  MST_TRY(finish(s, writer, final, report, err));
done:
  mst_index_writer_free(writer);
  json_decref(final);
  return status;
}

mst_status mst_index_make(mst_source *s, const mst_index_options *options, json_t **report, mst_cancel *cancel,
                          mst_error *err) {
  mst_status status = MST_OK;
  json_t *facts = NULL;
  const mst_scan_options scan = scan_options(options);
  *report = NULL;
  MST_TRY(must_be_indexable(s, err));
  if ((s->format->flags & MST_FORMAT_NO_INDEX) != 0) return new_report(s, "not-needed", 0, 0, NULL, report, err);
  if (options->force == 0) MST_TRY(is_fresh(s, report, cancel, err));
  if (*report != NULL) goto done;
  MST_TRY(mst_source_facts(s, options->recover != 0, &facts, cancel, err));
  if (options->dry_run != 0) {
    status = dry_run(s, facts, &scan, report, err);
    goto done;
  }
  status = scan_and_write(s, facts, &scan, report, cancel, err);
  if (mst_source_is_gzip(s, status, &facts)) status = scan_and_write(s, facts, &scan, report, cancel, err);
done:
  json_decref(facts);
  return status;
}

/* ---- in pieces, anywhere ---- */

mst_status mst_index_pieces(mst_source *s, const mst_index_options *options, uint64_t *pieces, mst_cancel *cancel,
                            mst_error *err) {
  json_t *facts = NULL;
  const mst_scan_options scan = scan_options(options);
  mst_status status = mst_source_facts(s, options->recover != 0, &facts, cancel, err);
  if (status == MST_OK) *pieces = mst_scan_pieces(s, facts, &scan);
  json_decref(facts);
  return status;
}

mst_status mst_index_scan(mst_source *s, uint64_t i, uint64_t n, const mst_index_options *options, mst_bytes *partial,
                          mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  json_t *facts = NULL;
  uint64_t begin = 0, end = 0;
  mst_buf text;
  const mst_scan_options scan = scan_options(options);
  mst_buf_init(&text, s->mem, SIZE_MAX / 2);
  MST_TRY(mst_source_facts(s, options->recover != 0, &facts, cancel, err));
  if (n > 1 && !json_is_true(json_object_get(facts, "pieces"))) {
    status = mst_fail(err, MST_E_ARGUMENT, "%s cannot be scanned in pieces", mst_object_url(s->object));
    goto done;
  }
  mst_scan_piece_range(s, i, n, &begin, &end);
  MST_TRY(mst_scan_one(s, facts, begin, end, &scan, &text, cancel, err));
  MST_TRY(mst_buf_take(&text, partial, err));
done:
  mst_buf_free(&text);
  json_decref(facts);
  return status;
}

typedef struct given_partials {
  const mst_bytes *each;
} given_partials;

static mst_status next_given(void *self, uint64_t i, mst_bytes *out, mst_error *err) {
  const given_partials *g = self;
  (void)err;
  *out = mst_bytes_part(&g->each[i], 0, g->each[i].size);
  return MST_OK;
}

mst_status mst_index_collect(mst_source *s, const mst_bytes *partials, size_t n, const mst_index_options *options,
                             json_t **report, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  json_t *facts = NULL, *final = NULL;
  mst_index_writer *writer = NULL;
  given_partials given = {.each = partials};
  const mst_partials list = {.self = &given, .n = n, .next = next_given};
  const mst_scan_options scan = scan_options(options);
  MST_TRY(must_be_indexable(s, err));
  MST_TRY(mst_source_facts(s, options->recover != 0, &facts, cancel, err));
  MST_TRY(open_writer(s, facts, &writer, cancel, err));
  const mst_rows_sink sink = {.self = writer, .put = put_row};
  MST_TRY(mst_scan_collect(s, facts, &scan, &list, &sink, &final, cancel, err));
  MST_TRY(mst_object_check(s->object, cancel, err));
  MST_TRY(finish(s, writer, final, report, err));
done:
  mst_index_writer_free(writer);
  json_decref(facts);
  json_decref(final);
  return status;
}

/* ---- companions ---- */

static mst_status export_to(mst_source *s, mst_engine *engine, const char *url, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_location at = {0};
  mst_upload *upload = NULL;
  mst_step step = {0};
  MST_TRY(mst_location_open(s->ctx, url, s->config.pairs, s->config.n, &at, err));
  MST_TRY(mst_upload_begin(at.store, at.key, cancel, &upload, err));
  for (;;) {
    MST_TRY(mst_engine_next(engine, NULL, &step, cancel, err));
    if (step.kind == MST_STEP_DONE) break;
    MST_TRY(mst_upload_write(upload, step.bytes.data, step.bytes.size, err));
    mst_step_clear(&step);
  }
  MST_TRY(mst_object_check(s->object, cancel, err));
  MST_TRY(mst_upload_finish(upload, MST_PUT_REPLACE, NULL, NULL, err));
done:
  mst_step_clear(&step);
  mst_upload_end(upload);
  mst_location_close(&at);
  return status;
}

mst_status mst_companion_export(mst_source *s, const char *kind, const char *to, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  json_t *facts = NULL;
  mst_machine *machine = NULL;
  mst_engine *engine = NULL;
  mst_buf url;
  mst_task task = {0};
  mst_buf_init(&url, s->mem, 1 << 16);
  if (s->format->export_companion == NULL) {
    status = mst_fail(err, MST_E_UNSUPPORTED, "the format %s has no companion \"%.20s\"", s->format->name, kind);
    goto done;
  }
  MST_TRY(mst_source_facts(s, false, &facts, cancel, err));
  MST_TRY(mst_task_init(&task, s, facts, NULL, err));
  MST_TRY(s->format->export_companion(&task.job, kind, &machine, err));
  MST_TRY(mst_engine_open(s->ctx, machine, &task.inputs, task.job.memory, &engine, err));
  MST_TRY(to != NULL ? mst_buf_put_text(&url, to, err)
                     : mst_buf_printf(&url, err, "%s.%s", mst_object_url(s->object), kind));
  MST_TRY(export_to(s, engine, mst_buf_text(&url), cancel, err));
done:
  mst_engine_close(engine);
  mst_task_free(&task);
  mst_buf_free(&url);
  json_decref(facts);
  if (status != MST_OK) mst_error_name(err, status, mst_object_url(s->object));
  return status;
}
