"""``gesturelab models``: the model sizes, what they cost, and when to take which."""

import argparse
import json
from typing import Any

from gesturelab.config.composing import compose, options
from gesturelab.config.options import arguments_of
from gesturelab.config.training import ModelConfig


def run(arguments: list[str]) -> int:
    """Prints a table, or JSON.

    Returns:
        0.
    """
    parser = argparse.ArgumentParser(
        prog="gesturelab models",
        description="The model sizes with the default features and window, for nine gestures.",
    )
    parser.add_argument("--json", action="store_true", help="print a list of objects instead of a table")
    as_json = parser.parse_args(arguments).json
    models = sorted((describe_size(name) for name in options("model")), key=lambda model: model["parameters"])
    if as_json:
        print(json.dumps(models, indent=2))
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("model", "parameters", "hidden", "LSTM", "head", "dropout", "MFLOP"):
        table.add_column(heading, justify="left" if heading == "model" else "right", no_wrap=True)
    table.add_column("take it for")
    for model in models:
        table.add_row(
            model["name"],
            f"{model['parameters']:,}",
            *("-" if model[key] is None else str(model[key]) for key in ("hidden", "layers", "head_layers", "dropout")),
            "-" if model["flops_per_window"] is None else f"{model['flops_per_window'] / 1e6:,.1f}",
            model["use_case"],
        )
    Console().print(table)
    print("hidden: width; LSTM, head: layers; MFLOP: million operations for one window of the default length")
    return 0


def describe_size(name: str) -> dict[str, Any]:
    """One size: its configuration, how many numbers it learns, and the operations for one window."""
    from gesturelab.models.flops import flops_per_window, on_meta_device
    from gesturelab.models.network import count_parameters
    from gesturelab.preprocessing.features import Features
    from gesturelab.skeletons.skeleton import KINECT_V2

    config = compose([f"model={name}"])
    table = Features(config.features, KINECT_V2)
    features, frames = len(table.names), config.window.length_frames
    model = on_meta_device(config.model, table, 9, frames)
    keys = arguments_of(config.model, ModelConfig)
    return {
        "name": name,
        "parameters": count_parameters(model),
        "use_case": config.model.use_case,
        **{key: keys.get(key) for key in ("hidden", "layers", "head_layers", "dropout")},
        "flops_per_window": flops_per_window(model, frames, features),
        "window_frames": config.window.length_frames,
        "features": features,
    }
