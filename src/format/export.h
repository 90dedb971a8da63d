/* format/export.h - companions in the field's own formats, written by one pass over an object.
 *
 * Owns: nothing. May be included by: the formats that offer them, and their tests. */
#ifndef MST_FORMAT_EXPORT_H
#define MST_FORMAT_EXPORT_H

#include "format/format.h"

/* "fai": what `samtools faidx` (or fqidx) writes, byte for byte, for plain and BGZF objects; MST_E_UNSUPPORTED, with
 * the reason, for what it refuses. */
mst_status mst_export_fai(const mst_job *job, mst_machine **out, mst_error *err);
/* "gzi": what `bgzip -r` writes. Only the heads of blocks are looked at. */
mst_status mst_export_gzi(const mst_job *job, mst_machine **out, mst_error *err);
/* Either by its name; MST_E_ARGUMENT for another one. */
mst_status mst_export_fai_or_gzi(const mst_job *job, const char *kind, mst_machine **out, mst_error *err);

#endif
