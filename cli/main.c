/* cli/main.c - the meseta command: finds the command, opens the context, turns Ctrl-C into a clean stop. */
#include "cli.h"

#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A signal handler can be told nothing else. */
static mst_cancel *stop_flag;
static volatile sig_atomic_t stopped;
static void (*stop_children)(void);

static void on_stop(int signal_number) {
  (void)signal_number;
  stopped++;
  if (stopped > 1) _exit(CLI_INTERRUPTED); /* asked twice: whatever hangs is left */
  if (stop_flag != NULL) mst_cancel_request(stop_flag);
  if (stop_children != NULL) stop_children();
}

bool cli_interrupted(void) { return stopped != 0; }
void cli_stop_children_on_interrupt(void (*stop)(void)) { stop_children = stop; }

static void catch_signals(void) {
  struct sigaction act = {.sa_handler = on_stop};
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  sigemptyset(&act.sa_mask);
  sigaction(SIGINT, &act, NULL);
  sigaction(SIGTERM, &act, NULL);
  sigaction(SIGPIPE, &ignore, NULL); /* seen as EPIPE where it is written */
}

static int open_context(cli *c) {
  mst_error err;
  mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
  options.cpu_threads = (uint32_t)cli_number(c, "jobs");
  options.memory_bytes_max = cli_number(c, "memory");
  const mst_status status = mst_context_open(&options, &c->ctx, &err);
  if (status != MST_OK) return cli_fail(status, &err);
  c->cancel = mst_cancel_new(c->ctx);
  if (c->cancel == NULL) return cli_fail(MST_E_NO_MEMORY, &(mst_error){.message = "out of memory"});
  stop_flag = c->cancel;
  return CLI_DONE;
}

static int run(const cli_command *command, int argc, char **argv) {
  cli c = {.command = command};
  int code = cli_parse(&c, argc, argv);
  if (code == CLI_DONE && cli_has(&c, "help")) {
    cli_print_help(command, stdout);
    code = cli_flush();
  } else if (code == CLI_DONE) {
    catch_signals();
    code = open_context(&c);
    if (code == CLI_DONE) code = command->run(&c);
    if (code == CLI_DONE) code = cli_flush();
  }
  stop_flag = NULL;
  mst_cancel_unref(c.cancel);
  mst_context_unref(c.ctx);
  json_decref(c.dialect);
  cli_free_values(&c);
  return cli_interrupted() ? CLI_INTERRUPTED : code;
}

int main(int argc, char **argv) {
#ifdef __GLIBC__
  /* Large blocks go back to the system when they are freed. Otherwise glibc soon takes them from arenas, one for each thread, which keep
   * what was freed in pieces: several times the memory budget. */
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 20);
#endif
  if (argc < 2) {
    cli_print_usage(stderr);
    return CLI_USAGE;
  }
  const char *name = argv[1];
  if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = "help";
  if (strcmp(name, "--version") == 0) name = "version";
  const cli_command *command = NULL;
  char both[64];
  if (strcmp(name, "dataset") == 0 && argc > 2 && argv[2][0] != '-') { /* the one command that has commands */
    snprintf(both, sizeof both, "dataset %s", argv[2]);
    command = cli_find_command(both);
    if (command != NULL) return run(command, argc - 3, argv + 3);
  }
  command = cli_find_command(name);
  if (command == NULL || strchr(name, ' ') != NULL) return cli_usage(NULL, "there is no command %s", name);
  return run(command, argc - 2, argv + 2);
}
