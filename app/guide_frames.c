/*
 * guide_frames.c - the frames of questions, and which of them are held out
 *
 * The rule: of the frames of each kind one in seven is held out, at least one: those with the
 * smallest hash whose longer side is three words or more and stands in no other frame.
 */
#include <stdlib.h>
#include <string.h>

#include "app/guide_facts.h"
#include "app/guide_phrases.h"

enum { ONE_IN = 7, FEWEST_WORDS = 3, MARKS_MAX = 160 };

#define ACTION   GUIDE_ACTION
#define CALLED   (GUIDE_NAME | GUIDE_CONCEPT)
#define CONCEPT  (GUIDE_CONCEPT | GUIDE_THING)
#define ANYTHING (GUIDE_NAME | GUIDE_CONCEPT | GUIDE_THING)

/* clang-format off */
static const struct guide_frame frames[] = {
    {ACTION, "how do I {x}?"}, {ACTION, "how do I {x}?"}, {ACTION, "how can I {x}?"},
    {ACTION, "how do you {x}?"}, {ACTION, "how would I {x}?"}, {ACTION, "how to {x}?"},
    {ACTION, "is there a way to {x}?"}, {ACTION, "what is the way to {x}?"},
    {ACTION, "what's the best way to {x}?"}, {ACTION, "I want to {x}."},
    {ACTION, "I would like to {x}."}, {ACTION, "I need to {x}."},
    {ACTION, "I'd like to {x}, how?"}, {ACTION, "can I {x}?"},
    {ACTION, "can you tell me how to {x}?"}, {ACTION, "show me how to {x}."},
    {ACTION, "tell me how to {x}."}, {ACTION, "explain how to {x}."},
    {ACTION, "what do I do to {x}?"}, {ACTION, "what should I do to {x}?"},
    {ACTION, "I am trying to {x}."}, {ACTION, "I'm trying to {x} but I don't know how."},
    {ACTION, "help me {x}."}, {ACTION, "help me to {x}."}, {ACTION, "how does one {x}?"},
    {ACTION, "is it possible to {x}?"}, {ACTION, "do you know how to {x}?"},
    {ACTION, "any way to {x}?"}, {ACTION, "{x}: how?"}, {ACTION, "{x}, how do I do that?"},
    {ACTION, "{x}?"}, {ACTION, "{x}"}, {ACTION, "what must I do to {x}?"},
    {ACTION, "I forgot how to {x}."}, {ACTION, "remind me how to {x}."},
    {ACTION, "how am I supposed to {x}?"}, {ACTION, "what if I want to {x}?"},
    {ACTION, "what would you do to {x}?"}, {ACTION, "what does it take to {x}?"},
    {ACTION, "how might one {x}?"}, {ACTION, "I wish to {x}."},
    {ACTION, "what lets me {x}?"}, {ACTION, "could you say how to {x}?"},
    {ACTION, "I have to {x}, what now?"}, {ACTION, "is there something to {x}?"},
    {ACTION, "how is it done to {x}?"}, {ACTION, "what helps me to {x}?"},
    {ACTION, "what helps to {x}?"}, {ACTION, "is there anything to {x}?"},
    {ACTION, "remind me of the way to {x}."}, {ACTION, "what should I do if I want to {x}?"},
    {ACTION, "I don't know how to {x}."}, {ACTION, "how does somebody {x}?"},

    {GUIDE_KEY, "which key do I press to {x}?"}, {GUIDE_KEY, "what key lets me {x}?"},
    {GUIDE_KEY, "is there a key to {x}?"}, {GUIDE_KEY, "what's the shortcut to {x}?"},
    {GUIDE_KEY, "what do I press to {x}?"}, {GUIDE_KEY, "key to {x}?"},
    {GUIDE_KEY, "keyboard shortcut to {x}?"}, {GUIDE_KEY, "which key is it to {x}?"},
    {GUIDE_KEY, "what is the key binding to {x}?"}, {GUIDE_KEY, "with which key can I {x}?"},
    {GUIDE_KEY, "which button do I hit to {x}?"}, {GUIDE_KEY, "what can I press to {x}?"},
    {GUIDE_KEY, "tell me the key to {x}."}, {GUIDE_KEY, "what key should I use to {x}?"},
    {GUIDE_KEY, "shortcut to {x}?"}, {GUIDE_KEY, "what should I press to {x}?"},
    {GUIDE_KEY, "is there a keyboard shortcut for me to {x}?"},

    {GUIDE_COMMAND, "which command do I use to {x}?"},
    {GUIDE_COMMAND, "what command lets me {x}?"}, {GUIDE_COMMAND, "is there a command to {x}?"},
    {GUIDE_COMMAND, "what's the slash command to {x}?"}, {GUIDE_COMMAND, "command to {x}?"},
    {GUIDE_COMMAND, "which command is it to {x}?"}, {GUIDE_COMMAND, "what do I type to {x}?"},
    {GUIDE_COMMAND, "what can I type to {x}?"}, {GUIDE_COMMAND, "what slash command will {x}?"},
    {GUIDE_COMMAND, "with which command can I {x}?"},
    {GUIDE_COMMAND, "name the command to {x}."}, {GUIDE_COMMAND, "what should I type to {x}?"},
    {GUIDE_COMMAND, "tell me the command to {x}."},
    {GUIDE_COMMAND, "which command lets me {x}?"}, {GUIDE_COMMAND, "what command is it to "
     "{x}?"},

    {GUIDE_SETTING, "which setting do I use to {x}?"},
    {GUIDE_SETTING, "what setting lets me {x}?"}, {GUIDE_SETTING, "is there a setting to {x}?"},
    {GUIDE_SETTING, "is there an option to {x}?"}, {GUIDE_SETTING, "what option lets me {x}?"},
    {GUIDE_SETTING, "which flag do I need to {x}?"}, {GUIDE_SETTING, "what do I set to {x}?"},
    {GUIDE_SETTING, "what should I change to {x}?"}, {GUIDE_SETTING, "setting to {x}?"},
    {GUIDE_SETTING, "which option is there to {x}?"}, {GUIDE_SETTING, "what flag would {x}?"},
    {GUIDE_SETTING, "what must I set to {x}?"}, {GUIDE_SETTING, "what is set to {x}?"},

    {GUIDE_SHELL, "what do I run to {x}?"}, {GUIDE_SHELL, "which subcommand do I use to {x}?"},
    {GUIDE_SHELL, "how do I {x} from the shell?"},
    {GUIDE_SHELL, "how can I {x} on the command line?"},
    {GUIDE_SHELL, "what do I type in a terminal to {x}?"},
    {GUIDE_SHELL, "is there a subcommand to {x}?"},
    {GUIDE_SHELL, "what shell command lets me {x}?"},
    {GUIDE_SHELL, "how do I start banter to {x}?"}, {GUIDE_SHELL, "what can I run to {x}?"},
    {GUIDE_SHELL, "what should I run to {x}?"}, {GUIDE_SHELL, "which command do I run to {x}?"},

    {CALLED, "what does {x} do?"}, {CALLED, "what does {x} do?"}, {ANYTHING, "what is {x}?"},
    {ANYTHING, "what is {x}?"}, {ANYTHING, "what's {x}?"}, {ANYTHING, "explain {x}."},
    {ANYTHING, "tell me about {x}."}, {ANYTHING, "describe {x}."}, {CALLED, "what is {x} for?"},
    {CALLED, "what is the meaning of {x}?"}, {ANYTHING, "what does {x} mean?"},
    {ANYTHING, "{x}?"}, {ANYTHING, "{x}"}, {CALLED, "help with {x}."},
    {ANYTHING, "can you explain {x}?"}, {CALLED, "what's the use of {x}?"},
    {CALLED, "what is {x} good for?"}, {CALLED, "when do I use {x}?"},
    {CALLED, "why would I use {x}?"}, {CALLED, "I don't understand {x}."},
    {ANYTHING, "do you know {x}?"}, {CALLED, "define {x}."},
    {GUIDE_NAME, "what happens with {x}?"}, {GUIDE_NAME, "what effect does {x} have?"},
    {GUIDE_NAME, "{x} does what?"}, {GUIDE_NAME, "remind me what {x} does."},
    {GUIDE_NAME, "could you tell me what {x} does?"}, {CALLED, "info on {x}?"},
    {ANYTHING, "how does {x} work?"}, {GUIDE_NAME, "what do I get with {x}?"},
    {ANYTHING, "what do you know about {x}?"}, {ANYTHING, "what exactly is {x}?"},
    {CONCEPT, "tell me what {x} is."}, {CONCEPT, "do you know what {x} is?"},
    {CONCEPT, "give me a short description of {x}."}, {CONCEPT, "I never heard of {x}."},
    {CALLED, "what's the point of {x}?"}, {ANYTHING, "I have a question about {x}."},
    {ANYTHING, "say something about {x}."},
    {ANYTHING, "my question is about {x}."}, {ANYTHING, "a question about {x}."},
    {ANYTHING, "one question about {x}."}, {CALLED, "when is {x} used?"},
    {CALLED, "why use {x}?"}, {CALLED, "why is there {x}?"}, {CALLED, "use of {x}?"},
    {GUIDE_NAME, "what does {x} give me?"}, {GUIDE_NAME, "what do I get from {x}?"},
    {CALLED, "should I use {x}?"}, {ANYTHING, "what exactly does {x} mean?"},
    {ANYTHING, "describe what {x} is."}, {CONCEPT, "give me a description of {x}."},
    {ANYTHING, "I would like to know about {x}."}, {ANYTHING, "more about {x}."},

    {GUIDE_DEFAULT, "what is the default of {x}?"},
    {GUIDE_DEFAULT, "what's the default value of {x}?"}, {GUIDE_DEFAULT, "default of {x}?"},
    {GUIDE_DEFAULT, "what is {x} by default?"}, {GUIDE_DEFAULT, "default for {x}?"},
    {GUIDE_DEFAULT, "what is {x} set to by default?"}, {GUIDE_DEFAULT, "{x} default?"},
    {GUIDE_DEFAULT, "what is the built-in value of {x}?"},
    {GUIDE_DEFAULT, "tell me the default of {x}."},
    {GUIDE_DEFAULT, "if I don't set {x}, what is it?"},
    {GUIDE_DEFAULT, "what value has {x} when I give none?"},
    {GUIDE_DEFAULT, "which default has {x}?"}, {GUIDE_DEFAULT, "what default does {x} have?"},
    {GUIDE_DEFAULT, "by default, what is {x}?"}, {GUIDE_DEFAULT, "what is {x} when not set?"},
    {GUIDE_DEFAULT, "to what is {x} set by default?"}, {GUIDE_DEFAULT, "{x} by default?"},

    {GUIDE_ENVIRONMENT, "which environment variable sets {x}?"},
    {GUIDE_ENVIRONMENT, "what is the environment variable for {x}?"},
    {GUIDE_ENVIRONMENT, "environment variable for {x}?"},
    {GUIDE_ENVIRONMENT, "how do I set {x} in the environment?"},
    {GUIDE_ENVIRONMENT, "what variable do I export for {x}?"},
    {GUIDE_ENVIRONMENT, "what is the env var of {x}?"},
    {GUIDE_ENVIRONMENT, "env variable for {x}?"},
    {GUIDE_ENVIRONMENT, "can I set {x} by an environment variable?"},
    {GUIDE_ENVIRONMENT, "{x} as an environment variable?"},
    {GUIDE_ENVIRONMENT, "name the environment variable of {x}."},
    {GUIDE_ENVIRONMENT, "what variable is it for {x}?"},
    {GUIDE_ENVIRONMENT, "which variable do I export to set {x}?"},
    {GUIDE_ENVIRONMENT, "export {x}: which variable?"}, {GUIDE_ENVIRONMENT, "variable for "
     "{x}?"},
    {GUIDE_ENVIRONMENT, "what do I export to change {x}?"},
    {GUIDE_ENVIRONMENT, "{x} in the environment?"},

    {GUIDE_FLAG, "which flag sets {x}?"}, {GUIDE_FLAG, "what is the flag for {x}?"},
    {GUIDE_FLAG, "flag for {x}?"}, {GUIDE_FLAG, "how do I set {x} on the command line?"},
    {GUIDE_FLAG, "what command line option sets {x}?"},
    {GUIDE_FLAG, "how do I give {x} at the start?"}, {GUIDE_FLAG, "{x} flag?"},
    {GUIDE_FLAG, "what flag do I pass for {x}?"}, {GUIDE_FLAG, "what is the flag of {x}?"},
    {GUIDE_FLAG, "how can I start banter with another value of {x}?"},
    {GUIDE_FLAG, "command line flag of {x}?"},
    {GUIDE_FLAG, "what flag is it for {x}?"}, {GUIDE_FLAG, "which flag changes {x}?"},
    {GUIDE_FLAG, "what flag sets {x}?"}, {GUIDE_FLAG, "{x} on the command line?"},
    {GUIDE_FLAG, "{x} as a flag?"},

    {GUIDE_RANGE, "which values can {x} have?"}, {GUIDE_RANGE, "what is the range of {x}?"},
    {GUIDE_RANGE, "what values are allowed for {x}?"}, {GUIDE_RANGE, "range of {x}?"},
    {GUIDE_RANGE, "what can I set {x} to?"}, {GUIDE_RANGE, "possible values of {x}?"},
    {GUIDE_RANGE, "what are the limits of {x}?"}, {GUIDE_RANGE, "what choices does {x} have?"},
    {GUIDE_RANGE, "which values does {x} accept?"}, {GUIDE_RANGE, "what is valid for {x}?"},
    {GUIDE_RANGE, "allowed values for {x}?"},
    {GUIDE_RANGE, "limits of {x}?"}, {GUIDE_RANGE, "which limits has {x}?"},
    {GUIDE_RANGE, "the limits for {x}?"}, {GUIDE_RANGE, "how far can {x} go?"},
    {GUIDE_RANGE, "what may {x} be?"},

    {GUIDE_SECTION, "in which section of config.yaml is {x}?"},
    {GUIDE_SECTION, "where in the config file does {x} go?"},
    {GUIDE_SECTION, "which YAML section holds {x}?"}, {GUIDE_SECTION, "section of {x}?"},
    {GUIDE_SECTION, "where do I put {x} in config.yaml?"},
    {GUIDE_SECTION, "under which section do I write {x}?"},
    {GUIDE_SECTION, "how do I write {x} in the config file?"},
    {GUIDE_SECTION, "what section is {x} in?"},
    {GUIDE_SECTION, "which section holds {x}?"}, {GUIDE_SECTION, "YAML section of {x}?"},
    {GUIDE_SECTION, "where in YAML is {x}?"}, {GUIDE_SECTION, "what YAML section has {x}?"},
    {GUIDE_SECTION, "{x} in the config file?"}, {GUIDE_SECTION, "{x} in config.yaml?"},

    {GUIDE_CHANGE, "can I change {x} while chatting?"},
    {GUIDE_CHANGE, "can I change {x} in a running chat?"},
    {GUIDE_CHANGE, "can {x} be changed at run time?"},
    {GUIDE_CHANGE, "can {x} be changed while banter runs?"},
    {GUIDE_CHANGE, "is it possible to change {x} during a chat?"},
    {GUIDE_CHANGE, "may I change {x} without leaving?"},
    {GUIDE_CHANGE, "{x}: can it be changed later?"},
    {GUIDE_CHANGE, "can {x} change while banter is running?"},
    {GUIDE_CHANGE, "can I change {x} while it runs?"},
    {GUIDE_CHANGE, "may {x} be changed later?"}, {GUIDE_CHANGE, "can {x} be changed in the "
     "chat?"},
    {GUIDE_CHANGE, "can I change {x} at run time?"},

    {GUIDE_SET, "how do I set {x}?"}, {GUIDE_SET, "how do I change {x}?"},
    {GUIDE_SET, "how can I change {x}?"}, {GUIDE_SET, "I want another value for {x}."},
    {GUIDE_SET, "how do I adjust {x}?"}, {GUIDE_SET, "set {x}?"}, {GUIDE_SET, "change {x}"},
    {GUIDE_SET, "I want to set {x}."}, {GUIDE_SET, "how can I set {x}?"},
    {GUIDE_SET, "how is {x} set?"}, {GUIDE_SET, "let me change {x}."},
    {GUIDE_SET, "how to set {x}?"}, {GUIDE_SET, "how to change {x}?"},
    {GUIDE_SET, "I'd like to change {x}."}, {GUIDE_SET, "I want to change {x}."},
    {GUIDE_SET, "how does one set {x}?"}, {GUIDE_SET, "let me set {x}."},
    {GUIDE_SET, "changing {x}: how?"},

    {GUIDE_USAGE, "what arguments does {x} take?"}, {GUIDE_USAGE, "how do I use {x}?"},
    {GUIDE_USAGE, "how do I write {x}?"}, {GUIDE_USAGE, "what is the syntax of {x}?"},
    {GUIDE_USAGE, "usage of {x}?"}, {GUIDE_USAGE, "what can I give {x}?"},
    {GUIDE_USAGE, "what do I type after {x}?"}, {GUIDE_USAGE, "show me the usage of {x}."},
    {GUIDE_USAGE, "which arguments has {x}?"}, {GUIDE_USAGE, "what follows {x}?"},
    {GUIDE_USAGE, "show the usage of {x}."}, {GUIDE_USAGE, "syntax of {x}?"},
    {GUIDE_USAGE, "the usage of {x}"}, {GUIDE_USAGE, "how is {x} written?"},

    {GUIDE_CODE, "what does exit code {x} mean?"}, {GUIDE_CODE, "what is exit status {x}?"},
    {GUIDE_CODE, "exit code {x}?"}, {GUIDE_CODE, "banter ended with code {x}, why?"},
    {GUIDE_CODE, "why did banter return {x}?"}, {GUIDE_CODE, "I got exit code {x}."},
    {GUIDE_CODE, "what does it mean when banter exits with {x}?"},
    {GUIDE_CODE, "explain exit status {x}."}, {GUIDE_CODE, "banter exits with {x}."},
    {GUIDE_CODE, "the exit status is {x}, what happened?"},
    {GUIDE_CODE, "exit status {x}?"}, {GUIDE_CODE, "meaning of exit code {x}?"},
    {GUIDE_CODE, "what does exit status {x} mean?"}, {GUIDE_CODE, "what is code {x}?"},

    {GUIDE_MEANS, "which exit code means {x}?"}, {GUIDE_MEANS, "what is the exit code for "
     "{x}?"},
    {GUIDE_MEANS, "exit code for {x}?"}, {GUIDE_MEANS, "what does banter return for {x}?"},
    {GUIDE_MEANS, "what exit status do I get for {x}?"},
    {GUIDE_MEANS, "which code stands for {x}?"}, {GUIDE_MEANS, "exit status for {x}?"},
    {GUIDE_MEANS, "with which code does banter end on {x}?"},
    {GUIDE_MEANS, "banter returns what for {x}?"}, {GUIDE_MEANS, "what is returned for {x}?"},
    {GUIDE_MEANS, "which exit status means {x}?"}, {GUIDE_MEANS, "which exit code has {x}?"},
    {GUIDE_MEANS, "what code does banter exit with for {x}?"},

    {GUIDE_PLACE, "where is {x}?"}, {GUIDE_PLACE, "where does banter keep {x}?"},
    {GUIDE_PLACE, "where do I find {x}?"}, {GUIDE_PLACE, "where can I find {x}?"},
    {GUIDE_PLACE, "in which file is {x}?"}, {GUIDE_PLACE, "what is the path of {x}?"},
    {GUIDE_PLACE, "location of {x}?"}, {GUIDE_PLACE, "where does {x} live?"},
    {GUIDE_PLACE, "path of {x}?"}, {GUIDE_PLACE, "where do you store {x}?"},
    {GUIDE_PLACE, "where should {x} be?"},
    {GUIDE_PLACE, "where do I look for {x}?"}, {GUIDE_PLACE, "which file is {x}?"},
    {GUIDE_PLACE, "find {x}"},

    {GUIDE_WHOLE, "{x}?"}, {GUIDE_WHOLE, "{x}?"}, {GUIDE_WHOLE, "{x}?"},
    {GUIDE_WHOLE, "{x}"}, {GUIDE_WHOLE, "tell me, {x}?"}, {GUIDE_WHOLE, "I wonder: {x}?"},
    {GUIDE_WHOLE, "question: {x}?"}, {GUIDE_WHOLE, "say, {x}?"}, {GUIDE_WHOLE, "and {x}?"},
    {GUIDE_WHOLE, "I would like to know: {x}?"}, {GUIDE_WHOLE, "let me ask: {x}?"},
    {GUIDE_WHOLE, "one more thing: {x}?"}, {GUIDE_WHOLE, "just curious, {x}?"},
    {GUIDE_WHOLE, "do tell: {x}?"},

    {GUIDE_PERSON, "who is {x}?"}, {GUIDE_PERSON, "who was {x}?"},
    {GUIDE_PERSON, "when was {x} born?"}, {GUIDE_PERSON, "what did {x} do?"},
    {GUIDE_PERSON, "how old is {x}?"}, {GUIDE_PERSON, "what is {x} known for?"},
    {GUIDE_PERSON, "where does {x} live?"}, {GUIDE_PERSON, "tell me about {x}."},
    {GUIDE_PERSON, "do you know {x}?"}, {GUIDE_PERSON, "why is {x} so famous?"},
    {GUIDE_PERSON, "what do you think of {x}?"}, {GUIDE_PERSON, "is {x} still alive?"},
    {GUIDE_PERSON, "what is your opinion of {x}?"}, {GUIDE_PERSON, "your thoughts on {x}?"},
    {GUIDE_PERSON, "do you think {x} was right?"}, {GUIDE_PERSON, "any thoughts about {x}?"},
    {GUIDE_THING, "any thoughts about {x}?"},
    {GUIDE_PERSON, "what are your thoughts about {x}?"}, {GUIDE_PERSON, "do you like {x}?"},
    {GUIDE_PERSON, "how did {x} die?"}, {GUIDE_PERSON, "how large was the family of {x}?"},

    {GUIDE_COUNTRY, "what is the capital of {x}?"},
    {GUIDE_COUNTRY, "how many people live in {x}?"}, {GUIDE_COUNTRY, "where is {x}?"},
    {GUIDE_COUNTRY, "what language do they speak in {x}?"}, {GUIDE_COUNTRY, "how large is "
     "{x}?"},
    {GUIDE_COUNTRY, "what is the weather in {x}?"}, {GUIDE_COUNTRY, "how far is {x}?"},
    {GUIDE_COUNTRY, "tell me the history of {x}."}, {GUIDE_COUNTRY, "tell me about {x}."},
    {GUIDE_COUNTRY, "what can I visit in {x}?"}, {GUIDE_COUNTRY, "is {x} worth a trip?"},
    {GUIDE_COUNTRY, "who rules {x}?"}, {GUIDE_COUNTRY, "what time is it in {x}?"},
    {GUIDE_COUNTRY, "how big is {x}?"}, {GUIDE_COUNTRY, "what size has {x}?"},
    {GUIDE_COUNTRY, "what is the area of {x}?"}, {GUIDE_COUNTRY, "how large a place is {x}?"},
    {GUIDE_COUNTRY, "is {x} large?"}, {GUIDE_COUNTRY, "how old is {x}?"},

    {GUIDE_THING, "who invented {x}?"}, {GUIDE_THING, "how much does {x} cost?"},
    {GUIDE_THING, "what is {x} made of?"}, {GUIDE_THING, "why is {x} important?"},
    {GUIDE_THING, "give me facts about {x}."}, {GUIDE_THING, "what do you think about {x}?"},
    {GUIDE_THING, "what is the history of {x}?"}, {GUIDE_THING, "where does {x} come from?"},
    {GUIDE_THING, "teach me about {x}."}, {GUIDE_THING, "how is {x} made?"},
    {GUIDE_THING, "what is your opinion on {x}?"}, {GUIDE_THING, "do you think {x} is good?"},
    {GUIDE_THING, "do you like {x}?"},
    {GUIDE_THING, "where can I buy {x}?"}, {GUIDE_THING, "how long does {x} last?"},

    {GUIDE_WRITING, "write a poem about {x}."}, {GUIDE_WRITING, "write an essay about {x}."},
    {GUIDE_WRITING, "tell me a story about {x}."}, {GUIDE_WRITING, "tell me a joke about {x}."},
    {GUIDE_WRITING, "compose a song about {x}."}, {GUIDE_WRITING, "write a blog post about "
     "{x}."},
    {GUIDE_WRITING, "summarise the latest news about {x}."},
    {GUIDE_WRITING, "give me ten ideas about {x}."}, {GUIDE_WRITING, "draw a picture of {x}."},
};

/* The kinds of a row are the number of the follow-up. */
static const struct guide_frame follows[] = {
    {GUIDE_FOLLOW_DEFAULT, "and the default?"}, {GUIDE_FOLLOW_DEFAULT, "what's the default?"},
    {GUIDE_FOLLOW_DEFAULT, "and its default value?"},
    {GUIDE_FOLLOW_DEFAULT, "what is it by default?"},
    {GUIDE_FOLLOW_DEFAULT, "what about the default?"},
    {GUIDE_FOLLOW_DEFAULT, "which default has it?"},
    {GUIDE_FOLLOW_FLAG, "and the flag?"}, {GUIDE_FOLLOW_FLAG, "what's the flag for it?"},
    {GUIDE_FOLLOW_FLAG, "and on the command line?"}, {GUIDE_FOLLOW_FLAG, "as a flag?"},
    {GUIDE_FOLLOW_FLAG, "which flag is that?"},
    {GUIDE_FOLLOW_FLAG, "is there a flag for it?"},
    {GUIDE_FOLLOW_ENVIRONMENT, "and in the environment?"},
    {GUIDE_FOLLOW_ENVIRONMENT, "and the environment variable?"},
    {GUIDE_FOLLOW_ENVIRONMENT, "what's its environment variable?"},
    {GUIDE_FOLLOW_ENVIRONMENT, "which variable is it?"},
    {GUIDE_FOLLOW_ENVIRONMENT, "as an environment variable?"},
    {GUIDE_FOLLOW_RANGE, "which values can it have?"}, {GUIDE_FOLLOW_RANGE, "and the range?"},
    {GUIDE_FOLLOW_RANGE, "what values does it take?"},
    {GUIDE_FOLLOW_RANGE, "what are its limits?"}, {GUIDE_FOLLOW_RANGE, "what is allowed for "
     "it?"},
    {GUIDE_FOLLOW_SECTION, "and in the config file?"},
    {GUIDE_FOLLOW_SECTION, "where does it go in config.yaml?"},
    {GUIDE_FOLLOW_SECTION, "in which section is it?"},
    {GUIDE_FOLLOW_SECTION, "what about YAML?"},
    {GUIDE_FOLLOW_CHANGE, "can I change it while chatting?"},
    {GUIDE_FOLLOW_CHANGE, "can it be changed at run time?"},
    {GUIDE_FOLLOW_CHANGE, "can I change that in a running chat?"},
    {GUIDE_FOLLOW_SET, "how do I set it?"}, {GUIDE_FOLLOW_SET, "how do I change it?"},
    {GUIDE_FOLLOW_SET, "and how do I change that?"}, {GUIDE_FOLLOW_SET, "how can I set that?"},
    {GUIDE_FOLLOW_IS, "what does that do?"}, {GUIDE_FOLLOW_IS, "and what does it do?"},
    {GUIDE_FOLLOW_IS, "what is that?"}, {GUIDE_FOLLOW_IS, "what does it mean?"},
    {GUIDE_FOLLOW_IS, "explain that please"}, {GUIDE_FOLLOW_IS, "what exactly does that do?"},
    {GUIDE_FOLLOW_USAGE, "what arguments does it take?"}, {GUIDE_FOLLOW_USAGE, "how do I use "
     "it?"},
    {GUIDE_FOLLOW_USAGE, "what can I give it?"}, {GUIDE_FOLLOW_USAGE, "and its arguments?"},
    {GUIDE_FOLLOW_USAGE, "how exactly do I write it?"},
    {GUIDE_FOLLOW_OPPOSITE, "and the other way round?"},
    {GUIDE_FOLLOW_OPPOSITE, "and the opposite?"},
    {GUIDE_FOLLOW_OPPOSITE, "what about the other direction?"},
    {GUIDE_FOLLOW_OPPOSITE, "and how do I undo that?"},
    {GUIDE_FOLLOW_OPPOSITE, "and the reverse?"}, {GUIDE_FOLLOW_OPPOSITE, "and back again?"},
    {GUIDE_FOLLOW_OPPOSITE, "how do I do the opposite?"},
    {GUIDE_FOLLOW_AGAIN, "say it again"}, {GUIDE_FOLLOW_AGAIN, "can you repeat that?"},
    {GUIDE_FOLLOW_AGAIN, "once more please"}, {GUIDE_FOLLOW_AGAIN, "what did you say?"},
    {GUIDE_FOLLOW_AGAIN, "repeat your answer"}, {GUIDE_FOLLOW_AGAIN, "sorry, what?"},
    {GUIDE_FOLLOW_AGAIN, "I did not get that"}, {GUIDE_FOLLOW_AGAIN, "again please"},
    {GUIDE_FOLLOW_AGAIN, "I did not understand"}, {GUIDE_FOLLOW_DEFAULT, "and by default?"},
    {GUIDE_FOLLOW_DEFAULT, "default?"}, {GUIDE_FOLLOW_DEFAULT, "what about default values?"},
    {GUIDE_FOLLOW_FLAG, "flag?"}, {GUIDE_FOLLOW_FLAG, "and as a flag?"},
    {GUIDE_FOLLOW_ENVIRONMENT, "and the variable?"},
    {GUIDE_FOLLOW_ENVIRONMENT, "what variable is that?"},
    {GUIDE_FOLLOW_RANGE, "and its values?"}, {GUIDE_FOLLOW_RANGE, "what values can it take?"},
    {GUIDE_FOLLOW_SECTION, "and in config.yaml?"}, {GUIDE_FOLLOW_SECTION, "which section?"},
    {GUIDE_FOLLOW_CHANGE, "can it change in the chat?"},
    {GUIDE_FOLLOW_CHANGE, "can I change it in a chat that runs?"},
    {GUIDE_FOLLOW_SET, "how can I set it?"}, {GUIDE_FOLLOW_SET, "and how do I set it?"},
    {GUIDE_FOLLOW_IS, "what does it do?"}, {GUIDE_FOLLOW_IS, "and what is it?"},
    {GUIDE_FOLLOW_USAGE, "arguments?"}, {GUIDE_FOLLOW_USAGE, "which arguments?"},
    {GUIDE_FOLLOW_OPPOSITE, "the opposite?"}, {GUIDE_FOLLOW_OPPOSITE, "and the opposite of "
     "it?"},
};
/* clang-format on */

enum {
    N_FRAMES = sizeof frames / sizeof *frames,
    N_FOLLOWS = sizeof follows / sizeof *follows,
    N_ALL = N_FRAMES + N_FOLLOWS
};

/* Frames first, then follow-ups; made once, never freed. */
static struct {
    bool ready;
    char *sides[N_ALL][2]; /* plain words before and behind the wording */
    bool held_out[N_ALL];
    const char *marks[MARKS_MAX];
    size_t n_marks;
} rule;

static const struct guide_frame *row(size_t i)
{
    return i < N_FRAMES ? &frames[i] : &follows[i - N_FRAMES];
}

static size_t count_words(const char *words)
{
    size_t n = words[0] != '\0';

    for (; *words != '\0'; words++)
        n += *words == ' ';
    return n;
}

/* The longer side: what marks the frame. */
static const char *mark_of(size_t i)
{
    const char *before = rule.sides[i][0], *behind = rule.sides[i][1];

    return count_words(before) >= count_words(behind) ? before : behind;
}

static bool is_same_kind(size_t i, unsigned kind, bool is_follow)
{
    if (is_follow != (i >= N_FRAMES))
        return false;
    return is_follow ? row(i)->kinds == kind : (row(i)->kinds & kind) != 0;
}

static bool may_hold_out(size_t candidate)
{
    const char *mark = mark_of(candidate);

    /* A follow-up is short: all of it counts. */
    if (count_words(mark) < FEWEST_WORDS)
        return false;
    for (size_t i = 0; i < N_ALL; i++) {
        if (i != candidate && !rule.held_out[i] &&
            (guide_words_contain(rule.sides[i][0], mark) ||
             guide_words_contain(rule.sides[i][1], mark)))
            return false;
    }
    return true;
}

static void split_kind(unsigned kind, bool is_follow)
{
    size_t n = 0, n_held = 0, wanted;
    uint64_t above = 0;

    for (size_t i = 0; i < N_ALL; i++) {
        n += is_same_kind(i, kind, is_follow);
        n_held += is_same_kind(i, kind, is_follow) && rule.held_out[i];
    }
    wanted = n / ONE_IN > 0 ? n / ONE_IN : n > 2;
    while (n_held < wanted) {
        size_t best = N_ALL;
        for (size_t i = 0; i < N_ALL; i++) {
            uint64_t hash = guide_hash(row(i)->text);
            if (is_same_kind(i, kind, is_follow) && hash > above && !rule.held_out[i] &&
                (best == N_ALL || hash < guide_hash(row(best)->text)))
                best = i;
        }
        if (best == N_ALL)
            return;
        above = guide_hash(row(best)->text);
        if (may_hold_out(best)) {
            rule.held_out[best] = true;
            n_held++;
        }
    }
}

static void make_rule(void)
{
    if (rule.ready)
        return;
    for (size_t i = 0; i < N_ALL; i++) {
        const char *text = row(i)->text;
        const char *slot = strstr(text, "{x}");
        char *before = app_copy(text, slot != NULL ? (size_t)(slot - text) : strlen(text));
        rule.sides[i][0] = guide_words(before);
        rule.sides[i][1] = guide_words(slot != NULL ? slot + 3 : "");
        free(before);
    }
    for (unsigned kind = 0; kind < GUIDE_KIND_COUNT; kind++)
        split_kind(1u << kind, false);
    for (unsigned follow = 0; follow < GUIDE_FOLLOW_COUNT; follow++)
        split_kind(follow, true);
    for (size_t i = 0; i < N_ALL && rule.n_marks + 1 < MARKS_MAX; i++) {
        if (rule.held_out[i])
            rule.marks[rule.n_marks++] = mark_of(i);
    }
    rule.ready = true;
}

bool guide_frames_contain(const char *words)
{
    make_rule();
    for (size_t i = 0; i < N_ALL; i++) {
        if (!rule.held_out[i] && (guide_words_contain(rule.sides[i][0], words) ||
                                  guide_words_contain(rule.sides[i][1], words)))
            return true;
    }
    return false;
}

size_t guide_frame_count(void)
{
    return N_FRAMES;
}

const struct guide_frame *guide_frame(size_t frame)
{
    return &frames[frame];
}

bool guide_frame_held_out(size_t frame)
{
    make_rule();
    return rule.held_out[frame];
}

const char *guide_frame_mark(size_t i)
{
    make_rule();
    return i < rule.n_marks ? rule.marks[i] : NULL;
}

static size_t pick(struct guide_random *random, unsigned kinds, bool is_follow, bool held_out)
{
    size_t n = 0;

    make_rule();
    for (size_t i = 0; i < N_ALL; i++)
        n += is_same_kind(i, kinds, is_follow) && rule.held_out[i] == held_out;
    if (n == 0)
        return N_ALL;
    n = guide_below(random, n);
    for (size_t i = 0; i < N_ALL; i++) {
        if (is_same_kind(i, kinds, is_follow) && rule.held_out[i] == held_out && n-- == 0)
            return i;
    }
    return N_ALL;
}

size_t guide_frame_pick(struct guide_random *random, unsigned kinds, bool held_out)
{
    size_t frame = pick(random, kinds, false, held_out);

    return frame == N_ALL ? N_FRAMES : frame;
}

const char *guide_follow_pick(struct guide_random *random, enum guide_follow follow,
                              bool held_out)
{
    size_t i = pick(random, follow, true, held_out);

    return i == N_ALL ? NULL : row(i)->text;
}

void guide_frame_fill(struct text_buffer *out, size_t frame, const char *wording)
{
    const char *text = frames[frame].text;
    const char *slot = strstr(text, "{x}");

    text_append(out, text, (size_t)(slot - text));
    text_add(out, wording);
    text_add(out, slot + 3);
}
