"""What the networks are and what was published of them. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

_PYSKL = "PYSKL model zoo: NTU60 xsub, 100 frames, 10 clips"


@dataclass(frozen=True)
class ModelCard:
    """One network of the table: `shape` is (persons, frames, channels) of the clip that is counted,
    `accuracy` in per cent with `source`."""

    name: str
    paper: str
    accuracy: str
    source: str
    shape: tuple[int, int, int] = (2, 100, 3)


MODEL_CARDS = (
    ModelCard(
        "stgcn",
        "Yan et al. 2018, Spatial Temporal Graph Convolutional Networks",
        "2D: joint 88.95, 4 streams 92.34; 3D: joint 88.11, 4 streams 90.39",
        _PYSKL,
    ),
    ModelCard(
        "stgcn-kth",
        "KTH report: ST-GCN with four partitions, residual layers, edge importance",
        "KTH, 6 actions: 77.34 plain with augmentation, 80.47 residual",
        "the report's final table, spatial partition",
        (1, 100, 2),
    ),
    ModelCard(
        "stgcnpp",
        "Duan et al. 2022, PYSKL (ST-GCN++)",
        "2D: joint 89.29, 4 streams 92.77; 3D: joint 89.14, 4 streams 91.87",
        _PYSKL,
    ),
    ModelCard(
        "asgcn",
        "Li et al. 2019, Actional-Structural Graph Convolutional Networks",
        "NTU60: 86.8 xsub, 94.2 xview",
        "the paper",
        (2, 290, 3),
    ),
    ModelCard(
        "agcn",
        "Shi et al. 2019, Two-Stream Adaptive Graph Convolutional Networks",
        "NTU60, 2 streams: 88.5 xsub, 95.1 xview",
        "the paper",
    ),
    ModelCard(
        "2s-agcn",
        "the same in mmaction2's form (AAGCN without attention)",
        "2D: joint 88.60, 4 streams 92.34",
        "mmaction2 model zoo: NTU60 xsub",
    ),
    ModelCard(
        "aagcn",
        "Shi et al. 2020, Multi-Stream Adaptive Graph Convolutional Networks",
        "NTU60, 4 streams: 90.0 xsub, 96.2 xview",
        "the paper",
    ),
    ModelCard(
        "ctrgcn",
        "Chen et al. 2021, Channel-wise Topology Refinement",
        "4 streams: NTU60 92.4 xsub, 96.8 xview; NW-UCLA 96.5",
        "the paper",
    ),
    ModelCard(
        "msg3d",
        "Liu et al. 2020, Disentangling and Unifying Graph Convolutions",
        "joint: 2D 92.3, 3D 89.6",
        "mmaction2 project: NTU60 xsub",
    ),
    ModelCard(
        "sgn",
        "Zhang et al. 2020, Semantics-Guided Neural Networks",
        "NTU60: 89.0 xsub, 94.5 xview",
        "the paper",
        (1, 20, 3),
    ),
    ModelCard(
        "esan",
        "the efficient self-attention network: joints and bones, semantics",
        "NTU60: 90.5 xsub, 96.1 xview; NTU120: 85.7, 86.8; Kinetics 37.6",
        "the paper",
        (1, 20, 3),
    ),
    ModelCard(
        "ddnet",
        "Yang et al. 2019, DD-Net: joint distances and motion at two speeds",
        "JHMDB, annotated joints: 78.0",
        "the authors' repository, 0.50 M parameters (32 filters)",
        (1, 32, 3),
    ),
    ModelCard(
        "rocket",
        "Dempster et al. 2020, ROCKET: random convolutions, a head in closed form",
        "nothing for skeletons",
        "it was made for time series",
        (1, 32, 3),
    ),
)
