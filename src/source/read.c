/* source/read.c - reading a slice: as bytes in one piece, as bytes in order, as an Arrow stream; always lazily and
 * conditional on its pins. Owns struct mst_reader; may call fetch and the format interface. */
#include "source/slice.h"

#define RESERVE_MAX ((uint64_t)256 << 20) /* a slice's own word on its size is believed this far before it is read */

struct mst_reader {
  mst_slice *slice;
  const mst_allocator *mem;
  mst_object *object, *index;
  mst_cancel *cancel;
  json_t *options, *facts;
  mst_member member;
  mst_job job;
  mst_inputs inputs;
  mst_read_query query;
  mst_engine *engine;
  mst_slice_bytes own; /* of a slice that a module above reads */
  mst_error failure;   /* of an earlier step: the same again, never an end */
  bool ended;
};

void mst_reader_free(mst_reader *r) {
  if (r == NULL) return;
  if (r->own.close != NULL) r->own.close(r->own.self);
  mst_engine_close(r->engine);
  mst_object_unref(r->object);
  mst_object_unref(r->index);
  mst_cancel_unref(r->cancel);
  json_decref(r->options);
  json_decref(r->facts);
  mst_slice_unref(r->slice);
  mst_free(r->mem, r);
}

static mst_status while_reading(const mst_slice *s, mst_status status, mst_error *err) {
  mst_error_name(err, status, s->url);
  if (s->of > 0)
    return mst_while(err, status, "while reading slice %llu of %llu of %s", (unsigned long long)s->number,
                     (unsigned long long)s->of, s->url);
  return mst_while(err, status, "while reading a slice of %s", s->url);
}

/* ---- facts that were too many for the slice ---- */

static mst_status look_again(mst_slice *s, mst_object *object, json_t **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_machine *machine = NULL;
  mst_engine *engine = NULL;
  mst_step step = {0};
  const mst_member member = {
      .name = mst_key_name(mst_object_key(object)), .size = mst_object_size(object), .present = true, .fresh = true};
  const mst_job job = {.mem = s->mem,
                       .format = s->format,
                       .name = s->url,
                       .members = &member,
                       .n_members = 1,
                       .spacing = MST_SPACING_DEFAULT,
                       .memory = mst_context_memory_max(s->ctx) / 4,
                       .record_max = mst_context_record_max(s->ctx)};
  const mst_inputs inputs = {.members = {object}, .n_members = 1};
  MST_TRY(s->format->inspect(&job, &machine, err));
  MST_TRY(mst_engine_open(s->ctx, machine, &inputs, job.memory, &engine, err));
  MST_TRY(mst_engine_next(engine, NULL, &step, cancel, err));
  *out = json_incref(step.facts);
done:
  mst_step_clear(&step);
  mst_engine_close(engine);
  return status;
}

static mst_status facts_of_index(mst_slice *s, mst_object *index, json_t **out, mst_cancel *cancel, mst_error *err) {
  mst_parquet_file *file = NULL;
  const mst_bytes none = {0};
  mst_status status = mst_index_footer(s->ctx, index, &none, &file, cancel, err);
  if (status == MST_OK) status = mst_index_metadata(file, "meseta.facts", out, err);
  mst_parquet_file_unref(file);
  return status;
}

mst_status mst_slice_all_facts(mst_slice *s, json_t **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_object *object = NULL, *index = NULL;
  if (!s->more) {
    *out = json_incref(s->facts);
    return MST_OK;
  }
  MST_TRY(mst_slice_objects(s, &object, &index, err));
  pthread_mutex_lock(&s->lock);
  if (s->all_facts == NULL)
    status = index != NULL ? facts_of_index(s, index, &s->all_facts, cancel, err)
                           : look_again(s, object, &s->all_facts, cancel, err);
  if (status == MST_OK) *out = json_incref(s->all_facts);
  pthread_mutex_unlock(&s->lock);
done:
  mst_object_unref(object);
  mst_object_unref(index);
  return status;
}

static mst_status open_machine(mst_reader *r, const mst_read_options *options, mst_read_as as, mst_error *err) {
  mst_status status = MST_OK;
  mst_machine *machine = NULL;
  mst_slice *s = r->slice;
  const uint64_t memory = options->memory != 0 ? options->memory : mst_context_memory_max(s->ctx);
  MST_TRY(mst_slice_objects(s, &r->object, &r->index, err));
  if (as == MST_READ_ARROW) MST_TRY(mst_slice_all_facts(s, &r->facts, r->cancel, err));
  else r->facts = json_incref(s->facts);
  if (options->options_json != NULL)
    MST_TRY(mst_json_parse(options->options_json, strlen(options->options_json), 1 << 20, "read options", &r->options,
                           err));
  if (as == MST_READ_ARROW)
    MST_TRY(mst_options_known(s->format, r->options, s->format->row_options, "option of rows", err));
  r->member = (mst_member){.name = mst_key_name(mst_object_key(r->object)),
                           .size = mst_object_size(r->object),
                           .present = true,
                           .fresh = true};
  r->job = (mst_job){.mem = r->mem,
                     .format = s->format,
                     .name = s->url,
                     .members = &r->member,
                     .n_members = 1,
                     .facts = r->facts,
                     .spacing = MST_SPACING_DEFAULT,
                     .memory = memory / 4,
                     .record_max = mst_context_record_max(s->ctx),
                     .recover = options->recover != 0};
  r->inputs.members[0] = r->object;
  r->inputs.n_members = 1;
  r->inputs.index = r->index;
  r->query = (mst_read_query){
      .as = as, .header = options->header != 0, .options = r->options, .batch_rows = options->batch_rows};
  MST_TRY(s->format->read(&r->job, s->part, &r->query, &machine, err));
  MST_TRY(mst_engine_open(s->ctx, machine, &r->inputs, memory / 4, &r->engine, err));
done:
  return status;
}

static mst_status reader_open(mst_slice *s, const mst_read_options *options, mst_read_as as, mst_cancel *cancel,
                              mst_reader **out, mst_error *err) {
  mst_reader *r = mst_alloc_zero(s->mem, 1, sizeof *r);
  if (r == NULL) return mst_fail_memory(err);
  r->mem = s->mem;
  r->slice = mst_slice_ref(s);
  r->cancel = cancel == NULL ? NULL : mst_cancel_ref(cancel);
  const mst_slice_parts parts = mst_slice_parts_of(s);
  mst_status status = s->provider != NULL ? s->provider->read(&parts, options, &r->own, cancel, err)
                                          : open_machine(r, options, as, err);
  if (status != MST_OK) {
    status = while_reading(s, status, err);
    mst_reader_free(r);
    return status;
  }
  *out = r;
  return MST_OK;
}

mst_status mst_slice_begin(mst_slice *s, const mst_read_options *options, mst_reader **out, mst_cancel *cancel,
                           mst_error *err) {
  return reader_open(s, options, MST_READ_RAW, cancel, out, err);
}

/* The next thing of the wanted kind; DONE at the end, and from then on. After a failure always that failure. */
static mst_status reader_step(mst_reader *r, mst_step_kind wanted, mst_step *step, mst_error *err) {
  mst_error unheard;
  if (err == NULL) err = &unheard;
  memset(step, 0, sizeof *step);
  step->kind = MST_STEP_DONE;
  if (r->failure.status != MST_OK) *err = r->failure;
  if (r->ended) return r->failure.status;
  mst_error_clear(err);
  mst_status status = mst_engine_next(r->engine, NULL, step, r->cancel, err);
  if (status == MST_OK && step->kind != wanted && step->kind != MST_STEP_DONE)
    status =
        mst_fail(err, MST_E_INTERNAL, "the format %s gave something else than was asked for", r->slice->format->name);
  if (status != MST_OK || step->kind == MST_STEP_DONE) r->ended = true;
  if (status != MST_OK) {
    mst_step_clear(step);
    status = while_reading(r->slice, status, err);
    r->failure = *err;
    r->failure.status = status;
    return status;
  }
  return MST_OK;
}

/* The same promises for a slice that a module above reads. */
static mst_status next_of_provider(mst_reader *r, mst_bytes *out, mst_error *err) {
  mst_error unheard;
  if (err == NULL) err = &unheard;
  *out = (mst_bytes){0};
  if (r->failure.status != MST_OK) *err = r->failure;
  if (r->ended) return r->failure.status;
  mst_error_clear(err);
  mst_status status = r->own.next(r->own.self, out, err);
  if (status != MST_OK) {
    status = while_reading(r->slice, status, err);
    r->failure = *err;
    r->failure.status = status;
  }
  r->ended = status != MST_OK || out->size == 0;
  return status;
}

mst_status mst_reader_next(mst_reader *r, mst_bytes *out, mst_error *err) {
  if (r->slice->provider != NULL) return next_of_provider(r, out, err);
  for (;;) {
    mst_step step;
    mst_status status = reader_step(r, MST_STEP_EMIT, &step, err);
    if (status != MST_OK) return status;
    if (step.kind == MST_STEP_DONE) {
      mst_step_clear(&step);
      *out = (mst_bytes){0};
      return MST_OK;
    }
    if (step.bytes.size > 0) {
      *out = step.bytes;
      return MST_OK;
    }
    mst_step_clear(&step);
  }
}

/* A lone piece is handed on as it is; more are joined, each let go at once so that its buffer can be used again. */
static mst_status read_all(mst_reader *r, mst_bytes *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_bytes first = {0}, more = {0};
  mst_buf all;
  mst_buf_init(&all, r->mem, SIZE_MAX / 2);
  MST_TRY(mst_reader_next(r, &first, err));
  if (first.size > 0) MST_TRY(mst_reader_next(r, &more, err));
  if (more.size == 0) {
    *out = first;
    first = (mst_bytes){0};
    goto done;
  }
  if (r->slice->bytes != MST_UNKNOWN)
    MST_TRY(mst_buf_reserve(&all, (size_t)mst_min_u64(r->slice->bytes, RESERVE_MAX), err));
  MST_TRY(mst_buf_put(&all, first.data, first.size, err));
  mst_bytes_release(&first);
  while (more.size > 0) {
    MST_TRY(mst_buf_put(&all, more.data, more.size, err));
    mst_bytes_release(&more);
    MST_TRY(mst_reader_next(r, &more, err));
  }
  MST_TRY(mst_buf_take(&all, out, err));
done:
  mst_bytes_release(&first);
  mst_bytes_release(&more);
  mst_buf_free(&all);
  return status;
}

mst_status mst_slice_all(mst_slice *s, const mst_read_options *options, mst_bytes *out, mst_cancel *cancel,
                         mst_error *err) {
  mst_reader *r = NULL;
  mst_status status = reader_open(s, options, MST_READ_RAW, cancel, &r, err);
  if (status == MST_OK) status = read_all(r, out, err);
  mst_reader_free(r);
  return status;
}

/* ---- Arrow ---- */

static mst_status next_batch(void *self, struct ArrowArray *out, mst_error *err) {
  mst_reader *r = self;
  mst_step step;
  mst_status status = reader_step(r, MST_STEP_BATCH, &step, err);
  if (status != MST_OK) return status;
  *out = step.batch; /* released is the sign of the end */
  step.batch.release = NULL;
  mst_step_clear(&step);
  return MST_OK;
}

/* What the machine itself found out before its first batch. */
static mst_status first_schema(mst_reader *r, struct ArrowSchema *out, mst_error *err) {
  mst_step step;
  mst_status status = reader_step(r, MST_STEP_SCHEMA, &step, err);
  if (status != MST_OK) return status;
  *out = step.schema;
  step.schema.release = NULL;
  mst_step_clear(&step);
  if (out->release == NULL)
    status = mst_fail(err, MST_E_INTERNAL, "the format %s told no columns", r->slice->format->name);
  return status;
}

static void close_batches(void *self) { mst_reader_free(self); }

mst_status mst_slice_arrow(mst_slice *s, const mst_read_options *options, struct ArrowArrayStream *out,
                           mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema schema = {0};
  mst_reader *r = NULL;
  if (s->provider != NULL) {
    const mst_slice_parts parts = mst_slice_parts_of(s);
    status = s->provider->rows(&parts, options, out, cancel, err);
    return status == MST_OK ? MST_OK : while_reading(s, status, err);
  }
  const bool own_schema = (s->format->flags & MST_FORMAT_OWN_SCHEMA) != 0;
  if (s->format->read_schema == NULL && !own_schema)
    return mst_fail(err, MST_E_UNSUPPORTED, "slices of %s are not read as Arrow", s->format->name);
  MST_TRY(reader_open(s, options, MST_READ_ARROW, cancel, &r, err));
  if (own_schema) {
    MST_TRY(first_schema(r, &schema, err));
  } else {
    status = s->format->read_schema(&r->job, s->part, &r->query, &schema, err);
    if (status != MST_OK) {
      status = while_reading(s, status, err);
      goto done;
    }
  }
  const mst_stream_source source = {.self = r, .next = next_batch, .close = close_batches};
  r = NULL;
  MST_TRY(mst_stream_make(s->mem, &schema, &source, out, err));
done:
  mst_reader_free(r);
  mst_schema_release(&schema);
  return status;
}

/* What a format says of where a slice begins: it reads no further than that place. */
mst_status mst_slice_facts(mst_slice *s, json_t **out, mst_cancel *cancel, mst_error *err) {
  mst_reader *r = NULL;
  mst_step step = {0};
  const mst_read_options options = MST_READ_OPTIONS_INIT;
  if (s->provider != NULL) {
    *out = json_object();
    return *out == NULL ? mst_fail_memory(err) : MST_OK;
  }
  mst_status status = reader_open(s, &options, MST_READ_PLACE, cancel, &r, err);
  if (status == MST_OK) status = reader_step(r, MST_STEP_DONE, &step, err);
  if (status == MST_OK) *out = step.facts != NULL ? json_incref(step.facts) : json_object();
  if (status == MST_OK && *out == NULL) status = mst_fail_memory(err);
  mst_step_clear(&step);
  mst_reader_free(r);
  return status;
}
