#!/usr/bin/env bash
# The main job on the sample videos, told as it goes: extract, train, predict a clip the network has not seen, draw it.
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

echo "${bold}skelact: from a folder of videos to a label${plain}"
echo "Four actions (HipHop, Jazz, Kata, Taichi), four performers, three cameras: 74 short videos,"
echo "rendered by this project. About six minutes on two cores, most of it looking for people."

step "1. Find the people in every frame." "skelact extract sample_videos"
skelact extract sample_videos > "$out/extract.txt"
tail -n 1 "$out/extract.txt"

step "2. Train a small recogniser, on some takes, and test it on others." \
    "skelact train --dataset mads --config stgcn_mads_demo"
rm -rf "$out/runs/demo"
skelact train --dataset mads --config stgcn_mads_demo --runs "$out/runs" --name demo

step "3. Ask it about a minute of video that is in no training set." \
    "skelact predict sample_videos/extras/untrimmed.avi --model $out/runs/demo --overlay $out/untrimmed.mp4"
skelact predict sample_videos/extras/untrimmed.avi --model "$out/runs/demo" \
    --overlay "$out/untrimmed.mp4" --srt "$out/untrimmed.srt"
echo "What really happens (sample_videos/extras/untrimmed.csv):"
tail -n +2 sample_videos/extras/untrimmed.csv | sed 's/^/  /'

echo
echo "${bold}Done in $((SECONDS - started)) s.${plain} Look at:"
echo "  $out/untrimmed.mp4                 the video with skeletons, labels and a timeline"
echo "  $out/runs/demo/confusion.png       what it mistakes for what"
echo "  $out/runs/demo/curves.png          how it learnt"
echo "Now with your own: skelact extract videos/"
