/* cli/cli.h - what the commands share: one table of options, the conventions of talk and data, exit codes, Ctrl-C.
 * The command line uses the public headers only; whatever a C program would miss is in the library, not here. */
#ifndef MST_CLI_CLI_H
#define MST_CLI_CLI_H

#include <meseta/meseta.h>

#include <jansson.h>
#include <stdio.h>

/* ---- exit codes ---- */

enum {
  CLI_DONE = 0,
  CLI_FAILED = 1,
  CLI_USAGE = 2,
  CLI_NOT_FOUND = 3,
  CLI_CHANGED = 4,
  CLI_CONFLICT = 5,
  CLI_CORRUPT = 6,
  CLI_INTERRUPTED = 130
};
int cli_exit_code(mst_status status);

/* ---- options: one table for parsing, --help, man pages and completion ---- */

typedef enum cli_type {
  CLI_FLAG,
  CLI_TEXT,
  CLI_NUMBER,
  CLI_COUNT /* a number from 0 */,
  CLI_SIZE,
  CLI_PAIRS,
  CLI_LIST /* text; several are joined by blanks */
} cli_type;

typedef struct cli_option {
  const char *name; /* "index-at"                                   */
  char letter;      /* 'n', or 0                                    */
  cli_type type;
  const char *value; /* "URL": how the value is called in the help  */
  const char *help;
} cli_option;

struct cli;

typedef struct cli_command {
  const char *name;
  const char *title;         /* one line                                                     */
  const char *usage;         /* what stands behind the name                                   */
  const char *text;          /* the description in the man page; paragraphs end with a newline */
  const char *examples;      /* lines "command\tmeaning"                                   */
  const cli_option *options; /* ended by an empty name                                 */
  int (*run)(struct cli *c);
  bool rest_is_command; /* "--" begins a command to run                               */
} cli_command;

#define CLI_PAIRS_MAX 64
typedef struct cli_value {
  const cli_option *option;
  const char *text; /* NULL: not given */
  char *joined;     /* owned: what `text` is, when the option was given more than once */
  uint64_t number;
} cli_value;

/* One run of one command. */
typedef struct cli {
  const cli_command *command;
  cli_value values[48];
  size_t n_values;
  mst_pair storage[CLI_PAIRS_MAX]; /* --storage K=V */
  size_t n_storage;
  json_t *dialect; /* --option K=V, --set K=V; NULL when none was given */
  char **args;     /* positional */
  int n_args;
  char **rest; /* behind "--" */
  int n_rest;
  mst_context *ctx;
  mst_cancel *cancel;
} cli;

extern const cli_command *const cli_commands[];         /* NULL-ended */
extern const cli_command *const cli_dataset_commands[]; /* "dataset create" …; NULL-ended */
extern const cli_option cli_common_options[];           /* every command has them */
const cli_command *cli_find_command(const char *name);
/* Parses everything behind the command's name. 0, or an exit code after saying what is wrong. */
int cli_parse(cli *c, int argc, char **argv);
void cli_free_values(cli *c);
bool cli_has(const cli *c, const char *option);
const char *cli_text(const cli *c, const char *option); /* NULL when not given */
uint64_t cli_number(const cli *c, const char *option);  /* 0 when not given    */
void cli_print_help(const cli_command *command, FILE *to);
void cli_print_usage(FILE *to);         /* of the whole program */
int cli_print_man(const char *command); /* troff; NULL: meseta(1) */
int cli_print_completion(const char *shell);

/* ---- talk ---- */

/* "meseta: message" on standard error; returns the exit code. */
int cli_fail(mst_status status, const mst_error *err);
int cli_usage(const cli_command *command, const char *format, ...) MST_PRINTF(2, 3);
void cli_note(const char *format, ...) MST_PRINTF(1, 2); /* "meseta: …" on standard error */
/* Writes to standard output; an error of it (full disk, closed pipe) ends the program's work with its exit code. */
int cli_write(const void *data, size_t n);
int cli_flush(void);
bool cli_interrupted(void);
void cli_stop_children_on_interrupt(void (*stop)(void)); /* NULL: none; called from the signal handler */

/* A bar on a terminal, nothing elsewhere. Use as mst_progress_fn with a cli_progress. */
typedef struct cli_progress {
  const char *label;
  int64_t began_ms;
  bool shown;
} cli_progress;
void cli_progress_begin(cli_progress *p, const char *label);
void cli_progress_show(void *progress, uint64_t done, uint64_t total);
void cli_progress_end(cli_progress *p);

/* "1.2 GiB" */
const char *cli_size(uint64_t bytes, char out[24]);
/* "12,345" */
const char *cli_count(uint64_t n, char out[32]);

/* Rows of text in columns, aligned; for people. */
typedef struct cli_table {
  char ***rows;
  size_t n, columns;
  unsigned right; /* bit i: column i is aligned to the right */
} cli_table;
void cli_table_init(cli_table *t, size_t columns, unsigned right);
void cli_table_row(cli_table *t, const char *const *cells);
int cli_table_print(const cli_table *t);
void cli_table_free(cli_table *t);

/* ---- output ---- */

int cli_print_json(const json_t *value); /* one line */

/* Standard output, or a file that gets its name when everything is in it. */
typedef struct cli_output {
  FILE *file; /* NULL: standard output */
  const char *path;
  char *part;
} cli_output;
int cli_output_open(cli_output *o, const char *path); /* NULL or "-": standard output */
int cli_output_write(cli_output *o, const void *data, size_t n);
int cli_output_close(cli_output *o,
                     int code); /* a code other than CLI_DONE: the file is dropped; gives the code of it all */
/* All rows of a stream, which is released, as "arrow", "parquet", "jsonl" or "csv". */
int cli_export(cli *c, struct ArrowArrayStream *stream, const char *as, const char *path);

/* ---- Parquet files ---- */

/* By --format, else by the name's ending. */
bool cli_is_parquet(const cli *c, const char *url);
int cli_parquet_show(cli *c, const char *url);
int cli_parquet_verify(cli *c, const char *url);
/* "s3://bucket", "memory://name": a store and no object of it. */
bool cli_is_store(const char *url);
int cli_store_verify(cli *c, const char *url);
int cli_parquet_cat(cli *c, const char *url, const char *as); /* with --columns, --where, --limit, --output */
/* "a,b" as names; 0 columns for NULL. Free with cli_names_free. */
typedef struct cli_names {
  char *text;
  const char **names;
  size_t n;
} cli_names;
mst_status cli_names_split(const char *text, cli_names *out);
void cli_names_free(cli_names *n);

/* ---- sources ---- */

/* Opens a source with the command's --format, --index-at, --storage and --option. */
mst_status cli_open_source(cli *c, const char *url, mst_source **out, mst_error *err);
/* Whether `url` is a local folder; the same with a slash at its end (free it). */
bool cli_is_folder(const char *url);
bool cli_is_file(const char *url); /* a local one, whatever characters its name holds */
char *cli_as_prefix(const char *url);
/* Runs `each` for every object that the arguments name (objects, prefixes, globs). The first failure's exit code, 0
 * when none. */
int cli_each_source(cli *c, int (*each)(cli *c, const char *url));
/* The command's query: -n, --size, --records, --strategy, --region, --where, --plan. */
mst_status cli_query(cli *c, mst_query *out, mst_error *err);
/* Plans, making the index first where --index says so. */
mst_status cli_plan(cli *c, mst_source *s, mst_plan **out, mst_error *err);
int cli_index_one(cli *c, mst_source *s, json_t **report);

/* ---- commands ---- */

extern const cli_command cli_command_index, cli_command_slices, cli_command_get, cli_command_map, cli_command_verify,
    cli_command_show, cli_command_ls, cli_command_cat, cli_command_cp, cli_command_rm, cli_command_dataset,
    cli_command_formats, cli_command_version, cli_command_help;

/* The options that choose slices, for the tables of slices and map. */
#define CLI_SOURCE_OPTIONS                                                                                           \
  {"format", 'f', CLI_TEXT, "FORMAT", "how records are found (see: meseta formats); found by name and first bytes"}, \
      {"index-at", 0, CLI_TEXT, "URL", "keep indexes below URL instead of beside the source"}, {                     \
    "option", 'O', CLI_PAIRS, "KEY=VALUE",                                                                           \
        "an option of the format, such as delimiter=; or header=false; may be repeated"                              \
  }
#define CLI_QUERY_OPTIONS                                                                                              \
  {"slices", 'n', CLI_NUMBER, "N", "at most N slices, balanced by plain bytes"},                                       \
      {"size", 0, CLI_SIZE, "SIZE", "slices of about SIZE plain bytes (k M G Ki Mi Gi)"},                              \
      {"records", 0, CLI_NUMBER, "N", "slices of N records each"},                                                     \
      {"strategy", 's', CLI_TEXT, "NAME", "how records are shared out: words, residues …"},                            \
      {"region", 'r', CLI_LIST, "NAME:FROM-TO", "only what lies there; 1-based, both ends included; may be repeated"}, \
      {"where", 'w', CLI_TEXT, "CONDITION", "only what matches"},                                                      \
      {"plan", 0, CLI_TEXT, "JSON", "what a strategy needs further, as a JSON object"}, {                              \
    "index", 'i', CLI_FLAG, NULL, "make the index first where there is none"                                           \
  }

#endif
