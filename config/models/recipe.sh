#!/bin/sh
# The recipe of the models in the box.  `make guide` runs its steps in order:
#   recipe.sh data | vocabulary | guide | guide-draft | grades | told
# A step leaves its file in TREE when it is whole; a training that was stopped goes on from its
# checkpoint.  The same numbers give the same files, on any processor and with any number of threads.
set -eu
: "${BANTER:?the program}" "${TREE:?the folder to work in}"

seed=1
vocabulary_size=3000
quantisation=Q8_0

# Layers, widths, heads; every fourth layer is full attention.
guide_shape='--layers 8 --mtp 1 --embd 256 --ff 640 --heads 4 --kv-heads 2 --head-dim 64
    --key-heads 4 --value-heads 8 --state-dim 32'
guide_training='--steps 6000 --batch 8192 --micro-batch 2048 --learning-rate 2e-3 --warmup 200'

draft_shape='--layers 4 --mtp 0 --embd 96 --ff 256 --heads 2 --kv-heads 1 --head-dim 48
    --key-heads 2 --value-heads 4 --state-dim 24'
draft_training='--steps 6000 --batch 8192 --micro-batch 2048 --learning-rate 3e-3 --warmup 200'

# train NAME FLAGS
train() {
    name=$1
    shift
    "$BANTER" train --data "$TREE/data/train.jsonl" --held-out "$TREE/data/held-out.jsonl" \
        --vocabulary "$TREE/vocabulary.gguf" --seed "$seed" --name "$name" \
        --checkpoint "$TREE/$name.checkpoint" --resume --plot \
        --type "$quantisation" --out "$TREE/$name.gguf" "$@"
}

mkdir -p "$TREE"
case "${1-}" in
data)
    rm -rf "$TREE/data.part"
    "$BANTER" dataset --seed "$seed" --out "$TREE/data.part"
    mv "$TREE/data.part" "$TREE/data"
    ;;
vocabulary)
    "$BANTER" tokenizer --data "$TREE/data/train.jsonl" --size "$vocabulary_size" \
        --out "$TREE/vocabulary.gguf"
    ;;
# The flags are words on purpose.
guide)
    # shellcheck disable=SC2086
    train guide $guide_shape $guide_training
    ;;
guide-draft)
    # shellcheck disable=SC2086
    train guide-draft $draft_shape $draft_training
    ;;
grades)
    "$BANTER" grade --model "$TREE/guide.gguf" --draft "$TREE/guide-draft.gguf" \
        "$TREE/data/held-out.jsonl" >"$TREE/grades.part"
    mv "$TREE/grades.part" "$TREE/grades.txt"
    ;;
told)
    cat "$TREE/grades.txt"
    echo "To put them in the box: cp $TREE/guide.gguf $TREE/guide-draft.gguf config/models/"
    ;;
*)
    echo "usage: BANTER=program TREE=folder recipe.sh data|vocabulary|guide|guide-draft|grades|told" >&2
    exit 2
    ;;
esac
