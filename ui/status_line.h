/*
 * status_line.h - fields in, a line of the status out
 *
 * Where a line is too narrow for all of its fields, the one of the lowest rank gives way: it
 * becomes brief if it can, else it is cut if it may be, else it goes - to the line below, if it
 * moves and there is one.
 *
 * Pure.
 */
#ifndef UI_STATUS_LINE_H
#define UI_STATUS_LINE_H

#include "ui/spark.h"
#include "ui/status.h"

#define FIELD_BYTES  420
#define N_FIELDS_MAX 20

/* Fields with a lower rank give way first. */
enum rank {
    RANK_KEYS,
    RANK_AGE,
    RANK_CACHE,
    RANK_FIRST_TOKEN,
    RANK_TOKENS,
    RANK_AMOUNT,
    RANK_REASON,
    RANK_AVERAGE,
    RANK_LENGTH,
    RANK_SPARK,
    RANK_STATE,
    RANK_SPEEDUP,
    RANK_ACCEPTANCE,
    RANK_SPEED,
    RANK_CONTEXT,
    RANK_STOP,
    RANK_REMAINING,
    RANK_PHASE,
    RANK_POLICY,
    RANK_RATE
};

enum field_kind {
    FIELD_TEXT,
    FIELD_BAR,  /* takes the columns that are left, to a limit */
    FIELD_SPARK /* the same */
};

struct field {
    enum rank rank;
    enum field_kind kind;
    bool right; /* at the right end */
    bool close; /* one blank before it, not two */
    bool moves;
    bool cuts;
    char text[FIELD_BYTES];
    char brief[FIELD_BYTES]; /* "": none */
    enum rank brief_rank;    /* its rank once it is brief */
};

struct line {
    struct field fields[N_FIELDS_MAX];
    int n_fields;
    bool tightens; /* before more than side issues go, all are brief and one blank apart */
    bool tight;
    double fraction; /* of the bar */
    const struct spark *spark;
};

/* The field, to be filled on; there is always one. */
struct field *line_add(struct line *line, enum rank rank, const char *text);
struct field *line_add_right(struct line *line, enum rank rank, const char *text,
                             const char *brief);
/* below: NULL: none. */
void line_fit(struct line *line, int columns, struct line *below);
/* Of a line that fits. */
void line_render(const struct line *line, int columns, bool ascii, char out[STATUS_LINE]);

/* Adds text at byte `at`, if there is room; returns the end. */
size_t line_put(char *out, size_t at, const char *text);
size_t line_put_blanks(char *out, size_t at, int n);
/* Bytes of the longest beginning of `text` within `columns`. */
size_t line_fitting(const char *text, int columns);

#endif
