/* cli/dataset.h - what the commands on datasets share. */
#ifndef MST_CLI_DATASET_H
#define MST_CLI_DATASET_H

#include "cli.h"

/* The first argument; at most `more` others (-1: any number). */
int cli_dataset_url(cli *c, int more, const char **url);
mst_dataset_options cli_dataset_options(const cli *c); /* --storage, --lock */
int cli_dataset_open(cli *c, const char *url, mst_dataset **out);
int cli_age(const cli *c, const char *option, uint64_t otherwise, uint64_t *out);
/* Each member of a JSON array on a line; `text` is released. */
int cli_print_members(cli *c, mst_bytes *text, int (*each)(cli *c, const json_t *member));
int cli_print_key(cli *c, const json_t *key);
/* What a change did: {"version": N, …} with --json, else a line for people. `report` is released; NULL: none. */
int cli_dataset_done(cli *c, mst_dataset *d, mst_bytes *report);

extern const cli_command cli_dataset_read, cli_dataset_count, cli_dataset_show_command, cli_dataset_log, cli_dataset_gc,
    cli_dataset_expire, cli_dataset_drop, cli_dataset_create, cli_dataset_append, cli_dataset_upsert,
    cli_dataset_update, cli_dataset_delete, cli_dataset_index, cli_dataset_compact, cli_dataset_restore,
    cli_dataset_write, cli_dataset_commit;

#endif
