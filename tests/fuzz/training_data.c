/*
 * training_data.c - any bytes as lines of chats and texts: refused by line and offset, or sequences
 * that a training can take
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/training_data.h"
#include "engine/model.h"
#include "engine/vocabulary_training.h"

int LLVMFuzzerInitialize(int *n_arguments, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

enum { WINDOW = 16, PASS = 64, VOCABULARY = 270 };

static char folder[] = "/tmp/banter-fuzz-XXXXXX";
static char path[sizeof folder + 16];
static struct model *model;

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void remove_files(void)
{
    unlink(path);
    rmdir(folder);
}

int LLVMFuzzerInitialize(int *n_arguments, char ***arguments)
{
    const struct model_options options = {.vocabulary_only = true};
    struct vocabulary_training *training;

    (void)n_arguments;
    (void)arguments;
    require(mkdtemp(folder) != NULL);
    atexit(remove_files);
    snprintf(path, sizeof path, "%s/data.jsonl", folder);
    require(vocabulary_training_new(&training, VOCABULARY, NULL) == STATUS_OK);
    require(vocabulary_training_add(training, "user a user the the", 19, NULL) == STATUS_OK);
    require(vocabulary_training_write(training, path, NULL, NULL) == STATUS_OK);
    vocabulary_training_free(&training);
    require(model_open(&model, path, &options, NULL) == STATUS_OK);
    return 0;
}

static void write_file(const uint8_t *bytes, size_t n_bytes)
{
    FILE *file;

    unlink(path); /* the model's file is mapped */
    file = fopen(path, "wb");
    require(file != NULL && fwrite(bytes, 1, n_bytes, file) == n_bytes && fclose(file) == 0);
}

static void check(const struct training_data *data)
{
    const int32_t n_vocab = (int32_t)model_info(model)->n_vocab;
    uint64_t n_tokens = 0;

    for (size_t i = 0; i < data->n_sequences; i++) {
        const struct train_sequence *sequence = &data->sequences[i];

        require(sequence->n_ids >= 2 && sequence->n_prompt < sequence->n_ids &&
                sequence->n_prompt <= PASS);
        for (uint32_t j = 0; j < sequence->n_ids; j++)
            require(sequence->ids[j] >= 0 && sequence->ids[j] < n_vocab);
        n_tokens += sequence->n_ids;
    }
    require(n_tokens == data->n_tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct training_data data = {.model = model, .window = WINDOW, .pass = PASS};
    struct error error = {0};

    write_file(bytes, n_bytes);
    if (training_data_read(&data, path, &error) != STATUS_OK)
        require(error.status == STATUS_DAMAGED && strstr(error.what, "(offset ") != NULL &&
                strstr(error.where, "data.jsonl:") != NULL);
    check(&data);
    training_data_release(&data);
    return 0;
}
