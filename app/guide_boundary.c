/*
 * guide_boundary.c - what lies outside, in the frames of banter's own questions, and just inside
 *
 * A small model learns the words of a list by heart and takes a word that it never saw for one of
 * its own.  So these are composed: everyday verbs and things, names of programs, and names that
 * nobody ever heard, in every frame.  No held-out topic is among them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/guide_dataset.h"
#include "app/guide_phrases.h"

static const char *const verbs[] = {
    "mend",       "glue",     "bend",    "shake",    "borrow",  "lend",    "pack",
    "ship",       "dig",      "plough",  "sweep",    "dust",    "hammer",  "drill",
    "saw",        "weld",     "sharpen", "oil",      "peel",    "slice",   "boil",
    "grill",      "freeze",   "mix",     "stir",     "taste",   "season",  "feed",
    "brush",      "groom",    "chase",   "hunt",     "trap",    "tame",    "shave",
    "pierce",     "stitch",   "dye",     "bleach",   "darn",    "weave",   "crochet",
    "embroider",  "assemble", "adjust",  "inflate",  "tighten", "loosen",  "unlock",
    "lock",       "throw",    "kick",    "pull",     "push",    "drag",    "stack",
    "pile",       "sort out", "tidy",    "decorate", "varnish", "plaster", "insulate",
    "heat",       "cool",     "light",   "dim",      "hang",    "mount",   "frame",
    "photograph", "film",     "admire",  "describe", "sketch",  "sculpt",  "rent out",
    "insure",     "auction",  "donate",  "recycle",  "bury",    "wrap",    "unwrap",
    "label",      "number",   "count",   "divide",   "share",   "guard",
};
static const char *const things[] = {
    "acorn",         "anchor",
    "ankle",         "apron",
    "armchair",      "arrow",
    "attic",         "axe",
    "bacon",         "badge",
    "balcony",       "balloon",
    "banjo",         "barrel",
    "bathtub",       "beach",
    "bean",          "beard",
    "beaver",        "bell",
    "belt",          "bench",
    "biscuit",       "bishop",
    "blister",       "blouse",
    "bonfire",       "bookcase",
    "boot",          "bracelet",
    "bruise",        "bucket hat",
    "bulb",          "button",
    "cabbage",       "cabin",
    "cactus",        "cage",
    "calf",          "canal",
    "canoe",         "canvas",
    "caravan",       "carrot",
    "cave",          "cellar",
    "cello",         "chain",
    "cherry",        "chestnut",
    "chisel",        "cinema",
    "clarinet",      "cliff",
    "cloud",         "coal",
    "cobweb",        "coconut",
    "collar",        "comb",
    "comet",         "corridor",
    "cottage",       "cradle",
    "crane",         "cricket bat",
    "crocodile",     "crown",
    "crumb",         "cucumber",
    "cushion",       "daisy",
    "dentist",       "diamond",
    "dishwasher",    "ditch",
    "dolphin",       "dungeon",
    "eagle",         "earring",
    "eggplant",      "elbow",
    "emerald",       "envelope",
    "fairy",         "falcon",
    "farmhouse",     "feather",
    "ferry",         "fig",
    "flute",         "forest",
    "fork",          "fountain",
    "fox",           "frying pan",
    "funeral",       "gardener",
    "garlic",        "gate",
    "ghost ship",    "glove box",
    "goose",         "grape",
    "gravel",        "greenhouse",
    "hamster",       "handbag",
    "harbour",       "harp",
    "hedge",         "hedgehog",
    "helmet",        "hill",
    "honey",         "hospital",
    "hotel",         "icicle",
    "igloo",         "island",
    "ivy",           "jacket",
    "jam",           "jaw",
    "jeep",          "jewel",
    "jug",           "kangaroo",
    "kayak",         "kite",
    "kiwi",          "knee",
    "lake",          "lantern",
    "lawyer",        "leaf",
    "lemonade",      "leopard",
    "lettuce",       "lizard",
    "lobster",       "locket",
    "lorry",         "magnet",
    "mango",         "marble",
    "market",        "meadow",
    "melon",         "mill",
    "mine",          "monkey",
    "mosquito",      "moth",
    "mountain bike", "moustache",
    "mud",           "museum",
    "necktie",       "needle",
    "nest",          "nurse",
    "oar",           "oat",
    "olive",         "onion soup",
    "orchard",       "ostrich",
    "otter",         "owl",
    "pancake",       "parachute",
    "peach",         "peacock",
    "pear",          "pebble",
    "pelican",       "pepper",
    "perfume",       "pickle",
    "pigeon",        "pine",
    "pipe",          "plum",
    "pond",          "pony",
    "potato",        "pram",
    "prison",        "pudding",
    "pumpkin",       "puppet",
    "quilt",         "rabbit",
    "raft",          "raisin",
    "rake",          "raspberry",
    "rat",           "razor",
    "reef",          "rib",
    "rice",          "ruby",
    "rug",           "sail",
    "salad",         "salmon",
    "sandal",        "sandwich",
    "sauce",         "sausage",
    "scarecrow",     "scooter",
    "seal",          "shed",
    "shelf",         "shoulder",
    "shovel",        "shrimp",
    "skate",         "skirt",
    "sled",          "sleeve",
    "slipper",       "snail",
    "soap",          "sock",
    "sparrow",       "spider",
    "sponge",        "squirrel",
    "stable",        "stadium",
    "stool",         "stove",
    "straw",         "strawberry",
    "suitcase",      "swan",
    "swing",         "syrup",
    "tailor",        "tadpole",
    "tambourine",    "tangerine",
    "tiger",         "toad",
    "toaster",       "tomato",
    "toolbox",       "tooth",
    "torch",         "towel",
    "toy train",     "trousers",
    "trout",         "truck",
    "tulip",         "tunnel",
    "turkey",        "turnip",
    "turtle",        "umpire",
    "vase",          "vest",
    "village",       "vineyard",
    "waffle",        "wagon",
    "wallet",        "walnut",
    "wardrobe",      "wasp",
    "waterfall",     "weed",
    "wheel",         "whistle",
    "wig",           "willow",
    "wolf",          "wool",
    "worm",          "wrench",
    "yacht",         "zebra crossing",
    "zip",           "zoo",
};
static const char *const adjectives[] = {
    "old", "new", "broken", "heavy", "wooden", "silver", "tiny",  "huge",  "rusty", "yellow",
    "wet", "dry", "cheap",  "rare",  "lost",   "round",  "quiet", "angry", "lazy",  "wild",
};
static const char *const screen_verbs[] = {
    "scroll",
    "undo",
    "save",
    "quit",
    "copy",
    "paste",
    "search",
    "redo",
    "scroll up",
    "stop",
    "leave",
    "go back",
    "open a file",
    "add a line",
    "find a word",
    "cancel",
    "start over",
    "delete a word",
    "change the colours",
    "see the history",
    "hide the menu",
    "turn the page",
    "export a file",
    "rename a layer",
    "insert a table",
    "make the text larger",
    "print",
    "complete a word",
};
static const char *const programs[] = {
    "Notepad",
    "Paint",
    "Wordpad",
    "Evernote",
    "Notion",
    "Trello",
    "Jira",
    "Figma",
    "Steam",
    "Spotify",
    "WhatsApp",
    "Telegram",
    "Discord",
    "Kindle",
    "Acrobat",
    "Dropbox",
    "Lightroom",
    "Premiere",
    "AutoCAD",
    "MATLAB",
    "RStudio",
    "Xcode",
    "Netbeans",
    "Kate",
    "Joplin",
    "Anki",
    "VLC",
    "Winamp",
    "Photos",
    "my television",
    "my washing machine",
    "my car",
    "the oven",
    "a lift",
    "the game",
    "a spreadsheet",
    "the calculator",
    "my watch",
};

enum { N_VERBS = sizeof verbs / sizeof *verbs };

#define PICK(random, list) (list)[guide_below(random, sizeof(list) / sizeof *(list))]

/* Never one of those that are held out. */
static const char *pick_thing(struct guide_random *random)
{
    const char *thing;

    do
        thing = PICK(random, things);
    while (guide_refusal_holds_out(thing));
    return thing;
}

/* "my old kayak", "a drouvest" */
static void add_thing(struct guide_random *random, struct text_buffer *topic)
{
    static const char *const articles[] = {"a", "my", "the", "this", "your", "our"};
    char name[48];

    text_printf(topic, "%s ", PICK(random, articles));
    if (guide_chance(random, 25))
        text_printf(topic, "%s ", PICK(random, adjectives));
    if (guide_chance(random, 30)) {
        guide_unheard_name(random, false, false, name, sizeof name);
        text_add(topic, name);
    } else {
        text_add(topic, pick_thing(random));
    }
}

static void add_program(struct guide_random *random, struct text_buffer *topic)
{
    char name[48];

    guide_unheard_name(random, false, true, name, sizeof name);
    text_add(topic, guide_chance(random, 50) ? name : PICK(random, programs));
}

/* A command, flag, key or subcommand that is not there. */
static bool add_unknown(struct guide_random *random, struct text_buffer *topic)
{
    static const char *const others[] = {
        "Ctrl-1",      "Ctrl-3",      "Ctrl-4",      "Ctrl-6",      "Ctrl-0",
        "the F12 key", "the F13 key", "the F14 key", "the F10 key", "Alt-1",
        "Alt-2",       "Alt-6",       "Alt-7"};
    static const char *const fronts[] = {"/", "--", "banter "};
    char name[48];

    if (guide_chance(random, 30)) {
        text_add(topic, PICK(random, others));
        return true;
    }
    if (guide_chance(random, 50))
        snprintf(name, sizeof name, "%s", PICK(random, verbs));
    else
        guide_unheard_name(random, false, false, name, sizeof name);
    text_printf(topic, "%s%s", PICK(random, fronts), name);
    return strchr(name, ' ') == NULL && !guide_refusal_holds_out(name);
}

/* The barest forms of what everybody asks first: without them "quit in Word" outweighs "quit". */
static const struct {
    const char *id, *patterns;
} inside[] = {
    {"command/quit/do", "leave; quit; exit; get out of here; close this; end this; log out; "
                        "leave here; quit this; exit this"},
    {"command/new/do",
     "start over; begin again; start fresh; clear the chat; start a new chat"},
    {"command/help/do", "get help; see the help; list the commands; see the commands"},
    {"command/regen/do", "try again; get another answer; get a different answer"},
    {"key/PgUp/do", "scroll; scroll back; go up; see what is above"},
    {"key/Ctrl-J/do", "make a new line; add a line; get a new line"},
    {"key/Esc/do", "stop it; interrupt it; make it stop; cancel it"},
};

struct choice {
    struct guide_random *random;
    size_t n; /* texts so far */
    struct text_buffer text;
};

/* Each of the texts with the same chance. */
static void choose(void *taker, const char *text)
{
    struct choice *choice = taker;

    if (guide_below(choice->random, ++choice->n) == 0) {
        text_clear(&choice->text);
        text_add(&choice->text, text);
    }
}

static bool inside_turn(struct guide_random *random, const struct guide_facts *facts,
                        struct guide_turn *turn)
{
    const size_t row = guide_below(random, sizeof inside / sizeof *inside);
    const size_t found = guide_fact_find(facts, inside[row].id);
    const size_t frame = guide_frame_pick(random, GUIDE_ACTION, false);
    struct choice choice = {.random = random};
    struct text_buffer question = {0};

    if (found == facts->n_facts)
        return false;
    guide_expand(inside[row].patterns, choose, &choice);
    guide_frame_fill(&question, frame, text_string(&choice.text));
    guide_decorate(random, text_string(&question), true, true, &turn->question);
    text_add(&turn->answer, facts->facts[found].answer);
    text_release(&question);
    text_release(&choice.text);
    return true;
}

bool guide_boundary_turn(struct guide_random *random, const struct guide_facts *facts,
                         struct guide_turn *turn)
{
    static const unsigned doing[] = {GUIDE_ACTION, GUIDE_ACTION, GUIDE_KEY, GUIDE_COMMAND,
                                     GUIDE_SETTING};
    const size_t choice = guide_below(random, 100);
    struct text_buffer topic = {0};
    bool made = true;

    if (guide_chance(random, 15))
        return inside_turn(random, facts, turn);
    text_add(&turn->about, "This is not about banter.");
    text_add(&turn->expect, "small built-in model\nno such thing");
    if (choice < 38) {
        text_printf(&topic, "%s ", PICK(random, verbs));
        add_thing(random, &topic);
        guide_refusal_ask(random, GUIDE_ACTION, text_string(&topic), GUIDE_REFUSE_WORLD, turn);
    } else if (choice < 62) {
        text_printf(&topic, "%s in ", PICK(random, screen_verbs));
        add_program(random, &topic);
        guide_refusal_ask(random, PICK(random, doing), text_string(&topic), GUIDE_REFUSE_WORLD,
                          turn);
    } else if (choice < 82) {
        add_thing(random, &topic);
        guide_refusal_ask(random, guide_chance(random, 50) ? GUIDE_THING : GUIDE_CONCEPT,
                          text_string(&topic), GUIDE_REFUSE_WORLD, turn);
    } else if (choice < 90) {
        add_thing(random, &topic);
        guide_refusal_ask(random, GUIDE_WRITING, text_string(&topic), GUIDE_REFUSE_TASK, turn);
    } else {
        made = add_unknown(random, &topic) && !guide_refusal_knows(text_string(&topic));
        guide_refusal_ask(random, GUIDE_NAME, text_string(&topic), GUIDE_REFUSE_UNKNOWN, turn);
    }
    text_release(&topic);
    return made;
}
