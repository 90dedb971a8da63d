/* source/index_build.c - see index_build.h. Pieces are scanned by the context's threads, a few ahead of the collector,
 * so that memory stays bounded whatever the object's size. May call fetch and the format interface. */
#include "source/index_build.h"

#define PIECE_MIN         ((uint64_t)4 << 20)
#define PIECE_MAX         ((uint64_t)64 << 20)
#define PROGRESS_EVERY_US 100000

/* ---- progress ---- */

typedef struct meter {
  pthread_mutex_t lock;
  const mst_env *env;
  mst_progress_fn call;
  void *arg;
  uint64_t done, total;
  int64_t next_us;
} meter;

static void progress_init(meter *p, const mst_source *s, const mst_scan_options *options) {
  pthread_mutex_init(&p->lock, NULL);
  p->env = mst_context_env(s->ctx);
  p->call = options->progress;
  p->arg = options->progress_arg;
  p->done = 0;
  p->total = mst_object_size(s->object);
  p->next_us = 0;
}

static void progress_add(void *arg, uint64_t bytes) {
  meter *p = arg;
  if (p->call == NULL) return;
  pthread_mutex_lock(&p->lock);
  p->done = mst_min_u64(p->done + bytes, p->total);
  const int64_t now = p->env->tick_us(p->env->self);
  if (now >= p->next_us) {
    p->next_us = now + PROGRESS_EVERY_US;
    p->call(p->arg, p->done, p->total);
  }
  pthread_mutex_unlock(&p->lock);
}

static void progress_end(meter *p, bool whole) {
  if (p->call != NULL && whole) p->call(p->arg, p->total, p->total);
  pthread_mutex_destroy(&p->lock);
}

/* ---- pieces ---- */

static uint32_t threads_of(const mst_source *s, const mst_scan_options *o) {
  const uint32_t threads = o->threads == 0 ? mst_context_threads(s->ctx) : o->threads;
  return threads == 0 ? 1 : threads;
}

uint64_t mst_scan_pieces(const mst_source *s, const json_t *facts, const mst_scan_options *o) {
  const uint64_t size = mst_object_size(s->object);
  if (!json_is_true(json_object_get(facts, "pieces")) || size == 0 || o->recover) return 1;
  uint64_t piece = o->piece_bytes;
  if (piece == 0) {
    const uint32_t threads = threads_of(s, o);
    if (threads == 1) return 1;
    piece = mst_min_u64(mst_max_u64(size / ((uint64_t)threads * 4), PIECE_MIN), PIECE_MAX);
  }
  return (size - 1) / piece + 1;
}

void mst_scan_piece_range(const mst_source *s, uint64_t i, uint64_t n, uint64_t *begin, uint64_t *end) {
  const uint64_t size = mst_object_size(s->object), each = size / n, rest = size % n;
  *begin = i * each + mst_min_u64(i, rest);
  *end = *begin + each + (i < rest ? 1 : 0);
}

static void set_scan(mst_task *t, const mst_scan_options *o, uint32_t width) {
  t->job.spacing = mst_max_u64(o->spacing == 0 ? MST_SPACING_DEFAULT : o->spacing, MST_SPACING_MIN);
  t->job.recover = o->recover;
  t->job.memory /= width;
}

static mst_status scan_range(mst_source *s, json_t *facts, uint64_t begin, uint64_t end, const mst_scan_options *o,
                             uint32_t width, meter *progress,
                             mst_status (*put)(void *arg, mst_bytes *partial, mst_error *err), void *arg,
                             mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_machine *machine = NULL;
  mst_engine *engine = NULL;
  mst_step step = {0};
  mst_task task;
  MST_TRY(mst_task_init(&task, s, facts, NULL, err));
  set_scan(&task, o, width);
  if (progress != NULL) {
    task.inputs.fetched = progress_add;
    task.inputs.fetched_arg = progress;
  }
  MST_TRY(s->format->scan(&task.job, begin, end, &machine, err));
  MST_TRY(mst_engine_open(s->ctx, machine, &task.inputs, task.job.memory, &engine, err));
  for (;;) {
    MST_TRY(mst_engine_next(engine, NULL, &step, cancel, err));
    if (step.kind == MST_STEP_DONE) break;
    if (step.kind != MST_STEP_EMIT) {
      status = mst_fail(err, MST_E_INTERNAL, "a scan gave something other than partials");
      goto done;
    }
    MST_TRY(put(arg, &step.bytes, err));
    mst_step_clear(&step);
  }
done:
  mst_step_clear(&step);
  mst_engine_close(engine);
  mst_task_free(&task);
  if (status != MST_OK) mst_error_name(err, status, mst_object_url(s->object));
  return status;
}

static mst_status append_part(void *arg, mst_bytes *partial, mst_error *err) {
  mst_buf *out = arg;
  mst_status status = mst_buf_put_u64(out, partial->size, err);
  return status == MST_OK ? mst_buf_put(out, partial->data, partial->size, err) : status;
}

mst_status mst_scan_one(mst_source *s, json_t *facts, uint64_t begin, uint64_t end, const mst_scan_options *options,
                        mst_buf *out, mst_cancel *cancel, mst_error *err) {
  return scan_range(s, facts, begin, end, options, threads_of(s, options), NULL, append_part, out, cancel, err);
}

/* ---- collecting ---- */

typedef struct collector {
  mst_task task;
  mst_engine *engine;
  const mst_rows_sink *sink;
  mst_cancel *cancel;
  json_t *final;
} collector;

/* Steps until the next partial is wanted or the end is reached. */
static mst_status collect_on(collector *c, const mst_given *given, mst_error *err) {
  for (;;) {
    mst_step step = {0};
    mst_status status = mst_engine_next(c->engine, given, &step, c->cancel, err);
    given = NULL;
    if (status == MST_OK && step.kind == MST_STEP_BATCH) {
      struct ArrowArray batch = step.batch;
      step.batch.release = NULL;
      status = c->sink->put(c->sink->self, &batch, err);
      if (status == MST_OK) continue;
    }
    if (status == MST_OK && step.kind == MST_STEP_DONE) c->final = json_incref(step.facts);
    if (status == MST_OK && step.kind != MST_STEP_DONE && step.kind != MST_STEP_INPUT)
      status = mst_fail(err, MST_E_INTERNAL, "a collector gave something other than rows");
    mst_step_clear(&step);
    return status;
  }
}

static mst_status collect_open(collector *c, mst_source *s, json_t *facts, const mst_scan_options *o,
                               const mst_rows_sink *sink, mst_cancel *cancel, mst_error *err) {
  mst_machine *machine = NULL;
  memset(c, 0, sizeof *c);
  c->sink = sink;
  c->cancel = cancel;
  mst_status status = mst_task_init(&c->task, s, facts, NULL, err);
  if (status != MST_OK) return status;
  set_scan(&c->task, o, 1);
  status = s->format->collect(&c->task.job, &machine, err);
  if (status == MST_OK) status = mst_engine_open(s->ctx, machine, &c->task.inputs, c->task.job.memory, &c->engine, err);
  return status == MST_OK ? collect_on(c, NULL, err) : status;
}

static mst_status collect_put(void *arg, mst_bytes *partial, mst_error *err) {
  collector *c = arg;
  const mst_given given = {.bytes = partial, .n = 1};
  return collect_on(c, &given, err);
}

static mst_status collect_text(collector *c, const mst_bytes *text, mst_error *err) {
  mst_cursor at = mst_cursor_over(text->data, text->size);
  while (mst_cursor_left(&at) > 0) {
    const uint64_t size = mst_cursor_u64(&at);
    if (at.failed || size > mst_cursor_left(&at))
      return mst_fail_at(err, MST_E_CORRUPT, at.at, "the partial index is cut short");
    mst_bytes part = mst_bytes_part(text, at.at, (size_t)size);
    mst_cursor_take(&at, (size_t)size);
    mst_status status = collect_put(c, &part, err);
    mst_bytes_release(&part);
    if (status != MST_OK) return status;
  }
  return MST_OK;
}

/* What the index is of belongs into its facts, whatever the format. */
static mst_status collect_end(collector *c, json_t **final, mst_error *err) {
  const mst_given end = {.ended = true};
  mst_status status = collect_on(c, &end, err);
  if (status != MST_OK) return status;
  if (c->final == NULL)
    return mst_fail(err, MST_E_INTERNAL, "the collector of %s found no facts", c->task.job.format->name);
  status = mst_json_set_u64(c->final, "spacing", c->task.job.spacing, err);
  if (status == MST_OK) *final = json_incref(c->final);
  return status;
}

static void collect_close(collector *c) {
  mst_engine_close(c->engine);
  json_decref(c->final);
  mst_task_free(&c->task);
}

mst_status mst_scan_collect(mst_source *s, json_t *facts, const mst_scan_options *options, const mst_partials *partials,
                            const mst_rows_sink *sink, json_t **final, mst_cancel *cancel, mst_error *err) {
  collector c;
  mst_status status = MST_OK;
  MST_TRY(collect_open(&c, s, facts, options, sink, cancel, err));
  for (uint64_t i = 0; i < partials->n; i++) {
    mst_bytes text = {0};
    MST_TRY(partials->next(partials->self, i, &text, err));
    status = collect_text(&c, &text, err);
    mst_bytes_release(&text);
    if (status != MST_OK) goto done;
  }
  MST_TRY(collect_end(&c, final, err));
done:
  collect_close(&c);
  if (status != MST_OK) mst_error_name(err, status, mst_object_url(s->object));
  return status;
}

/* ---- many pieces at once ---- */

typedef struct piece {
  struct pieces *all;
  uint64_t number;
  mst_buf text;
  _Atomic bool done;
} piece;

typedef struct pieces {
  mst_source *source;
  json_t *facts;
  const mst_scan_options *options;
  meter *progress;
  mst_cancel *cancel;
  mst_group *group;
  piece *each; /* a ring of `width` */
  uint64_t n, added;
  uint32_t width;
  uint32_t threads;
} pieces;

static mst_status run_piece(void *arg, mst_error *err) {
  piece *p = arg;
  pieces *all = p->all;
  uint64_t begin = 0, end = 0;
  mst_scan_piece_range(all->source, p->number, all->n, &begin, &end);
  mst_status status = scan_range(all->source, all->facts, begin, end, all->options, all->threads, all->progress,
                                 append_part, &p->text, all->cancel, err);
  atomic_store(&p->done, true);
  return status;
}

/* Keeps the ring full, waits for piece `i`. */
static mst_status next_piece(void *self, uint64_t i, mst_bytes *out, mst_error *err) {
  pieces *all = self;
  mst_status status = MST_OK;
  while (all->added < all->n && all->added < i + all->width) {
    piece *p = &all->each[all->added % all->width];
    mst_buf_free(&p->text);
    p->number = all->added;
    atomic_store(&p->done, false);
    status = mst_group_add(all->group, run_piece, p, err);
    if (status != MST_OK) return status;
    all->added++;
  }
  piece *mine = &all->each[i % all->width];
  for (uint64_t left = all->added - i; !atomic_load(&mine->done) && left > 0;) {
    left--;
    status = mst_group_wait_left(all->group, (size_t)left, all->cancel, err);
    if (status != MST_OK) return status;
  }
  if (!atomic_load(&mine->done)) {
    status = mst_group_wait(all->group, all->cancel, err);
    return status != MST_OK ? status
                            : mst_fail(err, MST_E_INTERNAL, "piece %llu was never scanned", (unsigned long long)i);
  }
  /* A piece that failed says so through its group, at the latest when everything has ended. */
  return mst_buf_take(&mine->text, out, err);
}

static mst_status scan_many(mst_source *s, json_t *facts, const mst_scan_options *o, uint64_t n, meter *progress,
                            const mst_rows_sink *sink, json_t **final, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  const uint32_t threads = threads_of(s, o);
  pieces all = {
      .source = s, .facts = facts, .options = o, .progress = progress, .cancel = cancel, .n = n, .threads = threads};
  all.width = (uint32_t)mst_min_u64(n, (uint64_t)threads + 2);
  MST_TRY_ALLOC(all.each = mst_alloc_zero(s->mem, all.width, sizeof *all.each));
  for (uint32_t i = 0; i < all.width; i++) {
    all.each[i].all = &all;
    mst_buf_init(&all.each[i].text, s->mem, SIZE_MAX / 2);
  }
  MST_TRY(mst_group_new(s->ctx, &all.group, err));
  mst_group_set_width(all.group, threads);
  const mst_partials partials = {.self = &all, .n = n, .next = next_piece};
  status = mst_scan_collect(s, facts, o, &partials, sink, final, cancel, err);
  /* A piece's own error says more than what its half of a partial did to the collector. */
  mst_error first;
  mst_error_clear(&first);
  mst_status piece_status = mst_group_wait(all.group, cancel, &first);
  if (piece_status != MST_OK && (status == MST_OK || status == MST_E_CORRUPT)) {
    status = piece_status;
    if (err != NULL) *err = first;
  }
done:
  mst_group_free(all.group);
  for (uint32_t i = 0; all.each != NULL && i < all.width; i++) mst_buf_free(&all.each[i].text);
  mst_free(s->mem, all.each);
  return status;
}

static mst_status scan_serial(mst_source *s, json_t *facts, const mst_scan_options *o, meter *progress,
                              const mst_rows_sink *sink, json_t **final, mst_cancel *cancel, mst_error *err) {
  collector c;
  mst_status status = MST_OK;
  MST_TRY(collect_open(&c, s, facts, o, sink, cancel, err));
  MST_TRY(scan_range(s, facts, 0, mst_object_size(s->object), o, 1, progress, collect_put, &c, cancel, err));
  MST_TRY(collect_end(&c, final, err));
done:
  collect_close(&c);
  return status;
}

mst_status mst_scan_all(mst_source *s, json_t *facts, const mst_scan_options *options, const mst_rows_sink *sink,
                        json_t **final, mst_cancel *cancel, mst_error *err) {
  meter progress;
  progress_init(&progress, s, options);
  const uint64_t n = mst_scan_pieces(s, facts, options);
  json_t *found = NULL;
  mst_status status = n == 1 ? scan_serial(s, facts, options, &progress, sink, &found, cancel, err)
                             : scan_many(s, facts, options, n, &progress, sink, &found, cancel, err);
  progress_end(&progress, status == MST_OK);
  if (status == MST_OK) {
    *final = found;
    return MST_OK;
  }
  json_decref(found);
  return mst_error_name(err, status, mst_object_url(s->object));
}
