/* format/records_read.c - one part of an object becomes content: its bytes, or Arrow batches. Decoding begins at the
 * part's checkpoint; a scanner finds the exact first and last byte within the first and last span; the CRC of what is
 * decoded is compared with what the index says wherever whole spans are read.
 *
 * Owns: the container, the scanner, the rows, the bytes that go out next. May call: base, codec's CRC, containers. */
#include "codec/codec.h"
#include "format/records_part.h"

enum {
  BLOCK_BYTES = 64 << 10,   /* scanned, summed up and parsed while they are in the cache             */
  BEYOND_BYTES = 64 << 10,  /* asked for at a time behind what the part names                        */
  TOGETHER_BYTES = 4 << 20, /* a window and data up to this size are asked for at once               */
  EMIT_BYTES = 256 << 10,   /* copies are gathered up to this size                                   */
  STEP_MIN = 4 << 10        /* when the guess of where a slice ends was wrong                        */
};
#define NOWHERE UINT64_MAX

typedef enum phase { READ_HEADER, READ_BODY, READ_REST, READ_DONE } phase;
/* Where in the part the decoder stands. */
typedef enum where { IN_FRONT, INSIDE, BEHIND } where;

typedef struct reading {
  mst_machine machine;
  const mst_job *job;
  mst_setting setting;
  mst_part part;
  bool raw, only_place;
  uint64_t size, header_bytes; /* header_bytes: to be repeated, or left out of rows              */
  phase phase;
  mst_container *container;
  mst_scanner *scanner;
  void *rows;
  mst_range need[2];
  bool asked_window, have_window;
  mst_bytes window, input;
  uint64_t fed, bound; /* the object's bytes: up to here fed, up to here asked for        */
  mst_run run;         /* being worked on                                                 */
  size_t run_used;
  bool have_run, at_end; /* at_end: the container has given all                             */
  where where;
  uint64_t at, first, last; /* plain offsets: the next byte; where the content begins and ends */
  uint64_t rows_at;         /* that of the first byte that rows were fed, or NOWHERE           */
  uint32_t crc;             /* of the plain bytes from the checkpoint to `at`                  */
  mst_buf out;              /* copies that go out next                                         */
  /* With `recover`: only whole records go out, and damage is told of behind them. */
  bool salvage;
  mst_scanner *guard; /* finds where records begin, from the checkpoint on */
  uint64_t guard_next;
  mst_buf held; /* content from `held_at` on that may be cut short yet; records are whole up to `whole` */
  uint64_t held_at, whole;
  mst_error failure;
} reading;

/* ---- asking for bytes -------------------------------------------------------------------------------------------- */

/* How many of the object's bytes the last span takes: `part` of `whole` of them. */
static uint64_t share(const mst_part *p, uint64_t part, uint64_t whole) {
  const uint64_t width = p->to.at - mst_min_u64(p->mid.at, p->to.at);
  return whole == 0 || part >= whole ? width : (uint64_t)((unsigned __int128)width * part / whole);
}

/* What is asked for first: all up to the end of the last span, so that it can be verified, when no more than one span
 * is read in vain then; else as much as is likely to be needed, and a little more as long as that is less than a span
 * in all. */
static uint64_t first_bound(const mst_part *p) {
  const uint64_t span = p->to.plain - p->mid.plain, in_front = p->guess_first - mst_min_u64(p->plain, p->guess_first);
  uint64_t want;
  if (p->kind == MST_PART_ALL || !p->search_last || !p->search_first || p->mid.plain <= p->plain) return p->to.at;
  want = p->guess_last - mst_min_u64(p->mid.plain, p->guess_last);
  want += mst_max_u64(span / 64, mst_min_u64(span / 8, (span - mst_min_u64(span, in_front)) / 2));
  return mst_min_u64(p->to.at, p->mid.at) + share(p, want, span);
}

static uint64_t next_bound(const reading *r) {
  if (r->phase == READ_HEADER) return mst_min_u64(r->size, r->fed + BEYOND_BYTES);
  if (r->fed < r->part.to.at) return mst_min_u64(r->part.to.at, r->fed + mst_max_u64(share(&r->part, 1, 8), STEP_MIN));
  return mst_min_u64(r->size, r->fed + BEYOND_BYTES);
}

static mst_status ask_data(reading *r, mst_step *out, mst_error *err) {
  if (r->fed >= r->bound) r->bound = next_bound(r);
  if (r->fed >= r->bound) return mst_fail(err, MST_E_CORRUPT, "the slice wants bytes beyond the end of the object");
  r->need[0] = (mst_range){.offset = r->fed, .length = r->bound - r->fed};
  out->kind = MST_STEP_NEED;
  out->some = true;
  out->need = r->need;
  out->n_need = 1;
  return MST_OK;
}

/* The window, and the data with it when that is little. */
static mst_status ask_window(reading *r, mst_step *out) {
  r->need[0] = (mst_range){.offset = r->part.window_at, .length = r->part.window_size, .member = MST_MEMBER_INDEX};
  r->need[1] = (mst_range){.offset = r->fed, .length = r->bound - r->fed};
  r->asked_window = true;
  out->kind = MST_STEP_NEED;
  out->need = r->need;
  out->n_need = r->need[1].length > 0 && r->need[1].length <= TOGETHER_BYTES ? 2 : 1;
  return MST_OK;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static mst_status open_header(reading *r, mst_error *err) {
  const mst_restart start = {0};
  const mst_container_open options = {.mem = r->job->mem,
                                      .name = r->job->name,
                                      .end = r->size,
                                      .size = r->size,
                                      .from = &start,
                                      .plain_end = r->header_bytes,
                                      .recover = r->job->recover,
                                      .memory = r->job->memory};
  r->fed = 0;
  r->bound = mst_min_u64(r->size, r->setting.container == &mst_container_plain
                                      ? r->header_bytes
                                      : mst_min_u64(r->header_bytes, r->size) / 2 + BEYOND_BYTES);
  return r->setting.container->open(&options, &r->container, err);
}

static mst_status open_body(reading *r, mst_error *err) {
  const mst_part *p = &r->part;
  const mst_restart from = {.at = p->at, .plain = p->plain - p->skip, .bits = p->bits, .window = r->window};
  const bool to_end = p->to.at >= r->size || (p->kind == MST_PART_CUT && p->search_last);
  const mst_container_open options = {.mem = r->job->mem,
                                      .name = r->job->name,
                                      .end = r->size,
                                      .size = r->size,
                                      .from = &from,
                                      .plain_end = to_end ? UINT64_MAX : p->to.plain,
                                      .verify = true,
                                      .recover = r->job->recover && p->kind == MST_PART_ALL,
                                      .memory = r->job->memory};
  mst_status status = r->setting.container->open(&options, &r->container, err);
  r->fed = p->at;
  r->at = from.plain;
  r->bound = first_bound(p);
  if (status == MST_OK && r->size == 0) status = r->setting.container->feed(r->container, &r->input, true, err);
  return status;
}

static void close_container(reading *r) {
  if (r->container != NULL) r->setting.container->close(r->container);
  r->container = NULL;
  r->have_run = r->at_end = false;
  mst_bytes_release(&r->input);
}

/* Another one finds whole records. */
static mst_status open_guard(reading *r, mst_error *err) {
  const unsigned state = r->part.plain == 0 ? 0 : r->setting.ops->safe_state;
  r->salvage = r->job->recover && r->part.kind == MST_PART_RECORDS && !r->only_place;
  if (!r->salvage) return MST_OK;
  const mst_status status = r->setting.ops->open(r->job->mem, r->setting.dialect, state, NULL, &r->guard, err);
  if (status == MST_OK && r->guard == NULL)
    return mst_fail(err, MST_E_CORRUPT, "slice: part: \"from\" is no place to begin at");
  return status;
}

/* A scanner is needed to find the first and the last byte. */
static mst_status open_scanner(reading *r, mst_error *err) {
  const mst_part *p = &r->part;
  const unsigned state = p->plain == 0 ? 0 : r->setting.ops->safe_state;
  mst_status status;
  if (!p->search_first && !p->search_last) return MST_OK;
  status = r->setting.ops->open(r->job->mem, r->setting.dialect, state, p->unit, &r->scanner, err);
  if (status == MST_OK && r->scanner == NULL)
    return mst_fail(err, MST_E_CORRUPT, "slice: part: \"from\" is no place to begin at");
  return status;
}

/* ---- giving ------------------------------------------------------------------------------------------------------ */

/* Scanners and rows count from where they began. */
static mst_status broken_at(const reading *r, mst_status status, uint64_t began, mst_error *err) {
  if (err == NULL || err->offset < 0) return status;
  err->offset += (int64_t)began;
  if (r->setting.container == &mst_container_plain) return status;
  mst_error copy = *err;
  return mst_records_broken(r->setting.container, status, (uint64_t)copy.offset, copy.message, err);
}

/* Errors of rows count from the first byte that they were fed. */
static mst_status feed_rows(reading *r, const uint8_t *data, size_t n, bool last, mst_error *err) {
  const mst_status status = r->setting.ops->rows_feed(r->rows, data, n, last, err);
  return status == MST_OK ? MST_OK : broken_at(r, status, r->rows_at == NOWHERE ? 0 : r->rows_at, err);
}

/* Rows never see the header. */
static mst_status give_rows(reading *r, const uint8_t *data, size_t n, uint64_t plain, mst_error *err) {
  const size_t header = plain < r->header_bytes ? (size_t)mst_min_u64(n, r->header_bytes - plain) : 0;
  if (header == n) return MST_OK;
  if (r->rows_at == NOWHERE) r->rows_at = plain + header;
  return feed_rows(r, data + header, n - header, false, err);
}

/* Content goes out as it lies in what was given, else as a copy. */
static mst_status give_raw(reading *r, const uint8_t *data, size_t n, mst_step *out, mst_error *err) {
  if (n == 0) return MST_OK;
  if (r->run.source.owner == NULL || r->out.size > 0) {
    const mst_status status = r->out.size == 0 ? mst_buf_reserve(&r->out, mst_max_size(EMIT_BYTES, n), err) : MST_OK;
    return status == MST_OK ? mst_buf_put(&r->out, data, n, err) : status;
  }
  out->kind = MST_STEP_EMIT;
  out->bytes = mst_bytes_part(&r->run.source, (size_t)(data - r->run.source.data), n);
  return MST_OK;
}

/* Rows of a unit that cuts records see what lies between the checkpoint and the content, too. */
static mst_status skip_rows(reading *r, uint64_t from, uint64_t to, mst_error *err) {
  from = mst_max_u64(from, r->part.plain);
  to = mst_min_u64(to, r->first);
  if (r->raw || r->part.kind != MST_PART_CUT || r->setting.ops->rows_skip == NULL || from >= to) return MST_OK;
  return r->setting.ops->rows_skip(r->rows, r->run.data + (from - r->run.plain), (size_t)(to - from), err);
}

/* Gives what is held up to where records are whole, or all of it. */
static mst_status give_held(reading *r, bool all, mst_error *err) {
  const uint64_t most = all ? r->held.size : mst_max_u64(r->whole, r->held_at) - r->held_at;
  const size_t n = (size_t)mst_min_u64(most, r->held.size);
  const mst_status status = n == 0   ? MST_OK
                            : r->raw ? mst_buf_put(&r->out, r->held.data, n, err)
                                     : give_rows(r, r->held.data, n, r->held_at, err);
  if (status != MST_OK || n == 0) return status;
  memmove(r->held.data, r->held.data + n, r->held.size - n);
  r->held.size -= n;
  r->held_at += n;
  return MST_OK;
}

static mst_status hold(reading *r, const uint8_t *data, size_t n, uint64_t plain, mst_error *err) {
  if (r->held.size == 0) r->held_at = plain;
  const mst_status status = mst_buf_put(&r->held, data, n, err);
  return status == MST_OK ? give_held(r, false, err) : status;
}

/* Content in plain bytes [from, to) goes out if it lies in the run at hand. */
static mst_status give(reading *r, uint64_t from, uint64_t to, mst_step *out, mst_error *err) {
  const uint8_t *data;
  const mst_status status = skip_rows(r, from, to, err);
  if (status != MST_OK || r->where == IN_FRONT) return status;
  from = mst_max_u64(from, r->first);
  to = mst_min_u64(to, r->last);
  if (from >= to) return MST_OK;
  data = r->run.data + (from - r->run.plain);
  if (r->salvage) return hold(r, data, (size_t)(to - from), from, err);
  return r->raw ? give_raw(r, data, (size_t)(to - from), out, err) : give_rows(r, data, (size_t)(to - from), from, err);
}

/* Sets `*gave` when something is to go out, or to be asked for, before more is read. */
static mst_status give_gathered(reading *r, bool all, mst_step *out, bool *gave, mst_error *err) {
  mst_status status = MST_OK;
  *gave = out->kind == MST_STEP_EMIT && out->bytes.size > 0;
  if (*gave) return MST_OK;
  if (r->only_place) {
    return MST_OK;
  } else if (!r->raw && r->phase != READ_HEADER) {
    status = r->setting.ops->rows_take(r->rows, all, &out->batch, err);
    *gave = status == MST_OK && out->batch.release != NULL;
    if (*gave) out->kind = MST_STEP_BATCH;
  } else if (r->out.size > 0 && (all || r->out.size >= EMIT_BYTES)) {
    *gave = true;
    out->kind = MST_STEP_EMIT;
    status = mst_buf_take(&r->out, &out->bytes, err);
  }
  return status;
}

/* ---- reading the body -------------------------------------------------------------------------------------------- */

static mst_status check_crc(const reading *r, const mst_part_mark *mark, mst_error *err) {
  if (r->crc == mark->crc) return MST_OK;
  return mst_fail_at(err, MST_E_CORRUPT, r->part.plain,
                     "plain bytes %llu to %llu are not those that were indexed: their CRC-32 is %08x, not %08x",
                     (unsigned long long)r->part.plain, (unsigned long long)mark->plain, (unsigned)r->crc,
                     (unsigned)mark->crc);
}

/* Adds the next plain bytes to the CRC, which is compared at the two marks. */
static mst_status sum_up(reading *r, const uint8_t *data, size_t n, mst_error *err) {
  const mst_part_mark *marks[2] = {r->part.search_last ? &r->part.mid : NULL, &r->part.to};
  for (size_t i = 0; i < 2 && r->part.kind != MST_PART_ALL; i++) {
    const mst_part_mark *m = marks[i];
    mst_status status;
    size_t head;
    if (m == NULL || m->plain <= r->at || m->plain - r->at > n) continue;
    head = (size_t)(m->plain - r->at);
    r->crc = mst_crc32(r->crc, data, head);
    r->at += head;
    data += head;
    n -= head;
    status = check_crc(r, m, err);
    if (status != MST_OK) return status;
  }
  if (r->part.kind != MST_PART_ALL && r->at < r->part.to.plain) r->crc = mst_crc32(r->crc, data, n);
  r->at += n;
  return MST_OK;
}

static mst_scan_stop stop_at(const mst_part *p, uint64_t target) {
  mst_scan_stop stop = {.record = NOWHERE, .offset = NOWHERE};
  if (p->kind == MST_PART_RECORDS) stop.record = target - p->record;
  else stop.offset = target - p->plain;
  return stop;
}

/* Looks for the first and the last byte of the content in data[0..n), which begins at plain offset `at`. */
static mst_status search(reading *r, const uint8_t *data, size_t n, uint64_t at, mst_error *err) {
  const mst_part *p = &r->part;
  size_t done = 0;
  while (done < n && (r->where == IN_FRONT || (r->where == INSIDE && p->search_last))) {
    const mst_scan_stop stop = stop_at(p, r->where == IN_FRONT ? p->first : p->last);
    size_t used = 0;
    bool stopped = false;
    const mst_status status = r->setting.ops->feed(r->scanner, data + done, n - done, &stop, &used, &stopped, err);
    if (status != MST_OK) return broken_at(r, status, p->plain, err);
    done += used;
    if (!stopped || done == n) continue;
    if (r->where == IN_FRONT) r->first = at + done;
    else r->last = at + done;
    r->where++;
  }
  return MST_OK;
}

/* Where do records begin in data[0..n)? Up to there they are whole. */
static mst_status watch(reading *r, const uint8_t *data, size_t n, uint64_t at, mst_error *err) {
  for (size_t done = 0, used = 0; done < n;) {
    const mst_scan_stop stop = {.record = r->guard_next, .offset = NOWHERE};
    bool stopped = false;
    const mst_status status = r->setting.ops->feed(r->guard, data + done, n - done, &stop, &used, &stopped, err);
    if (status != MST_OK) return broken_at(r, status, r->part.plain, err);
    done += used;
    if (!stopped || done == n) break;
    r->whole = at + done;
    r->guard_next++;
  }
  return MST_OK;
}

/* Is reading on to the end of the last span, only to verify it, within what a slice may read in vain: one span? */
static bool worth_verifying(const reading *r) {
  const mst_part *p = &r->part;
  const uint64_t in_vain = (r->first - p->plain) + (p->to.plain - mst_min_u64(r->last, p->to.plain));
  return in_vain <= p->to.plain - p->mid.plain;
}

static bool body_is_done(const reading *r) {
  if (r->where != BEHIND) return false;
  return r->at < r->part.to.plain ? !worth_verifying(r) : r->part.to.at < r->size;
}

/* The next bytes of the run at hand. */
static mst_status read_block(reading *r, mst_error *err) {
  mst_status status = MST_OK;
  const uint8_t *data = r->run.data + r->run_used;
  const uint64_t at = r->run.plain + r->run_used;
  size_t n = mst_min_size(r->run.size - r->run_used, BLOCK_BYTES);
  if (at < r->part.plain) { /* between the place where decoding begins and the checkpoint */
    n = (size_t)mst_min_u64(n, r->part.plain - at);
    r->at = at + n;
  } else {
    if (r->scanner != NULL) MST_TRY(search(r, data, n, at, err));
    if (r->salvage && r->at < r->part.to.plain) MST_TRY(watch(r, data, n, at, err));
    MST_TRY(sum_up(r, data, n, err));
  }
  r->run_used += n;
done:
  return status;
}

/* Raw content goes out by whole runs; rows are parsed block by block. */
static mst_status read_run(reading *r, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  const uint64_t from = r->run.plain + r->run_used;
  do {
    MST_TRY(read_block(r, err));
    r->have_run = r->run_used < r->run.size && !body_is_done(r);
  } while (r->raw && r->have_run);
  MST_TRY(give(r, from, r->run.plain + r->run_used, out, err));
done:
  return status;
}

static mst_status end_too_early(const reading *r, mst_error *err) {
  return mst_fail_at(err, MST_E_CORRUPT, r->at, "the object ends at plain byte %llu, where its index promises more",
                     (unsigned long long)r->at);
}

/* The container has given all: was that all that the part names? */
static mst_status end_body(reading *r, mst_error *err) {
  const mst_part *p = &r->part;
  r->phase = READ_REST;
  if (p->kind == MST_PART_ALL) return MST_OK;
  if (r->at < p->to.plain) return end_too_early(r, err);
  if (p->kind == MST_PART_RECORDS && (r->where == IN_FRONT || (p->search_last && r->where != BEHIND)))
    return mst_fail_at(err, MST_E_CORRUPT, r->at, "the record at which the slice %s is not there",
                       r->where == IN_FRONT ? "begins" : "ends");
  if (p->to.at >= r->size && r->at != p->to.plain)
    return mst_fail_at(err, MST_E_CORRUPT, p->to.plain,
                       "the object goes on behind plain byte %llu, where its index ends",
                       (unsigned long long)p->to.plain);
  return MST_OK;
}

/* The first row tells where the slice begins. */
static mst_status find_place(reading *r, mst_step *out, mst_error *err) {
  const mst_status status = r->setting.ops->rows_place(r->rows, &out->facts, err);
  if (status == MST_OK && out->facts != NULL) r->phase = READ_DONE;
  return status;
}

/* ---- the machine ------------------------------------------------------------------------------------------------- */

static mst_status feed_container(reading *r, const mst_bytes *bytes, uint64_t asked, mst_error *err) {
  if (bytes->size == 0 || bytes->size > asked)
    return mst_fail(err, MST_E_INTERNAL, "other bytes were given than asked for");
  mst_bytes_release(&r->input);
  r->input = mst_bytes_share(bytes);
  r->fed += bytes->size;
  return r->setting.container->feed(r->container, &r->input, r->fed == r->size, err);
}

static mst_status take_given(reading *r, const mst_given *given, mst_error *err) {
  mst_status status = MST_OK;
  if (given->n == 0) return mst_fail(err, MST_E_INTERNAL, "other ranges were given than asked for");
  if (!r->asked_window || r->have_window) return feed_container(r, &given->bytes[0], r->need[0].length, err);
  if (given->bytes[0].size != r->part.window_size)
    return mst_fail(err, MST_E_INTERNAL, "other bytes were given than asked for");
  r->have_window = true;
  r->window = mst_bytes_share(&given->bytes[0]);
  MST_TRY(open_body(r, err));
  if (given->n > 1) MST_TRY(feed_container(r, &given->bytes[1], r->need[1].length, err));
done:
  return status;
}

/* The next run of the container, or its end; `*asks`: neither, `out` asks for more bytes. */
static mst_status next_run(reading *r, mst_step *out, bool *asks, mst_error *err) {
  mst_container_state state = MST_CONTAINER_INPUT;
  mst_status status = MST_OK;
  if (r->input.size > 0 || r->size == 0) status = r->setting.container->next(r->container, &state, &r->run, err);
  if (status != MST_OK) return status;
  r->run_used = 0;
  r->have_run = state == MST_CONTAINER_RUN;
  r->at_end = state == MST_CONTAINER_END;
  *asks = state == MST_CONTAINER_INPUT;
  return *asks ? ask_data(r, out, err) : MST_OK;
}

static mst_status step_header(reading *r, mst_step *out, bool *gave, mst_error *err) {
  mst_status status = MST_OK;
  if (r->container == NULL) MST_TRY(open_header(r, err));
  while (r->at < r->header_bytes) {
    size_t n;
    MST_TRY(next_run(r, out, gave, err));
    if (*gave) return MST_OK;
    if (r->at_end) return end_too_early(r, err);
    n = (size_t)mst_min_u64(r->run.size, r->header_bytes - r->at);
    r->at += n;
    MST_TRY(give_raw(r, r->run.data, n, out, err));
    MST_TRY(give_gathered(r, false, out, gave, err));
    if (*gave) return MST_OK;
  }
  MST_TRY(give_gathered(r, true, out, gave, err));
  if (*gave) return MST_OK;
  close_container(r);
  r->phase = READ_BODY;
done:
  return status;
}

static mst_status read_body(reading *r, mst_step *out, bool *gave, mst_error *err) {
  mst_status status = MST_OK;
  uint64_t enough;
  if (r->container == NULL && r->part.has_window) {
    *gave = true;
    r->fed = r->part.at;
    r->bound = first_bound(&r->part);
    return ask_window(r, out);
  }
  if (r->container == NULL) MST_TRY(open_body(r, err));
  enough = r->at + MST_STEP_BYTES;
  while (r->phase == READ_BODY) {
    if (!r->have_run && body_is_done(r)) {
      r->phase = READ_REST;
    } else if (!r->have_run) {
      MST_TRY(next_run(r, out, gave, err));
      if (*gave) return MST_OK;
      if (r->at_end) MST_TRY(end_body(r, err));
    } else {
      MST_TRY(read_run(r, out, err));
      MST_TRY(give_gathered(r, false, out, gave, err));
      if (*gave) return MST_OK;
      if (r->only_place) MST_TRY(find_place(r, out, err));
    }
    *gave = r->phase == READ_BODY && r->at > enough;
    if (*gave) out->kind = MST_STEP_BUSY;
    if (*gave) return MST_OK;
  }
  *gave = false;
  if (r->phase == READ_DONE) return MST_OK;
  if (r->salvage) MST_TRY(give_held(r, true, err));
  if (!r->raw) MST_TRY(feed_rows(r, (const uint8_t *)"", 0, true, err));
  if (r->only_place) MST_TRY(find_place(r, out, err));
done:
  return status;
}

/* Damage ends a slice that is to be rescued behind its last whole record. */
static mst_status step_body(reading *r, mst_step *out, bool *gave, mst_error *err) {
  mst_error cause = {0};
  const mst_status status = read_body(r, out, gave, r->salvage ? &cause : err);
  if (status == MST_OK || !r->salvage) return status;
  if (status != MST_E_CORRUPT) {
    if (err != NULL) *err = cause;
    return status;
  }
  *gave = false;
  r->failure = cause;
  r->phase = READ_REST;
  return r->raw ? MST_OK : feed_rows(r, (const uint8_t *)"", 0, true, err);
}

static mst_status step_reading(reading *r, const mst_given *given, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  bool gave = false;
  if (given != NULL) MST_TRY(take_given(r, given, err));
  if (r->phase == READ_HEADER) MST_TRY(step_header(r, out, &gave, err));
  if (!gave && r->phase == READ_BODY) MST_TRY(step_body(r, out, &gave, err));
  if (!gave && r->phase == READ_REST) {
    MST_TRY(give_gathered(r, true, out, &gave, err));
    if (!gave) r->phase = READ_DONE;
    if (!gave && r->failure.status != MST_OK) {
      if (err != NULL) *err = r->failure;
      return r->failure.status;
    }
  }
  if (!gave) out->kind = MST_STEP_DONE;
done:
  return status;
}

static mst_status reading_step(mst_machine *m, const mst_given *given, mst_step *out, mst_error *err) {
  reading *r = (reading *)m;
  return mst_error_name(err, step_reading(r, given, out, err), r->job->name);
}

static void reading_close(mst_machine *m) {
  reading *r = (reading *)m;
  close_container(r);
  if (r->scanner != NULL) r->setting.ops->close(r->scanner);
  if (r->guard != NULL) r->setting.ops->close(r->guard);
  mst_buf_free(&r->held);
  if (r->rows != NULL) r->setting.ops->rows_close(r->rows);
  mst_bytes_release(&r->window);
  mst_buf_free(&r->out);
  mst_free(r->job->mem, r);
}

/* The user's options for rows, and the unit of the slice; a new reference, which may be NULL. */
static mst_status row_options(const mst_part *part, const mst_read_query *query, json_t **out, mst_error *err) {
  *out = query->options == NULL ? NULL : json_copy((json_t *)(uintptr_t)query->options);
  if (query->options != NULL && *out == NULL) return mst_fail_memory(err);
  if (part->unit == NULL) return MST_OK;
  if (*out == NULL) *out = json_object();
  if (*out == NULL || (part->place != NULL && json_object_set(*out, "place", (json_t *)(uintptr_t)part->place) != 0))
    return mst_fail_memory(err);
  return mst_json_set_text(*out, "unit", part->unit, err);
}

static mst_status no_arrow(const mst_job *job, mst_error *err) {
  return mst_fail(err, MST_E_UNSUPPORTED, "%s has no Arrow form", job->format->name);
}

static mst_status open_rows(reading *r, const mst_read_query *query, mst_error *err) {
  mst_status status = MST_OK;
  json_t *options = NULL;
  if (r->setting.ops->rows_open == NULL) return no_arrow(r->job, err);
  MST_TRY(row_options(&r->part, query, &options, err));
  MST_TRY(r->setting.ops->rows_open(r->job, r->setting.dialect, options, query->batch_rows, &r->rows, err));
done:
  json_decref(options);
  return status;
}

static mst_status check_unit(const reading *r, mst_error *err) {
  const char *const *unit = r->setting.ops->units;
  if (r->part.kind != MST_PART_CUT) return MST_OK;
  for (; unit != NULL && *unit != NULL; unit++)
    if (mst_text_equal(*unit, r->part.unit)) return MST_OK;
  return mst_fail(err, MST_E_CORRUPT, "slice: part: %s has no unit \"%s\"", r->job->format->name, r->part.unit);
}

static void set_begin(reading *r, bool header) {
  const mst_part *p = &r->part;
  r->where = p->search_first ? IN_FRONT : INSIDE;
  r->first = p->search_first ? NOWHERE : p->plain;
  r->last = p->search_last || p->kind == MST_PART_ALL ? NOWHERE : p->to.plain;
  r->phase = r->raw && header && r->header_bytes > 0 && (p->plain > 0 || p->search_first) ? READ_HEADER : READ_BODY;
}

mst_status mst_records_read(const mst_job *job, const json_t *part, const mst_read_query *query, mst_machine **out,
                            mst_error *err) {
  static const mst_machine_ops ops = {.step = reading_step, .close = reading_close};
  mst_status status = MST_OK;
  mst_part_kind kind;
  mst_setting setting;
  reading *r = NULL;
  MST_TRY(mst_setting_of(job, &setting, err));
  MST_TRY(mst_part_kind_of(part, &kind, err));
  if (kind == MST_PART_OWN && setting.ops->read_own != NULL) return setting.ops->read_own(job, part, query, out, err);
  if (kind == MST_PART_OWN)
    return mst_fail(err, MST_E_CORRUPT, "slice: part: a kind that %s does not have", job->format->name);
  MST_TRY_ALLOC(r = mst_alloc_zero(job->mem, 1, sizeof *r));
  r->machine.ops = &ops;
  r->job = job;
  r->setting = setting;
  r->size = job->members[0].size;
  r->raw = query->as == MST_READ_RAW;
  r->only_place = query->as == MST_READ_PLACE;
  r->rows_at = NOWHERE;
  mst_buf_init(&r->out, job->mem, SIZE_MAX / 2);
  mst_buf_init(&r->held, job->mem, SIZE_MAX / 2);
  MST_TRY(mst_json_get_u64(setting.dialect, "header_bytes", "dialect", &r->header_bytes, err));
  MST_TRY(mst_part_from_json(part, r->size, &r->part, err));
  MST_TRY(check_unit(r, err));
  set_begin(r, query->header);
  if (r->only_place && setting.ops->rows_place == NULL) r->phase = READ_DONE;
  MST_TRY(open_scanner(r, err));
  MST_TRY(open_guard(r, err));
  if (!r->raw) MST_TRY(open_rows(r, query, err));
  *out = &r->machine;
  r = NULL;
done:
  if (r != NULL) reading_close(&r->machine);
  return status;
}

mst_status mst_records_read_schema(const mst_job *job, const json_t *part, const mst_read_query *query,
                                   struct ArrowSchema *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_setting setting;
  mst_part p = {0};
  json_t *options = NULL;
  MST_TRY(mst_setting_of(job, &setting, err));
  MST_TRY(mst_part_kind_of(part, &p.kind, err));
  if (p.kind == MST_PART_CUT) MST_TRY(mst_json_get_text(part, "unit", "slice: part", &p.unit, err));
  if (setting.ops->rows_schema == NULL) return no_arrow(job, err);
  MST_TRY(row_options(&p, query, &options, err));
  MST_TRY(setting.ops->rows_schema(job->mem, setting.dialect, options, out, err));
done:
  json_decref(options);
  return status;
}
