#!/bin/sh
# The recipe of the models in the box.  `make guide` runs its steps in order:
#   recipe.sh data | vocabulary | guide | guide-draft | grades | told
# A step leaves its file in TREE when it is whole; a training that was stopped goes on from its
# checkpoint; remove TREE to begin again.  The same numbers give the same files, on any processor and
# with any number of threads.
set -eu
: "${BANTER:?the program}" "${TREE:?the folder to work in}"

seed=1
dataset_size=250000
vocabulary_size=2048
quantisation=Q8_0
sampling=temperature=0.3,top_k=20,top_p=0.9

# Every fourth layer is full attention; more value heads than key heads.
guide_shape='--layers 8 --mtp 1 --embedding 256 --ffn 384 --heads 4 --kv-heads 2 --head-dim 64
    --key-heads 4 --value-heads 8 --state-dim 32 --context 2048'
guide_training='--steps 2400 --batch 4096 --micro 1024 --learning-rate 2e-3 --warmup 60
    --checkpoint-interval 100 --held-out-interval 200'
# Then once more, with the boundary among the others: what it should not answer, and what it should.
guide_seed=2
guide_tuning='--steps 700 --batch 4096 --micro 1024 --learning-rate 1e-3 --warmup 20
    --checkpoint-interval 100 --held-out-interval 140'

draft_shape='--layers 4 --mtp 0 --embedding 96 --ffn 192 --heads 4 --kv-heads 2 --head-dim 32
    --key-heads 2 --value-heads 4 --state-dim 32 --context 2048'
draft_training='--steps 2000 --batch 4096 --micro 2048 --learning-rate 4e-3 --warmup 60
    --checkpoint-interval 200 --held-out-interval 200'

# train FILE NAME DESCRIPTION FLAGS
train() {
    file=$1 name=$2 description=$3
    shift 3
    "$BANTER" train --no-config --data "$TREE/data/train.jsonl" \
        --held-out "$TREE/data/held-out.jsonl" --name "$name" --description "$description" \
        --sampling "$sampling" --checkpoint "$TREE/$file.checkpoint" --resume --plot \
        --out "$TREE/$file.gguf" "$@" >"$TREE/$file.loss.txt"
}

mkdir -p "$TREE"
case "${1-}" in
data)
    rm -rf "$TREE/data.part"
    "$BANTER" dataset --no-config --seed "$seed" --size "$dataset_size" --out "$TREE/data.part"
    mv "$TREE/data.part" "$TREE/data"
    ;;
vocabulary)
    "$BANTER" tokenizer --no-config --data "$TREE/data/train.jsonl" --size "$vocabulary_size" \
        --out "$TREE/vocabulary.gguf"
    ;;
# The flags are words on purpose.
guide)
    # shellcheck disable=SC2086
    [ -e "$TREE/guide-base.gguf" ] ||
        train guide-base guide "the small model that comes with banter" --type F32 \
            --vocabulary "$TREE/vocabulary.gguf" --seed "$seed" $guide_shape $guide_training
    # shellcheck disable=SC2086
    train guide guide "the small model that comes with banter" --type "$quantisation" \
        --from "$TREE/guide-base.gguf" --seed "$guide_seed" $guide_tuning \
        "$TREE/data/boundary.jsonl"
    ;;
guide-draft)
    # shellcheck disable=SC2086
    train guide-draft guide-draft "proposes tokens for guide" --type "$quantisation" \
        --vocabulary "$TREE/vocabulary.gguf" --seed "$seed" $draft_shape $draft_training
    ;;
grades)
    "$BANTER" grade --no-config --model "$TREE/guide.gguf" --draft "$TREE/guide-draft.gguf" \
        "$TREE/data/held-out.jsonl" >"$TREE/grades.part" || {
        cat "$TREE/grades.part"
        echo "These models are not good enough for the box." >&2
        exit 1
    }
    mv "$TREE/grades.part" "$TREE/grades.txt"
    ;;
told)
    cat "$TREE/guide-base.loss.txt" "$TREE/guide.loss.txt" "$TREE/guide-draft.loss.txt" "$TREE/grades.txt"
    echo "To put them in the box: cp $TREE/guide.gguf $TREE/guide-draft.gguf config/models/"
    ;;
*)
    echo "usage: recipe.sh data|vocabulary|guide|guide-draft|grades|told" >&2
    exit 2
    ;;
esac
