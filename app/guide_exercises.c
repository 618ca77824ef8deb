/*
 * guide_exercises.c - short exercises whose answers follow from their questions
 */
#include "app/guide_dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/guide_phrases.h"

enum { HELD_OUT_ONE_IN = 8, LIST_MAX = 6 };

static const char *const words[] = {
    "apple",  "bread",  "chair",  "door",   "eagle",  "forest",   "garden", "house",
    "island", "jacket", "kettle", "lamp",   "market", "needle",   "orange", "paper",
    "queen",  "river",  "stone",  "table",  "uncle",  "valley",   "window", "yellow",
    "zebra",  "anchor", "basket", "candle", "desk",   "engine",   "field",  "glass",
    "hammer", "ink",    "jar",    "key",    "leaf",   "mirror",   "night",  "ocean",
    "pencil", "quilt",  "road",   "salt",   "tower",  "umbrella", "violin", "water",
    "yard",   "autumn", "bridge", "cloud",  "dream",  "earth",    "flower", "grass",
    "honey",  "iron",   "juice",  "kite",   "lemon",  "moon",     "nest",   "olive",
    "plate",  "rain",   "sugar",  "tree",   "voice",  "winter",   "cat",    "dog",
    "bird",   "fish",   "horse",  "milk",   "egg",    "cup",      "book",   "ship",
    "train",  "light",  "sand",   "wind",   "snow",   "fire",     "wall",   "roof",
    "shoe",   "coat",   "blue",   "green",  "red",    "white",    "black",  "small",
    "large",  "quick",  "slow",   "token",  "model",  "terminal", "screen", "prompt",
    "draft",  "kernel", "cache",
};
static const char *const names[] = {"Anna",  "Ben",  "Clara", "David", "Emma", "Frank",
                                    "Greta", "Hugo", "Ida",   "Jonas", "Karl", "Lena"};

#define PICK(random, list) (list)[guide_below(random, sizeof(list) / sizeof *(list))]

/* Different words. */
static void pick_words(struct guide_random *random, const char **list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool again = true;
        while (again) {
            list[i] = PICK(random, words);
            again = false;
            for (size_t j = 0; j < i; j++)
                again = again || list[j] == list[i];
        }
    }
}

static void add_list(struct text_buffer *out, const char *const *list, size_t n,
                     const char *between)
{
    for (size_t i = 0; i < n; i++)
        text_printf(out, "%s%s", i > 0 ? between : "", list[i]);
}

/* The frame with its one %s; a constant list stands behind each call. */
static void fill(struct text_buffer *out, const char *frame, const char *text)
{
    const char *slot = strstr(frame, "{x}");

    text_append(out, frame, (size_t)(slot - frame));
    text_add(out, text);
    text_add(out, slot + 3);
}

static void spell(struct guide_random *random, struct guide_turn *turn)
{
    static const char *const frames[] = {"spell {x}", "spell the word {x}",
                                         "how do you spell {x}?", "please spell {x}",
                                         "spell {x} letter by letter"};
    const char *word = PICK(random, words);

    fill(&turn->question, PICK(random, frames), word);
    for (size_t i = 0; word[i] != '\0'; i++)
        text_printf(&turn->answer, "%s%c", i > 0 ? "-" : "", word[i]);
    text_add(&turn->about, "I spell a word.");
}

static void count(struct guide_random *random, struct guide_turn *turn)
{
    static const char *const up[] = {"count to {x}", "count from 1 to {x}", "count up to {x}",
                                     "list the numbers from 1 to {x}"};
    static const char *const down[] = {"count down from {x}", "count backwards from {x}",
                                       "count from {x} down to 1"};
    bool is_up = guide_chance(random, 60);
    int n = 3 + (int)guide_below(random, 18);
    char number[16];

    snprintf(number, sizeof number, "%d", n);
    fill(&turn->question, is_up ? PICK(random, up) : PICK(random, down), number);
    for (int i = 1; i <= n; i++)
        text_printf(&turn->answer, "%s%d", i > 1 ? " " : "", is_up ? i : n + 1 - i);
    text_add(&turn->about, "I count.");
}

static void copy_phrase(struct guide_random *random, struct guide_turn *turn)
{
    static const char *const frames[] = {"say: {x}",  "repeat after me: {x}",  "copy this: {x}",
                                         "write {x}", "repeat the words: {x}", "echo {x}"};
    const char *list[LIST_MAX];
    size_t n = 1 + guide_below(random, 4);
    struct text_buffer text = {0};

    pick_words(random, list, n);
    add_list(&text, list, n, " ");
    fill(&turn->question, PICK(random, frames), text_string(&text));
    text_add(&turn->answer, text_string(&text));
    text_add(&turn->about, "I repeat the words.");
    text_release(&text);
}

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort(struct guide_random *random, struct guide_turn *turn)
{
    static const char *const frames[] = {"sort {x}", "sort these words: {x}",
                                         "put in alphabetical order: {x}",
                                         "sort alphabetically: {x}", "order these words: {x}"};
    const char *list[LIST_MAX];
    size_t n = 2 + guide_below(random, 3);
    struct text_buffer text = {0};

    pick_words(random, list, n);
    add_list(&text, list, n, ", ");
    fill(&turn->question, PICK(random, frames), text_string(&text));
    qsort(list, n, sizeof *list, compare_words);
    add_list(&turn->answer, list, n, ", ");
    text_add(&turn->about, "I sort the words.");
    text_release(&text);
}

static void sum(struct guide_random *random, struct guide_turn *turn)
{
    static const char *const frames[] = {"what is {x}?",     "{x}", "{x} =", "calculate {x}",
                                         "how much is {x}?", "{x}?"};
    int a = (int)guide_below(random, 11), b = (int)guide_below(random, 11);
    bool plus = guide_chance(random, 60);
    const char *sign = guide_chance(random, 75) ? plus ? "+" : "-" : plus ? "plus" : "minus";
    char text[32];

    if (!plus)
        a += b;
    const char *gap = guide_chance(random, 70) || sign[1] != '\0' ? " " : "";
    snprintf(text, sizeof text, "%d%s%s%s%d", a, gap, sign, gap, b);
    fill(&turn->question, PICK(random, frames), text);
    text_printf(&turn->answer, "%d %s %d = %d", a, plus ? "+" : "-", b, plus ? a + b : a - b);
    text_add(&turn->about, "This is a small sum.");
}

static void series(struct guide_random *random, struct guide_turn *turn)
{
    static const struct {
        const char *names, *answer;
    } all[] = {
        {"the days of the week",
         "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"},
        {"the weekdays", "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"},
        {"the months", "January, February, March, April, May, June, July, August, September, "
                       "October, November, December"},
        {"the months of the year", "January, February, March, April, May, June, July, August, "
                                   "September, October, November, December"},
        {"the seasons", "spring, summer, autumn, winter"},
        {"the four seasons", "spring, summer, autumn, winter"},
        {"the alphabet", "a b c d e f g h i j k l m n o p q r s t u v w x y z"},
        {"the letters of the alphabet", "a b c d e f g h i j k l m n o p q r s t u v w x y z"},
        {"the even numbers to 10", "2 4 6 8 10"},
        {"the odd numbers to 9", "1 3 5 7 9"},
    };
    static const char *const frames[] = {"list {x}",      "name {x}", "tell me {x}",
                                         "what are {x}?", "say {x}",  "write down {x}"};
    size_t i = guide_below(random, sizeof all / sizeof *all);

    fill(&turn->question, PICK(random, frames), all[i].names);
    text_add(&turn->answer, all[i].answer);
    text_add(&turn->about, "I list what everybody knows.");
}

static void repeat(struct guide_random *random, struct guide_turn *turn)
{
    static const char *const times[] = {"two", "three", "four", "five", "six"};
    static const char *const frames[] = {"say {x} times", "repeat {x} times", "write {x} times",
                                         "print {x} times"};
    const char *word = PICK(random, words);
    size_t n = guide_below(random, 5);
    char text[64];

    if (guide_chance(random, 50))
        snprintf(text, sizeof text, "%s %s", word, times[n]);
    else
        snprintf(text, sizeof text, "%s %zu", word, n + 2);
    fill(&turn->question, PICK(random, frames), text);
    for (size_t i = 0; i < n + 2; i++)
        text_printf(&turn->answer, "%s%s", i > 0 ? " " : "", word);
    text_add(&turn->about, "I repeat a word.");
}

static void table(struct guide_random *random, struct guide_turn *turn)
{
    static const char *const frames[] = {"make a table of {x}", "write a table with {x}",
                                         "a markdown table of {x}", "put {x} in a table"};
    const char *list[LIST_MAX];
    size_t n = 2 + guide_below(random, 3);
    struct text_buffer text = {0};

    pick_words(random, list, n);
    add_list(&text, list, n, ", ");
    fill(&turn->question, PICK(random, frames), text_string(&text));
    text_add(&turn->answer, "| number | word |\n| --- | --- |");
    for (size_t i = 0; i < n; i++)
        text_printf(&turn->answer, "\n| %zu | %s |", i + 1, list[i]);
    text_add(&turn->about, "I write a table.");
    text_release(&text);
}

static void bullets(struct guide_random *random, struct guide_turn *turn)
{
    static const char *const frames[] = {"make a list of {x}", "write {x} as a list",
                                         "a bullet list of {x}", "a shopping list with {x}",
                                         "write a shopping list: {x}"};
    const char *list[LIST_MAX];
    size_t n = 2 + guide_below(random, 4);
    struct text_buffer text = {0};

    pick_words(random, list, n);
    add_list(&text, list, n, ", ");
    fill(&turn->question, PICK(random, frames), text_string(&text));
    text_add(&turn->answer, "- ");
    add_list(&turn->answer, list, n, "\n- ");
    text_add(&turn->about, "I write a list.");
    text_release(&text);
}

static void code(struct guide_random *random, struct guide_turn *turn)
{
    static const char *const frames[] = {"write a loop in {x}", "a loop in {x}",
                                         "show me a loop in {x}", "print numbers in {x}"};
    static const char *const languages[] = {"C", "Python", "bash"};
    static const char *const ends[] = {" that prints 1 to {x}", " from 1 to {x}", " up to {x}"};
    size_t language = guide_below(random, 3);
    int n = 3 + (int)guide_below(random, 18);
    char number[16];

    snprintf(number, sizeof number, "%d", n);
    fill(&turn->question, PICK(random, frames), languages[language]);
    fill(&turn->question, PICK(random, ends), number);
    if (language == 0)
        text_printf(&turn->answer,
                    "```c\nfor (int i = 1; i <= %d; i++)\n    printf(\"%%d\\n\", i);\n```", n);
    else if (language == 1)
        text_printf(&turn->answer, "```python\nfor i in range(1, %d):\n    print(i)\n```",
                    n + 1);
    else
        text_printf(&turn->answer, "```bash\nfor i in $(seq 1 %d); do\n    echo $i\ndone\n```",
                    n);
    text_add(&turn->about, "I write a loop.");
}

static void prints(struct guide_random *random, struct guide_turn *turn)
{
    static const char *const frames[] = {"print {x} in ", "a program that prints {x} in ",
                                         "how do I print {x} in "};
    const char *list[2];
    struct text_buffer text = {0};
    size_t language = guide_below(random, 3);

    pick_words(random, list, 2);
    add_list(&text, list, 1 + guide_below(random, 2), " ");
    fill(&turn->question, PICK(random, frames), text_string(&text));
    text_add(&turn->question, language == 0 ? "C" : language == 1 ? "Python" : "bash");
    if (language == 0)
        text_printf(&turn->answer, "```c\nprintf(\"%s\\n\");\n```", text_string(&text));
    else if (language == 1)
        text_printf(&turn->answer, "```python\nprint(\"%s\")\n```", text_string(&text));
    else
        text_printf(&turn->answer, "```bash\necho \"%s\"\n```", text_string(&text));
    text_add(&turn->about, "I write a line of code.");
    text_release(&text);
}

static void letter(struct guide_random *random, struct guide_turn *turn)
{
    static const char *const frames[] = {"write a letter to {x}", "write a short letter to {x}",
                                         "write a note to {x}"};
    const char *to = PICK(random, names), *from = PICK(random, names);
    const char *thing = PICK(random, words);

    fill(&turn->question, PICK(random, frames), to);
    text_printf(&turn->question, " about the %s, from %s", thing, from);
    text_printf(&turn->answer, "Dear %s,\n\nthank you for the %s.\n\nYours,\n%s", to, thing,
                from);
    text_add(&turn->about, "I write a letter.");
}

static void compare(struct guide_random *random, struct guide_turn *turn)
{
    static const char *const frames[] = {"which is larger, {x}?", "what is greater, {x}?",
                                         "the larger of {x}?"};
    int a = (int)guide_below(random, 21), b = (int)guide_below(random, 20);
    char text[32];

    b += b >= a;
    snprintf(text, sizeof text, "%d or %d", a, b);
    fill(&turn->question, PICK(random, frames), text);
    text_printf(&turn->answer, "%d", a > b ? a : b);
    text_add(&turn->about, "I compare two numbers.");
}

static void (*const exercises[])(struct guide_random *, struct guide_turn *) = {
    spell, spell,  count,  count,  copy_phrase, copy_phrase, sort, sort,   sum,    sum,
    sum,   series, repeat, repeat, table,       bullets,     code, prints, letter, compare,
};

bool guide_exercise_turn(struct guide_random *random, bool held_out, struct guide_turn *turn)
{
    struct text_buffer plain = {0};

    PICK(random, exercises)(random, turn);
    text_add(&plain, text_string(&turn->question));
    char *key = guide_words(text_string(&plain));
    bool is_held_out = guide_hash(key) % HELD_OUT_ONE_IN == 0;
    free(key);
    text_clear(&turn->question);
    guide_decorate(random, text_string(&plain), false, false, &turn->question);
    text_add(&turn->expect, text_string(&turn->answer));
    text_release(&plain);
    return is_held_out == held_out;
}
