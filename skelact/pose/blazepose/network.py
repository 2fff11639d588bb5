"""The two networks of BlazePose, executed by LiteRT on one thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skelact.errors import BackendMissing
from skelact.pose.blazepose.weights import DETECTOR, INSTALL, LANDMARKS, find
from skelact.pose.native import quiet_stderr
from skelact.types import Floats

DETECTOR_SIZE, LANDMARK_SIZE = 224, 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RawLandmarks:
    """Outputs of the landmark network: 39 x (x, y, z, visibility, presence) in pixels of the crop
    and logits, the probability that the crop shows a person, heat maps (64, 64, 39) as logits, and
    39 x (x, y, z) in metres, in the axes of the crop."""

    joints: Floats
    presence: float
    heatmaps: Floats
    world: Floats


class Networks:
    """Both networks, loaded from their files. Raises BackendMissing or WeightsMissing."""

    def __init__(self) -> None:
        self._detector = Network(find(DETECTOR).read_bytes(), (0, 1))
        # output 2 is the segmentation mask: a third of the computation, and not needed
        self._landmarks = Network(find(LANDMARKS).read_bytes(), (0, 1, 3, 4))

    def detect(self, image: Floats) -> tuple[Floats, Floats]:
        """Raw boxes (2254, 12) and score logits (2254,) for an RGB image (224, 224, 3) in
        [-1, 1]."""
        boxes, scores = self._detector(image)
        return boxes[0], scores[0, :, 0]

    def landmarks(self, image: Floats) -> RawLandmarks:
        """The landmarks of an RGB crop (256, 256, 3) in [0, 1]."""
        joints, presence, heatmaps, world = self._landmarks(image)
        return RawLandmarks(
            joints=joints.reshape(39, 5),
            presence=float(presence.ravel()[0]),
            heatmaps=heatmaps[0],
            world=world.reshape(39, 3),
        )


class Network:
    """A LiteRT interpreter that computes some of the outputs of a model. Raises BackendMissing if
    LiteRT cannot be loaded."""

    def __init__(self, content: bytes, outputs: Sequence[int]) -> None:
        try:
            with quiet_stderr():
                from ai_edge_litert.interpreter import Interpreter

                self.interpreter = Interpreter(
                    model_content=_prune(content, outputs), num_threads=1
                )
                self.interpreter.allocate_tensors()
        except (ImportError, OSError) as error:
            raise BackendMissing(f"ai-edge-litert cannot be loaded: {error}", INSTALL) from error
        self.input = self.interpreter.get_input_details()[0]["index"]
        self.outputs = [d["index"] for d in self.interpreter.get_output_details()]

    def __call__(self, image: Floats) -> list[Floats]:
        self.interpreter.set_tensor(self.input, image[None])
        self.interpreter.invoke()
        return [self.interpreter.get_tensor(index) for index in self.outputs]


def _prune(content: bytes, outputs: Sequence[int]) -> bytes:
    """The model without the operators that none of `outputs` needs. The other outputs stay
    bit-identical."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model: Any = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    if len(outputs) == len(graph.outputs):
        return content
    graph.outputs = np.array([graph.outputs[i] for i in outputs], np.int32)
    needed, operators = set(graph.outputs.tolist()), []
    for operator in reversed(graph.operators):
        if needed.intersection(operator.outputs.tolist()):
            operators.append(operator)
            needed.update(operator.inputs.tolist())
    graph.operators = operators[::-1]
    model.signatureDefs = None  # it names all outputs
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
