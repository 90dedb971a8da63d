/* codec/codec.h - compressed bytes in, plain bytes out, no I/O: what other modules may include of this one.
 *
 * Owns: the codecs' state. May call: base, and libdeflate, libzstd, zlib. May be included by: column-based formats
 * (parquet), containers and formats. */
#ifndef MST_CODEC_CODEC_H
#define MST_CODEC_CODEC_H

#include "codec/bgzf.h"    /* blocks of BGZF, and .gzi lists                            */
#include "codec/block.h"   /* whole blocks of Parquet pages in one call                 */
#include "codec/crc.h"     /* CRC-32 and its arithmetic                                 */
#include "codec/gzip.h"    /* heads of gzip members                                     */
#include "codec/inflate.h" /* DEFLATE that can be entered in the middle                 */
#include "codec/zstd.h"    /* zstd frames and seek tables                               */

#endif
