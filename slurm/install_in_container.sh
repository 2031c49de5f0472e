#!/bin/sh
# Installs gesturelab from /opt/gesturelab into /opt/venv; Containerfile and slurm/gesturelab.def run it.
# A torch that the base image brings stays; else it comes from TORCH_INDEX, or from where pip finds it.
set -eu
cd /opt/gesturelab
python3 -m venv --system-site-packages /opt/venv
pip="/opt/venv/bin/python -m pip --disable-pip-version-check --no-cache-dir"
$pip freeze | grep -q '^torch[= ]' || $pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch
version=$(/opt/venv/bin/python -c 'from importlib.metadata import version; print(version("torch"))')
{ echo "torch==$version"; grep -v '^torch==' constraints.txt; } >/opt/venv/constraints.txt
$pip install --constraint /opt/venv/constraints.txt .
