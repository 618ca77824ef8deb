/*
 * guide_phrases.h - frames around wordings, and the small differences of what people type
 *
 * Thread: one at a time.
 */
#ifndef APP_GUIDE_PHRASES_H
#define APP_GUIDE_PHRASES_H

#include <stdbool.h>
#include <stddef.h>

#include "app/guide_random.h"
#include "app/text_buffer.h"

struct guide_frame {
    unsigned kinds;
    const char *text; /* "how do I {x}?" */
};

/* A turn that only means something after another one; `what` says what is asked. */
enum guide_follow {
    GUIDE_FOLLOW_DEFAULT,
    GUIDE_FOLLOW_FLAG,
    GUIDE_FOLLOW_ENVIRONMENT,
    GUIDE_FOLLOW_RANGE,
    GUIDE_FOLLOW_SECTION,
    GUIDE_FOLLOW_CHANGE,
    GUIDE_FOLLOW_SET,
    GUIDE_FOLLOW_IS,    /* what does that do? */
    GUIDE_FOLLOW_USAGE, /* what can I give it? */
    GUIDE_FOLLOW_OPPOSITE,
    GUIDE_FOLLOW_AGAIN,
    GUIDE_FOLLOW_COUNT
};

/*
 * The lower-case words of a text with single blanks between them: what texts are compared by.
 * Letters, digits and the characters of names (/ _ - + ^ . < >) stay.  The caller frees it.
 */
char *guide_words(const char *text);
/* Does `inner` stand in `text`, at borders of words?  Both are plain words. */
bool guide_words_contain(const char *text, const char *inner);
/* Do these plain words stand in a frame or in a follow-up? */
bool guide_frames_contain(const char *words);

/* Is the frame never trained on? */
bool guide_frame_held_out(size_t frame);
size_t guide_frame_count(void);
const struct guide_frame *guide_frame(size_t frame);
/*
 * The words that mark a held-out frame or follow-up, number i; NULL behind the last.  They
 * stand in no text that is trained on.
 */
const char *guide_frame_mark(size_t i);

/* A frame of one of these kinds, held out or not; guide_frame_count() when there is none. */
size_t guide_frame_pick(struct guide_random *random, unsigned kinds, bool held_out);
/* The wording in the frame. */
void guide_frame_fill(struct text_buffer *out, size_t frame, const char *wording);
const char *guide_follow_pick(struct guide_random *random, enum guide_follow follow,
                              bool held_out);

/*
 * The question as somebody types it: a greeting, case, marks left out, now and then a slip.
 * is_ours: words such as "in banter" may be added.
 */
void guide_decorate(struct guide_random *random, const char *question, bool is_ours,
                    bool with_slips, struct text_buffer *out);

#endif
