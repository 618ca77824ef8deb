/*
 * transcript.c - the blocks of a conversation and the rows that they take (transcript.h)
 */
#include "ui/transcript.h"

#include <stdlib.h>
#include <string.h>

#define INDENT     3
#define HEADING_AT 1

/* A filtered copy on one line; NULL for NULL, for "" and when out of memory. */
static char *copy_line(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : text_filtered_line(text);
}

static void release_block(struct transcript_block *block)
{
    free(block->heading);
    free(block->summary);
    text_buffer_release(&block->text);
    layout_release(&block->layout);
    marks_release(&block->marks);
}

static int text_columns(const struct transcript *transcript)
{
    int indent = transcript->style == TRANSCRIPT_BARE ? 0 : INDENT;
    return transcript->columns > indent ? transcript->columns - indent : 1;
}

static struct transcript_block *find_block(struct transcript *transcript, uint32_t number)
{
    return number >= 1 && number <= transcript->n_blocks ? &transcript->blocks[number - 1]
                                                         : NULL;
}

static void touch(struct transcript *transcript, const struct transcript_block *block)
{
    size_t index = (size_t)(block - transcript->blocks);
    if (index < transcript->dirty_from)
        transcript->dirty_from = index;
}

void transcript_init(struct transcript *transcript, bool show_thinking)
{
    *transcript = (struct transcript){.columns = 80, .show_thinking = show_thinking};
}

void transcript_release(struct transcript *transcript)
{
    transcript_remove(transcript, 1);
    free(transcript->blocks);
    *transcript = (struct transcript){0};
}

uint32_t transcript_add(struct transcript *transcript, enum ui_block_kind kind,
                        const char *heading)
{
    if (transcript->n_blocks == transcript->capacity) {
        size_t capacity = transcript->capacity * 2 + 16;
        struct transcript_block *blocks =
            realloc(transcript->blocks, capacity * sizeof *transcript->blocks);
        if (blocks == NULL)
            return 0;
        transcript->blocks = blocks;
        transcript->capacity = capacity;
    }
    struct transcript_block *block = &transcript->blocks[transcript->n_blocks++];
    *block = (struct transcript_block){.kind = kind, .heading = copy_line(heading)};
    block->version = ++transcript->version;
    ui_filter_init(&block->filter);
    layout_init(&block->layout, text_columns(transcript));
    if (kind == UI_BLOCK_THINKING)
        block->folded = transcript->thinking == THINKING_AS_ASKED
                            ? !transcript->show_thinking
                            : transcript->thinking == THINKING_CLOSED;
    touch(transcript, block);
    return (uint32_t)transcript->n_blocks;
}

void transcript_append(struct transcript *transcript, uint32_t number, const char *bytes,
                       size_t n_bytes)
{
    transcript_append_marked(transcript, number, bytes, n_bytes, UI_MARK_NONE);
}

void transcript_append_marked(struct transcript *transcript, uint32_t number, const char *bytes,
                              size_t n_bytes, enum ui_mark mark)
{
    struct transcript_block *block = find_block(transcript, number);
    if (block == NULL || n_bytes > SIZE_MAX / 8 ||
        !text_buffer_reserve(&block->text, ui_filter_room(n_bytes)))
        return;
    marks_add(&block->marks, block->text.n_bytes, mark);
    block->text.n_bytes +=
        ui_filter_text(&block->filter, bytes, n_bytes, block->text.bytes + block->text.n_bytes);
    touch(transcript, block);
}

void transcript_finish(struct transcript *transcript, uint32_t number)
{
    struct transcript_block *block = find_block(transcript, number);
    if (block == NULL)
        return;
    block->finished = true;
    if (text_buffer_reserve(&block->text, ui_filter_room(0)))
        block->text.n_bytes +=
            ui_filter_finish(&block->filter, block->text.bytes + block->text.n_bytes);
    touch(transcript, block);
}

static void set_folded(struct transcript *transcript, struct transcript_block *block,
                       bool folded)
{
    block->folded = folded;
    block->version = ++transcript->version;
    touch(transcript, block);
}

void transcript_fold(struct transcript *transcript, uint32_t number, bool folded,
                     const char *summary)
{
    struct transcript_block *block = find_block(transcript, number);
    if (block == NULL)
        return;
    if (summary != NULL) {
        free(block->summary);
        block->summary = copy_line(summary);
    }
    if (block->kind == UI_BLOCK_THINKING && transcript->thinking != THINKING_AS_ASKED)
        folded = transcript->thinking == THINKING_CLOSED;
    set_folded(transcript, block, folded);
}

void transcript_toggle_thinking(struct transcript *transcript)
{
    bool any_folded = false;
    for (size_t i = 0; i < transcript->n_blocks; i++)
        any_folded |=
            transcript->blocks[i].kind == UI_BLOCK_THINKING && transcript->blocks[i].folded;
    transcript->thinking = any_folded ? THINKING_OPEN : THINKING_CLOSED;
    for (size_t i = 0; i < transcript->n_blocks; i++)
        if (transcript->blocks[i].kind == UI_BLOCK_THINKING)
            set_folded(transcript, &transcript->blocks[i], !any_folded);
}

void transcript_remove(struct transcript *transcript, uint32_t first)
{
    if (first == 0)
        first = 1;
    while (transcript->n_blocks >= first)
        release_block(&transcript->blocks[--transcript->n_blocks]);
    transcript->version++;
    if (transcript->dirty_from > transcript->n_blocks)
        transcript->dirty_from = transcript->n_blocks;
    transcript->n_rows = 0;
    if (transcript->n_blocks > 0) {
        const struct transcript_block *last = &transcript->blocks[transcript->n_blocks - 1];
        transcript->n_rows = last->first_row + last->n_rows;
    }
}

void transcript_set_shape(struct transcript *transcript, int columns,
                          enum transcript_style style)
{
    if (columns == transcript->columns && style == transcript->style)
        return;
    transcript->columns = columns;
    transcript->style = style;
    transcript->dirty_from = 0;
    for (size_t i = 0; i < transcript->n_blocks; i++) {
        layout_reset(&transcript->blocks[i].layout, text_columns(transcript));
        transcript->blocks[i].version = ++transcript->version;
    }
}

/* Folded thinking is a line over the answer, not a speaker of its own. */
static bool is_folded_thought(const struct transcript_block *block)
{
    return block != NULL && block->kind == UI_BLOCK_THINKING && block->folded;
}

static bool is_remark(const struct transcript_block *block)
{
    return block->kind == UI_BLOCK_NOTICE || block->kind == UI_BLOCK_ERROR;
}

/* The decoration is drawn for the block as a whole; blank rows at its ends are left out. */
static void count_rows(const struct transcript *transcript, size_t index)
{
    struct transcript_block *block = &transcript->blocks[index];
    const struct transcript_block *previous = index > 0 ? &transcript->blocks[index - 1] : NULL;
    bool full = transcript->style == TRANSCRIPT_FULL;
    block->has_heading = full && block->heading != NULL && !is_folded_thought(block);
    block->has_spacer = full && previous != NULL && !is_folded_thought(previous) &&
                        !(is_remark(previous) && is_remark(block) && block->heading == NULL);
    const struct layout_row *rows = block->layout.rows;
    size_t first = 0, end = block->layout.n_rows;
    while (first < end && rows[first].n_shown == 0)
        first++;
    while (end > first && rows[end - 1].n_shown == 0)
        end--;
    block->first_body = first;
    block->n_body = block->folded ? 1 : end - first;
    block->n_rows = block->has_heading + block->n_body;
    if (block->n_rows > 0)
        block->n_rows += block->has_spacer;
}

void transcript_update(struct transcript *transcript)
{
    size_t row = 0;
    if (transcript->dirty_from > 0 && transcript->dirty_from <= transcript->n_blocks) {
        const struct transcript_block *before = &transcript->blocks[transcript->dirty_from - 1];
        row = before->first_row + before->n_rows;
    }
    for (size_t i = transcript->dirty_from; i < transcript->n_blocks; i++) {
        struct transcript_block *block = &transcript->blocks[i];
        if (!block->folded)
            layout_append(&block->layout, block->text.bytes, block->text.n_bytes);
        count_rows(transcript, i);
        block->first_row = row;
        row += block->n_rows;
        transcript->n_rows = row;
    }
    if (transcript->n_blocks == 0)
        transcript->n_rows = 0;
    transcript->dirty_from = transcript->n_blocks;
}

static size_t block_at_row(const struct transcript *transcript, size_t row)
{
    size_t low = 0, high = transcript->n_blocks;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (transcript->blocks[middle].first_row <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void fill_body(const struct transcript_block *block, size_t row,
                      struct transcript_row *out)
{
    if (block->folded) {
        out->part = TRANSCRIPT_FOLD;
        out->indent = out->indent > HEADING_AT ? HEADING_AT : 0;
        out->text = block->summary != NULL             ? block->summary
                    : block->kind != UI_BLOCK_THINKING ? "folded"
                    : block->finished                  ? "thought"
                                                       : "thinking";
        out->n_bytes = strlen(out->text);
        out->is_first = true;
        return;
    }
    const struct layout_row *laid_out = &block->layout.rows[block->first_body + row];
    out->part = TRANSCRIPT_BODY;
    out->body_row = block->first_body + row;
    out->offset = laid_out->start;
    out->text = block->text.bytes + laid_out->start;
    out->n_bytes = laid_out->n_shown;
    out->is_first = row == 0;
}

bool transcript_row(const struct transcript *transcript, size_t row, struct transcript_row *out)
{
    *out = (struct transcript_row){0};
    if (row >= transcript->n_rows)
        return false;
    size_t index = block_at_row(transcript, row);
    const struct transcript_block *block = &transcript->blocks[index];
    out->block = block;
    out->block_index = index;
    out->indent = transcript->style == TRANSCRIPT_BARE ? 0 : INDENT;
    row -= block->first_row;
    if (block->has_spacer && row-- == 0) {
        out->part = TRANSCRIPT_SPACER;
        out->text = "";
        return true;
    }
    if (block->has_heading && row-- == 0) {
        out->part = TRANSCRIPT_HEADING;
        out->text = block->heading;
        out->n_bytes = strlen(block->heading);
        out->indent = HEADING_AT;
        return true;
    }
    fill_body(block, row, out);
    return true;
}

struct transcript_anchor transcript_anchor_of(const struct transcript *transcript, size_t row)
{
    struct transcript_row at;
    if (!transcript_row(transcript, row, &at))
        return (struct transcript_anchor){.block = SIZE_MAX};
    struct transcript_anchor anchor = {.block = at.block_index, .part = at.part};
    if (at.part == TRANSCRIPT_BODY)
        anchor.offset = at.block->layout.rows[at.body_row].start;
    return anchor;
}

struct transcript_anchor transcript_end(const struct transcript *transcript)
{
    if (transcript->n_blocks == 0)
        return (struct transcript_anchor){.block = SIZE_MAX};
    size_t block = transcript->n_blocks - 1, n_bytes = transcript->blocks[block].text.n_bytes;
    return (struct transcript_anchor){block, TRANSCRIPT_BODY, n_bytes > 0 ? n_bytes - 1 : 0};
}

size_t transcript_row_of(const struct transcript *transcript,
                         const struct transcript_anchor *anchor)
{
    if (anchor->block >= transcript->n_blocks)
        return transcript->n_rows;
    const struct transcript_block *block = &transcript->blocks[anchor->block];
    size_t row = block->first_row;
    if (block->n_rows == 0 || (anchor->part == TRANSCRIPT_SPACER && block->has_spacer))
        return row;
    row += block->has_spacer;
    if (anchor->part == TRANSCRIPT_HEADING && block->has_heading)
        return row;
    row += block->has_heading;
    if (block->folded || block->n_body == 0)
        return row;
    size_t body = layout_row_at(&block->layout, anchor->offset);
    if (body < block->first_body)
        return row;
    body -= block->first_body;
    return row + (body < block->n_body ? body : block->n_body - 1);
}
