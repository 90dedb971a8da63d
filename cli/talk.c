/* cli/talk.c - what a person sees: messages, progress, tables, sizes; and standard output, whose errors are not passed
 * over. */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int cli_exit_code(mst_status status) {
  switch (status) {
  case MST_OK: return CLI_DONE;
  case MST_E_ARGUMENT: return CLI_USAGE;
  case MST_E_NOT_FOUND: return CLI_NOT_FOUND;
  case MST_E_CHANGED: return CLI_CHANGED;
  case MST_E_CONFLICT:
  case MST_E_EXISTS: return CLI_CONFLICT;
  case MST_E_CORRUPT: return CLI_CORRUPT;
  case MST_E_CANCELLED: return CLI_INTERRUPTED;
  default: return CLI_FAILED;
  }
}

/* A terminal must not be steered by bytes of a foreign file that a message quotes. */
static void print_safe(const char *text) {
  for (; *text != '\0'; text++) fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, stderr);
}

int cli_fail(mst_status status, const mst_error *err) {
  if (status == MST_E_CANCELLED && cli_interrupted()) return CLI_INTERRUPTED;
  fflush(stdout);
  fputs("meseta: ", stderr);
  print_safe(err->message[0] != '\0' ? err->message : mst_status_name(status));
  if (err->object[0] != '\0' && strstr(err->message, err->object) == NULL) {
    fputs(" (", stderr);
    print_safe(err->object);
    fputc(')', stderr);
  }
  fputc('\n', stderr);
  return cli_exit_code(status);
}

int cli_usage(const cli_command *command, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("meseta: ", stderr);
  vfprintf(stderr, format, args);
  va_end(args);
  fprintf(stderr, "\nsee: meseta help%s%s\n", command != NULL ? " " : "", command != NULL ? command->name : "");
  return CLI_USAGE;
}

void cli_note(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("meseta: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
}

static int output_failed(void) {
  if (errno == EPIPE) return CLI_FAILED; /* who read us had enough: quiet, but not done */
  fprintf(stderr, "meseta: cannot write to standard output: %s\n", strerror(errno));
  return CLI_FAILED;
}

int cli_write(const void *data, size_t n) { return fwrite(data, 1, n, stdout) == n ? CLI_DONE : output_failed(); }

int cli_flush(void) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return CLI_DONE;
  return output_failed();
}

/* ---- progress ---- */

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void cli_progress_begin(cli_progress *p, const char *label) {
  const char *term = getenv("TERM");
  *p = (cli_progress){.label = label,
                      .began_ms = now_ms(),
                      .shown = isatty(STDERR_FILENO) && (term == NULL || strcmp(term, "dumb") != 0)};
}

static void time_left(uint64_t done, uint64_t total, int64_t ms, char out[32]) {
  if (done == 0 || ms < 500) {
    snprintf(out, 32, "--:--");
    return;
  }
  const uint64_t left = (uint64_t)((double)ms / 1000.0 * (double)(total - done) / (double)done + 0.5);
  if (left >= 3600)
    snprintf(out, 32, "%llu:%02llu:%02llu", (unsigned long long)(left / 3600), (unsigned long long)(left / 60 % 60),
             (unsigned long long)(left % 60));
  else snprintf(out, 32, "%llu:%02llu", (unsigned long long)(left / 60), (unsigned long long)(left % 60));
}

void cli_progress_show(void *progress, uint64_t done, uint64_t total) {
  cli_progress *p = progress;
  char a[24], b[24], rate[24], left[32], bar[31];
  if (!p->shown) return;
  const int64_t ms = now_ms() - p->began_ms;
  const unsigned filled = total == 0 ? 30 : (unsigned)(30.0 * (double)done / (double)total);
  for (unsigned i = 0; i < 30; i++) bar[i] = i < filled ? '#' : '.';
  bar[30] = '\0';
  time_left(done, total, ms, left);
  fprintf(stderr, "\r\033[K%.40s [%s] %s of %s, %s/s, %s left", p->label, bar, cli_size(done, a), cli_size(total, b),
          cli_size(ms <= 0 ? 0 : (uint64_t)((double)done * 1000.0 / (double)ms), rate), left);
  fflush(stderr);
}

void cli_progress_end(cli_progress *p) {
  if (p->shown) fputs("\r\033[K", stderr);
  p->shown = false;
}

const char *cli_size(uint64_t bytes, char out[24]) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double v = (double)bytes;
  size_t unit = 0;
  for (; v >= 1024.0 && unit < 6; unit++) v /= 1024.0;
  if (unit == 0) snprintf(out, 24, "%llu B", (unsigned long long)bytes);
  else snprintf(out, 24, "%.*f %s", v < 10 ? 2 : v < 100 ? 1 : 0, v, units[unit]);
  return out;
}

const char *cli_count(uint64_t n, char out[32]) {
  char digits[24];
  const int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
  size_t k = 0;
  for (int i = 0; i < length; i++) {
    if (i > 0 && (length - i) % 3 == 0) out[k++] = ',';
    out[k++] = digits[i];
  }
  out[k] = '\0';
  return out;
}

/* ---- tables ---- */

void cli_table_init(cli_table *t, size_t columns, unsigned right) {
  *t = (cli_table){.columns = columns, .right = right};
}

void cli_table_row(cli_table *t, const char *const *cells) {
  char ***grown = realloc(t->rows, (t->n + 1) * sizeof *grown);
  char **row = calloc(t->columns, sizeof *row);
  if (grown != NULL) t->rows = grown;
  if (grown == NULL || row == NULL) {
    free(row);
    return;
  }
  for (size_t i = 0; i < t->columns; i++) row[i] = strdup(cells[i] == NULL ? "" : cells[i]);
  t->rows[t->n++] = row;
}

/* Characters, not bytes, take room on a screen. */
static int width_of(const char *text) {
  int n = 0;
  for (; text != NULL && *text != '\0'; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
  return n;
}

int cli_table_print(const cli_table *t) {
  for (size_t r = 0; r < t->n; r++) {
    for (size_t i = 0; i < t->columns; i++) {
      int width = 0;
      for (size_t k = 0; k < t->n; k++) width = width_of(t->rows[k][i]) > width ? width_of(t->rows[k][i]) : width;
      const char *cell = t->rows[r][i] == NULL ? "" : t->rows[r][i];
      const int pad = width - width_of(cell);
      const bool right = (t->right >> i & 1) != 0, last = i + 1 == t->columns;
      printf("%*s%s%*s%s", right ? pad : 0, "", cell, right || last ? 0 : pad, "", last ? "\n" : "  ");
    }
  }
  return cli_flush();
}

void cli_table_free(cli_table *t) {
  for (size_t r = 0; r < t->n; r++) {
    for (size_t i = 0; i < t->columns; i++) free(t->rows[r][i]);
    free(t->rows[r]);
  }
  free(t->rows);
  *t = (cli_table){0};
}
