"""GLB of the hands of one picture: still meshes, metres, +Y up, the camera at the origin looking to −Z."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handloom.export.gltf import INDICES, VERTICES, GltfFile
from handloom.hand import HandModel
from handloom.session.layout import package_version

Array = NDArray[np.float64]

CAMERA_TO_Y_UP = np.diag([1.0, -1.0, -1.0])
_MATERIALS = (("skin", (0.72, 0.46, 0.36, 1.0), 0.62), ("nail", (0.82, 0.58, 0.52, 1.0), 0.32))


def posed_glb(hands: Sequence[tuple[str, HandModel, Array]], extras: dict[str, Any]) -> bytes:
    """The content of the file.

    Args:
        hands: name, model and (V, 3) vertices in the camera's axes (+Y down, +Z forward) of each.
        extras: anything else worth saying, as plain JSON values.

    Raises:
        ValueError: without hands.
    """
    if not hands:
        raise ValueError("a file needs at least one hand")
    file = GltfFile(f"handloom {package_version('handloom')}", extras | {"unit": "m"})
    materials = [
        file.add(
            "materials",
            name=name,
            doubleSided=True,  # the wrist is open
            pbrMetallicRoughness={
                "baseColorFactor": list(colour), "metallicFactor": 0.0, "roughnessFactor": roughness,
            },
        )
        for name, colour, roughness in _MATERIALS
    ]  # fmt: skip
    nodes = []
    for name, model, vertices in hands:
        turned = vertices @ CAMERA_TO_Y_UP.T
        normals = model.normals(turned)
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        normals = np.where(length > 0.5, normals / np.maximum(length, 1e-12), [0.0, 0.0, 1.0])
        attributes = {
            "POSITION": file.add_array(turned.astype(np.float32), target=VERTICES, bounds=True),
            "NORMAL": file.add_array(normals.astype(np.float32), target=VERTICES),
        }
        on_nail = model.nails[model.faces].all(axis=1)
        primitives = [
            {
                "attributes": attributes,
                "indices": file.add_array(faces.astype(np.uint32).ravel(), target=INDICES),
                "material": material,
            }
            for material, faces in zip(materials, (model.faces[~on_nail], model.faces[on_nail]), strict=True)
            if len(faces)
        ]
        nodes.append(file.add("nodes", name=name, mesh=file.add("meshes", name=name, primitives=primitives)))
    return file.to_bytes(nodes)
