#!/usr/bin/env bash
# Installs skelact as `pip install .` does, with the newest releases of its dependencies and without
# mmpose, and runs the main commands and the tests that need no mmpose. Usage: smoke.sh [VENV_FOLDER]
# PYTHON is the interpreter (default: python3.11). TORCH is the requirement of torch (default: the
# version in requirements.lock, which CI has already downloaded; TORCH=torch takes the newest).
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
venv=${1:-.venv-newest}
torch=${TORCH:-$(grep -E '^torch==' requirements.lock)}
started=$SECONDS

step() { echo "== $* ($((SECONDS - started)) s)"; }

step "install into $venv"
rm -rf "$venv"
"${PYTHON:-python3.11}" -m venv "$venv"
bin=$(cd "$venv/bin" && pwd)
pip=("$bin/python" -m pip --disable-pip-version-check)
"${pip[@]}" install --quiet "$torch"
"${pip[@]}" install --quiet . pytest pytest-xdist hypothesis
"${pip[@]}" freeze --all | grep -iE '^(ai-edge-litert|flatbuffers|ffmpeg-python|imageio-ffmpeg|matplotlib|msgspec)=='
"${pip[@]}" freeze --all | grep -iE '^(numpy|opencv.*|pillow|rich|scipy|torch|typer|setuptools)=='
for package in mediapipe mmengine opencv-python opencv-contrib-python; do
    if "${pip[@]}" show --quiet "$package" 2>/dev/null; then
        echo "$package is installed, but skelact does not need it"
        exit 1
    fi
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export SKELACT_CACHE=$work/cache PATH=$bin:$PATH
step "weights and doctor"
skelact models pull blazepose
skelact doctor

step "extract"
mkdir -p videos/Kata videos/Taichi
for action in Kata Taichi; do
    for take in A1 A2 C1 D1; do
        skelact cut "$root/sample_videos/$action/${action}_${take}_C0.avi" --length 2 --out "cut/$take" --quiet > cut.txt
        cp "$(find "cut/$take" -name "${action}_*" | sort | head -n 1)" "videos/$action/$take.mp4"
    done
done
skelact extract videos

step "train"
skelact train --dataset videos --model stgcn_small --epochs 2 --set train.repeat=2 --device cpu --name small
skelact train --dataset videos --model rocket --device cpu --name rocket

step "predict"
skelact predict videos/Kata/A1.mp4 --model runs/small --overlay drawn.mp4 --json > predictions.json
test -s drawn.mp4
grep -q '"predictions"' predictions.json
skelact predict videos/Taichi

step "tests that need no mmpose"
cp -r "$root/tests" "$root/pyproject.toml" .
pytest -n 2 tests/test_config.py tests/test_types.py tests/test_skeletons.py tests/test_schemas.py tests/test_cache.py \
    tests/test_files.py tests/test_properties.py tests/sequence tests/video tests/datasets tests/pose
step "done"
