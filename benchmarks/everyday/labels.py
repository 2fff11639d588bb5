"""What the datasets of `everyday` contribute: the class of each of their labels, how many clips of
a class are drawn, and which clips are held out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from skelact.types import UNKNOWN as U

JHMDB = (
    *("brush_hair", "catch", "clap", "climb_stairs", "golf", "jump", "kick_ball", "pick", "pour"),
    *("pullup", "push", "run", "shoot_ball", "shoot_bow", "shoot_gun", "sit", "stand"),
    *("swing_baseball", "throw", "walk", "wave"),
)
OTHER_CLASSES = ("squat", "push_up", "jumping_jacks", "bowl", "tennis", "bench_press")
CLASSES = tuple(sorted((*JHMDB, *OTHER_CLASSES, U)))
# drawn as classes, but trained as other actions: too few clips of other subjects were recognised
NOT_NAMED = ("sit_up", "jump_rope", "lie_down", "clean_and_jerk", "play_guitar")


def _table(text: str) -> dict[str, str]:
    """ "class: label label, class: label" -> label to class."""
    pairs = (part.split(":") for part in text.split(","))
    return {label: name.strip() for name, labels in pairs for label in labels.split()}


# labels that are not listed are left out
LABELS = {
    "cmu": _table(
        "walk: walk, run: run, jump: jump, kick_ball: soccer, "
        f"{U}: climb basketball basketball_signal dance martial_arts wash directing_traffic sword "
        "punch bend"
    ),
    "bandai": _table(
        "run: run dash, walk: walk walk-turn-left walk-turn-right, "
        "wave: wave-right-hand wave-both-hands wave-left-hand byebye, "
        f"{U}: raise-up-left-hand raise-up-right-hand raise-up-both-hands guide bow slash punch "
        "call respond dance-short"
    ),
    "hdm05": _table(
        "squat: squat, pick: deposit_floor, kick_ball: kick, run: jog, "
        "shoot_ball: throw_basketball, "
        f"{U}: grab_high elbow_to_knee lie_down rotate_arms sneak"
    ),
    "utd-mhad": _table(
        "wave: wave, clap: clap, throw: throw, push: push, run: jog, walk: walk, "
        "stand: sit_to_stand, sit: stand_to_sit, squat: squat, swing_baseball: baseball_swing, "
        "shoot_ball: basketball_shoot, bowl: bowling, tennis: tennis_swing tennis_serve, "
        f"{U}: lunge boxing arm_cross arm_curl draw_circle_ccw draw_circle_cw draw_x draw_triangle "
        "swipe_left swipe_right knock"
    ),
    "deepmimic": _table(
        f"run: run, walk: walk, jump: jump, {U}: dance spin crawl roll cartwheel punch"
    ),
    "nw-ucla": _table(
        "pick: pick_up_with_one_hand pick_up_with_two_hands, walk: walk_around carry, "
        f"sit: sit_down, stand: stand_up, throw: throw, {U}: drop_trash donning doffing"
    ),
    "penn": _table(
        "swing_baseball: baseball_swing, throw: baseball_pitch, golf: golf_swing, pullup: pullup, "
        "squat: squat, push_up: pushup, sit_up: situp, jumping_jacks: jumping_jacks, "
        "jump_rope: jump_rope, bowl: bowl, tennis: tennis_serve tennis_forehand, "
        "bench_press: bench_press, clean_and_jerk: clean_and_jerk, play_guitar: strum_guitar"
    ),
}
# most clips of a class, and of other actions; a third of these of the held-out clips
MOST = {
    "cmu": (160, 500),
    "bandai": (120, 250),
    "hdm05": (100, 200),
    "utd-mhad": (90, 450),
    "deepmimic": (80, 60),
    "nw-ucla": (80, 150),
    "penn": (130, 0),
}
CAMERAS = {"cmu": 3, "bandai": 2, "hdm05": 4, "utd-mhad": 3, "deepmimic": 3, "nw-ucla": 2}
DATASETS = ("jhmdb", *LABELS, "surveillance-fight")


def held_out(dataset: str, subjects: Sequence[str]) -> list[bool]:
    """Whether clips with these subjects are held out. The subject of Penn Action is its subset."""
    if dataset == "utd-mhad":
        return [int(s) % 2 == 0 for s in subjects]
    if dataset == "nw-ucla":
        chosen = set(sorted(set(subjects))[::4])
        return [s in chosen for s in subjects]
    if dataset == "bandai":  # a style of one part; the actors are not named
        return [int(hashlib.md5(s.encode()).hexdigest()[:6], 16) % 4 == 0 for s in subjects]
    held = {"hdm05": ("tr", "mm"), "penn": ("test",)}.get(dataset, ())
    return [s in held for s in subjects]
