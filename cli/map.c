/* cli/map.c - meseta map: a command for each slice, several at a time, their output in the order of the slices.
 *
 * Each running command has a thread that feeds it its slice. The main thread collects output: that of the first
 * unfinished slice goes straight to standard output; that of later ones waits in memory, up to a bound, behind which
 * such a command has to wait. No temporary file, and the first one never waits, so all come to an end. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX 256
#define HELD_MAX ((size_t)4 << 20) /* output of a later slice that may wait in memory */

typedef struct job {
  size_t number; /* of the slice, from 0 */
  pid_t pid;     /* 0: no command runs   */
  int input, output;
  mst_slice *slice;
  cli *cli;
  pthread_t feeder;
  mst_status status; /* of reading the slice */
  mst_error err;
  char *held;
  size_t n_held, room;
  bool ended; /* output was closed and the command waited for */
  int wait_status;
} job;

typedef struct map {
  cli *cli;
  const mst_plan *plan;
  const char *url;
  size_t n, begun, given; /* slices; of them begun; of them whose output is out */
  job *jobs;
  size_t width;
  int code;
  size_t failed;
} map;

/* The signal handler's view: process groups to stop. */
static volatile pid_t running[JOBS_MAX];

static void stop_running(void) {
  for (size_t i = 0; i < JOBS_MAX; i++)
    if (running[i] > 0) kill(-running[i], SIGTERM);
}

/* ---- feeding ---- */

static bool write_fully(int fd, const uint8_t *data, size_t n) {
  while (n > 0) {
    const ssize_t w = write(fd, data, n);
    if (w < 0 && errno == EINTR) continue;
    if (w < 0) return false;
    data += w;
    n -= (size_t)w;
  }
  return true;
}

/* A command that stops reading early has had enough: its own exit status tells whether that is well. */
static void *feed(void *arg) {
  job *j = arg;
  mst_reader *r = NULL;
  mst_bytes piece = {0};
  mst_read_options o = MST_READ_OPTIONS_INIT;
  o.header = cli_has(j->cli, "header");
  j->status = mst_slice_open(j->slice, &o, &r, j->cli->cancel, &j->err);
  while (j->status == MST_OK) {
    j->status = mst_reader_next(r, &piece, &j->err);
    if (j->status != MST_OK || piece.size == 0) break;
    const bool taken = write_fully(j->input, piece.data, piece.size);
    mst_bytes_release(&piece);
    if (!taken) break;
  }
  mst_reader_free(r);
  /* Half a slice must not look like a whole one to the command. */
  if (j->status != MST_OK) kill(-j->pid, SIGTERM);
  close(j->input);
  return NULL;
}

/* ---- starting ---- */

static void set_environment(const job *j, const map *m) {
  char text[32];
  snprintf(text, sizeof text, "%zu", j->number + 1);
  setenv("MESETA_SLICE", text, 1);
  snprintf(text, sizeof text, "%zu", m->n);
  setenv("MESETA_SLICES", text, 1);
  setenv("MESETA_SLICE_JSON", mst_slice_get_json(j->slice), 1);
  setenv("MESETA_URL", m->url, 1);
}

static void become_command(const job *j, const map *m, int in, int out) {
  struct sigaction usual = {.sa_handler = SIG_DFL};
  setpgid(0, 0);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  sigaction(SIGINT, &usual, NULL);
  sigaction(SIGTERM, &usual, NULL);
  sigaction(SIGPIPE, &usual, NULL);
  set_environment(j, m);
  execvp(m->cli->rest[0], m->cli->rest);
  fprintf(stderr, "meseta: cannot run %s: %s\n", m->cli->rest[0], strerror(errno));
  _exit(errno == ENOENT ? 127 : 126);
}

static int spawn(job *j, map *m) {
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0) return -1;
  if (pipe2(out, O_CLOEXEC) != 0) {
    close(in[0]);
    close(in[1]);
    return -1;
  }
  j->pid = fork();
  if (j->pid == 0) become_command(j, m, in[0], out[1]);
  const int cause = errno;
  close(in[0]);
  close(out[1]);
  if (j->pid < 0) {
    j->pid = 0;
    close(in[1]);
    close(out[0]);
    errno = cause;
    return -1;
  }
  setpgid(j->pid, j->pid); /* whoever comes first */
  j->input = in[1];
  j->output = out[0];
  fcntl(j->output, F_SETFL, O_NONBLOCK);
  return 0;
}

static int begin(map *m, size_t place) {
  job *j = &m->jobs[place];
  *j = (job){.number = m->begun, .cli = m->cli, .input = -1, .output = -1, .slice = mst_plan_take(m->plan, m->begun)};
  if (spawn(j, m) != 0) {
    cli_note("cannot start %s: %s", m->cli->rest[0], strerror(errno));
    mst_slice_unref(j->slice);
    j->slice = NULL;
    return CLI_FAILED;
  }
  running[place] = j->pid;
  m->begun++;
  if (pthread_create(&j->feeder, NULL, feed, j) == 0) return CLI_DONE;
  cli_note("cannot start a thread");
  kill(-j->pid, SIGKILL);
  waitpid(j->pid, NULL, 0);
  running[place] = 0;
  close(j->input);
  close(j->output);
  mst_slice_unref(j->slice);
  *j = (job){0};
  return CLI_FAILED;
}

/* ---- collecting ---- */

static int keep(job *j, const char *data, size_t n) {
  if (j->n_held + n > j->room) {
    const size_t room = (j->n_held + n) * 2;
    char *grown = realloc(j->held, room);
    if (grown == NULL) return CLI_FAILED;
    j->held = grown;
    j->room = room;
  }
  memcpy(j->held + j->n_held, data, n);
  j->n_held += n;
  return CLI_DONE;
}

static int give_held(job *j) {
  const int code = j->n_held > 0 ? cli_write(j->held, j->n_held) : CLI_DONE;
  j->n_held = 0;
  return code;
}

/* The feeder is joined first: it may still be killing the command. */
static void wait_for(job *j, size_t place) {
  close(j->output);
  j->output = -1;
  pthread_join(j->feeder, NULL);
  while (waitpid(j->pid, &j->wait_status, 0) < 0 && errno == EINTR) {
  }
  running[place] = 0;
  j->ended = true;
}

static int collect(map *m, size_t place) {
  static char chunk[65536];
  job *j = &m->jobs[place];
  const ssize_t n = read(j->output, chunk, sizeof chunk);
  if (n < 0) return errno == EAGAIN || errno == EINTR ? CLI_DONE : CLI_FAILED;
  if (n == 0) {
    wait_for(j, place);
    return CLI_DONE;
  }
  if (j->number == m->given) return cli_write(chunk, (size_t)n);
  return keep(j, chunk, (size_t)n);
}

/* What came of a job; says so when it failed. */
static int judge(const map *m, const job *j) {
  if (j->status != MST_OK) return cli_fail(j->status, &j->err);
  if (WIFEXITED(j->wait_status) && WEXITSTATUS(j->wait_status) == 0) return CLI_DONE;
  if (cli_interrupted()) return CLI_INTERRUPTED;
  if (WIFSIGNALED(j->wait_status))
    cli_note("slice %zu of %zu of %s: the command was ended by signal %d", j->number + 1, m->n, m->url,
             WTERMSIG(j->wait_status));
  else
    cli_note("slice %zu of %zu of %s: the command exited with %d", j->number + 1, m->n, m->url,
             WEXITSTATUS(j->wait_status));
  return CLI_FAILED;
}

static void forget(job *j) {
  mst_slice_unref(j->slice);
  free(j->held);
  *j = (job){0};
}

static job *find(map *m, size_t number) {
  for (size_t i = 0; i < m->width; i++)
    if (m->jobs[i].pid != 0 && m->jobs[i].number == number) return &m->jobs[i];
  return NULL;
}

/* Gives out what is next in order, as far as it is there. */
static int give(map *m) {
  for (;;) {
    job *j = find(m, m->given);
    if (j == NULL) return CLI_DONE;
    int code = give_held(j);
    if (code != CLI_DONE) return code;
    if (!j->ended) return cli_flush();
    code = judge(m, j);
    forget(j);
    m->given++;
    if (code != CLI_DONE) {
      m->failed++;
      if (m->code == CLI_DONE) m->code = code;
      if (!cli_has(m->cli, "keep-going") || cli_interrupted()) return code;
    }
  }
}

static int wait_for_some(map *m) {
  struct pollfd fds[JOBS_MAX];
  size_t places[JOBS_MAX];
  nfds_t n = 0;
  for (size_t i = 0; i < m->width; i++) {
    const job *j = &m->jobs[i];
    if (j->pid == 0 || j->ended || (j->number != m->given && j->n_held > HELD_MAX)) continue;
    fds[n] = (struct pollfd){.fd = j->output, .events = POLLIN};
    places[n++] = i;
  }
  if (n == 0) return CLI_FAILED;
  if (poll(fds, n, 200) < 0) return errno == EINTR ? CLI_DONE : CLI_FAILED;
  for (nfds_t i = 0; i < n; i++) {
    if (fds[i].revents == 0) continue;
    const int code = collect(m, places[i]);
    if (code != CLI_DONE) return code;
  }
  return CLI_DONE;
}

static size_t free_place(const map *m) {
  for (size_t i = 0; i < m->width; i++)
    if (m->jobs[i].pid == 0) return i;
  return m->width;
}

static int run_all(map *m) {
  while (m->given < m->n && !cli_interrupted()) {
    size_t place;
    while (m->begun < m->n && (place = free_place(m)) < m->width) {
      const int code = begin(m, place);
      if (code != CLI_DONE) return code;
    }
    int code = wait_for_some(m);
    if (code == CLI_DONE) code = give(m);
    if (code != CLI_DONE && !(m->failed > 0 && cli_has(m->cli, "keep-going"))) return code;
  }
  return cli_interrupted() ? CLI_INTERRUPTED : m->code;
}

static void end_all(map *m) {
  stop_running();
  for (size_t i = 0; i < m->width; i++) {
    if (m->jobs[i].pid == 0) continue;
    if (!m->jobs[i].ended) wait_for(&m->jobs[i], i);
    forget(&m->jobs[i]);
  }
}

static int map_plan(cli *c, const char *url, const mst_plan *plan) {
  map m = {.cli = c, .plan = plan, .url = url, .n = mst_plan_get_count(plan)};
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  m.width = cli_has(c, "jobs") ? (size_t)cli_number(c, "jobs") : (size_t)(cores < 1 ? 1 : cores);
  if (m.width > JOBS_MAX) m.width = JOBS_MAX;
  m.jobs = calloc(m.width, sizeof *m.jobs);
  if (m.jobs == NULL) return cli_fail(MST_E_NO_MEMORY, &(mst_error){.message = "out of memory"});
  fflush(NULL); /* nothing of ours may be printed by a child */
  cli_stop_children_on_interrupt(stop_running);
  const int code = run_all(&m);
  end_all(&m);
  cli_stop_children_on_interrupt(NULL);
  if (m.failed > 1 || (m.failed > 0 && cli_has(c, "keep-going"))) cli_note("%zu of %zu slices failed", m.failed, m.n);
  free(m.jobs);
  return code;
}

static int map_one(cli *c, const char *url) {
  mst_error err;
  mst_source *s = NULL;
  mst_plan *p = NULL;
  mst_status status = cli_open_source(c, url, &s, &err);
  if (status == MST_OK) status = cli_plan(c, s, &p, &err);
  const int code = status == MST_OK ? map_plan(c, mst_source_get_url(s), p) : cli_fail(status, &err);
  mst_plan_unref(p);
  mst_source_unref(s);
  return code;
}

static int run_map(cli *c) {
  if (c->n_rest == 0) return cli_usage(c->command, "a command is missing: meseta map URL -- COMMAND…");
  return cli_each_source(c, map_one);
}

static const cli_option map_options[] = {
    CLI_QUERY_OPTIONS,
    CLI_SOURCE_OPTIONS,
    {"header", 0, CLI_FLAG, NULL, "give every slice the source's header in front"},
    {"keep-going", 'k', CLI_FLAG, NULL, "go on when a command fails, and say so at the end"},
    {NULL, 0, CLI_FLAG, NULL, NULL}};

const cli_command cli_command_map = {
    .name = "map",
    .title = "run a command for each slice, several at a time",
    .usage = "[options] URL… -- COMMAND…",
    .text = "COMMAND gets a slice's content on standard input, and in its environment MESETA_SLICE (its number, from "
            "1), MESETA_SLICES (how many there are), MESETA_SLICE_JSON "
            "and MESETA_URL. As many commands run at once as --jobs says (default: the cores). Output comes in the "
            "order of the slices.\n"
            "The first command that fails stops the others, unless --keep-going is given.\n",
    .examples = "meseta map reads.fastq.gz -n 16 -j 8 -- sh -c 'wc -l'\tlines of each slice\n"
                "meseta map calls.vcf.gz -n 4 --header -- sh -c 'bcftools view -O b -o part-$MESETA_SLICE.bcf'\tfour "
                "valid files\n",
    .options = map_options,
    .run = run_map,
    .rest_is_command = true};
