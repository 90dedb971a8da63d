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

/* ---- columns whose memory belongs to Python objects ----------------------------------------------------------------
 */

typedef struct mst_py_column {
  const void **buffers;
  Py_buffer *views;
  bool *lent;
} mst_py_column;

static void mst_py_column_release(struct ArrowArray *a) {
  mst_py_column *c = (mst_py_column *)a->private_data;
  for (int64_t i = 0; i < a->n_children; i++) {
    if (a->children[i] != NULL && a->children[i]->release != NULL) a->children[i]->release(a->children[i]);
    free(a->children[i]);
  }
  if (a->dictionary != NULL && a->dictionary->release != NULL) a->dictionary->release(a->dictionary);
  free(a->dictionary);
  free(a->children);
  if (Py_IsInitialized()) {
    const PyGILState_STATE state = PyGILState_Ensure();
    for (int64_t i = 0; i < a->n_buffers; i++)
      if (c->lent[i]) PyBuffer_Release(&c->views[i]);
    PyGILState_Release(state);
  }
  free(c->buffers);
  free(c->views);
  free(c->lent);
  free(c);
  memset(a, 0, sizeof *a);
}

/* Empty nodes for the children and the dictionary, to be filled by the caller; false when there is no memory. */
static bool mst_py_schema_begin(struct ArrowSchema *s, const char *format, const char *name, int64_t flags, size_t n_children,
                                bool dictionary) {
  s->release = mst_py_schema_release;
  s->flags = flags;
  s->format = (const char *)mst_py_copy(format, strlen(format) + 1);
  s->name = (const char *)mst_py_copy(name, strlen(name) + 1);
  s->children = (struct ArrowSchema **)calloc(n_children + 1, sizeof *s->children);
  bool whole = s->format != NULL && s->name != NULL && s->children != NULL;
  for (size_t i = 0; whole && i < n_children; i++) {
    s->children[i] = (struct ArrowSchema *)calloc(1, sizeof **s->children);
    whole = s->children[i] != NULL;
    if (whole) s->n_children++;
  }
  if (whole && dictionary) whole = (s->dictionary = (struct ArrowSchema *)calloc(1, sizeof *s->dictionary)) != NULL;
  return whole;
}

static bool mst_py_array_begin(struct ArrowArray *a, size_t n_buffers, size_t n_children, bool dictionary) {
  mst_py_column *c = (mst_py_column *)calloc(1, sizeof *c);
  if (c == NULL) return false;
  c->buffers = (const void **)calloc(n_buffers + 1, sizeof *c->buffers);
  c->views = (Py_buffer *)calloc(n_buffers + 1, sizeof *c->views);
  c->lent = (bool *)calloc(n_buffers + 1, sizeof *c->lent);
  a->private_data = c;
  a->release = mst_py_column_release;
  a->buffers = c->buffers;
  a->children = (struct ArrowArray **)calloc(n_children + 1, sizeof *a->children);
  bool whole = c->buffers != NULL && c->views != NULL && c->lent != NULL && a->children != NULL;
  if (whole) a->n_buffers = (int64_t)n_buffers;
  for (size_t i = 0; whole && i < n_children; i++) {
    a->children[i] = (struct ArrowArray *)calloc(1, sizeof **a->children);
    whole = a->children[i] != NULL;
    if (whole) a->n_children++;
  }
  if (whole && dictionary) whole = (a->dictionary = (struct ArrowArray *)calloc(1, sizeof *a->dictionary)) != NULL;
  return whole;
}

/* Both are zeroed before. With the interpreter's lock; so are the calls below. */
static bool mst_py_column_begin(struct ArrowSchema *s, struct ArrowArray *a, const char *format, const char *name, int64_t flags,
                                size_t n_buffers, size_t n_children, bool dictionary) {
  if (mst_py_schema_begin(s, format, name, flags, n_children, dictionary) && mst_py_array_begin(a, n_buffers, n_children, dictionary))
    return true;
  if (s->release != NULL) s->release(s);
  if (a->release != NULL) a->release(a);
  return false;
}

static bool mst_py_column_metadata(struct ArrowSchema *s, const char *metadata, size_t size) {
  return (s->metadata = (const char *)mst_py_copy(metadata, size)) != NULL;
}

static Py_buffer *mst_py_column_view(struct ArrowArray *a, size_t i) { return &((mst_py_column *)a->private_data)->views[i]; }

/* The view at `i` was filled. */
static void mst_py_column_lend(struct ArrowArray *a, size_t i) {
  mst_py_column *c = (mst_py_column *)a->private_data;
  c->lent[i] = true;
  c->buffers[i] = c->views[i].buf;
}

/* ---- streams that foreign code reads -------------------------------------------------------------------------------
 */

/* Known to a stream and to the capsule that it travelled in. */
typedef struct mst_py_notice {
  atomic_int refs;
  atomic_bool interrupted;
} mst_py_notice;

typedef struct mst_py_guard {
  struct ArrowArrayStream inner;
  mst_cancel *cancel;
  mst_py_notice *notice;
} mst_py_guard;

static void mst_py_notice_unref(mst_py_notice *n) {
  if (n != NULL && atomic_fetch_sub(&n->refs, 1) == 1) free(n);
}

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
 * again as soon as the interpreter runs, or when the capsule is let go of. */
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
      if (!ended && !atomic_load(&g->notice->interrupted) && mst_py_guard_look()) {
        atomic_store(&g->notice->interrupted, true);
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
  mst_py_notice_unref(g->notice);
  free(g);
  memset(s, 0, sizeof *s);
}

/* Moves `inner` into `out`; false when there is no memory. */
static bool mst_py_guard_stream(struct ArrowArrayStream *inner, mst_cancel *cancel, struct ArrowArrayStream *out,
                                mst_py_notice **notice) {
  mst_py_guard *g = (mst_py_guard *)calloc(1, sizeof *g);
  mst_py_notice *n = (mst_py_notice *)calloc(1, sizeof *n);
  if (g == NULL || n == NULL) {
    free(g);
    free(n);
    return false;
  }
  atomic_init(&n->refs, 2);
  g->inner = *inner;
  g->cancel = mst_cancel_ref(cancel);
  g->notice = *notice = n;
  memset(inner, 0, sizeof *inner);
  *out = (struct ArrowArrayStream){.get_schema = mst_py_guard_schema,
                                   .get_next = mst_py_guard_next,
                                   .get_last_error = mst_py_guard_error,
                                   .release = mst_py_guard_release,
                                   .private_data = g};
  return true;
}

/* ---- capsules ------------------------------------------------------------------------------------------------------
 */

/* Foreign code that was told of a read that was cancelled raises an error of its own, and lets go of the capsule while that
 * error is under way. No bytecode runs in between, so the interrupt would come too late, in whatever handles or prints the
 * error. Here it takes the place of the error, which becomes its context. */
static void mst_py_raise_interrupt(void) {
  PyObject *type, *error, *trace, *new_type, *new_error, *new_trace;
  PyErr_Fetch(&type, &error, &trace);
  if (PyErr_CheckSignals() == 0) {
    PyErr_Restore(type, error, trace);
    return;
  }
  PyErr_NormalizeException(&type, &error, &trace);
  PyErr_Fetch(&new_type, &new_error, &new_trace);
  PyErr_NormalizeException(&new_type, &new_error, &new_trace);
  if (error != NULL && trace != NULL) PyException_SetTraceback(error, trace);
  if (error != NULL && new_error != NULL && error != new_error) {
    Py_INCREF(error);
    PyException_SetContext(new_error, error);
  }
  Py_XDECREF(type);
  Py_XDECREF(error);
  Py_XDECREF(trace);
  PyErr_Restore(new_type, new_error, new_trace);
}

static void mst_py_capsule_drop(PyObject *capsule) {
  struct ArrowArrayStream *s = (struct ArrowArrayStream *)PyCapsule_GetPointer(capsule, "arrow_array_stream");
  mst_py_notice *n = (mst_py_notice *)PyCapsule_GetContext(capsule);
  Py_BEGIN_ALLOW_THREADS if (s->release != NULL) s->release(s);
  Py_END_ALLOW_THREADS free(s);
  if (n != NULL && atomic_load(&n->interrupted) && PyErr_Occurred() != NULL && mst_py_hears_signals())
    mst_py_raise_interrupt();
  mst_py_notice_unref(n);
}

/* Owns `s` and the reference `n`, which may be NULL; NULL with an exception set. */
static PyObject *mst_py_capsule(struct ArrowArrayStream *s, mst_py_notice *n) {
  PyObject *capsule = PyCapsule_New(s, "arrow_array_stream", mst_py_capsule_drop);
  if (capsule != NULL && PyCapsule_SetContext(capsule, n) == 0) return capsule;
  if (capsule != NULL) PyCapsule_SetDestructor(capsule, NULL);
  Py_XDECREF(capsule);
  s->release(s);
  free(s);
  mst_py_notice_unref(n);
  return NULL;
}

#endif
