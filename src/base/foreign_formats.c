// Formats of others; see foreign_formats.h.
#include "base/foreign_formats.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/decompress.h"

typedef struct foreign_format {
  const char *name;
  size_t at; // where the mark stands
  const char *mark;
  size_t bytes;
  bool printable;      // the mark could be text, so a byte that no text has must be there as well
  const char *makes;   // what the command prints: "csv of it"; NULL: it is no command but advice
  const char *command; // '@' stands for the path
} foreign_format;

#define ONE_FILE       "text of it if it holds one file"
#define MARK(at, text) at, text, sizeof(text) - 1
#define PANDAS(read)   "python3 -c \"import pandas; pandas." read ".to_csv('/dev/stdout', index=False)\""
#define ARROW(module, read) \
  "python3 -c \"import pyarrow." module " as f, pyarrow.csv as c; c.write_csv(" read ", '/dev/stdout')\""
#define DUCKDB(table) "duckdb -c \"COPY (SELECT * FROM " table ") TO '/dev/stdout' (FORMAT csv, HEADER)\""

static const foreign_format formats[] = {
    {"a Parquet file", MARK(0, "PAR1"), true, "csv of it", DUCKDB("'@'")},
    {"an encrypted Parquet file", MARK(0, "PARE"), true, NULL, "decrypt it with the program that wrote it"},
    {"an ORC file", MARK(0, "ORC"), true, "csv of it", ARROW("orc", "f.read_table('@')")},
    {"an Avro file", MARK(0, "Obj\x01"), false, "jsonl of it", "python3 -m fastavro '@'"},
    {"an Arrow file (Feather)", MARK(0, "ARROW1\0\0"), false, "csv of it",
     ARROW("feather", "f.read_table('@')")},
    {"a Feather file", MARK(0, "FEA1"), true, "csv of it", ARROW("feather", "f.read_table('@')")},
    {"an HDF5 file", MARK(0, "\x89HDF\r\n\x1a\n"), false, "csv of it", PANDAS("read_hdf('@')")},
    {"a spreadsheet (.xls)", MARK(0, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"), false, "csv of it",
     PANDAS("read_excel('@')")},
    {"a zip archive", MARK(0, "PK\x03\x04"), false, ONE_FILE, "unzip -p '@'"},
    {"an empty zip archive", MARK(0, "PK\x05\x06"), false, NULL, "there is nothing in it"},
    {"a 7z archive", MARK(0, "7z\xBC\xAF\x27\x1C"), false, ONE_FILE, "7z x -so '@'"},
    {"a rar archive", MARK(0, "Rar!\x1A\x07"), false, ONE_FILE, "unrar p -inul '@'"},
    {"a tar archive", MARK(257, "ustar"), true, ONE_FILE, "tar -xOf '@'"},
    {"an lz4 file", MARK(0, "\x04\x22\x4D\x18"), false, "text of it", "lz4 -dc '@'"},
    {"an lz4 file", MARK(0, "\x02\x21\x4C\x18"), false, "text of it", "lz4 -dc '@'"},
    {"a snappy file", MARK(0, "\xFF\x06\0\0sNaPpY"), false, "text of it",
     "python3 -c \"import snappy, sys; snappy.stream_decompress(open('@', 'rb'), sys.stdout.buffer)\""},
    {"an lzop file", MARK(0, "\x89LZO\0\r\n\x1A\n"), false, "text of it", "lzop -dc '@'"},
    {"an lzip file", MARK(0, "LZIP\x01"), false, "text of it", "lzip -dc '@'"},
    {"an lzma file", MARK(0, "\x5D\0\0"), false, "text of it", "xz -dc --format=lzma '@'"},
    {"a compress file (.Z)", MARK(0, "\x1F\x9D"), false, "text of it", "gzip -dc <'@'"},
    {"an SQLite database", MARK(0, "SQLite format 3\0"), false, "csv of it",
     "sqlite3 -header -csv '@' 'SELECT * FROM a_table'"},
    {"a DuckDB database", MARK(8, "DUCK"), true, "csv of it",
     "duckdb '@' -c \"COPY a_table TO '/dev/stdout' (FORMAT csv, HEADER)\""},
    {"a Hadoop sequence file", MARK(0, "SEQ\x06"), false, "text of it", "hadoop fs -text '@'"},
    {"an R workspace", MARK(0, "RDX"), true, NULL,
     "write.csv(DATA, stdout(), row.names = FALSE) in R prints its rows"},
    {"an R object", MARK(0, "X\n\0\0\0"), false, "csv of it",
     "Rscript -e \"write.csv(readRDS('@'), stdout(), row.names = FALSE)\""},
    {"a NumPy array", MARK(0, "\x93NUMPY"), false, "csv of it, without a header",
     "python3 -c \"import numpy, sys; numpy.savetxt(sys.stdout, numpy.load('@'), '%s', ',')\""},
    {"a Python pickle", MARK(0, "\x80\x02"), false, "csv of it", PANDAS("read_pickle('@')")},
    {"a Python pickle", MARK(0, "\x80\x03"), false, "csv of it", PANDAS("read_pickle('@')")},
    {"a Python pickle", MARK(0, "\x80\x04"), false, "csv of it", PANDAS("read_pickle('@')")},
    {"a Python pickle", MARK(0, "\x80\x05"), false, "csv of it", PANDAS("read_pickle('@')")},
    {"a PDF document", MARK(0, "%PDF-"), false, NULL, "its tables have to be taken out with a tool for that"},
    {"a Git LFS pointer, not the file itself", MARK(0, "version https://git-lfs.github.com/spec/"), false,
     NULL, "git lfs pull fetches it"},
};

// "zip", of the kind that spreadsheet programs write.
static const foreign_format spreadsheet = {"a spreadsheet (.xlsx)", MARK(0, "PK\x03\x04"), false, "csv of it",
                                           PANDAS("read_excel('@')")};
static const foreign_format web_page = {
    "a web page (HTML)",
    0,
    "",
    0,
    false,
    NULL,
    "what was saved is a page about the data, perhaps a log-in or an error; fetch the data itself"};

static bool holds_no_text(const unsigned char *head, size_t n) {
  for (size_t i = 0; i < n; i++)
    if ((head[i] < 0x20 && head[i] != '\t' && head[i] != '\n' && head[i] != '\r') || head[i] == 0x7F)
      return true;
  return false;
}

static bool matches(const foreign_format *f, const unsigned char *head, size_t n) {
  return n >= f->at + f->bytes && memcmp(head + f->at, f->mark, f->bytes) == 0 &&
         (!f->printable || holds_no_text(head, n));
}

static bool is_web_page(const unsigned char *head, size_t n) {
  size_t at = 0;
  while (at < n && (head[at] <= ' ' || head[at] >= 0x80)) at++; // a byte order mark too
  return (n - at >= 14 && strncasecmp((const char *)head + at, "<!doctype html", 14) == 0) ||
         (n - at >= 5 && strncasecmp((const char *)head + at, "<html", 5) == 0);
}

static bool is_spreadsheet(const unsigned char *head, size_t n) {
  static const char *const names[] = {"[Content_Types].xml", "_rels/.rels", "xl/", "docProps/",
                                      "mimetypeapplication/vnd.oasis.opendocument.spreadsheet"};
  enum { NAME_AT = 30 }; // in the first local header
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const size_t bytes = strlen(names[i]);
    if (n >= NAME_AT + bytes && memcmp(head + NAME_AT, names[i], bytes) == 0) return true;
  }
  return false;
}

static const foreign_format *format_of(const unsigned char *head, size_t n) {
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
    if (matches(&formats[i], head, n))
      return matches(&spreadsheet, head, n) && is_spreadsheet(head, n) ? &spreadsheet : &formats[i];
  return is_web_page(head, n) ? &web_page : NULL;
}

static void put_command(char *to, size_t size, const char *command, const char *path) {
  size_t at = 0;
  for (const char *p = command; *p != '\0' && at + 1 < size; p++) {
    if (*p != '@') {
      to[at++] = *p;
      continue;
    }
    at += (size_t)snprintf(to + at, size - at, "%s", path != NULL ? path : "FILE");
    if (at >= size) at = size - 1;
  }
  to[at] = '\0';
}

status foreign_formats_check(const unsigned char *head, size_t n, const foreign_file *file) {
  char command[PATH_MAX + 256];
  const codec *again = file->packed != NULL ? codec_of(head, n, CODEC_MORE_FOLLOWS) : NULL;
  if (again != NULL)
    return fail(ERR_UNSUPPORTED, "%s is compressed twice, with %s and then with %s; unpack it once",
                file->name, codec_name(again), file->packed);
  const foreign_format *f = format_of(head, n);
  if (f == NULL) return OK;
  if (f->makes == NULL) return fail(ERR_UNSUPPORTED, "%s is %s; %s", file->name, f->name, f->command);
  put_command(command, sizeof command, f->command, file->path);
  return fail(ERR_UNSUPPORTED,
              "%s is %s%s%s, which Souk does not read; this makes %s, for --log - or --catalogue -: %s",
              file->name, f->name, file->packed != NULL ? " under " : "",
              file->packed != NULL ? file->packed : "", f->makes, command);
}
