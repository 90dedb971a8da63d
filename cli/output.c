/* cli/output.c - where a command's data goes: standard output, or a file that appears only when it is whole; and rows
 * written there. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int cli_print_json(const json_t *value) {
  char *text = json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER);
  if (text == NULL) return cli_fail(MST_E_NO_MEMORY, &(mst_error){.message = "out of memory"});
  int code = cli_write(text, strlen(text));
  if (code == CLI_DONE) code = cli_write("\n", 1);
  free(text);
  return code;
}

/* Devices, pipes and links are written through; only a plain file, or none, can be replaced by another one. */
static bool is_replaceable(const char *path) {
  struct stat there;
  return lstat(path, &there) != 0 || S_ISREG(there.st_mode);
}

int cli_output_open(cli_output *o, const char *path) {
  *o = (cli_output){.path = path};
  if (path == NULL || strcmp(path, "-") == 0) {
    o->path = NULL;
    return CLI_DONE;
  }
  const size_t n = strlen(path) + 16;
  if (!is_replaceable(path)) o->file = fopen(path, "wb");
  else if ((o->part = malloc(n)) != NULL) {
    snprintf(o->part, n, "%s.XXXXXX", path);
    const int fd = mkstemp(o->part);
    o->file = fd < 0 ? NULL : fdopen(fd, "wb");
  }
  if (o->file != NULL) return CLI_DONE;
  cli_note("cannot write %s: %s", path, strerror(errno));
  free(o->part);
  o->part = NULL;
  return errno == ENOENT ? CLI_NOT_FOUND : CLI_FAILED;
}

int cli_output_write(cli_output *o, const void *data, size_t n) {
  if (o->path == NULL) return cli_write(data, n);
  if (fwrite(data, 1, n, o->file) == n) return CLI_DONE;
  cli_note("cannot write %s: %s", o->path, strerror(errno));
  return CLI_FAILED;
}

/* All or nothing: the file gets its name when everything is in it. */
int cli_output_close(cli_output *o, int code) {
  if (o->path == NULL) return code == CLI_DONE ? cli_flush() : code;
  if (o->part == NULL) {
    if (fclose(o->file) == 0 || code != CLI_DONE) return code;
    cli_note("cannot write %s: %s", o->path, strerror(errno));
    return CLI_FAILED;
  }
  const mode_t mask = umask(0);
  umask(mask);
  if (code == CLI_DONE &&
      (fflush(o->file) != 0 || fchmod(fileno(o->file), 0666 & ~mask) != 0 || fsync(fileno(o->file)) != 0)) {
    cli_note("cannot write %s: %s", o->path, strerror(errno));
    code = CLI_FAILED;
  }
  fclose(o->file);
  if (code == CLI_DONE && rename(o->part, o->path) != 0) {
    cli_note("cannot write %s: %s", o->path, strerror(errno));
    code = CLI_FAILED;
  }
  if (code != CLI_DONE) unlink(o->part);
  free(o->part);
  return code;
}

/* The file is opened with the first bytes, so that a slice that cannot be read leaves no trace. */
typedef struct export_target {
  cli_output out;
  const char *path;
  bool open;
  int code;
} export_target;

static mst_status export_write(void *arg, const void *data, size_t n, mst_error *err) {
  export_target *t = arg;
  (void)err;
  if (!t->open) t->code = cli_output_open(&t->out, t->path);
  t->open = t->code == CLI_DONE;
  if (t->open) t->code = cli_output_write(&t->out, data, n);
  return t->code == CLI_DONE ? MST_OK : MST_E_CANCELLED;
}

int cli_export(cli *c, struct ArrowArrayStream *stream, const char *as, const char *path) {
  mst_error err;
  export_target t = {.path = path};
  const mst_status status = mst_stream_export(c->ctx, stream, as, export_write, &t, c->cancel, &err);
  stream->release(stream);
  int code = t.code != CLI_DONE ? t.code : status != MST_OK ? cli_fail(status, &err) : CLI_DONE;
  if (code == CLI_DONE && !t.open) code = export_write(&t, "", 0, &err) == MST_OK ? CLI_DONE : t.code;
  return t.open ? cli_output_close(&t.out, code) : code;
}
