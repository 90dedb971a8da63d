/* arrow.h - what the package does to Arrow structs itself: copies of schemas, streams of batches that are at hand, and
 * streams that foreign code reads while Ctrl-C still works. All memory is malloc's, nothing here needs the
 * interpreter's lock but where it says so. */
#ifndef MESETA_PYTHON_ARROW_H
#define MESETA_PYTHON_ARROW_H

#include "interrupt.h"

#include <stdlib.h>
#include <string.h>

/* ---- copies of schemas ---------------------------------------------------------------------------------------------
 */

static void mst_py_schema_release(struct ArrowSchema *s) {
  for (int64_t i = 0; i < s->n_children; i++) {
    if (s->children[i]->release != NULL) s->children[i]->release(s->children[i]);
    free(s->children[i]);
  }
  if (s->dictionary != NULL) {
    if (s->dictionary->release != NULL) s->dictionary->release(s->dictionary);
    free(s->dictionary);
  }
  free(s->children);
  free((void *)s->format);
  free((void *)s->name);
  free((void *)s->metadata);
  memset(s, 0, sizeof *s);
}

static void *mst_py_copy(const void *from, size_t size) {
  void *to = malloc(size > 0 ? size : 1);
  if (to != NULL) memcpy(to, from, size);
  return to;
}

/* The packed key-value pairs of a schema: a count, then lengths and bytes, all int32 in the machine's order. */
static size_t mst_py_metadata_size(const char *metadata) {
  int32_t n, length;
  size_t at = sizeof n;
  memcpy(&n, metadata, sizeof n);
  for (int64_t i = 0; i < (int64_t)n * 2; i++) {
    memcpy(&length, metadata + at, sizeof length);
    at += sizeof length + (size_t)length;
  }
  return at;
}

/* false when there is no memory; then `to` holds nothing. */
static bool mst_py_schema_copy(const struct ArrowSchema *from, struct ArrowSchema *to) {
  memset(to, 0, sizeof *to);
  to->release = mst_py_schema_release;
  to->flags = from->flags;
  to->format = (const char *)mst_py_copy(from->format, strlen(from->format) + 1);
  to->name = from->name == NULL ? NULL : (const char *)mst_py_copy(from->name, strlen(from->name) + 1);
  to->metadata =
      from->metadata == NULL ? NULL : (const char *)mst_py_copy(from->metadata, mst_py_metadata_size(from->metadata));
  bool whole = to->format != NULL && (to->name != NULL) == (from->name != NULL) &&
               (to->metadata != NULL) == (from->metadata != NULL);
  if (whole && from->n_children > 0) {
    to->children = (struct ArrowSchema **)calloc((size_t)from->n_children, sizeof *to->children);
    whole = to->children != NULL;
  }
  for (int64_t i = 0; whole && i < from->n_children; i++) {
    to->children[i] = (struct ArrowSchema *)calloc(1, sizeof **to->children);
    whole = to->children[i] != NULL;
    if (!whole) break;
    to->n_children = i + 1;
    whole = mst_py_schema_copy(from->children[i], to->children[i]);
  }
  if (whole && from->dictionary != NULL) {
    to->dictionary = (struct ArrowSchema *)calloc(1, sizeof *to->dictionary);
    whole = to->dictionary != NULL && mst_py_schema_copy(from->dictionary, to->dictionary);
  }
  if (!whole) mst_py_schema_release(to);
  return whole;
}

/* ---- batches at hand -----------------------------------------------------------------------------------------------
 */

typedef struct mst_py_batches {
  struct ArrowSchema schema;
  struct ArrowArray *arrays;
  size_t n, room, next;
} mst_py_batches;

static bool mst_py_batches_add(mst_py_batches *b, struct ArrowArray *array) {
  if (b->n == b->room) {
    const size_t room = b->room == 0 ? 16 : b->room * 2;
    struct ArrowArray *more = (struct ArrowArray *)realloc(b->arrays, room * sizeof *more);
    if (more == NULL) return false;
    b->arrays = more;
    b->room = room;
  }
  b->arrays[b->n++] = *array;
  memset(array, 0, sizeof *array);
  return true;
}

static void mst_py_batches_free(mst_py_batches *b) {
  if (b == NULL) return;
  for (size_t i = b->next; i < b->n; i++)
    if (b->arrays[i].release != NULL) b->arrays[i].release(&b->arrays[i]);
  if (b->schema.release != NULL) b->schema.release(&b->schema);
  free(b->arrays);
  free(b);
}

static int mst_py_batches_schema(struct ArrowArrayStream *s, struct ArrowSchema *out) {
  return mst_py_schema_copy(&((mst_py_batches *)s->private_data)->schema, out) ? 0 : ENOMEM;
}

static int mst_py_batches_next(struct ArrowArrayStream *s, struct ArrowArray *out) {
  mst_py_batches *b = (mst_py_batches *)s->private_data;
  memset(out, 0, sizeof *out);
  if (b->next < b->n) *out = b->arrays[b->next++];
  return 0;
}

static const char *mst_py_batches_error(struct ArrowArrayStream *s) {
  (void)s;
  return NULL;
}

static void mst_py_batches_release(struct ArrowArrayStream *s) {
  mst_py_batches_free((mst_py_batches *)s->private_data);
  memset(s, 0, sizeof *s);
}

/* `out` owns `b` from here on. */
static void mst_py_batches_stream(mst_py_batches *b, struct ArrowArrayStream *out) {
  *out = (struct ArrowArrayStream){.get_schema = mst_py_batches_schema,
                                   .get_next = mst_py_batches_next,
                                   .get_last_error = mst_py_batches_error,
                                   .release = mst_py_batches_release,
                                   .private_data = b};
}

/* ---- streams that foreign code reads -------------------------------------------------------------------------------
 */

typedef struct mst_py_guard {
  struct ArrowArrayStream inner;
  mst_cancel *cancel;
  bool interrupted;
} mst_py_guard;

typedef struct mst_py_step {
  struct ArrowArrayStream *inner;
  struct ArrowArray *array;
  int failed;
} mst_py_step;

static void mst_py_step_run(void *p) {
  mst_py_step *step = (mst_py_step *)p;
  step->failed = step->inner->get_next(step->inner, step->array);
}

/* Foreign code cannot pass an exception on. So a KeyboardInterrupt is dropped here and asked for once more: it comes
 * again as soon as the interpreter runs. */
static bool mst_py_guard_look(void) {
  const PyGILState_STATE state = PyGILState_Ensure();
  const bool raised = PyErr_CheckSignals() != 0;
  if (raised) {
    if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) PyErr_SetInterrupt();
    PyErr_Clear();
  }
  PyGILState_Release(state);
  return raised;
}

/* Called with or without the interpreter's lock, as foreign code does. */
static int mst_py_guard_next(struct ArrowArrayStream *s, struct ArrowArray *out) {
  mst_py_guard *g = (mst_py_guard *)s->private_data;
  mst_py_step step = {.inner = &g->inner, .array = out};
  mst_py_job job = {.run = mst_py_step_run, .arg = &step};
  const bool held = PyGILState_Check();
  PyThreadState *thread = held ? PyEval_SaveThread() : NULL;
  if (!mst_py_hears_signals() || mst_py_start(&job) != 0) {
    mst_py_step_run(&step);
  } else {
    bool ended = false;
    while (!ended) {
      mst_py_wait(&job);
      ended = atomic_load(&job.ended);
      if (!ended && !g->interrupted && mst_py_guard_look()) {
        g->interrupted = true;
        mst_cancel_request(g->cancel);
      }
    }
    mst_py_finish(&job);
  }
  if (held) PyEval_RestoreThread(thread);
  return step.failed;
}

static int mst_py_guard_schema(struct ArrowArrayStream *s, struct ArrowSchema *out) {
  mst_py_guard *g = (mst_py_guard *)s->private_data;
  return g->inner.get_schema(&g->inner, out);
}

static const char *mst_py_guard_error(struct ArrowArrayStream *s) {
  mst_py_guard *g = (mst_py_guard *)s->private_data;
  return g->inner.get_last_error(&g->inner);
}

static void mst_py_guard_release(struct ArrowArrayStream *s) {
  mst_py_guard *g = (mst_py_guard *)s->private_data;
  if (g->inner.release != NULL) g->inner.release(&g->inner);
  mst_cancel_unref(g->cancel);
  free(g);
  memset(s, 0, sizeof *s);
}

/* Moves `inner` into `out`; false when there is no memory. */
static bool mst_py_guard_stream(struct ArrowArrayStream *inner, mst_cancel *cancel, struct ArrowArrayStream *out) {
  mst_py_guard *g = (mst_py_guard *)calloc(1, sizeof *g);
  if (g == NULL) return false;
  g->inner = *inner;
  g->cancel = mst_cancel_ref(cancel);
  memset(inner, 0, sizeof *inner);
  *out = (struct ArrowArrayStream){.get_schema = mst_py_guard_schema,
                                   .get_next = mst_py_guard_next,
                                   .get_last_error = mst_py_guard_error,
                                   .release = mst_py_guard_release,
                                   .private_data = g};
  return true;
}

#endif
