/*
 * script_reader.h - words, numbers and texts of a script's line
 *
 * Thread: the reader's.
 */
#ifndef ENGINE_RUN_SCRIPT_READER_H
#define ENGINE_RUN_SCRIPT_READER_H

#include "engine/run/script.h"

/* One line that is being read. */
struct script_reader {
    struct script *script;
    const char *at, *end; /* of the line, without its end */
    unsigned line;
    uint32_t lane;   /* that what follows is for */
    uint32_t repeat; /* for the next think or text; 0: none given */
    unsigned repeat_line;
    size_t n_defaults; /* steps before the first answer */
    struct error *error;
};

/* DAMAGED, at this line. */
enum status script_refuse(struct script_reader *reader, const char *what);
enum status script_no_memory(struct script_reader *reader);
/* Number in [least, most], then a space or the end. */
enum status script_read_number(struct script_reader *reader, uint32_t least, uint32_t most,
                               uint32_t *number);
/* Nothing is left. */
enum status script_read_end(struct script_reader *reader);
/* The rest of the line; *bytes is owned by the caller and terminated. */
enum status script_read_text(struct script_reader *reader, char **bytes, size_t *n_bytes);
/* The index of the next word in a list; n_words: it is not there. */
uint32_t script_find_word(struct script_reader *reader, const char *const *words,
                          uint32_t n_words);

#endif
