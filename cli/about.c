/* cli/about.c - formats, version, help. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static const cli_option no_options[] = {{NULL, 0, CLI_FLAG, NULL, NULL}};

static int describe(cli *c, const char *what, json_t **out) {
  mst_error err;
  mst_bytes text = {0};
  const mst_status status = mst_describe(c->ctx, what, &text, &err);
  if (status != MST_OK) return cli_fail(status, &err);
  int code = CLI_DONE;
  if (out == NULL) {
    code = cli_write(text.data, text.size);
    if (code == CLI_DONE) code = cli_write("\n", 1);
  } else {
    *out = json_loadb((const char *)text.data, text.size, 0, NULL);
  }
  mst_bytes_release(&text);
  return code;
}

static void join_texts(const json_t *list, char *out, size_t n) {
  size_t i, at = 0;
  json_t *one;
  out[0] = '\0';
  json_array_foreach(list, i, one) {
    const char *text = json_string_value(one);
    if (text != NULL && at < n) at += (size_t)snprintf(out + at, n - at, "%s%s", i == 0 ? "" : " ", text);
  }
}

static int run_formats(cli *c) {
  json_t *all = NULL, *f;
  size_t i;
  cli_table t;
  char names[256], strategies[256];
  if (cli_has(c, "json")) return describe(c, "formats", NULL);
  int code = describe(c, "formats", &all);
  if (code != CLI_DONE) return code;
  cli_table_init(&t, 4, 0);
  cli_table_row(&t, (const char *const[]){"format", "what it is", "names", "strategies"});
  json_array_foreach(all, i, f) {
    join_texts(json_object_get(f, "names"), names, sizeof names);
    join_texts(json_object_get(f, "strategies"), strategies, sizeof strategies);
    cli_table_row(&t, (const char *const[]){json_string_value(json_object_get(f, "name")),
                                            json_string_value(json_object_get(f, "title")), names, strategies});
  }
  code = cli_table_print(&t);
  cli_table_free(&t);
  json_decref(all);
  return code;
}

const cli_command cli_command_formats = {.name = "formats",
                                         .title = "the formats that this build knows",
                                         .usage = "[--json]",
                                         .text =
                                             "Lists formats with the names by which they are recognised and their "
                                             "strategies. Text-like ones are read also inside gzip, BGZF and zstd.\n",
                                         .options = no_options,
                                         .run = run_formats};

static int run_version(cli *c) {
  if (cli_has(c, "json")) return describe(c, "build", NULL);
  printf("meseta %s\n", mst_version());
  return CLI_DONE;
}

const cli_command cli_command_version = {.name = "version",
                                         .title = "the version of this build",
                                         .usage = "[--json]",
                                         .text = "Prints the version; with --json also compiler and SIMD level.\n",
                                         .options = no_options,
                                         .run = run_version};

static const cli_option help_options[] = {
    {"man", 0, CLI_FLAG, NULL, "print the man page's source (troff)"},
    {"completion", 0, CLI_TEXT, "SHELL", "print the completion script for bash, zsh or fish"},
    {NULL, 0, CLI_FLAG, NULL, NULL}};

static int run_help(cli *c) {
  const char *name = c->n_args > 0 ? c->args[0] : NULL;
  char both[64];
  if (c->n_args > 1 && strcmp(name, "dataset") == 0) {
    snprintf(both, sizeof both, "dataset %s", c->args[1]);
    name = both;
  }
  if (cli_has(c, "completion")) return cli_print_completion(cli_text(c, "completion"));
  if (cli_has(c, "man")) return cli_print_man(name);
  if (name == NULL) {
    cli_print_usage(stdout);
    return CLI_DONE;
  }
  const cli_command *command = cli_find_command(name);
  if (command == NULL) return cli_usage(NULL, "there is no command %s", name);
  cli_print_help(command, stdout);
  return CLI_DONE;
}

const cli_command cli_command_help = {.name = "help",
                                      .title = "how a command is used",
                                      .usage = "[COMMAND]",
                                      .text = "Shows the commands, or one command's options and examples.\n",
                                      .options = help_options,
                                      .run = run_help};
