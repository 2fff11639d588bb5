"""A packed dataset on a device: batches are gathered and augmented there, many clips at once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from skelact.datasets.packed import Packed
from skelact.options import AugmentOptions
from skelact.sequence import streams
from skelact.sequence.input import ClipArrays
from skelact.sequence.sampling import Indices, Positions, SamplingOptions, training_indices
from skelact.training.augment import AugmentParams
from skelact.training.simulate import Simulation, frame_steps, warp_time


class DeviceClips:
    """A packed dataset, with its clips and their labels (N,) int64 in the memory of one device.
    `arrays.test_input` builds the batches for testing."""

    def __init__(self, packed: Packed, device: torch.device) -> None:
        self.packed = packed
        # on a CPU the tensor shares the memory-mapped file, which is read on demand
        self.arrays = ClipArrays(
            values=torch.from_numpy(packed.keypoints).to(device),
            offsets=packed.offsets[:-1],
            lengths=packed.lengths,
            skeleton=packed.skeleton,
            dims=packed.dims,
            minmax=packed.minmax,
        )
        self.labels = torch.from_numpy(packed.labels).to(device)

    def training(
        self,
        samples: Indices,
        sampling: SamplingOptions,
        augment: AugmentOptions,
        rng: np.random.Generator,
        mode: str = "body",
    ) -> tuple[Tensor, Tensor]:
        """An augmented batch of the samples (N,): x (N, M, L, V, C * streams) without NaN, labels
        (N,). `mode` is the normalisation of the clips, which is repeated after a simulated
        camera."""
        arrays = self.arrays
        lengths, fps = arrays.lengths[samples], self.packed.fps[samples]
        frames = np.stack([training_indices(int(n), sampling, rng) for n in lengths])
        joints = len(arrays.skeleton.joints)
        params = AugmentParams.draw(augment, len(samples), joints, arrays.dims, rng)
        frames = warp_time(frames, lengths, augment, rng)
        steps = frame_steps(fps, augment, rng)
        camera = Simulation.draw(augment, arrays.skeleton, arrays.dims, fps, mode, rng)

        def change(x: Tensor, positions: Positions) -> Tensor:
            x = x if camera is None else camera.apply(x, positions)
            return params.apply(x, arrays.flip_index, arrays.dims)

        x = arrays.build_input(samples, frames, streams.parse(sampling.streams), change, steps)
        return x, self.labels[torch.from_numpy(samples).to(self.labels.device)]
