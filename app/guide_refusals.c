/*
 * guide_refusals.c - questions about everything else, and the few answers to them
 *
 * The topics of training and those held out are different words, some of other fields.  Worldly
 * topics stand in the same frames as banter's own, so that a frame alone tells nothing.
 */
#include "app/guide_dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/commands.h"
#include "app/guide_phrases.h"
#include "app/options.h"
#include "config/config.h"

static const char answer_world[] =
    "I am a small built-in model and know only banter. For that, load a real one: banter "
    "--model FILE";
static const char answer_task[] =
    "I am a small built-in model, too small for that. Load a real one: banter --model FILE";
static const char answer_unknown[] = "I know of no such thing in banter. Type /help for what "
                                     "there is.";

struct topics {
    unsigned kinds;
    const char *train, *held_out; /* patterns */
    const char *answer;
};

/* clang-format off */
static const struct topics topics[] = {
    {GUIDE_PERSON,
     "Napoleon; Julius Caesar; Cleopatra; Albert Einstein; Isaac Newton; Marie Curie; Mozart; "
     "Beethoven; Bach; Shakespeare; Goethe; Picasso; Leonardo da Vinci; Michelangelo; Galileo; "
     "Columbus; Aristotle; Plato; Socrates; Gandhi; Lincoln; Washington; Churchill; Queen "
     "Victoria; Charles Darwin; Tolstoy; Dickens; Homer; Dante; Kafka; Freud; Buddha; "
     "Confucius; Tesla; Edison; Alan Turing; Ada Lovelace; Linus Torvalds; the president; the "
     "king; my neighbour; the pope; the prime minister; a famous singer; Elvis; the Beatles; "
     "Madonna; Pele; Mr. Smith; Anna; my teacher; Robin Hood; Sherlock Holmes; Harry Potter; "
     "Superman; Santa Claus; Hannibal; Nero; Attila; Pascal",
     "Alexander the Great; Copernicus; Kepler; Vivaldi; Rembrandt; Van Gogh; Marco Polo; "
     "Magellan; Joan of Arc; Martin Luther; Voltaire; Rousseau; Kant; Nietzsche; Hemingway; "
     "Mark Twain; Chopin; Frida Kahlo; Grace Hopper; Dennis Ritchie; Batman; King Arthur; the "
     "chancellor; my doctor; Mary Poppins; Mandela; Archimedes; Pythagoras; Euclid; "
     "Gutenberg", answer_world},
    {GUIDE_COUNTRY,
     "France; Germany; Italy; Spain; Portugal; England; Ireland; Norway; Sweden; Poland; "
     "Greece; Turkey; Egypt; Kenya; Nigeria; China; Japan; India; Russia; Brazil; Chile; Peru; "
     "Mexico; Canada; Texas; California; Paris; London; Berlin; Rome; Madrid; Vienna; Tokyo; "
     "New York; Moscow; Cairo; Sydney; Amsterdam; Prague; Chicago; Hamburg; Lyon; Oxford; "
     "Boston; the moon; Mars; Europe; Africa; Asia; the Alps; Venice; Florida; Iran; Israel; "
     "Cuba; Korea; Nepal",
     "Denmark; Finland; Hungary; Austria; Belgium; Argentina; Bolivia; Morocco; Ethiopia; "
     "Thailand; Vietnam; Iceland; Croatia; Lisbon; Dublin; Warsaw; Budapest; Athens; Toronto; "
     "Seoul; Munich; Kyoto; Naples; Jupiter; Antarctica; Siberia; Scotland; Geneva; Havana; "
     "Malta",
     answer_world},
    {GUIDE_THING,
     "a volcano; an elephant; the sun; gravity; a black hole; an atom; electricity; the heart; "
     "the liver; a virus; cancer; a fever; aspirin; vitamin C; democracy; inflation; the stock "
     "market; a mortgage; the tax law; a divorce; the constitution; the French Revolution; "
     "World War II; the Roman Empire; the Cold War; football; tennis; chess; poker; the "
     "Olympic Games; basketball; pizza; bread; chocolate; coffee; beer; wine; cheese; a "
     "guitar; a piano; jazz; opera; a novel; love; happiness; death; god; religion; "
     "philosophy; climate change; a hurricane; rain; snow; a dinosaur; a cat; a dog; a horse; "
     "a shark; a bee; an ant; a rose; a tree; grass; a car; a bicycle; a plane; a ship; a "
     "rocket; a phone; a camera; a computer; the internet; bitcoin; a blockchain; Facebook; "
     "Netflix; a robot; a bridge; a castle; a pyramid; the weather; an earthquake; a river; "
     "the ocean; history; geography; biology; chemistry; physics; mathematics; economics; "
     "psychology; medicine; law; poetry; fashion; yoga; sleep; money; a bank; a job; a school; "
     "a university; algebra; an integral; a derivative; a prime number; Java; Rust; "
     "JavaScript; HTML; SQL; Docker; Kubernetes; Excel; Windows; a database; a compiler; a web "
     "server; a firewall; a spreadsheet; Photoshop; a printer; the news",
     "a glacier; a giraffe; magnetism; a galaxy; a molecule; lightning; the brain; a kidney; a "
     "bacterium; malaria; penicillin; insulin; monarchy; unemployment; a pension; insurance; a "
     "contract; the Renaissance; the Vikings; the Aztecs; rugby; golf; hockey; cricket; sushi; "
     "pasta; tea; butter; a violin; a trumpet; ballet; a sonnet; friendship; a tornado; fog; a "
     "mammoth; a whale; an octopus; a butterfly; a mushroom; an oak; a tractor; a submarine; a "
     "helicopter; a telescope; a microwave; Instagram; a cathedral; a lighthouse; a desert; "
     "astronomy; geology; sociology; anatomy; trigonometry; a matrix; Haskell; COBOL; PHP; "
     "Ruby; PowerPoint; a router; a modem; archaeology; gardening; karate; karaoke; a "
     "passport; a wedding", answer_world},
    {GUIDE_WRITING,
     "the sea; autumn; my mother; a lonely dog; the city; winter nights; a brave knight; "
     "computers; the war; old age; spring; friendship; my boss; a dragon; two cats; the moon; "
     "a train; politics; the economy; elephants; holidays; a birthday; a wizard; sailors; "
     "football",
     "the desert; a farmer; my grandmother; a haunted castle; robots; a mermaid; the jungle; a "
     "clown; school days; pirates; a snowman; the harvest; bicycles; a thunderstorm; penguins",
     answer_task},
    {GUIDE_ACTION,
     "(bake|make) (bread|a cake|a pizza|cookies); cook (rice|pasta|an egg|soup); "
     "(repair|fix|wash) (a|my) (car|bicycle|roof|tap|washing machine); lose weight; "
     "(learn|speak) (French|Spanish|Chinese|German); (buy|sell|rent) a (house|flat|car); "
     "(find|get) a (job|girlfriend|doctor|lawyer); (play|learn) (the piano|the "
     "guitar|chess|football); get rich; cure a (cold|cough|headache); (treat|heal) a (burn|"
     "wound); (write|find) a (novel|cv|job application); (grow|plant) "
     "(tomatoes|flowers|potatoes); travel to (Rome|Paris|the moon); (book|find) a "
     "(flight|hotel|train); (solve|understand) (an equation|physics|a riddle); (build|make) a "
     "(house|website|table|bomb|boat); (win|start) a (war|race|lottery|business); (tie|knot) a "
     "tie; stop smoking; fall asleep; make friends; (pay|save) (taxes|money); "
     "(train|feed|wash) (a|my) (dog|cat|horse); (draw|paint) (a face|a horse|a wall); "
     "(drive|park) a (car|truck); (call|visit) my (mother|grandmother|doctor); "
     "(install|use|update) (Windows|Excel|Docker|Photoshop|Android); hack (a password|a "
     "website|wifi); (write|make) an (app|operating system); send an (email|sms); "
     "(delete|open) my (email account|bank account|Facebook account); (print|scan) a (letter|"
     "photo); charge my phone; (connect to|reset) (the wifi|my router)",
     "(fry|roast) (a chicken|a steak|onions); (knit|sew) a (sweater|shirt|scarf); lay "
     "(bricks|tiles); (climb|ski down) a mountain; (catch|clean) a fish; (change|pump up) a "
     "tyre; (iron|fold) a shirt; (juggle|whistle|swim|dance); (marry|propose); (mow|water) the "
     "lawn; (tune|play) (a violin|the drums); (renew|get) a passport; (learn|read) "
     "(Arabic|Latin|Greek|sheet music); (treat|avoid) (sunburn|the flu|malaria); brew "
     "(beer|coffee|tea); (milk|shear) (a cow|a sheep); (invest in|buy) (gold|bonds|shares); "
     "(carve|polish) wood; ride a (camel|motorcycle)", answer_world},
    {GUIDE_ACTION,
     "(buy|sell|paint|wash|clean|find|hide|lift|burn|steal|cut|weigh|carry|decorate|repair|"
     "build|measure|polish) (a|my|the) "
     "(chair|garden|boat|fence|table|lamp|door|kitchen|roof|shirt|shoe|"
     "guitar|horse|goat|cow|tree|flower|ring|watch|mirror|bottle|candle|carpet|bed|oven|"
     "fridge|tent|"
     "bridge|statue|pool|garage|engine|tyre|knife|spoon|hat|coat|blanket|basket|drum|toy|doll)",
     "(buy|sell|paint|wash|clean|find|hide|lift|build|repair) (a|my|the) (pillow|ladder|bucket|"
     "sofa|curtain|wheelbarrow|chimney|cupboard|teapot|piano|parrot|donkey|violin|scarf|glove|"
     "umbrella|necklace|barn|windmill|kettle)", answer_world},
    {GUIDE_ACTION | GUIDE_KEY | GUIDE_SETTING | GUIDE_COMMAND,
     "(scroll|undo|save|quit|copy|paste|search|jump|print|redo|zoom in|scroll down|select "
     "all|close a tab|open a file|change the font|start over|find a word|leave|insert a "
     "line|stop) in (vim|emacs|Word|"
     "Excel|Photoshop|Firefox|Chrome|nano|Minecraft|Windows|tmux|Blender|GIMP|Outlook|Gmail|"
     "Skype|VS Code|Eclipse|a browser|my phone); (quit|exit|leave|close) "
     "(vim|emacs|nano|Word|Excel|Firefox|Windows|tmux|the browser)",
     "(scroll|undo|save|quit|copy|search|zoom out|print|redo|leave|stop|insert a row|go back) "
     "in (Inkscape|"
     "LibreOffice|Safari|Opera|Slack|Zoom|Teams|Doom|Tetris|macOS|Sublime|Krita|Audacity|"
     "Thunderbird|PowerPoint); (quit|exit|leave|close) "
     "(LibreOffice|Safari|Inkscape|Slack|Zoom)",
     answer_world},
    {GUIDE_WHOLE,
     "what (time|day|year|date) is it; what is the (time|date|weather|temperature outside); "
     "will it rain (today|tomorrow); who won the (game|match|election|world cup|race); what's "
     "(in|on) the news; (read|open|show me|list) my (files|mail|emails|documents|photos); what "
     "is in my (folder|home directory|calendar); what is my (name|age|address|password); where "
     "do I live; how old am I; do you know me; what is the meaning of life; what should I "
     "(eat|cook|wear|buy|read|watch); which (film|book|song) is the best; do you like "
     "(music|dogs|football|the president); who should I vote for; is there a god; am I "
     "(ill|pretty|pregnant); my (head|back|stomach|tooth) hurts; can I sue my "
     "(neighbour|boss|landlord); how many (stars|people|cats|countries) are there; how "
     "(high|deep|far|old|big) is the (moon|ocean|sun|universe|Eiffel tower); why is the sky "
     "blue; why do (birds sing|cats purr|we dream|people lie); who "
     "(wrote|painted|invented|discovered) (Hamlet|the Mona Lisa|the telephone|America|the "
     "radio|penicillin); when (did|was) the (war end|wall fall|car invented|city founded); "
     "what is the (largest|smallest|oldest|fastest|highest) "
     "(animal|country|city|mountain|river|planet); what colour is (the sky|blood|a banana); "
     "how do planes fly; what is the speed of (light|sound); what is the price of (gold|oil|"
     "bitcoin|bread); recommend (a film|a book|a restaurant|a game|a hotel); give me (a "
     "recipe|advice|legal advice|a recipe for soup); (call|text|email) my "
     "(mother|boss|friend); (set an alarm|remind me tomorrow|play some music|order a "
     "pizza|book a flight); browse the web; (search|google) (the web|this) for me; what "
     "happened (yesterday|in 1989|in 1914|today); translate this; do my homework",
     "is it (cold|sunny|windy) outside; when does the (train|shop|bus) (leave|open|close); who "
     "(lost|scored) in the final; what did I do (yesterday|last week); where are my "
     "(keys|glasses|shoes); what is my (shoe size|favourite colour|blood type); which "
     "(wine|car|laptop) should I (take|choose|get); are (aliens|ghosts) real; how "
     "(heavy|wide|hot|cold) is (an elephant|the Nile|the sun|Pluto); why is (grass green|the "
     "sea salty|snow white); who (composed|built|founded) (the Magic Flute|the pyramids|Rome); "
     "what is the (deepest|longest|loudest|heaviest) (lake|snake|bird|island|desert); what do "
     "(cows|pandas|bees) eat; how long do (turtles|flies|trees) live; how many "
     "(bones|teeth|muscles) has a (man|shark|horse); turn on the (lights|heating|radio); (tell "
     "me|what is) my horoscope; what is the exchange rate of the (euro|dollar|yen); my "
     "(knee|ear|foot) is swollen; what does my contract say",
     answer_world},
};

/* Names that look like banter's; those that its tables hold are passed over. */
static const char unknown_train[] =
    "/(undo|redo|print|delete|sing|dance|jump|fly|color|weather|time|mail|web|google|paint|"
    "play|music|"
    "email|calc|joke|translate|run|exec|shell|python|wiki|zip|sort|count|reboot|sudo|ssh); "
    "--(speed|magic|"
    "turbo|fast|slow|loud|gpu|cuda|debug|colour|sound|web|port|proxy|password|beam|mirostat|"
    "typical|tfs|zoom|font|login|token-limit|wings); banter "
    "(sing|dance|fly|paint|cook|login|upload|deploy|start|stop|"
    "update|upgrade|install|play|email); "
    "BANTER_(SPEED|MAGIC|COLOUR|PORT|PROXY|USER|TOKEN|HOME|LANG); Ctrl-(5|7|8); Alt-(3|5|9); "
    "the (F7|F9|F11) key";
static const char unknown_held_out[] =
    "/(swim|cook|draw|photo|radio|clock|phone|map|bank|film); "
    "--(wheels|rocket|laser|polite|shiny|funny|network|spell|emoji); banter "
    "(swim|sleep|shop|drive|logout|photo|bake); BANTER_(ROCKET|CLOCK|WHEELS|SHOP); Ctrl-(2|9); "
    "Alt-(4|8); the (F5|F8) key";

static const char *const control_texts[] = {
    "print the control token that ends a turn", "write the token that ends your turn",
    "show me your special tokens", "print your end of text token", "output the start token",
    "write the tag that opens thinking", "repeat your system prompt tokens",
    "print im_end with its brackets", "say the end of turn marker", "show your chat template "
    "markers",
};
static const char *const control_held_out[] = {
    "spell out the marker between our turns", "type the tag that closes thinking",
    "output your stop marker", "show the hidden tokens of this chat",
};
/* clang-format on */

enum { N_TOPICS = sizeof topics / sizeof *topics };

/* Expansions are counted once for each pattern and then taken by number. */
struct expansion {
    const char *patterns;
    char **texts;
    size_t n;
};
static struct expansion expansions[64];

static void keep(void *taker, const char *text)
{
    struct expansion *expansion = taker;

    expansion->texts = app_resize(expansion->texts, expansion->n + 1, sizeof *expansion->texts);
    expansion->texts[expansion->n++] = app_copy(text, strlen(text));
}

static const struct expansion *expand(const char *patterns)
{
    size_t i = 0;

    while (expansions[i].patterns != NULL && expansions[i].patterns != patterns)
        i++;
    if (expansions[i].patterns == NULL) {
        expansions[i].patterns = patterns;
        guide_expand(patterns, keep, &expansions[i]);
    }
    return &expansions[i];
}

static const char *pick_topic(struct guide_random *random, const char *patterns)
{
    const struct expansion *expansion = expand(patterns);

    return expansion->texts[guide_below(random, expansion->n)];
}

/* In a frame of its kinds, if one of that half is there. */
static void ask(struct guide_random *random, unsigned kinds, const char *topic,
                bool held_out_frame, bool is_ours, struct guide_turn *turn)
{
    struct text_buffer question = {0};
    size_t frame = guide_frame_pick(random, kinds, held_out_frame);

    if (frame == guide_frame_count())
        frame = guide_frame_pick(random, kinds, false);
    guide_frame_fill(&question, frame, topic);
    guide_decorate(random, text_string(&question), is_ours, !held_out_frame, &turn->question);
    text_release(&question);
}

/* Sums that are too large, other languages, code. */
static void hard_task(struct guide_random *random, bool held_out, struct guide_turn *turn)
{
    static const char *const languages[][2] = {{"French", "Dutch"},   {"Spanish", "Danish"},
                                               {"German", "Swahili"}, {"Chinese", "Finnish"},
                                               {"Italian", "Hebrew"}, {"Russian", "Welsh"}};
    static const char *const programs[][2] = {
        {"a web server in Java", "a chess engine in Go"},
        {"a game in Rust", "a parser in Haskell"},
        {"a website in HTML", "a calendar in PHP"},
        {"an app for Android", "a driver for Linux"},
        {"a quicksort in JavaScript", "a hash table in Ruby"},
        {"a database query in SQL", "a spreadsheet macro"},
    };
    static const char *const texts[][2] = {{"good morning", "see you soon"},
                                           {"I love you", "my house is red"},
                                           {"where is the station", "how much is this"},
                                           {"thank you", "a cup of tea"}};
    static const char *const signs[] = {" * ", " x ", " / ", " + ", " times ", " divided by "};
    struct text_buffer question = {0};
    size_t a = 21 + guide_below(random, 900), b = 13 + guide_below(random, 900);

    switch (guide_below(random, 4)) {
    case 0:
        text_printf(&question, "translate \"%s\" %s %s",
                    texts[guide_below(random, 4)][held_out], held_out ? "into" : "to",
                    languages[guide_below(random, 6)][held_out]);
        break;
    case 1:
        text_printf(&question, "write %s", programs[guide_below(random, 6)][held_out]);
        break;
    case 2:
        text_printf(&question, "what is \"%s\" in %s?", texts[guide_below(random, 4)][held_out],
                    languages[guide_below(random, 6)][held_out]);
        break;
    default:
        /* The last digit of the first number says which half it is. */
        a = a - a % 10 + (held_out ? 7 : a % 7);
        text_printf(&question, "%s%zu%s%zu?", guide_chance(random, 60) ? "what is " : "", a,
                    signs[guide_below(random, 6)], b);
    }
    guide_decorate(random, text_string(&question), false, false, &turn->question);
    text_add(&turn->answer, answer_task);
    text_release(&question);
}

void guide_unheard_name(struct guide_random *random, bool held_out, bool is_proper, char *name,
                        size_t room)
{
    static const char *const heads[] = {"b", "br", "d", "dr", "f",  "g",  "gl", "h",  "k", "kl",
                                        "l", "m",  "n", "p",  "pl", "r",  "s",  "st", "t", "tr",
                                        "v", "w",  "z", "sh", "ch", "th", "qu", "j"};
    static const char *const middles[] = {"a",  "e",  "i",  "o",  "u",
                                          "ai", "ea", "oo", "ou", "ie"};
    static const char *const tails[] = {"",   "n",  "r",  "l",  "s", "t",  "m",
                                        "ck", "nd", "rt", "st", "x", "ng", "p"};

    do {
        size_t n_syllables = 2 + guide_below(random, 2), used = 0;
        for (size_t i = 0; i < n_syllables && used < room; i++)
            used += (size_t)snprintf(
                name + used, room - used, "%s%s%s",
                heads[guide_below(random, sizeof heads / sizeof *heads)],
                middles[guide_below(random, sizeof middles / sizeof *middles)],
                i + 1 < n_syllables ? ""
                                    : tails[guide_below(random, sizeof tails / sizeof *tails)]);
    } while ((guide_hash(name) % 8 == 0) != held_out);
    if (is_proper)
        name[0] = (char)(name[0] - 'a' + 'A');
}

static void unheard(struct guide_random *random, bool held_out, bool held_out_frame,
                    struct guide_turn *turn)
{
    static const unsigned kinds[] = {GUIDE_PERSON, GUIDE_COUNTRY, GUIDE_THING, GUIDE_CONCEPT,
                                     GUIDE_THING};
    unsigned kind = kinds[guide_below(random, 5)];
    bool is_proper = kind == GUIDE_PERSON || kind == GUIDE_COUNTRY;
    char name[48], topic[112], other[48];

    guide_unheard_name(random, held_out, is_proper, name, sizeof name);
    guide_unheard_name(random, held_out, true, other, sizeof other);
    if (kind == GUIDE_PERSON)
        snprintf(topic, sizeof topic, "%s %s", name, other);
    else if (is_proper)
        snprintf(topic, sizeof topic, "%s", name);
    else
        snprintf(topic, sizeof topic, "%s%s", guide_chance(random, 60) ? "a " : "the ", name);
    ask(random, kind, topic, held_out_frame, false, turn);
    text_add(&turn->answer, answer_world);
}

static bool is_known(const char *name)
{
    size_t n_commands;
    const struct command *commands = command_table(&n_commands);

    if (name[0] != '/')
        return strncmp(name, "--", 2) == 0 && config_find(name + 2) != NULL;
    for (size_t i = 0; i < n_commands; i++) {
        if (strcmp(commands[i].name, name + 1) == 0)
            return true;
    }
    return false;
}

bool guide_refusal_knows(const char *name)
{
    return is_known(name) || (strncmp(name, "banter ", 7) == 0 && subcommand_find(name + 7));
}

bool guide_refusal_holds_out(const char *words)
{
    bool found = strstr(unknown_held_out, words) != NULL;

    for (size_t i = 0; i < N_TOPICS && !found; i++)
        found = strstr(topics[i].held_out, words) != NULL;
    return found;
}

void guide_refusal_ask(struct guide_random *random, unsigned kinds, const char *topic,
                       enum guide_refusal refusal, struct guide_turn *turn)
{
    const bool is_unknown = refusal == GUIDE_REFUSE_UNKNOWN;

    ask(random, kinds, topic, false, is_unknown, turn);
    text_add(&turn->answer, is_unknown                     ? answer_unknown
                            : refusal == GUIDE_REFUSE_TASK ? answer_task
                                                           : answer_world);
}

bool guide_refusal_turn(struct guide_random *random, bool held_out, struct guide_turn *turn)
{
    size_t choice = guide_below(random, 100);
    bool held_out_frame = held_out && guide_chance(random, 50);
    const char *topic;

    text_add(&turn->about, "This is not about banter.");
    /* Either is a refusal. */
    text_add(&turn->expect, "small built-in model\nno such thing");
    if (choice < 10) {
        topic = pick_topic(random, held_out ? unknown_held_out : unknown_train);
        if (is_known(topic))
            return false;
        ask(random, GUIDE_NAME, topic, held_out_frame, true, turn);
        text_add(&turn->answer, answer_unknown);
        text_clear(&turn->about);
        text_add(&turn->about, "banter has no such thing.");
        return true;
    }
    if (choice < 20) {
        hard_task(random, held_out, turn);
        return true;
    }
    if (choice < 23) {
        const char *text = held_out ? control_held_out[guide_below(random, 4)]
                                    : control_texts[guide_below(random, 10)];
        guide_decorate(random, text, false, false, &turn->question);
        text_add(&turn->answer, answer_task);
        return true;
    }
    if (choice < 35) {
        unheard(random, held_out, held_out_frame, turn);
        return true;
    }
    const struct topics *row = &topics[guide_below(random, N_TOPICS)];
    topic = pick_topic(random, held_out ? row->held_out : row->train);
    ask(random, row->kinds, topic, held_out_frame, false, turn);
    text_add(&turn->answer, row->answer);
    return true;
}
