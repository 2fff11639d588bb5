#!/usr/bin/env bash
# Demonstrates the main commands on the sample videos: extract, train, predict. Usage: demo.sh [OUTPUT_FOLDER]
set -euo pipefail
out=${1:-demo}
mkdir -p "$out"
export SKELACT_CACHE="$out/cache"
bold=$(tput bold 2>/dev/null || true)
plain=$(tput sgr0 2>/dev/null || true)
started=$SECONDS

step() {
    echo
    echo "${bold}$1${plain}"
    echo "  \$ $2"
}

echo "${bold}skelact: from a folder of videos to predictions${plain}"
echo "Four actions (HipHop, Jazz, Kata, Taichi), four performers, three cameras: 74 short videos,"
echo "rendered by this project. About six minutes on two cores, most of it for pose estimation."

echo
echo "Weights of the pose estimator (36 MB are downloaded once):"
skelact models pull blazepose

step "1. Estimate the poses of all persons in every frame." "skelact extract sample_videos"
skelact extract sample_videos > "$out/extract.txt"
tail -n 1 "$out/extract.txt"

step "2. Train a small model on some takes and test it on others." \
    "skelact train --dataset mads --config stgcn_mads_demo"
rm -rf "$out/runs/demo"
skelact train --dataset mads --config stgcn_mads_demo --runs "$out/runs" --name demo

step "3. Predict the actions in a one-minute video that is not in the training set." \
    "skelact predict sample_videos/extras/untrimmed.avi --model $out/runs/demo --overlay $out/untrimmed.mp4"
skelact predict sample_videos/extras/untrimmed.avi --model "$out/runs/demo" \
    --overlay "$out/untrimmed.mp4" --srt "$out/untrimmed.srt"
echo "The true actions (sample_videos/extras/untrimmed.csv):"
tail -n +2 sample_videos/extras/untrimmed.csv | sed 's/^/  /'

echo
echo "${bold}Done in $((SECONDS - started)) s.${plain} Results:"
echo "  $out/untrimmed.mp4                 the video with skeletons, labels and a timeline"
echo "  $out/runs/demo/confusion.png       which actions are confused"
echo "  $out/runs/demo/curves.png          loss and accuracy during training"
echo "For your own videos: skelact extract videos/"
