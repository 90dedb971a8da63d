/* bench/inflate.c - MB of plain text per CPU second of the DEFLATE decoder and of the whole gzip container, beside
 * zlib, libdeflate and (when it is installed) the igzip command.
 *
 *   inflate FILE.gz [RUNS]   a gzip file of one member
 *
 * The figure is the best of RUNS (5), the decoders in turn. All must give the same CRC-32, which is not part of the
 * bare figures. Tables of FASTQ: python tools/make_fastq.py, or ../shared/bench/gen_data.py fastq. */
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "codec/codec.h"
#include "format/container.h"

typedef struct object {
  const char *path;
  uint8_t *data;
  size_t size;
  size_t body, body_end; /* the DEFLATE data of its member */
  uint64_t plain;
} object;

/* The plain bytes' CRC-32 in `*crc` when `check`; false when the decoder refused. */
typedef bool (*decoder)(const object *o, bool check, uint32_t *crc);

static double cpu_seconds(void) {
  struct rusage self, children;
  getrusage(RUSAGE_SELF, &self);
  getrusage(RUSAGE_CHILDREN, &children);
  double s = 0;
  const struct timeval t[] = {self.ru_utime, self.ru_stime, children.ru_utime, children.ru_stime};
  for (int i = 0; i < 4; i++) s += (double)t[i].tv_sec + 1e-6 * (double)t[i].tv_usec;
  return s;
}

static bool inflate_with(const object *o, bool check, uint32_t *crc, bool portable) {
  mst_inflate *z = NULL;
  const uint8_t *in = o->data + o->body, *out;
  mst_inflate_state state = MST_INFLATE_INPUT;
  bool ok = mst_inflate_new(NULL, &z, NULL) == MST_OK;
  if (ok && portable) mst_inflate_portable(z);
  *crc = 0;
  while (ok && state != MST_INFLATE_END) {
    ok = mst_inflate_run(z, &in, o->data + o->body_end, UINT64_MAX, &state, NULL) == MST_OK;
    const size_t n = mst_inflate_take(z, &out);
    if (check) *crc = mst_crc32(*crc, out, n);
  }
  mst_inflate_free(z);
  return ok;
}

static bool by_us(const object *o, bool check, uint32_t *crc) { return inflate_with(o, check, crc, false); }
static bool by_us_portable(const object *o, bool check, uint32_t *crc) { return inflate_with(o, check, crc, true); }

/* The container as indexing uses it: CRC-32, and a restart with its window for every MiB. */
static bool by_container(const object *o, bool check, uint32_t *crc) {
  const mst_container_open open = {
      .name = o->path, .end = o->size, .size = o->size, .spacing = 1 << 20, .verify = true};
  const mst_bytes input = mst_bytes_borrow(o->data, o->size);
  mst_container *c = NULL;
  mst_container_state state = MST_CONTAINER_RUN;
  mst_run run;
  bool kept = false, ok = mst_container_gzip.open(&open, &c, NULL) == MST_OK;
  ok = ok && c->ops->feed(c, &input, true, NULL) == MST_OK;
  (void)check;
  *crc = 0;
  while (ok) {
    ok = c->ops->next(c, &state, &run, NULL) == MST_OK;
    if (!ok || state != MST_CONTAINER_RUN) break;
    *crc = mst_crc32_combine(*crc, run.crc, run.size);
    if (!run.mark) continue;
    mst_restart restart;
    ok = c->ops->capture(c, NULL) == MST_OK && (!kept || c->ops->take(c, &restart, NULL) == MST_OK);
    if (ok && kept) mst_restart_clear(&restart);
    c->ops->keep(c);
    kept = true;
  }
  if (c != NULL) c->ops->close(c);
  return ok;
}

static bool by_zlib(const object *o, bool check, uint32_t *crc) {
  static uint8_t out[256 << 10];
  z_stream z = {.next_in = o->data + o->body, .avail_in = (uInt)(o->body_end - o->body)};
  int code = inflateInit2(&z, -15);
  *crc = 0;
  while (code == Z_OK) {
    z.next_out = out;
    z.avail_out = sizeof out;
    code = inflate(&z, Z_NO_FLUSH);
    if (check) *crc = mst_crc32(*crc, out, sizeof out - z.avail_out);
  }
  (void)inflateEnd(&z);
  return code == Z_STREAM_END;
}

/* libdeflate decodes whole streams only: its output is as large as the text. */
static bool by_libdeflate(const object *o, bool check, uint32_t *crc) {
  static uint8_t *out;
  struct libdeflate_decompressor *z = libdeflate_alloc_decompressor();
  if (out == NULL) out = calloc(1, o->plain);
  const bool ok = z != NULL && out != NULL &&
                  libdeflate_deflate_decompress(z, o->data + o->body, o->body_end - o->body, out, o->plain, NULL) ==
                      LIBDEFLATE_SUCCESS;
  libdeflate_free_decompressor(z);
  *crc = ok && check ? mst_crc32(0, out, o->plain) : 0;
  return ok;
}

/* Checks the CRC-32 by itself. */
static bool by_igzip(const object *o, bool check, uint32_t *crc) {
  int status = -1;
  const pid_t child = fork();
  (void)check;
  *crc = 0;
  if (child == 0) {
    if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL) _exit(127);
    execlp("igzip", "igzip", "-dc", o->path, (char *)NULL);
    _exit(127);
  }
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static bool load(object *o) {
  FILE *f = fopen(o->path, "rb");
  if (f == NULL || fseek(f, 0, SEEK_END) != 0) return false;
  o->size = (size_t)ftell(f);
  rewind(f);
  o->data = malloc(o->size + 1);
  if (o->data == NULL || fread(o->data, 1, o->size, f) != o->size) return false;
  (void)fclose(f);
  mst_gzip_head head = {0};
  const uint8_t *in = o->data;
  if (mst_gzip_head_feed(&head, &in, o->data + o->size, NULL) != MST_OK || !head.done || o->size < head.size + 8)
    return false;
  o->body = (size_t)head.size;
  o->body_end = o->size - 8;
  o->plain = mst_le32(o->data + o->size - 4);
  return true;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    decoder run;
    bool checks;
  } decoders[] = {
      {"meseta inflate", by_us, true},       {"meseta inflate, portable", by_us_portable, true},
      {"libdeflate", by_libdeflate, true},   {"zlib", by_zlib, true},
      {"igzip (with CRC)", by_igzip, false}, {"meseta container (with CRC and windows)", by_container, true},
  };
  enum { N = sizeof decoders / sizeof *decoders };
  object o = {.path = argc > 1 ? argv[1] : ""};
  const int runs = argc > 2 ? atoi(argv[2]) : 5;
  double best[N];
  if (!load(&o)) {
    (void)fprintf(stderr, "usage: %s FILE.gz [RUNS]; one gzip member\n", argv[0]);
    return 2;
  }
  for (int run = 0; run <= runs; run++)
    for (int i = 0; i < N; i++) {
      uint32_t crc;
      const double from = cpu_seconds();
      const bool ok = decoders[i].run(&o, run == 0, &crc);
      const double took = cpu_seconds() - from;
      if (run == 0 && ok && decoders[i].checks && crc != mst_le32(o.data + o.size - 8)) {
        (void)fprintf(stderr, "%s gave other bytes\n", decoders[i].name);
        return 1;
      }
      if (run == 0) best[i] = ok ? 1e9 : -1;
      else if (ok && took < best[i]) best[i] = took;
    }
  for (int i = 0; i < N; i++)
    if (best[i] > 0) (void)printf("%-42s %7.1f MB/s\n", decoders[i].name, (double)o.plain / best[i] / 1e6);
  free(o.data);
  return 0;
}
