/* dataset/probe.c - tries a store: does "only when nothing is there" stop the second writer, does "only over this
 * version" stop the late one, also when several come at once?
 *
 * May call: base, store, dataset's own headers. */
#include "dataset/probe.h"

#include <stdio.h>

#include "dataset/key.h"
#include "dataset/ours.h"

enum { WRITERS_MAX = 64, QUICK_WRITERS = 4, SILENT_MAX = 4 };

typedef struct racer {
  mst_op op;
  mst_pin pin;
  char text[64];
  struct race *race;
  mst_status status;
} racer;

typedef struct race {
  pthread_mutex_t lock;
  pthread_cond_t ended;
  uint32_t left;
} race;

static void on_end(mst_op *op, mst_status status) {
  racer *one = op->done_arg;
  race *all = one->race;
  one->status = status;
  pthread_mutex_lock(&all->lock);
  all->left--;
  pthread_cond_signal(&all->ended);
  pthread_mutex_unlock(&all->lock);
}

/* Puts of all racers at once; each has its mode, pin and text. */
static void run_race(mst_store *store, const char *key, racer *racers, uint32_t n, mst_cancel *cancel) {
  race all = {.left = n};
  pthread_mutex_init(&all.lock, NULL);
  mst_cond_init(&all.ended);
  for (uint32_t i = 0; i < n; i++) {
    racer *one = &racers[i];
    const mst_put_mode mode = one->op.put_mode;
    one->op = mst_op_make(MST_OP_PUT, key);
    one->op.put_mode = mode;
    one->op.pin = mode == MST_PUT_IF_MATCH ? &one->pin : NULL;
    one->op.data = (const uint8_t *)one->text;
    one->op.n_data = strlen(one->text);
    one->op.cancel = cancel;
    one->op.done = on_end;
    one->op.done_arg = one;
    one->race = &all;
    mst_store_start(store, &one->op);
  }
  pthread_mutex_lock(&all.lock);
  while (all.left > 0) mst_cond_wait_short(&all.ended, &all.lock);
  pthread_mutex_unlock(&all.lock);
  pthread_cond_destroy(&all.ended);
  pthread_mutex_destroy(&all.lock);
}

static bool lost(mst_status status) { return status == MST_E_EXISTS || status == MST_E_CONFLICT; }

/* What a failure that is neither winning nor losing means: the store does not know conditions, or the attempt says
 * nothing. */
static mst_status strange(const mst_op *op, mst_status status, mst_store_verdict *v, mst_error *err) {
  if (status == MST_E_IO || status == MST_E_TIMEOUT) v->silent = true;
  if (status == MST_E_UNSUPPORTED || status == MST_E_ARGUMENT) {
    (void)snprintf(v->why, sizeof v->why, "the store refuses conditional writes");
    return MST_OK;
  }
  if (err != NULL) *err = op->error;
  return status;
}

static uint64_t random_of(mst_store *store) {
  const mst_env *env = mst_context_env(mst_store_context(store));
  return env->random(env->self);
}

/* One round: several create the same object, then several replace the version that the winner made. */
static mst_status one_round(mst_store *store, const char *key, racer *racers, uint32_t n, mst_store_verdict *v,
                            mst_cancel *cancel, mst_error *err) {
  uint32_t created = 0, replaced = 0, won = 0;
  for (uint32_t i = 0; i < n; i++) {
    racers[i].op.put_mode = MST_PUT_CREATE;
    (void)snprintf(racers[i].text, sizeof racers[i].text, "%016llx %u", (unsigned long long)random_of(store),
                   (unsigned)i);
  }
  run_race(store, key, racers, n, cancel);
  for (uint32_t i = 0; i < n; i++) {
    if (racers[i].status == MST_OK) won = i, created++;
    else if (!lost(racers[i].status)) return strange(&racers[i].op, racers[i].status, v, err);
  }
  if (created != 1) v->create_only = false;
  if (created > 1) v->doubled += created - 1;
  if (created == 0) return MST_OK;
  const mst_pin pin = racers[won].op.info;
  for (uint32_t i = 0; i < n; i++) {
    racers[i].op.put_mode = MST_PUT_IF_MATCH;
    racers[i].pin = pin;
    (void)snprintf(racers[i].text, sizeof racers[i].text, "%016llx %u again", (unsigned long long)random_of(store),
                   (unsigned)i);
  }
  run_race(store, key, racers, n, cancel);
  for (uint32_t i = 0; i < n; i++) {
    if (racers[i].status == MST_OK) replaced++;
    else if (!lost(racers[i].status)) return strange(&racers[i].op, racers[i].status, v, err);
  }
  if (replaced != 1) v->if_match = false;
  if (replaced > 1) v->lost += replaced - 1;
  return MST_OK;
}

static void say(mst_store_verdict *v) {
  if (v->why[0] != '\0') v->create_only = v->if_match = false;
  else if (!v->create_only)
    (void)snprintf(v->why, sizeof v->why, "writers that may only create an object all succeeded: %u too many",
                   (unsigned)v->doubled);
  else if (!v->if_match)
    (void)snprintf(v->why, sizeof v->why, "writers that may only replace one version: %u too many succeeded",
                   (unsigned)v->lost);
}

/* A round in which a reply was lost says nothing: once more, elsewhere. */
static mst_status clear_round(mst_store *store, const char *prefix, mst_buf *key, racer *racers, uint32_t n,
                              mst_store_verdict *v, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  for (int i = 0; i < SILENT_MAX; i++) {
    mst_store_verdict trial = *v;
    mst_error ignored;
    trial.silent = false;
    mst_buf_clear(key);
    status = mst_buf_printf(key, err, "%sprobe-%016llx", prefix, (unsigned long long)random_of(store));
    if (status != MST_OK) return status;
    status = one_round(store, mst_buf_text(key), racers, n, &trial, cancel, err);
    const char *keys[1] = {mst_buf_text(key)};
    mst_op op = mst_op_make(MST_OP_DELETE, NULL);
    op.keys = keys;
    op.n_keys = 1;
    (void)mst_store_perform(store, &op, &ignored);
    if (trial.silent) continue;
    *v = trial;
    return status;
  }
  return status;
}

mst_status mst_probe_run(mst_store *store, const char *prefix, uint32_t writers, uint32_t rounds,
                         mst_store_verdict *out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_store_verdict v = {.create_only = true, .if_match = true};
  const mst_allocator *mem = mst_context_mem(mst_store_context(store));
  const uint32_t n = writers < 2 ? 2 : writers > WRITERS_MAX ? WRITERS_MAX : writers;
  racer *racers = NULL;
  mst_buf key;
  mst_buf_init(&key, mem, MST_KEY_MAX);
  if ((mst_store_flags(store) & MST_STORE_READ_ONLY) != 0) {
    status = mst_fail(err, MST_E_UNSUPPORTED, "this store is read-only");
    goto done;
  }
  if ((mst_store_flags(store) & MST_STORE_NO_CONDITIONS) != 0) {
    (void)snprintf(v.why, sizeof v.why, "the store knows no conditional writes");
    rounds = 0;
  }
  MST_TRY_ALLOC(racers = mst_alloc_zero(mem, n, sizeof *racers));
  for (uint32_t i = 0; i < rounds && v.why[0] == '\0'; i++)
    MST_TRY(clear_round(store, prefix, &key, racers, n, &v, cancel, err));
  say(&v);
  *out = v;
done:
  mst_free(mem, racers);
  mst_buf_free(&key);
  return status;
}

/* ---- once for each store of a process ------------------------------------------------------------------------------
 */

typedef struct verdict_of {
  struct verdict_of *next;
  mst_store_verdict verdict;
  char place[]; /* URL and settings */
} verdict_of;

typedef struct probes {
  const mst_allocator *mem;
  pthread_mutex_t lock;
  verdict_of *first;
} probes;

static void *probes_make(mst_context *ctx, mst_error *err) {
  probes *p = mst_alloc_zero(mst_context_mem(ctx), 1, sizeof *p);
  if (p == NULL) {
    (void)mst_fail_memory(err);
    return NULL;
  }
  p->mem = mst_context_mem(ctx);
  pthread_mutex_init(&p->lock, NULL);
  return p;
}

static void probes_drop(void *value) {
  probes *p = value;
  while (p->first != NULL) {
    verdict_of *next = p->first->next;
    mst_free(p->mem, p->first);
    p->first = next;
  }
  pthread_mutex_destroy(&p->lock);
  mst_free(p->mem, p);
}

static mst_status place_of(mst_store *store, mst_buf *out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *settings = NULL;
  MST_TRY(mst_store_settings(store, &settings, err));
  MST_TRY(mst_buf_printf(out, err, "%s ", mst_store_url(store)));
  MST_TRY(mst_json_print(settings, out, err));
done:
  json_decref(settings);
  return status;
}

static bool find(probes *p, const char *place, mst_store_verdict *out) {
  bool found = false;
  pthread_mutex_lock(&p->lock);
  for (const verdict_of *v = p->first; v != NULL && !found; v = v->next) {
    found = strcmp(v->place, place) == 0;
    if (found) *out = v->verdict;
  }
  pthread_mutex_unlock(&p->lock);
  return found;
}

/* Without memory it is merely tried again the next time. */
static void note(probes *p, const char *place, const mst_store_verdict *verdict) {
  size_t n = strlen(place) + 1;
  verdict_of *v = mst_alloc(p->mem, sizeof *v + n);
  if (v == NULL) return;
  v->verdict = *verdict;
  memcpy(v->place, place, n);
  pthread_mutex_lock(&p->lock);
  v->next = p->first;
  p->first = v;
  pthread_mutex_unlock(&p->lock);
}

/* Folders and memory are our own code: their conditions are tested where they are written. */
static bool is_our_own(const mst_store *store) {
  return (mst_store_flags(store) & (MST_STORE_LOCAL | MST_STORE_NO_CONDITIONS)) == MST_STORE_LOCAL;
}

mst_status mst_probe_place(mst_store *store, char out[17], mst_error *err) {
  uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
  mst_buf text;
  out[0] = '\0';
  if (is_our_own(store)) return MST_OK;
  mst_buf_init(&text, mst_context_mem(mst_store_context(store)), SIZE_MAX);
  mst_status status = place_of(store, &text, err);
  for (size_t i = 0; i < text.size; i++) h = (h ^ text.data[i]) * UINT64_C(1099511628211);
  if (status == MST_OK) (void)snprintf(out, 17, "%016llx", (unsigned long long)h);
  mst_buf_free(&text);
  return status;
}

mst_status mst_probe_require(mst_store *store, const char *uuid, const char *tried, mst_cancel *cancel,
                             mst_error *err) {
  mst_status status = MST_OK;
  mst_store_verdict v = {0};
  mst_context *ctx = mst_store_context(store);
  mst_buf text;
  char place[17];
  if (is_our_own(store)) return MST_OK;
  status = mst_probe_place(store, place, err);
  if (status != MST_OK || strcmp(place, tried) == 0) return status;
  mst_buf_init(&text, mst_context_mem(ctx), SIZE_MAX);
  probes *known = mst_context_slot(ctx, MST_SLOT_PROBES, probes_make, probes_drop, err);
  if (known == NULL) return MST_E_NO_MEMORY;
  MST_TRY(place_of(store, &text, err));
  if (!find(known, mst_buf_text(&text), &v)) {
    mst_buf prefix;
    mst_buf_init(&prefix, mst_context_mem(ctx), MST_KEY_MAX);
    status = mst_buf_printf(&prefix, err, "%s%s", uuid, MST_KEY_OURS);
    if (status == MST_OK) status = mst_probe_run(store, mst_buf_text(&prefix), QUICK_WRITERS, 1, &v, cancel, err);
    mst_buf_free(&prefix);
    MST_TRY(mst_while(err, status, "while trying whether the store honours conditional writes"));
    note(known, mst_buf_text(&text), &v);
  }
  if (!v.create_only || !v.if_match)
    status =
        mst_fail(err, MST_E_UNSUPPORTED,
                 "this store is not safe for several writers (%s); name a lock (lock=…) that all of them use", v.why);
done:
  mst_buf_free(&text);
  return status;
}
