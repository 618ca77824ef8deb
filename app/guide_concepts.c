/*
 * guide_concepts.c - facts about banter itself, its words, its files and its statistics
 */
#include "app/guide_facts.h"

#define WHAT GUIDE_CONCEPT
#define ASK  GUIDE_WHOLE

/* clang-format off */
static const struct guide_row rows[] = {
    /* Who and what. */
    {"self/banter", WHAT, 3,
     "banter is a chat in the terminal with its own engine for language models.",
     "chat in the terminal", "banter",
     "banter; (this|the) program; (the program|the chat) banter; this (chat|tool)"},
    {"self/guide", ASK, 4, "I am guide, a small built-in model that knows banter.", "guide",
     "who I am",
     "who are you; what are you; what is your name; (what|which) model (are you|is this|am I "
     "talking to); who am I (talking|speaking) to; are you a (person|human|robot|bot|real "
     "model); introduce yourself; tell me about yourself; what is guide; who is guide; what "
     "kind of model are you"},
    {"self/can", ASK, 4,
     "I answer questions about banter: its keys, commands, settings and files.", "about banter",
     "what I can do",
     "what can you do; what do you know; what can I ask (you|); how can you help (me|); what "
     "are you (for|good for|good at); what (questions|things) can you answer; what should I "
     "ask (you|); can you help me"},
    {"self/others", ASK, 3, "No, I am guide, a small model that was trained by banter itself.",
     "guide", "who I am",
     "are you (ChatGPT|GPT|Claude|Gemini|Qwen|Llama|Siri|Alexa|Copilot|Mistral); is this "
     "(ChatGPT|Claude|Gemini|Qwen|Llama)"},
    {"self/size", ASK, 2,
     "I have a few million parameters; real models have a thousand times more.", "few million",
     "my size",
     "how (big|large|small) (are you|is guide|is this model); how many parameters (do you "
     "have|has guide|are in guide); what is your size; why are you so "
     "(small|stupid|limited|dumb)"},
    {"self/maker", ASK, 2,
     "I was trained by banter's own trainer, on texts that banter made itself.",
     "banter's own trainer", "who made me",
     "who (made|trained|built|created|wrote) you; how were you (made|trained|built|created); "
     "where do you come from; what were you trained on; which data were you trained on"},
    {"self/draft", WHAT, 2,
     "guide-draft is a tenth of guide; it proposes tokens that guide checks.",
     "proposes tokens", "guide-draft",
     "guide-draft; the draft of guide; the guide-draft model; the small draft model"},
    {"self/trust", ASK, 1, "I know only banter and may be wrong; man banter has the truth.",
     "man banter", "how far to trust me",
     "can I (trust|believe|rely on) (you|your answers); are you (always|) right; do you make "
     "mistakes; are your answers (right|correct|true)"},
    {"self/private", ASK, 3, "Nothing is sent anywhere: the model runs on this machine.",
     "Nothing is sent", "privacy",
     "is (my data|my text|anything|what I type|this chat) (sent|uploaded) (anywhere|to a "
     "server|to the internet|); (is banter|is this|is the chat) (private|local|safe); who can "
     "(read|see) (my messages|what I write); does banter (spy on me|send data|phone home|use "
     "the cloud); where does the model run"},
    {"self/offline", ASK, 2, "banter needs no network: it works offline.", "offline",
     "the network",
     "(do I|does banter|do you) need (the|an) (internet|network|internet connection); does it "
     "(work|run) (offline|without internet); must I be online"},
    {"self/gpu", ASK, 2, "No, banter computes on the processor alone.", "processor", "hardware",
     "(do I|does banter|do you) need a (GPU|graphics card); does banter use (the|my) "
     "(GPU|graphics card); can it run on (a|the|my) (GPU|graphics card)"},
    {"self/licence", ASK, 2, "banter is free software under GPL-3.0-or-later.",
     "GPL-3.0-or-later", "the licence",
     "(what|which) (licence|license) (has banter|is it|does banter have); is banter "
     "(free|free software|open source); what does banter cost; may I (change|copy|share) "
     "banter"},
    {"self/language", ASK, 1, "banter is written in C11.", "C11", "the source",
     "(what|which) (language|programming language) is banter written in; (is banter|is it) "
     "written in (C|Rust|Python|C++)"},
    {"self/systems", ASK, 1, "banter runs on Linux, in a terminal.", "Linux", "systems",
     "(what|which) (systems|operating systems|platforms) does banter (run on|support); does "
     "banter run on (Linux|Windows|a Mac); where can I run banter"},
    {"self/exact", ASK, 2,
     "Yes: the same model, settings, messages and seed give the same answer.", "same answer",
     "exactness",
     "are (answers|the answers) (reproducible|repeatable|deterministic); does the same seed "
     "give the same (text|answer); is banter deterministic; can an answer be repeated exactly"},
    {"self/threads-change", ASK, 1,
     "No: threads and chunks never change an answer, only the speed.", "never change an answer",
     "threads and answers",
     "do (threads|more threads|chunks) change the (answer|text); does the (number of "
     "threads|chunk size) (change|alter|affect) (answers|the answer)"},
    {"self/models", ASK, 3, "banter runs dense Qwen3.5 models from GGUF files.", "Qwen3.5",
     "models that run",
     "(what|which) (models|model files|files) (can banter run|does banter run|are "
     "supported|work with banter|does banter support|can I use); can banter run "
     "(Llama|Mistral|Gemma|other models|GPT); what (models|architectures) (run|work)"},
    {"self/moe", ASK, 1, "No, mixtures of experts do not run in banter.", "do not run",
     "mixtures of experts",
     "does banter run (mixtures of experts|MoE models|expert models); can (I|banter) "
     "(use|run) (MoE|mixture of experts) models"},
    {"self/get-model", ASK, 3,
     "Download a Qwen3.5 GGUF file, put it in ~/.local/share/banter/models, run banter "
     "--model FILE.", "GGUF", "getting a model",
     "where (do|can) I (get|find|download) (a model|models|a real model|model files); how do "
     "I (get|download) (a model|models|model files); which (model|file) should I download"},
    {"self/wait", ASK, 2, "The message waits and is sent when the answer is done.", "waits",
     "typing during an answer",
     "can I type while (it answers|an answer runs|the model writes|you answer); what happens "
     "when I send a message (during|while) an answer (runs|); what if I press Enter "
     "(during|while) an answer (runs|)"},
    {"self/full", ASK, 2, "The answer is cut; --context N makes more room, /new begins afresh.",
     "--context", "a full context",
     "what happens when the context is full; the context is full; what if the "
     "(context|conversation) (is full|gets too long); why was the answer cut (off|); my "
     "answer was cut"},
    {"self/slow", ASK, 2,
     "Take a smaller model or one with fewer bits; more threads than cores do not help.",
     "smaller model", "speed",
     "why is (it|banter|the model) so slow; how do I make (it|banter|the model) faster; how "
     "can I speed (it|banter|the model) up; banter is slow; get more speed"},
    {"self/unknown-command", ASK, 1, "It is an error and is never sent to the model.",
     "never sent to the model", "unknown commands",
     "what happens with an unknown command; what if I (mistype|misspell) a command; is an "
     "unknown command sent to the model"},
    {"self/filter", WHAT, 1, "The filter shows control characters instead of executing them.",
     "control characters", "the filter",
     "the (output|text|screen) filter; (the filtering of|filtered) (output|text)"},
    {"self/inputrc", WHAT, 1,
     "inputrc is readline's file of keys; $if banter starts banter's part.", "readline",
     "inputrc", "inputrc; the inputrc (file|); $if banter; the file inputrc"},
    {"self/readline", WHAT, 1, "readline edits the input line; all its keys work.",
     "edits the input line", "readline", "readline; the readline library; readline in banter"},
    {"self/trainer", WHAT, 1,
     "The trainer is the part of banter that makes small models like me.", "small models",
     "the trainer", "the trainer; banter's (own|) trainer; the training part"},

    /* How tokens are chosen and proposed. */
    {"policy/policy", WHAT, 2,
     "A policy says how tokens are proposed; the text stays the same.",
     "how tokens are proposed", "policies",
     "a policy; (a decode|a decoding) policy; (the|) policies; (decode|decoding) policies"},
    {"policy/greedy", WHAT, 2, "Greedy takes one token after the other, without proposals.",
     "one token after the other", "the policy greedy",
     "greedy; the (policy greedy|greedy policy); greedy decoding; plain decoding"},
    {"policy/ngram", WHAT, 2,
     "ngram proposes what followed the same words earlier in the text.", "earlier in the text",
     "the policy ngram",
     "ngram; the (policy ngram|ngram policy); n-gram (decoding|lookup|speculation)"},
    {"policy/speculative", WHAT, 2,
     "Speculative: a small draft model proposes tokens, the large one checks.",
     "draft model proposes", "the policy speculative",
     "speculative; the (policy speculative|speculative policy); speculative decoding; "
     "speculation"},
    {"policy/mtp", WHAT, 2, "MTP: the model's own extra head proposes further tokens.",
     "extra head", "the policy mtp",
     "mtp; the (policy mtp|mtp policy); multi-token prediction; the MTP (head|block); the "
     "multi-token head"},
    {"policy/auto", WHAT, 2, "Auto chooses the policy that is fastest at the moment.",
     "fastest", "the policy auto",
     "the (policy auto|auto policy); auto as a policy; automatic (policy|choice of policy)"},
    {"policy/draft", WHAT, 2,
     "A draft model is a small model whose tokens the large one checks.", "small model",
     "draft models", "a draft (model|); (draft models|drafts); the draft model"},
    {"policy/acceptance", WHAT, 1, "Acceptance: the share of proposed tokens that were right.",
     "share of proposed tokens", "acceptance",
     "acceptance; the acceptance (rate|share); (draft|MTP) acceptance"},
    {"policy/same", ASK, 2, "No: every policy gives the same text, only the speed differs.",
     "same text", "policies and text",
     "does (a|the|another) (policy|draft) change the (text|answer|output); do policies "
     "(change|affect) (the|) (answers|text); is the text (worse|different) with (a "
     "draft|speculation)"},
    {"policy/list", ASK, 2,
     "greedy, ngram, speculative, mtp, auto, and those of files such as careful and bold.",
     "greedy, ngram, speculative, mtp, auto", "all policies",
     "(which|what) policies (are there|exist|does banter have|can I choose from|can I use); "
     "(name|list) the policies; how many policies are there"},
    {"policy/careful", WHAT, 1, "careful is an example: auto that may lose 1 % at most.", "1 %",
     "the policy careful",
     "the (policy careful|careful policy); careful (as a policy|); careful.yaml"},
    {"policy/bold", WHAT, 1, "bold is an example: auto that stakes a fifth of the time.",
     "a fifth", "the policy bold",
     "the (policy bold|bold policy); bold (as a policy|); bold.yaml"},
    {"policy/fastest", ASK, 2, "It depends on model and text; auto measures and takes what "
     "pays.",
     "auto measures", "the fastest policy",
     "(which|what) policy (is the fastest|is fastest|is the best|should I use|should I take); "
     "(is speculation|is drafting) (always|) faster"},
    {"policy/loss", ASK, 1, "auto may lose 3 % of the plain time at most, and stops then.",
     "3 %",
     "what auto may lose",
     "can (auto|speculation|a policy) (be slower|make it slower|lose time); how much (can auto "
     "lose|slower can auto be|does auto risk)"},
    {"policy/switch", ASK, 1, "Yes, another policy counts from the next token on.", "next "
     "token",
     "changing the policy",
     "can I (change|switch) (the policy|policies) (during|within|in the middle of) an answer; "
     "does (/policy|a new policy) count (at once|for this answer)"},
    {"policy/vocabulary", ASK, 1, "It must have the same vocabulary as the model.",
     "same vocabulary", "what fits as a draft",
     "(which|what) model (can be|fits as|can I take as|may be) (a|the) draft; must (a|the) "
     "draft "
     "have the same vocabulary; does any model work as a draft"},
    {"policy/verify", WHAT, 1, "Verifying reads the proposed tokens in one pass and keeps the "
     "right ones.", "in one pass", "verifying",
     "verifying; (verification|the verifying) of (tokens|drafts); (a|the) verify pass; the "
     "cost "
     "of verify"},
    {"policy/rollback", WHAT, 1, "Rollback takes the state back before tokens that were "
     "rejected.",
     "takes the state back", "rollback",
     "(a|the) rollback; rollback; (rolling|taking) back (tokens|the state)"},
    {"policy/gamma", WHAT, 1, "gamma is how many tokens a proposal has at most.", "at most",
     "gamma", "gamma; the (gamma of a policy|value gamma); max_gamma; gamma in a policy"},
    {"policy/account", WHAT, 1,
     "auto's account: speculation may spend 3 % of the plain time and what it earned.",
     "what it earned", "the account of auto",
     "the account (of auto|); auto's account; the (budget|account) of speculation"},
    {"policy/length", WHAT, 1, "len: the tokens that a pass with proposals gives on average.",
     "on average", "the mean length",
     "the mean (accepted length|length); len (in the status line|); (an|the) accepted length"},
    {"policy/acc", WHAT, 1, "acc: accepted tokens over verified ones.", "over verified", "acc",
     "acc; acc (in the status line|71%); the acc (figure|number)"},
    {"policy/speed-up", WHAT, 1, "The speed-up: what plain steps would take over what it took.",
     "plain steps", "the speed-up",
     "(a|the) speed-up; the (speed-up figure|gain of speculation); x1.3 (in the status line|)"},
    {"policy/estimated", WHAT, 1, "est.: estimated from plain steps that were measured.",
     "estimated", "est.", "est.; est (in the status line|); the (word|mark) est."},
    {"policy/break-even", WHAT, 1, "Break-even: the length at which speculation only just "
     "pays.",
     "only just pays", "break-even", "(the|) break-even; the break-even (point|length); break "
     "even"},
    {"policy/plain", WHAT, 1, "PLAIN: one token a pass, nothing is proposed.",
     "one token a pass", "the state PLAIN",
     "PLAIN; PLAIN in the status line; the (state PLAIN|PLAIN state|word PLAIN)"},
    {"policy/probing", WHAT, 1, "PROBING: what proposals cost is being measured.", "measured",
     "the state PROBING",
     "PROBING; PROBING in the status line; the (state PROBING|PROBING state|word PROBING)"},
    {"policy/drafting", WHAT, 1, "DRAFTING: the last pass verified proposed tokens.",
     "verified proposed tokens", "the state DRAFTING",
     "DRAFTING; DRAFTING in the status line; the (state DRAFTING|DRAFTING state|word "
     "DRAFTING)"},
    {"policy/gated", WHAT, 1, "GATED: there was a proposal; it was not worth it.",
     "not worth it", "the state GATED",
     "GATED; GATED in the status line; the (state GATED|GATED state|word GATED)"},
    {"policy/fallback", WHAT, 1, "FALLBACK: drafting failed; plain until it is tried again.",
     "until it is tried again", "the state FALLBACK",
     "FALLBACK; FALLBACK in the status line; the (state FALLBACK|FALLBACK state|word "
     "FALLBACK); "
     "a fallback"},
    {"policy/cooldown", WHAT, 1, "COOLDOWN: a source of proposals rests for some plain tokens.",
     "rests", "the state COOLDOWN",
     "COOLDOWN; COOLDOWN in the status line; the (state COOLDOWN|COOLDOWN state|word "
     "COOLDOWN)"},
    {"policy/ab-view", WHAT, 1, "The A/B view shows two answers to one prompt side by side.",
     "side by side", "the A/B view",
     "the (A/B view|split view|comparison view); an A/B (test|view|comparison); A/B"},
    {"policy/blind", WHAT, 1, "A blind test shows two answers and says only later which is "
     "which.",
     "only later", "blind tests", "a blind (test|comparison); (blind tests|blind mode|the "
     "blind "
     "mode)"},
    {"policy/selfcheck", WHAT, 1,
     "The self-check proves here that all ways of computing give the same bytes.", "same bytes",
     "the self-check", "the self-check; a self-check; (self-checks|self-checking); the (check|"
     "proof) of the law"},
    {"policy/trace", WHAT, 1, "A trace has one line of JSON for each pass of the model.",
     "for each pass", "traces", "a trace; (traces|trace files); a trace (file|of decoding)"},
    {"policy/lanes", WHAT, 1, "Lanes are several answers that are computed in one pass.",
     "several answers", "lanes", "(a lane|lanes|the lanes); lanes in the bench; several "
     "sequences "
     "at once"},

    /* Words of the field. */
    {"word/gguf", WHAT, 3,
     "GGUF is the file format of models: weights, vocabulary and settings in one.",
     "file format", "GGUF",
     "GGUF; (a|the) GGUF file; the GGUF format; GGUF (models|files); a .gguf file"},
    {"word/model", WHAT, 2, "A language model predicts the next token of a text.", "next token",
     "language models",
     "a language model; (language models|a model); an LLM; a large language model"},
    {"word/token", WHAT, 2, "A token is a piece of text, often a word or a part of one.",
     "piece of text", "tokens", "a token; (tokens|the tokens); a single token"},
    {"word/tokenizer", WHAT, 1, "The tokenizer cuts text into tokens.", "cuts text",
     "the tokenizer",
     "(a|the) tokenizer; (tokenizers|tokenisers); (a|the) tokeniser; tokenisation"},
    {"word/vocabulary", WHAT, 1, "The vocabulary is the list of all tokens of a model.",
     "list of all tokens", "the vocabulary",
     "(a|the) vocabulary; the vocabulary of a model; the model's vocabulary"},
    {"word/bpe", WHAT, 1, "BPE joins frequent pairs of bytes until the vocabulary is full.",
     "frequent pairs", "BPE", "BPE; byte pair encoding; a BPE (tokenizer|vocabulary)"},
    {"word/context", WHAT, 2,
     "The context is the room for the conversation, counted in tokens.",
     "room for the conversation", "the context",
     "(the|a) context; the context window; a context window; the context of a model"},
    {"word/prompt", WHAT, 1, "A prompt is the text that the model continues.",
     "the model continues", "prompts", "a prompt; (prompts|the prompt); prompting"},
    {"word/system", WHAT, 2,
     "A system prompt stands before the conversation and says how to behave.",
     "before the conversation", "system prompts",
     "a system prompt; (system prompts|system messages); a system message"},
    {"word/thinking", WHAT, 2, "Thinking: the model writes notes to itself before the answer.",
     "before the answer", "thinking",
     "thinking; (the thinking|thinking blocks); a thinking (block|model); reasoning; thinking "
     "mode"},
    {"word/quantisation", WHAT, 2,
     "Quantisation stores weights in fewer bits: smaller and faster, a little less exact.",
     "fewer bits", "quantisation",
     "quantisation; (quantization|quantized models); a (quantised|quantized) model; quants"},
    {"word/q8", WHAT, 2, "Q8_0 stores about 8.5 bits a weight and loses almost nothing.",
     "8.5 bits", "Q8_0", "Q8_0; the (type Q8_0|Q8_0 type|Q8_0 format); a Q8_0 (file|model)"},
    {"word/q4", WHAT, 2, "Q4_K_M stores about 4.8 bits a weight: small and still good.",
     "4.8 bits", "Q4_K_M",
     "Q4_K_M; the (mix Q4_K_M|Q4_K_M mix|Q4_K_M format); a Q4_K_M (file|model)"},
    {"word/q5", WHAT, 1, "Q5_K stores about 5.5 bits a weight.", "5.5 bits", "Q5_K",
     "Q5_K; the (type Q5_K|Q5_K type|Q5_K format); a Q5_K (file|model); Q5_K_M"},
    {"word/q6", WHAT, 1, "Q6_K stores about 6.6 bits a weight, nearly as exact as Q8_0.",
     "6.6 bits", "Q6_K", "Q6_K; the (type Q6_K|Q6_K type|Q6_K format); a Q6_K (file|model)"},
    {"word/f16", WHAT, 1, "F16 stores each weight as a 16-bit float.", "16-bit float", "F16",
     "F16; the (type F16|F16 type|F16 format); a F16 (file|model); half precision"},
    {"word/bf16", WHAT, 1, "BF16 is a 16-bit float with the range of F32 and fewer digits.",
     "range of F32", "BF16",
     "BF16; the (type BF16|BF16 type|BF16 format); a BF16 (file|model); bfloat16"},
    {"word/f32", WHAT, 1, "F32 stores each weight as a 32-bit float.", "32-bit float", "F32",
     "F32; the (type F32|F32 type|F32 format); a F32 (file|model); full precision"},
    {"word/split", WHAT, 1, "A split model lies in several files; name any part of it.",
     "several files", "split models",
     "a split (model|file); (split models|a model in several files); model parts"},
    {"word/deltanet", WHAT, 1,
     "DeltaNet layers keep a state of fixed size instead of all earlier tokens.",
     "state of fixed size", "DeltaNet",
     "DeltaNet; (a gated|gated) DeltaNet; a DeltaNet layer; (gated|the) DeltaNet layers"},
    {"word/attention", WHAT, 1,
     "Attention looks at all earlier tokens; every fourth layer has it.", "all earlier tokens",
     "attention", "attention; full attention; an attention layer; (the|) attention layers"},
    {"word/qwen", WHAT, 1, "Qwen3.5 is the family of models that banter runs.",
     "family of models", "Qwen3.5",
     "Qwen3.5; (the Qwen3.5 family|Qwen); a Qwen3.5 model; qwen35"},
    {"word/hybrid", WHAT, 1,
     "A hybrid model has three DeltaNet layers for each layer of attention.",
     "three DeltaNet layers", "hybrid models",
     "a hybrid model; (hybrid models|hybrid); a hybrid architecture"},
    {"word/kv-cache", WHAT, 1, "The KV cache holds keys and values of earlier tokens.",
     "earlier tokens", "the KV cache",
     "(the|a) KV cache; the key value cache; the cache of keys and values"},
    {"word/logits", WHAT, 1, "Logits are the scores of all tokens, before one is chosen.",
     "scores", "logits", "logits; (a logit|the logits); the logits of a model"},
    {"word/sampling", WHAT, 1,
     "Sampling chooses the next token by chance, likely ones more often.", "next token",
     "sampling", "sampling; (token sampling|the sampling); sampling settings"},
    {"word/template", WHAT, 1,
     "A chat template writes the messages as the model was taught to read them.", "messages",
     "chat templates", "a chat template; (chat templates|templates); a template for chats"},
    {"word/kernel", WHAT, 1,
     "The kernel level says which instructions of the processor are used.", "instructions",
     "kernel levels", "a kernel level; (kernel levels|kernels); the level of the kernels"},
    {"word/prefill", WHAT, 2, "Prefill is reading the new tokens of the prompt.", "reading",
     "prefill", "prefill; (the prefill|prefilling); the prefill (time|figure)"},
    {"word/decode", WHAT, 2,
     "Decode is the time from the first token of the answer to the last.", "first token",
     "decode", "decode; (the decode time|decoding time); the decode (figure|statistic)"},
    {"word/ttft", WHAT, 2, "ttft is the time from sending the message to the first token.",
     "first token", "ttft",
     "ttft; time to first token; (the ttft|first token) in the status line; the ttft figure"},
    {"word/speed", WHAT, 2, "t/s are tokens per second, without the first one.",
     "tokens per second", "t/s",
     "t/s; (the t/s figure|t/s in the status line); tokens per second; the tokens per second "
     "figure"},
    {"word/ctx", WHAT, 2, "ctx shows the tokens in the state and the room for them.", "room",
     "ctx", "ctx; (ctx in the status line|the ctx figure); ctx 166/32k; the ctx numbers"},
    {"word/status-line", WHAT, 1,
     "The status line shows speed, tokens, time to first token and context.", "speed",
     "the status line",
     "the status line; (the line at the bottom|the last line); the numbers below the chat"},
    {"word/yaml", WHAT, 1, "YAML is the format of config.yaml: sections with keys and values.",
     "config.yaml", "YAML", "YAML; a YAML file; (the YAML|YAML) format"},
    {"word/checkpoint", WHAT, 1, "A checkpoint is a saved state from which training goes on.",
     "saved state", "checkpoints",
     "a checkpoint; (checkpoints|a training checkpoint); the checkpoint file"},
    {"word/transcript", WHAT, 1, "A transcript is the conversation as it stands on the screen.",
     "conversation", "the transcript", "a transcript; the transcript; (the|a) chat transcript"},
};
/* clang-format on */

void guide_concepts_add(struct guide_facts *facts)
{
    guide_rows_add(facts, rows, sizeof rows / sizeof *rows);
}
