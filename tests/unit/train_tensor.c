/*
 * train_tensor.c - shapes, views and the tape: memory that is used again, records in reverse
 * order, failures that stay
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/train/tensor.h"

static struct tape *new_tape(void)
{
    struct tape *tape;

    assert_int_equal(tape_new(&tape, NULL, NULL, NULL), STATUS_OK);
    return tape;
}

static struct tensor *counting(struct tape *tape, uint32_t n_dimensions, const size_t *shape)
{
    struct tensor *x = tape_tensor(tape, n_dimensions, shape, true);

    assert_non_null(x);
    for (size_t i = 0; i < tensor_elements(x); i++)
        x->data[i] = (float)i;
    return x;
}

static void new_tensors_are_zero_and_aligned(void **state)
{
    struct tensor *x = tensor_new(3, (size_t[]){3, 1, 7}, true);

    (void)state;
    assert_non_null(x);
    assert_int_equal(tensor_elements(x), 21);
    assert_true(tensor_is_contiguous(x));
    assert_int_equal((uintptr_t)x->data % 64, 0);
    assert_int_equal((uintptr_t)x->gradient % 64, 0);
    for (size_t i = 0; i < 21; i++)
        assert_true(x->data[i] == 0 && x->gradient[i] == 0);
    tensor_free(&x);
    assert_null(x);
    tensor_free(&x);
    x = tensor_new(1, (size_t[]){5}, false);
    assert_non_null(x);
    assert_null(x->gradient);
    tensor_free(&x);
}

static void shapes_out_of_bounds_are_refused(void **state)
{
    (void)state;
    assert_null(tensor_new(0, (size_t[]){1}, false));
    assert_null(tensor_new(5, (size_t[]){1, 1, 1, 1, 1}, false));
    assert_null(tensor_new(1, (size_t[]){((size_t)1 << 40) + 1}, false));
    assert_null(tensor_new(2, (size_t[]){SIZE_MAX, SIZE_MAX}, false));
    assert_null(tensor_new(3, (size_t[]){(size_t)1 << 32, (size_t)1 << 32, 2}, false));
}

static float at(const struct tensor *x, size_t i, size_t j, size_t k)
{
    return x->data[i * x->stride[0] + j * x->stride[1] + k * x->stride[2]];
}

static void views_share_values_and_gradients(void **state)
{
    struct tape *tape = new_tape();
    struct tensor *x = counting(tape, 3, (size_t[]){3, 5, 7});
    struct tensor *turned = view_transpose(tape, x, 0, 2);
    struct tensor *part = view_slice(tape, turned, 1, 2, 3);

    (void)state;
    assert_non_null(part);
    assert_int_equal(part->shape[0], 7);
    assert_int_equal(part->shape[1], 3);
    assert_int_equal(part->shape[2], 3);
    assert_false(tensor_is_contiguous(part));
    for (size_t i = 0; i < 7; i++)
        for (size_t j = 0; j < 3; j++)
            for (size_t k = 0; k < 3; k++)
                assert_true(at(part, i, j, k) == at(x, k, j + 2, i));
    assert_ptr_equal(part->gradient - x->gradient, part->data - x->data);

    struct tensor *flat = view_reshape(tape, x, 2, (size_t[]){15, 7});
    assert_non_null(flat);
    assert_ptr_equal(flat->data, x->data);
    assert_int_equal(flat->stride[0], 7);
    struct tensor *row = view_slice(tape, flat, 0, 4, 1);
    assert_true(tensor_is_contiguous(row));
    struct tensor *wide = view_broadcast(tape, row, 3, (size_t[]){2, 6, 7});
    assert_non_null(wide);
    assert_int_equal(wide->stride[0], 0);
    assert_int_equal(wide->stride[1], 0);
    assert_true(at(wide, 1, 5, 6) == 34.0f);
    assert_non_null(view_slice(tape, x, 0, 3, 0));
    assert_int_equal(tape_status(tape, NULL), STATUS_OK);
    tape_free(&tape);
}

static void views_that_do_not_fit_fail(void **state)
{
    struct tape *tape = new_tape();

    (void)state;
    for (int which = 0; which < 9; which++) {
        tape_reset(tape);
        struct tensor *x = counting(tape, 2, (size_t[]){3, 5});
        struct tensor *view = NULL;
        switch (which) {
        case 0: view = view_reshape(tape, x, 2, (size_t[]){3, 4}); break;
        case 1:
            view = view_reshape(tape, view_transpose(tape, x, 0, 1), 1, (size_t[]){15});
            break;
        case 2: view = view_transpose(tape, x, 0, 2); break;
        case 3: view = view_slice(tape, x, 1, 3, 3); break;
        case 4: view = view_slice(tape, x, 2, 0, 1); break;
        case 5: view = view_slice(tape, x, 1, SIZE_MAX, 2); break;
        case 6: view = view_broadcast(tape, x, 2, (size_t[]){6, 5}); break;
        case 7: view = view_broadcast(tape, x, 1, (size_t[]){5}); break;
        case 8: view = view_transpose(tape, NULL, 0, 0); break;
        }
        assert_null(view);
        struct error error;
        assert_int_equal(tape_status(tape, &error), STATUS_USAGE);
        assert_true(error.what[0] != '\0');
        assert_null(tape_allocate(tape, 1)); /* and nothing else goes on */
    }
    tape_free(&tape);
}

static void first_failure_stays_until_reset(void **state)
{
    struct tape *tape = new_tape();
    struct error error;

    (void)state;
    assert_null(tape_fail(tape, STATUS_UNSUPPORTED, "number %d", 1));
    assert_null(tape_fail(tape, STATUS_USAGE, "number %d", 2));
    assert_int_equal(tape_status(tape, &error), STATUS_UNSUPPORTED);
    assert_string_equal(error.what, "number 1");
    assert_int_equal(tape_backward(tape, NULL, &error), STATUS_UNSUPPORTED);
    tape_reset(tape);
    assert_int_equal(tape_status(tape, &error), STATUS_OK);
    assert_non_null(tape_allocate(tape, 1));
    tape_free(&tape);
}

/* A step of many sizes; the sum of what was allocated, so that reuse can be told. */
static void allocate_step(struct tape *tape, uint32_t seed)
{
    for (int i = 0; i < 300; i++) {
        seed = seed * 1664525u + 1013904223u;
        size_t n = i % 50 == 7 ? seed >> 12 : seed >> 20; /* to 4 MB, to 16 KB */
        struct tensor *x = tape_tensor(tape, 1, (size_t[]){n}, i % 3 == 0);
        assert_non_null(x);
        assert_int_equal((uintptr_t)x->data % 64, 0);
        memset(x->data, 0xff, n * sizeof(float));
        if (x->gradient)
            for (size_t j = 0; j < n; j += 97)
                assert_true(x->gradient[j] == 0);
        if (x->gradient)
            memset(x->gradient, 0xff, n * sizeof(float));
    }
}

static void memory_does_not_grow_in_steady_state(void **state)
{
    struct tape *tape = new_tape();
    size_t held;

    (void)state;
    allocate_step(tape, 1);
    held = tape_bytes(tape);
    assert_true(held > 0);
    for (int i = 0; i < 5; i++) {
        tape_reset(tape);
        allocate_step(tape, 1);
        assert_int_equal(tape_bytes(tape), held);
    }
    for (uint32_t seed = 2; seed < 12;
         seed++) { /* other orders: a few blocks more, then none */
        tape_reset(tape);
        allocate_step(tape, seed);
    }
    assert_true(tape_bytes(tape) <= 2 * held);
    tape_free(&tape);
    tape_free(&tape);
}

static void limit_is_a_failure_not_a_crash(void **state)
{
    struct tape *tape = new_tape();
    struct error error;

    (void)state;
    tape_limit(tape, 300000);
    assert_non_null(tape_allocate(tape, 200000));
    assert_true(tape_bytes(tape) <= 300000);
    assert_null(tape_allocate(tape, 200000));
    assert_int_equal(tape_status(tape, &error), STATUS_NO_MEMORY);
    tape_reset(tape);
    assert_non_null(tape_allocate(tape, 200000));
    assert_null(tape_tensor(tape, 1, (size_t[]){(size_t)1 << 40}, true));
    assert_int_equal(tape_status(tape, NULL), STATUS_NO_MEMORY);
    tape_reset(tape);
    assert_null(tape_allocate(tape, SIZE_MAX - 5));
    assert_int_equal(tape_status(tape, NULL), STATUS_NO_MEMORY);
    tape_free(&tape);
}

struct step {
    int *order, *n_done, number;
    bool fails;
};

static void note_step(struct tape *tape, void *context)
{
    struct step *step = context;

    step->order[(*step->n_done)++] = step->number;
    if (step->fails)
        tape_fail(tape, STATUS_NO_MEMORY, "step %d", step->number);
}

static void records_run_once_in_reverse(void **state)
{
    struct tape *tape = new_tape();
    int order[8], n_done = 0;
    struct step steps[4];

    (void)state;
    for (int round = 0; round < 2; round++) {
        struct tensor *loss = tape_tensor(tape, 1, (size_t[]){1}, true);
        n_done = 0;
        for (int i = 0; i < 4; i++) {
            steps[i] = (struct step){order, &n_done, i, round == 1 && i == 2};
            tape_record_step(tape, note_step, &steps[i]);
        }
        if (round == 0) {
            assert_int_equal(tape_backward(tape, loss, NULL), STATUS_OK);
            assert_true(loss->gradient[0] == 1.0f);
            assert_int_equal(n_done, 4);
            for (int i = 0; i < 4; i++)
                assert_int_equal(order[i], 3 - i);
        } else { /* a step that fails is the last */
            assert_int_equal(tape_backward(tape, loss, NULL), STATUS_NO_MEMORY);
            assert_int_equal(n_done, 2);
        }
        tape_reset(tape);
    }
    struct tensor *two = tape_tensor(tape, 1, (size_t[]){2}, true);
    assert_int_equal(tape_backward(tape, two, NULL), STATUS_USAGE);
    tape_free(&tape);
}

static void gradients_are_wanted_while_recording(void **state)
{
    struct tape *tape = new_tape();
    struct tensor *with = tape_tensor(tape, 1, (size_t[]){1}, true);
    struct tensor *without = tape_tensor(tape, 1, (size_t[]){1}, false);

    (void)state;
    assert_true(tape_wants_gradient(tape, (struct tensor *[]){NULL, without, with}, 3));
    assert_false(tape_wants_gradient(tape, (struct tensor *[]){NULL, without}, 2));
    tape_record(tape, false);
    assert_false(tape_wants_gradient(tape, &with, 1));
    tape_free(&tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_tensors_are_zero_and_aligned),
        cmocka_unit_test(shapes_out_of_bounds_are_refused),
        cmocka_unit_test(views_share_values_and_gradients),
        cmocka_unit_test(views_that_do_not_fit_fail),
        cmocka_unit_test(first_failure_stays_until_reset),
        cmocka_unit_test(memory_does_not_grow_in_steady_state),
        cmocka_unit_test(limit_is_a_failure_not_a_crash),
        cmocka_unit_test(records_run_once_in_reverse),
        cmocka_unit_test(gradients_are_wanted_while_recording),
    };

    return cmocka_run_group_tests_name("train_tensor", tests, NULL, NULL);
}
