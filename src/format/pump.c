/* format/pump.c - see pump.h. */
#include "format/pump.h"

enum { ASK_BYTES = 128 << 10 };

mst_status mst_pump_open(mst_pump *p, const mst_job *job, const mst_container_ops *ops, uint64_t at, uint64_t plain,
                         uint64_t first, uint64_t end, mst_error *err) {
  const mst_restart from = {.at = at, .plain = plain};
  const uint64_t size = job->members[0].size;
  const mst_container_open options = {
      .mem = job->mem, .name = job->name, .end = size, .size = size, .from = &from, .plain_end = end, .verify = true};
  *p = (mst_pump){.job = job, .ops = ops, .first = first, .end = end, .fed = at, .size = size};
  /* Behind the last byte of a plain object there may stand nothing, and rightly so. */
  p->ended = at == size && ops == &mst_container_plain;
  if ((at >= size && !p->ended) || first < plain || end < first)
    return mst_fail(err, MST_E_CORRUPT, "plain byte %llu is said to lie at byte %llu of an object of %llu bytes",
                    (unsigned long long)plain, (unsigned long long)at, (unsigned long long)size);
  return ops->open(&options, &p->container, err);
}

void mst_pump_close(mst_pump *p) {
  if (p->container != NULL) p->ops->close(p->container);
  mst_bytes_release(&p->input);
  *p = (mst_pump){0};
}

void mst_pump_check(mst_pump *p, uint64_t at, uint64_t plain) {
  p->check_at = at;
  p->check_plain = plain;
}

/* The run behind the place that was to be seen begins there. */
static mst_status check_run(mst_pump *p, const mst_run *run, mst_error *err) {
  if (p->check_at == 0 || run->plain + run->size <= p->check_plain) return MST_OK;
  if (!run->restartable || run->at != p->check_at || run->plain != p->check_plain)
    return mst_fail_at(err, MST_E_CORRUPT, p->check_plain,
                       "no block begins at byte %llu of the object as plain byte %llu: its .gzi does not fit it",
                       (unsigned long long)p->check_at, (unsigned long long)p->check_plain);
  p->check_at = 0;
  return MST_OK;
}

static mst_status take_given(mst_pump *p, const mst_given *given, mst_error *err) {
  p->asked = false;
  if (given == NULL || given->n != 1 || given->bytes[0].size == 0 || given->bytes[0].size > p->need.length)
    return mst_fail(err, MST_E_INTERNAL, "other bytes were given than asked for");
  mst_bytes_release(&p->input);
  p->input = mst_bytes_share(&given->bytes[0]);
  p->fed += p->input.size;
  return p->ops->feed(p->container, &p->input, p->fed == p->size, err);
}

/* About as much as is still wanted, of a plain object exactly that. */
static mst_status ask(mst_pump *p, mst_step *out, mst_error *err) {
  uint64_t n = ASK_BYTES;
  if (p->ops == &mst_container_plain) n = p->end > p->fed ? p->end - p->fed : 0;
  n = mst_min_u64(n, p->size - p->fed);
  if (n == 0) return mst_fail(err, MST_E_INTERNAL, "a container asks for more than there is");
  p->need = (mst_range){.offset = p->fed, .length = n};
  p->asked = true;
  out->kind = MST_STEP_NEED;
  out->some = true;
  out->need = &p->need;
  out->n_need = 1;
  return MST_OK;
}

mst_status mst_pump_next(mst_pump *p, const mst_given *given, mst_step *out, const uint8_t **data, size_t *n,
                         uint64_t *plain, bool *asks, mst_error *err) {
  mst_status status = MST_OK;
  *asks = false;
  *n = 0;
  if (p->asked) MST_TRY(take_given(p, given, err));
  while (!p->ended) {
    mst_container_state state = MST_CONTAINER_INPUT;
    uint64_t begin, end;
    mst_run run;
    if (p->input.size > 0) MST_TRY(p->ops->next(p->container, &state, &run, err));
    if (state == MST_CONTAINER_INPUT && p->fed < p->size) {
      *asks = true;
      return ask(p, out, err);
    }
    p->ended = state != MST_CONTAINER_RUN;
    if (p->ended) break;
    MST_TRY(check_run(p, &run, err));
    begin = mst_max_u64(run.plain, p->first);
    end = mst_min_u64(run.plain + run.size, p->end);
    if (run.plain >= p->end) break;
    if (begin >= end) continue;
    *data = run.data + (begin - run.plain);
    *n = (size_t)(end - begin);
    *plain = begin;
    break;
  }
done:
  return status;
}
