/*
 * guide_talk.c - greetings, thanks and other small talk
 */
#include "app/guide_dataset.h"

#include <stdlib.h>
#include <string.h>

#include "app/guide_phrases.h"

struct talk {
    const char *answer;
    const char *patterns;
};

/* clang-format off */
static const struct talk talks[] = {
    {"Hello! Ask me anything about banter.",
     "hello; hi; hey; good morning; good evening; good afternoon; hello there; hi there; hey "
     "there; greetings; howdy; hello guide; hi guide; hallo; yo; good day; hello again; hi "
     "again; hey guide; welcome"},
    {"You are welcome.",
     "thanks; thank you; thanks a lot; thank you very much; many thanks; thx; great, thanks; "
     "perfect, thank you; that helped, thanks; thanks for your help; cheers; much "
     "appreciated; ok thanks; thanks so much; thank you guide; that was helpful; very kind of "
     "you"},
    {"Goodbye! Ctrl-D leaves.",
     "bye; goodbye; see you; good night; farewell; see you later; bye bye; I am leaving; I "
     "have to go; until tomorrow; take care; so long; I'm off; that's all for today; I am "
     "done"},
    {"I am fine, thank you. What would you like to know about banter?",
     "how are you; how do you do; how is it going; are you well; how are you today; how do "
     "you feel; are you ok; is everything all right with you; how was your day; are you fine"},
    {"Gladly. Ask me about a key, a command or a setting.",
     "help; help me; can you help; I need help; I am new here; I am lost; I don't know what "
     "to do; where do I begin; how do I start; what now; I need some help; please help; could "
     "you help me; I have a problem; can I ask you something; I'm stuck"},
    {"Good. Anything else about banter?",
     "ok; okay; good; great; fine; nice; cool; I see; understood; got it; all right; yes; "
     "sure; that works; it works; perfect; wonderful; excellent; very good; aha; makes sense; "
     "well done; good job; good answer; you are great; you are good; I like you; I love you; "
     "awesome"},
    {"I am sorry. I am small; ask me in other words.",
     "you are stupid; you are dumb; that is wrong; this is wrong; you are useless; bad "
     "answer; that was no help; you don't understand me; no; you are wrong; wrong; nonsense; "
     "that makes no sense; idiot; I hate you; shut up; you suck; that did not help; that's "
     "not what I asked; this is bad; stupid machine; you know nothing; terrible; this is "
     "rubbish; not good"},
    {"I am a program; I feel nothing and have no plans.",
     "are you alive; do you have feelings; are you happy; do you sleep; do you dream; are you "
     "conscious; do you like me; do you have friends; are you sad; are you bored; do you eat; "
     "do you love; are you lonely; do you have a family; are you married; do you have a body; "
     "are you afraid; can you feel pain"},
    {"Yes, I am here. Ask me about banter.",
     "are you there; anybody there; is anyone there; test; testing; ping; can you hear me; do "
     "you work; does this work; is this on; are you awake; say something; speak; are you "
     "ready; one two three test"},
    {"I did not understand that. Ask me about banter, or type /help.",
     "asdf; qwerty; blah; bla bla; hmm; what; huh; foo; xyz; ???; ...; lorem ipsum; hjkl; "
     "aaaa; uh; sdfgh; 12345; abc; x; mmm; um; jkl; fghj; zzz; qwe; asdfgh; wat; lol; haha"},
};
/* clang-format on */

enum { N_TALKS = sizeof talks / sizeof *talks };

struct choice {
    struct guide_random *random;
    size_t n;
    const char *answer;
    struct text_buffer text;
};

/* Each with the same chance: number n replaces the one before with chance 1/n. */
static void take(void *taker, const char *text)
{
    struct choice *choice = taker;

    if (guide_below(choice->random, ++choice->n) == 0) {
        text_clear(&choice->text);
        text_add(&choice->text, text);
    }
}

bool guide_talk_turn(struct guide_random *random, struct guide_turn *turn)
{
    const struct talk *talk = &talks[guide_below(random, N_TALKS)];
    struct choice choice = {.random = random};

    guide_expand(talk->patterns, take, &choice);
    guide_decorate(random, text_string(&choice.text), false, false, &turn->question);
    if (guide_chance(random, 25))
        text_add(&turn->question, guide_chance(random, 60) ? "!" : ".");
    text_add(&turn->answer, talk->answer);
    text_add(&turn->about, "This is small talk.");
    text_release(&choice.text);
    return true;
}
